#include "libs/steering/ladder_book.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <numeric>
#include <optional>
#include <string>
#include <tuple>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace fairlead {
namespace {

// Sessions in the order of their ids, so that their numbers don't depend on the caller; `moved[old] == new`.
std::vector<SessionView> SortSessions(std::vector<SessionView> sessions, std::vector<uint32_t>& moved) {
  std::vector<uint32_t> order(sessions.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return sessions[a].id < sessions[b].id; });
  moved.resize(sessions.size());
  std::vector<SessionView> sorted;
  sorted.reserve(sessions.size());
  for (const uint32_t old : order) {
    moved[old] = static_cast<uint32_t>(sorted.size());
    sorted.push_back(std::move(sessions[old]));
  }
  return sorted;
}

bool InOrder(const PackedRoute& a, const PackedRoute& b) {
  if (a.session != b.session) return a.session < b.session;  // Nearly always.
  return std::tie(a.as_path_length, a.neighbour_as, a.med, a.demoted) < std::tie(b.as_path_length, b.neighbour_as, b.med, b.demoted);
}

// (Routes have no padding.)
absl::string_view BytesOf(const RouteSet& set) {
  return {reinterpret_cast<const char*>(set.data()), set.size() * sizeof(PackedRoute)};
}

const Rung* RungsOf(uint64_t word) {
  return reinterpret_cast<const Rung*>(word >> 16);
}
size_t CountOf(uint64_t word) {
  return word & 0xffff;
}

absl::string_view BytesOfRungs(uint64_t word) {
  return {reinterpret_cast<const char*>(RungsOf(word)), CountOf(word) * sizeof(Rung)};
}

}  // namespace

LadderBook::LadderBook(std::shared_ptr<const Fleet> fleet, std::vector<SessionView> sessions, const PlaceTable* places,
                       const SteeringPolicy& policy, const LadderBook* before)
    : fleet_(std::move(fleet)),
      policy_(policy),
      numbers_(before != nullptr ? before->numbers_ : std::make_shared<LeafNumbers>()),
      share_(std::in_place, *numbers_),
      pool_(std::make_shared<RowPool>()) {
  auto resolved = std::make_shared<LadderTable::Sessions>();
  std::vector<uint32_t> moved;
  resolved->views = SortSessions(std::move(sessions), moved);
  resolved->resolved = ResolveSessions(*fleet_, resolved->views);
  gate_ = std::make_unique<SessionGate>(moved, resolved->views, resolved->resolved);
  sessions_ = std::move(resolved);
  maker_ = std::make_unique<LadderMaker>(*fleet_, sessions_->resolved, policy_);
  slots_ = std::make_shared<const LadderTable::Slots>(LadderTable::Slots{fleet_->slots()});
  sets_.Add(std::make_shared<const RouteSet>());
  set_uses_.push_back({.serial = 0, .uses = 1});
  leaves_.Add({.head = 0, .tail = TailFor(ClientPlace())});
  facts_.Add({});
  if (before != nullptr) Expect(*before);
  if (places == nullptr) return;
  places_ = *places;
  places->ForEach([this](const Prefix& prefix, const ClientPlace&) {
    Know(prefix, numbers_->Take(prefix));
    dirty_.push_back(prefix);
  });
}

// As much as before: to make room for half a million while they come would hold up everybody.
void LadderBook::Expect(const LadderBook& before) {
  set_uses_.reserve(before.set_uses_.size());
  known_sets_.reserve(before.known_sets_.size());
  heads_.reserve(before.heads_.size());
  words_.reserve(before.words_.size());
  made_.reserve(before.made_.size() + before.made_before_.size());
}

// ---- Leaves ----

// Makes its leaf, if there is none yet.
void LadderBook::Know(const Prefix& prefix, uint32_t leaf) {
  if (Knows(leaf)) return;
  leaves_.Grow(leaf + size_t{1}, {});
  facts_.Grow(leaf + size_t{1}, {.prefix = {}, .free = true});
  leaves_.Mutable(leaf) = {};
  facts_.Mutable(leaf) = {.prefix = prefix};
}

// What other books gave numbers to has a leaf here as well: its ladder is that of what covers it.
void LadderBook::FollowNumbers() {
  share_->TakeAdded([this](const Prefix& prefix) {
    const uint32_t leaf = numbers_->Find(prefix);
    if (Knows(leaf)) return;
    Know(prefix, leaf);
    dirty_.push_back(prefix);
    emptied_.push_back(prefix);
  });
}

