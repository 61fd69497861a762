// Route admission: may this route, heard on this session, steer clients? Every "no" has a code for machines and a sentence with
// figures for the partner's engineers.
//
// The checks of one route by itself are here, in a fixed order (that of DropReason, first failure wins). The max-prefix limit
// depends on the session's other routes and is applied by SessionTable (session_table.h).
// Pure functions on values; any thread.
//
//   const Admission admission = Admit(route, session, vrps.get());
//   if (!admission.admitted()) Report(ToString(admission.reason), admission.sentence);
#ifndef FAIRLEAD_LIBS_ROUTING_ADMISSION_H_
#define FAIRLEAD_LIBS_ROUTING_ADMISSION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/routing/route.h"
#include "libs/routing/rpki.h"

namespace fairlead {

// Why a route is kept for the reports but steers nobody; in the order of the checks.
enum class DropReason : uint8_t {
  kAdmitted = 0,
  kFamilyMismatch = 1,     // The session doesn't carry this family.
  kDefaultRoute = 2,       // 0.0.0.0/0 or ::/0.
  kBogon = 3,              // Overlaps address space that no client can have: see bogons.h.
  kLengthOutOfBounds = 4,  // Outside the session's prefix-length bounds.
  kEmptyAsPath = 5,        // No AS to hold to account: eBGP never sends one.
  kInvalidAs = 6,          // AS 0 in the path (RFC 7607).
  kPathTooLong = 7,        // More than the session's most hops.
  kAsLoop = 8,             // Our own ASN in it, or one ASN that comes back after another.
  kWrongFirstAs = 9,       // The neighbour isn't one of the partner's ASNs.
  kNotInAllowList = 10,    // No prefix registered for the partner covers it.
  kRpkiInvalid = 11,       // RFC 6811: covered by a VRP, matched by none.
  kMaxPrefix = 12,         // Beyond the session's limit: see SessionTable.
};
inline constexpr int kDropReasons = 13;
// "ADMITTED", "FAMILY_MISMATCH", …; the words of the API.
absl::string_view ToString(DropReason reason);

// A set of prefixes as a table: a prefix is allowed if one of them covers it.
using PrefixSet = PrefixTable<std::monostate>;

struct LengthBounds {
  int least = 0;
  int most = 0;
};

// What configuration says about one BGP session. A route's partner, class and link come from here and from nowhere else.
struct SessionRecord {
  BgpSessionId id = {};
  PartnerId partner = {};
  TransportClass transport = TransportClass::kUnspecified;
  AddressFamily family = AddressFamily::kUnspecified;  // kUnspecified: both families ride on it.
  LengthBounds v4 = {8, 24};
  LengthBounds v6 = {19, 48};
  int max_path_length = 50;
  uint32_t max_prefix = 0;  // Distinct admitted prefixes, counted per family; 0: no limit.
  std::optional<LinkId> link = {};
  uint32_t local_asn = 0;                   // Ours on this session; 0: don't look for it in paths.
  std::vector<uint32_t> partner_asns = {};  // The neighbour must be one of them; empty: any (a route server, transit).
  // The partner's registered prefixes. Null admits nothing, except on a TRANSIT session, where it admits everything: a
  // forgotten allow-list must fail closed, or one partner could move another's clients.
  std::shared_ptr<const PrefixSet> allowed = {};
};

struct Admission {
  DropReason reason = DropReason::kAdmitted;
  std::string sentence = {};  // Empty if admitted.
  bool admitted() const { return reason == DropReason::kAdmitted; }
};

// `vrps` may be null: then nothing is RPKI-invalid.
Admission Admit(const RawRoute& route, const SessionRecord& session, const VrpTable* vrps);

// True if the route asks to be avoided: GRACEFUL_SHUTDOWN (65535:0, RFC 8326).
bool IsDemoted(const RawRoute& route);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_ROUTING_ADMISSION_H_
