#include "services/agent/bird/config.h"

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#define XXH_INLINE_ALL
#include "xxhash.h"

namespace fairlead::agent {
namespace {

constexpr char kHead[] = R"(# Written by ocad; changes are overwritten.
log "@LOG@" 16000000 "@LOG@.old" all;
router id @ROUTERID@;
timeformat protocol iso long ms;
protocol device { }

template bgp heard {
  multihop;
  strict bind @STRICT@;
  graceful restart off;
  allow local as;
  connect delay time 1;
  connect retry time 5;
  error wait time 1, 30;
}

protocol bgp tap {
  local @ADDRESS@ port @PORT@ as @ASN@;
  neighbor @TAP@ as @ASN@;
  passive yes;
  multihop;
  strict bind @STRICT@;
  rr client;
  # A NO_ADVERTISE or NO_EXPORT is the receiver's to judge.
  interpret communities off;
  graceful restart off;
  error wait time 1, 1;
  ipv4 { import none; export all; add paths tx; next hop keep; };
  ipv6 { import none; export all; add paths tx; next hop keep; };
}
)";

absl::Status CheckSession(const BirdSession& session, uint32_t asn) {
  if (!session.ipv4 && !session.ipv6) return InvalidField("families", "", "at least one is needed");
  if (session.peer_port < 1 || session.peer_port > 65535)
    return InvalidField("peer_port", absl::StrCat(session.peer_port), "must be in [1, 65535]");
  if (session.peer_asn == 0) return InvalidField("peer_asn", "0", "must be an ASN");
  if (session.router_feed && session.peer_asn != asn) {
    return InvalidField("peer_asn", absl::StrCat(session.peer_asn), absl::StrCat("a router feed is iBGP: must be the box's own ASN ", asn));
  }
  return absl::OkStatus();
}

std::string RenderChannel(absl::string_view family, const BirdSession& session) {
  const uint64_t tag = SessionTag(session.id);
  return absl::StrFormat(
      "  %s {\n"
      "    import filter { bgp_large_community.delete([(%u, *, *)]); bgp_large_community.add((%u, %u, %u)); accept; };\n"
      "    import limit %d action block;\n"
      "    export none;\n"
      "    gateway recursive;\n%s"
      "  };\n",
      std::string(family), kTagAdministrator, kTagAdministrator, static_cast<uint32_t>(tag >> 32), static_cast<uint32_t>(tag),
      kMaxPathsPerSession, session.router_feed ? "    add paths rx;\n" : "");
}

std::string RenderSession(const BirdSession& session, const BirdConfigInput& input) {
  // A box has one BGP address; a neighbour of the other family is reached from whichever address routing chooses.
  const bool same_family = session.peer_address.family() == input.address.family();
  std::string out = absl::StrCat("\nprotocol bgp ", SessionProtocol(session.id), " from heard {\n  # ", session.id.name(), "\n");
  absl::StrAppend(&out, "  local ", same_family ? absl::StrCat(input.address.ToString(), " ") : "", "port ", input.port, " as ", input.asn,
                  ";\n");
  if (!same_family) absl::StrAppend(&out, "  strict bind no;\n");
  absl::StrAppend(&out, "  neighbor ", session.peer_address.ToString(), " port ", session.peer_port, " as ", session.peer_asn, ";\n");
  if (session.ipv4) absl::StrAppend(&out, RenderChannel("ipv4", session));
  if (session.ipv6) absl::StrAppend(&out, RenderChannel("ipv6", session));
  return out + "}\n";
}

}  // namespace

uint64_t SessionTag(const BgpSessionId& id) {
  return XXH3_64bits(id.value().data(), id.value().size());
}

std::string SessionProtocol(const BgpSessionId& id) {
  if (id.value().size() > 60) return absl::StrFormat("h_%016x", SessionTag(id));
  return absl::StrCat("s_", absl::StrReplaceAll(id.value(), {{"-", "_"}}));
}

IpAddress TapAddress(const IpAddress& bird_address) {
  return bird_address.is_v4() ? IpAddress::V4(0x7f000001) : IpAddress::V6(0, 1);
}

uint32_t RouterId(const IpAddress& address) {
  // An IPv6-only box has no natural one; any that differs between boxes will do, and 0 is not allowed.
  return address.is_v4() ? address.v4() : static_cast<uint32_t>(address.low()) | 1;
}

absl::StatusOr<std::string> RenderBirdConfig(const BirdConfigInput& input) {
  if (input.asn == 0) return InvalidField("appliance.bgp.asn", "0", "must be an ASN");
  if (input.port < 1 || input.port > 65535) return InvalidField("appliance.bgp.port", absl::StrCat(input.port), "must be in [1, 65535]");
  if (input.log_path.find_first_of("\"\n") != std::string::npos)
    return InvalidField("state_dir", input.log_path, "must not contain a quote");
  std::vector<BirdSession> sessions = input.sessions;
  std::sort(sessions.begin(), sessions.end(), [](const BirdSession& a, const BirdSession& b) { return a.id < b.id; });
  std::map<uint64_t, std::string> tags;
  std::string out = absl::StrReplaceAll(kHead, {{"@LOG@", input.log_path},
                                                {"@ROUTERID@", IpAddress::V4(RouterId(input.address)).ToString()},
                                                {"@ADDRESS@", input.address.ToString()},
                                                {"@PORT@", absl::StrCat(input.port)},
                                                {"@ASN@", absl::StrCat(input.asn)},
                                                {"@TAP@", TapAddress(input.address).ToString()},
                                                {"@STRICT@", "yes"}});
  for (const BirdSession& session : sessions) {
    const absl::Status checked = CheckSession(session, input.asn);
    if (!checked.ok()) return WithFieldPrefix(checked, absl::StrCat("bgp_sessions['", session.id.value(), "']."));
    const auto [other, fresh] = tags.emplace(SessionTag(session.id), session.id.value());
    if (!fresh)
      return InvalidField("bgp_sessions.name", session.id.value(), absl::StrCat("is listed twice or marked like '", other->second, "'"));
    out += RenderSession(session, input);
  }
  return out;
}

}  // namespace fairlead::agent
