#include "services/ingest/box.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/feed/feed_publisher.h"
#include "services/ingest/codec.h"

namespace fairlead::ingest {
namespace {

// A box that doesn't react is told or asked again after this long.
constexpr absl::Duration kRepeat = absl::Seconds(10);

template <typename Set>
void AddEntry(std::vector<EncodedEntry>& entries, std::string key, const Set& set) {
  v1::FleetEntry entry;
  entry.set_key(std::move(key));
  set(entry);
  entries.push_back(EncodeEntry(entry));
}

}  // namespace

void Outgoing::Merge(const Outgoing& other) {
  if (other.ack.has_value()) ack = other.ack;
  resend_routes = resend_routes || other.resend_routes;
  resend_holdings = resend_holdings || other.resend_holdings;
  if (other.config_generation.has_value()) config_generation = other.config_generation;
  if (other.manifest_generation.has_value()) manifest_generation = other.manifest_generation;
}

absl::StatusOr<HoldingsChange> HoldingsChangeFromProto(const v1::HoldingsUpdate& update) {
  HoldingsChange change;
  change.full = update.full();
  if (update.full()) {
    ASSIGN_OR_RETURN(change.bitmap, Holdings::Parse(update.bitmap(), "holdings_update.bitmap"));
    return change;
  }
  ASSIGN_OR_RETURN(change.added, Holdings::Parse(update.added(), "holdings_update.added"));
  ASSIGN_OR_RETURN(change.removed, Holdings::Parse(update.removed(), "holdings_update.removed"));
  return change;
}

absl::StatusOr<CheckedReport> CheckReport(const v1::Report& report, bool serves) {
  CheckedReport checked;
  checked.incarnation = report.incarnation();
  checked.sequence = report.sequence();
  checked.message = &report;
  if (report.incarnation() == 0) return InvalidField("report.incarnation", "0", "must be above 0");
  if (report.sequence() == 0) return InvalidField("report.sequence", "0", "must be above 0");
  absl::Status status;
  switch (report.body_case()) {
    case v1::Report::kHello:
      status = CheckHello(report.hello());
      break;
    case v1::Report::kHeartbeat: {
      absl::StatusOr<HealthFigures> figures = FiguresFromProto(report.heartbeat(), serves);
      status = figures.status();
      if (figures.ok()) checked.figures = *std::move(figures);
      break;
    }
    case v1::Report::kRouteUpdate: {
      absl::StatusOr<RouteChange> change = RouteChangeFromProto(report.route_update());
      status = change.status();
      if (change.ok()) checked.routes = *std::move(change);
      break;
    }
    case v1::Report::kHoldingsUpdate: {
      absl::StatusOr<HoldingsChange> change = HoldingsChangeFromProto(report.holdings_update());
      status = change.status();
      if (change.ok()) checked.holdings = *std::move(change);
      break;
    }
    case v1::Report::kTrafficSummary: {
      absl::StatusOr<TrafficReport> traffic = TrafficFromProto(report.traffic_summary());
      status = traffic.status();
      if (traffic.ok()) checked.traffic = *std::move(traffic);
      break;
    }
    case v1::Report::kFillProgress:
      status = CheckFillProgress(report.fill_progress());
      break;
    case v1::Report::BODY_NOT_SET:
      break;  // Of a newer agent: counts as a sign of life.
  }
  if (!status.ok()) return WithFieldPrefix(status, "report.");
  return checked;
}

Box::Box(std::shared_ptr<const BoxConfig> config, std::string cell, RouteLimits limits, const FleetPolicy& policy, absl::Time now)
    : config_(std::move(config)), cell_(std::move(cell)), health_(now), routes_(limits) {
  SetPolicy(policy);
  routes_.Configure(*config_->sessions, loss_);
  verdict_ = health_.Evaluate(now, tuning_);
}

void Box::SetPolicy(const FleetPolicy& policy) {
  tuning_.lost_after = policy.lost_after;
  loss_.demote_after = policy.session_grace;
}

Outgoing Box::Configure(std::shared_ptr<const BoxConfig> config) {
  Outgoing outgoing;
  const bool sessions_changed = config->sessions != config_->sessions;
  const bool generation_changed = config->generation != config_->generation;
  config_ = std::move(config);
  if (sessions_changed) {
    state_dirty_ = true;  // It counts the drops.
    if (routes_.Configure(*config_->sessions, loss_)) {
      routes_valid_ = false;
      outgoing.resend_routes = true;
    }
  }
  if (generation_changed && config_->generation != config_generation_) outgoing.config_generation = config_->generation;
  return outgoing;
}

void Box::SetVrps(std::shared_ptr<const VrpTable> vrps) {
  routes_.SetVrps(std::move(vrps));
  state_dirty_ = true;  // It counts the drops.
}

Outgoing Box::SetManifestGeneration(const std::string& generation) {
  Outgoing outgoing;
  if (generation == manifest_wanted_) return outgoing;
  manifest_wanted_ = generation;
  if (!generation.empty() && generation != manifest_generation_) outgoing.manifest_generation = generation;
  return outgoing;
}

bool Box::Advance(const CheckedReport& report, absl::Time now) {
  if (report.incarnation < incarnation_) return false;
  if (report.incarnation == incarnation_ && report.sequence <= sequence_) return false;
  const bool follows = report.incarnation == incarnation_ && report.sequence == sequence_ + 1;
  if (!follows) {
    routes_valid_ = false;
    holdings_valid_ = false;
    asked_at_ = absl::InfinitePast();
    routes_.Missed(now);
  }
  incarnation_ = report.incarnation;
  sequence_ = report.sequence;
  record_unsaved_ = true;
  return true;
}

absl::StatusOr<Outgoing> Box::Hello(const CheckedReport& report, absl::Time now) {
  if (report.incarnation < incarnation_) {
    return FieldError(absl::StatusCode::kFailedPrecondition, "report.incarnation", absl::StrCat(report.incarnation),
                      absl::StrCat("older than ", incarnation_, ", which was heard from this box before"));
  }
  Advance(report, now);
  health_.Heard(now);
  const v1::Hello& hello = report.message->hello();
  agent_version_ = hello.agent_version();
  config_generation_ = hello.config_generation();
  manifest_generation_ = hello.manifest_generation();
  state_dirty_ = record_unsaved_ = true;
  Outgoing outgoing;
  outgoing.ack = sequence_;
  asked_at_ = told_config_at_ = told_manifest_at_ = absl::InfinitePast();  // A new stream was told nothing yet.
  AskAgain(outgoing, now);
  TellGenerations(outgoing, now);
  return outgoing;
}

void Box::AskAgain(Outgoing& outgoing, absl::Time now) {
  if ((routes_valid_ && holdings_valid_) || now - asked_at_ < kRepeat) return;
  outgoing.resend_routes = !routes_valid_;
  outgoing.resend_holdings = !holdings_valid_;
  asked_at_ = now;
}

void Box::TellGenerations(Outgoing& outgoing, absl::Time now) {
  if (!config_->generation.empty() && config_->generation != config_generation_ && now - told_config_at_ >= kRepeat) {
    outgoing.config_generation = config_->generation;
    told_config_at_ = now;
  }
  if (!manifest_wanted_.empty() && manifest_wanted_ != manifest_generation_ && now - told_manifest_at_ >= kRepeat) {
    outgoing.manifest_generation = manifest_wanted_;
    told_manifest_at_ = now;
  }
}

absl::StatusOr<Outgoing> Box::Take(CheckedReport report, absl::Time now, bool& taken) {
  Outgoing outgoing;
  health_.Heard(now);
  taken = Advance(report, now);
  outgoing.ack = sequence_;
  if (!taken) return outgoing;
  switch (report.message->body_case()) {
    case v1::Report::kHeartbeat:
      TakeHeartbeat(report, now);
      TellGenerations(outgoing, now);
      break;
    case v1::Report::kRouteUpdate: {
      if (report.routes->restart) routes_valid_ = true;
      if (routes_.Apply(*std::move(report.routes), {incarnation_, sequence_}, now)) routes_valid_ = false;
      state_dirty_ = true;
      break;
    }
    case v1::Report::kHoldingsUpdate:
      RETURN_IF_ERROR(TakeHoldings(*report.holdings));
      break;
    case v1::Report::kFillProgress:
      fills_.assign(report.message->fill_progress().files().begin(), report.message->fill_progress().files().end());
      state_dirty_ = true;
      break;
    default:
      break;
  }
  AskAgain(outgoing, now);
  return outgoing;
}

void Box::TakeHeartbeat(const CheckedReport& report, absl::Time now) {
  heartbeat_ = report.message->heartbeat();
  config_generation_ = heartbeat_.config_generation();
  manifest_generation_ = heartbeat_.manifest_generation();
  for (const v1::BgpSessionStatus& session : heartbeat_.bgp_sessions()) {
    const absl::StatusOr<BgpSessionId> id = BgpSessionId::ParseName(session.session());
    if (id.ok()) routes_.SetEstablished(*id, session.established(), session.established() ? "" : session.last_error());
  }
  health_.Report(report.figures, now, tuning_);
  SetVerdict(now);
  state_dirty_ = true;
}

absl::Status Box::TakeHoldings(const HoldingsChange& change) {
  if (change.full) {
    const bool changed = (!published_holdings_ && !holdings_dirty_) || !(holdings_ == change.bitmap);
    holdings_ = change.bitmap;
    holdings_valid_ = true;
    if (changed) HoldingsChanged();
    return absl::OkStatus();
  }
  if (!holdings_valid_) return absl::OkStatus();  // Asked for again.
  const absl::Status changed = holdings_.Change(change.added, change.removed);
  if (!changed.ok()) {
    holdings_valid_ = false;
    return changed;
  }
  HoldingsChanged();
  return absl::OkStatus();
}

void Box::HoldingsChanged() {
  holdings_dirty_ = holdings_unsaved_ = true;
  holdings_incarnation_ = incarnation_;
  holdings_sequence_ = sequence_;
}

void Box::SetVerdict(absl::Time now) {
  HealthVerdict verdict = health_.Evaluate(now, tuning_);
  // The reason of a silent box counts the seconds: worth telling with the next change, not worth a change.
  const bool same = verdict.state == verdict_.state && verdict.weight == verdict_.weight &&
                    (verdict.reason == verdict_.reason || verdict.state == HealthState::kSilent);
  if (!same) state_dirty_ = verdict_dirty_ = record_unsaved_ = true;
  verdict_ = std::move(verdict);
}

void Box::Tick(absl::Time now) {
  SetVerdict(now);
  routes_.Tick({incarnation_, sequence_}, now);
}

v1::ApplianceState Box::State(absl::Time now) const {
  v1::ApplianceState state;
  state.set_appliance(id().name());
  state.set_incarnation(incarnation_);
  state.set_sequence(sequence_);
  state.set_cell(cell_);
  state.set_health(static_cast<common::v1::HealthState>(verdict_.state));
  state.set_weight(verdict_.weight);
  state.set_health_reason(verdict_.reason);
  *state.mutable_report_age() = DurationToProto(health_.Silence(now));
  *state.mutable_last_heartbeat() = heartbeat_;
  state.set_agent_version(agent_version_);
  state.set_config_generation(config_generation_);
  state.set_manifest_generation(manifest_generation_);
  DropsToProto(routes_.Drops(), state.mutable_dropped_routes());
  state.mutable_fills()->Add(fills_.begin(), fills_.end());
  return state;
}

void Box::TakeRoutes(size_t most, std::vector<EncodedEntry>& entries) {
  if (!routes_.has_changes()) return;
  const RoutePublication publication{
      .removed = [&](const BgpSessionId& session,
                     const RouteKey& key) { entries.push_back(EncodedEntry::Removal(RouteEntryKey(session, key))); },
      .route =
          [&](const BgpSessionId& session, const RouteKey& key, const KeptRoute* kept) {
            AddEntry(entries, RouteEntryKey(session, key), [&](v1::FleetEntry& entry) {
              if (kept != nullptr) *entry.mutable_route() = RouteToProto(id(), session, *kept);
            });
          },
      .session =
          [&](const BgpSessionId& session, const SessionSummary* summary) {
            AddEntry(entries, SessionKey(session), [&](v1::FleetEntry& entry) {
              if (summary != nullptr) *entry.mutable_session() = SessionToProto(id(), *summary);
            });
          },
  };
  routes_.TakeChanges(most, publication);
}

void Box::TakeHeldFiles(std::vector<EncodedEntry>& entries) {
  if (!std::exchange(holdings_dirty_, false)) return;
  published_holdings_ = true;
  AddEntry(entries, HoldingsKey(id()), [&](v1::FleetEntry& entry) {
    v1::ApplianceHoldings& holdings = *entry.mutable_holdings();
    holdings.set_appliance(id().name());
    holdings.set_incarnation(holdings_incarnation_);
    holdings.set_sequence(holdings_sequence_);
    holdings.set_bitmap(holdings_.Serialize());
  });
}

void Box::TakeState(absl::Time now, std::vector<EncodedEntry>& entries) {
  verdict_dirty_ = false;
  if (!std::exchange(state_dirty_, false)) return;
  AddEntry(entries, StateKey(id()), [&](v1::FleetEntry& entry) { *entry.mutable_state() = State(now); });
}

void Box::TakeChanges(absl::Time now, size_t most_routes, std::vector<EncodedEntry>& entries) {
  TakeRoutes(most_routes, entries);
  TakeHeldFiles(entries);
  TakeState(now, entries);
}

void Box::TakeUrgent(absl::Time now, size_t most_routes, std::vector<EncodedEntry>& entries) {
  TakeRoutes(most_routes, entries);
  TakeHeldFiles(entries);
  if (verdict_dirty_) TakeState(now, entries);
}

void Box::TakeRemovals(std::vector<EncodedEntry>& entries) {
  routes_.Configure({}, loss_);
  TakeChanges(absl::UnixEpoch(), SIZE_MAX, entries);
  entries.push_back(EncodedEntry::Removal(HoldingsKey(id())));
  entries.push_back(EncodedEntry::Removal(StateKey(id())));
}

}  // namespace fairlead::ingest
