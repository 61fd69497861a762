// An appliance: one server. Created by an operator; a box only binds to one.
#ifndef FAIRLEAD_LIBS_REGISTRY_APPLIANCE_H_
#define FAIRLEAD_LIBS_REGISTRY_APPLIANCE_H_

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

struct Endpoint {
  AddressFamily family = AddressFamily::kUnspecified;
  std::string scheme;
  std::string host;
  int32_t port = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("family", &Endpoint::family));
    visit(Field("scheme", &Endpoint::scheme));
    visit(Field("host", &Endpoint::host));
    visit(Field("port", &Endpoint::port));
  }
  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct TierCapacity {
  Tier tier = Tier::kUnspecified;
  int64_t capacity_bytes = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("tier", &TierCapacity::tier));
    visit(Field("capacity_bytes", &TierCapacity::capacity_bytes));
  }
  friend bool operator==(const TierCapacity&, const TierCapacity&) = default;
};

struct BgpSpeaker {
  std::string address;
  int32_t port = 0;
  uint32_t asn = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("address", &BgpSpeaker::address));
    visit(Field("port", &BgpSpeaker::port));
    visit(Field("asn", &BgpSpeaker::asn));
  }
  friend bool operator==(const BgpSpeaker&, const BgpSpeaker&) = default;
};

// Ports of one kind, bundled by LACP.
struct LagPorts {
  int32_t count = 0;
  int64_t port_bps = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("count", &LagPorts::count));
    visit(Field("port_bps", &LagPorts::port_bps));
  }
  friend bool operator==(const LagPorts&, const LagPorts&) = default;
};

// The drain that has a box in its hands; written together with the drain itself.
struct ApplianceDrain {
  DrainId drain;
  DrainPhase phase = DrainPhase::kUnspecified;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("drain", &ApplianceDrain::drain));
    visit(Field("phase", &ApplianceDrain::phase));
  }
  friend bool operator==(const ApplianceDrain&, const ApplianceDrain&) = default;
};

struct Appliance {
  using IdType = ApplianceId;
  // Names the table, and leads the fields in errors: "appliance.display_name".
  static constexpr absl::string_view kKind = "appliance";

  ApplianceId id;
  std::string display_name;
  std::string serial;
  SiteId site;
  ClusterId cluster;
  ApplianceKind kind = ApplianceKind::kUnspecified;
  std::vector<TierCapacity> tiers;
  int64_t capacity_bps = 0;
  int32_t power_watts = 0;
  std::vector<Endpoint> endpoints;
  int64_t fill_rate_bps = 0;
  std::optional<LagPorts> lag;
  std::optional<BgpSpeaker> bgp;
  AdminState admin_state = AdminState::kProvisioning;  // Output only.
  std::string credential_sha256;                       // Output only.
  std::optional<ApplianceDrain> drain;                 // Output only.

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &Appliance::display_name));
    visit(Field("serial", &Appliance::serial));
    visit(Field("site", &Appliance::site));
    visit(Field("cluster", &Appliance::cluster));
    visit(Field("kind", &Appliance::kind));
    visit(Field("tiers", &Appliance::tiers));
    visit(Field("capacity_bps", &Appliance::capacity_bps));
    visit(Field("power_watts", &Appliance::power_watts));
    visit(Field("endpoints", &Appliance::endpoints));
    visit(Field("fill_rate_bps", &Appliance::fill_rate_bps));
    visit(Field("lag", &Appliance::lag));
    visit(Field("bgp", &Appliance::bgp));
    visit(Field("admin_state", &Appliance::admin_state, FieldFlag::kOutputOnly));
    visit(Field("credential_sha256", &Appliance::credential_sha256, FieldFlag::kOutputOnly));
    visit(Field("drain", &Appliance::drain, FieldFlag::kOutputOnly));
  }
  friend bool operator==(const Appliance&, const Appliance&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Appliance& appliance);
// What can be said of the values alone.
absl::Status Validate(const Appliance& appliance);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Appliance& appliance);
std::vector<UniqueKey> UniqueKeys(const Appliance& appliance);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_APPLIANCE_H_
