// What a heartbeat costs an ingestd, part by part, and what its checkpoint costs: a step after every box has reported, beside writing
// everything; and the start from it.
//
//   ./run bench ingest
#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "libs/checkpoint/checkpoint.h"
#include "libs/clock/fake_clock.h"
#include "libs/feed/feed_table.h"
#include "libs/metrics/metrics.h"
#include "libs/signing/digest.h"
#include "roaring/roaring.hh"
#include "services/ingest/fleet_state.h"

namespace fairlead::ingest {
namespace {

constexpr int kBoxes = 2'000;
constexpr int kRoutesABox = 50;  // 100,000 in all.
constexpr uint32_t kFilesABox = 10'000;
constexpr char kSecret[] = "secret";

class NoLink final : public Link {
 public:
  void Send(const Outgoing&) override {}
  void Close(const absl::Status&) override {}
};

std::string BoxName(int i) {
  return absl::StrCat("site-", i / 4, "-storage-", i % 4);
}

// kBoxes boxes with routes and files, all published.
class BenchFleet {
 public:
  BenchFleet() : metrics_(registry_), state({.cell = "cells/bench"}, clock, nullptr, metrics_), feed_({1, 0}) {
    FeedChange<registry::v1::ConfigEntry> change;
    change.snapshot = true;
    change.position = {1, 1};
    change.entries.reserve(2 * kBoxes);
    const std::string hash = Sha256Hex(kSecret);
    for (int i = 0; i < kBoxes; ++i) {
      registry::v1::ConfigEntry& box = change.entries.emplace_back();
      box.set_key(absl::StrCat("appliances/", BoxName(i)));
      box.mutable_appliance()->set_name(box.key());
      box.mutable_appliance()->set_kind(common::v1::APPLIANCE_KIND_STORAGE);
      box.mutable_appliance()->set_credential_sha256(hash);
      registry::v1::ConfigEntry& session = change.entries.emplace_back();
      session.set_key(absl::StrCat("bgpSessions/", BoxName(i), "-partner"));
      session.mutable_bgp_session()->set_name(session.key());
      session.mutable_bgp_session()->set_appliance(box.key());
      session.mutable_bgp_session()->set_role(registry::v1::BgpSession::ROLE_DIRECT);
      session.mutable_bgp_session()->set_transport_class(common::v1::TRANSPORT_CLASS_TRANSIT);  // Needs no allow-list.
    }
    if (!state.ApplyConfig(change).ok()) abort();
    for (int i = 0; i < kBoxes; ++i) Fill(i);
    Publish();
  }

