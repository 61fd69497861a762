#include "services/steering/cell_store.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <variant>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "roaring/roaring.h"

namespace fairlead {
namespace {

namespace iv1 = ingest::v1;

constexpr absl::string_view kRoute = "route/";
// How many prefixes are visited under one lock.
constexpr size_t kPrefixesAtOnce = 1'000;
// Of a change so many entries are read before the store is locked: some 10 MB. Snapshots have tens of millions.
constexpr size_t kMostReadAhead = 65'536;

// The key is what a removal will name, so it must be the one that the content says.
absl::Status CheckKey(const std::string& key, absl::string_view kind, const std::string& id) {
  if (key == absl::StrCat(kind, "/", id)) return absl::OkStatus();
  return InvalidField("key", key, absl::StrCat("the entry is about '", id, "'"));
}

absl::StatusOr<std::pair<ApplianceId, BoxReport>> ReadState(const std::string& key, const iv1::ApplianceState& state) {
  ASSIGN_OR_RETURN(ApplianceId id, ApplianceId::ParseName(state.appliance(), "state.appliance"));
  RETURN_IF_ERROR(CheckKey(key, "state", id.value()));
  BoxReport report;
  report.age = {state.incarnation(), state.sequence()};
  if (state.has_report_age()) {
    report.sent_after =
        std::max(absl::ZeroDuration(), absl::Seconds(state.report_age().seconds()) + absl::Nanoseconds(state.report_age().nanos()));
  }
  if (state.health() > 0 && state.health() <= static_cast<int>(HealthState::kSilent)) {
    report.health = static_cast<HealthState>(state.health());
  }
  // NaN compares false with everything and becomes 0.
  const double weight = state.weight() > 0 ? std::min(state.weight(), 1.0) : 0.0;
  report.weight_permille = static_cast<uint32_t>(std::lround(weight * 1000));
  report.use_bps = static_cast<uint64_t>(std::max<int64_t>(0, state.last_heartbeat().network().throughput_bps()));
  report.capacity_bps = static_cast<uint64_t>(std::max<int64_t>(0, state.last_heartbeat().network().capacity_bps()));
  return std::make_pair(std::move(id), report);
}

absl::StatusOr<std::pair<ApplianceId, BoxHoldings>> ReadHoldings(const std::string& key, const iv1::ApplianceHoldings& holdings) {
  ASSIGN_OR_RETURN(ApplianceId id, ApplianceId::ParseName(holdings.appliance(), "holdings.appliance"));
  RETURN_IF_ERROR(CheckKey(key, "holdings", id.value()));
  ASSIGN_OR_RETURN(FileSet files, DecodeHoldings(holdings.bitmap()));
  BoxHoldings held{.age = {holdings.incarnation(), holdings.sequence()}, .files = std::make_shared<const FileSet>(std::move(files))};
  return std::make_pair(std::move(id), std::move(held));
}

// What a route entry says, checked: its key is the one that its content names.
struct ReadRoute {
  ReportedRouteKey key;
  ApplianceId appliance;
  RouteAttributes attributes;
};

absl::StatusOr<ReadRoute> ReadRouteEntry(const std::string& key, const iv1::AdmittedRoute& admitted) {
  ReadRoute route;
  ASSIGN_OR_RETURN(route.key, ParseRouteKey(key));
  ASSIGN_OR_RETURN(const BgpSessionId session, BgpSessionId::ParseName(admitted.session(), "route.session"));
  ASSIGN_OR_RETURN(route.appliance, ApplianceId::ParseName(admitted.appliance(), "route.appliance"));
  ASSIGN_OR_RETURN(const IpAddress address, IpAddress::FromBytes(admitted.prefix().address(), "route.prefix.address"));
  if (admitted.prefix().length() > 128) {
    return InvalidField("route.prefix.length", absl::StrCat(admitted.prefix().length()), "must be at most 128");
  }
  ASSIGN_OR_RETURN(const Prefix prefix, Prefix::Make(address, static_cast<int>(admitted.prefix().length()), "route.prefix"));
  const ReportedRouteKey named = {.session = session, .prefix = prefix, .path_id = admitted.path_id()};
  if (named != route.key) return InvalidField("key", key, absl::StrCat("the entry is about '", RouteKeyText(named), "'"));
  route.attributes = {
      .neighbour_as = admitted.neighbour_as(),
      .med = admitted.has_med() ? admitted.med() : 0,
      .as_path_length = static_cast<uint16_t>(std::min<uint32_t>(admitted.as_path_length(), std::numeric_limits<uint16_t>::max())),
      .demoted = admitted.demoted()};
  return route;
}

absl::StatusOr<SessionReport> ReadSession(const std::string& key, const iv1::SessionState& state) {
  SessionReport session;
  ASSIGN_OR_RETURN(session.session, BgpSessionId::ParseName(state.session(), "session.session"));
  ASSIGN_OR_RETURN(session.appliance, ApplianceId::ParseName(state.appliance(), "session.appliance"));
  RETURN_IF_ERROR(CheckKey(key, "session", session.session.value()));
  session.established = state.established();
  session.age = {state.incarnation(), state.sequence()};
  return session;
}

}  // namespace

struct CellStore::Said {
  struct Gone {};
  using State = std::pair<ApplianceId, BoxReport>;
  using Held = std::pair<ApplianceId, BoxHoldings>;

