#include "tests/generator/mrt.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <limits>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "bzlib.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/file.h"
#include "zlib.h"

namespace fairlead {
namespace {

constexpr size_t kMostPacked = size_t{1} << 30;
constexpr size_t kMostUnpacked = size_t{8} << 30;
constexpr size_t kStep = size_t{1} << 20;

// Big-endian numbers; what isn't there is zero, and remembered.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}
  template <typename T>
  T Number() {
    uint64_t value = 0;
    for (const char byte : Bytes(sizeof(T))) value = value << 8 | static_cast<unsigned char>(byte);
    return static_cast<T>(value);
  }
  absl::string_view Bytes(size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const absl::string_view taken = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return taken;
  }
  bool ok() const { return ok_; }
  size_t left() const { return rest_.size(); }

 private:
  absl::string_view rest_;
  bool ok_ = true;
};

// ---- Unpacking ----

absl::StatusOr<std::string> Unzip(const std::string& packed, bool& cut) {
  z_stream stream = {};
  if (inflateInit2(&stream, 15 + 16) != Z_OK) return absl::ResourceExhaustedError("no memory for zlib");
  const std::unique_ptr<z_stream, int (*)(z_stream*)> end(&stream, inflateEnd);
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  stream.avail_in = static_cast<uInt>(packed.size());
  std::string out;
  int code = Z_OK;
  while (code == Z_OK && out.size() < kMostUnpacked) {
    const size_t before = out.size();
    out.resize(before + kStep);
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
    stream.avail_out = static_cast<uInt>(kStep);
    code = inflate(&stream, Z_NO_FLUSH);
    out.resize(out.size() - stream.avail_out);
    if (code == Z_STREAM_END && stream.avail_in > 0) code = inflateReset(&stream);  // Another member follows.
  }
  cut = code != Z_STREAM_END;
  return out;
}

absl::StatusOr<std::string> Unbzip(const std::string& packed, bool& cut) {
  bz_stream stream = {};
  if (BZ2_bzDecompressInit(&stream, 0, 0) != BZ_OK) return absl::ResourceExhaustedError("no memory for bzip2");
  const std::unique_ptr<bz_stream, int (*)(bz_stream*)> end(&stream, BZ2_bzDecompressEnd);
  stream.next_in = const_cast<char*>(packed.data());
  stream.avail_in = static_cast<unsigned>(packed.size());
  std::string out;
  int code = BZ_OK;
  bool got = true;
  while (code == BZ_OK && got && out.size() < kMostUnpacked) {
    const size_t before = out.size();
    out.resize(before + kStep);
    stream.next_out = out.data() + before;
    stream.avail_out = static_cast<unsigned>(kStep);
    code = BZ2_bzDecompress(&stream);
    out.resize(out.size() - stream.avail_out);
    got = out.size() > before || stream.avail_in > 0;
  }
  cut = code != BZ_STREAM_END;
  return out;
}

// ---- MRT ----

constexpr uint16_t kTableDumpV2 = 13;
constexpr uint16_t kPeerIndexTable = 1;
constexpr uint16_t kRibIpv4Unicast = 2;
constexpr uint16_t kRibIpv6Unicast = 4;

bool ReadPeers(Reader in, std::vector<uint32_t>& peer_as) {
  in.Bytes(4);                      // The collector.
  in.Bytes(in.Number<uint16_t>());  // The name of the view.
  for (size_t count = in.Number<uint16_t>(); count > 0 && in.ok(); --count) {
    const uint8_t type = in.Number<uint8_t>();
    in.Bytes(4 + ((type & 1) != 0 ? 16 : 4));
    peer_as.push_back((type & 2) != 0 ? in.Number<uint32_t>() : in.Number<uint16_t>());
  }
  return in.ok();
}

bool ReadAsPath(Reader in, std::vector<uint32_t>& path) {
  while (in.left() > 0) {
    const uint8_t type = in.Number<uint8_t>();
    const uint8_t count = in.Number<uint8_t>();
    constexpr uint8_t kSet = 1;
    for (uint8_t i = 0; i < count && in.ok(); ++i) {
      const uint32_t as = in.Number<uint32_t>();
      if (type != kSet || i == 0) path.push_back(as);
    }
  }
  return in.ok();
}

bool ReadAttributes(Reader in, MrtRoute& route) {
  constexpr uint8_t kExtended = 0x10;
  constexpr uint8_t kAsPath = 2;
  constexpr uint8_t kMed = 4;
  while (in.left() > 0) {
    const uint8_t flags = in.Number<uint8_t>();
    const uint8_t type = in.Number<uint8_t>();
    Reader value(in.Bytes((flags & kExtended) != 0 ? in.Number<uint16_t>() : in.Number<uint8_t>()));
    if (!in.ok()) return false;
    if (type == kAsPath && !ReadAsPath(value, route.as_path)) return false;
    if (type == kMed) route.med = value.Number<uint32_t>();
  }
  return in.ok();
}

bool ReadRib(Reader in, bool v4, size_t peers, MrtPrefix& out) {
  in.Bytes(4);  // A serial number.
  const size_t bits = v4 ? 32 : 128;
  const uint8_t length = in.Number<uint8_t>();
  if (length > bits) return false;
  std::string address(in.Bytes((length + 7u) / 8u));
  address.resize(bits / 8, '\0');
  if (!in.ok()) return false;
  Reader words(address);
  const uint64_t high = v4 ? 0 : words.Number<uint64_t>();
  out.prefix = Prefix::Of(v4 ? IpAddress::V4(words.Number<uint32_t>()) : IpAddress::V6(high, words.Number<uint64_t>()), length);
  if (out.prefix.address().is_v4() != v4) return false;  // IPv4-mapped.
  for (size_t count = in.Number<uint16_t>(); count > 0 && in.ok(); --count) {
    MrtRoute route = {.peer = in.Number<uint16_t>()};
    in.Bytes(4);  // Since when.
    const uint16_t size = in.Number<uint16_t>();
    if (!ReadAttributes(Reader(in.Bytes(size)), route) || route.peer >= peers) return false;
    out.routes.push_back(std::move(route));
  }
  return in.ok();
}

}  // namespace

