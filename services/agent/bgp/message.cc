#include "services/agent/bgp/message.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "services/agent/bgp/byte_reader.h"

namespace fairlead::agent::bgp {
namespace {

constexpr uint8_t kCapabilityParameter = 2;
constexpr uint8_t kCapabilityMultiprotocol = 1;
constexpr uint8_t kCapabilityFourOctetAsn = 65;
constexpr uint8_t kCapabilityAddPath = 69;
constexpr uint8_t kAddPathReceive = 1;
constexpr uint8_t kAddPathSend = 2;

constexpr uint16_t kAfiIpv4 = 1;
constexpr uint16_t kAfiIpv6 = 2;
constexpr uint8_t kSafiUnicast = 1;

enum AttributeType : uint8_t {
  kOrigin = 1,
  kAsPath = 2,
  kNextHop = 3,
  kMed = 4,
  kLocalPref = 5,
  kCommunities = 8,
  kMpReach = 14,
  kMpUnreach = 15,
  kLargeCommunities = 32,
};
constexpr uint8_t kFlagExtendedLength = 0x10;

absl::Status Malformed(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("BGP message: ", what));
}

// What the attributes of one message say before they are put together.
struct RawAttributes {
  PathAttributes attributes;
  std::vector<RouteKey> mp_announced;
  std::string mp_next_hop;
  std::vector<RouteKey> mp_withdrawn;
  bool has_mp_reach = false;
  std::optional<AddressFamily> mp_unreach_family;
  int count = 0;
};

absl::StatusOr<std::vector<RouteKey>> DecodeRoutes(absl::string_view bytes, AddressFamily family, bool add_path) {
  const int most_bits = family == AddressFamily::kIpv4 ? 32 : 128;
  std::vector<RouteKey> routes;
  ByteReader reader(bytes);
  while (!reader.empty()) {
    RouteKey key;
    if (add_path) key.path_id = reader.U32();
    const int length = reader.U8();
    if (length > most_bits) return Malformed(absl::StrCat("prefix length ", length, " is above ", most_bits));
    std::string address(reader.Bytes((length + 7) / 8));
    if (!reader.ok()) return Malformed("a prefix is cut off");
    address.resize(most_bits / 8, '\0');
    // An IPv4-mapped IPv6 prefix folds to IPv4 and is no IPv6 route.
    const auto parsed = IpAddress::FromBytes(address);
    if (!parsed.ok() || parsed->family() != family) continue;
    key.prefix = Prefix::Of(*parsed, length);
    routes.push_back(key);
  }
  return routes;
}

absl::StatusOr<AsPath> DecodeAsPath(absl::string_view bytes) {
  AsPath path;
  ByteReader reader(bytes);
  while (!reader.empty()) {
    const uint8_t kind = reader.U8();
    const int count = reader.U8();
    if (kind < 1 || kind > 4) return Malformed(absl::StrCat("AS path segment type ", int{kind}));
    AsPathSegment segment;
    segment.kind = static_cast<AsPathSegment::Kind>(kind);
    for (int i = 0; i < count; ++i) segment.asns.push_back(reader.U32());
    if (!reader.ok()) return Malformed("an AS path segment is cut off");
    path.push_back(std::move(segment));
  }
  return path;
}

absl::StatusOr<std::optional<AddressFamily>> DecodeFamily(ByteReader& reader) {
  const uint16_t afi = reader.U16();
  const uint8_t safi = reader.U8();
  if (!reader.ok()) return Malformed("address family is cut off");
  std::optional<AddressFamily> family;
  if (safi == kSafiUnicast && afi == kAfiIpv4) family = AddressFamily::kIpv4;
  if (safi == kSafiUnicast && afi == kAfiIpv6) family = AddressFamily::kIpv6;
  return family;  // None: a family that was not asked for, to be skipped.
}

bool AddPath(const Encoding& encoding, AddressFamily family) {
  return family == AddressFamily::kIpv4 ? encoding.add_path_v4 : encoding.add_path_v6;
}

absl::Status DecodeMpReach(absl::string_view value, const Encoding& encoding, RawAttributes& raw) {
  ByteReader reader(value);
  ASSIGN_OR_RETURN(const std::optional<AddressFamily> family, DecodeFamily(reader));
  const size_t next_hop_size = reader.U8();
  const absl::string_view next_hop = reader.Bytes(next_hop_size);
  reader.U8();  // Reserved.
  if (!reader.ok()) return Malformed("MP_REACH_NLRI is cut off");
  if (!family) return absl::OkStatus();
  if (next_hop_size != 4 && next_hop_size != 16 && next_hop_size != 32)
    return Malformed(absl::StrCat("next hop of ", next_hop_size, " bytes"));
  raw.mp_next_hop = std::string(next_hop.substr(0, next_hop_size == 4 ? 4 : 16));
  raw.has_mp_reach = true;
  ASSIGN_OR_RETURN(raw.mp_announced, DecodeRoutes(reader.Bytes(reader.size()), *family, AddPath(encoding, *family)));
  return absl::OkStatus();
}

absl::Status DecodeMpUnreach(absl::string_view value, const Encoding& encoding, RawAttributes& raw) {
  ByteReader reader(value);
  ASSIGN_OR_RETURN(const std::optional<AddressFamily> family, DecodeFamily(reader));
  if (!family) return absl::OkStatus();
  raw.mp_unreach_family = family;
  ASSIGN_OR_RETURN(raw.mp_withdrawn, DecodeRoutes(reader.Bytes(reader.size()), *family, AddPath(encoding, *family)));
  return absl::OkStatus();
}

absl::StatusOr<uint32_t> DecodeNumber(absl::string_view value, absl::string_view name) {
  if (value.size() != 4) return Malformed(absl::StrCat(name, " of ", value.size(), " bytes"));
  return ByteReader(value).U32();
}

absl::Status DecodeAttribute(uint8_t type, absl::string_view value, const Encoding& encoding, RawAttributes& raw) {
  PathAttributes& attributes = raw.attributes;
  ByteReader reader(value);
  switch (type) {
    case kOrigin:
      if (value.size() != 1 || static_cast<uint8_t>(value[0]) > 2) return Malformed("ORIGIN is not 0, 1 or 2");
      attributes.origin = static_cast<RouteOrigin>(value[0]);
      return absl::OkStatus();
    case kAsPath: {
      ASSIGN_OR_RETURN(attributes.as_path, DecodeAsPath(value));
      return absl::OkStatus();
    }
    case kNextHop:
      if (value.size() != 4) return Malformed(absl::StrCat("NEXT_HOP of ", value.size(), " bytes"));
      attributes.next_hop = std::string(value);
      return absl::OkStatus();
    case kMed: {
      ASSIGN_OR_RETURN(attributes.med, DecodeNumber(value, "MULTI_EXIT_DISC"));
      return absl::OkStatus();
    }
    case kLocalPref: {
      ASSIGN_OR_RETURN(attributes.local_pref, DecodeNumber(value, "LOCAL_PREF"));
      return absl::OkStatus();
    }
    case kCommunities:
      if (value.size() % 4 != 0) return Malformed(absl::StrCat("COMMUNITIES of ", value.size(), " bytes"));
      while (!reader.empty()) attributes.communities.push_back(reader.U32());
      return absl::OkStatus();
    case kLargeCommunities:
      if (value.size() % 12 != 0) return Malformed(absl::StrCat("LARGE_COMMUNITY of ", value.size(), " bytes"));
      while (!reader.empty()) {
        const uint32_t a = reader.U32(), b = reader.U32(), c = reader.U32();
        attributes.large_communities.push_back({a, b, c});
      }
      return absl::OkStatus();
    case kMpReach:
      return DecodeMpReach(value, encoding, raw);
    case kMpUnreach:
      return DecodeMpUnreach(value, encoding, raw);
    default:
      return absl::OkStatus();
  }
}

absl::StatusOr<RawAttributes> DecodeAttributes(absl::string_view bytes, const Encoding& encoding) {
  RawAttributes raw;
  ByteReader reader(bytes);
  while (!reader.empty()) {
    const uint8_t flags = reader.U8();
    const uint8_t type = reader.U8();
    const size_t length = flags & kFlagExtendedLength ? reader.U16() : reader.U8();
    const absl::string_view value = reader.Bytes(length);
    if (!reader.ok()) return Malformed("a path attribute is cut off");
    RETURN_IF_ERROR(DecodeAttribute(type, value, encoding, raw));
    ++raw.count;
  }
  return raw;
}

void DecodeCapability(uint8_t code, absl::string_view value, Open& open) {
  ByteReader reader(value);
  if (code == kCapabilityFourOctetAsn && value.size() == 4) {
    open.four_octet_asn = true;
    open.asn = reader.U32();
  } else if (code == kCapabilityMultiprotocol && value.size() == 4) {
    const uint16_t afi = reader.U16();
    reader.U8();
    const bool unicast = reader.U8() == kSafiUnicast;
    if (unicast && afi == kAfiIpv4) open.multiprotocol_v4 = true;
    if (unicast && afi == kAfiIpv6) open.multiprotocol_v6 = true;
  } else if (code == kCapabilityAddPath) {
    while (reader.size() >= 4) {
      const uint16_t afi = reader.U16();
      const bool unicast = reader.U8() == kSafiUnicast;
      const uint8_t directions = reader.U8();
      if (!unicast) continue;
      if (afi == kAfiIpv4) {
        open.add_path_receive_v4 = directions & kAddPathReceive;
        open.add_path_send_v4 = directions & kAddPathSend;
      } else if (afi == kAfiIpv6) {
        open.add_path_receive_v6 = directions & kAddPathReceive;
        open.add_path_send_v6 = directions & kAddPathSend;
      }
    }
  }
}

}  // namespace

