#include "libs/steering/decide.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
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

// ---- One file ----

// Those who may serve the file, best first: fit before unfit, then by proximity, then by the spread.
std::vector<uint32_t> Order(const SteeringTable& table, const std::vector<Standing>& standings, uint32_t file) {
  std::vector<uint32_t> ordered;
  for (uint32_t i = 0; i < standings.size(); ++i) {
    if (standings[i].eligible() && table.holdings->Holds(standings[i].box, file)) ordered.push_back(i);
  }
  std::sort(ordered.begin(), ordered.end(), [&](uint32_t a, uint32_t b) {
    const auto key = [](const Standing& s) { return std::tie(s.fitness, s.rank, s.spread, s.box); };
    return key(standings[a]) < key(standings[b]);
  });
  return ordered;
}

// The first `count` of `ordered`, the last of them replaced if they would all be of one site and another site could serve too.
std::vector<uint32_t> OverTwoSites(const Fleet& fleet, const std::vector<Standing>& standings, const std::vector<uint32_t>& ordered,
                                   size_t count) {
  const auto site = [&](uint32_t i) { return fleet.boxes()[standings[i].box].site; };
  std::vector<uint32_t> picked(ordered.begin(), ordered.begin() + static_cast<ptrdiff_t>(std::min(count, ordered.size())));
  const auto elsewhere = [&](uint32_t i) { return site(i) != site(ordered.front()); };
  if (count < 2 || std::any_of(picked.begin(), picked.end(), elsewhere)) return picked;
  const auto other = std::find_if(ordered.begin() + static_cast<ptrdiff_t>(picked.size()), ordered.end(), elsewhere);
  if (other != ordered.end()) picked.back() = *other;
  return picked;
}

// Why no rank-0 box is the answer's first: the label of the one that came nearest to serving; a content miss if none holds the file.
MissCause RankZeroMiss(const SteeringTable& table, const std::vector<Standing>& standings, uint32_t file) {
  MissCause cause = MissCause::kContent;
  int nearest = 0;
  const auto consider = [&](int progress, MissCause label) {
    if (progress > nearest) std::tie(nearest, cause) = std::pair(progress, label);
  };
  for (const Standing& standing : standings) {
    if (standing.rank != 0 || !table.holdings->Holds(standing.box, file)) continue;
    if (!standing.hears) {
      consider(1, MissCause::kRoute);
    } else if (!standing.live) {
      consider(2, MissCause::kAdmin);
    } else if (standing.endpoints.empty()) {
      consider(3, MissCause::kRoute);
    } else if (standing.unfit == MissCause::kHealth) {
      consider(4, MissCause::kHealth);
    } else if (standing.unfit == MissCause::kCapacity) {
      consider(5, MissCause::kCapacity);
    } else {
      consider(6, MissCause::kRoute);  // It could serve, but not over the client's own address family.
    }
  }
  return cause;
}

Candidate MakeCandidate(const Fleet& fleet, const Standing& standing, const Endpoint& endpoint) {
  const ApplianceView& box = fleet.boxes()[standing.box].view;
  return {.appliance = box.id, .site = box.site, .endpoint = endpoint, .rank = standing.rank, .fitness = standing.fitness};
}

// Boxes become (box, family) pairs: each box over its better family, then, while there is room, over the other; the client's own family
// first of all.
std::vector<Candidate> ListUrls(const SteeringTable& table, const SteeringRequest& request, const std::vector<Standing>& standings,
                                const std::vector<uint32_t>& picked, size_t count) {
  std::vector<Candidate> list;
  for (const size_t choice : {0, 1}) {
    for (const uint32_t i : picked) {
      if (choice >= standings[i].endpoints.size() || list.size() == count) continue;
      list.push_back(MakeCandidate(*table.fleet, standings[i], *standings[i].endpoints[choice]));
    }
  }
  std::stable_partition(list.begin(), list.end(), [&](const Candidate& c) { return Prefers(request, c.endpoint.family); });
  return list;
}

void Label(const SteeringTable& table, const std::vector<Standing>& standings, FileAnswer& answer) {
  const bool zero_serves = answer.candidates.front().rank == 0;
  const MissCause miss = zero_serves ? MissCause::kNone : RankZeroMiss(table, standings, answer.file);
  for (uint32_t position = 0; position < answer.candidates.size(); ++position) {
    Candidate& candidate = answer.candidates[position];
    candidate.position = position;
    candidate.cause = candidate.rank == 0 ? MissCause::kNone : miss;
  }
}

void Refuse(const SteeringTable& table, const SteeringRequest& request, const std::vector<Standing>& standings, FileAnswer& answer) {
  const auto count = [&](auto&& condition) { return std::count_if(standings.begin(), standings.end(), condition); };
  const auto hearing = count([](const Standing& s) { return s.hears; });
  const auto live = count([](const Standing& s) { return s.hears && s.live; });
  const auto holding = count([&](const Standing& s) { return s.hears && s.live && table.holdings->Holds(s.box, answer.file); });
  const std::string client = request.client.ToString();
  if (hearing == 0) {
    answer.not_servable = NotServable::kNoEligibleSite;
    answer.sentence = absl::StrCat("no box hears a route that covers ", client, ", and no IX site with boxes is open to unrouted clients");
  } else if (live == 0) {
    answer.not_servable = NotServable::kNoLiveAppliance;
    answer.sentence = absl::StrCat("none of the ", hearing, " boxes eligible for ", client, " is LIVE");
  } else if (holding == 0) {
    answer.not_servable = NotServable::kNotHeld;
    answer.sentence = absl::StrCat("none of the ", live, " live boxes eligible for ", client, " holds ", answer.path);
  } else {
    answer.not_servable = NotServable::kNoUsableEndpoint;
    answer.sentence = absl::StrCat(holding, " boxes hold ", answer.path, ", but none has an endpoint that ", client, " can use");
  }
}

