#include "libs/pg/hang_detector.h"

#include <algorithm>

namespace fairlead::pg {

void HangDetector::Begin(int operation, absl::Duration now) {
  running_[operation] = {.deadline = now + limits_.transaction_timeout, .heard = now};
}

Cut HangDetector::End(int operation) {
  const auto found = running_.find(operation);
  if (found == running_.end()) return Cut::kNot;
  const Cut cut = found->second.cut;
  running_.erase(found);
  return cut;
}

const std::pair<const int, HangDetector::Operation>* HangDetector::Oldest() const {
  const std::pair<const int, Operation>* oldest = nullptr;
  for (const auto& entry : running_) {
    if (entry.second.cut == Cut::kNot && (oldest == nullptr || entry.second.heard < oldest->second.heard)) oldest = &entry;
  }
  return oldest;
}

HangDetector::Todo HangDetector::Step(absl::Duration now) {
  Todo todo;
  const auto* oldest = Oldest();
  const bool waits = oldest != nullptr && now - oldest->second.heard >= limits_.hang_timeout / 2;
  if (!asking_ && (waits || silent_)) {
    asking_ = true;
    asked_ = now;
    todo.ask_for = oldest == nullptr ? -1 : oldest->first;
  }
  for (auto& [id, operation] : running_) {
    if (operation.cut != Cut::kNot) continue;
    // The question gets its half even if it was asked late, because this process itself had stood still.
    if (asking_ && now - asked_ >= limits_.hang_timeout / 2 && now - operation.heard >= limits_.hang_timeout) {
      operation.cut = Cut::kSilent;
      silent_ = true;
    } else if (now >= operation.deadline) {
      operation.cut = Cut::kOverdue;
    }
    if (operation.cut != Cut::kNot) todo.cut.push_back(id);
  }
  return todo;
}

void HangDetector::Answered(absl::Duration now) {
  asking_ = false;
  silent_ = false;
  for (auto& [id, operation] : running_) operation.heard = std::max(operation.heard, now);
}

}  // namespace fairlead::pg
