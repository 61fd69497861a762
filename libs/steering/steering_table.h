// SteeringTable: everything that a steering decision looks at, as one immutable value; any thread. Its parts are shared: a health
// report replaces the fleet alone, a BGP change the ladders alone.
//
//   SteeringInputs inputs = …;                                        // From the feeds.
//   ASSIGN_OR_RETURN(auto table, BuildSteeringTable(std::move(inputs)));  // Everything; or
//   parts.fleet = Fleet::Build(…); ASSIGN_OR_RETURN(table, AssembleSteeringTable(std::move(parts)));  // One part replaced.
//   tables.Set(table);
#ifndef FAIRLEAD_LIBS_STEERING_STEERING_TABLE_H_
#define FAIRLEAD_LIBS_STEERING_STEERING_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/steering/catalogue.h"
#include "libs/steering/condition.h"
#include "libs/steering/fleet.h"
#include "libs/steering/holdings.h"
#include "libs/steering/ladder_table.h"
#include "libs/steering/policy.h"
#include "libs/steering/views.h"

namespace fairlead {

struct SteeringTable {
  uint64_t version = 0;  // The builder's own count: a decision is replayed from (version, request).
  SteeringPolicy policy = {};
  std::shared_ptr<const Fleet> fleet = {};          // Never null in an assembled table.
  std::shared_ptr<const LadderTable> ladders = {};  // Never null in an assembled table.
  std::shared_ptr<const Catalogue> catalogue = {};  // Never null in an assembled table.
  std::shared_ptr<const Holdings> holdings = {};    // Never null in an assembled table.
  std::shared_ptr<const Condition> condition = {};  // Of `fleet` and `policy`: assembling makes it where it isn't at hand.
  std::vector<DataAge> ages = {};
};

struct SteeringInputs {
  uint64_t version = 0;
  SteeringPolicy policy = {};
  std::vector<SiteView> sites = {};
  std::vector<ApplianceView> appliances = {};
  std::vector<LinkView> links = {};
  std::vector<SessionView> sessions = {};
  std::vector<RouteView> routes = {};             // Their `session` is an index into `sessions`.
  std::shared_ptr<const PlaceTable> places = {};  // May be null.
  std::vector<TitleView> titles = {};
  std::vector<HoldingsView> holdings = {};
  std::vector<DataAge> ages = {};
};

// Everything from nothing. INVALID_ARGUMENT only for a policy that ValidatePolicy refuses.
absl::StatusOr<std::shared_ptr<const SteeringTable>> BuildSteeringTable(SteeringInputs inputs);

// From parts, of which some are those of the table before. Null parts become empty ones. FAILED_PRECONDITION if ladders or holdings
// were built for another topology than `parts.fleet` (compare the fingerprints to know what must be rebuilt). The ladders must have
// been built with `parts.policy`.
absl::StatusOr<std::shared_ptr<const SteeringTable>> AssembleSteeringTable(SteeringTable parts);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_STEERING_TABLE_H_
