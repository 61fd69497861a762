// The order of routes by network proximity: the eliminations that ladder.h describes, for whoever makes a ladder of it. Private to
// libs/steering.
//
//   LadderRanker ranker(policy);
//   ranker.Rank(contenders, [&](absl::Span<uint32_t> rank) { Use(rank); return true; });   // Best first; numbers of contenders.
//
// Keeps its memory from call to call. One thread. O(ranks × routes × steps) at worst, O(routes × log) where no group step splits a tie.
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_RANKER_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_RANKER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "libs/steering/fleet.h"
#include "libs/steering/ladder.h"
#include "libs/steering/policy.h"
#include "libs/steering/views.h"

namespace fairlead {

// A route with what it inherits from its session and where it stands from the client: one cache line.
struct Contender {
  uint64_t partner_hash = 0;
  uint32_t route = 0;  // The caller's.
  uint32_t session = 0;
  uint32_t site = Fleet::kNone;
  uint32_t link = Fleet::kNone;
  uint32_t box = Fleet::kNone;  // kNone: every box of the site hears it.
  uint32_t partner = 0;
  uint32_t neighbour_as = 0;
  uint32_t med = 0;
  uint32_t distance_step = 0;  // Nothing is known to be nearer than anything else where the place isn't known.
  uint16_t as_path_length = 0;
  uint8_t prefix_length = 0;
  bool demoted = false;
  TransportClass transport = TransportClass::kUnspecified;
};

// Without the number of the route and the distance.
Contender MakeContender(const RouteView& route, const LadderSession& session);

class LadderRanker {
 public:
  // `policy` must outlive it.
  explicit LadderRanker(const SteeringPolicy& policy);

  // Calls `emit` for each rank until it returns false. It may reorder the numbers that it is given. Transit that may not count is in no
  // rank.
  using Emit = absl::FunctionRef<bool(absl::Span<uint32_t>)>;
  void Rank(absl::Span<const Contender> all, Emit emit);

 private:
  using Steps = absl::Span<const ProximityStep>;

  bool RankTied(absl::Span<uint32_t> tied, Steps steps, Emit emit);
  size_t Eliminate(absl::Span<uint32_t> tied, ProximityStep step);
  Steps Behind(Steps steps, absl::Span<const uint32_t> tied) const;
  uint32_t KeyOf(const Contender& c, ProximityStep step) const;
  uint32_t GroupOf(const Contender& c, ProximityStep step) const;
  bool IsGrouped(ProximityStep step) const;

  const SteeringPolicy& policy_;
  absl::Span<const Contender> all_;
  std::vector<uint32_t> order_;
  std::vector<uint64_t> keyed_;                           // (key, number), to be sorted.
  std::vector<std::pair<uint32_t, uint32_t>> best_;       // (group, best key), of few groups,
  absl::flat_hash_map<uint32_t, uint32_t> best_of_many_;  // or of many.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_RANKER_H_
