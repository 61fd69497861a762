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

using FileRefs = std::vector<Catalogue::FileRef>;

// ---- What is asked for ----

bool IsWanted(const SteeringRequest& request, const PlayableSetView* set, const FileView& file) {
  const auto has = [](const auto& list, const auto& item) { return std::find(list.begin(), list.end(), item) != list.end(); };
  if (set != nullptr && !has(set->files, file.number)) return false;
  return request.renditions.empty() || has(request.renditions, file.rendition);
}

// The files of the request; null members stand for what isn't known. Empty if the title, version or set isn't known.
FileRefs FilesOf(const Catalogue& catalogue, const SteeringRequest& request) {
  FileRefs files;
  if (request.title.empty()) {
    for (const std::string& path : request.paths) files.push_back(catalogue.FindPath(path));
    return files;
  }
  const TitleView* title = catalogue.FindTitle(request.title);
  const VersionView* version = title == nullptr ? nullptr : Catalogue::FindVersion(*title, request.version);
  const PlayableSetView* set = version == nullptr ? nullptr : Catalogue::FindSet(*version, request.playable_set);
  if (version == nullptr || (set == nullptr && !request.playable_set.empty())) return files;
  for (const FileView& file : version->files) {
    if (IsWanted(request, set, file)) files.push_back({title, version, &file});
  }
  return files;
}

// One title of one session goes to one box as far as its holdings allow.
uint64_t SpreadKeyOf(const SteeringRequest& request) {
  const bool titled = !request.title.empty() || request.paths.empty();
  const absl::string_view what = titled ? absl::string_view(request.title.value()) : absl::string_view(request.paths.front());
  return request.session_key.empty() ? SpreadKey(request.client, what) : SpreadKey(absl::string_view(request.session_key), what);
}

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

void Refuse(const SteeringTable& table, const SteeringRequest& request, const LadderRef& ladder, FileAnswer& answer) {
  const std::vector<Standing> standings = JudgeBoxes(table, ladder, request);
  const auto count = [&](auto&& condition) { return std::count_if(standings.begin(), standings.end(), condition); };
  const auto hearing = count([](const Standing& s) { return s.hears; });
  const auto live = count([](const Standing& s) { return s.hears && s.live; });
  const auto holding = count([&](const Standing& s) { return s.hears && s.live && table.holdings->Holds(s.box, answer.file); });
  const std::string client = request.client.ToString();
  if (answer.not_servable == NotServable::kNoEligibleSite) {
    answer.sentence = absl::StrCat("no box hears a route that covers ", client, ", and no IX site with boxes is open to unrouted clients");
  } else if (answer.not_servable == NotServable::kNoLiveAppliance) {
    answer.sentence = absl::StrCat("none of the ", hearing, " boxes eligible for ", client, " is LIVE");
  } else if (answer.not_servable == NotServable::kNotHeld) {
    answer.sentence = absl::StrCat("none of the ", live, " live boxes eligible for ", client, " holds ", answer.path);
  } else {
    answer.sentence = absl::StrCat(holding, " boxes hold ", answer.path, ", but none has an endpoint that ", client, " can use");
  }
}

// ---- All files ----

// What the walk left of one file.
struct Walked {
  MissCause zero_miss = MissCause::kNone;
  std::vector<DecisionCandidate> order = {};
};

// A site on its way to being a pathway: its best holder of each file so far.
struct SiteHolders {
  std::vector<const DecisionCandidate*> of_file = {};
  Fitness fitness = Fitness::kFit;  // The worst of them.
  uint32_t rank = 0;                // The farthest of them.
};

Pathway MakePathway(const SteeringTable& table, const std::vector<Walked>& walked, const SiteHolders& holders, bool zero_serves,
                    uint32_t position) {
  Pathway pathway = {.rank = holders.rank, .fitness = holders.fitness};
  for (size_t file = 0; file < walked.size(); ++file) {
    const DecisionCandidate& best = *holders.of_file[file];
    const ApplianceView& box = table.fleet->boxes()[best.box].view;
    Candidate holder = {.appliance = box.id, .site = box.site, .endpoint = EndpointOf(box, best.family(0)), .rank = best.rank};
    holder.fitness = best.fitness;
    holder.position = position;
    if (!zero_serves && holder.rank != 0) holder.cause = walked[file].zero_miss;
    if (pathway.cause == MissCause::kNone) pathway.cause = holder.cause;
    pathway.holders.push_back(std::move(holder));
  }
  pathway.site = pathway.holders.front().site;
  return pathway;
}

