// How soon a change is in the answers: from the moment a publisher has accepted it to the first decision that shows it. Real feeds over
// loopback gRPC into steerd's Sources and TableBuilder, a reader that decides; 5,000 changes of routes a second, with health reports and
// drains among them; a router that loses 1,000,000 routes, alone and among such changes; a topology that changes.
//
//   ./run bench publication                  # As much of the whole world as one process holds (see kMostByFeed), some minutes.
//   ./run bench publication --scale 0.01     # A quick look.
//
// All of a publisher, steerd and a reader runs in this process and shares its cores. Above kMostByFeed the cell's store is given its routes
// in this process instead: a snapshot of 50 million entries takes more memory on its way through a feed than this machine has. It is said
// in the rows.
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/published.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/steering/decider.h"
#include "services/steering/fake_sources.h"
#include "services/steering/feed_checkpoint.h"
#include "services/steering/metrics.h"
#include "services/steering/serving_state.h"
#include "services/steering/sources.h"
#include "services/steering/table_builder.h"
#include "tests/bench/publication_world.h"
#include "tests/bench/rows.h"
#include "tests/generator/demand.h"

namespace fairlead {
namespace {

using Goal = BenchRow::Goal;
using SteadyClock = std::chrono::steady_clock;
using Time = SteadyClock::time_point;
using FleetEntries = std::vector<ingest::v1::FleetEntry>;

constexpr double kMostByFeed = 0.05;
constexpr size_t kChangesASecond = 5'000;
constexpr absl::Duration kInterval = absl::Milliseconds(100);  // SteeringServer's.
constexpr auto kBeat = std::chrono::milliseconds(10);
constexpr size_t kAPiece = 20'000;  // Entries in one change of a feed: what ingestd publishes at a time.

double Seconds(SteadyClock::duration duration) {
  return std::chrono::duration<double>(duration).count();
}

// What is being measured: figures are kept apart.
enum Phase : int { kStarting, kQuiet, kChanges, kLoss, kLossAmongChanges, kRebuild, kPhases };

enum class Kind { kRoute, kHealth, kDrain };
constexpr int kKinds = 3;
constexpr const char* kKindNames[] = {"a route", "a health report", "a drain"};

// Something that can be on or off, and is seen by its client's first URL: its box's or not.
struct Probe {
  Kind kind = Kind::kRoute;
  size_t box = 0;  // Of the world.
  Prefix prefix = {};
  DecisionQuery query = {};
  bool on = true;
  std::atomic<bool> pending = false;
  Time accepted = {};
};

// ---- steerd, as much of it as makes tables ----

class Steerd {
 public:
  Steerd(const std::string& registry, const std::string& fill)
      : sources_({.registry = registry, .fill = fill}, clock_), metrics_(registry_), builder_({}, sources_, nullptr, metrics_, serving_) {
    sources_.StartConfig();
    sources_.StartRest();
  }
  ~Steerd() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    sources_.Stop();
  }
  void Tick() { builder_.Tick(clock_.Monotonic()); }
  // As SteeringServer's builder thread.
  void Run() {
    thread_ = std::thread([this] {
      while (!stop_) {
        const Time start = SteadyClock::now();
        const double cpu = CpuSeconds();
        Tick();
        longest_ = std::max(longest_.load(), Seconds(SteadyClock::now() - start));
        costliest_ = std::max(costliest_.load(), CpuSeconds() - cpu);
        ticks_ += 1;
        const absl::Duration took = absl::FromChrono(SteadyClock::now() - start);
        if (!builder_.busy()) Rest(took);
        idle_ = !builder_.busy();
      }
    });
  }
  void Rest(absl::Duration took) {
    const absl::Duration least = LeastRestBehindTick(kInterval, took);
    std::this_thread::sleep_for(absl::ToChronoNanoseconds(least));
    sources_.AwaitNews(RestBehindTick(kInterval, took) - least);
  }
  Sources& sources() { return sources_; }
  std::shared_ptr<const SteeringTable> table() const { return serving_.Get()->table; }
  struct Ticks {
    double longest = 0;    // Seconds.
    double costliest = 0;  // Of CPU.
  };
  Ticks TakeTicks() { return {.longest = longest_.exchange(0), .costliest = costliest_.exchange(0)}; }
  uint64_t ticks() const { return ticks_; }
  bool idle() const { return idle_; }

