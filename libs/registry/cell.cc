#include "libs/registry/cell.h"

#include "libs/base/status_macros.h"
#include "libs/registry/check.h"

namespace fairlead::registry {
namespace {

constexpr size_t kMaxSites = 20'000;

}  // namespace

void Normalize(Cell&) {}

absl::Status Validate(const Cell& cell) {
  RETURN_IF_ERROR(CheckText("cell.display_name", cell.display_name));
  RETURN_IF_ERROR(CheckTarget("cell.address", cell.address));
  RETURN_IF_ERROR(CheckListSize("cell.sites", cell.sites.size(), kMaxSites));
  return CheckDistinct("cell.sites", cell.sites);
}

absl::Status CheckIn(const Fleet&, const Cell&) {
  return absl::OkStatus();
}

// A site reports to one cell first.
std::vector<UniqueKey> UniqueKeys(const Cell& cell) {
  std::vector<UniqueKey> keys = {{"cell.address", cell.address}};
  for (const SiteId& site : cell.sites) keys.push_back({"cell.sites", site.name()});
  return keys;
}

}  // namespace fairlead::registry
