#include "services/steering/table_builder.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"

namespace fairlead {
namespace {

constexpr size_t kMostLoggedIssues = 10;
constexpr size_t kCatalogueStatus = 1;  // Behind the configuration's, before those of the cells.

void LogIssues(absl::string_view what, const std::vector<std::string>& issues) {
  for (size_t i = 0; i < issues.size() && i < kMostLoggedIssues; ++i) {
    LogWarning("record left out", {{"of", what}, {"why", issues[i]}, {"issues", issues.size()}});
  }
}

// What of a fleet isn't a box's, beside what the ladders' fingerprint tells.
bool SameGround(const ConfigViews& a, const ConfigViews& b) {
  const auto same_site = [](const SiteView& one, const SiteView& other) {
    return one.id == other.id && one.country == other.country && one.uplinks == other.uplinks;
  };
  const auto same_link = [](const LinkView& one, const LinkView& other) {
    return one.id == other.id && one.capacity_bps == other.capacity_bps && one.contract_cap_bps == other.contract_cap_bps;
  };
  return std::equal(a.sites.begin(), a.sites.end(), b.sites.begin(), b.sites.end(), same_site) &&
         std::equal(a.links.begin(), a.links.end(), b.links.begin(), b.links.end(), same_link);
}

using SteadyClock = std::chrono::steady_clock;

std::function<bool()> At(SteadyClock::time_point end) {
  return [end] { return SteadyClock::now() >= end; };
}

}  // namespace

absl::Duration RestBehindTick(absl::Duration every, absl::Duration took) {
  return std::max(every - took, took / 10);
}

absl::Duration LeastRestBehindTick(absl::Duration every, absl::Duration took) {
  return std::min(RestBehindTick(every, took), std::max(every / 5, 4 * took));
}

TableBuilder::TableBuilder(const TableBuilderOptions& options, Sources& sources, TokenSigner* signer, SteeringMetrics& metrics,
                           Published<ServingState>& out, GuardWitnesses witnesses)
    : options_(options),
      sources_(sources),
      metrics_(metrics),
      out_(out),
      keys_(signer, options.rescan_keys_every),
      guard_(metrics, witnesses),
      catalogue_hold_(options.shrink_hold) {}

TableBuilder::Built TableBuilder::Current() const {
  return {.config = sources_.config().generation(),
          .catalog = sources_.catalog().generation(),
          .reports = sources_.fleet().reports,
          .holdings = sources_.fleet().holdings,
          .routes = sources_.fleet().routes};
}

void TableBuilder::Tick(absl::Duration now) {
  now_ = now;
  tick_began_ = SteadyClock::now();
  // Positions and generations are read before the entries: what is built is at least as new as what is said.
  const Built current = Current();
  if (current.config != config_generation_) ReadConfiguration();
  std::vector<SourceStatus> statuses = sources_.Statuses();
  keys_.Choose(config_->settings.active_key_ids, now);
  next_.key_id = keys_.key_id();
  next_.why_no_key = keys_.why_none();
  next_.why_none = Ready(now, statuses);
  const bool reguarded = next_.why_none.ok() && Guard(now, current, statuses);
  const auto start = SteadyClock::now();
  const bool let_go = TakeCatalogue();
  if (next_.why_none.ok() && (next_.table == nullptr || reguarded || busy() || let_go || !(current == built_))) {
    const absl::Status built = Build(current, reguarded);
    if (built.ok()) {
      if (reguarded) fleet_built_at_ = now;
      metrics_.table_build_seconds.Observe(std::chrono::duration<double>(SteadyClock::now() - start).count());
      ShowTable();
    } else {
      metrics_.table_failures.Increment();
      LogError("the table could not be built; the one before stays", {{"why", built}});
    }
  }
  // What is held back is no part of what is served.
  if (untaken_catalogue_ == nullptr) catalogue_status_ = statuses[kCatalogueStatus];
  statuses[kCatalogueStatus] = catalogue_status_;
  if (take_over_ != nullptr) {
    AskToTakeOver(absl::FromChrono(SteadyClock::now() - start));
  } else {
    Publish(now, std::move(statuses));
  }
  // Behind what others wait for.
  ladders_.BeginNext();
  ladders_.FreeSome(At(SteadyClock::now() + absl::ToChronoNanoseconds(options_.freeing_budget)));
}

// Versions and guard go on from where the other one stopped; the next tick builds with them and publishes.
void TableBuilder::AskToTakeOver(absl::Duration built_in) {
  if (next_.table == nullptr || busy() || built_in > options_.up_to_date_within) return;
  const std::optional<TakenOver> before = take_over_(*next_.table);
  if (!before.has_value()) return;
  take_over_ = nullptr;
  parts_.version = std::max(parts_.version, before->version);
  guard_.Restore(*before->gone);
  guarded_ = {};
}

void TableBuilder::ReadConfiguration() {
  config_generation_ = sources_.config().generation();
  std::optional<ConfigViews> views = FollowConfiguration();
  if (!views.has_value()) {
    views = ReadConfig(sources_.config().Held());
    LogIssues("configuration", views->issues);
  }
  config_ = std::make_shared<const ConfigViews>(*std::move(views));
  sources_.FollowCells(config_->cells);
}

// A drain is a word about one box, and the records of a large fleet are tens of thousands.
std::optional<ConfigViews> TableBuilder::FollowConfiguration() {
  const KeyChanges changes = sources_.config().TakeChanges();
  if (config_ == nullptr || changes.all || changes.keys.size() > kMostFollowed) return std::nullopt;
  std::vector<std::shared_ptr<const registry::v1::ConfigEntry>> entries;
  for (const std::string& key : changes.keys) entries.push_back(sources_.config().Find(key));
  return FollowBoxes(*config_, entries);
}

absl::Status TableBuilder::Ready(absl::Duration now, const std::vector<SourceStatus>& statuses) {
  if (next_.table != nullptr) return absl::OkStatus();
  std::vector<std::string> missing;
  for (size_t i = 0; i < statuses.size(); ++i) {
    const bool required = i < 2;  // The configuration and the catalogue.
    if (!statuses[i].position.nothing()) continue;
    if (!required && waiting_since_.has_value() && now - *waiting_since_ >= options_.cells_wait) continue;
    missing.push_back(statuses[i].source);
  }
  if (missing.empty()) return absl::OkStatus();
  const bool only_cells = !statuses[0].position.nothing() && !statuses[1].position.nothing();
  if (only_cells && !waiting_since_.has_value()) waiting_since_ = now;
  return absl::UnavailableError(
      absl::StrCat("no steering table yet: nothing heard from ", absl::StrJoin(missing, ", "), ", and no copy on disk"));
}

CellStores TableBuilder::Cells() {
  cells_ = sources_.cells();
  CellStores views;
  for (const auto& cell : cells_) views.push_back(cell.get());
  return views;
}

bool TableBuilder::Guard(absl::Duration now, const Built& current, const std::vector<SourceStatus>& statuses) {
  const bool news = next_.table == nullptr || current.config != guarded_.config || current.reports != guarded_.reports;
  if (!news && now - guarded_at_ < options_.guard_every) return false;
  const CellStores cells = Cells();
  if (news) reports_ = MergeReports(cells);
  if (session_watch_.Changed(cells_)) sessions_ = CountSessions(cells, MergeSessions(cells));
  guarded_ = current;
  guarded_at_ = now;
  const bool changed = guard_.Step({.config = *config_,
                                    .reports = reports_,
                                    .sessions = sessions_,
                                    .cells = {statuses.begin() + 2, statuses.end()}},  // Behind the configuration and the catalogue.
                                   now);
  return news || changed || (guard_.has_words() && now - fleet_built_at_ >= options_.guard_words_every);
}

void TableBuilder::BuildFleet() {
  const std::shared_ptr<const ConfigViews>& config = ladders_.served();
  const bool other_ground =
      parts_.fleet == nullptr || parts_.fleet->fingerprint() != parts_.ladders->fingerprint() || !SameGround(*config, *fleet_config_);
  if (other_ground) parts_.fleet = Fleet::Build(config->sites, config->appliances, config->links, ladders_.fleet().get());
  if (other_ground || config != fleet_config_) condition_.Follow(config, *parts_.fleet);
  fleet_config_ = config;
  parts_.fleet = condition_.Apply(parts_.fleet, guard_.reports(), guard_.words());
}

std::function<bool()> TableBuilder::OutOfTime() const {
  return At(std::max(tick_began_ + absl::ToChronoNanoseconds(options_.tick_budget),
                     SteadyClock::now() + absl::ToChronoNanoseconds(options_.line_budget)));
}

// Ladders come before the fleet: while new ones are made, the fleet stays as the old ones number it.
void TableBuilder::BuildLadders() {
  Cells();
  ladders_.Step(cells_, config_, OutOfTime());
  parts_.ladders = ladders_.ladders();
  parts_.policy = ladders_.served()->policy;
}

void TableBuilder::BuildHoldings() {
  parts_.holdings = holdings_book_.Update(*parts_.fleet, MergeHoldings(Cells()), OutOfTime());
}

void TableBuilder::BuildCatalogue(const Built& current) {
  if (parts_.catalogue == nullptr || current.catalog != built_.catalog) {
    CatalogueViews views = ReadCatalogue(sources_.catalog().Held());
    LogIssues("catalogue", views.issues);
    catalog_issues_ = views.issues.size();
    untaken_catalogue_ = std::move(views.catalogue);
  }
  TakeCatalogue();
}

bool TableBuilder::TakeCatalogue() {
  if (untaken_catalogue_ == nullptr) return false;
  const size_t files = untaken_catalogue_->file_count();
  const bool held = catalogue_hold_.holding();
  const bool may = catalogue_hold_.Allows(files, config_->policy.guard.mode == GuardMode::kBelieveAll, now_);
  metrics_.catalogue_held.Set(may ? 0 : 1);
  if (!may && !held) {
    LogError("the catalogue is held back for having lost most of its files: the one before serves on; guard mode BELIEVE_ALL lets it pass",
             {{"files", files}, {"of", catalogue_hold_.largest()}, {"for", absl::FormatDuration(options_.shrink_hold)}});
  }
  if (!may) return false;
  if (held) LogInfo("the catalogue is held back no more", {{"files", files}});
  parts_.catalogue = std::exchange(untaken_catalogue_, nullptr);
  return true;
}

absl::Status TableBuilder::Build(const Built& current, bool reguarded) {
  const bool first = next_.table == nullptr;
  const bool config = first || current.config != built_.config;
  const bool reports = reguarded || current.reports != built_.reports;
  // Reports as well: they may tell that another cell speaks for a session.
  if (config || reports || current.routes != built_.routes || ladders_.busy()) BuildLadders();
  if (reports || ladders_.served() != fleet_config_) BuildFleet();
  const bool stale_holdings = parts_.holdings == nullptr || parts_.holdings->fingerprint() != parts_.fleet->fingerprint();
  if (stale_holdings || current.holdings != built_.holdings || holdings_book_.behind()) BuildHoldings();
  BuildCatalogue(current);

  ++parts_.version;
  ASSIGN_OR_RETURN(next_.table, AssembleSteeringTable(parts_));
  next_.settings = config_->settings;
  if (texts_config_ != fleet_config_) next_.texts = AnswerTexts::Make(*parts_.fleet);  // Which boxes there are, and where, is configured.
  texts_config_ = fleet_config_;
  built_ = current;
  return absl::OkStatus();
}

void TableBuilder::Publish(absl::Duration now, std::vector<SourceStatus> statuses) {
  for (const SourceStatus& status : statuses) {
    const bool heard = status.heard_at > -absl::InfiniteDuration();
    metrics_.SetSource(status.source, heard ? absl::ToDoubleSeconds(now - status.heard_at) : -1, status.from_disk, status.connected);
  }
  metrics_.has_signing_key.Set(next_.key_id.empty() ? 0 : 1);
  next_.sources = std::move(statuses);
  next_.gone = guard_.gone();
  out_.Set(std::make_shared<const ServingState>(next_));
}

void TableBuilder::ShowTable() {
  metrics_.tables_built.Increment();
  metrics_.table_version.Set(static_cast<double>(next_.table->version));
  metrics_.table_boxes.Set(static_cast<double>(parts_.fleet->boxes().size()));
  metrics_.table_prefixes.Set(static_cast<double>(parts_.ladders->prefixes()));
  metrics_.table_ladders.Set(static_cast<double>(parts_.ladders->distinct_ladders()));
  metrics_.ladders_waiting.Set(static_cast<double>(ladders_.waiting()));
  metrics_.ladder_rebuilds.Set(static_cast<double>(ladders_.rebuilds()));
  metrics_.table_files.Set(static_cast<double>(parts_.catalogue->file_count()));
  metrics_.routes_left_out.Set(static_cast<double>(parts_.ladders->routes_left_out() + ladders_.foreign()));
  uint64_t unreadable = 0;
  for (const auto& cell : cells_) unreadable += cell->unreadable();
  metrics_.bad_records.Set(static_cast<double>(config_->issues.size() + catalog_issues_ + parts_.fleet->issues().size() + unreadable));
}

}  // namespace fairlead
