#include "services/steering/ladder_keeper.h"

#include <algorithm>
#include <functional>
#include <iterator>
#include <utility>
#include <variant>

#include "absl/types/span.h"
#include "libs/net/prefix_table.h"

namespace fairlead {
namespace {

std::shared_ptr<const Fleet> FleetOf(const ConfigViews& config, const Fleet* slots_of) {
  return Fleet::Build(config.sites, config.appliances, config.links, slots_of);
}

// Many sessions share a list: each pair is compared once.
class AllowListComparison {
 public:
  using List = std::shared_ptr<const PrefixTable<std::monostate>>;
  bool operator()(const List& a, const List& b) {
    const auto [at, is_new] = known_.try_emplace(std::pair(a.get(), b.get()), a == b);
    if (is_new && a != b && a != nullptr && b != nullptr) at->second = Prefixes(*a) == Prefixes(*b);
    return at->second;
  }

 private:
  using Table = PrefixTable<std::monostate>;
  static std::vector<Prefix> Prefixes(const Table& list) {
    std::vector<Prefix> prefixes;
    list.ForEach([&](const Prefix& prefix, const std::monostate&) { prefixes.push_back(prefix); });
    return prefixes;
  }
  absl::flat_hash_map<std::pair<const Table*, const Table*>, bool> known_;
};

}  // namespace

void LadderKeeper::Step(const Cells& cells, const Config& newest, const std::function<bool()>& out_of_time) {
  const bool first = now_.book == nullptr;
  Sessions touched;
  const Cells before = std::exchange(cells_, cells);
  FollowOwners(before, touched);
  if (first) {
    Begin(now_, newest, FleetOf(*newest, nullptr));
  } else if (newest != newest_) {
    FollowConfig(newest, touched);
  }
  newest_ = newest;
  const Changes fresh = TakeChanges(before, touched);
  // The same ladders again, by which others see that nothing changed. (The merges follow before they are asked next.)
  if (!first && fresh.empty() && touched.empty() && !busy()) return;
  TakeOver(fresh);
  now_.book->Settle();  // Before the clock decides: what is fresh isn't put off.
  WorkOffLine(now_, first ? [] { return false; } : out_of_time);
  if (next_.book != nullptr && !now_.has_more() && WorkOffLine(next_, out_of_time)) {
    Retire(std::exchange(now_, std::exchange(next_, Edition())), std::move(ladders_));
    ++rebuilds_;
    // The configuration may have gone on meanwhile: what it has withdrawn since must not come back with these ladders.
    Sessions withdrawn;
    if (now_.config != newest_) FollowConfig(newest_, withdrawn);
    TakeOver(TakeChanges(cells_, withdrawn));
    WorkOffLine(now_, [] { return false; });
  }
  ladders_ = now_.book->Publish();
}

// Whose word counts for which session, and of which sessions it is another cell's than before.
void LadderKeeper::FollowOwners(const Cells& before, Sessions& touched) {
  if (!watch_.Changed(cells_)) return;
  now_.merged_by = next_.merged_by = nullptr;
  stores_.clear();
  for (const auto& cell : cells_) stores_.push_back(cell.get());
  SessionOwners owners = MergeSessions(stores_);
  const auto store_of = [](const Cells& cells, const SessionOwners& of, const BgpSessionId& session) -> const CellStore* {
    const auto owner = of.find(session);
    return owner == of.end() ? nullptr : cells[owner->second].get();
  };
  for (const auto& [session, owner] : owners) {
    if (store_of(before, owners_, session) != cells_[owner].get()) touched.insert(session);
  }
  for (const auto& [session, owner] : owners_) {
    if (!owners.contains(session)) touched.insert(session);
  }
  owners_ = std::move(owners);
}

void LadderKeeper::FollowConfig(const Config& newest, Sessions& touched) {
  if (newest->topology == now_.config->topology && newest->ladder_rules == now_.config->ladder_rules) {
    // It may have been told meanwhile of a configuration that allowed less.
    if (now_.effective != now_.config) Allow(now_, newest, touched);
    now_.merged_by = nullptr;
    now_.config = now_.effective = newest;
    wanted_ = Wanted::kNo;
    Retire(std::exchange(next_, Edition()), nullptr);
    return;
  }
  Allow(now_, newest, touched);
  // What is being made is finished first, or a configuration that changes often would never be followed.
  if (next_.book == nullptr && wanted_ == Wanted::kNo) wanted_ = Wanted::kJustNow;
}

void LadderKeeper::BeginNext() {
  if (wanted_ == Wanted::kYes) Begin(next_, newest_, FleetOf(*newest_, now_.fleet.get()));
  wanted_ = wanted_ == Wanted::kJustNow ? Wanted::kYes : Wanted::kNo;
}

void LadderKeeper::Begin(Edition& edition, const Config& config, std::shared_ptr<const Fleet> fleet) {
  edition.config = edition.effective = config;
  edition.book = std::make_unique<LadderBook>(fleet, config->sessions, nullptr, config->policy, now_.book.get());
  edition.fleet = std::move(fleet);
  if (&edition == &now_) return;
  edition.line = Anything(OthersKnownTo(now_));
  edition.walks = true;
  edition.to_walk = edition.book->numbered();
}

void LadderKeeper::Allow(Edition& edition, const Config& newest, Sessions& touched) {
  const Config before = std::exchange(edition.effective, std::make_shared<const ConfigViews>(KeepTopology(*edition.config, *newest)));
  AllowListComparison same;
  for (uint32_t i = 0; i < edition.effective->sessions.size(); ++i) {
    const SessionView& session = edition.effective->sessions[i];
    if (same(before->sessions[i].allowed, session.allowed)) continue;
    edition.book->SetAllowed(i, session.allowed);
    touched.insert(session.id);
  }
}

void LadderKeeper::Retire(Edition edition, std::shared_ptr<const LadderTable> last) {
  if (edition.book == nullptr) return;
  edition.book->Leave();
  leaving_.push_back({std::move(edition.book), std::move(last)});
}

void LadderKeeper::FreeSome(const std::function<bool()>& out_of_time) {
  while (!leaving_.empty()) {
    Leaving& oldest = leaving_.front();
    if (oldest.last.use_count() > 1) return;
    oldest.last = nullptr;
    if (!oldest.book->FreeSome(out_of_time)) return;
    leaving_.pop_front();
  }
}

std::vector<Prefix> LadderKeeper::OthersKnownTo(const Edition& edition) {
  std::vector<Prefix> others = edition.book->PrefixesLeftOut();
  for (size_t i = edition.at; i < edition.line.size(); ++i) others.push_back(edition.line[i].prefix);
  for (const auto& [prefix, count] : edition.foreign_of) others.push_back(prefix);
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  return others;
}

LadderKeeper::Changes LadderKeeper::Anything(const std::vector<Prefix>& prefixes) {
  Changes changes;
  changes.reserve(prefixes.size());
  for (const Prefix& prefix : prefixes) changes.push_back({.prefix = prefix});
  return changes;
}

// What is told of a prefix twice isn't one loss and nothing else.
void LadderKeeper::SortUnique(Changes& changes) {
  std::sort(changes.begin(), changes.end(), InOrder);
  auto end = changes.begin();
  for (auto at = changes.begin(); at != changes.end(); ++at) {
    if (end != changes.begin() && std::prev(end)->prefix == at->prefix) {
      std::prev(end)->lost = RouteChanges::kAnything;
    } else {
      *end++ = *at;
    }
  }
  changes.erase(end, changes.end());
}

uint32_t LadderKeeper::NumberOfLost(const CellStore& cell, const BgpSessionId& session) {
  const auto owner = owners_.find(session);
  if (owner == owners_.end() || cells_[owner->second].get() != &cell) return RouteChanges::kAnything;
  const auto [at, is_new] = lost_numbers_.try_emplace(session, static_cast<uint32_t>(lost_sessions_.size()));
  if (is_new) lost_sessions_.push_back(session);
  return at->second;
}

// The prefixes whose routes may be others than in the last step.
LadderKeeper::Changes LadderKeeper::TakeChanges(const Cells& before, const Sessions& touched) {
  if (now_.at == now_.line.size() && next_.at == next_.line.size()) {
    lost_sessions_.clear();
    lost_numbers_.clear();
  }
  Cells either = cells_;
  std::copy_if(before.begin(), before.end(), std::back_inserter(either),
               [this](const auto& cell) { return std::find(cells_.begin(), cells_.end(), cell) == cells_.end(); });
  Changes fresh;
  bool all = false;
  for (const auto& cell : either) {
    if (!touched.empty()) cell->TouchRoutesOf(touched);
    const RouteChanges changes = cell->TakeRouteChanges();
    all |= changes.all;
    std::vector<uint32_t> numbers;
    for (const BgpSessionId& session : changes.sessions) numbers.push_back(NumberOfLost(*cell, session));
    for (size_t i = 0; i < changes.prefixes.size(); ++i) {
      const uint32_t lost = changes.lost[i];
      fresh.push_back({.prefix = changes.prefixes[i], .lost = lost == RouteChanges::kAnything ? lost : numbers[lost]});
    }
  }
  if (all) {
    std::vector<Prefix> any = OthersKnownTo(now_);
    const std::vector<Prefix> numbered = now_.book->PrefixesAfter(nullptr, now_.book->numbered());
    any.insert(any.end(), numbered.begin(), numbered.end());
    for (const auto& cell : cells_) {
      const std::vector<Prefix> routed = cell->RoutedPrefixes();
      any.insert(any.end(), routed.begin(), routed.end());
    }
    fresh = Anything(any);
  }
  SortUnique(fresh);
  return fresh;
}

void LadderKeeper::Take(Edition& edition, const Prefix& prefix, const RouteMerge::Merged& merged) {
  edition.book->Set(prefix, merged.routes);
  if (const auto known = edition.foreign_of.find(prefix); known != edition.foreign_of.end()) {
    edition.foreign -= known->second;
    edition.foreign_of.erase(known);
  }
  if (merged.foreign == 0) return;
  edition.foreign_of[prefix] = merged.foreign;
  edition.foreign += merged.foreign;
}

// With what was left out of its others as it was: the route that went counted.
bool LadderKeeper::Lose(Edition& edition, const Change& change) const {
  if (change.lost == RouteChanges::kAnything) return false;
  const auto session = edition.config->session_index.find(lost_sessions_[change.lost]);
  return session != edition.config->session_index.end() && edition.book->Lose(change.prefix, session->second.index);
}

void LadderKeeper::TakeAsRead(Edition& edition, const std::vector<Prefix>& prefixes) {
  if (prefixes.empty()) return;
  edition.merge.RoutesOf(prefixes, of_late_);
  for (size_t i = 0; i < prefixes.size(); ++i) Take(edition, prefixes[i], of_late_[i]);
}

void LadderKeeper::TakeOver(const Changes& fresh) {
  for (Edition* edition : {&now_, &next_}) {
    if (edition->book == nullptr) continue;
    if (std::exchange(edition->merged_by, &edition->config->session_index) != &edition->config->session_index) {
      edition->merge.Follow(stores_, owners_, edition->config->session_index);
    }
    TakeOver(*edition, fresh);
  }
}

bool LadderKeeper::Edition::WillCome(const Prefix& prefix) const {
  if (walks && (!walked.has_value() || *walked < prefix) && book->HasNumber(prefix)) return true;
  return std::binary_search(line.begin() + static_cast<ptrdiff_t>(at), line.end(), Change{.prefix = prefix}, InOrder);
}

// A loss that waits is of a route that may have come back by the time it has its turn.
void LadderKeeper::Edition::Outdate(const Prefix& prefix) {
  const auto waits = std::lower_bound(line.begin() + static_cast<ptrdiff_t>(at), line.end(), Change{.prefix = prefix}, InOrder);
  if (waits != line.end() && waits->prefix == prefix) waits->lost = RouteChanges::kAnything;
}

// Of too many changes those of the sessions that lose most wait: a router is lost, and what others say isn't to wait behind a million of
// its routes. Takes out of `fresh` what doesn't wait; nothing, if without such losses there is still too much.
LadderKeeper::Changes LadderKeeper::TakeUrgent(Changes& fresh) const {
  if (fresh.size() <= limits_.at_once) return std::exchange(fresh, {});
  std::vector<std::pair<size_t, uint32_t>> losses(lost_sessions_.size());  // How many, and whose.
  for (uint32_t session = 0; session < losses.size(); ++session) losses[session].second = session;
  for (const Change& change : fresh) {
    if (change.lost != RouteChanges::kAnything) ++losses[change.lost].first;
  }
  std::sort(losses.begin(), losses.end(), std::greater<>());
  std::vector<bool> waits(losses.size(), false);
  size_t urgent = fresh.size();
  for (const auto& [count, session] : losses) {
    if (urgent <= limits_.at_once) break;
    waits[session] = true;
    urgent -= count;
  }
  if (urgent > limits_.at_once) return {};
  const auto is_urgent = [&](const Change& change) { return change.lost == RouteChanges::kAnything || !waits[change.lost]; };
  Changes taken;
  std::copy_if(fresh.begin(), fresh.end(), std::back_inserter(taken), is_urgent);
  std::erase_if(fresh, is_urgent);
  return taken;
}

void LadderKeeper::TakeOver(Edition& edition, Changes fresh) {
  // Nobody waits for ladders that are being made: what they come to anyway isn't taken over twice.
  if (&edition == &next_) {
    for (const Change& change : fresh) edition.Outdate(change.prefix);
    std::erase_if(fresh, [&](const Change& change) { return edition.WillCome(change.prefix); });
  }
  to_read_.clear();
  for (const Change& change : TakeUrgent(fresh)) {
    edition.Outdate(change.prefix);
    if (!Lose(edition, change)) to_read_.push_back(change.prefix);
  }
  TakeAsRead(edition, to_read_);
  if (fresh.empty()) return;
  // Where much waits already, what came since is mostly the same prefixes again. Two pieces of memory take turns: to be given new ones each
  // tick would take the system longer than it takes to merge.
  auto waiting = edition.line.begin() + static_cast<ptrdiff_t>(edition.at);
  const size_t most = edition.line.size() - edition.at + fresh.size();
  spare_.clear();
  if (spare_.capacity() < most) spare_.reserve(2 * most);
  for (const Change& change : fresh) {
    while (waiting != edition.line.end() && InOrder(*waiting, change)) spare_.push_back(*waiting++);
    const bool waits = waiting != edition.line.end() && waiting->prefix == change.prefix;
    spare_.push_back(waits ? Change{.prefix = change.prefix} : change);
    if (waits) ++waiting;
  }
  spare_.insert(spare_.end(), waiting, edition.line.end());
  edition.line.swap(spare_);
  edition.at = 0;
}

bool LadderKeeper::Refill(Edition& edition) const {
  if (edition.at < edition.line.size()) return true;
  edition.line.clear();
  edition.at = 0;
  if (!edition.walks) return false;
  edition.line = Anything(edition.book->PrefixesAfter(edition.walked.has_value() ? &*edition.walked : nullptr, limits_.piece));
  edition.walks = !edition.line.empty();
  if (edition.walks) edition.walked = edition.line.back().prefix;
  edition.to_walk = edition.walks ? edition.to_walk - std::min(edition.to_walk, edition.line.size()) : 0;
  return edition.walks;
}

bool LadderKeeper::WorkOffLine(Edition& edition, const std::function<bool()>& out_of_time) {
  while (Refill(edition)) {
    const absl::Span<const Change> some = absl::MakeConstSpan(edition.line).subspan(edition.at, limits_.ahead);
    to_read_.clear();
    for (const Change& change : some) {
      if (change.lost == RouteChanges::kAnything) to_read_.push_back(change.prefix);
    }
    edition.merge.RoutesOf(to_read_, merged_);
    size_t read = 0;
    for (size_t i = 0; i < some.size();) {
      late_.clear();
      const size_t end = std::min(some.size(), i + limits_.batch);
      for (; i < end; ++i, ++edition.at) {
        if (some[i].lost == RouteChanges::kAnything) {
          Take(edition, some[i].prefix, merged_[read++]);
        } else if (!Lose(edition, some[i])) {
          late_.push_back(some[i].prefix);
        }
      }
      TakeAsRead(edition, late_);
      edition.book->Settle();
      // What was read and not taken is read again: it may have changed by then.
      if (out_of_time()) return !edition.has_more();
    }
  }
  edition.line = {};
  spare_ = {};
  return true;
}

}  // namespace fairlead
