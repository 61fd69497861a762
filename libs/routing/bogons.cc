#include "libs/routing/bogons.h"

#include <array>
#include <cstdint>

#include "libs/net/prefix_table.h"

namespace fairlead {
namespace {

constexpr Bogon V4(uint32_t address, int length, absl::string_view name) {
  return {Prefix::Of(IpAddress::V4(address), length), name};
}
constexpr Bogon V6(uint64_t high, int length, absl::string_view name) {
  return {Prefix::Of(IpAddress::V6(high, 0), length), name};
}

// Sources: IANA IPv4 Special-Purpose Address Registry and IPv6 Special-Purpose Address Registry (RFC 6890 and later entries), IANA
// IPv4 Multicast and IPv6 Address Space registries. Left out on purpose: the anycast services that are reachable on the Internet
// but have no clients behind them (AS112, AMT), except where a larger block here holds them.
constexpr std::array kBogons = {
    V4(0x00000000, 8, "RFC 791 this network"),
    V4(0x0a000000, 8, "RFC 1918 private use"),
    V4(0x64400000, 10, "RFC 6598 shared address space"),
    V4(0x7f000000, 8, "RFC 1122 loopback"),
    V4(0xa9fe0000, 16, "RFC 3927 link local"),
    V4(0xac100000, 12, "RFC 1918 private use"),
    V4(0xc0000000, 24, "RFC 6890 IETF protocol assignments"),
    V4(0xc0000200, 24, "RFC 5737 documentation"),
    V4(0xc0586300, 24, "RFC 7526 deprecated 6to4 relay"),
    V4(0xc0a80000, 16, "RFC 1918 private use"),
    V4(0xc6120000, 15, "RFC 2544 benchmarking"),
    V4(0xc6336400, 24, "RFC 5737 documentation"),
    V4(0xcb007100, 24, "RFC 5737 documentation"),
    V4(0xe0000000, 4, "RFC 5771 multicast"),
    V4(0xf0000000, 4, "RFC 1112 reserved"),
    // Outside 2000::/3 nothing is global unicast (RFC 4291 §2.4); the parts that have a name first, then all the rest.
    V6(0x0000000000000000, 8, "RFC 4291 reserved, loopback and IPv4-mapped"),
    V6(0x0064ff9b00000000, 32, "RFC 6052 and RFC 8215 IPv4/IPv6 translation"),
    V6(0x0100000000000000, 64, "RFC 6666 discard only"),
    V6(0x5f00000000000000, 16, "RFC 9602 segment routing"),
    V6(0xfc00000000000000, 7, "RFC 4193 unique local"),
    V6(0xfe80000000000000, 10, "RFC 4291 link local"),
    V6(0xfec0000000000000, 10, "RFC 3879 deprecated site local"),
    V6(0xff00000000000000, 8, "RFC 4291 multicast"),
    V6(0x0000000000000000, 3, "RFC 4291 not global unicast"),
    V6(0x4000000000000000, 2, "RFC 4291 not global unicast"),
    V6(0x8000000000000000, 1, "RFC 4291 not global unicast"),
    // Inside 2000::/3.
    V6(0x2001000000000000, 23, "RFC 2928 IETF protocol assignments"),
    V6(0x2001000000000000, 32, "RFC 4380 Teredo"),
    V6(0x2001000200000000, 48, "RFC 5180 benchmarking"),
    V6(0x2001001000000000, 28, "RFC 4843 deprecated ORCHID"),
    V6(0x2001002000000000, 28, "RFC 7343 ORCHIDv2"),
    V6(0x20010db800000000, 32, "RFC 3849 documentation"),
    V6(0x2002000000000000, 16, "RFC 3056 6to4"),
    V6(0x3ffe000000000000, 16, "RFC 3701 returned 6bone"),
    V6(0x3fff000000000000, 20, "RFC 9637 documentation"),
};

PrefixTable<absl::string_view> MakeTable() {
  PrefixTable<absl::string_view> table;
  for (const Bogon& bogon : kBogons) table.Insert(bogon.prefix, bogon.name);
  return table;
}

}  // namespace

absl::Span<const Bogon> Bogons() {
  return kBogons;
}

std::optional<Bogon> FindBogon(const Prefix& prefix) {
  static const auto& table = *new PrefixTable<absl::string_view>(MakeTable());
  if (const auto match = table.LongestMatch(prefix)) return Bogon{match->prefix, *match->value};
  std::optional<Bogon> inside;
  table.ForEachWithin(prefix, [&inside](const Prefix& at, absl::string_view name) {
    if (!inside.has_value()) inside = Bogon{at, name};
  });
  return inside;
}

}  // namespace fairlead
