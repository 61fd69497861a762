#include "libs/registry/bgp_session.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"
#include "libs/registry/check.h"
#include "libs/registry/fleet.h"

namespace fairlead::registry {
namespace {

constexpr int kBgpPort = 179;
constexpr int kMaxPrefixes = 10'000'000;

struct LengthDefaults {
  int least;
  int most;
};
// What a zero in the contract means.
constexpr LengthDefaults kDefaultsV4 = {8, 24};
constexpr LengthDefaults kDefaultsV6 = {19, 48};

absl::Status ValidateLengths(const std::string& family, int least, int most, LengthDefaults defaults, int bits) {
  RETURN_IF_ERROR(CheckRange(absl::StrCat("bgp_session.min_length_", family), least, 0, bits));
  RETURN_IF_ERROR(CheckRange(absl::StrCat("bgp_session.max_length_", family), most, 0, bits));
  const int from = least == 0 ? defaults.least : least;
  const int to = most == 0 ? defaults.most : most;
  if (from <= to) return absl::OkStatus();
  return InvalidField(absl::StrCat("bgp_session.min_length_", family), absl::StrCat(from),
                      absl::StrCat("is more than the longest length, ", to));
}

// A router feed carries the routes of other sessions and has none of its own.
absl::Status ValidateOrigin(const BgpSession& session) {
  const bool feed = session.role == SessionRole::kRouterFeed;
  if (session.role == SessionRole::kViaRouter) {
    RETURN_IF_ERROR(CheckSet("bgp_session.router_feed", session.router_feed));
  } else {
    RETURN_IF_ERROR(CheckUnset("bgp_session.router_feed", session.router_feed, "only a VIA_ROUTER session has one"));
  }
  if (!feed) {
    RETURN_IF_ERROR(CheckSet("bgp_session.partner", session.partner));
    return CheckSet("bgp_session.transport_class", session.transport_class);
  }
  RETURN_IF_ERROR(CheckUnset("bgp_session.partner", session.partner, "a ROUTER_FEED has no routes of its own"));
  RETURN_IF_ERROR(CheckUnset("bgp_session.link", session.link, "a ROUTER_FEED has no routes of its own"));
  if (session.transport_class == TransportClass::kUnspecified) return absl::OkStatus();
  return InvalidField("bgp_session.transport_class", ToString(session.transport_class), "a ROUTER_FEED has no routes of its own");
}

absl::Status CheckRouterFeed(const Fleet& fleet, const BgpSession& session) {
  const BgpSession& feed = fleet.Find<BgpSession>(session.router_feed)->value;
  if (feed.role != SessionRole::kRouterFeed) {
    return InvalidField("bgp_session.router_feed", feed.id.name(), absl::StrCat("is of role ", ToString(feed.role), ", not ROUTER_FEED"));
  }
  if (feed.appliance == session.appliance) return absl::OkStatus();
  return InvalidField("bgp_session.router_feed", feed.id.name(),
                      absl::StrCat("is heard by ", feed.appliance.name(), ", not by ", session.appliance.name()));
}

absl::Status CheckSpeaker(const BgpSession& session, const Appliance& appliance) {
  const bool at_router = session.role != SessionRole::kDirect;
  if (at_router && appliance.kind != ApplianceKind::kCollector) {
    return InvalidField("bgp_session.appliance", appliance.id.name(),
                        absl::StrCat("must be a COLLECTOR for a session of role ", ToString(session.role)));
  }
  if (session.role == SessionRole::kViaRouter) return absl::OkStatus();
  if (!appliance.bgp.has_value()) {
    return FieldError(absl::StatusCode::kFailedPrecondition, "bgp_session.appliance", appliance.id.name(),
                      "has no `bgp`, so it can't speak BGP");
  }
  if (session.role == SessionRole::kRouterFeed && session.peer_asn != appliance.bgp->asn) {
    return InvalidField("bgp_session.peer_asn", absl::StrCat(session.peer_asn),
                        absl::StrCat("a router feed is iBGP: it must be the ASN of ", appliance.id.name(), ", ", appliance.bgp->asn));
  }
  return absl::OkStatus();
}

}  // namespace

void Normalize(BgpSession& session) {
  if (session.peer_port == 0) session.peer_port = kBgpPort;
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(session.peer_address);
  if (address.ok()) session.peer_address = address->ToString();
}

absl::Status Validate(const BgpSession& session) {
  RETURN_IF_ERROR(CheckText("bgp_session.display_name", session.display_name));
  RETURN_IF_ERROR(CheckSet("bgp_session.appliance", session.appliance));
  RETURN_IF_ERROR(CheckSet("bgp_session.role", session.role));
  if (session.families.empty()) return InvalidField("bgp_session.families", "", "at least one of IPV4, IPV6 is required");
  for (const AddressFamily family : session.families) RETURN_IF_ERROR(CheckSet("bgp_session.families", family));
  RETURN_IF_ERROR(CheckDistinct("bgp_session.families", session.families));
  RETURN_IF_ERROR(CheckAddress("bgp_session.peer_address", session.peer_address));
  RETURN_IF_ERROR(CheckRange("bgp_session.peer_port", session.peer_port, 1, 65535));
  RETURN_IF_ERROR(CheckRange("bgp_session.peer_asn", session.peer_asn, 1, UINT32_MAX - 1));
  RETURN_IF_ERROR(ValidateOrigin(session));
  RETURN_IF_ERROR(ValidateLengths("v4", session.min_length_v4, session.max_length_v4, kDefaultsV4, 32));
  RETURN_IF_ERROR(ValidateLengths("v6", session.min_length_v6, session.max_length_v6, kDefaultsV6, 128));
  return CheckRange("bgp_session.max_prefixes", session.max_prefixes, 0, kMaxPrefixes);
}

absl::Status CheckIn(const Fleet& fleet, const BgpSession& session) {
  const Appliance& appliance = fleet.Find<Appliance>(session.appliance)->value;
  RETURN_IF_ERROR(CheckSpeaker(session, appliance));
  if (!session.router_feed.empty()) RETURN_IF_ERROR(CheckRouterFeed(fleet, session));
  const RecordPtr<Site> site = fleet.Find<Site>(appliance.site);
  if (session.transport_class == TransportClass::kEmbedded && site != nullptr && site->value.kind != SiteKind::kEmbedded) {
    return InvalidField("bgp_session.transport_class", "EMBEDDED",
                        absl::StrCat("is for EMBEDDED sites; ", site->name(), " is of kind ", ToString(site->value.kind)));
  }
  if (session.link.empty()) return absl::OkStatus();
  const Link& link = fleet.Find<Link>(session.link)->value;
  if (link.site == appliance.site) return absl::OkStatus();
  return InvalidField("bgp_session.link", link.id.name(),
                      absl::StrCat("is at ", link.site.name(), ", the appliance is at ", appliance.site.name()));
}

// Routes are told apart by the peer: for a session through a router by their next hop.
std::vector<UniqueKey> UniqueKeys(const BgpSession& session) {
  return {{"bgp_session.peer_address",
           absl::StrCat(session.peer_address, " port ", session.peer_port, " ", ToString(session.role), " on ", session.appliance.name())}};
}

}  // namespace fairlead::registry
