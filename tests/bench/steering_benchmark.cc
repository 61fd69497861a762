// What a steering decision costs, on a generated table shaped like the Internet's: the prefix match beside a hash table a length, the
// decision beside the match it begins with.
//
//   ./run bench steering
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "libs/base/ids.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/decide.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

constexpr uint64_t kSeed = 42;
constexpr size_t kPrefixesV4 = 200'000;
constexpr size_t kPrefixesV6 = 40'000;
constexpr size_t kClients = 1 << 16;  // A power of two.
constexpr int kSites = 200;
constexpr int kBoxesPerSite = 4;
constexpr int kTitles = 500;
constexpr int kFilesPerTitle = 4;

const std::vector<Prefix>& Prefixes() {
  static const auto* const prefixes = new std::vector<Prefix>(RouteGenerator(kSeed).Table(kPrefixesV4, kPrefixesV6));
  return *prefixes;
}

// Addresses inside prefixes of the table, of the family asked for.
std::vector<IpAddress> Clients(bool v6) {
  RouteGenerator generator(kSeed + 1);
  std::vector<IpAddress> clients;
  while (clients.size() < kClients) {
    const Prefix& prefix = Prefixes()[generator.random().Below(Prefixes().size())];
    if (prefix.address().is_v6() == v6) clients.push_back(generator.AddressIn(prefix));
  }
  return clients;
}

// The baseline: the plainest exact table there is, one hash lookup for each length that occurs, longest first.
class HashPerLength {
 public:
  void Insert(const Prefix& prefix, uint32_t value) {
    tables_[prefix.address().is_v6()][static_cast<size_t>(prefix.length())].emplace(prefix, value);
  }
  std::optional<uint32_t> LongestMatch(const IpAddress& address) const {
    const auto& tables = tables_[address.is_v6()];
    for (int length = address.bits(); length >= 0; --length) {
      const auto& table = tables[static_cast<size_t>(length)];
      if (table.empty()) continue;
      if (const auto found = table.find(Prefix::Of(address, length)); found != table.end()) return found->second;
    }
    return std::nullopt;
  }

 private:
  std::array<std::array<absl::flat_hash_map<Prefix, uint32_t>, 129>, 2> tables_;
};

void BM_MatchBaseline(benchmark::State& state) {
  HashPerLength table;
  for (uint32_t i = 0; i < Prefixes().size(); ++i) table.Insert(Prefixes()[i], i);
  const std::vector<IpAddress> clients = Clients(state.range(0) == 6);
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.LongestMatch(clients[next++ % kClients]));
}

void BM_Match(benchmark::State& state) {
  PrefixTable<uint32_t> table;
  for (uint32_t i = 0; i < Prefixes().size(); ++i) table.Insert(Prefixes()[i], i);
  const std::vector<IpAddress> clients = Clients(state.range(0) == 6);
  size_t next = 0;
  for (auto _ : state) benchmark::DoNotOptimize(table.LongestMatch(clients[next++ % kClients]));
}

std::string BoxName(int site, int box) {
  return absl::StrCat("oca-", site, "-", box);
}

void AddSite(int site, SteeringInputs& inputs) {
  const bool ix = site % 10 == 0;
  const SiteId id(absl::StrCat("site-", site));
  inputs.sites.push_back(
      {.id = id,
       .kind = ix ? SiteKind::kIx : SiteKind::kEmbedded,
       .at = {.latitude_microdegrees = site % 120 * 1'000'000 - 60'000'000, .longitude_microdegrees = site * 1'700'000 - 170'000'000},
       .open_to_unrouted = ix});
  for (int box = 0; box < kBoxesPerSite; ++box) {
    inputs.appliances.push_back(
        {.id = ApplianceId(BoxName(site, box)),
         .site = id,
         .kind = ApplianceKind::kStorage,
         .endpoints = {{AddressFamily::kIpv4, "http", "192.0.2.1", 80}, {AddressFamily::kIpv6, "http", "2001:db8::1", 80}},
         .capacity_bps = 10'000'000'000,
         .admin = AdminState::kLive,
         .health = HealthState::kOk});
  }
}

