// Which partner announces what in the lab: a prefix list dealt out to the partners, with AS paths and MEDs, and the viewers that follow.
//
// A prefix and its more-specifics always go to one partner, so no partner's allow-list overlaps another's. Beside its good routes each
// partner announces a few that must not be admitted (a default route, private space, a length out of bounds, somebody else's
// prefix), and the first one a more-specific over peering alone. Pure: the same list and seed give the same plan.
//
//   ASSIGN_OR_RETURN(const std::vector<Prefix> prefixes, ReadPrefixList("table.txt"));
//   ASSIGN_OR_RETURN(const RoutePlan plan, PlanRoutes(prefixes, layout.partners, /*seed=*/1));
#ifndef FAIRLEAD_TESTS_LAB_ROUTES_H_
#define FAIRLEAD_TESTS_LAB_ROUTES_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "tests/lab/layout.h"

namespace fairlead {

struct PlannedRoute {
  Prefix prefix;
  std::vector<uint32_t> path;  // Behind the partner's own ASN.
  std::optional<uint32_t> med;
  bool peering_only = false;  // Not announced to the boxes inside the partner's network.
  bool admissible = true;
};

struct PartnerRoutes {
  std::vector<PlannedRoute> routes;  // By prefix.
  std::vector<Prefix> allowed;       // The partner's registered allow-list.
};

// A viewer and what steering must say to it.
struct LabViewer {
  std::string label;
  IpAddress address;
  std::string matched_prefix;  // Empty if no route covers it.
  std::string site;            // Of the first URL.
};

struct RoutePlan {
  std::vector<PartnerRoutes> partners;  // In the order of the layout.
  std::vector<LabViewer> viewers;

  size_t admissible(size_t partner) const;
};

// One prefix a line; empty lines, comments (#) and further words are skipped. INVALID_ARGUMENT with file and line.
absl::StatusOr<std::vector<Prefix>> ReadPrefixList(const std::string& path);

// INVALID_ARGUMENT if the list is too small to give every partner prefixes of both families.
absl::StatusOr<RoutePlan> PlanRoutes(std::vector<Prefix> prefixes, const std::vector<LabPartner>& partners, uint64_t seed);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_ROUTES_H_