absl::StatusOr<MrtTable> ParseMrt(absl::string_view bytes) {
  MrtTable table;
  absl::flat_hash_set<Prefix> seen;
  size_t records = 0;
  while (!bytes.empty()) {
    Reader head(bytes.substr(0, 12));
    head.Bytes(4);  // When.
    const uint16_t type = head.Number<uint16_t>();
    const uint16_t subtype = head.Number<uint16_t>();
    const uint32_t length = head.Number<uint32_t>();
    if (!head.ok() || length > bytes.size() - 12) {
      table.cut = true;
      break;
    }
    const Reader body(bytes.substr(12, length));
    bytes.remove_prefix(12 + length);
    ++records;
    MrtPrefix prefix;
    const bool rib = type == kTableDumpV2 && (subtype == kRibIpv4Unicast || subtype == kRibIpv6Unicast);
    if (type == kTableDumpV2 && subtype == kPeerIndexTable && table.peer_as.empty()) {
      if (!ReadPeers(body, table.peer_as)) return absl::InvalidArgumentError("its list of peers is cut");
    } else if (rib && ReadRib(body, subtype == kRibIpv4Unicast, table.peer_as.size(), prefix) && seen.insert(prefix.prefix).second) {
      table.entries += prefix.routes.size();
      table.prefixes.push_back(std::move(prefix));
    } else {
      ++table.left_out;
    }
  }
  if (table.prefixes.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no unicast table of TABLE_DUMP_V2 among its ", records, " MRT records"));
  }
  return table;
}

absl::StatusOr<MrtTable> ReadMrt(const std::string& path) {
  ASSIGN_OR_RETURN(std::string bytes, ReadFile(path, kMostPacked));
  bool cut = false;
  if (absl::StartsWith(bytes, "\x1f\x8b")) {
    ASSIGN_OR_RETURN(bytes, Unzip(bytes, cut));
  } else if (absl::StartsWith(bytes, "BZh")) {
    ASSIGN_OR_RETURN(bytes, Unbzip(bytes, cut));
  }
  auto table = ParseMrt(bytes);
  if (!table.ok()) return absl::Status(table.status().code(), absl::StrCat(path, ": ", table.status().message()));
  table->cut |= cut;
  return table;
}

std::vector<WorldPrefix> WorldPrefixesOf(const std::vector<MrtTable>& tables) {
  std::vector<WorldPrefix> prefixes;
  absl::flat_hash_map<Prefix, size_t> known;
  uint32_t first_peer = 0;
  for (const MrtTable& table : tables) {
    for (const MrtPrefix& from : table.prefixes) {
      const auto [at, is_new] = known.try_emplace(from.prefix, prefixes.size());
      if (is_new) prefixes.push_back({.prefix = from.prefix});
      WorldPrefix& to = prefixes[at->second];
      size_t shortest = std::numeric_limits<size_t>::max();
      for (const MrtRoute& route : from.routes) {
        if (route.as_path.empty()) continue;
        to.paths.push_back({.peer = first_peer + route.peer,
                            .neighbour_as = route.as_path.front(),
                            .as_path_length = static_cast<uint16_t>(route.as_path.size()),
                            .med = route.med.value_or(0)});
        if (route.as_path.size() < shortest) {
          shortest = route.as_path.size();
          to.origin_as = route.as_path.back();
        }
      }
    }
    first_peer += static_cast<uint32_t>(table.peer_as.size());
  }
  return prefixes;
}

}  // namespace fairlead
