// What answers say of a box, made once a configuration: everything of a RankedUrl that depends on the box alone. Immutable; any thread.
//
//   const auto texts = AnswerTexts::Make(*table->fleet);
//   texts->UrlLead(url.box, url.family);   // "https://[2001:db8::1]:8443/URISigningPackage="
#ifndef FAIRLEAD_SERVICES_STEERING_ANSWER_TEXTS_H_
#define FAIRLEAD_SERVICES_STEERING_ANSWER_TEXTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/steering/fleet.h"

namespace fairlead {

// "https://[2001:db8::1]:8443": brackets around an IPv6 literal, no port where it is the scheme's own. As it stands in URLs.
std::string UrlOrigin(const Endpoint& endpoint);

class AnswerTexts {
 public:
  // Some 150 bytes a box. Boxes are known by their numbers in this fleet, and in every fleet with the same boxes.
  static std::shared_ptr<const AnswerTexts> Make(const Fleet& fleet);

  // All of a URL before its token, for the box's first endpoint of the family; empty if it has none.
  absl::string_view UrlLead(uint32_t box, AddressFamily family) const {
    const OfBox& of = boxes_[box];
    return family == AddressFamily::kIpv4 ? Text(of.lead_v4, of.lead_v6) : Text(of.lead_v6, boxes_[box + 1].names);
  }
  // The fields `appliance` and `site` of a RankedUrl, in wire form.
  absl::string_view Names(uint32_t box) const { return Text(boxes_[box].names, boxes_[box].lead_v4); }

 private:
  // Where its texts begin; each ends where the next begins.
  struct OfBox {
    uint32_t names;
    uint32_t lead_v4;
    uint32_t lead_v6;
  };
  absl::string_view Text(uint32_t begin, uint32_t end) const { return {text_.data() + begin, end - begin}; }

  std::string text_;
  std::vector<OfBox> boxes_;  // And one behind the last.
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_ANSWER_TEXTS_H_
