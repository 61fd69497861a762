#include "libs/fill/source_ranking.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/net/ip_address.h"
#include "libs/placement/rendezvous.h"

namespace fairlead {
namespace {

// Even a full box is a source if it is the only one: so never 0.
constexpr double kLeastFree = 1e-3;

bool HasFamily(const SourceBox& box, AddressFamily family) {
  return std::any_of(box.endpoints.begin(), box.endpoints.end(), [family](const SourceEndpoint& e) { return e.family == family; });
}

bool IsCovered(const SourceEndpoint& endpoint, const PrefixTable<std::monostate>* heard) {
  if (heard == nullptr) return false;
  const absl::StatusOr<IpAddress> address = IpAddress::Parse(endpoint.host);
  // A name could mean any address.
  return address.ok() && heard->LongestMatch(*address).has_value();
}

// A box without endpoints of its own (it serves nobody yet) may use any family.
const SourceEndpoint* FirstCommon(const SourceBox& asker, const SourceBox& box, absl::FunctionRef<bool(const SourceEndpoint&)> allowed) {
  for (const SourceEndpoint& endpoint : box.endpoints) {
    if ((asker.endpoints.empty() || HasFamily(asker, endpoint.family)) && allowed(endpoint)) return &endpoint;
  }
  return nullptr;
}

std::string ExamineState(const SourceBox& box) {
  if (box.site_kind == SiteKind::kOrigin) {
    // It has no agent that reports, or that could bring it out of PROVISIONING.
    const bool out = box.admin == AdminState::kDrained || box.admin == AdminState::kDisabled || box.admin == AdminState::kRetired;
    return out ? absl::StrCat("origin is ", ToString(box.admin)) : "";
  }
  if (box.admin != AdminState::kLive && box.admin != AdminState::kDraining) return absl::StrCat("is ", ToString(box.admin));
  if (box.lame_duck) return "is a LAME_DUCK: it refuses everybody";
  if (box.health == HealthState::kUnspecified) return "never reported";
  if (box.health == HealthState::kSilent || box.health == HealthState::kSick) return absl::StrCat("is ", ToString(box.health));
  return "";
}

}  // namespace

absl::string_view ToString(SourceClass source_class) {
  switch (source_class) {
    case SourceClass::kPeer:
      return "PEER";
    case SourceClass::kTier:
      return "TIER";
    case SourceClass::kOrigin:
      return "ORIGIN";
    case SourceClass::kUnspecified:
      break;
  }
  return "UNSPECIFIED";
}

std::ostream& operator<<(std::ostream& out, SourceClass source_class) {
  return out << ToString(source_class);
}

std::string EndpointOrigin(const SourceEndpoint& endpoint) {
  const bool bracketed = endpoint.host.find(':') != std::string::npos;
  return absl::StrCat(endpoint.scheme, "://", bracketed ? "[" : "", endpoint.host, bracketed ? "]" : "", ":", endpoint.port);
}

SourceRanker::SourceRanker(const SourceAsker& asker, const std::vector<SourceBox>& boxes, const SourcePolicy& policy)
    : policy_(policy), asker_hash_(KeyHash(asker.box.id.value())) {
  for (const SourceBox& box : boxes) {
    if (box.id == asker.box.id) continue;
    Eligible eligible = {};
    std::string reason = Examine(asker, box, eligible);
    if (reason.empty()) {
      eligible_.push_back(eligible);
    } else {
      excluded_.push_back({box.id, std::move(reason)});
    }
  }
}

std::string SourceRanker::Examine(const SourceAsker& asker, const SourceBox& box, Eligible& eligible) const {
  if (box.kind == ApplianceKind::kCollector) return "is a collector";
  std::string state = ExamineState(box);
  if (!state.empty()) return state;
  eligible.box = &box;
  eligible.hash = KeyHash(box.id.value());
  eligible.same_cluster = !box.cluster.empty() && box.cluster == asker.box.cluster;
  const double capacity = static_cast<double>(std::max<int64_t>(box.capacity_bps, 1));
  const double free = 1 - static_cast<double>(box.use_bps) / capacity;
  eligible.full = box.health == HealthState::kOverloaded || free < 1 - policy_.full_at;
  eligible.free = capacity * std::clamp(free, kLeastFree, 1.0) * std::clamp(box.weight, kLeastFree, 1.0);
  if (box.site_kind == SiteKind::kOrigin) {
    if (policy_.forbid_origin) return "the cluster's fill policy forbids origin";
    eligible.source_class = SourceClass::kOrigin;
  } else if (box.site == asker.box.site) {
    eligible.source_class = SourceClass::kPeer;
  } else {
    return ExamineTier(asker, box, eligible);
  }
  eligible.endpoint = FirstCommon(asker.box, box, [](const SourceEndpoint&) { return true; });
  return eligible.endpoint == nullptr ? "has no endpoint of a family that the asking box has" : "";
}

std::string SourceRanker::ExamineTier(const SourceAsker& asker, const SourceBox& box, Eligible& eligible) const {
  eligible.source_class = SourceClass::kTier;
  if (box.site_kind == SiteKind::kIx) {
    eligible.endpoint = FirstCommon(asker.box, box, [](const SourceEndpoint&) { return true; });
    return eligible.endpoint == nullptr ? "has no endpoint of a family that the asking box has" : "";
  }
  if (asker.box.site_kind != SiteKind::kEmbedded) return "is at a partner: its uplink isn't ours to use";
  eligible.endpoint = FirstCommon(asker.box, box, [&asker](const SourceEndpoint& e) { return IsCovered(e, asker.heard); });
  return eligible.endpoint == nullptr ? "has no address that an admitted route heard by the asking box covers" : "";
}

std::vector<RankedSource> SourceRanker::Rank(uint32_t file, absl::FunctionRef<bool(const SourceBox&)> holds,
                                             absl::FunctionRef<bool(const SourceBox&)> behind, bool is_master) const {
  const uint64_t key = MixHash(asker_hash_, file);
  std::vector<std::tuple<bool, SourceClass, bool, bool, double, const Eligible*>> order;
  for (const Eligible& eligible : eligible_) {
    if (eligible.source_class != SourceClass::kOrigin && !holds(*eligible.box)) continue;
    // Same cluster first, but one with room before a full one.
    order.emplace_back(behind(*eligible.box), eligible.source_class, eligible.full, !eligible.same_cluster,
                       RendezvousScore(key, eligible.hash, eligible.free), &eligible);
  }
  std::sort(order.begin(), order.end(), [](const auto& a, const auto& b) {
    return std::tie(std::get<0>(a), std::get<1>(a), std::get<2>(a), std::get<3>(a), std::get<4>(a), std::get<5>(a)->box->id) <
           std::tie(std::get<0>(b), std::get<1>(b), std::get<2>(b), std::get<3>(b), std::get<4>(b), std::get<5>(b)->box->id);
  });
  size_t counts[4] = {};
  // Those that nobody holds anything against: who is to be waited for.
  size_t sound[4] = {};
  constexpr size_t kMost[4] = {0, kMaxPeers, kMaxTiers, kMaxOrigins};
  std::vector<RankedSource> sources;
  for (const auto& entry : order) {
    const Eligible& eligible = *std::get<5>(entry);
    const size_t index = static_cast<size_t>(eligible.source_class);
    if (counts[index] == kMost[index]) continue;
    ++counts[index];
    const bool is_behind = std::get<0>(entry);
    if (!is_behind) ++sound[index];
    // Every class before that has a source gets its time.
    const int before = (index > 1 && sound[1] > 0 ? 1 : 0) + (index > 2 && sound[2] > 0 ? 1 : 0);
    absl::Duration wait = policy_.escalation_wait * before;
    if (index > 1 && !is_master) wait = std::max(wait, policy_.patience);
    sources.push_back({.source_class = eligible.source_class,
                       .appliance = eligible.box->id,
                       .endpoint = *eligible.endpoint,
                       .wait = wait,
                       .full = eligible.full,
                       .behind = is_behind});
  }
  return sources;
}

bool PrecedesAsFillMaster(const ApplianceId& other, const ApplianceId& asker, uint32_t file) {
  const uint64_t key = MixHash(KeyHash("fill master"), file);
  const auto score_of = [key](const ApplianceId& id) { return RendezvousScore(key, KeyHash(id.value()), 1); };
  return std::make_pair(score_of(other), other) < std::make_pair(score_of(asker), asker);
}

}  // namespace fairlead
