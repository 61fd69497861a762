// From what the feeds hold to the table that answers are made from: rebuilds what changed, at most once a tick, and publishes it whole.
//
// Of the four parts of a table a report rebuilds the fleet alone, a BGP change the ladders, an import the catalogue; ladders and holdings
// are also rebuilt when the topology changed (Fleet::fingerprint). Of ladders and holdings only what differs is made again, of ladders what
// takes long in steps (ladder_keeper.h). A tick in which nothing changed publishes fresh ages only.
//
// The first table needs a configuration and a catalogue, and waits up to `cells_wait` for the cells: deciding without holdings would
// tell every client that nothing is held. Not thread-safe: Tick and `sources` on the builder's thread, `out` is read by everyone.
//
// Between the reports and the fleet stands the guard (fleet_guard.h): it also acts by time alone, so it steps in every tick that brings
// something new, and at least each `guard_every`. A catalogue that shrank sharply waits (shrink_hold.h): the one before serves on, with its
// age, until the guard's mode is BELIEVE_ALL, or for `shrink_hold`.
//
//   TableBuilder builder({}, sources, signer.get(), metrics, out);
//   while (!stopping) { builder.Tick(clock.Monotonic()); if (!builder.busy()) Wait(RestBehindTick(every, took)); }  // Or less, for news.
#ifndef FAIRLEAD_SERVICES_STEERING_TABLE_BUILDER_H_
#define FAIRLEAD_SERVICES_STEERING_TABLE_BUILDER_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/published.h"
#include "libs/signing/token_signer.h"
#include "libs/steering/catalogue.h"
#include "libs/steering/holdings.h"
#include "libs/steering/policy.h"
#include "libs/steering/steering_table.h"
#include "services/steering/catalogue_reader.h"
#include "services/steering/config_views.h"
#include "services/steering/fleet_condition.h"
#include "services/steering/fleet_guard.h"
#include "services/steering/fleet_merge.h"
#include "services/steering/key_choice.h"
#include "services/steering/ladder_keeper.h"
#include "services/steering/metrics.h"
#include "services/steering/serving_state.h"
#include "services/steering/shrink_hold.h"
#include "services/steering/sources.h"

namespace fairlead {

// How long to rest behind a tick, so that they begin `every` apart. However long they take, others get their share of the core: a tenth.
absl::Duration RestBehindTick(absl::Duration every, absl::Duration took);
// How long of that in any case; then news begins the next tick. So short ticks follow news, at a fifth of a core at most.
absl::Duration LeastRestBehindTick(absl::Duration every, absl::Duration took);

struct TableBuilderOptions {
  absl::Duration cells_wait = absl::Seconds(10);
  // How often the folder of keys is read again while no active key is at hand.
  absl::Duration rescan_keys_every = absl::Seconds(2);
  // How often the guard looks at a fleet of which nothing new came.
  absl::Duration guard_every = absl::Seconds(1);
  // A table that took longer to build, or has routes waiting in line, isn't up to date when it is ready: what came meanwhile is built in
  // first, before it takes over.
  absl::Duration up_to_date_within = absl::Seconds(1);
  // A tick that has taken so long works no more on routes that wait in line, on ladders that are made anew and on holdings, but publishes
  // what it has: what changes meanwhile waits for this tick and the next.
  absl::Duration tick_budget = absl::Milliseconds(80);
  // So long it works on them in any case.
  absl::Duration line_budget = absl::Milliseconds(10);
  // How long a tick frees what old ladders had, behind its publication.
  absl::Duration freeing_budget = absl::Milliseconds(10);
  // How old what the guard says may become: its sentences have figures in seconds.
  absl::Duration guard_words_every = absl::Seconds(5);
  // So long a catalogue that has lost most of its files isn't believed (shrink_hold.h); zero: it is at once.
  absl::Duration shrink_hold = absl::Hours(1);
};

class TableBuilder {
 public:
  // `signer` may be null: no folder of keys was given.
  TableBuilder(const TableBuilderOptions& options, Sources& sources, TokenSigner* signer, SteeringMetrics& metrics,
               Published<ServingState>& out, GuardWitnesses witnesses = {});

