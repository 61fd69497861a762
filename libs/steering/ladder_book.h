// LadderBook: makes LadderTables, and after a change of routes makes the next one by rebuilding only the ladders at and below the
// prefixes that changed. One thread; what it publishes is immutable and may be read by any.
//
//   LadderBook book(fleet, sessions, nullptr, policy);
//   book.SetAll(routes);                     // Or, as changes come:
//   book.Set(prefix, routes);                // All routes of one prefix; none: they are gone.
//   const auto table = book.Publish();
//
// Cost of Publish: the ladders of the changed prefixes and of all prefixes within them, those of equal covering routes made once. Prefixes
// that come or go change the index twice, in each of two that take turns; it is copied only where readers keep the older one. A change of
// topology, sessions, policy or places needs a new book. Memory: 16 bytes a rung of each distinct ladder, 16 a route of each distinct set,
// ~150 a prefix.
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_BOOK_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_BOOK_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "libs/steering/ladder_table.h"

namespace fairlead {

class LadderBook {
 public:
  // `places` may be null.
  LadderBook(std::shared_ptr<const Fleet> fleet, std::vector<SessionView> sessions, const PlaceTable* places, const SteeringPolicy& policy);

  // The routes of `prefix` are these from now on; `route.prefix` is not looked at, `route.session` is an index into the sessions that were
  // given. Those that may not count are left out, and counted.
  void Set(const Prefix& prefix, absl::Span<const RouteView> routes);

  // The routes are these and no others; only prefixes whose routes differ from before count as changed. O(routes × log).
  void SetAll(const std::vector<RouteView>& routes);

  std::shared_ptr<const LadderTable> Publish();

  // How many ladders the last Publish worked out, and at how many leaves it looked.
  size_t ladders_built() const { return ladders_built_; }
  size_t leaves_visited() const { return leaves_visited_; }
  // Of the rungs.
  size_t bytes() const { return pool_->bytes(); }

 private:
  using Leaf = LadderTable::Leaf;
  using Tail = LadderTable::Tail;

  // A head that leaves refer to.
  struct Head {
    uint64_t word = 0;
    size_t leaves = 0;
  };
  struct Memory {
    void* at;
    size_t bytes;
  };
  struct Retired {
    std::weak_ptr<const LadderTable> last;
    std::vector<Memory> memory;
  };
  // One prefix of those that cover the one at hand.
  struct Level {
    Prefix prefix;
    uint32_t set = 0;
    ClientPlace place = {};  // What it inherits or has of its own.
    int routed_length = -1;
  };
  struct IndexChange {
    Prefix prefix;
    uint32_t leaf = 0;  // 0: it went.
  };
  // What a ladder is made of: equal keys have equal ladders, whatever the prefixes.
  struct Made {
    uint64_t head = 0;
    uint32_t tail = 0;
  };

  void ChangeIndex(const IndexChange& change);
  bool MayAnnounce(uint32_t session, const Prefix& prefix) const;
  uint32_t LeafFor(const Prefix& prefix);
  void DropIfBare(const Prefix& prefix);
  uint32_t InternSet(RouteSet set);
  uint32_t TailFor(const ClientPlace& place);
  uint64_t InternHead(const std::vector<Rung>& rungs);
  void ReleaseHead(uint64_t word);
  void PutLadder(uint32_t leaf, const Made& made);
  Made MakeLadder(const std::vector<Level>& stack);
  void Rebuild(const Prefix& within);
  void FreeUnread();

  const std::shared_ptr<const Fleet> fleet_;
  const SteeringPolicy policy_;
  std::shared_ptr<const LadderTable::Sessions> sessions_;
  std::vector<uint32_t> moved_;  // A session's place in sessions_ by its place in the input.
  std::shared_ptr<const LadderTable::Slots> slots_;
  PlaceTable places_;

  // Two of them take turns: one is in the newest table, the other is brought up to date and changed once no older table has it.
  std::shared_ptr<LeafIndex> index_;
  bool index_shared_ = false;  // A table has index_.
  std::shared_ptr<LeafIndex> spare_;
  std::vector<IndexChange> spare_lacks_;
  PagedBuilder<Leaf> leaves_;
  PagedBuilder<LadderTable::LeafFacts> facts_;
  std::vector<uint32_t> free_leaves_;
  PagedBuilder<std::shared_ptr<const RouteSet>> sets_;
  std::vector<uint32_t> set_uses_;
  std::vector<uint32_t> free_sets_;
  absl::flat_hash_map<RouteSet, uint32_t> known_sets_;
  PagedBuilder<Tail> tails_;
  absl::flat_hash_map<std::pair<Coordinates, std::pair<std::string, uint8_t>>, uint32_t> known_tails_;
  std::shared_ptr<RowPool> pool_;
  absl::flat_hash_map<uint64_t, std::vector<Head>> heads_;  // By the hash of their rungs.
  size_t distinct_ = 0;
  std::deque<Retired> retired_;
  std::vector<Memory> retiring_;

  std::vector<Prefix> dirty_;
  absl::flat_hash_map<std::string, Made> made_;  // In this Publish: by the sets and the place that a ladder is made of.
  size_t left_out_ = 0;
  absl::flat_hash_map<Prefix, size_t> left_out_of_;
  size_t ladders_built_ = 0;
  size_t leaves_visited_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_BOOK_H_
