#include "libs/steering/recorder.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

std::string Percent(uint64_t permille) {
  return absl::StrCat(permille / 10, ".", permille % 10, " %");
}

// ---- The ground ----

std::string EntryText(const LadderEntry& entry, const LadderFigures& figures) {
  const std::string distance = figures.distance_km < 0 ? "at an unknown distance" : absl::StrCat(figures.distance_km, " km away");
  if (entry.fallback) return absl::StrCat("open to unrouted clients, ", distance);
  const RouteView& route = figures.route;
  return absl::StrCat(ToString(figures.transport), " route ", route.prefix.ToString(), ", AS path of ", route.as_path_length, " by AS",
                      route.neighbour_as, ", MED ", route.med, ", ", distance, entry.demoted ? ", demoted" : "");
}

ExplainedEntry Explain(const SteeringTable& table, const LadderEntry& entry, const LadderFigures& figures) {
  const Fleet& fleet = *table.fleet;
  ExplainedEntry explained = {
      .entry = entry, .figures = figures, .site = fleet.sites()[entry.site].view.id, .sentence = EntryText(entry, figures)};
  for (const uint32_t box : entry.boxes) explained.boxes.push_back(fleet.boxes()[box].view.id);
  if (entry.link != Fleet::kNone) explained.link = fleet.links()[entry.link].id;
  if (entry.session != Fleet::kNone) explained.session = table.ladders->sessions()[entry.session].id;
  return explained;
}

// Routes come by prefix; their sessions are numbered anew, so that the record stands by itself.
void RecordRoutes(const SteeringTable& table, const std::vector<RouteView>& routes, Explanation& record) {
  absl::flat_hash_map<uint32_t, uint32_t> renumbered;
  for (RouteView route : routes) {
    const auto [at, is_new] = renumbered.try_emplace(route.session, static_cast<uint32_t>(record.sessions.size()));
    if (is_new) record.sessions.push_back(table.ladders->sessions()[route.session]);
    route.session = at->second;
    if (record.matched.empty() || record.matched.back().prefix != route.prefix) record.matched.push_back({.prefix = route.prefix});
    record.matched.back().routes.push_back(std::move(route));
  }
}

// ---- One candidate ----

LayerVerdict Yes(SteeringLayer layer, std::string sentence) {
  return {.layer = layer, .passed = true, .sentence = std::move(sentence)};
}
LayerVerdict No(SteeringLayer layer, MissCause cause, std::string sentence) {
  return {.layer = layer, .passed = false, .cause = cause, .sentence = std::move(sentence)};
}

LayerVerdict Proximity(const ApplianceView& box, const Standing& standing) {
  if (!standing.hears)
    return No(SteeringLayer::kProximity, MissCause::kRoute,
              absl::StrCat(box.site.name(), " is in the ladder, but this box hears no route to the client"));
  if (!standing.reachable) return No(SteeringLayer::kProximity, MissCause::kRoute, "it has no endpoint that the client can use");
  return Yes(SteeringLayer::kProximity, absl::StrCat("rank ", standing.rank));
}

LayerVerdict Admin(const ApplianceView& box, const Standing& standing) {
  if (!standing.live) {
    const std::string drain = box.drain.empty() ? "" : absl::StrCat(" (", box.drain, ")");
    return No(SteeringLayer::kAdmin, MissCause::kAdmin, absl::StrCat("admin state ", ToString(box.admin), drain));
  }
  return Yes(SteeringLayer::kAdmin, "LIVE");
}

LayerVerdict Health(const ApplianceView& box, const Standing& standing) {
  const std::string figures =
      absl::StrCat(ToString(box.health), ", weight ", Percent(box.weight_permille), box.guard_word.empty() ? "" : "; ", box.guard_word);
  if (standing.unfit == MissCause::kHealth) return No(SteeringLayer::kHealth, MissCause::kHealth, figures);
  return Yes(SteeringLayer::kHealth, figures);
}

LayerVerdict Capacity(const SteeringTable& table, const Standing& standing) {
  const Busiest busiest = BusiestOnPath(*table.fleet, standing.box, standing.link);
  const std::string figures = absl::StrCat(busiest.name, " is the busiest on the path: ", Percent(busiest.permille), " (full at ",
                                           Percent(table.policy.full_permille), ")");
  if (standing.unfit == MissCause::kCapacity) return No(SteeringLayer::kCapacity, MissCause::kCapacity, figures);
  return Yes(SteeringLayer::kCapacity, figures);
}

LayerVerdict Held(const SteeringTable& table, const Standing& standing, const FileAnswer& file) {
  if (!table.holdings->Holds(standing.box, file.file))
    return No(SteeringLayer::kHoldings, MissCause::kContent, absl::StrCat("does not hold file ", file.file));
  return Yes(SteeringLayer::kHoldings, absl::StrCat("holds file ", file.file));
}

