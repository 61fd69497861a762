// The order of routes by network proximity: the eliminations that ladder.h describes, for whoever makes a ladder of it. Private to
// libs/steering.
//
//   LadderRanker ranker(policy);
//   ranker.Rank(contenders, distance, [&](absl::Span<uint32_t> rank) { Use(rank); return true; });   // Best first; numbers of contenders.
//
// Keeps its memory from call to call. One thread. O(ranks × routes × steps) at worst, O(routes × log) where no group step splits a tie.
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_RANKER_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_RANKER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
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
  uint32_t distance_step = 0;  // kNotMeasured: whoever needs it asks. 0 where the client's place isn't known: nothing is nearer then.
  uint16_t as_path_length = 0;
  uint8_t prefix_length = 0;
  bool demoted = false;
  TransportClass transport = TransportClass::kUnspecified;
};

inline constexpr uint32_t kNotMeasured = 0xffffffff;

// Without the number of the route, the length of its prefix and the distance. `Route`: a RouteView or a PackedRoute.
template <typename Route>
Contender MakeContender(const Route& route, const LadderSession& session) {
  return {.partner_hash = session.partner_hash,
          .session = route.session,
          .site = session.site,
          .link = session.link,
          .box = session.box,
          .partner = session.partner,
          .neighbour_as = route.neighbour_as,
          .med = route.med,
          .as_path_length = route.as_path_length,
          .demoted = route.demoted != 0,
          .transport = session.transport};
}

class LadderRanker {
 public:
  // `policy` must outlive it.
  explicit LadderRanker(const SteeringPolicy& policy);

  // Calls `emit` for each rank until it returns false. It may reorder the numbers that it is given. Transit that may not count is in no
  // rank, nor is what stands behind the first 16 million. `measure` is asked for the distance of those that have none when it counts.
  using Emit = absl::FunctionRef<bool(absl::Span<uint32_t>)>;
  using Measure = absl::FunctionRef<uint32_t(const Contender&)>;
  void Rank(absl::Span<Contender> all, Measure measure, Emit emit);

  // The first rank alone, in O(contenders × steps).
  absl::Span<const uint32_t> Best(absl::Span<Contender> all, Measure measure);

  // The same, in two parts, for routes of one prefix: what can be told of the demoted or the others before anybody knows where the client
  // is and what else covers it, and the rest. `emit` is called, the best first, for each lot that stays tied, with the steps that are left:
  // those from a distance on, from one that parts the lot by groups, or from the class if it may come under a partner's own ones.
  using Steps = absl::Span<const ProximityStep>;
  using EmitTied = absl::FunctionRef<void(absl::Span<uint32_t> tied, Steps left)>;
  void RankAhead(absl::Span<Contender> all, bool demoted, bool with_transit, EmitTied emit);
  bool RankLeft(absl::Span<Contender> all, absl::Span<uint32_t> tied, Steps left, Measure measure, Emit emit);
  // The first rank of the demoted or the others. The policy must not ask for distances.
  absl::Span<const uint32_t> BestAhead(absl::Span<Contender> all, bool demoted, bool with_transit);

 private:
  Steps Run(Steps steps) const;
  void SortBy(Steps run, absl::Span<uint32_t> tied, absl::InlinedVector<uint32_t, 32>& ends);
  void Begin(absl::Span<Contender> all, const Measure& measure);
  // Puts into order_ who counts, of the demoted or of the others.
  void Admit(bool demoted);
  bool RankTied(absl::Span<uint32_t> tied, Steps steps, Emit emit);
  bool RankParted(absl::Span<uint32_t> tied, Steps steps, Emit emit);
  bool RankGrouped(absl::Span<uint32_t> tied, Steps steps, Emit emit);
  void RankTiedAhead(absl::Span<uint32_t> tied, Steps steps, EmitTied emit);
  // Puts those first that `steps`, one after the other, leave as the best; returns how many they are.
  size_t EliminateAll(absl::Span<uint32_t> tied, Steps steps);
  size_t Eliminate(absl::Span<uint32_t> tied, ProximityStep step);
  size_t EliminateByGroup(absl::Span<uint32_t> tied, ProximityStep step);
  Steps Behind(Steps steps, absl::Span<const uint32_t> tied) const;
  bool AreOfOnePartner(absl::Span<const uint32_t> tied) const;
  bool MayPassToPartner(Steps steps, absl::Span<const uint32_t> tied) const;
  uint32_t KeyOf(Contender& c, ProximityStep step) const;
  uint32_t GroupOf(const Contender& c, ProximityStep step) const;
  bool IsGrouped(ProximityStep step) const;
  size_t FindLevels(absl::Span<const uint32_t> tied, ProximityStep step);

  const SteeringPolicy& policy_;
  // Its class_steps, there may be thousands: by class and partner's hash, and by class.
  absl::flat_hash_map<std::pair<TransportClass, uint64_t>, Steps> of_partner_;
  absl::flat_hash_map<TransportClass, Steps> of_class_;
  absl::Span<Contender> all_;
  const Measure* measure_ = nullptr;
  bool with_transit_ = false;
  std::vector<uint32_t> order_;
  std::vector<uint64_t> keyed_;                           // Key and number, to be sorted.
  std::vector<std::pair<uint32_t, uint32_t>> best_;       // (group, best key), of few groups,
  absl::flat_hash_map<uint32_t, uint32_t> best_of_many_;  // or of many.
  // Of RankGrouped: those of one group with one key.
  struct Level {
    uint32_t begin = 0;  // In grouped_.
    uint32_t left = 0;   // Not in any rank yet.
    bool first = false;  // Of its group.
  };
  void Enter(const Level& level);
  std::vector<std::pair<uint64_t, uint32_t>> grouped_;  // Group and key, and number.
  std::vector<Level> levels_;
  std::vector<uint32_t> level_of_;  // By number.
  std::vector<uint32_t> running_;
  std::vector<uint32_t> entering_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_RANKER_H_
