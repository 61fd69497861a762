// The writing half of message.h.
#include <string>

#include "absl/strings/str_cat.h"
#include "services/agent/bgp/message.h"

namespace fairlead::agent::bgp {
namespace {

void Put(std::string& out, uint64_t value, int bytes) {
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) out.push_back(static_cast<char>(value >> shift));
}

std::string Message(MessageType type, const std::string& body) {
  std::string out(16, '\xff');
  Put(out, kHeaderSize + body.size(), 2);
  Put(out, static_cast<uint8_t>(type), 1);
  return out + body;
}

void PutCapability(std::string& out, uint8_t code, const std::string& value) {
  Put(out, 2, 1);  // Parameter: capabilities, one each.
  Put(out, 2 + value.size(), 1);
  Put(out, code, 1);
  Put(out, value.size(), 1);
  out += value;
}

std::string FamilyBytes(uint16_t afi) {
  std::string out;
  Put(out, afi, 2);
  Put(out, 1, 2);  // Reserved and SAFI unicast.
  return out;
}

void PutAddPath(std::string& out, uint16_t afi, bool receive, bool send) {
  if (!receive && !send) return;
  Put(out, afi, 2);
  Put(out, 1, 1);
  Put(out, (receive ? 1 : 0) + (send ? 2 : 0), 1);
}

std::string RouteBytes(const std::vector<RouteKey>& routes, bool add_path) {
  std::string out;
  for (const RouteKey& route : routes) {
    if (add_path) Put(out, route.path_id, 4);
    Put(out, route.prefix.length(), 1);
    out += route.prefix.address().ToBytes().substr(0, (route.prefix.length() + 7) / 8);
  }
  return out;
}

void PutAttribute(std::string& out, uint8_t flags, uint8_t type, const std::string& value) {
  Put(out, flags | 0x10, 1);  // Always with a two-byte length.
  Put(out, type, 1);
  Put(out, value.size(), 2);
  out += value;
}

void PutAttributes(std::string& out, const PathAttributes& attributes) {
  PutAttribute(out, 0x40, 1, std::string(1, static_cast<char>(attributes.origin)));
  std::string path;
  for (const AsPathSegment& segment : attributes.as_path) {
    Put(path, static_cast<uint8_t>(segment.kind), 1);
    Put(path, segment.asns.size(), 1);
    for (const uint32_t asn : segment.asns) Put(path, asn, 4);
  }
  PutAttribute(out, 0x40, 2, path);
  std::string number;
  if (attributes.med) {
    Put(number, *attributes.med, 4);
    PutAttribute(out, 0x80, 4, number);
  }
  if (attributes.local_pref) {
    number.clear();
    Put(number, *attributes.local_pref, 4);
    PutAttribute(out, 0x40, 5, number);
  }
  std::string communities;
  for (const uint32_t community : attributes.communities) Put(communities, community, 4);
  if (!communities.empty()) PutAttribute(out, 0xc0, 8, communities);
  std::string large;
  for (const LargeCommunity& community : attributes.large_communities) {
    for (const uint32_t part : community) Put(large, part, 4);
  }
  if (!large.empty()) PutAttribute(out, 0xc0, 32, large);
}

bool IsV6(const std::vector<RouteKey>& routes) {
  return !routes.empty() && routes.front().prefix.family() == AddressFamily::kIpv6;
}

}  // namespace

std::string EncodeOpen(const Open& open) {
  std::string parameters;
  if (open.multiprotocol_v4) PutCapability(parameters, 1, FamilyBytes(1));
  if (open.multiprotocol_v6) PutCapability(parameters, 1, FamilyBytes(2));
  if (open.four_octet_asn) {
    std::string asn;
    Put(asn, open.asn, 4);
    PutCapability(parameters, 65, asn);
  }
  std::string add_path;
  PutAddPath(add_path, 1, open.add_path_receive_v4, open.add_path_send_v4);
  PutAddPath(add_path, 2, open.add_path_receive_v6, open.add_path_send_v6);
  if (!add_path.empty()) PutCapability(parameters, 69, add_path);

  std::string body;
  Put(body, 4, 1);
  Put(body, open.asn > 0xffff ? 23456 : open.asn, 2);
  Put(body, open.hold_time_seconds, 2);
  Put(body, open.router_id, 4);
  Put(body, parameters.size(), 1);
  return Message(MessageType::kOpen, body + parameters);
}

std::string EncodeKeepalive() {
  return Message(MessageType::kKeepalive, "");
}

std::string EncodeNotification(const Notification& notification) {
  std::string body;
  Put(body, notification.code, 1);
  Put(body, notification.subcode, 1);
  return Message(MessageType::kNotification, body);
}

std::string EncodeUpdate(const Update& update, const Encoding& encoding) {
  const bool v6_withdrawn = IsV6(update.withdrawn) || update.end_of_rib == AddressFamily::kIpv6;
  std::string attributes;
  std::string v4_routes;
  for (const Update::Announcement& announcement : update.announced) {
    PutAttributes(attributes, announcement.attributes);
    if (IsV6(announcement.routes)) {
      std::string reach;
      Put(reach, 2, 2);
      Put(reach, 1, 1);
      Put(reach, announcement.attributes.next_hop.size(), 1);
      reach += announcement.attributes.next_hop;
      Put(reach, 0, 1);
      PutAttribute(attributes, 0x80, 14, reach + RouteBytes(announcement.routes, encoding.add_path_v6));
    } else {
      PutAttribute(attributes, 0x40, 3, announcement.attributes.next_hop);
      v4_routes += RouteBytes(announcement.routes, encoding.add_path_v4);
    }
  }
  if (v6_withdrawn) {
    std::string unreach;
    Put(unreach, 2, 2);
    Put(unreach, 1, 1);
    PutAttribute(attributes, 0x80, 15, unreach + RouteBytes(update.withdrawn, encoding.add_path_v6));
  }
  const std::string v4_withdrawn = v6_withdrawn ? "" : RouteBytes(update.withdrawn, encoding.add_path_v4);
  std::string body;
  Put(body, v4_withdrawn.size(), 2);
  body += v4_withdrawn;
  Put(body, attributes.size(), 2);
  return Message(MessageType::kUpdate, body + attributes + v4_routes);
}

std::string ToString(const Notification& notification) {
  static constexpr absl::string_view kNames[] = {
      "", "Message Header Error", "OPEN Message Error", "UPDATE Message Error", "Hold Timer Expired", "FSM Error", "Cease"};
  const absl::string_view name = notification.code < 7 ? kNames[notification.code] : "";
  return absl::StrCat(name, name.empty() ? "code " : " (code ", int{notification.code}, ", subcode ", int{notification.subcode},
                      name.empty() ? "" : ")");
}

}  // namespace fairlead::agent::bgp
