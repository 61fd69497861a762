#include "tests/lab/routes.h"

#include <algorithm>
#include <fstream>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/routing/bogons.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

// At most so many prefixes of one family a partner: a few thousand in all, which the demo carries in a second.
constexpr size_t kMostV4 = 1500;
constexpr size_t kMostV6 = 400;

bool InBounds(const Prefix& prefix) {
  if (FindBogon(prefix).has_value()) return false;
  return prefix.address().is_v4() ? prefix.length() >= 8 && prefix.length() <= 24 : prefix.length() >= 19 && prefix.length() <= 48;
}

// A prefix that no other covers, and those that it covers: always dealt together.
using Group = std::vector<Prefix>;

std::vector<Group> GroupByRoot(std::vector<Prefix> prefixes) {
  std::erase_if(prefixes, [](const Prefix& prefix) { return !InBounds(prefix); });
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  std::vector<Group> groups;
  for (const Prefix& prefix : prefixes) {
    if (!groups.empty() && groups.back().front().Covers(prefix)) {
      groups.back().push_back(prefix);
    } else {
      groups.push_back({prefix});
    }
  }
  return groups;
}

void Shuffle(std::vector<Group>& groups, SeededRandom& random) {
  for (size_t i = groups.size(); i > 1; --i) std::swap(groups[i - 1], groups[random.Below(i)]);
}

PlannedRoute MakeRoute(const Prefix& prefix, uint32_t asn, RouteGenerator& generator) {
  PlannedRoute route;
  route.prefix = prefix;
  const std::vector<uint32_t> path = generator.Path(asn);
  route.path.assign(path.begin() + 1, path.end());
  route.med = generator.Med();
  return route;
}

// Deals the groups of one family, largest need first, so that everybody gets some of them even from a short list.
void Deal(const std::vector<Group>& groups, size_t most, const std::vector<LabPartner>& layout, RouteGenerator& generator,
          std::vector<PartnerRoutes>& partners) {
  std::vector<size_t> given(partners.size(), 0);
  size_t next = 0;
  for (const Group& group : groups) {
    const size_t partner = next++ % partners.size();
    if (given[partner] + group.size() > most) continue;
    given[partner] += group.size();
    partners[partner].allowed.push_back(group.front());
    for (const Prefix& prefix : group) partners[partner].routes.push_back(MakeRoute(prefix, layout[partner].asn, generator));
  }
}

const PlannedRoute* LongestMatch(const PartnerRoutes& partner, const IpAddress& address) {
  const PlannedRoute* best = nullptr;
  for (const PlannedRoute& route : partner.routes) {
    if (!route.admissible || !route.prefix.Contains(address)) continue;
    if (best == nullptr || route.prefix.length() > best->prefix.length()) best = &route;
  }
  return best;
}

bool IsV4(const Prefix& prefix) {
  return prefix.address().is_v4();
}

// The longest route of a family that others cover: the more a route is inside others, the more a wrong match would show.
PlannedRoute* DeepestRoute(PartnerRoutes& partner, bool v4) {
  PlannedRoute* deepest = nullptr;
  for (PlannedRoute& route : partner.routes) {
    if (IsV4(route.prefix) != v4 || route.peering_only) continue;
    if (deepest == nullptr || route.prefix.length() > deepest->prefix.length()) deepest = &route;
  }
  return deepest;
}

// The first partner announces one covered prefix over peering alone: the usual slip of a partner, which steering must follow.
PlannedRoute* MarkPeeringOnly(PartnerRoutes& partner) {
  for (PlannedRoute& route : partner.routes) {
    const bool is_root = std::find(partner.allowed.begin(), partner.allowed.end(), route.prefix) != partner.allowed.end();
    if (is_root || !IsV4(route.prefix)) continue;
    if (LongestMatch(partner, route.prefix.last())->prefix != route.prefix) continue;
    route.peering_only = true;
    return &route;
  }
  return nullptr;
}

LabViewer ViewerIn(const std::string& label, const IpAddress& address, const PartnerRoutes& partner, const std::string& site) {
  const PlannedRoute& match = *LongestMatch(partner, address);
  return {label, address, match.prefix.ToString(), match.peering_only ? "ix-1" : site};
}

