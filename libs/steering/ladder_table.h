// LadderTable: from a client's address to its ladder. An immutable value; any thread.
//
// Every prefix that has routes or a place of its own has a leaf, and a leaf refers to a ladder as rungs (rung.h); equal ladders are stored
// once. A lookup is one longest-prefix match, which gives the leaf's number, and one line of the leaf.
//
//   const auto table = LadderTable::Build(fleet, sessions, routes, nullptr, policy);    // All at once; or from a LadderBook, which
//   const LadderRef ladder = table->LadderOf(table->LeafOf(client));                    // rebuilds only what a change touches.
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_TABLE_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/fleet.h"
#include "libs/steering/ladder.h"
#include "libs/steering/leaf_index.h"
#include "libs/steering/paged.h"
#include "libs/steering/place.h"
#include "libs/steering/policy.h"
#include "libs/steering/route_set.h"
#include "libs/steering/row_pool.h"
#include "libs/steering/rung.h"
#include "libs/steering/views.h"

namespace fairlead {

// Places by client prefix: the caller merges geofeeds and the location database, each with its source.
using PlaceTable = PrefixTable<ClientPlace>;

class LadderTable {
 public:
  // `places` may be null. Routes whose session is unknown, or which their session's allow-list doesn't cover, are left out and counted.
  static std::shared_ptr<const LadderTable> Build(const Fleet& fleet, std::vector<SessionView> sessions,
                                                  const std::vector<RouteView>& routes, const PlaceTable* places,
                                                  const SteeringPolicy& policy);

  // ---- For the decision ----

  uint32_t LeafOf(const IpAddress& client) const { return index_->Find(client); }
  void LeavesOf(absl::Span<const IpAddress> clients, uint32_t* leaves) const { index_->FindMany(clients, leaves); }
  LadderRef LadderOf(uint32_t leaf) const {
    const Leaf& at = leaves_[leaf];
    return {.head = reinterpret_cast<const Rung*>(at.head >> 16),
            .tail = &tails_[at.tail].rungs,
            .head_size = static_cast<uint32_t>(at.head & 0xffff)};
  }
  const void* AddressOfLeaf(uint32_t leaf) const { return &leaves_[leaf]; }  // For a prefetch.
  // Asks for what LadderOf and RoutedPrefixOf will read. Always inlined, as holder_rows::PrefetchRow.
  [[gnu::always_inline]] void FetchLeaf(uint32_t leaf) const {
    __builtin_prefetch(&leaves_[leaf]);
    __builtin_prefetch(&facts_[leaf].prefix);
    __builtin_prefetch(&facts_[leaf].routed_length);
  }
  // The longest prefix with routes that covers a client of this leaf.
  std::optional<Prefix> RoutedPrefixOf(uint32_t leaf) const;
  // Where its clients are, as far as that is known.
  const ClientPlace& PlaceOf(uint32_t leaf) const { return tails_[leaves_[leaf].tail].place; }

  // ---- For explanations and tests ----

  struct Found {
    std::shared_ptr<const Ladder> ladder;  // Never null: where nothing matches, the open IX sites alone.
    Prefix prefix;                         // The longest that matched; a /0 where nothing did.
    ClientPlace place;
  };
  Found Find(const IpAddress& client) const;

  // The routes of all prefixes that cover `client`, from the shortest prefix to the longest, canonical within one.
  std::vector<RouteView> RoutesCovering(const IpAddress& client) const;

  // The longest prefix with routes that covers `client`.
  std::optional<Prefix> LongestRouted(const IpAddress& client) const { return RoutedPrefixOf(LeafOf(client)); }

  // In the order of their ids, whatever order they were given in; routes refer to this one.
  const std::vector<SessionView>& sessions() const { return sessions_->views; }
  const std::vector<LadderSession>& resolved() const { return sessions_->resolved; }
  // Of the fleet that it was built for.
  uint64_t fingerprint() const { return fingerprint_; }
  size_t prefixes() const { return prefixes_; }
  size_t distinct_ladders() const { return distinct_; }
  size_t routes_left_out() const { return left_out_; }

 private:
  friend class LadderBook;
  friend struct ImageParts;

  struct Leaf {
    uint64_t head = 0;  // Where its rungs stand, and in the low 16 bits how many.
    uint32_t tail = 0;
    uint32_t padding = 0;
  };
  // What only explanations look at.
  struct LeafFacts {
    Prefix prefix;
    uint32_t set = 0;            // Its own routes; 0: none.
    uint32_t above = 0;          // The leaf of the longest prefix that covers it; 0: none.
    int16_t routed_length = -1;  // Of the longest prefix with routes that covers it; -1: none.
    bool free = false;           // It is of no prefix.
  };
  struct Tail {
    ClientPlace place;
    std::vector<Rung> rungs;
  };
  struct Sessions {
    std::vector<SessionView> views;
    std::vector<LadderSession> resolved;
  };
  // In small pages: to copy one counts up all its pointers.
  static constexpr size_t kSetsAPage = 64;
  using Sets = Paged<std::shared_ptr<const RouteSet>, kSetsAPage>;
  using SetsBuilder = PagedBuilder<std::shared_ptr<const RouteSet>, kSetsAPage>;
  // What ladders point into: boxes by slot, for those who want numbers.
  struct Slots {
    std::vector<uint32_t> box;
  };
  // Of a table that lies in an image (table_image.h): leaves are in the order of their prefixes, and route sets lie there.
  struct InImage {
    std::shared_ptr<const void> keeper;
    absl::Span<const uint64_t> set_starts;  // Of each set, and one behind.
    absl::Span<const PackedRoute> routes;
  };
  LadderTable() = default;
  absl::Span<const PackedRoute> RoutesOf(uint32_t set) const {
    if (in_image_ == nullptr) return *sets_[set];
    return in_image_->routes.subspan(in_image_->set_starts[set], in_image_->set_starts[set + 1] - in_image_->set_starts[set]);
  }
  // Leaves whose prefix covers `client`, from the shortest to the longest.
  std::vector<uint32_t> LeavesCovering(const IpAddress& client) const;

  std::shared_ptr<const Sessions> sessions_;
  std::shared_ptr<const LeafIndex> index_;
  Paged<Leaf> leaves_;  // The first is that of clients which nothing matches.
  Paged<LeafFacts> facts_;
  Sets sets_;  // The first is empty.
  Paged<Tail> tails_;
  std::shared_ptr<const Slots> slots_;
  std::shared_ptr<RowPool> pool_;  // Where heads lie; null in an image.
  std::unique_ptr<const InImage> in_image_;
  uint64_t fingerprint_ = 0;
  size_t left_out_ = 0;
  size_t prefixes_ = 0;
  size_t distinct_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_TABLE_H_