// Each prefix is heard at one to six sites; each file is held by half of the boxes of every site.
std::shared_ptr<const SteeringTable> Table() {
  SteeringInputs inputs;
  inputs.version = 1;
  const auto everything = [] {
    auto allowed = std::make_shared<PrefixTable<std::monostate>>();
    for (const char* all : {"0.0.0.0/0", "::/0"}) allowed->Insert(*Prefix::Parse(all), {});
    return allowed;
  }();
  for (int site = 0; site < kSites; ++site) {
    AddSite(site, inputs);
    for (int box = 0; box < kBoxesPerSite; ++box) {
      inputs.sessions.push_back({.id = BgpSessionId(absl::StrCat("s-", site, "-", box)),
                                 .partner = PartnerId("isp"),
                                 .transport = site % 10 == 0 ? TransportClass::kPublicPeering : TransportClass::kEmbedded,
                                 .site = SiteId(absl::StrCat("site-", site)),
                                 .appliance = ApplianceId(BoxName(site, box)),
                                 .allowed = everything});
    }
  }
  RouteGenerator generator(kSeed + 2);
  for (const Prefix& prefix : Prefixes()) {
    const uint64_t heard_at = 1 + generator.random().Below(6);
    for (uint64_t i = 0; i < heard_at; ++i) {
      const uint32_t site = static_cast<uint32_t>(generator.random().Below(kSites));
      const auto path = generator.Path(64'500);
      for (uint32_t box = 0; box < kBoxesPerSite; ++box) {
        inputs.routes.push_back({.prefix = prefix,
                                 .session = site * kBoxesPerSite + box,
                                 .neighbour_as = path.front(),
                                 .med = generator.Med().value_or(0),
                                 .as_path_length = static_cast<uint16_t>(path.size())});
      }
    }
  }
  uint32_t number = 0;
  for (int title = 0; title < kTitles; ++title) {
    VersionView version = {.version = "v1"};
    for (int file = 0; file < kFilesPerTitle; ++file) {
      ++number;
      version.files.push_back(
          {.number = number, .path = absl::StrCat("t-", title, "/v1/r-", file, "/media.mp4"), .rendition = absl::StrCat("r-", file)});
    }
    inputs.titles.push_back({.id = TitleId(absl::StrCat("t-", title)), .current_version = "v1", .versions = {version}});
  }
  for (int parity = 0; parity < 2; ++parity) {
    std::vector<uint32_t> held;
    for (uint32_t file = 1; file <= number; ++file) {
      if ((file / kFilesPerTitle) % 2 == static_cast<uint32_t>(parity)) held.push_back(file);
    }
    const auto set = std::make_shared<const FileSet>(FileSet::Of(held));
    for (int site = 0; site < kSites; ++site) {
      for (int box = parity; box < kBoxesPerSite; box += 2) inputs.holdings.push_back({ApplianceId(BoxName(site, box)), set});
    }
  }
  return *BuildSteeringTable(std::move(inputs));
}

void BM_Decide(benchmark::State& state) {
  static const auto* const table = new std::shared_ptr<const SteeringTable>(Table());
  const std::vector<IpAddress> clients = Clients(state.range(0) == 6);
  std::vector<SteeringRequest> requests(kClients);
  RouteGenerator generator(kSeed + 3);
  for (size_t i = 0; i < kClients; ++i) {
    requests[i].client = clients[i];
    requests[i].max_pathways = 0;  // Only manifests ask for pathways.
    requests[i].title = TitleId(absl::StrCat("t-", generator.random().Below(kTitles)));
  }
  size_t next = 0;
  int64_t urls = 0;
  for (auto _ : state) {
    const SteeringAnswer answer = Decide(**table, requests[next++ % kClients]);
    for (const FileAnswer& file : answer.files) urls += static_cast<int64_t>(file.candidates.size());
  }
  state.counters["urls"] = benchmark::Counter(static_cast<double>(urls), benchmark::Counter::kAvgIterations);
}

BENCHMARK(BM_MatchBaseline)->ArgName("ipv")->Arg(4)->Arg(6);
BENCHMARK(BM_Match)->ArgName("ipv")->Arg(4)->Arg(6);
BENCHMARK(BM_Decide)->ArgName("ipv")->Arg(4)->Arg(6);

}  // namespace
}  // namespace fairlead

BENCHMARK_MAIN();
