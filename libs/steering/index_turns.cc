#include "libs/steering/index_turns.h"

#include <algorithm>
#include <atomic>
#include <utility>

namespace fairlead {

bool IndexTurns::BringUp(Turn& turn) const {
  for (size_t i = turn.has - trimmed_; i < log_.size(); ++i) {
    if (!turn.index->Change(log_[i].prefix, log_[i].leaf)) return false;
  }
  turn.has = trimmed_ + log_.size();
  return true;
}

IndexTurns::Turn IndexTurns::MakeAnew(const PrefixTable<uint32_t>& leaves, size_t all) {
  ++made_anew_;
  return {.index = std::make_shared<LeafIndex>(leaves), .has = all};
}

void IndexTurns::TrimLog() {
  size_t least = trimmed_ + log_.size();
  for (const Turn& turn : turns_) least = std::min(least, turn.has);
  log_.erase(log_.begin(), log_.begin() + static_cast<ptrdiff_t>(least - trimmed_));
  trimmed_ = least;
  if (log_.empty()) log_ = {};  // A first load leaves one of all prefixes.
}

std::shared_ptr<const LeafIndex> IndexTurns::Publish(const PrefixTable<uint32_t>& leaves) {
  const size_t all = trimmed_ + log_.size();
  if (!turns_.empty() && turns_.back().has == all) return turns_.back().index;
  // One that lacks more than a tenth of all is no use any more; nor is its place in the log.
  const size_t most = std::max<size_t>(1'024, leaves.size() / 10);
  turns_.erase(std::remove_if(turns_.begin(), turns_.end(), [&](const Turn& turn) { return all - turn.has > most; }), turns_.end());
  // The first ones come together: whoever loads a table waits longer than for a change.
  while (trimmed_ == 0 && turns_.size() < kTurns) turns_.push_back(MakeAnew(leaves, all));
  // The oldest that nobody reads.
  const auto free = std::find_if(turns_.begin(), turns_.end(), [](const Turn& turn) { return turn.index.use_count() == 1; });
  Turn next;
  if (free != turns_.end()) {
    std::atomic_thread_fence(std::memory_order_acquire);  // What its last reader read, it read before.
    next = std::move(*free);
    turns_.erase(free);
    if (!BringUp(next)) next.index = nullptr;
  }
  if (next.index == nullptr) next = MakeAnew(leaves, all);
  if (turns_.size() == kTurns) turns_.erase(turns_.begin());
  turns_.push_back(std::move(next));
  TrimLog();
  return turns_.back().index;
}

}  // namespace fairlead
