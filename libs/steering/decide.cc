#include "libs/steering/decide.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/steering/decider.h"
#include "libs/steering/layers.h"
#include "libs/steering/recorder.h"

namespace fairlead {
namespace {

// ---- One file ----

const Endpoint& EndpointOf(const ApplianceView& box, AddressFamily family) {
  return *std::find_if(box.endpoints.begin(), box.endpoints.end(), [&](const Endpoint& endpoint) { return endpoint.family == family; });
}

void ListCandidates(const Fleet& fleet, const FileChoice& choice, FileAnswer& answer) {
  for (const UrlChoice& url : choice.list()) {
    const ApplianceView& box = fleet.boxes()[url.box].view;
    answer.candidates.push_back({.appliance = box.id,
                                 .site = box.site,
                                 .endpoint = EndpointOf(box, url.family),
                                 .rank = url.rank,
                                 .position = static_cast<uint32_t>(answer.candidates.size()),
                                 .cause = choice.CauseOf(url),
                                 .fitness = url.fitness});
  }
}

// ---- All files ----

size_t PathwaysOf(const SteeringRequest& request) {
  return static_cast<size_t>(std::clamp(request.max_pathways, 0, SteeringRequest::kMaxPathways));
}

// A site on its way to being a pathway: its best holder of each file so far.
struct SiteHolders {
  std::vector<const DecisionCandidate*> of_file = {};
  Fitness fitness = Fitness::kFit;  // The worst of them.
  uint32_t rank = 0;                // The farthest of them.
};

Pathway MakePathway(const SteeringTable& table, const RequestChoice& choice, const SiteHolders& holders, bool zero_serves,
                    uint32_t position) {
  Pathway pathway = {.rank = holders.rank, .fitness = holders.fitness};
  for (size_t file = 0; file < choice.files.size(); ++file) {
    const DecisionCandidate& best = *holders.of_file[file];
    const ApplianceView& box = table.fleet->boxes()[best.box].view;
    Candidate holder = {.appliance = box.id, .site = box.site, .endpoint = EndpointOf(box, best.family(0)), .rank = best.rank};
    holder.fitness = best.fitness;
    holder.position = position;
    if (!zero_serves && holder.rank != 0) holder.cause = choice.files[file].choice.zero_miss;
    if (pathway.cause == MissCause::kNone) pathway.cause = holder.cause;
    pathway.holders.push_back(std::move(holder));
  }
  pathway.site = pathway.holders.front().site;
  return pathway;
}

// The sites that hold every file, the fittest and nearest first, equals in the order of the spread.
std::vector<Pathway> FindPathways(const SteeringTable& table, const RequestChoice& choice, size_t count) {
  const auto& orders = choice.orders;
  std::map<uint32_t, SiteHolders> by_site;
  for (size_t file = 0; file < orders.size(); ++file) {
    for (const DecisionCandidate& candidate : orders[file]) {
      SiteHolders& holders = by_site[candidate.site];
      if (holders.of_file.size() != file) continue;  // It has a better holder of this file, or lacks an earlier one.
      holders.of_file.push_back(&candidate);
      holders.fitness = std::max(holders.fitness, candidate.fitness);
      holders.rank = std::max<uint32_t>(holders.rank, candidate.rank);
    }
  }
  std::vector<SiteHolders> complete;
  for (auto& [site, holders] : by_site) {
    if (holders.of_file.size() == orders.size()) complete.push_back(std::move(holders));
  }
  std::sort(complete.begin(), complete.end(), [&](const SiteHolders& a, const SiteHolders& b) {
    const auto key = [&](const SiteHolders& h) {
      const DecisionCandidate& first = *h.of_file.front();
      return std::tuple(h.fitness, h.rank, first.spread, first.box);
    };
    return key(a) < key(b);
  });
  std::vector<Pathway> pathways;
  for (uint32_t position = 0; position < std::min(count, complete.size()); ++position) {
    pathways.push_back(MakePathway(table, choice, complete[position], complete.front().rank == 0, position));
  }
  return pathways;
}

std::optional<QualityCap> PutCapInWords(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice) {
  const std::optional<CapChoice> cap = ChooseQualityCap(table, request, choice);
  if (!cap.has_value()) return std::nullopt;
  if (!cap->congested) {
    return QualityCap{cap->bps,
                      absl::StrCat("the client reported ", *request.reported_throughput_bps, " bit/s; four fifths of it are safe")};
  }
  const FileChoice& file = choice.files[cap->file].choice;
  const Busiest busiest = BusiestOnPath(*table.fleet, file.best_box, file.best_link);
  return QualityCap{cap->bps, absl::StrCat(busiest.name, " is at ", busiest.permille, " per mille of its capacity")};
}

void Summarise(const SteeringRequest& request, SteeringAnswer& answer) {
  if (answer.files.empty()) {
    answer.not_servable = NotServable::kUnknownTitle;
    answer.sentence = request.title.empty()
                          ? "no files were asked for"
                          : absl::StrCat(request.title.name(), " has no files for version '", request.version, "', playable set '",
                                         request.playable_set, "' and ", request.renditions.size(), " named renditions");
    return;
  }
  const bool any = std::any_of(answer.files.begin(), answer.files.end(), [](const FileAnswer& file) { return !file.candidates.empty(); });
  if (any) return;
  answer.not_servable = answer.files.front().not_servable;
  answer.sentence = answer.files.front().sentence;
}

}  // namespace

SteeringAnswer PutInWords(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice, Explanation* record) {
  SteeringAnswer answer = {.table_version = table.version, .matched_prefix = table.ladders->RoutedPrefixOf(choice.leaf)};
  std::vector<Standing> standings;
  if (record != nullptr) {
    RecordGround(table, request, request.place.has_value() ? *request.place : table.ladders->PlaceOf(choice.leaf), *record);
    standings = JudgeBoxes(table, choice.ladder, request);
  }
  for (size_t i = 0; i < choice.files.size(); ++i) {
    const ChosenFile& chosen = choice.files[i];
    const bool known = chosen.ref.file != nullptr;
    FileAnswer& file = answer.files.emplace_back(FileAnswer{.file = known ? chosen.ref.file->number() : 0,
                                                            .path = known ? chosen.ref.path().Join() : request.paths[i],
                                                            .not_servable = chosen.choice.not_servable,
                                                            .sentence = WhyNotServable(table, request, choice, i)});
    ListCandidates(*table.fleet, chosen.choice, file);
    if (record != nullptr && known) RecordFile(table, standings, choice.orders[i], file, *record);
  }
  answer.quality_cap = PutCapInWords(table, request, choice);
  answer.pathways = FindPathways(table, choice, PathwaysOf(request));
  Summarise(request, answer);
  return answer;
}

SteeringAnswer Decide(const SteeringTable& table, const SteeringRequest& request, Explanation* record) {
  RequestChoice choice;
  Choose(table, request, record != nullptr || PathwaysOf(request) > 0 ? WalkTo::kTheEnd : WalkTo::kEnough, choice);
  return PutInWords(table, request, choice, record);
}

}  // namespace fairlead