absl::StatusOr<Header> DecodeHeader(absl::string_view bytes) {
  ByteReader reader(bytes);
  const absl::string_view marker = reader.Bytes(16);
  const size_t length = reader.U16();
  const uint8_t type = reader.U8();
  if (!reader.ok()) return Malformed("header is cut off");
  if (std::any_of(marker.begin(), marker.end(), [](char c) { return static_cast<uint8_t>(c) != 0xff; }))
    return Malformed("marker is not all ones");
  if (length < kHeaderSize || length > kMaxMessageSize) return Malformed(absl::StrCat("length ", length, " is not in [19, 4096]"));
  if (type < 1 || type > 5) return Malformed(absl::StrCat("type ", int{type}));
  return Header{static_cast<MessageType>(type), length};
}

absl::StatusOr<Open> DecodeOpen(absl::string_view body) {
  ByteReader reader(body);
  Open open;
  const uint8_t version = reader.U8();
  open.asn = reader.U16();
  open.hold_time_seconds = reader.U16();
  open.router_id = reader.U32();
  ByteReader parameters(reader.Bytes(reader.U8()));
  if (!reader.ok()) return Malformed("OPEN is cut off");
  if (version != 4) return Malformed(absl::StrCat("version ", int{version}, " is not 4"));
  while (!parameters.empty()) {
    const uint8_t type = parameters.U8();
    ByteReader capabilities(parameters.Bytes(parameters.U8()));
    if (!parameters.ok()) return Malformed("an OPEN parameter is cut off");
    if (type != kCapabilityParameter) continue;
    while (!capabilities.empty()) {
      const uint8_t code = capabilities.U8();
      const absl::string_view value = capabilities.Bytes(capabilities.U8());
      if (!capabilities.ok()) return Malformed("a capability is cut off");
      DecodeCapability(code, value, open);
    }
  }
  return open;
}

