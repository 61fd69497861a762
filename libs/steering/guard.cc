#include "libs/steering/guard.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

using Standing = GuardMemory::Standing;
constexpr absl::Duration kNever = absl::InfiniteDuration();
constexpr absl::Duration kLongAgo = -absl::InfiniteDuration();

// A box in one step.
struct Case {
  const GuardedBox* box = nullptr;
  GuardMemory* memory = nullptr;
  bool silent = false;                  // Now, by a cell that can be believed.
  const std::string* stale = nullptr;   // Its cell can't be, and why.
  absl::string_view evidence = {};      // What corroborates its silence.
  const GuardFreeze* frozen = nullptr;  // By what it is held.
};

// The boxes of a cell or of a path.
struct Group {
  std::vector<Case*> cases;  // Those that don't report.
  size_t boxes = 0;          // All that counted before a wave of now.
};

// Silent boxes of a group, taken together.
struct Wave {
  std::vector<Case*> cases;
  size_t sites = 0;
  size_t most_of_one_site = 0;
};

bool Speaks(const GuardedBox& box) {
  return box.heard && box.reported.health != HealthState::kSilent && box.reported.health != HealthState::kUnspecified;
}

std::string Seconds(absl::Duration duration) {
  return duration < absl::Seconds(1) ? "0s" : absl::FormatDuration(absl::Trunc(duration, absl::Seconds(1)));
}

class Step {
 public:
  Step(const GuardInput& input, const GuardPolicy& policy, absl::Duration now, GuardState state)
      : input_(input), policy_(policy), now_(now) {
    out_.state = std::move(state);
  }

  GuardOutcome Run() && {
    Remember();
    for (Case& each : cases_) Listen(each);
    if (policy_.mode == GuardMode::kGuard) {
      Corroborate();
      WatchGroups();
      TakeByLimit();
    } else {
      Override();
    }
    for (Case& each : cases_) Speak(each);
    return std::move(out_);
  }

 private:
  // One memory for each configured box, and none for others.
  void Remember() {
    auto& memories = out_.state.boxes;
    for (const GuardedBox& box : input_.boxes) {
      if (memories.try_emplace(box.id).second) first_seen_.insert(box.id);
    }
    if (memories.size() > input_.boxes.size()) Forget();
    cases_.reserve(input_.boxes.size());
    for (const GuardedBox& box : input_.boxes) cases_.push_back({.box = &box, .memory = &memories.at(box.id)});
    out_.fleet = static_cast<size_t>(std::count_if(cases_.begin(), cases_.end(), [](const Case& each) { return each.box->serves; }));
    out_.limit = RemovalLimit(policy_, out_.fleet);
    std::erase_if(out_.state.removals, [&](absl::Duration at) { return !IsRecent(at); });
    std::erase_if(out_.state.corroborated, [&](const auto& site) { return !IsRecent(site.second); });
  }

  void Forget() {
    absl::flat_hash_set<ApplianceId> configured;
    for (const GuardedBox& box : input_.boxes) configured.insert(box.id);
    absl::erase_if(out_.state.boxes, [&](const auto& memory) { return !configured.contains(memory.first); });
  }

  bool IsRecent(absl::Duration at) const { return now_ - at < policy_.window; }

  // ---- What each box and its cell say ----

  void Listen(Case& each) {
    const GuardedBox& box = *each.box;
    GuardMemory& memory = *each.memory;
    NoteReport(box, memory);
    NoteEvidence(box, memory);
    if (Speaks(box)) {
      memory.last = box.reported;
      memory.standing = Standing::kReports;
      memory.silent_since.reset();
      memory.taken_at.reset();
      memory.corroborated = false;
      return;
    }
    if (!box.serves || !memory.heard) {  // Nothing that silence could take.
      memory.standing = Standing::kGone;
      memory.silent_since.reset();
      return;
    }
    if (memory.standing == Standing::kReports) memory.standing = Standing::kHeld;
    const auto stale = input_.stale_cells.find(memory.cell);
    if (stale != input_.stale_cells.end()) {
      each.stale = &stale->second;
      return;
    }
    // A cell goes on calling a box SILENT for a while after it speaks again; and one that lost its memory knows only those boxes that
    // have found it again.
    if (now_ - memory.spoke_at < input_.lost_after) {
      memory.silent_since.reset();
      return;
    }
    each.silent = true;
    if (!memory.silent_since.has_value()) memory.silent_since = now_;
  }

