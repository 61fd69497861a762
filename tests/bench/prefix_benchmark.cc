// The prefix table beside DPDK's rte_fib and rte_fib6, in one process, on one full Internet table and the same addresses: lookups a
// second, size, build time, cost of a change, wrong answers. The real table of $FAIRLEAD_DATA if it is there, else a generated one; it says
// which.
//
//   ./run bench prefix [--json FILE]
//
// Each row has its baseline from the same run. Rounds of theirs and ours alternate; the figures are medians of CPU time. "one" is a lookup
// a call, "bulk" 32 a call. The goals of lookups are set against DPDK's with AVX-512: where the processor has none, the rows say that their
// baseline is the scalar one, and these goals can be missed but not met. Rows that say "beside a writer" or "seen by another thread" are of
// two threads, and of wall clock (prefix_beside_writer.h).
#include <rte_eal.h>
#include <rte_fib.h>
#include <rte_fib6.h>
#include <sched.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/net/ip_address.h"
#include "libs/net/lpm_table.h"
#include "libs/net/prefix.h"
#include "tests/bench/prefix_beside_writer.h"
#include "tests/bench/rows.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

using Goal = BenchRow::Goal;

constexpr uint64_t kSeed = 42;
constexpr size_t kAddresses = 1 << 20;
constexpr size_t kBulk = 32;
constexpr int kRounds = 11;
constexpr int kBuildRounds = 5;
constexpr size_t kClients = 1'000'000;
constexpr size_t kChanges = 100'000;
// Tables of 256 words that DPDK may use for what is longer than a /24. It refuses routes long before it has used as many.
constexpr uint32_t kTbl8V4 = 1 << 11;
constexpr uint32_t kTbl8V6 = 1'000'000;
constexpr int kCheckRounds = 10;  // Of kAddresses, a family: more than 10^7.

double Seconds(const std::function<void()>& work) {
  const double start = CpuSeconds();
  work();
  return CpuSeconds() - start;
}

// What DPDK's lookup structure uses of what it takes: 2^24 words, and a table of 256 for each /24, /32, /40, … that has a longer prefix.
size_t DpdkBytes(const std::vector<LpmRoute>& routes) {
  absl::flat_hash_set<Prefix> tables;
  for (const LpmRoute& route : routes) {
    for (int length = 24; length < route.prefix.length(); length += 8) tables.insert(Prefix::Of(route.prefix.address(), length));
  }
  return sizeof(uint32_t) * ((size_t{1} << 24) + 256 * tables.size());
}

std::vector<LpmRoute> Routes() {
  const char* folder = std::getenv("FAIRLEAD_DATA");
  const std::string path = absl::StrCat(folder == nullptr ? "" : folder, "/bart-prefixes.txt.gz");
  absl::StatusOr<std::vector<Prefix>> prefixes = ReadPrefixes(path);
  if (prefixes.ok()) {
    std::printf("TABLE real: %zu prefixes of %s\n", prefixes->size(), path.c_str());
    std::sort(prefixes->begin(), prefixes->end());
  } else {
    std::printf("TABLE generated (%s): 901899 + 160147 prefixes\n", std::string(prefixes.status().message()).c_str());
    prefixes = RouteGenerator(kSeed).Table(901'899, 160'147);
  }
  // Every prefix has a leaf of its own: the most there can be.
  std::vector<LpmRoute> routes;
  for (const Prefix& prefix : *prefixes) routes.push_back({prefix, static_cast<uint32_t>(routes.size())});
  return routes;
}

// DPDK's next hop 0 is "no match"; a leaf is one more.
class Dpdk {
 public:
  // It binds this thread to one processor, and with it all threads that are started later, until Unbind().
  static void Start() {
    sched_getaffinity(0, sizeof(processors_), &processors_);
    // The flags of a machine without huge pages of its own and with AVX-512 allowed.
    std::array<std::string, 7> words = {"prefix",       "--no-huge", "--no-pci", "--no-shconf", "-m6144", "--force-max-simd-bitwidth=512",
                                        "--log-level=1"};
    std::array<char*, 7> arguments;
    for (size_t i = 0; i < words.size(); ++i) arguments[i] = words[i].data();
    if (rte_eal_init(static_cast<int>(arguments.size()), arguments.data()) < 0) Die("rte_eal_init");
  }