absl::StatusOr<Update> DecodeUpdate(absl::string_view body, const Encoding& encoding) {
  ByteReader reader(body);
  const absl::string_view withdrawn = reader.Bytes(reader.U16());
  const absl::string_view attributes = reader.Bytes(reader.U16());
  if (!reader.ok()) return Malformed("UPDATE is cut off");
  const absl::string_view announced = reader.Bytes(reader.size());

  ASSIGN_OR_RETURN(RawAttributes raw, DecodeAttributes(attributes, encoding));
  Update update;
  ASSIGN_OR_RETURN(update.withdrawn, DecodeRoutes(withdrawn, AddressFamily::kIpv4, encoding.add_path_v4));
  update.withdrawn.insert(update.withdrawn.end(), raw.mp_withdrawn.begin(), raw.mp_withdrawn.end());
  ASSIGN_OR_RETURN(std::vector<RouteKey> v4_routes, DecodeRoutes(announced, AddressFamily::kIpv4, encoding.add_path_v4));
  if (!v4_routes.empty()) {
    if (raw.attributes.next_hop.empty()) return Malformed("UPDATE announces routes without NEXT_HOP");
    update.announced.push_back({raw.attributes, std::move(v4_routes)});
  }
  if (!raw.mp_announced.empty()) {
    raw.attributes.next_hop = raw.mp_next_hop;
    update.announced.push_back({std::move(raw.attributes), std::move(raw.mp_announced)});
  }
  const bool nothing = update.withdrawn.empty() && update.announced.empty() && !raw.has_mp_reach;
  if (nothing && raw.count == 0) update.end_of_rib = AddressFamily::kIpv4;
  if (nothing && raw.count == 1 && raw.mp_unreach_family) update.end_of_rib = raw.mp_unreach_family;
  return update;
}

Notification DecodeNotification(absl::string_view body) {
  ByteReader reader(body);
  const uint8_t code = reader.U8();
  return {code, reader.U8()};
}

}  // namespace fairlead::agent::bgp
