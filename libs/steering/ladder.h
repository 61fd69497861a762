// The ladder of a client prefix: its sites in the order of network proximity, from the routes of all prefixes that cover it.
//
// Ranking (ladder_ranker.h) is BGP's own: run the policy's steps as eliminations over all routes; what survives shares a rank; take it out
// and run again over the rest. A step that is compared only within a group (MED within one neighbour AS, prefix length within one class if
// so configured) removes a route only for a better one of its own group. No pair of routes is ever compared by itself, so MED's
// missing transitivity (RFC 4451 §3) can't show: a set of routes has one ladder, byte for byte, whatever order they arrived in.
//
// Once TRANSPORT_CLASS has been taken, the routes that are still tied are of one class, and the policy's class_steps may put other steps in
// place of those behind it, for the class or for the class and partner. Which of them is asked anew at each rank: where the routes of
// others have been taken out, those of one partner that are left come under its own steps.
//
// Before the steps: transit counts only where no undemoted embedded or peering route matches (unless more_specific_scope is kAll), and
// demoted routes come behind all others. Behind the routed entries come the IX sites that are open to unrouted clients, by distance.
// O(ranks × routes × steps) at worst, near-linear where no group step splits a tie. Pure; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "libs/steering/fleet.h"
#include "libs/steering/place.h"
#include "libs/steering/policy.h"
#include "libs/steering/views.h"

namespace fairlead {

// A site at its place in a ladder. A box stands at its best rank only; where routes over several links tie, once for each link.
struct LadderEntry {
  uint32_t rank = 0;  // Dense: equal proximity shares a rank.
  uint32_t site = Fleet::kNone;
  uint32_t session = Fleet::kNone;  // One that hears the route (the lowest number); kNone in a fall-back entry.
  uint32_t link = Fleet::kNone;     // The port that the route leaves through, if it has one of its own.
  bool demoted = false;
  bool fallback = false;             // No route: the site is open to unrouted clients.
  std::vector<uint32_t> boxes = {};  // The boxes that hear the route, ascending; never empty.

  friend bool operator==(const LadderEntry&, const LadderEntry&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const LadderEntry& entry) {
    return H::combine(std::move(h), entry.rank, entry.site, entry.session, entry.link, entry.demoted, entry.fallback, entry.boxes);
  }
};

struct Ladder {
  std::vector<LadderEntry> entries = {};  // By rank, then site, then link.

  friend bool operator==(const Ladder&, const Ladder&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Ladder& ladder) {
    return H::combine(std::move(h), ladder.entries);
  }
};

// A session with its ids turned into the fleet's numbers. site == kNone: it refers to something unknown, and its routes are ignored.
struct LadderSession {
  uint32_t site = Fleet::kNone;
  uint32_t box = Fleet::kNone;  // kNone: a collector, so every box of the site hears it.
  uint32_t link = Fleet::kNone;
  uint32_t partner = 0;       // Equal for sessions of one partner.
  uint64_t partner_hash = 0;  // Of its id: as class_steps name it.
  TransportClass transport = TransportClass::kUnspecified;
};
std::vector<LadderSession> ResolveSessions(const Fleet& fleet, absl::Span<const SessionView> sessions);

// The figures behind an entry: for Explain.
struct LadderFigures {
  RouteView route = {};  // One of those that gave the entry its rank (the first in canonical order); unset in a fall-back entry.
  TransportClass transport = TransportClass::kUnspecified;
  int distance_km = -1;  // -1: the client's place isn't known.
};

// `routes`: those of every prefix that covers the client's, in any order. `figures`, if given, gets one element an entry.
Ladder BuildLadder(const Fleet& fleet, absl::Span<const LadderSession> sessions, absl::Span<const RouteView> routes,
                   const ClientPlace& place, const SteeringPolicy& policy, std::vector<LadderFigures>* figures = nullptr);

// The open IX sites alone: the part of it that tables share among all prefixes of one place (ladder_maker.h has the other part). Put behind
// what the routes give, without the boxes that stand there already, it makes BuildLadder's.
Ladder BuildOpenLadder(const Fleet& fleet, const ClientPlace& place, const SteeringPolicy& policy);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_H_
