#include "libs/steering/choose.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/steering/layers.h"

namespace fairlead {
namespace {

bool IsWanted(const SteeringRequest& request, const PlayableSetView* set, const FileView& file) {
  const auto has = [](const auto& list, const auto& item) { return std::find(list.begin(), list.end(), item) != list.end(); };
  if (set != nullptr && !has(set->files, file.number)) return false;
  return request.renditions.empty() || has(request.renditions, file.rendition);
}

void ListFiles(const Catalogue& catalogue, const SteeringRequest& request, const Wanted& wanted, std::vector<ChosenFile>& files) {
  files.clear();
  if (request.title.empty()) {
    for (const std::string& path : request.paths) files.push_back({.ref = catalogue.FindPath(path)});
    return;
  }
  if (wanted.version == nullptr) return;
  const PlayableSetView* set = request.playable_set.empty() ? nullptr : Catalogue::FindSet(*wanted.version, request.playable_set);
  if (set == nullptr && !request.playable_set.empty()) return;
  for (const FileView& file : wanted.version->files) {
    if (IsWanted(request, set, file)) files.push_back({.ref = {wanted.title, wanted.version, &file}});
  }
}

// One title of one session goes to one box as far as its holdings allow.
uint64_t SpreadKeyOf(const SteeringRequest& request) {
  const bool titled = !request.title.empty() || request.paths.empty();
  const absl::string_view what = titled ? absl::string_view(request.title.value()) : absl::string_view(request.paths.front());
  return request.session_key.empty() ? SpreadKey(request.client, what) : SpreadKey(absl::string_view(request.session_key), what);
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
  const TitleView* title = request.title.empty() ? nullptr : catalogue.FindTitle(request.title);
  return {.title = title, .version = title == nullptr ? nullptr : Catalogue::FindVersion(*title, request.version)};
}

void Choose(const SteeringTable& table, const SteeringRequest& request, WalkTo walk_to, RequestChoice& choice) {
  Choose(table, request, FindWanted(*table.catalogue, request), walk_to, choice);
}

void Choose(const SteeringTable& table, const SteeringRequest& request, const Wanted& wanted, WalkTo walk_to, RequestChoice& choice) {
  const Decider decider(table);
  FindLadder(table, request, choice);
  ListFiles(*table.catalogue, request, wanted, choice.files);
  const bool to_the_end = walk_to == WalkTo::kTheEnd;
  choice.orders.resize(to_the_end ? choice.files.size() : 0);
  DecisionQuery query = {.client = request.client,
                         .spread_key = SpreadKeyOf(request),
                         .max_urls = request.max_urls,
                         .family_preference = request.family_preference};
  for (size_t i = 0; i < choice.files.size(); ++i) {
    ChosenFile& file = choice.files[i];
    if (file.ref.file == nullptr) {
      file.choice.not_servable = NotServable::kUnknownTitle;
      if (to_the_end) choice.orders[i].clear();
      continue;
    }
    query.file = file.ref.file->number;
    file.choice.leaf = choice.leaf;
    decider.DecideOn(choice.ladder, query, to_the_end, choice.scratch, file.choice);
    if (to_the_end) choice.orders[i] = choice.scratch.order;
  }
}

std::string WhyNotServable(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice, size_t index) {
  const ChosenFile& file = choice.files[index];
  if (file.choice.not_servable == NotServable::kServable) return "";
  if (file.ref.file == nullptr) return absl::StrCat("'", request.paths[index].substr(0, 100), "' is not a path of the catalogue");
  const std::vector<Standing> standings = JudgeBoxes(table, choice.ladder, request);
  const auto count = [&](auto&& condition) { return std::count_if(standings.begin(), standings.end(), condition); };
  const auto hearing = count([](const Standing& s) { return s.hears; });
  const auto live = count([](const Standing& s) { return s.hears && s.live; });
  const std::string client = request.client.ToString();
  const std::string& path = file.ref.file->path;
  switch (file.choice.not_servable) {
    case NotServable::kNoEligibleSite:
      return absl::StrCat("no box hears a route that covers ", client, ", and no IX site with boxes is open to unrouted clients");
    case NotServable::kNoLiveAppliance:
      return absl::StrCat("none of the ", hearing, " boxes eligible for ", client, " is LIVE");
    case NotServable::kNotHeld:
      return absl::StrCat("none of the ", live, " live boxes eligible for ", client, " holds ", path);
    default:
      break;
  }
  const auto holding = count([&](const Standing& s) { return s.hears && s.live && table.holdings->Holds(s.box, file.ref.file->number); });
  return absl::StrCat(holding, " boxes hold ", path, ", but none has an endpoint that ", client, " can use");
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
