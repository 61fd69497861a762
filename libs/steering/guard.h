// The guard: which silent boxes steering believes to be gone. "Silence is not sickness": what stopped may be the box, or our own way of
// hearing it, and only who sees all cells can tell the two apart. Cells call single boxes SILENT; this decides whether to act on it.
//
//   one box, or a few               believed at once, up to max(1 box, 5 % of the fleet) a minute; the others wait for their turn
//   a site, corroborated            believed in full: a probe was refused, clients fail, or its router sessions went down with it
//   sites that share only a cell    our own fault: the cell is frozen, its silent boxes keep the state they had (the ones of the same
//     (or a path)                   wave that were believed before it showed get it back), until their reports come back
//   a cell whose feed is stale      says nothing: its boxes stay what they were
//   a box whose data port answers   held up for a while (`answering_lease`): it is its reports that are missing; then as any other
//   a box that reports              believed at once, whatever was thought of it
//
// A wave is told from accidents by two things: it began within one window at several sites, and no single site explains it: without the
// site that lost most it is still more than the limit (on the boxes of that cell or path), or nothing there is left that reports.
// Evidence corroborates only if it arose with the silence, at most a window before it: what was so all along says nothing.
//
// GuardSilence is a pure step from one state to the next; nothing depends on the order of the boxes. Times are of one monotonic clock.
// Errors: none. Cost O(boxes log boxes) a step; the state holds one record a box that is configured, and the removals of one window.
//
//   GuardOutcome outcome = GuardSilence({.boxes = boxes}, policy.guard, now, std::move(state));
//   state = std::move(outcome.state);
//   outcome.words[0].believed.health;   // OK: held up, although its cell calls it SILENT.
//   outcome.words[0].sentence;          // "silent for at least 14s, held OK by the guard: 31 of 40 boxes …"
#ifndef FAIRLEAD_LIBS_STEERING_GUARD_H_
#define FAIRLEAD_LIBS_STEERING_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/steering/policy.h"

namespace fairlead {

// What steering goes by, of one box.
struct BoxCondition {
  HealthState health = HealthState::kSilent;
  uint32_t weight_permille = 0;
  uint64_t use_bps = 0;
  uint64_t capacity_bps = 0;  // What it says it can serve now; 0: not told.

  friend bool operator==(const BoxCondition&, const BoxCondition&) = default;
};

// What others say of the BGP sessions of a box, or of its site: the last word of the boxes and collectors there.
enum class RouterSessions : uint8_t { kUnknown, kUp, kDown };
// What a probe of the port that serves viewers found. A refusal is an answer: somebody is there, and doesn't serve.
enum class DataPort : uint8_t { kUnknown, kAnswers, kRefuses };

// One box as the cells, merged, tell it.
struct GuardedBox {
  ApplianceId id = {};
  SiteId site = {};
  std::string path = {};  // What its reports cross besides their cell, shared with other sites: "partners/x". Empty: not known.
  bool serves = true;     // LIVE, and of a kind that serves viewers: only these are guarded and counted.

  bool heard = false;        // Some cell has a report of it.
  CellId cell = {};          // The one that has the newest.
  uint64_t incarnation = 0;  // Of that report, with the sequence: a newer one means that the box spoke.
  uint64_t sequence = 0;
  absl::Duration report_age = absl::InfiniteDuration();  // How old the report was when the cell sent it on; infinite: not told.
  BoxCondition reported = {};                            // kSilent: the cell no longer hears it.

