// LadderBook: makes LadderTables, and after a change of routes makes the next one by rebuilding only the ladders at and below the
// prefixes that changed. One thread; what it publishes is immutable and may be read by any.
//
//   LadderBook book(fleet, sessions, nullptr, policy);
//   book.SetAll(routes);                     // Or, as changes come:
//   book.Set(prefix, routes);                // All routes of one prefix; none: they are gone.
//   const auto table = book.Publish();
//
// Cost of Publish: the ladders of the changed prefixes and of all prefixes within them, those of equal covering routes made once and
// remembered from change to change, of routes that were ranked once for each distinct set. Prefixes that come or go change each of the
// indexes that take turns (index_turns.h). Memory: 16 bytes a rung of each distinct ladder, 16 a route of each distinct set and about as
// much again for it ranked, ~150 a prefix and what its number takes (leaf_numbers.h).
//
// A change of topology, sessions, policy or places needs a new book. One that follows another and shares its numbers has its indexes too:
//   LadderBook next(fleet, sessions, nullptr, policy, &book);
//   for (const Prefix& prefix : …) next.Set(prefix, routes);    // PrefixesAfter and PrefixesLeftOut, whatever has become of their routes:
//   book.Leave();                                               // each that has a number needs a ladder in what is published.
//   table = next.Publish();
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_BOOK_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_BOOK_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "absl/types/span.h"
#include "libs/steering/ladder_maker.h"
#include "libs/steering/ladder_table.h"
#include "libs/steering/leaf_numbers.h"
#include "libs/steering/route_set.h"
#include "libs/steering/session_gate.h"

namespace fairlead {

class LadderBook {
 public:
  // `places` may be null. `before`: the book that it follows, if there is one; it isn't looked at any more when this returns.
  LadderBook(std::shared_ptr<const Fleet> fleet, std::vector<SessionView> sessions, const PlaceTable* places, const SteeringPolicy& policy,
             const LadderBook* before = nullptr);

  // The routes of `prefix` are these from now on; `route.prefix` is not looked at, `route.session` is an index into the sessions that were
  // given. Those that may not count are left out, and counted.
  void Set(const Prefix& prefix, absl::Span<const RouteView> routes);

  // The prefix has lost its one route of this session (by its index in what was given), and its others are as they were. Much cheaper than
  // to Set what is left: what becomes of a set is worked out once for all prefixes that have it. False, and nothing done, if it didn't have
  // just one that counted.
  bool Lose(const Prefix& prefix, uint32_t session);

  // What a session may announce from now on, by its index in what was given (SessionView::allowed): counts for what is Set later.
  void SetAllowed(uint32_t session, std::shared_ptr<const PrefixTable<std::monostate>> allowed) {
    gate_->SetAllowed(session, std::move(allowed));
  }

  // The routes are these and no others; only prefixes whose routes differ from before count as changed. O(routes × log).
  void SetAll(const std::vector<RouteView>& routes);

  // Makes the ladders of what has changed, so that Publish has less to do: for who wants to look at the time now and then.
  void Settle();

  std::shared_ptr<const LadderTable> Publish();

  // Those that have a number, in their order behind `last` (null: from the first), so many at most.
  std::vector<Prefix> PrefixesAfter(const Prefix* last, size_t most) const;
  bool HasNumber(const Prefix& prefix) const { return numbers_->Find(prefix) != 0; }
  size_t numbered() const { return numbers_->leaves().size(); }
  // Of which routes were left out, sorted: they may have no number.
  std::vector<Prefix> PrefixesLeftOut() const;

  // Gives up its part in the numbers: another book follows. Only FreeSome may be called behind it.
  void Leave();
  // Frees what it has until out_of_time(), for who doesn't want to wait for all of it; true if there is no more. Nobody should have a table
  // of it any more, for whoever lets go of the last one frees what that has. Nothing else may be called behind it. A page at a time, or a
  // whole hash table.
  bool FreeSome(const std::function<bool()>& out_of_time);

  // How many ladders were worked out for the last Publish, and at how many leaves was looked.
  size_t ladders_built() const { return published_.ladders; }
  size_t leaves_visited() const { return published_.leaves; }
  // Of the rungs.
  size_t bytes() const { return pool_->bytes(); }

 private:
  using Leaf = LadderTable::Leaf;
  using Tail = LadderTable::Tail;

  // What is known of a head beside its word.
  struct Head {
    uint64_t hash = 0;
    uint64_t serial = 0;  // Words come back with other rungs, serials don't.
    size_t uses = 0;      // Leaves that refer to it.
  };
  struct Memory {
    void* at;
    size_t bytes;
  };
  struct Retired {
    std::weak_ptr<const LadderTable> last;
    std::vector<Memory> memory;
  };
  // What a ladder is made of: the chain of sets above, one more set, and the place that counts from there on. Equal links have equal
  // ladders, whatever the prefixes: of their lengths only the order counts.
  struct Link {
    uint64_t above = 0;
    uint64_t set = 0;  // Its serial.
    uint32_t place = 0;