  // Before the first Tick, if at all: until now somebody else serves. Nothing is published before `take_over` has been asked with a table
  // that is up to date, and has given what goes on from where that one stopped; it is asked again each tick while it gives nothing.
  struct TakenOver {
    uint64_t version = 0;
    std::shared_ptr<const std::vector<ApplianceId>> gone = {};
  };
  using TakeOver = std::function<std::optional<TakenOver>(const SteeringTable& table)>;
  void StandBehind(TakeOver take_over) { take_over_ = std::move(take_over); }

  // Before the first Tick, if at all: boxes that the copy on disk knows to be gone.
  void RestoreGone(const std::vector<ApplianceId>& gone) { guard_.Restore(gone); }

  // `now` on the monotonic clock.
  void Tick(absl::Duration now);
  // True if the last tick left work for the next one, which should follow at once.
  bool busy() const { return ladders_.busy() || holdings_book_.behind(); }

 private:
  // Records of the configuration that are followed one by one; each is looked for among all boxes.
  static constexpr size_t kMostFollowed = 100;

  // What the parts at hand were built from.
  struct Built {
    uint64_t config = 0;
    uint64_t catalog = 0;
    uint64_t reports = 0;
    uint64_t holdings = 0;
    uint64_t routes = 0;
    friend bool operator==(const Built&, const Built&) = default;
  };
  Built Current() const;

  // UNAVAILABLE with the reason if there is nothing to decide by yet.
  absl::Status Ready(absl::Duration now, const std::vector<SourceStatus>& statuses);
  void ReadConfiguration();
  // What it is now, if that can be told by what has changed; takes the changes in any case.
  std::optional<ConfigViews> FollowConfiguration();
  // True if the fleet must be built anew because of what the guard thinks now.
  bool Guard(absl::Duration now, const Built& current, const std::vector<SourceStatus>& statuses);
  absl::Status Build(const Built& current, bool reguarded);
  void BuildLadders();
  void BuildFleet();
  void BuildHoldings();
  // Of the share of this tick for what may wait.
  std::function<bool()> OutOfTime() const;
  // Reads it, if it is another one, and takes it over if it may be believed.
  void BuildCatalogue(const Built& current);
  // Takes over the one that was read, if there is one and it may be believed; says once if it may not. True if there is another one now.
  bool TakeCatalogue();
  void AskToTakeOver(absl::Duration built_in);
  void Publish(absl::Duration now, std::vector<SourceStatus> statuses);
  void ShowTable();
  // The stores at hand, and views of them for the merge.
  CellStores Cells();

  const TableBuilderOptions options_;
  Sources& sources_;
  SteeringMetrics& metrics_;
  Published<ServingState>& out_;
  TakeOver take_over_;  // None: we serve.

  ServingState next_;
  std::shared_ptr<const ConfigViews> config_ = std::make_shared<const ConfigViews>();
  uint64_t config_generation_ = 0;  // That `config_` was read from.
  KeyChoice keys_;
  std::optional<absl::Duration> waiting_since_;

  FleetGuard guard_;
  absl::flat_hash_map<ApplianceId, BoxReport> reports_;  // Merged.
  SessionWatch session_watch_;
  absl::flat_hash_map<ApplianceId, SessionCount> sessions_;  // By box.
  Built guarded_;                                            // What `guard_` has seen.
  absl::Duration guarded_at_ = -absl::InfiniteDuration();
  absl::Duration fleet_built_at_ = -absl::InfiniteDuration();

  absl::Duration now_;  // Of the tick.
  std::chrono::steady_clock::time_point tick_began_;
  Built built_;
  SteeringTable parts_;
  std::vector<std::shared_ptr<CellStore>> cells_;
  LadderKeeper ladders_;
  FleetCondition condition_;
  std::shared_ptr<const ConfigViews> fleet_config_;  // That the fleet has.
  std::shared_ptr<const ConfigViews> texts_config_;  // That the texts are of.
  HoldingsBook holdings_book_;
  std::shared_ptr<const Catalogue> untaken_catalogue_;  // The newest that was read, while it isn't believed; else null.
  ShrinkHold catalogue_hold_;
  SourceStatus catalogue_status_;  // Of the one that is served.
  size_t catalog_issues_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_TABLE_BUILDER_H_