  // Evidence from others, where there is any.
  RouterSessions routers = RouterSessions::kUnknown;
  DataPort data_port = DataPort::kUnknown;
  bool client_errors = false;
};

struct GuardInput {
  std::vector<GuardedBox> boxes = {};  // Each id once, in any order.
  // Cells that say nothing just now, and why: "was last heard 14s ago". A cell that isn't named here is believed.
  absl::btree_map<CellId, std::string> stale_cells = {};
  absl::Duration lost_after = absl::Seconds(10);  // After so long without a report the cells call a box SILENT.
};

// Why a box counts as what it counts as.
enum class GuardVerdict : uint8_t {
  kReports,           // Not silent.
  kNotGuarded,        // It serves no viewers, or isn't LIVE.
  kNeverHeard,        // By nobody, so nothing is taken from it.
  kRecent,            // Called silent or forgotten by its cell, but its last report is younger than what makes a box silent.
  kBelieved,          // Silent, within the limit.
  kCorroborated,      // Silent, and something else says so too.
  kBelievedByPolicy,  // Mode BELIEVE_ALL.
  kHeldByLimit,       // Silent, and too many others are too.
  kHeldFrozen,        // Silent together with boxes of other sites.
  kHeldUnconfirmed,   // Its cell says nothing.
  kHeldAnswering,     // Its reports stopped, but its data port answers, and its lease isn't over.
  kHeldByPolicy,      // Mode BELIEVE_NONE.
};
absl::string_view ToString(GuardVerdict verdict);

struct GuardWord {
  BoxCondition believed = {};
  GuardVerdict verdict = GuardVerdict::kReports;
  bool held = false;          // Without the guard it would count as SILENT.
  std::string sentence = {};  // For people; empty for a box that reports.
};

// A cell or path that is taken for the reason of its boxes' silence.
struct GuardFreeze {
  std::string shared = {};  // "cells/x", "partners/x".
  absl::Duration since = {};
  absl::Duration calm_since = absl::InfiniteDuration();  // Since when its boxes' silence is no wave any more.
  size_t silent = 0;
  size_t boxes = 0;  // That reported at the begin of the wave.
  size_t sites = 0;  // Of the silent ones.
};

// What is remembered of one box.
struct GuardMemory {
  enum class Standing : uint8_t { kReports, kHeld, kGone };

  Standing standing = Standing::kReports;
  GuardVerdict verdict = GuardVerdict::kReports;
  bool heard = false;
  CellId cell = {};
  uint64_t incarnation = 0;
  uint64_t sequence = 0;
  absl::Duration spoke_at = {};                     // When the newest report was sent, as far as that is known.
  std::optional<BoxCondition> last = {};            // Before it fell silent; none: never seen.
  std::optional<absl::Duration> silent_since = {};  // First seen so by this guard.
  std::optional<absl::Duration> taken_at = {};      // By the limit.
  bool corroborated = false;                        // That was why it was believed.
  // Since when each kind of evidence stands; infinite: it doesn't, −infinite: longer than is known.
  RouterSessions routers = RouterSessions::kUnknown;  // The last word.
  absl::Duration routers_down_since = absl::InfiniteDuration();
  absl::Duration refused_since = absl::InfiniteDuration();
  absl::Duration client_errors_since = absl::InfiniteDuration();
};

struct GuardState {
  absl::flat_hash_map<ApplianceId, GuardMemory> boxes = {};
  std::vector<absl::Duration> removals = {};           // Within the last window: of boxes by the limit,
  std::map<SiteId, absl::Duration> corroborated = {};  // of sites in full.
  std::map<std::string, GuardFreeze> frozen = {};      // By what is shared.
};

struct GuardOutcome {
  GuardState state = {};
  std::vector<GuardWord> words = {};  // In the order of the boxes.
  bool changed = false;               // Some verdict isn't the one of the step before.
  std::vector<GuardFreeze> began = {};
  std::vector<GuardFreeze> ended = {};

  size_t fleet = 0;  // Boxes that serve.
  size_t limit = 0;  // How many of them a window may take.
  size_t held = 0;   // Of `words`.
  size_t gone = 0;   // Of those that serve and were heard: SILENT for steering.
  size_t taken = 0;  // Became so in this step by the limit (or by policy),
  size_t taken_corroborated = 0;
};

// How many of `boxes` silence may remove within a window.
size_t RemovalLimit(const GuardPolicy& policy, size_t boxes);

// What of a state should outlive the program: the boxes that are believed to be gone, in the order of their ids; and a state to begin with
// that knows them. Only they are remembered: whatever else is silent when a program starts was held up, or fell silent since.
std::vector<ApplianceId> GoneBoxes(const GuardState& state);
GuardState RestoreGone(const std::vector<ApplianceId>& gone);

// One step. `now` must not go back; `policy` is one that ValidatePolicy passes.
GuardOutcome GuardSilence(const GuardInput& input, const GuardPolicy& policy, absl::Duration now, GuardState state);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_GUARD_H_
