// The BGP-4 messages that the tap needs, as values: RFC 4271 with multiprotocol (RFC 4760), four-octet AS numbers (RFC 6793),
// ADD-PATH (RFC 7911), communities (RFC 1997) and large communities (RFC 8092).
//
// Decoding never reads beyond the message and never trusts a length; whatever doesn't parse is INVALID_ARGUMENT with what was wrong,
// and the caller ends the session. Attributes that the tap has no use for are skipped. Linear in the message's size. Pure.
//
//   ASSIGN_OR_RETURN(const Update update, DecodeUpdate(body, {.add_path_v4 = true, .add_path_v6 = true}));
#ifndef FAIRLEAD_SERVICES_AGENT_BGP_MESSAGE_H_
#define FAIRLEAD_SERVICES_AGENT_BGP_MESSAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"
#include "libs/routing/route.h"

namespace fairlead::agent::bgp {

constexpr size_t kHeaderSize = 19;
constexpr size_t kMaxMessageSize = 4096;

enum class MessageType : uint8_t { kOpen = 1, kUpdate = 2, kNotification = 3, kKeepalive = 4, kRouteRefresh = 5 };

struct Header {
  MessageType type = MessageType::kKeepalive;
  size_t length = 0;  // Of the whole message.
};

struct Open {
  uint32_t asn = 0;  // The four-octet one where announced.
  uint16_t hold_time_seconds = 0;
  uint32_t router_id = 0;
  bool four_octet_asn = false;
  bool multiprotocol_v4 = false;
  bool multiprotocol_v6 = false;
  // What the sender can do with several paths a prefix.
  bool add_path_send_v4 = false;
  bool add_path_send_v6 = false;
  bool add_path_receive_v4 = false;
  bool add_path_receive_v6 = false;

  friend bool operator==(const Open&, const Open&) = default;
};

struct Notification {
  uint8_t code = 0;
  uint8_t subcode = 0;
};
constexpr Notification kCeaseAdministrativeShutdown{6, 2};
constexpr Notification kUpdateMessageError{3, 0};
constexpr Notification kOpenMessageError{2, 0};
constexpr Notification kHeaderError{1, 0};
constexpr Notification kHoldTimerExpired{4, 0};

using LargeCommunity = std::array<uint32_t, 3>;

struct PathAttributes {
  AsPath as_path;
  RouteOrigin origin = RouteOrigin::kIncomplete;
  std::optional<uint32_t> med;
  std::optional<uint32_t> local_pref;
  std::vector<uint32_t> communities;
  std::vector<LargeCommunity> large_communities;
  std::string next_hop;  // 4 or 16 bytes; of a global and a link-local one, the global.

  friend bool operator==(const PathAttributes&, const PathAttributes&) = default;
};

// One UPDATE. IPv4 and IPv6 routes of one message may have different next hops, hence the two sets.
struct Update {
  struct Announcement {
    PathAttributes attributes;
    std::vector<RouteKey> routes;
  };
  std::vector<RouteKey> withdrawn;
  std::vector<Announcement> announced;
  std::optional<AddressFamily> end_of_rib;
};

// How the routes of a session are written; from both OPENs.
struct Encoding {
  bool add_path_v4 = false;
  bool add_path_v6 = false;
};

// `bytes` has at least kHeaderSize bytes.
absl::StatusOr<Header> DecodeHeader(absl::string_view bytes);
// `body` is what follows the header.
absl::StatusOr<Open> DecodeOpen(absl::string_view body);
absl::StatusOr<Update> DecodeUpdate(absl::string_view body, const Encoding& encoding);
// A short body gives zeros.
Notification DecodeNotification(absl::string_view body);

// Whole messages with their header.
std::string EncodeOpen(const Open& open);
std::string EncodeKeepalive();
std::string EncodeNotification(const Notification& notification);
// For tests: routes of one family, which must fit one message.
std::string EncodeUpdate(const Update& update, const Encoding& encoding);

// "Cease/Administrative Shutdown" and so on, for people.
std::string ToString(const Notification& notification);

}  // namespace fairlead::agent::bgp

#endif  // FAIRLEAD_SERVICES_AGENT_BGP_MESSAGE_H_
