#include "services/steering/stand_in.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "services/steering/answer_texts.h"
#include "services/steering/fleet_merge.h"

namespace fairlead {
namespace {

// What decides among fit boxes may change at once; what ladders are made by can't before they are made again.
SteeringPolicy WithLaddersOf(SteeringPolicy now, const SteeringPolicy& ladders) {
  now.steps = ladders.steps;
  now.class_steps = ladders.class_steps;
  now.more_specific_scope = ladders.more_specific_scope;
  now.med_scope = ladders.med_scope;
  now.distance_step_km = ladders.distance_step_km;
  return now;
}

}  // namespace

StandIn::StandIn(const Options& options, TableFile file, const Sources* sources, TokenSigner* signer, SteeringMetrics& metrics,
                 const Clock& clock, Published<ServingState>& out)
    : options_(options),
      file_(std::move(file)),
      sources_(sources),
      metrics_(metrics),
      out_(out),
      // By wall time, because nothing else is the same in two runs; a clock that was set back makes it no younger than it was.
      saved_at_(clock.Monotonic() - std::max(absl::ZeroDuration(), clock.Now() - file_.extras.saved_at)),
      keys_(signer, options.rescan_keys_every),
      guard_(metrics),
      parts_(*file_.table) {
  next_.table = file_.table;
  next_.why_none = absl::OkStatus();
  next_.settings = {.default_max_urls = file_.extras.default_max_urls,
                    .token_lifetime = file_.extras.token_lifetime,
                    .active_key_ids = file_.extras.active_key_ids};
}

StandIn::Configuration StandIn::Read(const Sources& sources, const Fleet* before) {
  Configuration read;
  read.generation = sources.config().generation();  // Before the entries: they are at least as new.
  read.views = std::make_shared<const ConfigViews>(ReadConfig(sources.config().Held()));
  read.fleet = Fleet::Build(read.views->sites, read.views->appliances, read.views->links, before);
  return read;
}

void StandIn::Follow(Configuration configuration) {
  config_ = std::move(configuration.views);
  configured_ = std::move(configuration.fleet);
  condition_.Follow(config_, *configured_);
  next_.settings = config_->settings;
  parts_.policy = WithLaddersOf(config_->policy, file_.table->policy);
}

absl::Status StandIn::Refresh(const std::vector<SourceStatus>& statuses, absl::Duration now) {
  const Known current = {.config = sources_->config().generation(), .reports = sources_->fleet().reports};
  const bool news = known_ != current;
  if (!news && now - guarded_at_ < options_.guard_every) return absl::OkStatus();
  const bool configured = !known_.has_value() || known_->config != current.config;
  if (configured) {
    Configuration expected = std::exchange(expected_, {});
    Follow(expected.generation == current.config ? std::move(expected) : Read(*sources_, configured_.get()));
  }
  const std::vector<std::shared_ptr<CellStore>> stores = sources_->cells();
  CellStores cells;
  for (const auto& cell : stores) cells.push_back(cell.get());
  const absl::flat_hash_map<ApplianceId, BoxReport> reports = MergeReports(cells);
  const bool changed = guard_.Step({.config = *config_,
                                    .reports = reports,
                                    .sessions = CountSessions(cells, MergeSessions(cells)),
                                    .cells = {statuses.begin() + 2, statuses.end()}},  // Behind the configuration and the catalogue.
                                   now);
  known_ = current;
  guarded_at_ = now;
  if (!news && !changed) return absl::OkStatus();
  configured_ = condition_.Apply(configured_, guard_.reports(), guard_.words());
  parts_.fleet = Fleet::UnderCondition(*file_.table->fleet, *configured_);
  parts_.condition = nullptr;
  ++parts_.version;
  ASSIGN_OR_RETURN(next_.table, AssembleSteeringTable(parts_));
  if (configured) next_.texts = nullptr;
  return absl::OkStatus();
}

std::vector<SourceStatus> StandIn::SourcesOfFile() const {
  std::vector<SourceStatus> statuses;
  for (const TableExtras::Source& source : file_.extras.sources) {
    statuses.push_back({.source = absl::StrCat(source.name, ", in the table"),
                        .position = source.position,
                        .heard_at = saved_at_ - source.age,
                        .from_disk = true});
  }
  return statuses;
}

void StandIn::Tick(absl::Duration now) {
  std::vector<SourceStatus> statuses;
  if (sources_ != nullptr) {
    statuses = sources_->Statuses();
    // Without any word of the configuration the file's is the last that is known.
    if (sources_->config().generation() > 0) {
      if (const absl::Status refreshed = Refresh(statuses, now); !refreshed.ok()) {
        metrics_.table_failures.Increment();
        LogError("the fleet's condition could not be brought into the table on disk; the one before stays", {{"why", refreshed}});
      }
    }
  }
  if (next_.texts == nullptr) next_.texts = AnswerTexts::Make(*next_.table->fleet);
  keys_.Choose(next_.settings.active_key_ids, now);
  next_.key_id = keys_.key_id();
  next_.why_no_key = keys_.why_none();
  for (const SourceStatus& status : statuses) {
    const bool heard = status.heard_at > -absl::InfiniteDuration();
    metrics_.SetSource(status.source, heard ? absl::ToDoubleSeconds(now - status.heard_at) : -1, status.from_disk, status.connected);
  }
  for (SourceStatus& status : SourcesOfFile()) statuses.push_back(std::move(status));
  metrics_.has_signing_key.Set(next_.key_id.empty() ? 0 : 1);
  metrics_.table_version.Set(static_cast<double>(next_.table->version));
  metrics_.table_file_age.Set(absl::ToDoubleSeconds(now - saved_at_));
  next_.sources = std::move(statuses);
  next_.gone = guard_.gone();
  out_.Set(std::make_shared<const ServingState>(next_));
}

}  // namespace fairlead