// While there are several books nothing goes: others may have routes there.
void LadderBook::DropBare() {
  if (!share_->alone()) return;
  for (size_t i = 0; i < kMostDropped && !emptied_.empty(); ++i) {
    DropIfBare(emptied_.back());
    emptied_.pop_back();
  }
}

// A prefix with neither routes nor a place has no leaf.
void LadderBook::DropIfBare(const Prefix& prefix) {
  const uint32_t leaf = numbers_->Find(prefix);
  if (leaf == 0 || !Knows(leaf) || facts_[leaf].set != 0 || places_.Find(prefix) != nullptr) return;
  numbers_->GiveBack(prefix);
  ReleaseHead(leaves_[leaf].head);
  facts_.Mutable(leaf) = {.prefix = {}, .free = true};
  dirty_.push_back(prefix);  // For what lies below it.
}

uint32_t LadderBook::InternSet(const RouteSet& set) {
  if (set.empty()) return 0;
  const absl::string_view bytes = BytesOf(set);
  const uint64_t hash = absl::Hash<absl::string_view>()(bytes);
  absl::InlinedVector<uint32_t, 2>& alike = known_sets_[hash];
  for (const uint32_t number : alike) {
    if (BytesOf(*sets_[number]) != bytes) continue;
    ++set_uses_[number].uses;
    return number;
  }
  uint32_t number = 0;
  auto shared = std::make_shared<const RouteSet>(set);
  const bool direct = std::any_of(shared->begin(), shared->end(), [this](const PackedRoute& route) { return maker_->IsDirect(route); });
  if (!free_sets_.empty()) {
    number = free_sets_.back();
    free_sets_.pop_back();
    sets_.Mutable(number) = std::move(shared);
  } else {
    number = static_cast<uint32_t>(sets_.Add(std::move(shared)));
    set_uses_.emplace_back();
  }
  set_uses_[number] = {.serial = ++last_serial_, .hash = hash, .uses = 1, .direct = direct};
  alike.push_back(number);
  return number;
}

void LadderBook::ReleaseSet(uint32_t number) {
  if (number == 0 || --set_uses_[number].uses > 0) return;
  const auto alike = known_sets_.find(set_uses_[number].hash);
  alike->second.erase(std::find(alike->second.begin(), alike->second.end(), number));
  if (alike->second.empty()) known_sets_.erase(alike);
  set_uses_[number].ranked = {};
  free_sets_.push_back(number);
}

const RankedRoutes& LadderBook::RankedOf(uint32_t set, bool with_transit) {
  std::unique_ptr<const RankedRoutes>& ranked = set_uses_[set].ranked[with_transit ? 1 : 0];
  if (ranked == nullptr) ranked = std::make_unique<const RankedRoutes>(maker_->Rank(*sets_[set], with_transit));
  return *ranked;
}

void LadderBook::Set(const Prefix& prefix, absl::Span<const RouteView> routes) {
  set_.clear();
  gate_->Turn(prefix);
  for (const RouteView& route : routes) {
    const uint32_t session = gate_->Admit(route.session);
    if (session == SessionGate::kShut) continue;
    set_.push_back({.session = session,
                    .neighbour_as = route.neighbour_as,
                    .med = route.med,
                    .as_path_length = route.as_path_length,
                    .demoted = static_cast<uint16_t>(route.demoted ? 1 : 0)});
  }
  const size_t left_out = routes.size() - set_.size();
  if (!std::is_sorted(set_.begin(), set_.end(), InOrder)) std::sort(set_.begin(), set_.end(), InOrder);  // They often come in order.
  if (const auto known = left_out_of_.find(prefix); known != left_out_of_.end()) {
    left_out_ -= known->second;
    left_out_of_.erase(known);
  }
  if (left_out > 0) left_out_of_[prefix] = left_out;
  left_out_ += left_out;

  if (set_.empty() && numbers_->Find(prefix) == 0) return;
  const uint32_t number = InternSet(set_);
  const uint32_t leaf = numbers_->Take(prefix);
  const bool is_new = !Knows(leaf);
  Know(prefix, leaf);
  Refer(prefix, leaf, number, is_new);
}

void LadderBook::Refer(const Prefix& prefix, uint32_t leaf, uint32_t set, bool is_new) {
  const uint32_t before = facts_[leaf].set;
  ReleaseSet(before);
  if (before == set && !is_new) return;
  facts_.Mutable(leaf).set = set;
  dirty_.push_back(prefix);
  if (set == 0) emptied_.push_back(prefix);
}

