// LadderTable: from a client's address to its ladder. An immutable value; any thread.
//
// Every prefix that has routes or a place of its own owns a ladder; equal ladders are stored once. A lookup is one longest-prefix
// match. Build: O(prefixes × BuildLadder).
#ifndef FAIRLEAD_LIBS_STEERING_LADDER_TABLE_H_
#define FAIRLEAD_LIBS_STEERING_LADDER_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/fleet.h"
#include "libs/steering/ladder.h"
#include "libs/steering/place.h"
#include "libs/steering/policy.h"
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

  struct Found {
    const Ladder* ladder;  // Never null: where nothing matches, the open IX sites alone.
    Prefix prefix;         // The longest that matched; a /0 where nothing did.
    ClientPlace place;
  };
  Found Find(const IpAddress& client) const;

  // The routes of all prefixes that cover `client`, from the shortest prefix to the longest, canonical within one.
  std::vector<RouteView> RoutesCovering(const IpAddress& client) const;

  // The longest prefix with routes that covers `client`.
  std::optional<Prefix> LongestRouted(const IpAddress& client) const;

  // In the order of their ids, whatever order they were given in; routes refer to this one.
  const std::vector<SessionView>& sessions() const { return sessions_; }
  const std::vector<LadderSession>& resolved() const { return resolved_; }
  // Of the fleet that it was built for.
  uint64_t fingerprint() const { return fingerprint_; }
  size_t prefixes() const { return leaves_.size(); }
  size_t distinct_ladders() const { return ladders_.size(); }
  size_t routes_left_out() const { return left_out_; }

 private:
  struct Leaf {
    uint32_t ladder = 0;
    uint32_t first_route = 0;  // Into routes_.
    uint32_t route_count = 0;
    ClientPlace place;
  };
  LadderTable() = default;
  // `moved` gives a session's place in sessions_ by its place in the input.
  void AddRoutes(const std::vector<RouteView>& routes, const std::vector<uint32_t>& moved);
  void BuildLadders(const Fleet& fleet, const SteeringPolicy& policy);

  std::vector<SessionView> sessions_;
  std::vector<LadderSession> resolved_;
  std::vector<RouteView> routes_;  // By prefix.
  std::vector<Ladder> ladders_;    // The first is that of clients which nothing matches.
  PrefixTable<Leaf> leaves_;
  uint64_t fingerprint_ = 0;
  size_t left_out_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LADDER_TABLE_H_