  void NoteReport(const GuardedBox& box, GuardMemory& memory) {
    if (!box.heard) return;
    const bool newer = !memory.heard || std::tie(box.incarnation, box.sequence) > std::tie(memory.incarnation, memory.sequence);
    memory.cell = box.cell;
    // Looked at again, an old report is no younger; sent again with another age, it may be older than was thought.
    if (newer || memory.spoke_at == kLongAgo || now_ - box.report_age < memory.spoke_at) memory.spoke_at = now_ - box.report_age;
    if (!newer) return;
    memory.heard = true;
    memory.incarnation = box.incarnation;
    memory.sequence = box.sequence;
  }

  // Router sessions tell something when they go down, not when they are found so.
  void NoteEvidence(const GuardedBox& box, GuardMemory& memory) {
    const absl::Duration since = first_seen_.contains(box.id) ? kLongAgo : now_;
    const auto note = [&](bool stands, absl::Duration& at) { at = !stands ? kNever : std::min(at, since); };
    note(box.data_port == DataPort::kRefuses, memory.refused_since);
    note(box.client_errors, memory.client_errors_since);
    if (box.routers == RouterSessions::kUnknown) return;
    if (box.routers == RouterSessions::kUp) {
      memory.routers_down_since = kNever;
    } else if (memory.routers != RouterSessions::kDown) {
      memory.routers_down_since = memory.routers == RouterSessions::kUp ? now_ : kLongAgo;
    }
    memory.routers = box.routers;
  }

  bool IsLeased(const Case& each) const {
    const std::optional<absl::Duration>& since = each.memory->silent_since;
    return each.box->data_port == DataPort::kAnswers && since.has_value() && now_ - *since < policy_.answering_lease;
  }

  bool AnySilent() const {
    return std::any_of(cases_.begin(), cases_.end(), [](const Case& each) { return each.silent; });
  }

  // ---- A site, corroborated ----

  // What arose with the silence of this box, at most a window before it.
  absl::string_view EvidenceOf(const Case& each) const {
    const GuardMemory& memory = *each.memory;
    const auto arose = [&](absl::Duration at) { return at != kNever && at >= *memory.silent_since - policy_.window; };
    if (arose(memory.refused_since)) return "its data port refuses connections";
    if (arose(memory.client_errors_since)) return "clients fail at it";
    if (arose(memory.routers_down_since)) return "its router sessions went down with it";
    return {};
  }

  void Corroborate() {
    if (!AnySilent()) return;
    struct Site {
      std::vector<Case*> silent;
      size_t boxes = 0;
      bool corroborated = false;
      absl::Duration first = kNever;
    };
    absl::flat_hash_map<SiteId, Site> sites;
    for (Case& each : cases_) {
      if (!each.silent) continue;
      Site& site = sites[each.box->site];
      site.silent.push_back(&each);
      site.first = std::min(site.first, *each.memory->silent_since);
      each.evidence = EvidenceOf(each);
      site.corroborated |= !each.evidence.empty();
    }
    if (std::none_of(sites.begin(), sites.end(), [](const auto& site) { return site.second.corroborated; })) return;
    for (const Case& each : cases_) {
      const auto site = sites.find(each.box->site);
      if (site != sites.end()) site->second.boxes += each.box->serves ? 1 : 0;
    }
    std::vector<std::tuple<absl::Duration, SiteId, const Site*>> corroborated;
    for (const auto& [id, site] : sites) {
      if (!site.corroborated) continue;
      corroborated.emplace_back(site.first, id, &site);
      if (site.silent.size() < site.boxes) continue;
      for (Case* each : site.silent) {  // The whole site is silent: what is known of one of its boxes is known of all.
        if (each->evidence.empty()) each->evidence = "the same is known of other boxes of its site";
      }
    }
    std::sort(corroborated.begin(), corroborated.end());  // The first come first, whatever the order of the boxes.
    for (const auto& [first, id, site] : corroborated) TakeCorroborated(id, site->silent);
  }

  void TakeCorroborated(const SiteId& site, const std::vector<Case*>& silent) {
    const bool room = out_.state.corroborated.contains(site) || out_.state.corroborated.size() < policy_.corroborated_sites;
    for (Case* each : silent) {
      GuardMemory& memory = *each->memory;
      const bool may = room && !each->evidence.empty() && !IsLeased(*each);
      const bool held = memory.standing == Standing::kHeld;
      if (!may || (!held && !memory.taken_at.has_value())) continue;
      out_.taken_corroborated += held ? 1 : 0;
      memory.standing = Standing::kGone;
      memory.taken_at.reset();  // What the limit took before the evidence came is explained now.
      memory.corroborated = true;
      out_.state.corroborated[site] = now_;
    }
  }

