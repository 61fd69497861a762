#include "services/agent/report/reporter.h"

#include <algorithm>
#include <utility>

#include "services/agent/report/codec.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kProgress = absl::Seconds(1);
constexpr absl::Duration kTraffic = absl::Seconds(10);
constexpr absl::Duration kSweep = absl::Minutes(1);
constexpr size_t kMaxTrafficRows = 4000;  // A message has room for these at their longest.

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp out;
  const absl::Duration since = time - absl::UnixEpoch();
  out.set_seconds(absl::ToInt64Seconds(since));
  out.set_nanos(static_cast<int32_t>((since - absl::Seconds(out.seconds())) / absl::Nanoseconds(1)));
  return out;
}

google::protobuf::Duration ToDuration(absl::Duration duration) {
  google::protobuf::Duration out;
  out.set_seconds(absl::ToInt64Seconds(duration));
  out.set_nanos(static_cast<int32_t>((duration - absl::Seconds(out.seconds())) / absl::Nanoseconds(1)));
  return out;
}

int64_t RateOf(int64_t bytes, absl::Duration time) {
  return time <= absl::ZeroDuration() ? 0 : static_cast<int64_t>(static_cast<double>(bytes) * 8 / absl::ToDoubleSeconds(time));
}

}  // namespace

Reporter::Reporter(ReporterParts parts) : parts_(std::move(parts)), served_(parts_.clock.Monotonic()), traffic_start_(parts_.clock.Now()) {
  const absl::Duration now = parts_.clock.Monotonic();
  next_heartbeat_ = next_progress_ = last_heartbeat_ = now;
  next_traffic_ = now + kTraffic;
  next_sweep_ = now + kSweep;
}

void Reporter::SetConfig(const registry::v1::ApplianceConfig& config, bool complete) {
  absl::MutexLock lock(&mu_);
  config_.heartbeat_interval = HeartbeatIntervalOf(config);
  config_.capacity_bps = config.appliance().capacity_bps();
  config_.tier_capacities = CapacitiesOf(config.appliance());
  config_.generation = config.generation();
  config_.complete = complete;
}

std::string Reporter::ConfigInForce() {
  absl::MutexLock lock(&mu_);
  const bool all = config_.complete && (parts_.serving == nullptr || parts_.serving->config_in_force()) &&
                   (parts_.routing == nullptr || parts_.routing->config_in_force());
  if (all) generation_in_force_ = config_.generation;
  return generation_in_force_;
}

void Reporter::ResendHoldings() {
  absl::MutexLock lock(&mu_);
  holdings_full_ = true;
}

void Reporter::Tick() {
  const absl::Duration now = parts_.clock.Monotonic();
  Config config;
  {
    absl::MutexLock lock(&mu_);
    config = config_;
  }
  if (now >= next_heartbeat_) {
    next_heartbeat_ = std::max(next_heartbeat_ + config.heartbeat_interval, now);
    SendHeartbeat(config, now);
  }
  if (parts_.holdings != nullptr && now >= next_sweep_) {
    next_sweep_ = now + kSweep;
    Sweep();
  }
  if (!parts_.link.Status().connected) return;
  if (parts_.holdings != nullptr) SendHoldings();
  if (parts_.filler != nullptr && now >= next_progress_) {
    next_progress_ = now + kProgress;
    SendFillProgress();
  }
  if (parts_.serving != nullptr && now >= next_traffic_) {
    next_traffic_ = now + kTraffic;
    SendTraffic();
  }
}

void Reporter::SendHeartbeat(const Config& config, absl::Duration now) {
  const absl::Duration elapsed = now - std::exchange(last_heartbeat_, now);
  ingest::v1::Heartbeat heartbeat;
  *heartbeat.mutable_time() = ToTimestamp(parts_.clock.Now());
  heartbeat.set_config_generation(ConfigInForce());
  const HostSample host = host_.Sample();
  if (!parts_.shared_host) {
    heartbeat.mutable_cpu()->set_cores(host.cores);
    heartbeat.mutable_cpu()->set_utilisation(host.cpu_utilisation);
    heartbeat.mutable_cpu()->set_load_average_1m(host.load_average);
  }
  heartbeat.mutable_memory()->set_total_bytes(host.memory.total_bytes);
  heartbeat.mutable_memory()->set_available_bytes(host.memory.available_bytes);
  if (host.temperature_celsius) heartbeat.set_temperature_celsius(*host.temperature_celsius);
  for (const auto& [tier, folder] : parts_.tiers) *heartbeat.add_tiers() = TierStatusOf(tier, folder, config, now);

  NginxReport nginx;
  if (parts_.serving != nullptr) {
    nginx = parts_.serving->Report();
    *heartbeat.mutable_nginx() = ToProto(nginx);
    // NGINX logs a response when it ends: a fill of 5 GB in 40 s would be 20 Gbit/s in one heartbeat and nothing in the others, hence the
    // average and the cap. An interface's counters are the later, better source; on a machine that runs several boxes, as a lab does, they
    // would count the others' bytes too.
    heartbeat.mutable_network()->set_throughput_bps(served_.Add(now, parts_.serving->total_bytes(), config.capacity_bps));
    heartbeat.mutable_network()->set_capacity_bps(config.capacity_bps);
  }
  RoutingStatus routing;
  if (parts_.routing != nullptr) {
    routing = parts_.routing->Status();
    for (const RoutingStatus::Session& session : routing.sessions) *heartbeat.add_bgp_sessions() = ToProto(session);
  }
  FillerStatus fill;
  if (parts_.filler != nullptr) {
    fill = parts_.filler->Status();
    const int64_t rate = RateOf(fill.bytes_fetched - std::exchange(last_fetched_, fill.bytes_fetched), elapsed);
    *heartbeat.mutable_fill() = ToProto(fill, rate);
    heartbeat.set_manifest_generation(fill.manifest_generation);
  }
  parts_.metrics.heartbeats.Increment();
  Publish(fill, nginx, routing);
  parts_.link.SetHeartbeat(std::move(heartbeat));
}

