#include "tests/bench/prefix_beside_writer.h"

#include <time.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/types/span.h"
#include "libs/net/prefix.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

using Goal = BenchRow::Goal;

constexpr uint64_t kSeed = 43;
constexpr size_t kGroup = 32;  // Lookups between two renewals of the pin.
constexpr int kRounds = 7;
constexpr int kPasses = 4;  // Over all addresses, a round.
constexpr size_t kFlapping = 50'000;
constexpr size_t kWatched = 4'000;  // Changes, half of them withdrawals.

double WallSeconds() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void Flap(LpmTable& table, const LpmRoute& route) {
  if (!table.Erase(route.prefix).ok() || !table.Insert(route.prefix, route.leaf).ok()) std::abort();
}

// Withdraws routes and announces them again at full speed, on a thread of its own, as long as it lives.
class Writer {
 public:
  Writer(LpmTable& table, absl::Span<const LpmRoute> routes) : thread_([this, &table, routes] { Change(table, routes); }) {
    while (changes() == 0) {
    }
  }
  ~Writer() {
    stop_ = true;
    thread_.join();
  }
  uint64_t changes() const { return changes_.load(std::memory_order_relaxed); }

 private:
  void Change(LpmTable& table, absl::Span<const LpmRoute> routes) {
    for (size_t i = 0; !stop_.load(std::memory_order_relaxed); i = i + 1 < routes.size() ? i + 1 : 0) {
      Flap(table, routes[i]);
      changes_.store(changes() + 2, std::memory_order_relaxed);
    }
  }

  std::atomic<bool> stop_ = false;
  std::atomic<uint64_t> changes_ = 0;
  std::thread thread_;  // Last: it uses the others.
};

// Looks one address up again and again, on a thread of its own, until it finds what it waits for; says when.
class Watcher {
 public:
  explicit Watcher(const LpmTable& table) : thread_([this, &table] { Watch(table); }) {}
  ~Watcher() {
    asked_ = kEnd;
    thread_.join();
  }

  // Returns when it is looking.
  void Start(const IpAddress& address, LpmMatch before) {
    address_ = address;
    before_ = before;
    asked_.store(++turn_, std::memory_order_release);
    while (looking_.load(std::memory_order_acquire) != turn_) {
    }
  }
  // When the first lookup that found another match than before was done.
  double Await() const {
    while (done_.load(std::memory_order_acquire) != turn_) {
    }
    return seen_at_;
  }

 private:
  static constexpr uint64_t kEnd = ~uint64_t{0};

  void Watch(const LpmTable& table) {
    const LpmTable::Reader reader(table);
    const LpmTable::Pin pin(reader);
    uint64_t done = 0;
    for (uint64_t turn; (turn = asked_.load(std::memory_order_acquire)) != kEnd;) {
      if (turn == done) continue;
      if (pin.LongestMatch(address_) != before_) std::abort();
      looking_.store(turn, std::memory_order_release);
      do {
        pin.Renew();
      } while (pin.LongestMatch(address_) == before_);
      seen_at_ = WallSeconds();
      done_.store(done = turn, std::memory_order_release);
    }
  }

  // Each side writes its own only while the other waits for it.
  IpAddress address_;
  LpmMatch before_;
  double seen_at_ = 0;
  uint64_t turn_ = 0;
  std::atomic<uint64_t> asked_ = 0;
  std::atomic<uint64_t> looking_ = 0;
  std::atomic<uint64_t> done_ = 0;
  std::thread thread_;
};

class BesideWriter {
 public:
  BesideWriter(LpmTable& table, const std::vector<LpmRoute>& routes, const std::vector<IpAddress>& addresses, Rows& rows)
      : table_(table), routes_(routes), v6_(addresses.front().is_v6()), found_(addresses.size()), rows_(rows) {
    for (const IpAddress& address : addresses) {
      keys4_.push_back(address.v4());
      keys6_.push_back({address.high(), address.low()});
    }
    SeededRandom random(kSeed);
    while (flapping_.size() < kFlapping) flapping_.push_back(routes_[random.Below(routes_.size())]);
  }

  void Run() {
    Measure();
    Report();
    Visible();
  }

 private:
  // Of one reader, without a writer and beside one.
  struct Read {
    std::vector<double> bulk;
    std::vector<double> one;
    std::vector<double> group;  // A renewal and kGroup single lookups.
    std::vector<double> changes;
  };