  // ---- Sites that share only a cell or a path ----

  void WatchGroups() {
    if (!AnySilent() && out_.state.frozen.empty()) return;
    std::map<std::string, Group> groups = Groups();
    for (auto frozen = out_.state.frozen.begin(); frozen != out_.state.frozen.end();) {
      const auto group = groups.find(frozen->first);
      const bool over = group == groups.end() || Thaws(group->second, frozen->second);
      if (over) out_.ended.push_back(frozen->second);
      frozen = over ? out_.state.frozen.erase(frozen) : std::next(frozen);
    }
    for (auto& [shared, group] : groups) {
      if (!out_.state.frozen.contains(shared)) Freeze(shared, group);
    }
    for (const auto& [shared, freeze] : out_.state.frozen) {
      for (Case* each : groups.at(shared).cases) {
        if (each->frozen == nullptr && each->silent && each->memory->standing == Standing::kHeld) each->frozen = &freeze;
      }
    }
  }

  // Those that are long gone tell nothing about today.
  bool Counts(const GuardMemory& memory) const {
    return memory.standing != Standing::kGone || (memory.taken_at.has_value() && IsRecent(*memory.taken_at));
  }

  std::map<std::string, Group> Groups() {
    absl::flat_hash_map<CellId, Group> cells;  // Looked up for each box, and therefore not by a name that has to be made first.
    absl::flat_hash_map<absl::string_view, Group> paths;
    for (Case& each : cases_) {
      if (!each.box->serves || !each.memory->heard) continue;
      const auto add = [&](Group& group) {
        if (each.memory->standing != Standing::kReports) group.cases.push_back(&each);
        group.boxes += Counts(*each.memory) ? 1 : 0;
      };
      add(cells[each.memory->cell]);
      if (!each.box->path.empty()) add(paths[each.box->path]);
    }
    std::map<std::string, Group> groups;
    for (auto& [cell, group] : cells) groups[cell.name()] = std::move(group);
    for (auto& [path, group] : paths) groups[std::string(path)] = std::move(group);
    return groups;
  }

  template <typename Counts>
  static Wave WaveOf(const Group& group, Counts&& counts) {
    Wave wave;
    std::map<SiteId, size_t> by_site;
    for (Case* each : group.cases) {
      if (!counts(*each)) continue;
      wave.cases.push_back(each);
      wave.most_of_one_site = std::max(wave.most_of_one_site, ++by_site[each->box->site]);
    }
    wave.sites = by_site.size();
    return wave;
  }

  bool IsOurs(const Wave& wave, const Group& group) const {
    if (wave.sites < policy_.wave_sites) return false;
    return wave.cases.size() - wave.most_of_one_site > RemovalLimit(policy_, group.boxes) || wave.cases.size() >= group.boxes;
  }

  static void Measure(const Wave& wave, const Group& group, GuardFreeze& freeze) {
    freeze.silent = wave.cases.size();
    freeze.boxes = group.boxes;
    freeze.sites = wave.sites;
  }

  // Silence that began within one window. Who was believed before the wave showed gets its state back.
  void Freeze(const std::string& shared, const Group& group) {
    const Wave wave =
        WaveOf(group, [&](const Case& each) { return each.silent && IsRecent(*each.memory->silent_since) && Counts(*each.memory); });
    if (!IsOurs(wave, group)) return;
    for (Case* each : wave.cases) {
      each->memory->standing = Standing::kHeld;
      each->memory->taken_at.reset();
    }
    GuardFreeze& freeze = out_.state.frozen[shared];
    freeze = {.shared = shared, .since = now_};
    Measure(wave, group, freeze);
    out_.began.push_back(freeze);
  }

  // A box whose cell says nothing just now is as silent as it was.
  bool Thaws(const Group& group, GuardFreeze& freeze) {
    const Wave wave = WaveOf(group, [&](const Case& each) {
      return each.memory->standing == Standing::kHeld && (each.silent || each.stale != nullptr) && each.memory->silent_since.has_value();
    });
    if (IsOurs(wave, group)) {
      Measure(wave, group, freeze);
      freeze.calm_since = kNever;
      return false;
    }
    freeze.calm_since = std::min(freeze.calm_since, now_);
    return now_ - freeze.calm_since >= policy_.thaw_after;
  }

