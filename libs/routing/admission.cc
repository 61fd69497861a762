#include "libs/routing/admission.h"

#include <algorithm>
#include <array>
#include <cstddef>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/errors.h"
#include "libs/routing/bogons.h"

namespace fairlead {
namespace {

constexpr std::array<absl::string_view, kDropReasons> kNames = {
    "ADMITTED",          "FAMILY_MISMATCH", "DEFAULT_ROUTE", "BOGON",   "LENGTH_OUT_OF_BOUNDS",
    "EMPTY_AS_PATH",     "INVALID_AS",      "PATH_TOO_LONG", "AS_LOOP", "WRONG_FIRST_AS",
    "NOT_IN_ALLOW_LIST", "RPKI_INVALID",    "MAX_PREFIX",
};

Admission Drop(DropReason reason, std::string sentence) {
  return {reason, std::move(sentence)};
}

const Admission kYes;

// A sentence is kept with each dropped route, and a neighbour can make millions of them: none may be long.
std::string Cut(std::string text) {
  constexpr size_t kMost = 200;
  if (text.size() <= kMost) return text;
  text.resize(kMost);
  return text + "…";
}

bool HasAs(const AsPath& path, uint32_t asn) {
  return std::any_of(path.begin(), path.end(), [asn](const AsPathSegment& segment) {
    return std::find(segment.asns.begin(), segment.asns.end(), asn) != segment.asns.end();
  });
}

// The ASN that comes back after another one in the sequences; prepending (the same ASN in a row) is no loop.
std::optional<uint32_t> RepeatedAs(const AsPath& path) {
  std::vector<uint32_t> seen;  // At most the session's longest path, so that a linear search is fine.
  for (const AsPathSegment& segment : path) {
    if (segment.kind != AsPathSegment::Kind::kSequence) continue;
    for (const uint32_t asn : segment.asns) {
      if (!seen.empty() && seen.back() == asn) continue;
      if (std::find(seen.begin(), seen.end(), asn) != seen.end()) return asn;
      seen.push_back(asn);
    }
  }
  return std::nullopt;
}

Admission CheckPrefix(const Prefix& prefix, const SessionRecord& session) {
  const std::string shown = prefix.ToString();
  if (session.family != AddressFamily::kUnspecified && session.family != prefix.family()) {
    return Drop(DropReason::kFamilyMismatch,
                absl::StrCat(shown, " is ", ToString(prefix.family()), ", but the session carries ", ToString(session.family), " only"));
  }
  if (prefix.length() == 0) return Drop(DropReason::kDefaultRoute, absl::StrCat(shown, " is a default route: it names no clients"));
  if (const std::optional<Bogon> bogon = FindBogon(prefix)) {
    return Drop(DropReason::kBogon, absl::StrCat(shown, " overlaps ", bogon->prefix.ToString(), " (", bogon->name, ")"));
  }
  const LengthBounds& bounds = prefix.family() == AddressFamily::kIpv4 ? session.v4 : session.v6;
  if (prefix.length() < bounds.least || prefix.length() > bounds.most) {
    return Drop(DropReason::kLengthOutOfBounds,
                absl::StrCat(shown, " is outside the session's lengths /", bounds.least, " to /", bounds.most));
  }
  return kYes;
}

Admission CheckPath(const AsPath& path, const SessionRecord& session) {
  const int length = PathLength(path);
  if (length == 0) return Drop(DropReason::kEmptyAsPath, "the AS path is empty");
  if (HasAs(path, 0)) return Drop(DropReason::kInvalidAs, "the AS path holds AS 0 (RFC 7607)");
  if (length > session.max_path_length) {
    return Drop(DropReason::kPathTooLong, absl::StrCat("the AS path has ", length, " hops, more than ", session.max_path_length));
  }
  if (session.local_asn != 0 && HasAs(path, session.local_asn)) {
    return Drop(DropReason::kAsLoop, absl::StrCat("the AS path ", Quoted(ToString(path)), " holds our own AS", session.local_asn));
  }
  if (const std::optional<uint32_t> asn = RepeatedAs(path)) {
    return Drop(DropReason::kAsLoop, absl::StrCat("AS", *asn, " comes back in the AS path ", Quoted(ToString(path))));
  }
  return kYes;
}

Admission CheckPartner(const RawRoute& route, const SessionRecord& session) {
  const std::optional<uint32_t> first = FirstAs(route.as_path);
  const std::vector<uint32_t>& asns = session.partner_asns;
  if (!asns.empty() && (!first.has_value() || std::find(asns.begin(), asns.end(), *first) == asns.end())) {
    return Drop(DropReason::kWrongFirstAs,
                absl::StrCat("the AS path begins with ", first.has_value() ? absl::StrCat("AS", *first) : "a set", ", but partner ",
                             session.partner.value(), " has AS", absl::StrJoin(asns, ", AS")));
  }
  if (session.allowed == nullptr && session.transport == TransportClass::kTransit) return kYes;
  const Prefix& prefix = route.key.prefix;
  if (session.allowed == nullptr || !session.allowed->LongestMatch(prefix).has_value()) {
    return Drop(DropReason::kNotInAllowList,
                absl::StrCat(prefix.ToString(), " is covered by none of the ", session.allowed == nullptr ? 0 : session.allowed->size(),
                             " prefixes registered for partner ", session.partner.value()));
  }
  return kYes;
}

Admission CheckOrigin(const RawRoute& route, const VrpTable* vrps) {
  const Prefix& prefix = route.key.prefix;
  const std::optional<uint32_t> origin = OriginAs(route.as_path);
  if (vrps == nullptr || vrps->Validate(prefix, origin) != RpkiState::kInvalid) return kYes;
  return Drop(DropReason::kRpkiInvalid,
              absl::StrCat(prefix.ToString(), " from ", origin.has_value() ? absl::StrCat("AS", *origin) : "an AS set",
                           " matches none of its ROAs: ", Cut(vrps->Describe(prefix))));
}

}  // namespace

absl::string_view ToString(DropReason reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kNames.size() ? kNames[index] : "UNSPECIFIED";
}

Admission Admit(const RawRoute& route, const SessionRecord& session, const VrpTable* vrps) {
  if (Admission no = CheckPrefix(route.key.prefix, session); !no.admitted()) return no;
  if (Admission no = CheckPath(route.as_path, session); !no.admitted()) return no;
  if (Admission no = CheckPartner(route, session); !no.admitted()) return no;
  return CheckOrigin(route, vrps);
}

bool IsDemoted(const RawRoute& route) {
  return std::find(route.communities.begin(), route.communities.end(), kGracefulShutdown) != route.communities.end();
}

}  // namespace fairlead
