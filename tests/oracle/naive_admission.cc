#include "tests/oracle/naive_admission.h"

#include <algorithm>
#include <set>
#include <tuple>

namespace fairlead {
namespace {

using Number = unsigned __int128;

// The first and the last address, as numbers of the family's width.
struct Range {
  bool v6 = false;
  Number first = 0;
  Number last = 0;

  bool Holds(const Range& other) const { return v6 == other.v6 && first <= other.first && other.last <= last; }
  bool Meets(const Range& other) const { return v6 == other.v6 && first <= other.last && other.first <= last; }
};

Range RangeOf(const Prefix& prefix) {
  Range range{.v6 = prefix.address().is_v6()};
  const int bits = range.v6 ? 128 : 32;
  range.first = range.v6 ? Number{prefix.address().high()} << 64 | prefix.address().low() : Number{prefix.address().v4()};
  const int host_bits = bits - prefix.length();
  const Number hosts = host_bits == 128 ? ~Number{0} : (Number{1} << host_bits) - 1;
  range.last = range.first | hosts;
  return range;
}

// IANA's special-purpose registries (those entries that aren't "globally reachable", and the deprecated ones), the multicast and the
// reserved space of both families.
const std::vector<Range>& SpecialSpace() {
  static const auto& ranges = *new std::vector<Range>([] {
    std::vector<Range> all;
    for (const char* text :
         {"0.0.0.0/8",    "10.0.0.0/8",     "100.64.0.0/10",  "127.0.0.0/8",   "169.254.0.0/16",  "172.16.0.0/12",  "192.0.0.0/24",
          "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4",
          "240.0.0.0/4",  "2001::/23",      "2001:db8::/32",  "2002::/16",     "3ffe::/16",       "3fff::/20"}) {
      all.push_back(RangeOf(Prefix::Parse(text).value()));
    }
    // All but 2000::/3, in two pieces.
    const Range global = RangeOf(Prefix::Parse("2000::/3").value());
    all.push_back({.v6 = true, .first = 0, .last = global.first - 1});
    all.push_back({.v6 = true, .first = global.last + 1, .last = ~Number{0}});
    return all;
  }());
  return ranges;
}

bool IsSpecial(const Range& range) {
  return std::any_of(SpecialSpace().begin(), SpecialSpace().end(), [&](const Range& special) { return special.Meets(range); });
}

bool Counts(const AsPathSegment& segment) {
  return segment.kind == AsPathSegment::Kind::kSequence || segment.kind == AsPathSegment::Kind::kSet;
}

int Hops(const AsPath& path) {
  int hops = 0;
  for (const AsPathSegment& segment : path) {
    if (segment.kind == AsPathSegment::Kind::kSequence) hops += static_cast<int>(segment.asns.size());
    if (segment.kind == AsPathSegment::Kind::kSet) hops += segment.asns.empty() ? 0 : 1;
  }
  return hops;
}

bool Anywhere(const AsPath& path, uint32_t asn) {
  for (const AsPathSegment& segment : path) {
    for (const uint32_t one : segment.asns) {
      if (one == asn) return true;
    }
  }
  return false;
}

// Whether an ASN stands at two places of the sequences with another one between.
bool ComesBack(const AsPath& path) {
  std::vector<uint32_t> flat;
  for (const AsPathSegment& segment : path) {
    if (segment.kind == AsPathSegment::Kind::kSequence) flat.insert(flat.end(), segment.asns.begin(), segment.asns.end());
  }
  for (size_t i = 0; i < flat.size(); ++i) {
    for (size_t j = i + 1; j < flat.size(); ++j) {
      if (flat[i] != flat[j]) continue;
      for (size_t between = i + 1; between < j; ++between) {
        if (flat[between] != flat[i]) return true;
      }
    }
  }
  return false;
}

// The first segment that isn't empty and isn't of a confederation must be a sequence that begins with one of `asns`.
bool BeginsWithOneOf(const AsPath& path, const std::vector<uint32_t>& asns) {
  for (const AsPathSegment& segment : path) {
    if (!Counts(segment) || segment.asns.empty()) continue;
    return segment.kind == AsPathSegment::Kind::kSequence && std::count(asns.begin(), asns.end(), segment.asns[0]) > 0;
  }
  return false;
}

bool RpkiInvalid(const RawRoute& route, const std::vector<Vrp>& vrps) {
  bool covered = false;
  const AsPath& path = route.as_path;
  const bool has_origin = !path.empty() && path.back().kind == AsPathSegment::Kind::kSequence && !path.back().asns.empty();
  for (const Vrp& vrp : vrps) {
    if (!RangeOf(vrp.prefix).Holds(RangeOf(route.key.prefix))) continue;
    covered = true;
    if (has_origin && vrp.asn != 0 && vrp.asn == path.back().asns.back() && route.key.prefix.length() <= vrp.max_length) return false;
  }
  return covered;
}

}  // namespace

bool NaiveCovered(const Prefix& prefix, const std::vector<Prefix>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [&](const Prefix& each) { return RangeOf(each).Holds(RangeOf(prefix)); });
}

