#include "libs/net/lpm_table.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

using lpm::Brush;
using lpm::LpmTrie4;
using lpm::LpmTrie6;

constexpr int kShortLength6 = 64;  // The longest that RouteStore<2> can hold.

template <typename Trie>
typename Trie::Key KeyOf(const IpAddress& address) {
  if constexpr (Trie::kBits == 32) {
    return address.v4();
  } else {
    return static_cast<typename Trie::Key>(address.high()) << 64 | address.low();
  }
}

// Not that of Prefix::last(): in ::fffe:0:0/95 that would be an IPv4-mapped address, and so an IPv4 one.
template <typename Trie>
typename Trie::Key LastKeyOf(const Prefix& prefix) {
  using Key = typename Trie::Key;
  const Key inside = prefix.length() >= Trie::kBits ? Key{0} : static_cast<Key>(static_cast<Key>(~Key{0}) >> prefix.length());
  return KeyOf<Trie>(prefix.address()) | inside;
}

std::array<uint32_t, 1> Address1(const IpAddress& address) {
  return {address.v4()};
}
std::array<uint32_t, 2> Address2(const IpAddress& address) {
  return {static_cast<uint32_t>(address.high() >> 32), static_cast<uint32_t>(address.high())};
}
std::array<uint32_t, 4> Address4(const IpAddress& address) {
  return {static_cast<uint32_t>(address.high() >> 32), static_cast<uint32_t>(address.high()), static_cast<uint32_t>(address.low() >> 32),
          static_cast<uint32_t>(address.low())};
}

// One past a prefix's last address is where the covering one goes on; from these the runs of the whole space follow in order.
template <typename Trie>
class RunSweep {
 public:
  using Key = typename Trie::Key;
  using Run = lpm::Run<Key>;

  explicit RunSweep(size_t routes) { runs_.reserve(2 * routes + 1); }

  // In the order of Prefix.
  void Add(Key first, Key last, uint32_t word) {
    CloseBefore(first);
    if (next_ != first || full_) Emit(next_, first);
    open_.push_back({last, word});
    next_ = first;
  }

  const std::vector<Run>& Finish() {
    while (!open_.empty()) Close();
    if (!full_) Append(next_);
    return runs_;
  }

 private:
  struct Open {
    Key last;
    uint32_t word;
  };
  uint32_t word() const { return open_.empty() ? 0 : open_.back().word; }
  void CloseBefore(Key first) {
    while (!open_.empty() && open_.back().last < first) Close();
  }
  void Close() {
    const Key last = open_.back().last;
    if (!full_ && next_ <= last) {
      Append(next_);
      next_ = static_cast<Key>(last + 1);
      full_ = next_ == 0;
    }
    open_.pop_back();
  }
  void Emit(Key from, Key to) {
    if (from < to) Append(from);
  }
  void Append(Key start) {
    if (!runs_.empty() && runs_.back().word == word()) return;
    runs_.push_back({start, word()});
  }

  std::vector<Run> runs_;
  std::vector<Open> open_;
  Key next_ = 0;       // First address that no run is known for.
  bool full_ = false;  // There is none any more.
};

absl::Status CheckLeaf(const Prefix& prefix, uint32_t leaf) {
  if (leaf <= LpmMatch::kMaxLeaf) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("leaf: ", leaf, " of ", prefix.ToString(), " is above the largest, ", LpmMatch::kMaxLeaf));
}

// Sorted and without repeats, by copying only if it must.
absl::StatusOr<absl::Span<const LpmRoute>> InOrder(absl::Span<const LpmRoute> routes, std::vector<LpmRoute>& copy) {
  const auto rises = [](const LpmRoute& a, const LpmRoute& b) { return a.prefix < b.prefix; };
  const auto not_rising = [&](const LpmRoute& a, const LpmRoute& b) { return !rises(a, b); };
  auto at = std::adjacent_find(routes.begin(), routes.end(), not_rising);
  if (at == routes.end()) return routes;
  copy.assign(routes.begin(), routes.end());
  std::sort(copy.begin(), copy.end(), rises);
  const auto twice = std::adjacent_find(copy.begin(), copy.end(), not_rising);
  if (twice == copy.end()) return absl::MakeConstSpan(copy);
  return absl::InvalidArgumentError(absl::StrCat("routes: ", twice->prefix.ToString(), " comes twice"));
}

}  // namespace

LpmTable::LpmTable() : epochs_(std::make_unique<LpmEpochs>()) {
  bulk6_ = lpm::HasAvx512() ? lpm::Bulk6Avx512 : lpm::Bulk6Portable;
}

absl::StatusOr<std::unique_ptr<LpmTable>> LpmTable::Create() {
  std::unique_ptr<LpmTable> table(new LpmTable());
  if (!table->trie4_.Reserve() || !table->trie6_.Reserve()) {
    return absl::ResourceExhaustedError(absl::StrCat("memory: can't reserve ", 2 * LpmMemory::kMaxBytes, " bytes of address space"));
  }
  table->view4_ = table->trie4_.view(&table->default4_);
  table->view6_ = table->trie6_.view(&table->default6_);
  return table;
}

