#include "tests/generator/routes.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/routing/bogons.h"

namespace fairlead {
namespace {

struct Share {
  int length;
  uint32_t count;
};

// Prefixes of each length in a full table of 2024 (901,899 IPv4, 160,147 IPv6), the rarest left out.
constexpr std::array kV4Shares = {Share{8, 16},     Share{9, 13},     Share{10, 38},    Share{11, 103},   Share{12, 299},
                                  Share{13, 581},   Share{14, 1203},  Share{15, 2100},  Share{16, 13490}, Share{17, 8235},
                                  Share{18, 13798}, Share{19, 24870}, Share{20, 42611}, Share{21, 50750}, Share{22, 108623},
                                  Share{23, 96510}, Share{24, 537698}};
constexpr std::array kV6Shares = {Share{20, 16},    Share{24, 30},   Share{28, 193},   Share{29, 4371}, Share{30, 650},  Share{31, 284},
                                  Share{32, 22548}, Share{33, 2926}, Share{34, 2603},  Share{35, 1043}, Share{36, 5996}, Share{37, 880},
                                  Share{38, 1617},  Share{39, 1377}, Share{40, 13418}, Share{41, 903},  Share{42, 2301}, Share{43, 1001},
                                  Share{44, 14365}, Share{45, 1553}, Share{46, 3039},  Share{47, 3153}, Share{48, 75488}};

template <size_t N>
int PickLength(const std::array<Share, N>& shares, SeededRandom& random) {
  uint64_t total = 0;
  for (const Share& share : shares) total += share.count;
  uint64_t draw = random.Below(total);
  for (const Share& share : shares) {
    if (draw < share.count) return share.length;
    draw -= share.count;
  }
  return shares.back().length;
}

}  // namespace

uint64_t SeededRandom::Next() {
  uint64_t x = state_ += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t SeededRandom::Below(uint64_t bound) {
  return static_cast<uint64_t>((static_cast<unsigned __int128>(Next()) * bound) >> 64);
}

int RouteGenerator::Length(AddressFamily family) {
  return family == AddressFamily::kIpv4 ? PickLength(kV4Shares, random_) : PickLength(kV6Shares, random_);
}

IpAddress RouteGenerator::Address(AddressFamily family) {
  if (family == AddressFamily::kIpv4) return IpAddress::V4(static_cast<uint32_t>(random_.Next()));
  // Real IPv6 fills a small part of 2000::/3: the blocks of the registries.
  constexpr std::array<uint64_t, 6> kBlocks = {0x2001, 0x2400, 0x2600, 0x2800, 0x2a00, 0x2c00};
  const uint64_t high = (kBlocks[random_.Below(kBlocks.size())] + random_.Below(16)) << 48 | random_.Next() >> 16;
  return IpAddress::V6(high, random_.Next());
}

IpAddress RouteGenerator::AddressIn(const Prefix& prefix) {
  const IpAddress last = prefix.last();
  const uint64_t free_high = prefix.address().high() ^ last.high();
  const uint64_t free_low = prefix.address().low() ^ last.low();
  const uint64_t high = prefix.address().high() | (random_.Next() & free_high);
  const uint64_t low = prefix.address().low() | (random_.Next() & free_low);
  return prefix.address().is_v4() ? IpAddress::V4(static_cast<uint32_t>(high >> 32)) : IpAddress::V6(high, low);
}

Prefix RouteGenerator::NewPrefix(AddressFamily family, const std::vector<Prefix>& so_far) {
  const int length = Length(family);
  // Half of the real table lies inside another of its prefixes. Most prefixes are too long to hold one, so several are tried.
  const bool nested = !so_far.empty() && random_.OneIn(2);
  for (int attempt = 0; nested && attempt < 16; ++attempt) {
    const Prefix& around = so_far[random_.Below(so_far.size())];
    if (around.length() < length) return Prefix::Of(AddressIn(around), length);
  }
  return Prefix::Of(Address(family), length);
}

std::vector<Prefix> RouteGenerator::Table(size_t v4, size_t v6) {
  std::vector<Prefix> table;
  absl::flat_hash_set<Prefix> seen;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    std::vector<Prefix> of_family;
    const size_t wanted = family == AddressFamily::kIpv4 ? v4 : v6;
    while (of_family.size() < wanted) {
      const Prefix prefix = NewPrefix(family, of_family);
      if (!FindBogon(prefix).has_value() && seen.insert(prefix).second) of_family.push_back(prefix);
    }
    table.insert(table.end(), of_family.begin(), of_family.end());
  }
  std::sort(table.begin(), table.end());
  return table;
}

std::vector<uint32_t> RouteGenerator::Path(uint32_t neighbour) {
  std::vector<uint32_t> path = {neighbour};
  // Half of the longest possible four times out of five: lengths tie all the time.
  const uint64_t hops = random_.OneIn(5) ? random_.Below(6) : random_.Below(3);
  for (uint64_t i = 0; i < hops; ++i) {
    const bool prepends = random_.OneIn(8);
    path.push_back(prepends ? path.back() : static_cast<uint32_t>(1'000 * path.size() + random_.Below(900) + 100));
  }
  return path;
}

std::optional<uint32_t> RouteGenerator::Med() {
  if (random_.Below(10) >= 4) return std::nullopt;
  return random_.OneIn(4) ? static_cast<uint32_t>(random_.Below(1'000)) : static_cast<uint32_t>(10 * random_.Below(3));
}

std::vector<GeneratedRoute> RouteGenerator::PartnerRoutes(const PartnerRoutesOptions& options) {
  absl::flat_hash_set<Prefix> seen;
  std::vector<GeneratedRoute> routes;
  const auto add = [&](const Prefix& prefix) {
    if (routes.size() >= options.count || !seen.insert(prefix).second) return;
    routes.push_back({.prefix = prefix, .as_path = Path(options.asn), .med = Med()});
  };
  for (const Prefix& aggregate : options.aggregates) add(aggregate);
  // So many attempts, because a small aggregate runs out of more-specifics.
  for (size_t attempt = 0; attempt < 20 * options.count && routes.size() < options.count && !options.aggregates.empty(); ++attempt) {
    const Prefix& aggregate = options.aggregates[random_.Below(options.aggregates.size())];
    const int longest = aggregate.family() == AddressFamily::kIpv4 ? options.longest_v4 : options.longest_v6;
    const int length = std::min(Length(aggregate.family()), longest);
    if (length > aggregate.length()) add(Prefix::Of(AddressIn(aggregate), length));
  }
  std::sort(routes.begin(), routes.end(), [](const GeneratedRoute& a, const GeneratedRoute& b) { return a.prefix < b.prefix; });
  return routes;
}

absl::StatusOr<std::vector<Prefix>> ReadPrefixes(const std::string& path) {
  if (access(path.c_str(), R_OK) != 0) return absl::NotFoundError(absl::StrCat("'", path, "' can't be read"));
  std::vector<Prefix> prefixes;
  const std::string command = absl::StrCat(absl::EndsWith(path, ".gz") ? "gzip -dc '" : "cat '", path, "'");
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::array<char, 256> line;
  while (pipe != nullptr && std::fgets(line.data(), line.size(), pipe.get()) != nullptr) {
    const absl::string_view text = absl::StripAsciiWhitespace(line.data());  // The lines of the real table end in CR LF.
    ASSIGN_OR_RETURN(const Prefix prefix, Prefix::Parse(text, absl::StrCat(path, " line ", prefixes.size() + 1)));
    prefixes.push_back(prefix);
  }
  return prefixes;
}

std::string BirdStaticConfig(const std::vector<GeneratedRoute>& routes, absl::string_view name) {
  std::string config;
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const bool v4 = family == AddressFamily::kIpv4;
    absl::StrAppend(&config, "protocol static ", name, v4 ? "_v4" : "_v6", " {\n  ", v4 ? "ipv4" : "ipv6", ";\n");
    for (const GeneratedRoute& route : routes) {
      if (route.prefix.family() != family) continue;
      absl::StrAppend(&config, "  route ", route.prefix.ToString(), " blackhole {");
      // Prepending puts the last one first.
      for (size_t i = route.as_path.size(); i > 1; --i) absl::StrAppend(&config, " bgp_path.prepend(", route.as_path[i - 1], ");");
      if (route.med.has_value()) absl::StrAppend(&config, " bgp_med = ", *route.med, ";");
      absl::StrAppend(&config, " };\n");
    }
    absl::StrAppend(&config, "}\n");
  }
  // Setting it to its own value marks it as meant for the neighbour.
  absl::StrAppend(&config, "filter ", name,
                  "_export {\n  if source != RTS_STATIC then reject;\n  if defined(bgp_med) then bgp_med = bgp_med;\n  accept;\n}\n");
  return config;
}

}  // namespace fairlead