void AddInadmissible(std::vector<PartnerRoutes>& partners) {
  for (size_t i = 0; i < partners.size(); ++i) {
    const auto add = [&](const Prefix& prefix) {
      PlannedRoute route;
      route.prefix = prefix;
      route.admissible = false;
      partners[i].routes.push_back(route);
    };
    add(Prefix::Of(IpAddress::V4(0), 0));
    add(Prefix::Of(IpAddress::V6(0, 0), 0));
    add(Prefix::Of(IpAddress::V4(10u << 24), 8));
    add(Prefix::Of(partners[i].allowed.front().address(), 32));
    // Its neighbour's first prefix: one partner must never be able to move another's viewers.
    add(partners[(i + 1) % partners.size()].allowed.front());
  }
}

// An address that no partner announces.
IpAddress Unrouted(bool v4, const std::vector<PartnerRoutes>& partners, SeededRandom& random) {
  while (true) {
    const IpAddress address = v4 ? IpAddress::V4(static_cast<uint32_t>((20 + random.Below(80)) << 24 | random.Below(1 << 24)))
                                 : IpAddress::V6(uint64_t{0x2a00} << 48 | random.Below(uint64_t{1} << 44), 1);
    const bool covered = std::any_of(partners.begin(), partners.end(),
                                     [&](const PartnerRoutes& partner) { return LongestMatch(partner, address) != nullptr; });
    if (!covered && !FindBogon(Prefix::Host(address)).has_value()) return address;
  }
}

}  // namespace

size_t RoutePlan::admissible(size_t partner) const {
  const auto& routes = partners[partner].routes;
  return static_cast<size_t>(std::count_if(routes.begin(), routes.end(), [](const PlannedRoute& route) { return route.admissible; }));
}

absl::StatusOr<std::vector<Prefix>> ReadPrefixList(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat("--routes: can't read '", path, "'"));
  std::vector<Prefix> prefixes;
  std::string line;
  for (int number = 1; std::getline(file, line); ++number) {
    const std::string comment_free = line.substr(0, line.find('#'));
    const std::vector<std::string> words = absl::StrSplit(comment_free, absl::ByAnyChar(" \t\r"), absl::SkipEmpty());
    if (words.empty()) continue;
    ASSIGN_OR_RETURN(const Prefix prefix, Prefix::Parse(words[0], absl::StrCat(path, ":", number)));
    prefixes.push_back(prefix);
  }
  return prefixes;
}

absl::StatusOr<RoutePlan> PlanRoutes(std::vector<Prefix> prefixes, const std::vector<LabPartner>& partners, uint64_t seed) {
  RouteGenerator generator(seed);
  SeededRandom& random = generator.random();
  std::vector<Group> groups = GroupByRoot(std::move(prefixes));
  const auto first_v6 = std::find_if(groups.begin(), groups.end(), [](const Group& group) { return !IsV4(group.front()); });
  std::vector<Group> v4(groups.begin(), first_v6), v6(first_v6, groups.end());
  Shuffle(v4, random);
  Shuffle(v6, random);
  RoutePlan plan;
  plan.partners.resize(partners.size());
  Deal(v4, kMostV4, partners, generator, plan.partners);
  Deal(v6, kMostV6, partners, generator, plan.partners);
  for (size_t i = 0; i < partners.size(); ++i) {
    PartnerRoutes& mine = plan.partners[i];
    if (DeepestRoute(mine, true) == nullptr || DeepestRoute(mine, false) == nullptr) {
      return absl::InvalidArgumentError(
          "the prefix list must hold IPv4 and IPv6 prefixes for every partner (at least a few dozen of each)");
    }
    const PlannedRoute* slip = i == 0 ? MarkPeeringOnly(mine) : nullptr;
    const std::string home = partners[i].embedded_site.empty() ? "ix-1" : partners[i].embedded_site;
    plan.viewers.push_back(ViewerIn(partners[i].id, DeepestRoute(mine, true)->prefix.last(), mine, home));
    plan.viewers.push_back(ViewerIn(partners[i].id, DeepestRoute(mine, false)->prefix.address(), mine, home));
    if (slip != nullptr) plan.viewers.push_back(ViewerIn(absl::StrCat(partners[i].id, " (peered)"), slip->prefix.last(), mine, "ix-1"));
  }
  plan.viewers.push_back({"nobody's", Unrouted(true, plan.partners, random), "", "ix-1"});
  plan.viewers.push_back({"nobody's", Unrouted(false, plan.partners, random), "", "ix-1"});
  AddInadmissible(plan.partners);
  for (PartnerRoutes& partner : plan.partners) {
    std::sort(partner.routes.begin(), partner.routes.end(),
              [](const PlannedRoute& a, const PlannedRoute& b) { return a.prefix < b.prefix; });
  }
  return plan;
}

}  // namespace fairlead