    friend bool operator==(const Link&, const Link&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const Link& link) {
      return H::combine(std::move(h), link.above, link.set, link.place);
    }
  };
  // One prefix of those that cover the one at hand.
  struct Level {
    Prefix prefix;
    uint32_t leaf = 0;
    uint32_t set = 0;
    uint32_t routed_set = 0;  // Of the longest prefix with routes so far.
    uint32_t place = 0;       // What it inherits or has of its own: the tail of that place; 0: not known.
    int routed_length = -1;
    Link link = {};
    uint64_t chain = 0;  // Made::chain.
  };
  static constexpr uint64_t kNotMade = ~uint64_t{0};
  struct Made {
    uint64_t chain = 0;  // A number of its own, of the link and all above it.
    uint64_t head = 0;
    uint64_t head_serial = kNotMade;
    uint32_t tail = 0;
  };
  using Ladders = absl::flat_hash_map<Link, Made>;

  // Of prefixes that have lost all routes so many at once give their numbers back, so that a lookup index isn't made anew for them.
  static constexpr size_t kMostDropped = 10'000;

  void Expect(const LadderBook& before);
  bool Knows(uint32_t leaf) const { return leaf < facts_.size() && !facts_[leaf].free; }
  void Know(const Prefix& prefix, uint32_t leaf);
  void FollowNumbers();
  void DropBare();
  void DropIfBare(const Prefix& prefix);
  uint32_t InternSet(const RouteSet& set);
  void ReleaseSet(uint32_t number);
  // The set without the session's only route, taken once more; nothing if it hasn't just one.
  std::optional<uint32_t> TakeWithout(uint32_t set, uint32_t session);
  // The prefix's routes are this set, which has been taken for it.
  void Refer(const Prefix& prefix, uint32_t leaf, uint32_t set, bool is_new);
  const RankedRoutes& RankedOf(uint32_t set, bool with_transit);
  uint32_t TailFor(const ClientPlace& place);
  uint64_t InternHead(const std::vector<Rung>& rungs);
  uint64_t SerialOf(uint64_t head) const;
  void ReleaseHead(uint64_t word);
  void PutLadder(uint32_t leaf, const Made& made);
  void Push(std::vector<Level>& stack, const Prefix& prefix, uint32_t leaf);
  bool AddsNothing(const Level& level, const Level& above) const;
  Made& Remembered(const Link& link);
  const Made& LadderOf(const std::vector<Level>& stack);
  void MakeLadder(const std::vector<Level>& stack, Made& made);
  void Forget();
  void Rebuild(const Prefix& within);
  void FreeUnread();

  const std::shared_ptr<const Fleet> fleet_;
  const SteeringPolicy policy_;
  std::shared_ptr<const LadderTable::Sessions> sessions_;
  std::unique_ptr<SessionGate> gate_;  // From a session's place in the input to that in sessions_.
  std::unique_ptr<LadderMaker> maker_;
  std::shared_ptr<const LadderTable::Slots> slots_;
  PlaceTable places_;

  std::shared_ptr<LeafNumbers> numbers_;
  std::optional<LeafNumbers::Share> share_;
  PagedBuilder<Leaf> leaves_;
  PagedBuilder<LadderTable::LeafFacts> facts_;  // Free: no prefix has the number, or the book doesn't know it yet.
  LadderTable::SetsBuilder sets_;
  struct SetUse {
    uint64_t serial = 0;  // Numbers come back with other sets, serials don't.
    uint64_t hash = 0;
    size_t uses = 0;
    bool direct = false;  // Some route of it is neither demoted nor transit.
    // Without transit and with it; null: not asked for yet.
    std::array<std::unique_ptr<const RankedRoutes>, 2> ranked = {};
  };
  std::vector<SetUse> set_uses_;
  std::vector<uint32_t> free_sets_;
  absl::flat_hash_map<uint64_t, absl::InlinedVector<uint32_t, 2>> known_sets_;  // By the hash of their routes.
  PagedBuilder<Tail> tails_;
  absl::flat_hash_map<std::pair<Coordinates, std::pair<std::string, uint8_t>>, uint32_t> known_tails_;
  std::shared_ptr<RowPool> pool_;
  absl::flat_hash_map<uint64_t, Head> heads_;                              // By their words,
  absl::flat_hash_map<uint64_t, absl::InlinedVector<uint64_t, 1>> words_;  // and these by the hash of the rungs.
  std::deque<Retired> retired_;
  std::vector<Memory> retiring_;

  // By the serial of a set and a session: what TakeWithout made of it last, with its serial, for it may have gone since.
  struct Rest {
    uint32_t set = 0;
    uint64_t serial = 0;
  };
  static constexpr size_t kMostRests = size_t{1} << 18;
  absl::flat_hash_map<std::pair<uint64_t, uint32_t>, Rest> rests_;

  std::vector<Prefix> dirty_;
  std::vector<Prefix> emptied_;  // Without routes, when last seen: their numbers may go.
  // Ladders made before, of two ages: what is in use moves up, and the older ones go when the younger ones are half as many as the
  // prefixes. A head that no leaf has any more is gone, whoever remembers it.
  Ladders made_;
  Ladders made_before_;
  uint64_t last_serial_ = 0;  // Of sets, heads and chains.
  RouteSet set_;
  std::vector<Level> stack_;  // Of Rebuild, which keeps its memory.
  std::vector<CoveringRoutes> covering_;
  std::vector<Rung> rungs_;
  size_t left_out_ = 0;
  absl::flat_hash_map<Prefix, size_t> left_out_of_;
  struct Counts {
    size_t ladders = 0;
    size_t leaves = 0;
  };
  Counts counted_;    // Since the last Publish.
  Counts published_;  // By the last Publish.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_BOOK_H_