  // ---- One by one ----

  void TakeByLimit() {
    std::vector<Case*> candidates;
    for (Case& each : cases_) {
      const bool may = each.silent && each.frozen == nullptr && !IsLeased(each);
      if (may && each.memory->standing == Standing::kHeld) candidates.push_back(&each);
    }
    std::sort(candidates.begin(), candidates.end(), [](const Case* a, const Case* b) {
      return std::tie(*a->memory->silent_since, a->box->id) < std::tie(*b->memory->silent_since, b->box->id);
    });
    for (Case* each : candidates) {
      if (out_.state.removals.size() >= out_.limit) break;
      out_.state.removals.push_back(now_);
      each->memory->taken_at = now_;
      Take(*each);
    }
  }

  void Take(Case& each) {
    each.memory->standing = Standing::kGone;
    ++out_.taken;
  }

  void Override() {
    for (const auto& [shared, freeze] : out_.state.frozen) out_.ended.push_back(freeze);
    out_.state.frozen.clear();
    if (policy_.mode != GuardMode::kBelieveAll) return;
    for (Case& each : cases_) {
      if (each.silent && each.memory->standing == Standing::kHeld) Take(each);
    }
  }

  // ---- The outcome ----

  GuardVerdict Judge(const Case& each) const {
    const GuardMemory& memory = *each.memory;
    const bool gone = memory.standing == Standing::kGone;
    if (Speaks(*each.box)) return each.box->serves ? GuardVerdict::kReports : GuardVerdict::kNotGuarded;
    if (!each.box->serves) return GuardVerdict::kNotGuarded;
    if (!memory.heard) return GuardVerdict::kNeverHeard;
    if (!gone && each.stale != nullptr) return GuardVerdict::kHeldUnconfirmed;
    if (!each.silent && each.stale == nullptr) return GuardVerdict::kRecent;
    if (gone && memory.corroborated) return GuardVerdict::kCorroborated;
    if (gone) return policy_.mode == GuardMode::kBelieveAll ? GuardVerdict::kBelievedByPolicy : GuardVerdict::kBelieved;
    if (policy_.mode == GuardMode::kBelieveNone) return GuardVerdict::kHeldByPolicy;
    if (each.frozen != nullptr) return GuardVerdict::kHeldFrozen;
    return IsLeased(each) ? GuardVerdict::kHeldAnswering : GuardVerdict::kHeldByLimit;
  }

  BoxCondition Believe(const Case& each) const {
    const GuardedBox& box = *each.box;
    const GuardMemory& memory = *each.memory;
    if (Speaks(box)) return box.reported;
    if (memory.standing == Standing::kGone) {
      BoxCondition gone = box.heard ? box.reported : BoxCondition();
      gone.health = HealthState::kSilent;
      return gone;
    }
    // Never seen well, because the program started when it was silent already: nothing speaks against it.
    return memory.last.value_or(BoxCondition{
        .health = HealthState::kOk, .weight_permille = 1000, .use_bps = box.reported.use_bps, .capacity_bps = box.reported.capacity_bps});
  }

  void Speak(Case& each) {
    GuardWord& word = out_.words.emplace_back();
    word.believed = Believe(each);
    word.verdict = Judge(each);
    word.sentence = Sentence(each, word);
    out_.changed |= std::exchange(each.memory->verdict, word.verdict) != word.verdict;
    word.held = !Speaks(*each.box) && word.believed.health != HealthState::kSilent;
    out_.held += word.held ? 1 : 0;
    out_.gone += each.box->serves && each.memory->heard && each.memory->standing == Standing::kGone ? 1 : 0;
  }