  template <typename Group>
  double Pass(Group&& group) {
    const LpmTable::Reader reader(table_);
    const LpmTable::Pin pin(reader);
    const double start = WallSeconds();
    for (int pass = 0; pass < kPasses; ++pass) {
      for (size_t i = 0; i + kGroup <= found_.size(); i += kGroup) {
        pin.Renew();
        group(pin, i);
      }
    }
    return WallSeconds() - start;
  }
  void Bulk(const LpmTable::Pin& pin, size_t at) {
    v6_ ? pin.LongestMatches6(absl::MakeConstSpan(&keys6_[at], kGroup), &found_[at])
        : pin.LongestMatches4(absl::MakeConstSpan(&keys4_[at], kGroup), &found_[at]);
  }
  void One(const LpmTable::Pin& pin, size_t at) {
    if (v6_) {
      for (size_t i = at; i < at + kGroup; ++i) found_[i] = pin.LongestMatch6(keys6_[i]);
    } else {
      for (size_t i = at; i < at + kGroup; ++i) found_[i] = pin.LongestMatch4(keys4_[i]);
    }
  }

  void Measure() {
    for (int round = 0; round < kRounds; ++round) {
      MeasureRead(alone_);
      const double start = WallSeconds();
      for (const LpmRoute& route : flapping_) Flap(table_, route);
      alone_.changes.push_back(2 * static_cast<double>(flapping_.size()) / (WallSeconds() - start));
      const Writer writer(table_, flapping_);
      const double begin = WallSeconds();
      const uint64_t before = writer.changes();
      MeasureRead(beside_);
      beside_.changes.push_back(static_cast<double>(writer.changes() - before) / (WallSeconds() - begin));
    }
  }
  void MeasureRead(Read& read) {
    const double lookups = 1e-6 * kPasses * static_cast<double>(found_.size());
    read.bulk.push_back(lookups / Pass([this](const LpmTable::Pin& pin, size_t at) { Bulk(pin, at); }));
    read.one.push_back(lookups / Pass([this](const LpmTable::Pin& pin, size_t at) { One(pin, at); }));
    Pass([&](const LpmTable::Pin& pin, size_t at) {
      const double start = WallSeconds();
      One(pin, at);
      read.group.push_back(1e6 * (WallSeconds() - start));
    });
  }
  void Report() {
    rows_.Add({Name("bulk beside a writer"), Median(beside_.bulk), "M/s", Median(alone_.bulk)});
    rows_.Add({Name("one beside a writer"), Median(beside_.one), "M/s", Median(alone_.one)});
    rows_.Add({Name("32 single lookups beside a writer, p99"), Quantile(beside_.group, 0.99), "us", Quantile(alone_.group, 0.99)});
    rows_.Add({Name("changes beside a reader"), Median(beside_.changes), "/s", Median(alone_.changes)});
  }

  // From before a change to behind the first lookup of another thread that finds what it changed.
  void Visible() {
    std::vector<double> took;
    const LpmTable::Reader own(table_);
    Watcher watcher(table_);
    for (size_t i = 0; took.size() < kWatched; ++i) {
      const LpmRoute& route = flapping_[i % flapping_.size()];
      const IpAddress& address = route.prefix.address();
      const LpmMatch there(route.prefix.length(), route.leaf);
      if (LpmTable::Pin(own).LongestMatch(address) != there) continue;  // A longer one hides it.
      watcher.Start(address, there);
      double start = WallSeconds();
      if (!table_.Erase(route.prefix).ok()) std::abort();
      took.push_back(1e6 * (watcher.Await() - start));
      watcher.Start(address, LpmTable::Pin(own).LongestMatch(address));
      start = WallSeconds();
      if (!table_.Insert(route.prefix, route.leaf).ok()) std::abort();
      took.push_back(1e6 * (watcher.Await() - start));
    }
    rows_.Add({Name("change seen by another thread's lookup, p99"), Quantile(took, 0.99), "us", kNothing, Goal::kValueAtMost, 1000});
    rows_.Add({Name("change seen by another thread's lookup, max"), *std::max_element(took.begin(), took.end()), "us", kNothing,
               Goal::kValueAtMost, 1000});
  }

  std::string Name(const char* what) const { return std::string(v6_ ? "v6 " : "v4 ") + what; }

  LpmTable& table_;
  const std::vector<LpmRoute>& routes_;
  const bool v6_;
  std::vector<uint32_t> keys4_;
  std::vector<LpmKey6> keys6_;
  std::vector<LpmRoute> flapping_;
  std::vector<LpmMatch> found_;
  Read alone_;
  Read beside_;
  Rows& rows_;
};

}  // namespace

void MeasureBesideWriter(LpmTable& table, const std::vector<LpmRoute>& routes, const std::vector<IpAddress>& addresses, Rows& rows) {
  BesideWriter(table, routes, addresses, rows).Run();
}

}  // namespace fairlead
