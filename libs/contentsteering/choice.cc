#include "libs/contentsteering/choice.h"

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

// Takes each file from the first of its candidates that `wanted` lets through; empty unless every file has one.
template <typename Wanted>
std::vector<Candidate> Collect(const SteeringAnswer& answer, Wanted&& wanted) {
  std::vector<Candidate> holders;
  for (size_t i = 0; i < answer.files.size(); ++i) {
    const std::vector<Candidate>& candidates = answer.files[i].candidates;
    const auto found = absl::c_find_if(candidates, [&](const Candidate& candidate) { return wanted(i, candidate); });
    if (found == candidates.end()) return {};
    holders.push_back(*found);
  }
  return holders;
}

// Other boxes of the site, for every file: only then does the site outlive the loss of any one box.
std::vector<Candidate> SecondSet(const SteeringAnswer& answer, const Pathway& first) {
  return Collect(answer, [&](size_t i, const Candidate& candidate) {
    return candidate.site == first.site && candidate.appliance != first.holders[i].appliance && candidate.fitness <= first.fitness;
  });
}

std::vector<DeclaredPathway> Mixed(const SteeringAnswer& answer) {
  std::vector<DeclaredPathway> mixed;
  std::vector<Candidate> first = Collect(answer, [](size_t, const Candidate&) { return true; });
  if (first.empty()) return mixed;
  std::vector<Candidate> second =
      Collect(answer, [&](size_t i, const Candidate& candidate) { return candidate.appliance != first[i].appliance; });
  mixed.push_back({.id = "mixed", .holders = std::move(first)});
  if (!second.empty()) mixed.push_back({.id = "mixed.2", .holders = std::move(second)});
  return mixed;
}

}  // namespace

void AskForPathways(SteeringRequest& request) {
  request.max_urls = SteeringRequest::kMaxUrls;
  request.max_pathways = SteeringRequest::kMaxPathways;
}

std::vector<DeclaredPathway> ChoosePathways(const SteeringAnswer& answer, const absl::flat_hash_set<SiteId>& exchanges) {
  const std::vector<Pathway>& sites = answer.pathways;
  std::vector<DeclaredPathway> chosen;
  for (size_t i = 0; i < std::min(kTopSites, sites.size()); ++i) {
    chosen.push_back({.id = sites[i].site.value(), .holders = sites[i].holders});
    if (i > 0) continue;
    std::vector<Candidate> second = SecondSet(answer, sites[0]);
    if (!second.empty()) chosen.push_back({.id = absl::StrCat(sites[0].site.value(), ".2"), .holders = std::move(second)});
  }
  const auto is_exchange = [&](const Pathway& pathway) { return exchanges.contains(pathway.site); };
  const auto top = sites.begin() + static_cast<ptrdiff_t>(std::min(kTopSites, sites.size()));
  if (std::none_of(sites.begin(), top, is_exchange)) {
    const auto last_resort = std::find_if(top, sites.end(), is_exchange);
    if (last_resort != sites.end()) chosen.push_back({.id = last_resort->site.value(), .holders = last_resort->holders});
  }
  if (sites.empty()) chosen = Mixed(answer);
  for (uint32_t position = 0; position < chosen.size(); ++position) {
    for (Candidate& holder : chosen[position].holders) holder.position = position;
  }
  return chosen;
}

SteeringSession FirstSession(const TitleId& title, const std::string& version, const std::vector<DeclaredPathway>& pathways,
                             uint32_t seed) {
  SteeringSession session = {.title = title, .version = version, .seed = seed};
  for (const DeclaredPathway& declared : pathways) {
    SessionPathway& pathway = session.pathways.emplace_back(SessionPathway{.id = declared.id});
    for (const Candidate& holder : declared.holders) {
      if (pathway.boxes.size() == SessionPathway::kMaxBoxes) break;
      if (!absl::c_linear_search(pathway.boxes, holder.appliance)) pathway.boxes.push_back(holder.appliance);
    }
  }
  return session;
}

}  // namespace fairlead