  static void Unbind() { sched_setaffinity(0, sizeof(processors_), &processors_); }

  ~Dpdk() {
    rte_fib_free(v4_);
    rte_fib6_free(v6_);
  }

  void Build4(const std::vector<LpmRoute>& routes) {
    rte_fib_conf conf = {};
    conf.type = RTE_FIB_DIR24_8;
    conf.max_routes = 2'000'000;
    conf.dir24_8.nh_sz = RTE_FIB_DIR24_8_4B;
    conf.dir24_8.num_tbl8 = kTbl8V4;
    v4_ = rte_fib_create("v4", 0, &conf);
    if (v4_ == nullptr) Die("rte_fib_create");
    vector4_ = rte_fib_select_lookup(v4_, RTE_FIB_LOOKUP_DIR24_8_VECTOR_AVX512) == 0;
    SetAll(routes);
  }
  void Build6(const std::vector<LpmRoute>& routes) {
    rte_fib6_conf conf = {};
    conf.type = RTE_FIB6_TRIE;
    conf.max_routes = 500'000;
    conf.trie.nh_sz = RTE_FIB6_TRIE_4B;
    conf.trie.num_tbl8 = kTbl8V6;
    v6_ = rte_fib6_create("v6", 0, &conf);
    if (v6_ == nullptr) Die("rte_fib6_create");
    vector6_ = rte_fib6_select_lookup(v6_, RTE_FIB6_LOOKUP_TRIE_VECTOR_AVX512) == 0;
    SetAll(routes);
  }
  void Set(const LpmRoute& route) {
    const IpAddress& at = route.prefix.address();
    const auto length = static_cast<uint8_t>(route.prefix.length());
    if ((at.is_v4() ? rte_fib_add(v4_, at.v4(), length, route.leaf + 1) : rte_fib6_add(v6_, Bytes(at).data(), length, route.leaf + 1)) !=
        0) {
      Die("rte_fib_add");
    }
  }
  void Erase(const Prefix& prefix) {
    const auto length = static_cast<uint8_t>(prefix.length());
    const IpAddress& at = prefix.address();
    if ((at.is_v4() ? rte_fib_delete(v4_, at.v4(), length) : rte_fib6_delete(v6_, Bytes(at).data(), length)) != 0) Die("rte_fib_delete");
  }
  rte_fib* v4() const { return v4_; }
  rte_fib6* v6() const { return v6_; }
  // Whether its lookups are those with AVX-512: it refuses to select them on a processor without, and goes on with the scalar ones.
  bool vector(bool v6) const { return v6 ? vector6_ : vector4_; }

  static std::array<uint8_t, 16> Bytes(const IpAddress& address) {
    std::array<uint8_t, 16> bytes = {};
    const std::string text = address.ToBytes();
    std::copy(text.begin(), text.end(), bytes.begin());
    return bytes;
  }

 private:
  void SetAll(const std::vector<LpmRoute>& routes) {
    for (const LpmRoute& route : routes) Set(route);
  }
  [[noreturn]] static void Die(const char* what) {
    std::fprintf(stderr, "DPDK: %s failed\n", what);
    std::exit(1);
  }
  static inline cpu_set_t processors_;
  rte_fib* v4_ = nullptr;
  rte_fib6* v6_ = nullptr;
  bool vector4_ = false;
  bool vector6_ = false;
};

// One stream of addresses in the forms that each side wants.
struct Stream {
  std::vector<uint32_t> v4;
  std::vector<LpmKey6> v6;
  std::vector<std::array<uint8_t, 16>> v6_bytes;

  explicit Stream(const std::vector<IpAddress>& addresses) {
    for (const IpAddress& address : addresses) {
      v4.push_back(address.v4());
      v6.push_back({address.high(), address.low()});
      v6_bytes.push_back(Dpdk::Bytes(address));
    }
  }
};