ingest::v1::TierStatus Reporter::TierStatusOf(Tier tier, const std::string& folder, const Config& config, absl::Duration now) {
  const FolderSample sample = host_.SampleFolder(folder, now);
  ingest::v1::TierStatus status;
  status.set_tier(static_cast<common::v1::Tier>(tier));
  status.set_used_bytes(parts_.holdings == nullptr ? 0 : parts_.holdings->used_bytes(tier));
  const auto capacity = config.tier_capacities.find(tier);
  status.set_capacity_bytes(capacity != config.tier_capacities.end() ? capacity->second : status.used_bytes() + sample.free_bytes);
  status.set_free_bytes(sample.free_bytes);
  if (sample.utilisation) status.set_utilisation(*sample.utilisation);
  if (sample.read_latency) *status.mutable_read_latency() = ToDuration(*sample.read_latency);
  status.set_failed(sample.failed);
  return status;
}

void Reporter::SendHoldings() {
  bool full = false;
  {
    absl::MutexLock lock(&mu_);
    full = std::exchange(holdings_full_, false);
  }
  const uint64_t version = parts_.holdings->version();
  if (!full && version == holdings_version_) return;
  std::string bitmap = parts_.holdings->Bitmap();
  ingest::v1::Report report;
  ingest::v1::HoldingsUpdate& update = *report.mutable_holdings_update();
  const auto change = full ? absl::StatusOr<BitmapChange>(absl::UnavailableError("")) : DiffBitmaps(holdings_sent_, bitmap);
  update.set_full(!change.ok());
  if (change.ok()) {
    update.set_added(change->added);
    update.set_removed(change->removed);
  } else {
    update.set_bitmap(bitmap);
  }
  if (!parts_.link.Send(std::move(report))) return ResendHoldings();
  holdings_version_ = version;
  holdings_sent_ = std::move(bitmap);
}

void Reporter::SendFillProgress() {
  const std::vector<FileProgress> files = parts_.filler->TakeProgress();
  if (files.empty()) return;
  ingest::v1::Report report;
  *report.mutable_fill_progress() = ToProto(files, parts_.filler->Status().manifest_generation);
  parts_.link.Send(std::move(report));
}

void Reporter::SendTraffic() {
  std::map<TrafficKey, TrafficSums> rows = parts_.serving->TakeTraffic();
  const absl::Time now = parts_.clock.Now();
  const absl::Time start = std::exchange(traffic_start_, now);
  while (!rows.empty()) {
    std::map<TrafficKey, TrafficSums> some;
    while (!rows.empty() && some.size() < kMaxTrafficRows) some.insert(rows.extract(rows.begin()));
    ingest::v1::Report report;
    *report.mutable_traffic_summary() = ToProto(some, start, std::max(now - start, absl::Seconds(1)));
    parts_.link.Send(std::move(report));
  }
}

void Reporter::Sweep() {
  if (!parts_.holdings->Sweep().empty() && parts_.filler != nullptr) parts_.filler->Recheck();
}

void Reporter::Publish(const FillerStatus& fill, const NginxReport& nginx, const RoutingStatus& routing) {
  const LinkStatus link = parts_.link.Status();
  AgentMetrics& metrics = parts_.metrics;
  metrics.link_connected.Set(link.connected ? 1 : 0);
  metrics.link_connects.Set(link.connects);
  metrics.reports_dropped.Set(static_cast<double>(link.dropped));
  const bool running = nginx.state == NginxReport::State::kRunning || nginx.state == NginxReport::State::kRefusing;
  metrics.nginx_running.Set(running ? 1 : 0);
  metrics.nginx_restarts.Set(nginx.restarts);
  if (parts_.serving != nullptr) {
    metrics.served_bytes.Set(static_cast<double>(parts_.serving->total_bytes()));
    metrics.log_lines_unreadable.Set(static_cast<double>(parts_.serving->unreadable_lines()));
  }
  metrics.bird_restarts.Set(routing.bird_restarts);
  metrics.tap_established.Set(routing.tap_established ? 1 : 0);
  metrics.paths.Set(static_cast<double>(routing.paths));
  if (parts_.holdings != nullptr) metrics.files_held.Set(static_cast<double>(parts_.holdings->size()));
  metrics.files_wanted.Set(fill.files_wanted);
  metrics.fill_missing_bytes.Set(static_cast<double>(fill.bytes_missing));
  metrics.fill_fetched_bytes.Set(static_cast<double>(fill.bytes_fetched));
  metrics.fill_disk_full.Set(fill.disk_full ? 1 : 0);
  for (size_t i = 1; i < kSourceFaultReasons; ++i) metrics.fill_source_faults[i]->Set(static_cast<double>(fill.source_faults[i]));
}

}  // namespace fairlead::agent
