// The text of a BIRD configuration that hears the box's BGP sessions and passes every path on to the agent. Pure.
//
// BIRD imports only: it announces nothing but to the tap, and has no kernel protocol. Each session's import filter marks its paths with a
// large community (kTagAdministrator, high, low), the 64-bit hash of the session's name, after removing any such mark that the neighbour
// sent; the agent tells by it which session a path came from, and takes it off. The mark depends on the name alone, so that adding or
// removing a session never changes another's paths. The tap is an iBGP session with ADD-PATH to which BIRD is passive, a route reflector
// client so that iBGP paths of router feeds pass too, next hops unchanged.
//
// Sessions are multihop with recursive next hops: an IPv6 path over an IPv4 session, or a next hop off the link, is still passed on, and
// nothing is forwarded by it anyway.
#ifndef FAIRLEAD_SERVICES_AGENT_BIRD_CONFIG_H_
#define FAIRLEAD_SERVICES_AGENT_BIRD_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/ids.h"
#include "libs/net/ip_address.h"

namespace fairlead::agent {

constexpr uint32_t kTagAdministrator = 0xFA17'1EAD;
constexpr int kMaxPathsPerSession = 5'000'000;  // Per family; BIRD blocks what is beyond and says so in its state.

struct BirdSession {
  BgpSessionId id = {};
  bool router_feed = false;  // iBGP with several paths a prefix, to an edge router.
  bool ipv4 = false;
  bool ipv6 = false;
  IpAddress peer_address = {};
  int peer_port = 179;
  uint32_t peer_asn = 0;

  friend bool operator==(const BirdSession&, const BirdSession&) = default;
};

struct BirdConfigInput {
  IpAddress address = {};  // That it binds, and its router id if it is IPv4.
  int port = 179;
  uint32_t asn = 0;
  std::vector<BirdSession> sessions = {};
  std::string log_path = {};

  friend bool operator==(const BirdConfigInput&, const BirdConfigInput&) = default;
};

// The hash that marks a session's paths.
uint64_t SessionTag(const BgpSessionId& id);
// BIRD's name for the session's protocol: a symbol of at most 64 characters.
std::string SessionProtocol(const BgpSessionId& id);
// The address from which the agent opens the tap.
IpAddress TapAddress(const IpAddress& bird_address);
// BIRD's router id, also the agent's.
uint32_t RouterId(const IpAddress& address);

// INVALID_ARGUMENT naming the field for what can't be configured.
absl::StatusOr<std::string> RenderBirdConfig(const BirdConfigInput& input);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_BIRD_CONFIG_H_