std::vector<IpAddress> Addresses(const std::string& kind, const std::vector<LpmRoute>& routes, bool v6, uint64_t seed) {
  RouteGenerator generator(seed);
  const auto in_prefix = [&] { return generator.AddressIn(routes[generator.random().Below(routes.size())].prefix); };
  std::vector<IpAddress> addresses;
  std::vector<IpAddress> clients;
  if (kind == "Zipf") {
    while (clients.size() < kClients) clients.push_back(in_prefix());
  }
  while (addresses.size() < kAddresses) {
    if (kind == "uniform") {
      // In IPv6 of 2000::/3: all else is nobody's.
      addresses.push_back(v6 ? IpAddress::V6(uint64_t{1} << 61 | generator.random().Next() >> 3, generator.random().Next())
                             : IpAddress::V4(static_cast<uint32_t>(generator.random().Next())));
    } else if (kind == "in-prefix") {
      addresses.push_back(in_prefix());
    } else if (kind == "Zipf") {
      // Rank k with weight 1/k.
      const double uniform = static_cast<double>(generator.random().Next() >> 11) * 0x1p-53;
      const auto rank = static_cast<size_t>(std::exp(uniform * std::log(static_cast<double>(kClients) + 1)));
      addresses.push_back(clients[std::min(rank, kClients) - 1]);
    } else {
      addresses.push_back(generator.AddressIn(routes[addresses.size() % routes.size()].prefix));
    }
  }
  return addresses;
}

// What the goals ask of a stream, if anything.
struct Wanted {
  std::string kind;
  double bulk4;
  double one4;
  double bulk6;
};
const std::array<Wanted, 4> kStreams = {
    Wanted{"uniform", 1.15, 3, kNothing}, {"in-prefix", 1.15, 3, 1.5}, {"Zipf", 1, 3, 1.2}, {"sequential", kNothing, kNothing, kNothing}};

class Bench {
 public:
  explicit Bench(Rows& rows) : rows_(rows) {}

  void Run() {
    for (const LpmRoute& route : Routes()) (route.prefix.address().is_v4() ? routes4_ : routes6_).push_back(route);
    Dpdk::Start();
    Build();
    Size();
    for (const Wanted& wanted : kStreams) Lookups(wanted, false);
    for (const Wanted& wanted : kStreams) Lookups(wanted, true);
    Changes(false);
    Changes(true);
    Dpdk::Unbind();
    for (const bool v6 : {false, true}) {
      const std::vector<LpmRoute>& routes = v6 ? routes6_ : routes4_;
      MeasureBesideWriter(*table_, routes, Addresses("in-prefix", routes, v6, kSeed + 3), rows_);
    }
    Wrong();
  }

 private:
  // Every round builds both, each side's from nothing; the last ones stay.
  void Build() {
    std::array<std::vector<double>, 4> seconds;
    for (int round = 0; round < kBuildRounds; ++round) {
      dpdk_.reset();
      table_.reset();
      dpdk_ = std::make_unique<Dpdk>();
      seconds[0].push_back(Seconds([&] { dpdk_->Build4(routes4_); }));
      seconds[1].push_back(Seconds([&] { dpdk_->Build6(routes6_); }));
      for (const bool v6 : {false, true}) {
        seconds[2 + v6].push_back(Seconds([&] {
          table_ = LpmTable::Create().value();
          if (!table_->Build(v6 ? routes6_ : routes4_).ok()) std::abort();
        }));
      }
    }
    std::vector<LpmRoute> all = routes4_;
    all.insert(all.end(), routes6_.begin(), routes6_.end());
    table_ = LpmTable::Create().value();
    if (!table_->Build(all).ok()) std::abort();
    const auto lookup = [this](bool v6) { return dpdk_->vector(v6) ? "AVX-512" : "scalar"; };
    std::printf("LOOKUP of rte_fib: %s, of rte_fib6: %s\n", lookup(false), lookup(true));
    const std::array<double, 4> ms = {1e3 * Median(seconds[0]), 1e3 * Median(seconds[1]), 1e3 * Median(seconds[2]),
                                      1e3 * Median(seconds[3])};
    rows_.Add({"v4 build", ms[2], "ms", ms[0]});
    rows_.Add({"v6 build", ms[3], "ms", ms[1]});
    rows_.Add({"both built", ms[2] + ms[3], "ms", ms[0] + ms[1], Goal::kRatioAtMost, 0.5});
  }

