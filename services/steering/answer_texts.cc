#include "services/steering/answer_texts.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/content/paths.h"
#include "services/steering/wire.h"

namespace fairlead {
namespace {

using UrlField = steering::v1::RankedUrl;

void AppendString(uint32_t field, absl::string_view value, std::string& text) {
  const size_t begin = text.size();
  text.resize(begin + StringSize(value));
  WireWriter(text.data() + begin).String(field, value);
}

void AppendLead(const ApplianceView& box, AddressFamily family, std::string& text) {
  const auto endpoint =
      std::find_if(box.endpoints.begin(), box.endpoints.end(), [&](const Endpoint& candidate) { return candidate.family == family; });
  if (endpoint != box.endpoints.end()) absl::StrAppend(&text, UrlOrigin(*endpoint), kSignedPathLead);
}

}  // namespace

std::string UrlOrigin(const Endpoint& endpoint) {
  const bool literal = absl::StrContains(endpoint.host, ':');
  const bool own_port = (endpoint.port == 80 && endpoint.scheme == "http") || (endpoint.port == 443 && endpoint.scheme == "https");
  std::string origin = absl::StrCat(endpoint.scheme, "://", literal ? "[" : "", endpoint.host, literal ? "]" : "");
  if (!own_port) absl::StrAppend(&origin, ":", endpoint.port);
  return origin;
}

std::shared_ptr<const AnswerTexts> AnswerTexts::Make(const Fleet& fleet) {
  auto texts = std::make_shared<AnswerTexts>();
  std::string& text = texts->text_;
  const auto here = [&] { return static_cast<uint32_t>(text.size()); };
  for (const Fleet::Box& box : fleet.boxes()) {
    OfBox& of = texts->boxes_.emplace_back();
    of.names = here();
    AppendString(UrlField::kApplianceFieldNumber, box.view.id.name(), text);
    AppendString(UrlField::kSiteFieldNumber, box.view.site.name(), text);
    of.lead_v4 = here();
    AppendLead(box.view, AddressFamily::kIpv4, text);
    of.lead_v6 = here();
    AppendLead(box.view, AddressFamily::kIpv6, text);
  }
  texts->boxes_.push_back({here(), here(), here()});
  return texts;
}

}  // namespace fairlead