  const std::string* key = nullptr;       // The entry's.
  std::optional<ReportedRouteKey> route;  // Of one that is gone.
  absl::Status unreadable;                // Not OK: it is gone, for that reason.
  std::variant<Gone, State, Held, ReadRoute, SessionReport> what;
};

absl::StatusOr<FileSet> DecodeHoldings(absl::string_view bitmap) {
  const std::unique_ptr<roaring_bitmap_t, decltype(&roaring_bitmap_free)> read(
      roaring_bitmap_portable_deserialize_safe(bitmap.data(), bitmap.size()), &roaring_bitmap_free);
  if (read == nullptr)
    return absl::InvalidArgumentError(absl::StrCat("holdings.bitmap of ", bitmap.size(), " bytes: not a Roaring bitmap"));
  // Walked, and not copied out at once: a lying header then can't make the library write more members than it made room for.
  std::vector<uint32_t> numbers;
  const bool all = roaring_iterate(
      read.get(),
      [](uint32_t number, void* into) {
        auto& members = *static_cast<std::vector<uint32_t>*>(into);
        members.push_back(number);
        return members.size() <= kMostHeldFiles;
      },
      &numbers);
  if (!all) return absl::InvalidArgumentError(absl::StrCat("holdings.bitmap: more than ", kMostHeldFiles, " files"));
  return FileSet::Of(std::move(numbers));
}

absl::Status CellStore::Apply(const FeedChange<Entry>& change) {
  // The position last: whoever reads it and then the entries has entries at least as new.
  Index(change.snapshot, change.entries);
  return raw_.Apply(change, [](const Entry& entry) { return !absl::StartsWith(entry.key(), kRoute); });
}

void CellStore::ForEachKey(absl::FunctionRef<void(absl::string_view key)> visit) const {
  for (const std::string& key : raw_.Keys()) visit(key);
  const std::vector<Prefix> prefixes = RoutedPrefixes();
  // Under one lock for so many at a time, so that the feed goes on.
  for (size_t i = 0; i < prefixes.size(); i += kPrefixesAtOnce) {
    absl::MutexLock lock(&mu_);
    const Interned<RouteSpeaker>& speakers = routes_.speakers();
    for (size_t j = i; j < std::min(prefixes.size(), i + kPrefixesAtOnce); ++j) {
      routes_.ForEachAt(prefixes[j], [&](uint32_t number, uint32_t path_id, const RouteAttributes&) {
        visit(RouteKeyText({.session = speakers[number].session, .prefix = prefixes[j], .path_id = path_id}));
      });
    }
  }
}

size_t CellStore::RestoreRoutes(const Prefix& prefix, const std::vector<StoredRoute>& routes) {
  absl::MutexLock lock(&mu_);
  const size_t before = routes_.size();
  for (const StoredRoute& route : routes) {
    const ReportedRouteKey key = {.session = route.speaker.session, .prefix = prefix, .path_id = route.path_id};
    if (routes_.Put(key, route.speaker.appliance, route.attributes)) ++generations_.routes;
  }
  return routes_.size() - before;
}

void CellStore::ForgetBulk() {
  std::vector<Entry> near;
  for (const auto& entry : HeldNear().entries) near.push_back(*entry);
  Restore({}, std::move(near));
}

// Whoever makes ladders waits for the lock, and to read what a change says takes about as long as to take it in: so that is done before.
void CellStore::Index(bool whole, const std::vector<Entry>& entries) {
  const size_t read_ahead = whole ? 0 : std::min(entries.size(), kMostReadAhead);
  std::vector<Said> ahead;
  ahead.reserve(read_ahead);
  for (size_t i = 0; i < read_ahead; ++i) ahead.push_back(Read(entries[i]));
  absl::MutexLock lock(&mu_);
  if (whole) {
    reports_.clear();
    holdings_.clear();
    sessions_.clear();
    ageless_sessions_ = 0;
    ++session_generation_;
    routes_.Clear();
    ++generations_.reports, ++generations_.holdings, ++generations_.routes;
  }
  for (Said& said : ahead) Take(std::move(said));
  for (size_t i = read_ahead; i < entries.size(); ++i) Take(Read(entries[i]));
}

CellStore::Said CellStore::Read(const Entry& entry) {
  Said said;
  said.key = &entry.key();
  const auto read = [&](auto parsed) {
    said.unreadable = parsed.status();
    if (parsed.ok()) said.what = *std::move(parsed);
  };
  switch (entry.value_case()) {
    case Entry::kState:
      read(ReadState(entry.key(), entry.state()));
      break;
    case Entry::kHoldings:
      read(ReadHoldings(entry.key(), entry.holdings()));
      break;
    case Entry::kRoute:
      read(ReadRouteEntry(entry.key(), entry.route()));
      break;
    case Entry::kSession:
      read(ReadSession(entry.key(), entry.session()));
      break;
    case Entry::VALUE_NOT_SET:
      break;
  }
  if (!std::holds_alternative<Said::Gone>(said.what) || !absl::StartsWith(entry.key(), kRoute)) return said;
  if (absl::StatusOr<ReportedRouteKey> route = ParseRouteKey(entry.key()); route.ok()) said.route = *std::move(route);
  return said;
}

void CellStore::Take(Said said) {
  if (!said.unreadable.ok()) {
    ++unreadable_;
    LogWarning("unreadable fleet entry left out", {{"key", Quoted(*said.key)}, {"why", said.unreadable}});
  }
  if (auto* state = std::get_if<Said::State>(&said.what); state != nullptr) {
    reports_[state->first] = state->second;
    ++generations_.reports;
    if (ageless_sessions_ > 0) ++session_generation_;
  } else if (auto* held = std::get_if<Said::Held>(&said.what); held != nullptr) {
    holdings_[held->first] = std::move(held->second);
    ++generations_.holdings;
  } else if (auto* route = std::get_if<ReadRoute>(&said.what); route != nullptr) {
    if (routes_.Put(route->key, route->appliance, route->attributes)) ++generations_.routes;
  } else if (auto* session = std::get_if<SessionReport>(&said.what); session != nullptr) {
    PutSession(*said.key, std::move(*session));
  } else {
    Erase(said);  // Of one that can't be read, what it said before isn't true any more either.
  }
}

void CellStore::Erase(const Said& said) {
  absl::string_view id = *said.key;
  if (said.route.has_value()) {
    if (routes_.Erase(*said.route)) ++generations_.routes;
  } else if (absl::ConsumePrefix(&id, "state/")) {
    reports_.erase(ApplianceId(std::string(id)));
    ++generations_.reports;
    if (ageless_sessions_ > 0) ++session_generation_;
  } else if (absl::ConsumePrefix(&id, "holdings/")) {
    holdings_.erase(ApplianceId(std::string(id)));
    ++generations_.holdings;
  } else if (absl::StartsWith(id, "session/")) {
    EraseSession(*said.key);
  }
}

// For routes only which cell knows the session, and how new its table is, matters, not its state: a box's routes are those that its cell
// publishes.
void CellStore::PutSession(const std::string& key, SessionReport session) {
  const auto [held, inserted] = sessions_.try_emplace(key);
  const bool other_age = inserted || held->second.age != session.age;
  const bool other_state = inserted || held->second.established != session.established;
  const bool same = !other_age && !other_state && held->second.appliance == session.appliance;
  if (!inserted && held->second.age == ReportAge()) --ageless_sessions_;
  if (session.age == ReportAge()) ++ageless_sessions_;
  held->second = std::move(session);
  if (other_age) ++generations_.routes;
  if (other_state) ++generations_.reports;
  if (!same) ++session_generation_;
}

void CellStore::EraseSession(const std::string& key) {
  const auto held = sessions_.find(key);
  if (held == sessions_.end()) return;
  if (held->second.age == ReportAge()) --ageless_sessions_;
  sessions_.erase(held);
  ++generations_.routes, ++generations_.reports, ++session_generation_;
}

}  // namespace fairlead