  // Every box reports a little more traffic than before.
  void Heartbeats() {
    ++beat_;
    for (int i = 0; i < kBoxes; ++i) {
      v1::Report& report = Next(i);
      v1::Heartbeat& heartbeat = *report.mutable_heartbeat();
      heartbeat.mutable_cpu()->set_cores(16);
      heartbeat.mutable_cpu()->set_utilisation(0.2 + 0.001 * (beat_ % 7));
      heartbeat.mutable_memory()->set_total_bytes(64'000'000'000);
      heartbeat.mutable_memory()->set_available_bytes(32'000'000'000 + beat_ * 4096);
      for (const common::v1::Tier tier : {common::v1::TIER_DISK, common::v1::TIER_FLASH}) {
        v1::TierStatus& status = *heartbeat.add_tiers();
        status.set_tier(tier);
        status.set_capacity_bytes(100'000'000'000'000);
        status.set_used_bytes(90'000'000'000'000);
        status.set_utilisation(0.3);
        status.mutable_read_latency()->set_nanos(8'000'000);
      }
      heartbeat.mutable_network()->set_capacity_bps(40'000'000'000);
      heartbeat.mutable_network()->set_throughput_bps(10'000'000'000 + beat_ * 1'000);
      heartbeat.mutable_nginx()->set_state(v1::NginxStatus::STATE_RUNNING);
      heartbeat.mutable_nginx()->set_requests_total(beat_ * 12'345);
      v1::BgpSessionStatus& session = *heartbeat.add_bgp_sessions();
      session.set_session(absl::StrCat("bgpSessions/", BoxName(i), "-partner"));
      session.set_state("Established");
      session.set_established(true);
      if (!state.Take(leases_[static_cast<size_t>(i)], report).ok()) abort();
    }
  }
  void Publish() {
    for (std::vector<EncodedEntry> changes = state.TakeChanges(); !changes.empty(); changes = state.TakeChanges()) {
      entries += changes.size();
      if (!feed_.Apply({1, feed_.position().version + 1}, std::move(changes)).ok()) abort();
    }
  }
  ChangeBatch Changed() {
    ChangeBatch batch;
    ApplianceId after;
    state.Save(SIZE_MAX, after, batch);
    return batch;
  }

  FakeClock clock;

 private:
  Metrics registry_;
  IngestMetrics metrics_;

 public:
  FleetState state;
  size_t entries = 0;

 private:
  v1::Report& Next(int i) {
    report_.Clear();
    report_.set_incarnation(1);
    report_.set_sequence(++sequences_[static_cast<size_t>(i)]);
    return report_;
  }
  void Fill(int i) {
    sequences_.push_back(0);
    Next(i).mutable_hello()->set_appliance(absl::StrCat("appliances/", BoxName(i)));
    leases_.push_back(*state.Hello(report_, kSecret, link_));
    v1::RouteUpdate& update = *Next(i).mutable_route_update();
    update.set_session(absl::StrCat("bgpSessions/", BoxName(i), "-partner"));
    update.set_restart(true);
    for (int j = 0; j < kRoutesABox; ++j) {
      v1::Route& route = *update.add_announced();
      const int n = i * kRoutesABox + j;
      route.mutable_prefix()->set_address({static_cast<char>(20 + n / 65'536), static_cast<char>(n / 256), static_cast<char>(n), '\0'});
      route.mutable_prefix()->set_length(24);
      v1::AsPathSegment& path = *route.add_as_path();
      path.set_kind(v1::AsPathSegment::KIND_SEQUENCE);
      for (const uint32_t asn : {64500, 3356, 64510}) path.add_asns(asn);
    }
    update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
    update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
    if (!state.Take(leases_.back(), report_).ok()) abort();
    Roaring files;
    for (uint32_t file = static_cast<uint32_t>(i % 20); file < kFilesABox * 20; file += 20) files.add(file);
    std::string bitmap(files.getSizeInBytes(), '\0');
    files.write(bitmap.data());
    Next(i).mutable_holdings_update()->set_full(true);
    report_.mutable_holdings_update()->set_bitmap(std::move(bitmap));
    if (!state.Take(leases_.back(), report_).ok()) abort();
  }

  FeedTable feed_;
  std::vector<uint64_t> sequences_;
  std::vector<FleetState::Lease> leases_;
  std::shared_ptr<NoLink> link_ = std::make_shared<NoLink>();
  v1::Report report_;
  int64_t beat_ = 0;
};

BenchFleet& TheFleet() {
  static auto* const fleet = new BenchFleet();
  return *fleet;
}

void PerBox(benchmark::State& state, const char* what, double count) {
  state.counters[what] = benchmark::Counter(count / kBoxes, benchmark::Counter::kAvgIterations);
  state.SetItemsProcessed(state.iterations() * kBoxes);
}

// Checking, judging, keeping.
void BM_HeartbeatTaken(benchmark::State& state) {
  BenchFleet& fleet = TheFleet();
  for (auto _ : state) fleet.Heartbeats();
  fleet.Publish();
  state.SetItemsProcessed(state.iterations() * kBoxes);
}
// And what becomes of it: a look at the box, and its entry into the feed.
void BM_HeartbeatPublished(benchmark::State& state) {
  BenchFleet& fleet = TheFleet();
  fleet.entries = 0;
  for (auto _ : state) {
    fleet.Heartbeats();
    fleet.state.Tick();
    fleet.Publish();
  }
  PerBox(state, "entries", static_cast<double>(fleet.entries));
}

struct Folder {
  Folder() {
    if (mkdtemp(path.data()) == nullptr) abort();
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path = "/tmp/ingest-bench-XXXXXX";
};

// A step of the checkpoint after every box has reported once.
void BM_CheckpointStep(benchmark::State& state) {
  BenchFleet& fleet = TheFleet();
  const Folder folder;
  const auto checkpoint = *Checkpoint::Open({.folder = folder.path, .name = "fleet"});
  fleet.Changed();
  double bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    fleet.Heartbeats();
    state.ResumeTiming();
    const ChangeBatch batch = fleet.Changed();
    if (!checkpoint->Append(batch).ok()) abort();
    bytes += static_cast<double>(batch.bytes());
    if (checkpoint->wants_compaction()) {
      state.PauseTiming();
      if (!checkpoint->Compact().ok()) abort();
      state.ResumeTiming();
    }
  }
  PerBox(state, "bytes_a_box", bytes);
}
// The baseline: everything, each time.
void BM_CheckpointOfEverything(benchmark::State& state) {
  const Folder folder;
  double bytes = 0;
  for (auto _ : state) {
    state.PauseTiming();
    auto fleet = std::make_unique<BenchFleet>();
    std::filesystem::remove_all(folder.path);
    std::filesystem::create_directory(folder.path);
    const auto checkpoint = *Checkpoint::Open({.folder = folder.path, .name = "fleet"});
    state.ResumeTiming();
    const ChangeBatch batch = fleet->Changed();
    if (!checkpoint->Append(batch).ok()) abort();
    bytes += static_cast<double>(batch.bytes());
    state.PauseTiming();
    fleet = nullptr;
    state.ResumeTiming();
  }
  PerBox(state, "bytes_a_box", bytes);
}
// From the files to the first whole feed: 2,000 boxes, 100,000 routes.
void BM_StartFromCheckpoint(benchmark::State& state) {
  const Folder folder;
  {
    BenchFleet fleet;
    const auto checkpoint = *Checkpoint::Open({.folder = folder.path, .name = "fleet"});
    if (!checkpoint->Append(fleet.Changed()).ok()) abort();
  }
  const FakeClock clock;
  for (auto _ : state) {
    Metrics registry;
    IngestMetrics metrics(registry);
    FleetState fleet({.cell = "cells/bench"}, clock, nullptr, metrics);
    FeedTable feed({2, 0});
    const auto checkpoint = *Checkpoint::Open({.folder = folder.path, .name = "fleet"});
    const auto restored = fleet.Restore(*checkpoint);
    if (!restored.ok() || restored->routes != size_t{kBoxes} * kRoutesABox) abort();
    for (std::vector<EncodedEntry> changes = fleet.TakeChanges(); !changes.empty(); changes = fleet.TakeChanges()) {
      if (!feed.Apply({2, feed.position().version + 1}, std::move(changes)).ok()) abort();
    }
  }
}

BENCHMARK(BM_HeartbeatTaken)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_HeartbeatPublished)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CheckpointStep)->Unit(benchmark::kMillisecond);
BENCHMARK(BM_CheckpointOfEverything)->Unit(benchmark::kMillisecond)->Iterations(3);
BENCHMARK(BM_StartFromCheckpoint)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace fairlead::ingest

BENCHMARK_MAIN();