 private:
  const SystemClock clock_;
  Sources sources_;
  Metrics registry_;
  SteeringMetrics metrics_;
  Published<ServingState> serving_{std::make_shared<const ServingState>()};
  TableBuilder builder_;
  std::thread thread_;
  std::atomic<bool> stop_ = false;
  std::atomic<bool> idle_ = false;
  std::atomic<double> longest_ = 0;
  std::atomic<double> costliest_ = 0;
  std::atomic<uint64_t> ticks_ = 0;
};

// ---- The bench ----

class Bench {
 public:
  Bench(double scale, Rows& rows)
      : by_feed_(scale <= kMostByFeed),
        name_(absl::StrCat(by_feed_ ? "by feed" : "stores given", ", scale ", scale, ": ")),
        rows_(rows),
        world_(scale >= 1 ? WorldOptions() : WorldOptions::Scaled(scale)),
        told_(world_),
        random_(1),
        demand_(world_, 2) {}

  ~Bench() {
    stop_ = true;
    if (reader_.joinable()) reader_.join();
    steerd_.reset();
  }

  bool Run() {
    Load();
    MakeProbes();
    steerd_->Run();
    reader_ = std::thread([this] { Read(); });
    phase_ = kQuiet;
    std::this_thread::sleep_for(std::chrono::seconds(3));
    Change(kChanges, std::chrono::seconds(15));
    Report(kChanges, "under 5,000 changes/s");
    Lose();
    LoseAmongChanges();
    Rebuild();
    SaveToDisk();
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    Add({"memory: publisher and generator included, peak", static_cast<double>(usage.ru_maxrss) * 1'024 / 1e9, "GB", kNothing,
         Goal::kValueAtMost, 6});
    return true;
  }

 private:
  void Add(BenchRow row) {
    row.name = name_ + row.name;
    rows_.Add(std::move(row));
  }

  void Give(FleetEntries entries) {
    if (by_feed_) return sources_.PutFleet(0, entries);
    ++position_.version;
    static_cast<void>(
        cell_->Apply({.snapshot = false, .base = {}, .position = position_, .entries = std::move(entries), .held_entries = 0}));
  }

  // The reader must have left a phase before its figures are read.
  void EndPhase() {
    phase_ = kStarting;
    while (reading_ != kStarting) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }

  void Load() {
    sources_.PutConfig(told_.ConfigEntries(by_feed_ ? sources_.cell_target(0) : "127.0.0.1:1"));
    sources_.PutCatalog({told_.Catalogue()});
    steerd_ = std::make_unique<Steerd>(sources_.registry_target(), sources_.fill_target());
    while (steerd_->sources().cells().empty()) {
      steerd_->Tick();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    cell_ = steerd_->sources().cells()[0];
    Time start = SteadyClock::now();
    Give(told_.CellEntries());
    FleetEntries piece;
    size_t routes = 0;
    const auto flush = [&](size_t least) {
      if (piece.size() < least) return;
      routes += piece.size();
      Give(std::exchange(piece, {}));
    };
    for (size_t i = 0; i < world_.prefixes().size(); ++i) {
      for (const WorldRoute& route : world_.route_sets()[world_.set_of_prefix()[i]])
        piece.push_back(told_.Route(world_.prefixes()[i], route));
      if (i < most_lost_) piece.push_back(told_.LostRoute(world_.prefixes()[i]));
      flush(kAPiece);
    }
    flush(0);
    // Duplicates (one session, one prefix) are one route.
    size_t before = 0;
    while (cell_->routes() == 0 || cell_->routes() != before) {
      before = cell_->routes();
      std::this_thread::sleep_for(std::chrono::milliseconds(1'500));
    }
    Add({"prefixes", static_cast<double>(world_.prefixes().size()), ""});
    Add({"routes held", static_cast<double>(cell_->routes()), ""});
    Add({"load: routes by the way they come", Seconds(SteadyClock::now() - start), "s"});
    Add({"memory: a route in a cell's store", static_cast<double>(cell_->route_bytes()) / static_cast<double>(cell_->routes()), "bytes"});
    start = SteadyClock::now();
    const double cpu = CpuSeconds();
    steerd_->Tick();
    while (steerd_->table() == nullptr) steerd_->Tick();
    Add({"build: the first table of all this", Seconds(SteadyClock::now() - start), "s"});
    Add({"  of it CPU", CpuSeconds() - cpu, "s"});
    Add({"ladders: distinct", static_cast<double>(steerd_->table()->ladders->distinct_ladders()), ""});
  }

  // ---- Probes ----

  // Boxes that stand alone in their prefix's first rank, for as many as are well.
  void MakeProbes() {
    FleetEntries entries;
    size_t sessions = 0;
    for (size_t i = 0; i < world_.sessions().size() && probes_.size() < 70; i += 1 + world_.sessions().size() / 200) {
      const SessionView& session = world_.sessions()[i];
      if (!session.appliance.has_value()) continue;
      size_t box = 0;
      while (world_.appliances()[box].id != *session.appliance) ++box;
      const ApplianceView& view = world_.appliances()[box];
      if (view.admin != AdminState::kLive || view.health != HealthState::kOk || view.use_bps >= view.capacity_bps) continue;
      const Kind kind = sessions % 7 < 4 ? Kind::kRoute : sessions % 7 < 6 ? Kind::kHealth : Kind::kDrain;
      Probe& probe = probes_.emplace_back();
      probe.kind = kind;
      probe.box = box;
      // From 127/8 on nothing of the world's.
      probe.prefix = Prefix::Of(IpAddress::V4(0x7f000000 + static_cast<uint32_t>(sessions++) * 256), 24);
      probe.query = {
          .client = probe.prefix.address(), .file = static_cast<uint32_t>(box % PublicationWorld::kFiles), .spread_key = sessions};
      entries.push_back(told_.Route(probe.prefix, {.session = static_cast<uint32_t>(i), .neighbour_as = 1, .as_path_length = 1}));
      routes_of_probes_.push_back(entries.back());
    }
    Give(entries);
    const Time give_up = SteadyClock::now() + std::chrono::seconds(20);
    while (SteadyClock::now() < give_up && Count(true) < probes_.size()) {
      steerd_->Tick();
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    // Those whose box isn't the first now (its uplink is full) say nothing.
    for (Probe& probe : probes_) probe.pending = !Shows(*steerd_->table(), probe, true);
    useless_ = Pending();
    Add({"probes", static_cast<double>(Count(true)), ""});
  }

  size_t Count(bool on) const {
    const auto table = steerd_->table();
    return static_cast<size_t>(std::count_if(probes_.begin(), probes_.end(), [&](const Probe& probe) { return Shows(*table, probe, on); }));
  }

  size_t Pending() const {
    return static_cast<size_t>(std::count_if(probes_.begin(), probes_.end(), [](const Probe& probe) { return probe.pending.load(); }));
  }

  bool Shows(const SteeringTable& table, const Probe& probe, bool on) const {
    DecisionScratch scratch;
    FileChoice choice;
    Decider(table).Decide(probe.query, scratch, choice);
    const uint32_t box = table.fleet->FindBox(world_.appliances()[probe.box].id);
    return (choice.count > 0 && choice.urls[0].box == box) == on;
  }

  void Toggle(size_t number) {
    Probe& probe = probes_[number];
    if (probe.pending) return;
    probe.on = !probe.on;
    const ApplianceView& box = world_.appliances()[probe.box];
    switch (probe.kind) {
      case Kind::kRoute:
        Give({probe.on ? routes_of_probes_[number] : PublicationWorld::Removal(routes_of_probes_[number])});
        break;
      case Kind::kHealth:
        Give({told_.State(box, probe.on ? HealthState::kOk : HealthState::kSick, ++sequence_)});
        break;
      case Kind::kDrain:
        sources_.PutConfig({told_.Appliance(box, probe.on ? AdminState::kLive : AdminState::kDraining)});
        break;
    }
    probe.accepted = SteadyClock::now();
    probe.pending.store(true, std::memory_order_release);
  }

  // One a second: a configuration changes that often at most.
  void ToggleADrain(size_t turn) {
    std::vector<size_t> drains;
    for (size_t i = 0; i < probes_.size(); ++i) {
      if (probes_[i].kind == Kind::kDrain) drains.push_back(i);
    }
    if (!drains.empty()) Toggle(drains[turn % drains.size()]);
  }

  // ---- The reader ----

  void Read() {
    std::vector<DecisionQuery> queries(4'096);
    for (size_t i = 0; i < queries.size(); ++i) {
      queries[i] = {.client = demand_.ClientInPrefix(i % 4 == 0 ? AddressFamily::kIpv6 : AddressFamily::kIpv4),
                    .file = static_cast<uint32_t>(i % PublicationWorld::kFiles),
                    .spread_key = i};
    }
    std::vector<bool> useful;
    for (const Probe& probe : probes_) useful.push_back(!probe.pending);
    DecisionScratch scratch;
    FileChoice choice;
    for (size_t at = 0; !stop_; at = (at + 64) % queries.size()) {
      const auto table = steerd_->table();
      const Decider decider(*table);
      const Phase phase = phase_;
      reading_ = phase;
      for (size_t i = at; i < at + 64; ++i) {
        const Time start = SteadyClock::now();
        decider.Decide(queries[i], scratch, choice);
        const float took = static_cast<float>(1e6 * Seconds(SteadyClock::now() - start));
        if (decisions_[phase].size() < kMostKept) decisions_[phase].push_back(took);
        if (choice.count == 0) ++empty_[phase];
      }
      for (size_t i = 0; i < probes_.size(); ++i) {
        Probe& probe = probes_[i];
        if (!useful[i] || !probe.pending.load(std::memory_order_acquire) || !Shows(*table, probe, probe.on)) continue;
        const std::lock_guard<std::mutex> lock(mu_);
        latencies_[phase][static_cast<int>(probe.kind)].push_back(1e3 * Seconds(SteadyClock::now() - probe.accepted));
        probe.pending = false;
      }
      std::this_thread::sleep_for(std::chrono::microseconds(200));  // Or it takes a core from what it measures.
    }
  }

  // ---- What changes ----

  void Change(Phase phase, SteadyClock::duration time) {
    phase_ = phase;
    ChangeUntil([end = SteadyClock::now() + time] { return SteadyClock::now() >= end; });
    ticks_ = steerd_->TakeTicks();
    EndPhase();
  }

  // kChangesASecond, with probes among them, until `done()`.
  template <typename Done>
  void ChangeUntil(Done&& done) {
    const Time start = SteadyClock::now();
    size_t beats = 0;
    size_t next = 0;
    sent_ = 0;
    while (!done()) {
      FleetEntries entries;
      for (size_t i = 0; i < kChangesASecond / 100; ++i) {
        const size_t prefix = random_.Below(world_.prefixes().size());
        const WorldRouteSet& set = world_.route_sets()[world_.set_of_prefix()[prefix]];
        if (set.empty()) continue;
        WorldRoute route = set[random_.Below(set.size())];
        route.as_path_length = static_cast<uint16_t>(route.as_path_length + random_.Below(3));
        entries.push_back(told_.Route(world_.prefixes()[prefix], route));
      }
      sent_ += entries.size();
      Give(entries);
      for (int i = 0; i < 2; ++i) {
        const size_t number = next++ % probes_.size();
        if (probes_[number].kind != Kind::kDrain) Toggle(number);
      }
      if (beats % 100 == 0) ToggleADrain(beats / 100);
      ++beats;
      std::this_thread::sleep_until(start + beats * kBeat);
    }
    sent_for_ = Seconds(SteadyClock::now() - start);
  }

  void Report(Phase phase, const std::string& when) {
    const std::lock_guard<std::mutex> lock(mu_);
    Add({absl::StrCat("changes sent a second, ", when), static_cast<double>(sent_) / sent_for_, "1/s"});
    std::vector<double> all;
    for (int kind = 0; kind < kKinds; ++kind) {
      const std::vector<double>& seen = latencies_[phase][kind];
      all.insert(all.end(), seen.begin(), seen.end());
      if (seen.empty()) continue;
      Add({absl::StrCat(kKindNames[kind], " is in the answers, ", when, ": p50 of ", seen.size()), Quantile(seen, 0.5), "ms"});
      Add({absl::StrCat(kKindNames[kind], " is in the answers, ", when, ": p99"), Quantile(seen, 0.99), "ms", kNothing, Goal::kValueAtMost,
           250});
    }
    if (!all.empty()) Add({absl::StrCat("any of them, ", when, ": p99"), Quantile(all, 0.99), "ms", kNothing, Goal::kValueAtMost, 250});
    AddTicks(ticks_, when);
    ReportDecisions(phase, when);
  }

  void AddTicks(const Steerd::Ticks& ticks, const std::string& when) {
    Add({absl::StrCat("longest tick, ", when), 1e3 * ticks.longest, "ms"});
    Add({absl::StrCat("costliest tick, ", when, ": CPU"), 1e3 * ticks.costliest, "ms"});
  }

  void ReportDecisions(Phase phase, const std::string& when) {
    if (decisions_[phase].empty() || decisions_[kQuiet].empty()) return;
    Add({absl::StrCat("a decision, ", when, ", beside none: p99"), Quantile(decisions_[phase], 0.99), "us",
         Quantile(decisions_[kQuiet], 0.99), Goal::kRatioAtMost, 1.25});
    Add({absl::StrCat("empty answers, ", when), static_cast<double>(empty_[phase]), "", kNothing, Goal::kValueAtMost, 0});
  }

  // The router's session has no routes any more in any table that readers get; or routes of it cover all that it lost.
  bool Gone() { return All(false); }
  bool All(bool there) {
    const auto table = steerd_->table();
    const auto of_router = [&](const RouteView& route) {
      return table->ladders->sessions()[route.session].id.value() == PublicationWorld::kLostSession;
    };
    for (; looked_ < Lost(); looked_ += 101) {
      const auto routes = table->ladders->RoutesCovering(world_.prefixes()[looked_].address());
      if (std::any_of(routes.begin(), routes.end(), of_router) != there) return false;
    }
    return true;
  }

  size_t Lost() const { return std::min(most_lost_, world_.prefixes().size()); }
  // The next piece of the router's routes from `from` on goes or comes; returns where it ends.
  size_t GivePiece(size_t from, bool goes) {
    FleetEntries piece;
    size_t at = from;
    for (; at < Lost() && piece.size() < kAPiece; ++at) {
      piece.push_back(told_.LostRoute(world_.prefixes()[at]));
      if (goes) piece.back() = PublicationWorld::Removal(piece.back());
    }
    if (!piece.empty()) Give(std::move(piece));
    return at;
  }

  void Lose() {
    WaitIdle();
    const std::string name = absl::StrCat("a router loses ", Lost(), " routes");
    phase_ = kLoss;
    steerd_->TakeTicks();
    looked_ = 0;
    const Time start = SteadyClock::now();
    for (size_t at = 0; at < Lost();) at = GivePiece(at, true);
    Add({name + ": told", Seconds(SteadyClock::now() - start), "s"});
    while (!Gone()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    Add({name + ": applied", Seconds(SteadyClock::now() - start), "s", kNothing, Goal::kValueAtMost, 5});
    EndPhase();
    AddTicks(steerd_->TakeTicks(), "while they go");
    ReportDecisions(kLoss, "while they go");
  }

  // The same once more, with other changes among it: a piece a beat. What is pending when the last route is gone counts, too.
  void LoseAmongChanges() {
    for (size_t at = 0; at < Lost();) at = GivePiece(at, false);
    looked_ = 0;
    while (!All(true)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    WaitIdle();
    const std::string when = "while they go under 5,000 changes/s";
    phase_ = kLossAmongChanges;
    steerd_->TakeTicks();
    looked_ = 0;
    const Time start = SteadyClock::now();
    size_t at = 0;
    ChangeUntil([&] {
      at = GivePiece(at, true);
      return at == Lost() && Gone();
    });
    Add({absl::StrCat("a router loses ", Lost(), " routes under 5,000 changes/s: applied"), Seconds(SteadyClock::now() - start), "s",
         kNothing, Goal::kValueAtMost, 5});
    ticks_ = steerd_->TakeTicks();
    const Time give_up = SteadyClock::now() + std::chrono::seconds(30);
    while (Pending() > useless_ && SteadyClock::now() < give_up) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    Add({absl::StrCat("changes never seen, ", when), static_cast<double>(Pending() - useless_), "", kNothing, Goal::kValueAtMost, 0});
    EndPhase();
    Report(kLossAmongChanges, when);
  }

  void Rebuild() {
    WaitIdle();
    steerd_->TakeTicks();
    phase_ = kRebuild;
    const Time start = SteadyClock::now();
    sources_.PutConfig(PublicationWorld::NewSite("zz-new"));
    double took = 0;
    ChangeUntil([&] {
      if (steerd_->table()->fleet->FindSite(SiteId("zz-new")) == Fleet::kNone) return false;
      took = Seconds(SteadyClock::now() - start);
      return true;
    });
    ticks_ = steerd_->TakeTicks();
    EndPhase();
    Add({"another topology: all ladders anew, under 5,000 changes/s", took, "s"});
    Report(kRebuild, "while all ladders are made anew");
  }

  // What keeps the copy of the feeds close behind: a first step of all there is, and one of five seconds' changes.
  void SaveToDisk() {
    WaitIdle();
    std::string folder = absl::StrCat(std::filesystem::temp_directory_path().string(), "/fairlead-publication-XXXXXX");
    if (mkdtemp(folder.data()) == nullptr) return;
    {
      FeedCheckpoint checkpoint(folder, steerd_->sources(), clock_);
      // Nothing to be found: what is held stays.
      bool well = checkpoint.Restore().ok();
      Save(checkpoint, "all of the feeds' bulk, to disk", well);
      Add({"  size", static_cast<double>(FeedCheckpoint::BytesOnDisk(folder)) / 1e6, "MB"});
      Change(kStarting, std::chrono::seconds(5));
      const uint64_t before = FeedCheckpoint::BytesOnDisk(folder);
      Save(checkpoint, "what changed of it in 5 s, to disk", well);
      Add({"  size", static_cast<double>(FeedCheckpoint::BytesOnDisk(folder) - before) / 1e6, "MB"});
      Add({"saved without an error", well ? 1.0 : 0.0, "", kNothing, Goal::kValueAtLeast, 1});
    }
    std::filesystem::remove_all(folder);
  }

  // A log that is full waits for its compaction.
  void Save(FeedCheckpoint& checkpoint, const std::string& what, bool& well) {
    const Time start = SteadyClock::now();
    absl::Status saved = checkpoint.Save();
    while (absl::IsResourceExhausted(saved)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
      saved = checkpoint.Save();
    }
    well &= saved.ok();
    Add({what, Seconds(SteadyClock::now() - start), "s"});
  }

  void WaitIdle() {
    const uint64_t ticks = steerd_->ticks() + 3;
    while (steerd_->ticks() < ticks || !steerd_->idle()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }

  static constexpr size_t kMostKept = 20'000'000;

  const bool by_feed_;
  const std::string name_;
  Rows& rows_;
  const World world_;
  const PublicationWorld told_;
  SeededRandom random_;
  Demand demand_;
  const size_t most_lost_ = 1'000'000;
  FakeSources sources_;
  const SystemClock clock_;
  std::unique_ptr<Steerd> steerd_;
  std::shared_ptr<CellStore> cell_;
  std::deque<Probe> probes_;
  FleetEntries routes_of_probes_;
  uint64_t sequence_ = 1;
  FeedPosition position_ = {1, 0};
  size_t sent_ = 0;
  double sent_for_ = 1;
  Steerd::Ticks ticks_;
  size_t looked_ = 0;   // At which of the router's routes All is.
  size_t useless_ = 0;  // Probes that never show anything.

  std::thread reader_;
  std::atomic<bool> stop_ = false;
  std::atomic<Phase> phase_ = kStarting;
  std::atomic<Phase> reading_ = kStarting;  // As the reader knows it.
  std::vector<float> decisions_[kPhases];
  std::atomic<size_t> empty_[kPhases] = {};
  std::mutex mu_;
  std::vector<double> latencies_[kPhases][kKinds];
};

int Run(int argc, char** argv) {
  const double scale = ScaleOf(argc, argv);
  Rows rows;
  if (scale > kMostByFeed) Bench(kMostByFeed, rows).Run();
  Bench(scale, rows).Run();
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Run(argc, argv);
}
