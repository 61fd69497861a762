// From the routes that cover a prefix to the head of its ladder, as rungs, without a list of boxes on the way: who hears a route is a mask
// for each block of a site. For tables, which need a million of them; what Explain shows is made by BuildLadder, and a test holds both
// against each other. Private to libs/steering.
//
//   LadderMaker maker(fleet, sessions, policy);
//   const ClientPlace place = maker.Make(covering, known, rungs);
//
// Allocates nothing once its memory has grown. One thread. O(ranks × routes × steps) at worst, then O(rungs).
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_MAKER_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_MAKER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "libs/steering/fleet.h"
#include "libs/steering/ladder.h"
#include "libs/steering/ladder_ranker.h"
#include "libs/steering/place.h"
#include "libs/steering/policy.h"
#include "libs/steering/rung.h"
#include "libs/steering/views.h"

namespace fairlead {

class LadderMaker {
 public:
  // All must outlive it.
  LadderMaker(const Fleet& fleet, absl::Span<const LadderSession> sessions, const SteeringPolicy& policy);

  // Puts the head of the ladder into `rungs`, at most kMaxRungs. Returns the place that distances were counted from: `known` if it is one,
  // else that of the site which hears the best of the routes, else none.
  ClientPlace Make(absl::Span<const RouteView> covering, const ClientPlace& known, std::vector<Rung>& rungs);

 private:
  uint32_t HearingSite();
  bool Hears(const Contender& c) const;
  uint32_t StepsTo(const Contender& c, const Direction& from) const;
  void AddRank(absl::Span<uint32_t> rank, std::vector<Rung>& rungs);
  void AddExit(const Contender& lead, std::vector<Rung>& rungs);
  void Hear(const Contender& c);
  void CloseRank(size_t first, std::vector<Rung>& rungs);
  void MarkDeaf(std::vector<Rung>& rungs) const;

  const Fleet& fleet_;
  const absl::Span<const LadderSession> sessions_;
  const SteeringPolicy placeless_;  // The usual one, as far as it asks for no distances.
  LadderRanker ranker_;
  LadderRanker placeless_ranker_;      // What finds the hearing site doesn't depend on the policy.
  std::vector<Direction> directions_;  // By site.
  std::vector<int64_t> steps_;         // By distance step: SquaredChordsOfSteps.

  std::vector<Contender> contenders_;
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