// ---- All files ----

// A site on its way to being a pathway: its best holder of each file so far, as numbers of standings.
struct SiteHolders {
  std::vector<uint32_t> of_file = {};
  Fitness fitness = Fitness::kFit;  // The worst of them.
  uint32_t rank = 0;                // The farthest of them.
};

Pathway MakePathway(const SteeringTable& table, const std::vector<Standing>& standings, const SiteHolders& holders, bool zero_serves,
                    uint32_t position, const std::vector<FileAnswer>& files) {
  Pathway pathway = {.rank = holders.rank, .fitness = holders.fitness};
  for (size_t file = 0; file < files.size(); ++file) {
    const Standing& standing = standings[holders.of_file[file]];
    Candidate holder = MakeCandidate(*table.fleet, standing, *standing.endpoints.front());
    holder.position = position;
    if (!zero_serves && holder.rank != 0) holder.cause = RankZeroMiss(table, standings, files[file].file);
    if (pathway.cause == MissCause::kNone) pathway.cause = holder.cause;
    pathway.holders.push_back(std::move(holder));
  }
  pathway.site = pathway.holders.front().site;
  return pathway;
}

// The sites that hold every file, the fittest and nearest first, equals in the order of the spread; `orders` has one order a file.
std::vector<Pathway> FindPathways(const SteeringTable& table, const std::vector<Standing>& standings,
                                  const std::vector<std::vector<uint32_t>>& orders, const std::vector<FileAnswer>& files, size_t count) {
  std::map<uint32_t, SiteHolders> by_site;
  for (size_t file = 0; file < orders.size(); ++file) {
    for (const uint32_t i : orders[file]) {
      SiteHolders& holders = by_site[table.fleet->boxes()[standings[i].box].site];
      if (holders.of_file.size() != file) continue;  // It has a better holder of this file, or lacks an earlier one.
      holders.of_file.push_back(i);
      holders.fitness = std::max(holders.fitness, standings[i].fitness);
      holders.rank = std::max(holders.rank, standings[i].rank);
    }
  }
  std::vector<SiteHolders> complete;
  for (auto& [site, holders] : by_site) {
    if (holders.of_file.size() == orders.size()) complete.push_back(std::move(holders));
  }
  std::sort(complete.begin(), complete.end(), [&](const SiteHolders& a, const SiteHolders& b) {
    const auto key = [&](const SiteHolders& h) {
      const Standing& first = standings[h.of_file.front()];
      return std::tuple(h.fitness, h.rank, first.spread, first.box);
    };
    return key(a) < key(b);
  });
  std::vector<Pathway> pathways;
  for (uint32_t position = 0; position < std::min(count, complete.size()); ++position) {
    pathways.push_back(MakePathway(table, standings, complete[position], complete.front().rank == 0, position, files));
  }
  return pathways;
}

// The first choice's path decides: others are fall-backs.
std::optional<QualityCap> FindQualityCap(const SteeringTable& table, const SteeringRequest& request, const Standing& first) {
  std::optional<QualityCap> cap;
  const Busiest busiest = BusiestOnPath(*table.fleet, first);
  if (table.policy.congested_cap_bps != 0 && busiest.permille >= table.policy.congested_permille) {
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
  SteeringAnswer answer = {.table_version = table.version, .matched_prefix = table.ladders->LongestRouted(request.client)};
  const size_t max_urls = static_cast<size_t>(std::clamp(request.max_urls, 1, SteeringRequest::kMaxUrls));
  const size_t max_pathways = static_cast<size_t>(std::clamp(request.max_pathways, 0, SteeringRequest::kMaxPathways));

  // Proximity: the client's ladder.
  const LadderTable::Found found = table.ladders->Find(request.client);
  const ClientPlace& place = request.place.has_value() ? *request.place : found.place;
  Ladder anew;
  if (request.place.has_value()) {
    anew = BuildLadder(*table.fleet, table.ladders->resolved(), table.ladders->RoutesCovering(request.client), place, table.policy);
  }
  const Ladder& ladder = request.place.has_value() ? anew : *found.ladder;
  if (record != nullptr) RecordGround(table, request, place, *record);

  // Admin state, health and capacity: once for all files.
  const std::vector<Standing> standings = JudgeBoxes(table, ladder, request);

  // Holdings and spread: file by file.
  std::vector<std::vector<uint32_t>> orders;
  const FileRefs files = FilesOf(*table.catalogue, request);
  for (size_t i = 0; i < files.size(); ++i) {
    FileAnswer file = {.path = files[i].file == nullptr ? request.paths[i] : files[i].file->path};
    std::vector<uint32_t> ordered;
    if (files[i].file == nullptr) {
      file.not_servable = NotServable::kUnknownTitle;
      file.sentence = absl::StrCat("'", file.path.substr(0, 100), "' is not a path of the catalogue");
    } else {
      file.file = files[i].file->number;
      ordered = Order(table, standings, file.file);
      file.candidates = ListUrls(table, request, standings, OverTwoSites(*table.fleet, standings, ordered, max_urls), max_urls);
      file.candidates.empty() ? Refuse(table, request, standings, file) : Label(table, standings, file);
      if (record != nullptr) RecordFile(table, standings, ordered, file, *record);
    }
    if (!ordered.empty() && !answer.quality_cap.has_value())
      answer.quality_cap = FindQualityCap(table, request, standings[ordered.front()]);
    orders.push_back(std::move(ordered));
    answer.files.push_back(std::move(file));
  }
  answer.pathways = FindPathways(table, standings, orders, answer.files, max_pathways);
  Summarise(request, answer);
  return answer;
}

}  // namespace fairlead
