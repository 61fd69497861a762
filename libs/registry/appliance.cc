#include "libs/registry/appliance.h"

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"
#include "libs/registry/check.h"
#include "libs/registry/fleet.h"

namespace fairlead::registry {
namespace {

constexpr size_t kMaxEndpoints = 16;
// What a partner is promised that a box draws at most.
constexpr int kMaxPartnerWatts = 750;
constexpr int kMaxWatts = 100'000;
constexpr int64_t kPortBps = 10'000'000'000;
constexpr int64_t kFastPortBps = 100'000'000'000;

std::string CanonicalAddress(const std::string& text) {
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(text);
  return address.ok() ? address->ToString() : text;
}

absl::Status ValidateEndpoint(const std::string& field, const Endpoint& endpoint) {
  RETURN_IF_ERROR(CheckSet(field + ".family", endpoint.family));
  if (endpoint.scheme != "http" && endpoint.scheme != "https") {
    return InvalidField(field + ".scheme", endpoint.scheme, "must be http or https");
  }
  RETURN_IF_ERROR(CheckRange(field + ".port", endpoint.port, 1, 65535));
  if (!IsAddressLiteral(endpoint.host)) return CheckHostName(field + ".host", endpoint.host);
  RETURN_IF_ERROR(CheckAddress(field + ".host", endpoint.host));  // Also refuses brackets.
  if (IpAddress::Parse(endpoint.host)->family() == endpoint.family) return absl::OkStatus();
  return InvalidField(field + ".host", endpoint.host, absl::StrCat("is not an address of family ", ToString(endpoint.family)));
}

absl::Status ValidateTiers(const Appliance& appliance) {
  const bool fills = appliance.kind == ApplianceKind::kStorage || appliance.kind == ApplianceKind::kFlash;
  if (fills && appliance.tiers.empty()) return InvalidField("appliance.tiers", "", "a box that serves needs at least one tier");
  if (appliance.kind == ApplianceKind::kCollector && !appliance.tiers.empty()) {
    return InvalidField("appliance.tiers", "", "a COLLECTOR holds nothing");
  }
  std::vector<Tier> seen;
  for (size_t i = 0; i < appliance.tiers.size(); ++i) {
    const std::string field = absl::StrCat("appliance.tiers[", i, "]");
    RETURN_IF_ERROR(CheckSet(field + ".tier", appliance.tiers[i].tier));
    RETURN_IF_ERROR(CheckRange(field + ".capacity_bytes", appliance.tiers[i].capacity_bytes, 1, INT64_MAX));
    seen.push_back(appliance.tiers[i].tier);
  }
  return CheckDistinct("appliance.tiers", seen);
}

absl::Status ValidateEndpoints(const Appliance& appliance) {
  RETURN_IF_ERROR(CheckListSize("appliance.endpoints", appliance.endpoints.size(), kMaxEndpoints));
  if (appliance.kind == ApplianceKind::kCollector && !appliance.endpoints.empty()) {
    return InvalidField("appliance.endpoints", "", "a COLLECTOR serves nothing");
  }
  for (size_t i = 0; i < appliance.endpoints.size(); ++i) {
    RETURN_IF_ERROR(ValidateEndpoint(absl::StrCat("appliance.endpoints[", i, "]"), appliance.endpoints[i]));
  }
  return CheckDistinct("appliance.endpoints", appliance.endpoints);
}

// The optical ports that a box is deployed with; the traffic of one box can't leave by more.
absl::Status ValidateLag(const LagPorts& lag, int64_t capacity_bps) {
  const bool fast = lag.port_bps == kFastPortBps;
  if (!fast && lag.port_bps != kPortBps) {
    return InvalidField("appliance.lag.port_bps", absl::StrCat(lag.port_bps), absl::StrCat("must be ", kPortBps, " or ", kFastPortBps));
  }
  RETURN_IF_ERROR(fast ? CheckRange("appliance.lag.count", lag.count, 1, 2) : CheckRange("appliance.lag.count", lag.count, 2, 6));
  if (capacity_bps <= lag.count * lag.port_bps) return absl::OkStatus();
  return InvalidField("appliance.capacity_bps", absl::StrCat(capacity_bps),
                      absl::StrCat("must be at most what its LAG carries, ", lag.count, " × ", lag.port_bps));
}

absl::Status ValidateSpeaker(const BgpSpeaker& speaker) {
  RETURN_IF_ERROR(CheckAddress("appliance.bgp.address", speaker.address));
  RETURN_IF_ERROR(CheckRange("appliance.bgp.port", speaker.port, 1, 65535));
  return CheckRange("appliance.bgp.asn", speaker.asn, 1, UINT32_MAX - 1);
}

}  // namespace

void Normalize(Appliance& appliance) {
  for (Endpoint& endpoint : appliance.endpoints) endpoint.host = CanonicalAddress(endpoint.host);
  if (!appliance.bgp.has_value()) return;
  appliance.bgp->address = CanonicalAddress(appliance.bgp->address);
}

absl::Status Validate(const Appliance& appliance) {
  RETURN_IF_ERROR(CheckText("appliance.display_name", appliance.display_name));
  RETURN_IF_ERROR(CheckWord("appliance.serial", appliance.serial));
  RETURN_IF_ERROR(CheckSet("appliance.site", appliance.site));
  RETURN_IF_ERROR(CheckSet("appliance.kind", appliance.kind));
  if (appliance.kind == ApplianceKind::kStorage || appliance.kind == ApplianceKind::kFlash) {
    RETURN_IF_ERROR(CheckSet("appliance.cluster", appliance.cluster));
  } else {
    RETURN_IF_ERROR(CheckUnset("appliance.cluster", appliance.cluster, "collectors and origins are in no cluster"));
  }
  RETURN_IF_ERROR(ValidateTiers(appliance));
  RETURN_IF_ERROR(
      CheckRange("appliance.capacity_bps", appliance.capacity_bps, appliance.kind == ApplianceKind::kCollector ? 0 : 1, INT64_MAX));
  RETURN_IF_ERROR(CheckRange("appliance.power_watts", appliance.power_watts, 0, kMaxWatts));
  RETURN_IF_ERROR(ValidateEndpoints(appliance));
  RETURN_IF_ERROR(CheckRange("appliance.fill_rate_bps", appliance.fill_rate_bps, 0, INT64_MAX));
  if (appliance.lag.has_value()) RETURN_IF_ERROR(ValidateLag(*appliance.lag, appliance.capacity_bps));
  return appliance.bgp.has_value() ? ValidateSpeaker(*appliance.bgp) : absl::OkStatus();
}

absl::Status CheckIn(const Fleet& fleet, const Appliance& appliance) {
  const Site& site = fleet.Find<Site>(appliance.site)->value;
  if ((site.kind == SiteKind::kOrigin) != (appliance.kind == ApplianceKind::kOrigin)) {
    return InvalidField(
        "appliance.kind", ToString(appliance.kind),
        absl::StrCat("origins, and only they, stand at ORIGIN sites; ", site.id.name(), " is of kind ", ToString(site.kind)));
  }
  if (appliance.kind == ApplianceKind::kCollector && site.kind != SiteKind::kIx) {
    return InvalidField("appliance.kind", "COLLECTOR",
                        absl::StrCat("belongs to an IX site; ", site.id.name(), " is of kind ", ToString(site.kind)));
  }
  if (site.kind == SiteKind::kEmbedded && appliance.power_watts > kMaxPartnerWatts) {
    return InvalidField("appliance.power_watts", absl::StrCat(appliance.power_watts),
                        absl::StrCat("must be at most ", kMaxPartnerWatts, " at a partner's site"));
  }
  if (appliance.cluster.empty()) return absl::OkStatus();
  const Cluster& cluster = fleet.Find<Cluster>(appliance.cluster)->value;
  if (cluster.site == appliance.site) return absl::OkStatus();
  return InvalidField("appliance.cluster", cluster.id.name(),
                      absl::StrCat("is at ", cluster.site.name(), ", not at ", appliance.site.name()));
}

std::vector<UniqueKey> UniqueKeys(const Appliance& appliance) {
  std::vector<UniqueKey> keys = {{"appliance.serial", appliance.serial}};
  for (const Endpoint& endpoint : appliance.endpoints) {
    keys.push_back(
        {"appliance.endpoints", absl::StrCat(ToString(endpoint.family), " ", endpoint.scheme, "://", endpoint.host, ":", endpoint.port)});
  }
  return keys;
}

}  // namespace fairlead::registry
