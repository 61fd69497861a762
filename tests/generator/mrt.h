// Routing tables in MRT files (RFC 6396, TABLE_DUMP_V2: what RouteViews and RIPE RIS publish), plain, gzip or bzip2, IPv4 and IPv6:
// prefixes with the path of every peer that has one.
//
// A file may be cut anywhere, as a download or a first megabyte is: what is whole is taken, and `cut` says so.
//
//   ASSIGN_OR_RETURN(const MrtTable table, ReadMrt("rib.20140523.0600.bz2"));
#ifndef FAIRLEAD_TESTS_GENERATOR_MRT_H_
#define FAIRLEAD_TESTS_GENERATOR_MRT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/net/prefix.h"
#include "tests/generator/world.h"

namespace fairlead {

struct MrtRoute {
  uint32_t peer = 0;                   // Index into MrtTable::peer_as.
  std::vector<uint32_t> as_path = {};  // Of a set, its first member: it counts as one hop.
  std::optional<uint32_t> med = {};
};

struct MrtPrefix {
  Prefix prefix = {};
  std::vector<MrtRoute> routes = {};
};

struct MrtTable {
  std::vector<uint32_t> peer_as;
  std::vector<MrtPrefix> prefixes;  // As they come; each once.
  size_t entries = 0;               // Routes of all of them.
  size_t left_out = 0;              // Records that aren't unicast tables, or contradict themselves.
  bool cut = false;
};

// NOT_FOUND if it can't be read; INVALID_ARGUMENT if it isn't MRT, or isn't what its compression says.
absl::StatusOr<MrtTable> ReadMrt(const std::string& path);

// Of bytes that are unpacked already.
absl::StatusOr<MrtTable> ParseMrt(absl::string_view bytes);

// The routes of several files as a world takes them: peers are told apart by file and number.
std::vector<WorldPrefix> WorldPrefixesOf(const std::vector<MrtTable>& tables);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_GENERATOR_MRT_H_
