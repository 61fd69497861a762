// Keeps the ladders at what the cells and the configuration say: takes over the prefixes whose routes changed, and makes all ladders anew,
// beside those that are served, where the topology or the rules are others.
//
// What has just changed comes first and is published at once. Of more than Limits::at_once prefixes those of the sessions that lose most
// wait in a line of their own (or all, if that isn't enough) and are taken over in steps, so that a router's million routes hold up nobody
// else's. Old ladders serve while new ones are made, with a fleet of the old topology (served()) in which whoever was withdrawn is
// withdrawn: a box that is gone or drains counts as the newest configuration says, routes of sessions and prefixes that aren't allowed any
// more are taken out first. What the old ones had is freed in steps as well, once nobody reads it.
//
// One thread. All stores and views that are given must outlive the step.
//
//   keeper.Step(cells, config, [&] { return clock.Now() > end; });
//   parts.ladders = keeper.ladders();   // And a fleet of keeper.served() with the slots of keeper.fleet() and the condition of the moment.
//   keeper.BeginNext();                 // Behind each step, when what it made is published: else another topology is never followed.
#ifndef FAIRLEAD_SERVICES_STEERING_LADDER_KEEPER_H_
#define FAIRLEAD_SERVICES_STEERING_LADDER_KEEPER_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "libs/base/ids.h"
#include "libs/net/prefix.h"
#include "libs/steering/fleet.h"
#include "libs/steering/ladder_book.h"
#include "services/steering/cell_store.h"
#include "services/steering/config_views.h"
#include "services/steering/fleet_merge.h"

namespace fairlead {

class LadderKeeper {
 public:
  using Cells = std::vector<std::shared_ptr<CellStore>>;
  using Config = std::shared_ptr<const ConfigViews>;

  struct Limits {
    // Of prefixes that changed since the last step so many are taken over in it; more wait in line.
    size_t at_once = 5'000;
    // How many that waited are taken over between two looks at the time: the first ladders take 0.1 ms each, later ones a tenth of that.
    size_t batch = 250;
    // The routes of so many are read at a time: 3 MB.
    size_t ahead = 2'000;
    // How many numbered prefixes are put in line at a time.
    size_t piece = 10'000;
  };
  LadderKeeper() : LadderKeeper(Limits()) {}
  explicit LadderKeeper(const Limits& limits) : limits_(limits) {}

  // `cells` in the order of their ids. What waits goes on in the next step once out_of_time(); the first ladders are made whole.
  void Step(const Cells& cells, const Config& newest, const std::function<bool()>& out_of_time);
  // Begins the ladders of another topology, if there is one since the step before the last: to build its fleet takes as long as a step, and
  // what comes right behind a topology, a drain perhaps, is to be published first.
  void BeginNext();
  // Frees what old ladders had, as far as nobody reads them, until out_of_time().
  void FreeSome(const std::function<bool()>& out_of_time);

  // Of the last step; null before the first.
  const std::shared_ptr<const LadderTable>& ladders() const { return ladders_; }
  // The configuration that these ladders go with: the newest, or while others are made the old topology and rules, as far as the newest one
  // still has them.
  const Config& served() const { return now_.effective; }
  // The topology that they were made for.
  const std::shared_ptr<const Fleet>& fleet() const { return now_.fleet; }
  // True if there is more to do than the last step had time for.
  bool busy() const { return now_.has_more() || wanted_ != Wanted::kNo || next_.book != nullptr; }
  size_t waiting() const {
    const size_t of_next = next_.book != nullptr ? next_.waiting() : wanted_ != Wanted::kNo ? now_.book->numbered() : 0;
    return now_.waiting() + of_next;
  }
  // Routes that the merge left out.
  size_t foreign() const { return now_.foreign; }
  // How often all ladders were made anew.
  uint64_t rebuilds() const { return rebuilds_; }

