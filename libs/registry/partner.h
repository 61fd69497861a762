// A partner: an ISP with a public ASN that hosts appliances or peers with us.
#ifndef FAIRLEAD_LIBS_REGISTRY_PARTNER_H_
#define FAIRLEAD_LIBS_REGISTRY_PARTNER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/registry/field.h"
#include "libs/registry/unique_key.h"
#include "libs/registry/words.h"

namespace fairlead::registry {

class Fleet;

struct Contact {
  std::string name;
  std::string email;
  std::string phone;
  std::string role;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("name", &Contact::name));
    visit(Field("email", &Contact::email));
    visit(Field("phone", &Contact::phone));
    visit(Field("role", &Contact::role));
  }
  friend bool operator==(const Contact&, const Contact&) = default;
};

struct Partner {
  using IdType = PartnerId;
  // Names the table, and leads the fields in errors: "partner.display_name".
  static constexpr absl::string_view kKind = "partner";

  PartnerId id;
  std::string display_name;
  std::vector<uint32_t> asns;
  std::string as_set;
  std::vector<std::string> allowed_prefixes;
  bool allow_prefix_overlap = false;
  std::vector<Contact> contacts;
  int64_t peak_traffic_bps = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &Partner::display_name));
    visit(Field("asns", &Partner::asns));
    visit(Field("as_set", &Partner::as_set));
    visit(Field("allowed_prefixes", &Partner::allowed_prefixes));
    visit(Field("allow_prefix_overlap", &Partner::allow_prefix_overlap));
    visit(Field("contacts", &Partner::contacts));
    visit(Field("peak_traffic_bps", &Partner::peak_traffic_bps));
  }
  friend bool operator==(const Partner&, const Partner&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Partner& partner);
// What can be said of the values alone.
absl::Status Validate(const Partner& partner);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Partner& partner);
std::vector<UniqueKey> UniqueKeys(const Partner& partner);
// Whether a network may announce with this number: not reserved and not for private use. Documentation numbers pass, for examples.
bool IsPublicAsn(uint32_t asn);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_PARTNER_H_
