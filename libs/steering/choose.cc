#include "libs/steering/choose.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "libs/steering/layers.h"

namespace fairlead {
namespace {

constexpr uint32_t kRungsALine = 64 / sizeof(Rung);
constexpr uint32_t kRungsFetched = 4 * kRungsALine;  // Most decisions end there.

// Indexes of the version's files that the request names, ascending; `indexes` is kept for its memory.
void ListWanted(const SteeringRequest& request, const CatalogueVersion& version, std::vector<size_t>& indexes) {
  indexes.clear();
  if (request.renditions.empty()) {
    for (size_t i = 0; i < version.files().size(); ++i) indexes.push_back(i);
    return;
  }
  for (const std::string& rendition : request.renditions) {
    version.ForEachOfRendition(rendition, [&](size_t i) { indexes.push_back(i); });
  }
  if (request.renditions.size() == 1) return;
  std::sort(indexes.begin(), indexes.end());
  indexes.erase(std::unique(indexes.begin(), indexes.end()), indexes.end());
}

void ListFiles(const Catalogue& catalogue, const SteeringRequest& request, const Wanted& wanted, RequestChoice& choice) {
  std::vector<ChosenFile>& files = choice.files;
  files.clear();
  if (request.title.empty()) {
    for (const std::string& path : request.paths) files.push_back({.ref = catalogue.FindPath(path)});
    return;
  }
  if (wanted.version == nullptr) return;
  const CatalogueSet* set = request.playable_set.empty() ? nullptr : wanted.version->FindSet(request.playable_set);
  if (set == nullptr && !request.playable_set.empty()) return;
  ListWanted(request, *wanted.version, choice.wanted);
  for (const size_t i : choice.wanted) {
    const CatalogueFile& file = wanted.version->files()[i];
    const bool in_set = set == nullptr || absl::c_linear_search(set->files(), file.number());
    if (in_set) files.push_back({.ref = {wanted.title, wanted.version, &file}});
  }
}

// One title of one session goes to one box as far as its holdings allow.
uint64_t SpreadKeyOf(const SteeringRequest& request) {
  const bool titled = !request.title.empty() || request.paths.empty();
  const absl::string_view what = titled ? absl::string_view(request.title.value()) : absl::string_view(request.paths.front());
  return request.session_key.empty() ? SpreadKey(request.client, what) : SpreadKey(absl::string_view(request.session_key), what);
}

// For any of its files.
DecisionQuery QueryOf(const SteeringRequest& request) {
  return {.client = request.client,
          .spread_key = SpreadKeyOf(request),
          .max_urls = request.max_urls,
          .family_preference = request.family_preference};
}

void FindLadder(const SteeringTable& table, const SteeringRequest& request, RequestChoice& choice) {
  choice.leaf = table.ladders->LeafOf(request.client);
  if (!request.place.has_value()) {
    choice.ladder = table.ladders->LadderOf(choice.leaf);
    return;
  }
  static const std::vector<Rung> nothing;
  choice.rungs = MakeRungs(*table.fleet, BuildLadder(*table.fleet, table.ladders->resolved(), table.ladders->RoutesCovering(request.client),
                                                     *request.place, table.policy));
  choice.ladder = {.head = choice.rungs.data(), .tail = &nothing, .head_size = static_cast<uint32_t>(choice.rungs.size())};
}

}  // namespace

Wanted FindWanted(const Catalogue& catalogue, const SteeringRequest& request) {
  const CatalogueTitle* title = request.title.empty() ? nullptr : catalogue.FindTitle(request.title);
  return {.title = title, .version = title == nullptr ? nullptr : title->FindVersion(request.version)};
}

void Choose(const SteeringTable& table, const SteeringRequest& request, WalkTo walk_to, RequestChoice& choice) {
  Choose(table, request, FindWanted(*table.catalogue, request), walk_to, choice);
}

void Choose(const SteeringTable& table, const SteeringRequest& request, const Wanted& wanted, WalkTo walk_to, RequestChoice& choice) {
  const Decider decider(table);
  FindLadder(table, request, choice);
  ListFiles(*table.catalogue, request, wanted, choice);
  const bool to_the_end = walk_to == WalkTo::kTheEnd;
  choice.orders.resize(to_the_end ? choice.files.size() : 0);
  DecisionQuery query = QueryOf(request);
  for (size_t i = 0; i < choice.files.size(); ++i) {
    ChosenFile& file = choice.files[i];
    if (file.ref.file == nullptr) {
      file.choice.not_servable = NotServable::kUnknownTitle;
      if (to_the_end) choice.orders[i].clear();
      continue;
    }
    query.file = file.ref.file->number();
    file.choice.leaf = choice.leaf;
    decider.DecideOn(choice.ladder, query, to_the_end, choice.scratch, file.choice);
    if (to_the_end) choice.orders[i] = choice.scratch.order;
  }
}

void MatchMany(const SteeringTable& table, absl::Span<const Choosing> many, ChoosingScratch& scratch) {
  scratch.clients.clear();
  for (const Choosing& one : many) scratch.clients.push_back(one.request->client);
  scratch.leaves.resize(many.size());
  table.ladders->LeavesOf(scratch.clients, scratch.leaves.data());
  for (size_t i = 0; i < many.size(); ++i) {
    many[i].choice->leaf = scratch.leaves[i];
    table.ladders->FetchLeaf(scratch.leaves[i]);
  }
}

void FetchLadders(const SteeringTable& table, absl::Span<const Choosing> many) {
  for (const Choosing& one : many) {
    const LadderRef ladder = table.ladders->LadderOf(one.choice->leaf);
    for (uint32_t i = 0; i < std::min(ladder.head_size, kRungsFetched); i += kRungsALine) __builtin_prefetch(ladder.head + i);
  }
}

void ChooseMany(const SteeringTable& table, absl::Span<const Choosing> many, ChoosingScratch& scratch) {
  scratch.single.clear();
  for (const Choosing& one : many) {
    const bool by_route = !one.request->place.has_value();
    if (by_route) ListFiles(*table.catalogue, *one.request, one.wanted, *one.choice);
    if (by_route && one.choice->files.size() == 1 && one.choice->files.front().ref.file != nullptr) {
      scratch.single.push_back(one);
      __builtin_prefetch(one.choice->files.front().ref.file);
    } else {
      Choose(table, *one.request, one.wanted, WalkTo::kEnough, *one.choice);
    }
  }
  scratch.queries.clear();
  scratch.choices.resize(scratch.single.size());
  for (size_t i = 0; i < scratch.single.size(); ++i) {
    const Choosing& one = scratch.single[i];
    scratch.queries.push_back(QueryOf(*one.request));
    const CatalogueFile& file = *one.choice->files.front().ref.file;
    scratch.queries.back().file = file.number();
    file.FetchNames();
    scratch.choices[i].leaf = one.choice->leaf;
  }
  Decider(table).DecideManyOnLeaves(scratch.queries, scratch.decision, scratch.choices.data());
  for (size_t i = 0; i < scratch.single.size(); ++i) {
    RequestChoice& choice = *scratch.single[i].choice;
    choice.orders.clear();
    choice.ladder = table.ladders->LadderOf(choice.leaf);
    choice.files.front().choice = scratch.choices[i];
  }
}

std::string WhyNotServable(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice, size_t index) {
  const ChosenFile& file = choice.files[index];
  if (file.choice.not_servable == NotServable::kServable) return "";
  if (file.ref.file == nullptr) return absl::StrCat("'", request.paths[index].substr(0, 100), "' is not a path of the catalogue");
  const Eligible eligible = CountEligible(table, choice.ladder, file.ref.file->number());
  const std::string client = request.client.ToString();
  const std::string path = file.ref.path().Join();
  switch (file.choice.not_servable) {
    case NotServable::kNoEligibleSite:
      return absl::StrCat("no box hears a route that covers ", client, ", and no IX site with boxes is open to unrouted clients");
    case NotServable::kNoLiveAppliance:
      return absl::StrCat("none of the ", eligible.boxes, " boxes eligible for ", client, " is LIVE");
    case NotServable::kNotHeld:
      return absl::StrCat("none of the ", eligible.live, " live boxes eligible for ", client, " holds ", path);
    default:
      break;
  }
  return absl::StrCat(eligible.holding, " boxes hold ", path, ", but none has an endpoint that ", client, " can use");
}

std::optional<CapChoice> ChooseQualityCap(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice) {
  for (size_t i = 0; i < choice.files.size(); ++i) {
    const FileChoice& file = choice.files[i].choice;
    if (file.count == 0) continue;
    std::optional<CapChoice> cap;
    if (table.policy.congested_cap_bps != 0 && file.best_permille >= table.policy.congested_permille) {
      cap = {.bps = table.policy.congested_cap_bps, .congested = true, .file = i};
    }
    if (request.reported_throughput_bps.has_value()) {
      const uint64_t comfortable = *request.reported_throughput_bps / 5 * 4;
      if (!cap.has_value() || cap->bps > comfortable) cap = {.bps = comfortable, .congested = false, .file = i};
    }
    if (cap.has_value()) return cap;
  }
  return std::nullopt;
}

}  // namespace fairlead
