// One picture of the fleet from several cells: per box the report and the holdings with the highest (incarnation, sequence), per BGP
// session the routes of the cell where its table was whole last (or, where that isn't told, with the newest report of the box).
//
// A box that moves to another cell is therefore believed there from its first report on; its routes are those of the old cell until
// the new one has the whole of the session's table and publishes it, so that a move is not a withdrawal, nor is one back to a cell that
// still has an old table. Equal reports: the one that isn't SILENT, then the first cell.
// Pure values; not thread-safe.
#ifndef FAIRLEAD_SERVICES_STEERING_FLEET_MERGE_H_
#define FAIRLEAD_SERVICES_STEERING_FLEET_MERGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "libs/base/ids.h"
#include "libs/net/prefix.h"
#include "libs/steering/holdings.h"
#include "libs/steering/views.h"
#include "services/steering/cell_store.h"

namespace fairlead {

// In the order of cell ids, so that equal inputs merge equally.
using CellStores = std::vector<const CellStore*>;

absl::flat_hash_map<ApplianceId, BoxReport> MergeReports(const CellStores& cells);

std::vector<HoldingsView> MergeHoldings(const CellStores& cells);

// Which cell (its index) speaks for each session that any cell knows.
using SessionOwners = absl::flat_hash_map<BgpSessionId, size_t>;
SessionOwners MergeSessions(const CellStores& cells);

// Tells whether the sessions of cells have changed, for who keeps what it made of them.
class SessionWatch {
 public:
  // True if they may be others than at the last call, and at the first. To be asked before they are looked at.
  bool Changed(const std::vector<std::shared_ptr<CellStore>>& cells);

 private:
  std::vector<std::pair<std::shared_ptr<CellStore>, uint64_t>> seen_ = {{nullptr, 0}};
};

// How many of the sessions that a box or collector hears are established, by the newest word.
struct SessionCount {
  size_t up = 0;
  size_t down = 0;
};
absl::flat_hash_map<ApplianceId, SessionCount> CountSessions(const CellStores& cells, const SessionOwners& owners);

// A session as configuration says it: where it stands among the SessionViews and which box hears it.
struct ConfiguredSession {
  uint32_t index = 0;
  ApplianceId appliance;
};
using ConfiguredSessions = absl::flat_hash_map<BgpSessionId, ConfiguredSession>;

// The routes of prefixes, as those who may speak for their sessions say them. Keeps who may: O(speakers) to learn anew, O(routes of the
// prefixes) to ask.
class RouteMerge {
 public:
  // All must outlive the merge, or the next Follow.
  void Follow(const CellStores& cells, const SessionOwners& owners, const ConfiguredSessions& configured);

  struct Merged {
    std::vector<RouteView> routes;  // Their `prefix` unset.
    // How many were left out because their session isn't configured, or is another box's; what another cell than the session's owner says
    // doesn't count at all.
    size_t foreign = 0;
  };
  // Puts those of each of `prefixes` at its place into `merged`, which keeps its memory. A cell whose feed brings much is locked for long
  // at a time: who wants many prefixes waits for it once.
  void RoutesOf(absl::Span<const Prefix> prefixes, std::vector<Merged>& merged);

 private:
  static constexpr uint32_t kElsewhere = 0xffffffff;
  static constexpr uint32_t kForeign = 0xfffffffe;
  // What the speakers of a cell are: the index of a configured session, or one of the above.
  struct Cell {
    const CellStore* store = nullptr;
    uint64_t generation = 0;
    std::vector<uint32_t> sessions;
  };
  void LearnSpeakers(size_t cell);

  std::vector<Cell> cells_;
  const SessionOwners* owners_ = nullptr;
  const ConfiguredSessions* configured_ = nullptr;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_FLEET_MERGE_H_