  void Size() {
    for (const bool v6 : {false, true}) {
      const LpmTable::Size size = table_->SizeOf(v6 ? AddressFamily::kIpv6 : AddressFamily::kIpv4);
      const auto per = [&](size_t bytes) { return static_cast<double>(bytes) / static_cast<double>(size.routes); };
      const std::string family = v6 ? "v6 " : "v4 ";
      rows_.Add({family + "size, all of it", per(size.lookup + size.reserve + size.store), "B/prefix", kNothing, Goal::kValueAtMost,
                 v6 ? 40. : 80.});
      rows_.Add({family + "size, lookup structure", per(size.lookup + size.reserve), "B/prefix", per(DpdkBytes(v6 ? routes6_ : routes4_))});
      rows_.Add({family + "size, writer's routes", per(size.store), "B/prefix"});
    }
  }

  void Lookups(const Wanted& wanted, bool v6) {
    const Stream stream(Addresses(wanted.kind, v6 ? routes6_ : routes4_, v6, kSeed + 1));
    std::vector<LpmMatch> found(kAddresses);
    std::vector<uint64_t> theirs(kAddresses);
    const LpmTable::Reader reader(*table_);
    rte_fib* const fib4 = dpdk_->v4();
    rte_fib6* const fib6 = dpdk_->v6();
    auto* const keys4 = const_cast<uint32_t*>(stream.v4.data());
    auto* const keys6 = reinterpret_cast<uint8_t(*)[16]>(const_cast<uint8_t*>(stream.v6_bytes.data()->data()));
    const std::array<std::function<void()>, 4> work = {
        [&] {
          for (size_t i = 0; i < kAddresses; i += kBulk) {
            v6 ? rte_fib6_lookup_bulk(fib6, keys6 + i, &theirs[i], kBulk) : rte_fib_lookup_bulk(fib4, keys4 + i, &theirs[i], kBulk);
          }
        },
        [&] {
          const LpmTable::Pin pin(reader);
          for (size_t i = 0; i < kAddresses; i += kBulk) {
            pin.Renew();
            v6 ? pin.LongestMatches6(absl::MakeConstSpan(&stream.v6[i], kBulk), &found[i])
               : pin.LongestMatches4(absl::MakeConstSpan(&stream.v4[i], kBulk), &found[i]);
          }
        },
        [&] {
          for (size_t i = 0; i < kAddresses; ++i) {
            v6 ? rte_fib6_lookup_bulk(fib6, keys6 + i, &theirs[i], 1) : rte_fib_lookup_bulk(fib4, keys4 + i, &theirs[i], 1);
          }
        },
        [&] {
          const LpmTable::Pin pin(reader);
          const uint32_t* const from4 = stream.v4.data();
          const LpmKey6* const from6 = stream.v6.data();
          LpmMatch* const to = found.data();
          if (v6) {
            for (size_t i = 0; i < kAddresses; ++i) to[i] = pin.LongestMatch6(from6[i]);
          } else {
            for (size_t i = 0; i < kAddresses; ++i) to[i] = pin.LongestMatch4(from4[i]);
          }
        }};
    std::array<std::vector<double>, 4> seconds;
    for (int round = 0; round < kRounds; ++round) {
      for (size_t i = 0; i < work.size(); ++i) seconds[i].push_back(Seconds(work[i]));
    }
    std::array<double, 4> rate;
    for (size_t i = 0; i < work.size(); ++i) rate[i] = 1e-6 * static_cast<double>(kAddresses) / Median(seconds[i]);
    const std::string name = absl::StrCat(v6 ? "v6 " : "v4 ", wanted.kind);
    const auto kind = [](double goal) { return std::isnan(goal) ? Goal::kNone : Goal::kRatioAtLeast; };
    const double bulk = v6 ? wanted.bulk6 : wanted.bulk4;
    const double one = v6 ? kNothing : wanted.one4;
    const bool scalar = !dpdk_->vector(v6);
    const std::string beside = scalar ? ", beside the scalar one" : "";
    rows_.Add({name + ", bulk" + beside, rate[1], "M/s", rate[0], kind(bulk), bulk, kNothing, scalar});
    rows_.Add({name + ", one" + beside, rate[3], "M/s", rate[2], kind(one), one, kNothing, scalar});
  }

