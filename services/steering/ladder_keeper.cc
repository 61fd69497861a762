#include "services/steering/ladder_keeper.h"

#include <algorithm>
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

void SortUnique(std::vector<Prefix>& prefixes) {
  std::sort(prefixes.begin(), prefixes.end());
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
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
  const std::vector<Prefix> fresh = TakeChanges(before, touched);
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
  edition.line = OthersKnownTo(now_);
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
  others.insert(others.end(), edition.line.begin() + static_cast<ptrdiff_t>(edition.at), edition.line.end());
  for (const auto& [prefix, count] : edition.foreign_of) others.push_back(prefix);
  SortUnique(others);
  return others;
}

// The prefixes whose routes may be others than in the last step.
std::vector<Prefix> LadderKeeper::TakeChanges(const Cells& before, const Sessions& touched) {
  Cells either = cells_;
  std::copy_if(before.begin(), before.end(), std::back_inserter(either),
               [this](const auto& cell) { return std::find(cells_.begin(), cells_.end(), cell) == cells_.end(); });
  std::vector<Prefix> fresh;
  bool all = false;
  for (const auto& cell : either) {
    if (!touched.empty()) cell->TouchRoutesOf(touched);
    const RouteChanges changes = cell->TakeRouteChanges();
    all |= changes.all;
    fresh.insert(fresh.end(), changes.prefixes.begin(), changes.prefixes.end());
  }
  if (all) {
    fresh = OthersKnownTo(now_);
    const std::vector<Prefix> numbered = now_.book->PrefixesAfter(nullptr, now_.book->numbered());
    fresh.insert(fresh.end(), numbered.begin(), numbered.end());
    for (const auto& cell : cells_) {
      const std::vector<Prefix> routed = cell->RoutedPrefixes();
      fresh.insert(fresh.end(), routed.begin(), routed.end());
    }
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

void LadderKeeper::TakeOver(const std::vector<Prefix>& fresh) {
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
  return std::binary_search(line.begin() + static_cast<ptrdiff_t>(at), line.end(), prefix);
}

void LadderKeeper::TakeOver(Edition& edition, std::vector<Prefix> fresh) {
  // Nobody waits for ladders that are being made: what they come to anyway isn't taken over twice.
  if (&edition == &next_) std::erase_if(fresh, [&](const Prefix& prefix) { return edition.WillCome(prefix); });
  if (fresh.size() <= limits_.at_once) {
    edition.merge.RoutesOf(fresh, merged_);
    for (size_t i = 0; i < fresh.size(); ++i) Take(edition, fresh[i], merged_[i]);
    return;
  }
  // Where much waits already, what came since is mostly the same prefixes again. Two pieces of memory take turns: to be given new ones each
  // tick would take the system longer than it takes to merge.
  const auto waiting = edition.line.begin() + static_cast<ptrdiff_t>(edition.at);
  const size_t most = edition.line.size() - edition.at + fresh.size();
  spare_.clear();
  if (spare_.capacity() < most) spare_.reserve(2 * most);
  std::set_union(waiting, edition.line.end(), fresh.begin(), fresh.end(), std::back_inserter(spare_));
  edition.line.swap(spare_);
  edition.at = 0;
}

bool LadderKeeper::Refill(Edition& edition) const {
  if (edition.at < edition.line.size()) return true;
  edition.line.clear();
  edition.at = 0;
  if (!edition.walks) return false;
  edition.line = edition.book->PrefixesAfter(edition.walked.has_value() ? &*edition.walked : nullptr, limits_.piece);
  edition.walks = !edition.line.empty();
  if (edition.walks) edition.walked = edition.line.back();
  edition.to_walk = edition.walks ? edition.to_walk - std::min(edition.to_walk, edition.line.size()) : 0;
  return edition.walks;
}

bool LadderKeeper::WorkOffLine(Edition& edition, const std::function<bool()>& out_of_time) {
  while (Refill(edition)) {
    const absl::Span<const Prefix> some = absl::MakeConstSpan(edition.line).subspan(edition.at, limits_.ahead);
    edition.merge.RoutesOf(some, merged_);
    for (size_t i = 0; i < some.size();) {
      const size_t end = std::min(some.size(), i + limits_.batch);
      for (; i < end; ++i, ++edition.at) Take(edition, some[i], merged_[i]);
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