bool LadderBook::Lose(const Prefix& prefix, uint32_t session) {
  const uint32_t leaf = numbers_->Find(prefix);
  if (leaf == 0 || !Knows(leaf) || facts_[leaf].set == 0) return false;
  const std::optional<uint32_t> rest = TakeWithout(facts_[leaf].set, gate_->PlaceOf(session));
  if (rest.has_value()) Refer(prefix, leaf, *rest, /*is_new=*/false);
  return rest.has_value();
}

std::optional<uint32_t> LadderBook::TakeWithout(uint32_t set, uint32_t session) {
  const std::pair key(set_uses_[set].serial, session);
  if (const auto known = rests_.find(key); known != rests_.end()) {
    const Rest& rest = known->second;
    if (rest.set == 0) return 0;
    if (set_uses_[rest.set].serial == rest.serial && set_uses_[rest.set].uses > 0) {
      ++set_uses_[rest.set].uses;
      return rest.set;
    }
  }
  const RouteSet& routes = *sets_[set];
  const auto of_it = std::equal_range(routes.begin(), routes.end(), PackedRoute{.session = session},
                                      [](const PackedRoute& a, const PackedRoute& b) { return a.session < b.session; });
  if (std::distance(of_it.first, of_it.second) != 1) return std::nullopt;
  set_.assign(routes.begin(), of_it.first);
  set_.insert(set_.end(), of_it.second, routes.end());
  const uint32_t number = InternSet(set_);
  if (rests_.size() >= kMostRests) rests_ = {};
  rests_[key] = {.set = number, .serial = set_uses_[number].serial};
  return number;
}

void LadderBook::SetAll(const std::vector<RouteView>& routes) {
  std::vector<uint32_t> order(routes.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return routes[a].prefix < routes[b].prefix; });
  std::vector<Prefix> gone;
  auto at = order.begin();
  numbers_->leaves().ForEach([&](const Prefix& prefix, const uint32_t& leaf) {
    while (at != order.end() && routes[*at].prefix < prefix) ++at;
    if (Knows(leaf) && facts_[leaf].set != 0 && (at == order.end() || routes[*at].prefix != prefix)) gone.push_back(prefix);
  });
  for (const Prefix& prefix : gone) Set(prefix, {});
  std::vector<RouteView> of_prefix;
  for (at = order.begin(); at != order.end(); ++at) {
    of_prefix.push_back(routes[*at]);
    if (std::next(at) != order.end() && routes[*std::next(at)].prefix == of_prefix.back().prefix) continue;
    Set(of_prefix.back().prefix, of_prefix);
    of_prefix.clear();
  }
}

// ---- Ladders ----

uint32_t LadderBook::TailFor(const ClientPlace& place) {
  const auto key = std::pair(place.at, std::pair(place.country, static_cast<uint8_t>(place.source)));
  if (const auto at = known_tails_.find(key); at != known_tails_.end()) return at->second;
  const uint32_t number =
      static_cast<uint32_t>(tails_.Add({.place = place, .rungs = MakeRungs(*fleet_, BuildOpenLadder(*fleet_, place, policy_))}));
  known_tails_.emplace(key, number);
  return number;
}

uint64_t LadderBook::InternHead(const std::vector<Rung>& rungs) {
  if (rungs.empty()) return 0;
  const absl::string_view bytes(reinterpret_cast<const char*>(rungs.data()), rungs.size() * sizeof(Rung));
  const uint64_t hash = absl::Hash<absl::string_view>()(bytes);
  absl::InlinedVector<uint64_t, 1>& alike = words_[hash];
  const auto known = std::find_if(alike.begin(), alike.end(), [&](uint64_t word) { return BytesOfRungs(word) == bytes; });
  if (known != alike.end()) return *known;
  void* const memory = pool_->Take(bytes.size());
  std::memcpy(memory, bytes.data(), bytes.size());
  const uint64_t word = reinterpret_cast<uint64_t>(memory) << 16 | rungs.size();
  alike.push_back(word);
  heads_[word] = {.hash = hash, .serial = ++last_serial_};
  return word;
}

// 0 of none, and of one that is gone.
uint64_t LadderBook::SerialOf(uint64_t head) const {
  const auto at = heads_.find(head);
  return at == heads_.end() ? 0 : at->second.serial;
}