absl::Status LpmTable::Build(absl::Span<const LpmRoute> routes) {
  RETURN_IF_ERROR(CheckChangeable());
  return BuildOf(routes);
}

absl::Status LpmTable::BuildForGood(absl::Span<const LpmRoute> routes) {
  RETURN_IF_ERROR(CheckChangeable());
  for_good_ = true;
  const absl::Status built = BuildOf(routes);
  for_good_ = built.ok();
  return built;
}

absl::Status LpmTable::CheckChangeable() const {
  return for_good_ ? absl::FailedPreconditionError("table: it was built for good, and can't be changed") : absl::OkStatus();
}

absl::Status LpmTable::BuildOf(absl::Span<const LpmRoute> routes) {
  if (size() != 0) return absl::FailedPreconditionError(absl::StrCat("table: it already has ", size(), " routes"));
  std::vector<LpmRoute> copy;
  ASSIGN_OR_RETURN(const absl::Span<const LpmRoute> sorted, InOrder(routes, copy));
  const auto split = std::partition_point(sorted.begin(), sorted.end(), [](const LpmRoute& r) { return r.prefix.address().is_v4(); });
  const auto v4 = static_cast<size_t>(split - sorted.begin());
  for (const LpmRoute& route : sorted) RETURN_IF_ERROR(CheckLeaf(route.prefix, route.leaf));
  RETURN_IF_ERROR(CheckRoom(AddressFamily::kIpv4, v4));
  RETURN_IF_ERROR(CheckRoom(AddressFamily::kIpv6, sorted.size() - v4));
  if (!for_good_) {
    routes4_.Reserve(v4);
    routes6_.Reserve(sorted.size() - v4);
  }
  BuildFamily(sorted.subspan(0, v4), trie4_);
  BuildFamily(sorted.subspan(v4), trie6_);
  return absl::OkStatus();
}

template <typename Trie>
void LpmTable::BuildFamily(absl::Span<const LpmRoute> routes, Trie& trie) {
  RunSweep<Trie> sweep(routes.size());
  RunSweep<Trie> shorter(0);  // Those that are no IPv6 region's.
  for (const LpmRoute& route : routes) {
    const LpmMatch match(route.prefix.length(), route.leaf);
    if (!for_good_) Remember(route.prefix, match);
    if (route.prefix.length() == 0) {
      SetDefault(Trie::kBits == 32 ? default4_ : default6_, match.word());
    } else {
      const typename Trie::Key first = KeyOf<Trie>(route.prefix.address());
      const typename Trie::Key last = LastKeyOf<Trie>(route.prefix);
      sweep.Add(first, last, match.word());
      if (Trie::kBits == 128 && match.length() < lpm::kRegionBits) shorter.Add(first, last, match.word());
    }
  }
  if constexpr (Trie::kBits == 128) {
    trie.Build(shorter.Finish(), sweep.Finish());
  } else {
    trie.Build(sweep.Finish());
  }
}

absl::Status LpmTable::CheckRoom(AddressFamily family, size_t routes) const {
  if (routes > kMaxRoutes) {
    return absl::ResourceExhaustedError(absl::StrCat("routes: ", routes, " of one family are more than ", kMaxRoutes));
  }
  const bool v4 = family == AddressFamily::kIpv4;
  const LpmMemory& memory = v4 ? trie4_.memory() : trie6_.memory();
  if (memory.Room() < (v4 ? LpmTrie4::kMaxChangeBytes : LpmTrie6::kMaxChangeBytes)) {
    return absl::ResourceExhaustedError(
        absl::StrCat("memory: ", memory.touched_bytes(), " of ", LpmMemory::kMaxBytes, " bytes are in use or kept for a pinned reader"));
  }
  return absl::OkStatus();
}

absl::Status LpmTable::Insert(const Prefix& prefix, uint32_t leaf) {
  RETURN_IF_ERROR(CheckChangeable());
  RETURN_IF_ERROR(CheckLeaf(prefix, leaf));
  RETURN_IF_ERROR(CheckRoom(prefix.family(), SizeOf(prefix.family()).routes + 1));
  const LpmMatch match(prefix.length(), leaf);
  const bool is_new = Remember(prefix, match);
  // What it takes over: all that a shorter prefix answers for; or, if it has been there, its own.
  Paint(prefix, {is_new ? -1 : prefix.length(), is_new ? prefix.length() - 1 : prefix.length(), match.word()});
  return absl::OkStatus();
}

absl::Status LpmTable::Erase(const Prefix& prefix) {
  RETURN_IF_ERROR(CheckChangeable());
  if (!FindMatch(prefix).found()) return absl::NotFoundError(absl::StrCat("prefix: ", prefix.ToString(), " isn't in the table"));
  RETURN_IF_ERROR(CheckRoom(prefix.family(), 0));
  Forget(prefix);
  Paint(prefix, {prefix.length(), prefix.length(), Covering(prefix).word()});
  return absl::OkStatus();
}