// In the order of the layers. Proximity, admin and holdings are final; health and capacity let a last resort go on.
std::vector<LayerVerdict> Verdicts(const SteeringTable& table, const Standing& standing, const FileAnswer& file) {
  const ApplianceView& box = table.fleet->boxes()[standing.box].view;
  std::vector<LayerVerdict> verdicts;
  verdicts.reserve(static_cast<size_t>(SteeringLayer::kSpread));
  verdicts.push_back(Proximity(box, standing));
  if (!verdicts.back().passed) return verdicts;
  verdicts.push_back(Admin(box, standing));
  if (!verdicts.back().passed) return verdicts;
  verdicts.push_back(Health(box, standing));
  if (verdicts.back().passed) verdicts.push_back(Capacity(table, standing));
  verdicts.push_back(Held(table, standing, file));
  return verdicts;
}

// ---- Winner and runner-up ----

std::string NameOf(const SteeringTable& table, const DecisionCandidate& candidate) {
  return table.fleet->boxes()[candidate.box].view.id.name();
}

// The winner is whom the first URL leads to: the best in order, or the first chosen one that has the family which the client takes first.
void NameWinner(const SteeringTable& table, const std::vector<DecisionCandidate>& order, const Candidate& first, FileRecord& file) {
  const auto winner = std::find_if(order.begin(), order.end(),
                                   [&](const DecisionCandidate& c) { return table.fleet->boxes()[c.box].view.id == first.appliance; });
  if (winner == order.end()) return;  // The first URL's box is always in the order.
  const bool best = winner == order.begin();
  const absl::string_view family = ToString(first.endpoint.family);
  file.winner = absl::StrCat(NameOf(table, *winner), ": ", ToString(winner->fitness), " at rank ", winner->rank, ", ",
                             best ? "the best" : absl::StrCat("the first chosen one with ", family, ", the family that comes first,"),
                             " of ", order.size(), " that may serve");
  if (order.size() < 2) return;
  const DecisionCandidate& next = best ? order[1] : order[0];
  std::string why = ": as good, but this session's spread puts the other first";
  if (!best) {
    why = absl::StrCat(": ", ToString(next.fitness), " at rank ", next.rank, ", but without ", family);
  } else if (next.fitness != winner->fitness) {
    why = absl::StrCat(": ", ToString(next.fitness), " where the first is ", ToString(winner->fitness));
  } else if (next.rank != winner->rank) {
    why = absl::StrCat(": rank ", next.rank, " where the first has ", winner->rank);
  }
  file.runner_up = NameOf(table, next) + why;
}

}  // namespace

void RecordGround(const SteeringTable& table, const SteeringRequest& request, const ClientPlace& place, Explanation& record) {
  record = Explanation();
  record.table_version = table.version;
  record.client = request.client;
  record.place = place;
  record.ages = table.ages;
  const std::vector<RouteView> routes = table.ladders->RoutesCovering(request.client);
  RecordRoutes(table, routes, record);
  std::vector<LadderFigures> figures;
  const Ladder ladder = BuildLadder(*table.fleet, table.ladders->resolved(), routes, place, table.policy, &figures);
  for (size_t i = 0; i < ladder.entries.size(); ++i) record.ladder.push_back(Explain(table, ladder.entries[i], figures[i]));
}

void RecordFile(const SteeringTable& table, const std::vector<Standing>& standings, const std::vector<DecisionCandidate>& order,
                const FileAnswer& answer, Explanation& record) {
  if (record.files.size() == Explanation::kMaxFiles) return;
  FileRecord file = {.file = answer.file, .path = answer.path};
  file.candidates.reserve(standings.size());
  for (const Standing& standing : standings) {
    const ApplianceView& box = table.fleet->boxes()[standing.box].view;
    CandidateRecord candidate = {
        .appliance = box.id, .site = box.site, .rank = standing.rank, .verdicts = Verdicts(table, standing, answer)};
    const auto place = std::find_if(order.begin(), order.end(), [&](const DecisionCandidate& c) { return c.box == standing.box; });
    if (place != order.end()) {
      candidate.verdicts.push_back(Yes(SteeringLayer::kSpread, absl::StrCat("place ", place - order.begin() + 1, " of ", order.size())));
    }
    file.candidates.push_back(std::move(candidate));
  }
  if (answer.candidates.empty()) {
    file.winner = answer.sentence;
  } else {
    NameWinner(table, order, answer.candidates.front(), file);
  }
  record.files.push_back(std::move(file));
}

}  // namespace fairlead