void LadderBook::ReleaseHead(uint64_t word) {
  const auto head = heads_.find(word);
  if (head == heads_.end() || --head->second.uses > 0) return;
  const auto alike = words_.find(head->second.hash);
  alike->second.erase(std::find(alike->second.begin(), alike->second.end(), word));
  if (alike->second.empty()) words_.erase(alike);
  heads_.erase(head);
  retiring_.push_back({const_cast<Rung*>(RungsOf(word)), BytesOfRungs(word).size()});
}

void LadderBook::PutLadder(uint32_t leaf, const Made& made) {
  const Leaf& before = leaves_[leaf];
  if (before.head == made.head && before.tail == made.tail) return;
  if (before.head != made.head) {
    if (made.head != 0) ++heads_.at(made.head).uses;
    ReleaseHead(before.head);
  }
  Leaf& now = leaves_.Mutable(leaf);
  now.head = made.head;
  now.tail = made.tail;
}

LadderBook::Made& LadderBook::Remembered(const Link& link) {
  const auto [at, is_new] = made_.try_emplace(link);
  if (!is_new) return at->second;
  const auto before = made_before_.find(link);
  if (before != made_before_.end()) return at->second = before->second;
  at->second.chain = ++last_serial_;
  return at->second;
}

const LadderBook::Made& LadderBook::LadderOf(const std::vector<Level>& stack) {
  Made& made = Remembered(stack.back().link);
  if (SerialOf(made.head) != made.head_serial) MakeLadder(stack, made);
  return made;
}

void LadderBook::MakeLadder(const std::vector<Level>& stack, Made& made) {
  ++counted_.ladders;
  covering_.clear();
  const bool direct = std::any_of(stack.begin(), stack.end(), [this](const Level& level) { return set_uses_[level.set].direct; });
  for (auto level = stack.rbegin(); level != stack.rend(); ++level) {
    if (level->set == 0 || (level + 1 != stack.rend() && AddsNothing(*level, level[1]))) continue;
    covering_.push_back({.prefix_length = level->prefix.length(),
                         .routes = sets_[level->set].get(),
                         .ranked = maker_->ranks_ahead() ? &RankedOf(level->set, !direct) : nullptr});
  }
  const ClientPlace place = maker_->Make(covering_, tails_[stack.back().place].place, rungs_);
  made.head = InternHead(rungs_);
  made.head_serial = SerialOf(made.head);
  made.tail = TailFor(place);
}

// True if it has the ladder of `above`: who stands behind a longer prefix's routes doesn't stand behind the same ones again. (Prefixes
// inside others often have the same routes.)
bool LadderBook::AddsNothing(const Level& level, const Level& above) const {
  return level.place == above.place && (level.set == 0 || (level.set == above.routed_set && maker_->ranks_ahead()));
}

void LadderBook::Push(std::vector<Level>& stack, const Prefix& prefix, uint32_t leaf) {
  while (!stack.empty() && !stack.back().prefix.Covers(prefix)) stack.pop_back();
  const Level above = stack.empty() ? Level() : stack.back();
  Level level = {.prefix = prefix,
                 .leaf = leaf,
                 .set = facts_[leaf].set,
                 .routed_set = above.routed_set,
                 .place = above.place,
                 .routed_length = above.routed_length};
  if (const ClientPlace* own = places_.Find(prefix); own != nullptr && own->known()) level.place = TailFor(*own);
  if (level.set != 0) {
    level.routed_set = level.set;
    level.routed_length = prefix.length();
  }
  level.link = !stack.empty() && AddsNothing(level, above) ? above.link : Link{above.chain, set_uses_[level.set].serial, level.place};
  stack.push_back(level);
}

// Prefixes come in their order, each right before those it covers: what covers the one at hand is a stack. What only another book knows yet
// is passed over: it comes, and changes then what lies below.
void LadderBook::Rebuild(const Prefix& within) {
  std::vector<Level>& stack = stack_;
  stack.clear();
  numbers_->leaves().ForEachCovering(within, [&](const Prefix& prefix, const uint32_t& leaf) {
    if (prefix == within || !Knows(leaf)) return;
    Push(stack, prefix, leaf);
    stack.back().chain = Remembered(stack.back().link).chain;
  });
  numbers_->leaves().ForEachWithin(within, [&](const Prefix& prefix, const uint32_t& leaf) {
    if (!Knows(leaf)) return;
    ++counted_.leaves;
    Push(stack, prefix, leaf);
    const Made& made = LadderOf(stack);
    stack.back().chain = made.chain;
    PutLadder(leaf, made);
    const uint32_t above = stack.size() > 1 ? stack[stack.size() - 2].leaf : 0;
    const int16_t routed_length = static_cast<int16_t>(stack.back().routed_length);
    if (facts_[leaf].routed_length != routed_length || facts_[leaf].above != above) {
      LadderTable::LeafFacts& facts = facts_.Mutable(leaf);
      facts.routed_length = routed_length;
      facts.above = above;
    }
  });
}