// The sites that hold every file, the fittest and nearest first, equals in the order of the spread.
std::vector<Pathway> FindPathways(const SteeringTable& table, const std::vector<Walked>& walked, size_t count) {
  std::map<uint32_t, SiteHolders> by_site;
  for (size_t file = 0; file < walked.size(); ++file) {
    for (const DecisionCandidate& candidate : walked[file].order) {
      SiteHolders& holders = by_site[candidate.site];
      if (holders.of_file.size() != file) continue;  // It has a better holder of this file, or lacks an earlier one.
      holders.of_file.push_back(&candidate);
      holders.fitness = std::max(holders.fitness, candidate.fitness);
      holders.rank = std::max<uint32_t>(holders.rank, candidate.rank);
    }
  }
  std::vector<SiteHolders> complete;
  for (auto& [site, holders] : by_site) {
    if (holders.of_file.size() == walked.size()) complete.push_back(std::move(holders));
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
    pathways.push_back(MakePathway(table, walked, complete[position], complete.front().rank == 0, position));
  }
  return pathways;
}

// The first choice's path decides: others are fall-backs.
std::optional<QualityCap> FindQualityCap(const SteeringTable& table, const SteeringRequest& request, const FileChoice& choice) {
  std::optional<QualityCap> cap;
  if (table.policy.congested_cap_bps != 0 && choice.best_permille >= table.policy.congested_permille) {
    const Busiest busiest = BusiestOnPath(*table.fleet, choice.best_box, choice.best_link);
    cap = {table.policy.congested_cap_bps, absl::StrCat(busiest.name, " is at ", busiest.permille, " per mille of its capacity")};
  }
  if (!request.reported_throughput_bps.has_value()) return cap;
  const uint64_t comfortable = *request.reported_throughput_bps / 5 * 4;
  if (cap.has_value() && cap->bps <= comfortable) return cap;
  return QualityCap{comfortable,
                    absl::StrCat("the client reported ", *request.reported_throughput_bps, " bit/s; four fifths of it are safe")};
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

SteeringAnswer Decide(const SteeringTable& table, const SteeringRequest& request, Explanation* record) {
  const Decider decider(table);
  const uint32_t leaf = table.ladders->LeafOf(request.client);
  SteeringAnswer answer = {.table_version = table.version, .matched_prefix = table.ladders->RoutedPrefixOf(leaf)};
  const size_t max_pathways = static_cast<size_t>(std::clamp(request.max_pathways, 0, SteeringRequest::kMaxPathways));

  // Proximity: the client's ladder.
  const ClientPlace& place = request.place.has_value() ? *request.place : table.ladders->PlaceOf(leaf);
  LadderRef ladder = table.ladders->LadderOf(leaf);
  std::vector<Rung> anew;
  static const std::vector<Rung> nothing;
  if (request.place.has_value()) {
    anew = MakeRungs(*table.fleet, BuildLadder(*table.fleet, table.ladders->resolved(), table.ladders->RoutesCovering(request.client),
                                               place, table.policy));
    ladder = {.head = anew.data(), .tail = &nothing, .head_size = static_cast<uint32_t>(anew.size())};
  }
  if (record != nullptr) RecordGround(table, request, place, *record);
  const std::vector<Standing> standings = record == nullptr ? std::vector<Standing>() : JudgeBoxes(table, ladder, request);

  // The other layers, file by file.
  const bool to_the_end = record != nullptr || max_pathways > 0;
  DecisionScratch scratch;
  FileChoice choice;
  std::vector<Walked> walked;
  DecisionQuery query = {.client = request.client,
                         .spread_key = SpreadKeyOf(request),
                         .max_urls = request.max_urls,
                         .family_preference = request.family_preference};
  const FileRefs files = FilesOf(*table.catalogue, request);
  for (size_t i = 0; i < files.size(); ++i) {
    FileAnswer file = {.path = files[i].file == nullptr ? request.paths[i] : files[i].file->path};
    walked.emplace_back();
    if (files[i].file == nullptr) {
      file.not_servable = NotServable::kUnknownTitle;
      file.sentence = absl::StrCat("'", file.path.substr(0, 100), "' is not a path of the catalogue");
    } else {
      query.file = file.file = files[i].file->number;
      decider.DecideOn(ladder, query, to_the_end, scratch, choice);
      file.not_servable = choice.not_servable;
      ListCandidates(*table.fleet, choice, file);
      if (choice.count == 0) Refuse(table, request, ladder, file);
      if (record != nullptr) RecordFile(table, standings, scratch.order, file, *record);
      if (choice.count > 0 && !answer.quality_cap.has_value()) answer.quality_cap = FindQualityCap(table, request, choice);
      walked.back().zero_miss = choice.zero_miss;
      if (to_the_end) walked.back().order = scratch.order;
    }
    answer.files.push_back(std::move(file));
  }
  answer.pathways = FindPathways(table, walked, max_pathways);
  Summarise(request, answer);
  return answer;
}

}  // namespace fairlead
