// The half of Box that gives its state to a checkpoint and takes it back.
#include <algorithm>
#include <utility>

#include "libs/log/log.h"
#include "services/ingest/box.h"

namespace fairlead::ingest {

bool Box::Save(const CheckpointClock& clock, size_t most_routes, ChangeBatch& batch) {
  if (routes_.has_unsaved()) {
    std::string key;
    const RouteRecords records{
        .dropped = [&](const BgpSessionId& session) { batch.RemoveAll(RouteRecordKeys(id(), session)); },
        .route =
            [&](const BgpSessionId& session, const RouteKey& route, const KeptRoute* kept, const std::optional<IpAddress>& next_hop) {
              key = RouteRecordKeys(id(), session);
              AppendRouteRecordKey(route, key);
              if (kept == nullptr) return batch.Remove(key);
              batch.Set(key, RouteToRecord(*kept, next_hop).SerializeAsString());
            },
    };
    if (!routes_.TakeUnsaved(most_routes, records)) return false;
    record_unsaved_ = true;
  }
  if (std::exchange(holdings_unsaved_, false)) {
    v1::HoldingsRecord record;
    record.set_incarnation(holdings_incarnation_);
    record.set_sequence(holdings_sequence_);
    record.set_bitmap(holdings_.Serialize());
    batch.Set(HoldingsRecordKey(id()), record.SerializeAsString());
  }
  // Last, so that its sequence never promises what isn't there.
  if (std::exchange(record_unsaved_, false)) batch.Set(BoxRecordKey(id()), Record(clock).SerializeAsString());
  return true;
}

v1::BoxRecord Box::Record(const CheckpointClock& clock) {
  v1::BoxRecord record;
  record.set_incarnation(incarnation_);
  record.set_sequence(sequence_);
  record.set_agent_version(agent_version_);
  record.set_config_generation(config_generation_);
  record.set_manifest_generation(manifest_generation_);
  *record.mutable_last_heartbeat() = heartbeat_;
  record.mutable_fills()->Add(fills_.begin(), fills_.end());
  record.set_routes_valid(routes_valid_);
  record.set_holdings_valid(holdings_valid_);
  *record.mutable_health() = HealthToRecord(health_.Memory(), clock);
  for (const KeptSession& session : routes_.KeptSessions()) *record.add_sessions() = SessionToRecord(session, clock);
  for (const auto& [session, count] : routes_.unknown()) (*record.mutable_unknown_sessions())[session.value()] = count;
  return record;
}

void Box::Restore(RestoredBox kept, const CheckpointClock& clock, absl::Time now) {
  const v1::BoxRecord& record = kept.record;
  incarnation_ = record.incarnation();
  sequence_ = record.sequence();
  agent_version_ = record.agent_version();
  config_generation_ = record.config_generation();
  manifest_generation_ = record.manifest_generation();
  heartbeat_ = record.last_heartbeat();
  fills_.assign(record.fills().begin(), record.fills().end());
  routes_valid_ = record.routes_valid();
  holdings_valid_ = record.holdings_valid();

  HealthMemory memory = HealthFromRecord(record.health(), clock);
  // Nobody could report to a process that wasn't there. A box that was silent before stays so until it reports.
  const absl::Time silent = std::min(memory.last_heard, now - tuning_.lost_after);
  memory.last_heard = memory.state == HealthState::kSilent ? silent : now;
  health_ = ApplianceHealth(memory);
  verdict_ = health_.Evaluate(now, tuning_);

  for (const v1::SessionRecord& each : record.sessions()) {
    const absl::StatusOr<KeptSession> session = SessionFromRecord(each, clock);
    if (!session.ok()) {
      routes_valid_ = false;
      continue;
    }
    if (!routes_.Restore(*session, std::move(kept.routes[session->session]))) routes_valid_ = false;
    kept.routes.erase(session->session);
  }
  for (auto& [session, routes] : kept.routes) {  // Without a record: what they are worth isn't known.
    routes_.Restore({.session = session}, std::move(routes));
    routes_valid_ = false;
  }
  for (const auto& [session, count] : record.unknown_sessions()) routes_.SetUnknown(BgpSessionId(session), count);

  if (!kept.holdings.has_value()) return;
  absl::StatusOr<Holdings> holdings = Holdings::Parse(kept.holdings->bitmap(), "holdings");
  if (!holdings.ok()) {
    LogError("holdings of a checkpoint are refused", {{"appliance", id().name()}, {"why", holdings.status()}});
    holdings_valid_ = false;
    return;
  }
  holdings_ = *std::move(holdings);
  holdings_incarnation_ = kept.holdings->incarnation();
  holdings_sequence_ = kept.holdings->sequence();
  holdings_dirty_ = true;
}

}  // namespace fairlead::ingest