void LadderBook::Forget() {
  constexpr size_t kFew = 65'536;
  if (made_.size() > std::max(kFew, numbers_->leaves().size() / 2)) {
    made_before_ = std::exchange(made_, Ladders());
    made_.reserve(made_before_.size());  // It will be as many again, and to grow takes long.
  }
}

void LadderBook::FreeUnread() {
  while (!retired_.empty() && retired_.front().last.expired()) {
    std::atomic_thread_fence(std::memory_order_acquire);  // What its last reader read, it read before.
    for (const Memory& memory : retired_.front().memory) pool_->Give(memory.at, memory.bytes);
    retired_.pop_front();
  }
}

void LadderBook::Settle() {
  FollowNumbers();
  DropBare();
  std::sort(dirty_.begin(), dirty_.end());
  const Prefix* last = nullptr;  // What it covers has been rebuilt with it.
  for (const Prefix& prefix : dirty_) {
    if (last != nullptr && last->Covers(prefix)) continue;
    Rebuild(prefix);
    last = &prefix;
  }
  dirty_.clear();
}

std::vector<Prefix> LadderBook::PrefixesAfter(const Prefix* last, size_t most) const {
  std::vector<Prefix> prefixes;
  prefixes.reserve(std::min(most, numbered()));
  numbers_->leaves().ForEachAfter(last, [&](const Prefix& prefix, const uint32_t&) {
    prefixes.push_back(prefix);
    return prefixes.size() < most;
  });
  return prefixes;
}

std::vector<Prefix> LadderBook::PrefixesLeftOut() const {
  std::vector<Prefix> prefixes;
  for (const auto& [prefix, count] : left_out_of_) prefixes.push_back(prefix);
  std::sort(prefixes.begin(), prefixes.end());
  return prefixes;
}

std::shared_ptr<const LadderTable> LadderBook::Publish() {
  Settle();
  Forget();
  published_ = std::exchange(counted_, Counts());

  const std::shared_ptr<LadderTable> table(new LadderTable());
  table->sessions_ = sessions_;
  table->index_ = numbers_->Publish();
  table->prefixes_ = numbers_->leaves().size();
  table->leaves_ = leaves_.Publish();
  table->facts_ = facts_.Publish();
  table->sets_ = sets_.Publish();
  table->tails_ = tails_.Publish();
  table->slots_ = slots_;
  table->pool_ = pool_;
  table->fingerprint_ = fleet_->fingerprint();
  table->left_out_ = left_out_;
  table->distinct_ = heads_.size() + 1;  // And that of clients which nothing matches.
  // What this table no longer has, the one before may still show.
  if (!retired_.empty()) {
    std::vector<Memory>& memory = retired_.back().memory;
    memory.insert(memory.end(), retiring_.begin(), retiring_.end());
  } else {
    for (const Memory& memory : retiring_) pool_->Give(memory.at, memory.bytes);
  }
  retiring_.clear();
  retired_.push_back({table, {}});
  FreeUnread();
  return table;
}

void LadderBook::Leave() {
  share_.reset();
  numbers_ = nullptr;
}

bool LadderBook::FreeSome(const std::function<bool()>& out_of_time) {
  Leave();
  // The most of it first: a piece of memory for each set, and several for each ranked one.
  constexpr size_t kAtOnce = LadderTable::kSetsAPage;
  while (!set_uses_.empty()) {
    set_uses_.resize(set_uses_.size() - std::min(kAtOnce, set_uses_.size()));
    sets_.DropPage();
    if (out_of_time()) return false;
  }
  while (leaves_.size() > 0 || facts_.size() > 0) {
    leaves_.DropPage();
    facts_.DropPage();
    if (out_of_time()) return false;
  }
  const auto clear = [&](auto& map) {
    const bool had_some = !map.empty();
    map = {};
    return had_some && out_of_time();
  };
  return !clear(made_) && !clear(made_before_) && !clear(heads_) && !clear(words_) && !clear(known_sets_) && !clear(rests_) &&
         !clear(retired_);
}

}  // namespace fairlead