DropReason NaiveVerdict(const RawRoute& route, const NaiveRules& rules) {
  const SessionRecord& session = rules.record;
  const Prefix& prefix = route.key.prefix;
  const Range range = RangeOf(prefix);
  if (range.v6 && session.family == AddressFamily::kIpv4) return DropReason::kFamilyMismatch;
  if (!range.v6 && session.family == AddressFamily::kIpv6) return DropReason::kFamilyMismatch;
  if (prefix.length() == 0) return DropReason::kDefaultRoute;
  if (IsSpecial(range)) return DropReason::kBogon;
  const LengthBounds bounds = range.v6 ? session.v6 : session.v4;
  if (prefix.length() < bounds.least) return DropReason::kLengthOutOfBounds;
  if (prefix.length() > bounds.most) return DropReason::kLengthOutOfBounds;
  const int hops = Hops(route.as_path);
  if (hops == 0) return DropReason::kEmptyAsPath;
  if (Anywhere(route.as_path, 0)) return DropReason::kInvalidAs;
  if (hops > session.max_path_length) return DropReason::kPathTooLong;
  if (session.local_asn != 0 && Anywhere(route.as_path, session.local_asn)) return DropReason::kAsLoop;
  if (ComesBack(route.as_path)) return DropReason::kAsLoop;
  if (!session.partner_asns.empty() && !BeginsWithOneOf(route.as_path, session.partner_asns)) return DropReason::kWrongFirstAs;
  if (rules.has_allow_list ? !NaiveCovered(prefix, rules.allowed) : session.transport != TransportClass::kTransit) {
    return DropReason::kNotInAllowList;
  }
  return RpkiInvalid(route, rules.vrps) ? DropReason::kRpkiInvalid : DropReason::kAdmitted;
}

void NaiveSession::Announce(const RawRoute& route) {
  const bool shutting_down = std::count(route.communities.begin(), route.communities.end(), 0xffff0000u) > 0;  // 65535:0.
  held_[route.key] = {.route = route, .demoted = shutting_down};
}

void NaiveSession::SessionUp(absl::Time now) {
  for (auto& [key, held] : held_) {
    if (held.stale) continue;
    held.stale = true;
    held.stale_since = now;
  }
}

void NaiveSession::SessionDown(SessionLoss loss, absl::Time now) {
  if (loss == SessionLoss::kCeased) return held_.clear();
  SessionUp(now);  // The same: all that is held waits to be announced again.
}

void NaiveSession::EndOfRib(AddressFamily family) {
  std::erase_if(held_, [&](const auto& each) { return each.second.stale && each.first.prefix.family() == family; });
}

void NaiveSession::Tick(absl::Time now) {
  std::erase_if(held_, [&](const auto& each) { return each.second.stale && now - each.second.stale_since >= loss_.forget_after; });
  for (auto& [key, held] : held_) {
    if (held.stale && now - held.stale_since >= loss_.demote_after) held.demoted = true;
  }
}

std::map<RouteKey, NaiveSession::Held> NaiveSession::Verdicts() const {
  std::map<RouteKey, Held> judged = held_;
  std::set<std::tuple<int, Number, Prefix>> passing[2];  // By family; shorter first, then by address.
  for (auto& [key, held] : judged) {
    held.reason = NaiveVerdict(held.route, rules_);
    const Range range = RangeOf(key.prefix);
    if (held.reason == DropReason::kAdmitted) passing[range.v6 ? 1 : 0].insert({key.prefix.length(), range.first, key.prefix});
  }
  if (rules_.record.max_prefix == 0) return judged;
  std::set<Prefix> within;
  for (const auto& family : passing) {
    uint32_t left = rules_.record.max_prefix;
    for (const auto& [length, first, prefix] : family) {
      if (left-- == 0) break;
      within.insert(prefix);
    }
  }
  for (auto& [key, held] : judged) {
    if (held.reason == DropReason::kAdmitted && within.count(key.prefix) == 0) held.reason = DropReason::kMaxPrefix;
  }
  return judged;
}

}  // namespace fairlead