  std::string Sentence(const Case& each, const GuardWord& word) const {
    const GuardMemory& memory = *each.memory;
    const absl::string_view state = ToString(word.believed.health);
    // It speaks to a cell that doesn't say when: then from when it was missed.
    const absl::Duration age = now_ - (memory.spoke_at == kLongAgo ? memory.silent_since.value_or(now_) : memory.spoke_at);
    const std::string silent = absl::StrCat("silent for at least ", Seconds(age));
    const auto held = [&](absl::string_view why) { return absl::StrCat(silent, ", held ", state, " by the guard: ", why); };
    switch (word.verdict) {
      case GuardVerdict::kReports:
      case GuardVerdict::kNotGuarded:
        return "";
      case GuardVerdict::kNeverHeard:
        return "no cell has heard it";
      case GuardVerdict::kRecent:
        return absl::StrCat("its last report is ", Seconds(age), " old, ",
                            each.box->heard ? "and its cell waits before calling it better" : "but no cell knows of it any more",
                            memory.standing == Standing::kHeld ? absl::StrCat("; held ", state, " by the guard") : "");
      case GuardVerdict::kBelieved:
        return absl::StrCat(silent, ", believed by the guard");
      case GuardVerdict::kCorroborated:
        return absl::StrCat(silent,
                            ", believed by the guard: ", each.evidence.empty() ? "corroborated when it fell silent" : each.evidence);
      case GuardVerdict::kBelievedByPolicy:
        return absl::StrCat(silent, ", believed by policy: the guard's mode is ", ToString(policy_.mode));
      case GuardVerdict::kHeldByLimit:
        return held(
            absl::StrCat("the limit of ", out_.limit, out_.limit == 1 ? " box" : " boxes", " in ", Seconds(policy_.window), " is reached"));
      case GuardVerdict::kHeldFrozen:
        return held(absl::StrCat(each.frozen->silent, " of ", each.frozen->boxes, " boxes at ", each.frozen->sites,
                                 " sites fell silent together and share only ", each.frozen->shared, ", frozen for ",
                                 Seconds(now_ - each.frozen->since)));
      case GuardVerdict::kHeldUnconfirmed:
        return absl::StrCat("held ", state, " by the guard: its cell ", memory.cell.name(), " ", *each.stale);
      case GuardVerdict::kHeldAnswering:
        return held("its data port answers");
      case GuardVerdict::kHeldByPolicy:
        return absl::StrCat(silent, ", held ", state, " by policy: the guard's mode is ", ToString(policy_.mode));
    }
    return "";
  }

  const GuardInput& input_;
  const GuardPolicy& policy_;
  const absl::Duration now_;
  GuardOutcome out_;
  std::vector<Case> cases_;  // In the order of the boxes; never grown after Remember.
  absl::flat_hash_set<ApplianceId> first_seen_;
};

}  // namespace

absl::string_view ToString(GuardVerdict verdict) {
  switch (verdict) {
    case GuardVerdict::kReports:
      return "REPORTS";
    case GuardVerdict::kNotGuarded:
      return "NOT_GUARDED";
    case GuardVerdict::kNeverHeard:
      return "NEVER_HEARD";
    case GuardVerdict::kRecent:
      return "RECENT";
    case GuardVerdict::kBelieved:
      return "BELIEVED";
    case GuardVerdict::kCorroborated:
      return "CORROBORATED";
    case GuardVerdict::kBelievedByPolicy:
      return "BELIEVED_BY_POLICY";
    case GuardVerdict::kHeldByLimit:
      return "HELD_BY_LIMIT";
    case GuardVerdict::kHeldFrozen:
      return "HELD_FROZEN";
    case GuardVerdict::kHeldUnconfirmed:
      return "HELD_UNCONFIRMED";
    case GuardVerdict::kHeldAnswering:
      return "HELD_ANSWERING";
    case GuardVerdict::kHeldByPolicy:
      return "HELD_BY_POLICY";
  }
  return "UNSPECIFIED";
}

size_t RemovalLimit(const GuardPolicy& policy, size_t boxes) {
  return std::max<size_t>(policy.removable_boxes, boxes * policy.removable_permille / 1000);
}

std::vector<ApplianceId> GoneBoxes(const GuardState& state) {
  std::vector<ApplianceId> gone;
  for (const auto& [id, memory] : state.boxes) {
    const bool guarded = memory.verdict != GuardVerdict::kNotGuarded && memory.verdict != GuardVerdict::kNeverHeard;
    if (guarded && memory.standing == Standing::kGone) gone.push_back(id);
  }
  std::sort(gone.begin(), gone.end());
  return gone;
}

GuardState RestoreGone(const std::vector<ApplianceId>& gone) {
  GuardState state;
  for (const ApplianceId& id : gone) {
    GuardMemory& memory = state.boxes[id];
    memory.standing = Standing::kGone;
    memory.verdict = GuardVerdict::kBelieved;
    memory.heard = true;
    memory.spoke_at = kLongAgo;
  }
  return state;
}

GuardOutcome GuardSilence(const GuardInput& input, const GuardPolicy& policy, absl::Duration now, GuardState state) {
  return Step(input, policy, now, std::move(state)).Run();
}

}  // namespace fairlead