 private:
  // A prefix whose routes may be others than before.
  struct Change {
    Prefix prefix;
    uint32_t lost = RouteChanges::kAnything;  // As there, with the session's number in lost_sessions_.
  };
  using Changes = std::vector<Change>;
  static bool InOrder(const Change& a, const Change& b) { return a.prefix < b.prefix; }
  // Ladders of one topology and one set of rules.
  struct Edition {
    Config config;     // That the book was made for.
    Config effective;  // What is left of it.
    std::shared_ptr<const Fleet> fleet;
    std::unique_ptr<LadderBook> book;
    RouteMerge merge;
    const ConfiguredSessions* merged_by = nullptr;  // What `merge` follows, with the owners of the moment; null: nothing yet.
    // To be taken over: a line of its own, in order, from `at` on; and behind it, if it follows other ladders, all that has a number, of
    // which a piece at a time is put in line.
    Changes line;
    size_t at = 0;
    bool walks = false;
    std::optional<Prefix> walked;  // So far.
    size_t to_walk = 0;            // About.
    absl::flat_hash_map<Prefix, size_t> foreign_of;
    size_t foreign = 0;

    bool has_more() const { return at < line.size() || walks; }
    size_t waiting() const { return line.size() - at + to_walk; }
    bool WillCome(const Prefix& prefix) const;
    // More has become of it than what stands in line.
    void Outdate(const Prefix& prefix);
  };
  // What nobody is served from any more, and its last table, which requests may still have; null: none was published.
  struct Leaving {
    std::unique_ptr<LadderBook> book;
    std::shared_ptr<const LadderTable> last;
  };
  using Sessions = absl::flat_hash_set<BgpSessionId>;
  // Whether another edition is to begin: since this step, or since an earlier one.
  enum class Wanted : uint8_t { kNo, kJustNow, kYes };

  void FollowConfig(const Config& newest, Sessions& touched);
  void FollowOwners(const Cells& before, Sessions& touched);
  Changes TakeChanges(const Cells& before, const Sessions& touched);
  // Of a session that the cell says has lost a route: kAnything where the cell's word isn't what counts for it.
  uint32_t NumberOfLost(const CellStore& cell, const BgpSessionId& session);
  static Changes Anything(const std::vector<Prefix>& prefixes);
  static void SortUnique(Changes& changes);
  void Begin(Edition& edition, const Config& config, std::shared_ptr<const Fleet> fleet);
  void Retire(Edition edition, std::shared_ptr<const LadderTable> last);
  // Brings what is served with the edition's ladders to what `newest` allows; adds the sessions of which routes may have to go.
  static void Allow(Edition& edition, const Config& newest, Sessions& touched);
  // What may have routes in `edition` or in one of other rules, and has no number: sorted.
  static std::vector<Prefix> OthersKnownTo(const Edition& edition);
  static void Take(Edition& edition, const Prefix& prefix, const RouteMerge::Merged& merged);
  // False if what is left of its routes must be read.
  bool Lose(Edition& edition, const Change& change) const;
  // Reads their routes as they are now and takes them.
  void TakeAsRead(Edition& edition, const std::vector<Prefix>& prefixes);
  void TakeOver(const Changes& fresh);
  void TakeOver(Edition& edition, Changes fresh);
  Changes TakeUrgent(Changes& fresh) const;
  // False if there is nothing to put in line.
  bool Refill(Edition& edition) const;
  // True if nothing waits any more.
  bool WorkOffLine(Edition& edition, const std::function<bool()>& out_of_time);

  const Limits limits_;
  Cells cells_;
  CellStores stores_;
  SessionWatch watch_;
  SessionOwners owners_;
  Config newest_;
  Edition now_;
  Edition next_;  // Its book is null while nothing is made anew.
  Wanted wanted_ = Wanted::kNo;
  std::deque<Leaving> leaving_;
  std::shared_ptr<const LadderTable> ladders_;
  std::vector<RouteMerge::Merged> merged_;
  std::vector<Prefix> to_read_;
  std::vector<Prefix> late_;                 // That turned out to have to be read.
  std::vector<RouteMerge::Merged> of_late_;  // Their routes.
  Changes spare_;                            // Memory for a line, while there is one.
  std::vector<BgpSessionId> lost_sessions_;  // That changes in line speak of.
  absl::flat_hash_map<BgpSessionId, uint32_t> lost_numbers_;
  uint64_t rebuilds_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_LADDER_KEEPER_H_