  // Withdraws and announces again, as a flapping neighbour does; both sides the same prefixes.
  void Changes(bool v6) {
    const std::vector<LpmRoute>& routes = v6 ? routes6_ : routes4_;
    SeededRandom random(kSeed + 2);
    std::vector<LpmRoute> picked;
    while (picked.size() < kChanges / 2) picked.push_back(routes[random.Below(routes.size())]);
    double slowest = 0;
    std::vector<double> ours;
    std::vector<double> theirs;
    for (int round = 0; round < 3; ++round) {
      theirs.push_back(Seconds([&] {
        for (const LpmRoute& route : picked) {
          dpdk_->Erase(route.prefix);
          dpdk_->Set(route);
        }
      }));
      ours.push_back(Seconds([&] {
        for (const LpmRoute& route : picked) {
          if (!table_->Erase(route.prefix).ok() || !table_->Insert(route.prefix, route.leaf).ok()) std::abort();
        }
      }));
    }
    for (const LpmRoute& route : picked) {
      const double one = Seconds([&] { (void)table_->Erase(route.prefix); });
      const double other = Seconds([&] { (void)table_->Insert(route.prefix, route.leaf); });
      slowest = std::max({slowest, one, other});
    }
    const std::string family = v6 ? "v6 " : "v4 ";
    const double changes = static_cast<double>(kChanges);
    rows_.Add({family + "changes", changes / Median(ours), "/s", changes / Median(theirs), Goal::kValueAtLeast, 300'000});
    rows_.Add({family + "slowest of them, the writer's own CPU", 1e6 * slowest, "us", kNothing, Goal::kValueAtMost, 1000});
  }

  void Wrong() {
    for (const bool v6 : {false, true}) {
      size_t wrong = 0;
      for (int round = 0; round < kCheckRounds; ++round) {
        const std::vector<IpAddress> addresses =
            Addresses(round % 2 == 0 ? "in-prefix" : "uniform", v6 ? routes6_ : routes4_, v6, kSeed + 10 + static_cast<uint64_t>(round));
        const Stream stream(addresses);
        std::vector<uint64_t> theirs(kAddresses);
        std::vector<LpmMatch> found(kAddresses);
        const LpmTable::Reader reader(*table_);
        const LpmTable::Pin pin(reader);
        pin.LongestMatches(addresses, found.data());
        auto* const keys6 = reinterpret_cast<uint8_t(*)[16]>(const_cast<uint8_t*>(stream.v6_bytes.data()->data()));
        v6 ? rte_fib6_lookup_bulk(dpdk_->v6(), keys6, theirs.data(), kAddresses)
           : rte_fib_lookup_bulk(dpdk_->v4(), const_cast<uint32_t*>(stream.v4.data()), theirs.data(), kAddresses);
        for (size_t i = 0; i < kAddresses; ++i) wrong += (found[i].found() ? found[i].leaf() + 1 : 0) != theirs[i];
      }
      rows_.Add({v6 ? "v6 answers unlike DPDK's in 10^7" : "v4 answers unlike DPDK's in 10^7", static_cast<double>(wrong), "", kNothing,
                 Goal::kValueAtMost, 0});
    }
  }

  std::vector<LpmRoute> routes4_;
  std::vector<LpmRoute> routes6_;
  std::unique_ptr<Dpdk> dpdk_;
  std::unique_ptr<LpmTable> table_;
  Rows& rows_;
};

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  fairlead::Rows rows;
  fairlead::Bench(rows).Run();
  return rows.WriteJson(fairlead::JsonFileOf(argc, argv)) ? 0 : 1;
}
