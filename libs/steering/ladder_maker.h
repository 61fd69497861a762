// From the routes that cover a prefix to the head of its ladder, as rungs, without a list of boxes on the way: who hears a route is a mask
// for each block of a site. For tables, which need a million of them; what Explain shows is made by BuildLadder, and a test holds both
// against each other. Private to libs/steering.
//
// Where the policy begins with the prefix's length (the usual one does), the ladder of a chain of prefixes is that of the longest, then
// that of the next, and so on. So what the routes of each prefix decide by themselves is worked out once (Rank), and a ladder is put
// together of it. With other policies all routes of a chain are ranked together each time.
//
//   LadderMaker maker(fleet, sessions, policy);
//   const RankedRoutes ranked = maker.Rank(routes, with_transit);
//   const ClientPlace place = maker.Make({{.prefix_length = 24, .routes = &routes, .ranked = &ranked}}, known, rungs);
//
// Make allocates nothing once its memory has grown. One thread. O(rungs) and a distance for each site that ties with others, but
// O(ranks × routes × steps) at worst for routes that a step parts by groups, and for other policies.
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_MAKER_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_MAKER_H_

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "libs/steering/fleet.h"
#include "libs/steering/ladder.h"
#include "libs/steering/ladder_ranker.h"
#include "libs/steering/place.h"
#include "libs/steering/policy.h"
#include "libs/steering/route_set.h"
#include "libs/steering/rung.h"

namespace fairlead {

// The routes of one prefix by network proximity, as far as they tell it by themselves: those that tie before it is known where the client
// is and what else covers it, the best first.
struct RankedRoutes {
  enum class TieKind : uint8_t {
    kOneRank,     // Rungs of one rank.
    kByDistance,  // Rungs of one rank for each distance.
    kOpen,        // Routes that are to be ranked by the steps left, together.
  };
  struct Tie {
    uint32_t end = 0;  // Of its rungs or routes; they begin where the last such tie ended.
    TieKind kind = TieKind::kOneRank;
  };
  struct Ties {
    std::vector<Tie> ties;
    std::vector<Rung> rungs;                            // As if nobody stood anywhere yet, without rank and kTwice, in the order of exits.
    std::vector<uint32_t> routes;                       // Numbers of routes in their set.
    std::vector<absl::Span<const ProximityStep>> left;  // Of each open tie.
    uint32_t hearing_site = kNoRoutes;                  // The first that hears one of the best by the usual steps without distance.
    static constexpr uint32_t kNoRoutes = 0xffffffff;
    static constexpr uint32_t kNobodyHears = 0xfffffffe;
  };
  Ties undemoted;
  Ties demoted;
};

// One prefix of those that cover a client.
struct CoveringRoutes {
  int prefix_length = 0;
  const RouteSet* routes = nullptr;
  const RankedRoutes* ranked = nullptr;  // Of these; null unless LadderMaker::ranks_ahead().
};

class LadderMaker {
 public:
  // All must outlive it.
  LadderMaker(const Fleet& fleet, absl::Span<const LadderSession> sessions, const SteeringPolicy& policy);

  // False: what the routes of a prefix decide depends on what covers it.
  bool ranks_ahead() const { return ranks_ahead_; }
  // `with_transit`: no prefix of the chain has an undemoted route that isn't transit. The sessions of `routes` must refer to something
  // known.
  RankedRoutes Rank(const RouteSet& routes, bool with_transit);
  bool IsDirect(const PackedRoute& route) const {
    return route.demoted == 0 && sessions_[route.session].transport != TransportClass::kTransit;
  }

  // Puts the head of the ladder into `rungs`, at most kMaxRungs. `covering`: the longest first. Returns the place that distances were
  // counted from: `known` if it is one, else that of the site which hears the best of the routes, else none.
  ClientPlace Make(absl::Span<const CoveringRoutes> covering, const ClientPlace& known, std::vector<Rung>& rungs);

 private:
  void Gather(absl::Span<const CoveringRoutes> covering);
  RankedRoutes::Ties RankTies(bool demoted, bool with_transit);
  uint32_t HearingSite(absl::Span<const CoveringRoutes> covering);
  uint32_t FirstHearing(absl::Span<const uint32_t> rank) const;
  uint32_t HearingSiteOfAll();
  bool Hears(const Contender& c) const;
  uint32_t StepsTo(uint32_t site) const;
  bool AddTies(const RankedRoutes::Ties& tied, const RouteSet& routes, std::vector<Rung>& rungs);
  bool AddTie(absl::Span<const Rung> tied, bool by_distance, std::vector<Rung>& rungs);
  bool AddOpenTie(absl::Span<const uint32_t> numbers, const RouteSet& routes, absl::Span<const ProximityStep> left,
                  std::vector<Rung>& rungs);
  bool BringsBoxes(const Contender& c) const;
  bool AddRank(absl::Span<uint32_t> rank, std::vector<Rung>& rungs);
  void AddExits(absl::Span<uint32_t> tied, size_t most, std::vector<Rung>& rungs);
  void AddExit(const Contender& lead, size_t most, std::vector<Rung>& rungs);
  void Hear(const Contender& c);
  void CloseRank(size_t first, std::vector<Rung>& rungs);
  void MarkDeaf(std::vector<Rung>& rungs) const;
  absl::Span<const uint32_t> BlocksOf(uint32_t site) const {
    return absl::MakeConstSpan(blocks_).subspan(blocks_from_[site], blocks_from_[site + 1] - blocks_from_[site]);
  }

  const Fleet& fleet_;
  const absl::Span<const LadderSession> sessions_;
  const bool ranks_ahead_;
  const SteeringPolicy placeless_;  // The usual one, as far as it asks for no distances.
  LadderRanker ranker_;
  LadderRanker placeless_ranker_;      // What finds the hearing site doesn't depend on the policy.
  std::vector<Direction> directions_;  // By site.
  DistanceSteps steps_;

  std::vector<uint32_t> blocks_;  // First slots of all sites' blocks, and where those of a site begin.
  std::vector<uint32_t> blocks_from_;

  std::vector<Contender> contenders_;
  std::vector<uint32_t> numbers_;
  RankedRoutes::Ties ties_;        // What it makes, before it is copied into as much memory as it needs.
  std::vector<uint64_t> nearest_;  // Distance step and number of a rung.
  bool place_known_ = false;
  Direction from_;  // The client, if so.
  uint16_t next_rank_ = 0;
  // Of a box: where its block begins, and its bit there; none: it has no slot.
  struct Stand {
    uint32_t first_slot = 0;
    uint16_t bit = 0;
  };
  std::vector<Stand> stand_of_;
  // By the first slot of a block.
  std::vector<uint16_t> stands_;   // Who is there.
  std::vector<uint16_t> placed_;   // Who stands in a rank that is closed.
  std::vector<uint16_t> hearing_;  // Who hears the exit at hand.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_MAKER_H_
