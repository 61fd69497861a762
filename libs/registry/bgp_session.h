// A BGP session: where routes come from. A route's class, partner and link come from its session only.
#ifndef FAIRLEAD_LIBS_REGISTRY_BGP_SESSION_H_
#define FAIRLEAD_LIBS_REGISTRY_BGP_SESSION_H_

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

struct BgpSession {
  using IdType = BgpSessionId;
  // Names the table, and leads the fields in errors: "bgp_session.display_name".
  static constexpr absl::string_view kKind = "bgp_session";

  BgpSessionId id;
  std::string display_name;
  ApplianceId appliance;
  SessionRole role = SessionRole::kUnspecified;
  std::vector<AddressFamily> families;
  std::string peer_address;
  int32_t peer_port = 0;
  uint32_t peer_asn = 0;
  PartnerId partner;
  TransportClass transport_class = TransportClass::kUnspecified;
  int32_t min_length_v4 = 0;
  int32_t max_length_v4 = 0;
  int32_t min_length_v6 = 0;
  int32_t max_length_v6 = 0;
  int32_t max_prefixes = 0;
  LinkId link;
  BgpSessionId router_feed;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &BgpSession::display_name));
    visit(Field("appliance", &BgpSession::appliance));
    visit(Field("role", &BgpSession::role));
    visit(Field("families", &BgpSession::families));
    visit(Field("peer_address", &BgpSession::peer_address));
    visit(Field("peer_port", &BgpSession::peer_port));
    visit(Field("peer_asn", &BgpSession::peer_asn));
    visit(Field("partner", &BgpSession::partner));
    visit(Field("transport_class", &BgpSession::transport_class));
    visit(Field("min_length_v4", &BgpSession::min_length_v4));
    visit(Field("max_length_v4", &BgpSession::max_length_v4));
    visit(Field("min_length_v6", &BgpSession::min_length_v6));
    visit(Field("max_length_v6", &BgpSession::max_length_v6));
    visit(Field("max_prefixes", &BgpSession::max_prefixes));
    visit(Field("link", &BgpSession::link));
    visit(Field("router_feed", &BgpSession::router_feed));
  }
  friend bool operator==(const BgpSession&, const BgpSession&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(BgpSession& session);
// What can be said of the values alone.
absl::Status Validate(const BgpSession& session);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const BgpSession& session);
std::vector<UniqueKey> UniqueKeys(const BgpSession& session);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_BGP_SESSION_H_