// In whatever order a reader sees the two stores, it answers with the old default or the new one.
void LpmTable::SetDefault(lpm::Default& fallback, uint32_t word) {
  lpm::Store(&fallback.word, word);
  lpm::Store(&fallback.is_set, word != 0);
}

void LpmTable::Paint(const Prefix& prefix, const Brush& brush) {
  const bool v4 = prefix.address().is_v4();
  if (prefix.length() == 0) {
    SetDefault(v4 ? default4_ : default6_, brush.word);
  } else if (v4) {
    trie4_.Paint(KeyOf<LpmTrie4>(prefix.address()), LastKeyOf<LpmTrie4>(prefix), brush);
    trie4_.memory().Settle(*epochs_);
  } else {
    trie6_.Paint(KeyOf<LpmTrie6>(prefix.address()), LastKeyOf<LpmTrie6>(prefix), brush);
    trie6_.memory().Settle(*epochs_);
  }
}

std::optional<uint32_t> LpmTable::Find(const Prefix& prefix) const {
  const LpmMatch match = FindMatch(prefix);
  return match.found() ? std::optional(match.leaf()) : std::nullopt;
}

LpmMatch LpmTable::FindMatch(const Prefix& prefix) const {
  const IpAddress& address = prefix.address();
  if (address.is_v4()) return routes4_.Find(Address1(address), prefix.length());
  if (prefix.length() <= kShortLength6) return routes6_.Find(Address2(address), prefix.length());
  return long_routes6_.Find(Address4(address), prefix.length());
}

// The next shorter prefix; /0 isn't painted, so it doesn't count.
LpmMatch LpmTable::Covering(const Prefix& prefix) const {
  const bool v4 = prefix.address().is_v4();
  for (int length = prefix.length() - 1; length > 0; --length) {
    const size_t count = v4 ? routes4_.count(length) : length <= kShortLength6 ? routes6_.count(length) : long_routes6_.count(length);
    if (count == 0) continue;
    const LpmMatch match = FindMatch(Prefix::Of(prefix.address(), length));
    if (match.found()) return match;
  }
  return {};
}

bool LpmTable::Remember(const Prefix& prefix, LpmMatch match) {
  const IpAddress& address = prefix.address();
  if (address.is_v4()) return routes4_.Set(Address1(address), match);
  if (prefix.length() <= kShortLength6) return routes6_.Set(Address2(address), match);
  return long_routes6_.Set(Address4(address), match);
}

void LpmTable::Forget(const Prefix& prefix) {
  const IpAddress& address = prefix.address();
  if (address.is_v4()) {
    routes4_.Erase(Address1(address), prefix.length());
  } else if (prefix.length() <= kShortLength6) {
    routes6_.Erase(Address2(address), prefix.length());
  } else {
    long_routes6_.Erase(Address4(address), prefix.length());
  }
}

LpmTable::Size LpmTable::SizeOf(AddressFamily family) const {
  const bool v4 = family == AddressFamily::kIpv4;
  const LpmMemory& memory = v4 ? trie4_.memory() : trie6_.memory();
  return {.routes = v4 ? routes4_.size() : routes6_.size() + long_routes6_.size(),
          .lookup = memory.used_bytes() - (v4 ? trie4_.untouched_bytes() : 0),
          .reserve = memory.touched_bytes() - memory.used_bytes(),
          .store = v4 ? routes4_.bytes() : routes6_.bytes() + long_routes6_.bytes()};
}

void LpmTable::LongestMatchesAtRest(absl::Span<const IpAddress> addresses, LpmMatch* matches) const {
  constexpr size_t kBatch = 64;
  std::array<uint32_t, kBatch> keys4;
  std::array<LpmKey6, kBatch> keys6;
  std::array<uint32_t, kBatch> at4;
  std::array<uint32_t, kBatch> at6;
  std::array<LpmMatch, kBatch> found;
  for (size_t first = 0; first < addresses.size(); first += kBatch) {
    const size_t end = std::min(first + kBatch, addresses.size());
    size_t v4 = 0;
    size_t v6 = 0;
    for (size_t i = first; i < end; ++i) {
      const IpAddress& address = addresses[i];
      // Written to both, counted in one: families come in no order, and a branch would be guessed wrong.
      keys4[v4] = address.v4();
      at4[v4] = static_cast<uint32_t>(i - first);
      keys6[v6] = {address.high(), address.low()};
      at6[v6] = static_cast<uint32_t>(i - first);
      v4 += address.is_v4();
      v6 += address.is_v6();
    }
    lpm::Bulk4(view4_, keys4.data(), v4, reinterpret_cast<uint32_t*>(found.data()));
    for (size_t i = 0; i < v4; ++i) matches[first + at4[i]] = found[i];
    bulk6_(view6_, keys6.data(), v6, reinterpret_cast<uint32_t*>(found.data()));
    for (size_t i = 0; i < v6; ++i) matches[first + at6[i]] = found[i];
  }
}

}  // namespace fairlead
