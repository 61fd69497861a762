#include "services/fill/source_resolver.h"

#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"

namespace fairlead::fill {
namespace {

bool Reports(const FleetBox& box) {
  return box.source.health != HealthState::kUnspecified && box.source.health != HealthState::kSilent &&
         box.source.health != HealthState::kSick;
}

// Whether the asker is a fill master of the file among the boxes of its fill cluster that should hold it and are able to fetch it. Looks
// only at boxes that come before it, and no further than is needed to know: most of those who are none find out after a few.
bool IsMaster(const FleetSnapshot& fleet, const CatalogueView& catalogue, const FleetBox& asker, const FleetCluster& own, uint32_t number) {
  if (own.policy.fill_masters <= 0 || catalogue.plan() == nullptr) return true;
  const PlanIndex& plan = *catalogue.plan();
  int before = 0;
  for (const ClusterFillPlan& cluster : plan.plan().clusters) {
    const auto at = fleet.clusters.find(cluster.cluster);
    if (at == fleet.clusters.end() || at->second.fill_cluster != own.fill_cluster) continue;
    for (const BoxManifest& manifest : cluster.boxes) {
      if (!PrecedesAsFillMaster(manifest.appliance, asker.source.id, number)) continue;
      const FleetBox* box = fleet.FindBox(manifest.appliance);
      if (box == nullptr || !Reports(*box) || !plan.Find(manifest.appliance)->Wants(number)) continue;
      if (++before == own.policy.fill_masters) return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<std::vector<ResolvedFile>> SourceResolver::Resolve(const FleetSnapshot& fleet, const CatalogueView& catalogue,
                                                                  const ApplianceId& asker, absl::Span<const uint32_t> numbers,
                                                                  absl::Time now, absl::Duration monotonic) {
  if (numbers.size() > kMaxFiles)
    return InvalidField("file_numbers", absl::StrCat(numbers.size()), absl::StrCat("at most ", kMaxFiles, " files a call"));
  const FleetBox* box = fleet.FindBox(asker);
  if (box == nullptr) return FieldError(absl::StatusCode::kNotFound, "appliance", asker.name(), "no such appliance");
  ASSIGN_OR_RETURN(const std::string key_id, signer_.Choose(fleet.active_keys));
  const auto at = fleet.clusters.find(box->source.cluster);
  const FleetCluster cluster = at == fleet.clusters.end() ? FleetCluster() : at->second;
  const SourceRanker ranker({box->source, box->routes.get()}, fleet.sources, cluster.policy);
  std::vector<ResolvedFile> files;
  for (const uint32_t number : numbers) {
    const CatalogueView::FileRef file = catalogue.FindFile(number);
    if (file.title == nullptr)
      return FieldError(absl::StatusCode::kNotFound, absl::StrCat("file_numbers[", files.size(), "]"), absl::StrCat(number),
                        "no such file");
    const auto holds = [&fleet, number](const SourceBox& source) {
      const FleetBox* holder = fleet.FindBox(source.id);
      return holder != nullptr && holder->held != nullptr && holder->held->Contains(number);
    };
    const TokenRequest request{
        .title = file.title->id.value(), .version = file.version->version, .scope = TokenScope::kFill, .lifetime = kTokenLifetime};
    ASSIGN_OR_RETURN(const TokenCache::Token token, tokens_.Get(request, key_id, now));
    const std::string folder = MakeSignedFolder(token, file.title->id.value(), file.version->version);
    ResolvedFile& resolved = files.emplace_back();
    resolved.number = number;
    const auto behind = [&](const SourceBox& source) { return reported_.IsBehind(source.id, asker, number, monotonic); };
    for (RankedSource& source : ranker.Rank(number, holds, behind, IsMaster(fleet, catalogue, *box, cluster, number))) {
      std::string base_url = absl::StrCat(EndpointOrigin(source.endpoint), folder);
      resolved.sources.push_back({std::move(source), std::move(base_url)});
    }
  }
  return files;
}

}  // namespace fairlead::fill
