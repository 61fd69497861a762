// Where a box may get a file from now, best first: peers, then tiers, then origin.
//
// Classes, cheapest first:
//  PEER    boxes of the same cluster, then other boxes of the same site.
//  TIER    boxes of other sites. An EMBEDDED box may use IX sites, and boxes of another EMBEDDED site only by an address that an admitted
//          route it hears covers; nobody else may use an EMBEDDED site: its uplink belongs to the partner.
//  ORIGIN  boxes of ORIGIN sites, unless the policy forbids it. They hold everything and have no agent, so no health.
// A source must be LIVE or DRAINING (an origin: not drained, disabled or retired) and no lame duck, reporting, not SICK, and verifiably
// hold the file. It needs an endpoint of a family that the asking box has too.
// A source that did wrong lately (source_faults.h) comes after all others, whatever its class, and no class waits for it: it is the last
// resort, never nothing.
// In a class, boxes with room come before full ones; among equals the order is weighted rendezvous of (asking box, file) by free
// capacity × health weight: the load spreads, and the same question gets the same answer.
// Waits: with an escalation wait W, each class waits W for every class before it that has a source. With M fill masters, a box that is
// not among the file's M masters waits at least `patience` for TIER and ORIGIN; masters are the M boxes of the fill cluster that come
// first in the rendezvous order of the file among those that should hold it and report.
// Pure. Construct once for a question, then Rank per file: O(eligible sources) each.
//
//   const SourceRanker ranker(asker, boxes, policy);
//   std::vector<RankedSource> ranked = ranker.Rank(
//       file, [&](const SourceBox& box) { return Holds(box.id, file); }, [&](const SourceBox& box) { return IsBehind(box.id, file); },
//       true);
#ifndef FAIRLEAD_LIBS_FILL_SOURCE_RANKING_H_
#define FAIRLEAD_LIBS_FILL_SOURCE_RANKING_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/net/prefix_table.h"

namespace fairlead {

// The numbers are those of the proto.
enum class SourceClass : uint8_t { kUnspecified = 0, kPeer = 1, kTier = 2, kOrigin = 3 };
absl::string_view ToString(SourceClass source_class);  // "PEER", …
std::ostream& operator<<(std::ostream& out, SourceClass source_class);

struct SourceEndpoint {
  AddressFamily family = AddressFamily::kUnspecified;
  std::string scheme;
  std::string host;
  int port = 0;
  friend bool operator==(const SourceEndpoint&, const SourceEndpoint&) = default;
};
// "http://192.0.2.1:8080", "http://[2001:db8::1]:8080".
std::string EndpointOrigin(const SourceEndpoint& endpoint);

struct SourceBox {
  ApplianceId id;
  SiteId site;
  SiteKind site_kind = SiteKind::kUnspecified;
  ClusterId cluster;
  ApplianceKind kind = ApplianceKind::kUnspecified;
  std::vector<SourceEndpoint> endpoints;
  AdminState admin = AdminState::kUnspecified;
  bool lame_duck = false;  // DRAINING, and refuses everybody already.
  // What it reported; kUnspecified if never.
  HealthState health = HealthState::kUnspecified;
  double weight = 1;  // [0, 1]
  int64_t capacity_bps = 0;
  int64_t use_bps = 0;
};

// Of a cluster without a fill policy: origin sends each file to a fill cluster about once.
inline constexpr int kDefaultFillMasters = 1;

struct SourcePolicy {
  bool forbid_origin = false;
  absl::Duration escalation_wait;
  int fill_masters = 0;                         // 0: all.
  absl::Duration patience = absl::Minutes(15);  // Of those that aren't masters.
  double full_at = 0.95;                        // Share of its capacity above which a box comes last in its class.
};

// The box that asks: a SourceBox, and the prefixes of the admitted routes that it hears (null: none).
struct SourceAsker {
  SourceBox box;
  const PrefixTable<std::monostate>* heard = nullptr;
};

struct RankedSource {
  SourceClass source_class = SourceClass::kUnspecified;
  ApplianceId appliance;
  SourceEndpoint endpoint;
  absl::Duration wait;
  bool full = false;
  bool behind = false;  // It did wrong lately.
};

// Why a box can't be a source, for every file.
struct ExcludedSource {
  ApplianceId appliance;
  std::string reason;
};

class SourceRanker {
 public:
  static constexpr size_t kMaxPeers = 4;
  static constexpr size_t kMaxTiers = 4;
  static constexpr size_t kMaxOrigins = 2;

  // `boxes` must outlive the ranker.
  SourceRanker(const SourceAsker& asker, const std::vector<SourceBox>& boxes, const SourcePolicy& policy);

  std::vector<RankedSource> Rank(uint32_t file, absl::FunctionRef<bool(const SourceBox&)> holds,
                                 absl::FunctionRef<bool(const SourceBox&)> behind, bool is_master) const;

  // In the order of `boxes`; without the asker itself.
  const std::vector<ExcludedSource>& excluded() const { return excluded_; }

 private:
  struct Eligible {
    const SourceBox* box;
    SourceClass source_class;
    bool same_cluster;
    bool full;
    double free;  // The weight in its class.
    uint64_t hash;
    const SourceEndpoint* endpoint;
  };

  // Empty if it may be one; else why not. Sets `eligible`.
  std::string Examine(const SourceAsker& asker, const SourceBox& box, Eligible& eligible) const;
  std::string ExamineTier(const SourceAsker& asker, const SourceBox& box, Eligible& eligible) const;

  const SourcePolicy policy_;
  const uint64_t asker_hash_;
  std::vector<Eligible> eligible_;
  std::vector<ExcludedSource> excluded_;
};

// Whether `other` comes before `asker` in the rendezvous order of the file. A box is a fill master of the file if fewer than M of those
// that should hold it and report come before it.
bool PrecedesAsFillMaster(const ApplianceId& other, const ApplianceId& asker, uint32_t file);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FILL_SOURCE_RANKING_H_
