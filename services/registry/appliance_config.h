// What one box is told: the part of the configuration that concerns it, and the generation by which it learns of changes.
//
// The generation is a hash of what is rendered, so it changes exactly when the box's own part changes; that is why etags, times, other
// sites of a cell and the box's credential are left out. Pure but for protobuf; thread-safe.
#ifndef FAIRLEAD_SERVICES_REGISTRY_APPLIANCE_CONFIG_H_
#define FAIRLEAD_SERVICES_REGISTRY_APPLIANCE_CONFIG_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/registry/fleet.h"
#include "services/registry/store.h"

namespace fairlead::registry {

// The setting that replicas share so that they give every box the same answer: gRPC targets, separated by commas.
inline constexpr char kFillAddressesSetting[] = "fill-addresses";
// Raised when a program renders something else from the same resources, so that generations never change without a config version.
inline constexpr char kRenderVersionSetting[] = "render-version";
inline constexpr char kRenderVersion[] = "1";

// One state of the registry with what is looked up in it for boxes. Immutable once made.
class ConfigView {
 public:
  // Generations are taken over from `previous` (may be null) for the boxes that `changes` does not concern. O(fleet) for the indexes.
  ConfigView(std::shared_ptr<const Fleet> fleet, const ChangeSet& changes, const ConfigView* previous);

  const Fleet& fleet() const { return *fleet_; }
  // Null if there is no such box.
  const std::string* GenerationOf(const ApplianceId& id) const;
  // The box whose credential has this SHA-256 (hex); null if none.
  const ApplianceId* FindByCredential(const std::string& sha256) const;
  // The whole config with its generation. The box must exist.
  v1::ApplianceConfig Render(const ApplianceId& id) const;

  // The boxes whose generation differs from the previous view's, and those that are gone.
  const std::vector<ApplianceId>& changed() const { return changed_; }

 private:
  void Index();
  absl::flat_hash_set<ApplianceId> Concerned(const ChangeSet& changes, const ConfigView& previous) const;
  v1::ApplianceConfig RenderWithoutGeneration(const ApplianceId& id) const;
  void AddCells(const SiteId& site, v1::ApplianceConfig& config) const;

  std::shared_ptr<const Fleet> fleet_;
  absl::flat_hash_map<ApplianceId, std::vector<BgpSessionId>> sessions_;
  absl::flat_hash_map<SiteId, std::vector<ApplianceId>> by_site_;
  absl::flat_hash_map<SiteId, CellId> cell_of_;
  absl::flat_hash_map<std::string, ApplianceId> by_credential_;
  absl::flat_hash_map<ApplianceId, std::string> generations_;
  std::vector<ApplianceId> changed_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_APPLIANCE_CONFIG_H_
