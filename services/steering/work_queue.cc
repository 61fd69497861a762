#include "services/steering/work_queue.h"

#include <algorithm>
#include <chrono>

namespace fairlead {
namespace {

absl::Duration MonotonicNow() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace

WorkQueue::WorkQueue(OverloadGate& gate, size_t index)
    : gate_(gate), index_(index), admission_(gate.options().admission), now_(MonotonicNow()), looked_at_(now_) {}

void WorkQueue::Drain(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  while (true) {
    if (waiting_ == 0) {
      if (!queue.Next(&tag, &ok)) return;
      now_ = MonotonicNow();
      static_cast<AsyncEvent*>(tag)->Proceed(ok);
    }
    if (now_ - looked_at_ >= kLookEvery && !Look(queue)) {
      while (waiting_ > 0) WorkTurn();
      return;
    }
    if (waiting_ > 0) WorkTurn();
  }
}

bool WorkQueue::Look(grpc::CompletionQueue& queue) {
  void* tag = nullptr;
  bool ok = false;
  const uint64_t last = offered_ + MayTake();
  const absl::Duration began = MonotonicNow();
  const absl::Duration look_on_for = kLookShare * (began - looked_at_);
  int in_vain = 0;
  for (int taken = 0; taken < kMostEvents && offered_ < last;) {
    const auto status = queue.AsyncNext(&tag, &ok, std::chrono::system_clock::time_point());
    if (status == grpc::CompletionQueue::SHUTDOWN) return false;
    if (status == grpc::CompletionQueue::TIMEOUT) {
      const bool look_on = BatchesWait() && ++in_vain < kMostInVain && MonotonicNow() - began < look_on_for;
      if (look_on) continue;
      break;
    }
    in_vain = 0;
    ++taken;
    static_cast<AsyncEvent*>(tag)->Proceed(ok);
  }
  looked_at_ = now_ = MonotonicNow();
  RefuseOutdated();
  return true;
}

size_t WorkQueue::MayTake() {
  const size_t bound = gate_.options().max_backlog;
  const size_t room = bound > waiting_ ? bound - waiting_ : 0;
  const bool only_the_first = waiting_ == lines_[0].size();
  if (!gate_.options().shed || only_the_first) return std::max<size_t>(1, room);
  const auto more = static_cast<size_t>(ahead_);
  ahead_ -= static_cast<double>(more);
  return std::max<size_t>(1, room + more);
}

void WorkQueue::RefuseOutdated() {
  if (!gate_.options().shed) return;
  for (std::deque<Waiting>& line : lines_) {
    while (!line.empty() && now_ - line.front().since > admission_.patience()) {
      if (MayStart(line)) Answer(TakeFirst(line).item, absl::OkStatus());
    }
  }
}

bool WorkQueue::Admit(RequestClass request_class, uint64_t spread) {
  return !gate_.options().shed || admission_.Arrive(request_class, spread, now_);
}

void WorkQueue::Offer(WorkItem* item, const Arrival& arrival) {
  ++offered_;
  const RequestClass request_class = arrival.request_class;
  if (!arrival.admitted) {
    TellLevel();
    return Answer(item, gate_.Refuse(ShedReason::kOverload, request_class, admission_.retry_after()));
  }
  if (waiting_ >= gate_.options().max_backlog) {
    size_t lowest = kRequestClasses - 1;
    while (lowest > static_cast<size_t>(request_class) && lines_[lowest].empty()) --lowest;
    if (lowest == static_cast<size_t>(request_class)) {
      return Answer(item, gate_.Refuse(ShedReason::kBacklog, request_class, admission_.retry_after()));
    }
    Refuse(lines_[lowest], ShedReason::kBacklog);
  }
  lines_[static_cast<size_t>(request_class)].push_back({item, request_class, arrival.requests, now_});
  ++waiting_;
  waiting_requests_ += arrival.requests;
}

// The first of the most urgent line, and those behind it as far as they can be worked on together. One that was late ends it: to refuse it
// took as long as an answer does, and the queue is to be looked at.
void WorkQueue::FillTurn() {
  turn_.clear();
  for (std::deque<Waiting>& line : lines_) {
    while (!line.empty() && Joins(line.front())) {
      if (!MayStart(line)) return;
      const Waiting next = TakeFirst(line);
      turn_of_singles_ = next.requests == 1;
      turn_.push_back(next.item);
    }
    if (!line.empty()) return;
  }
}

void WorkQueue::WorkTurn() {
  FillTurn();
  if (!turn_.empty()) turn_.front()->Work(turn_, absl::OkStatus());
  now_ = MonotonicNow();
}

bool WorkQueue::Joins(const Waiting& next) const {
  if (turn_.empty()) return true;
  return turn_.size() < kMostInTurn && turn_of_singles_ && next.requests == 1 && next.item->kind() == turn_.front()->kind();
}

bool WorkQueue::MayStart(std::deque<Waiting>& line) {
  const bool late = gate_.options().shed && !admission_.Start(line.front().request_class, now_ - line.front().since, now_);
  TellLevel();
  if (late) {
    Refuse(line, ShedReason::kLate);
    return false;
  }
  ahead_ = std::min(ahead_ + kAhead, kMostAhead);
  return true;
}

WorkQueue::Waiting WorkQueue::TakeFirst(std::deque<Waiting>& line) {
  const Waiting first = line.front();
  line.pop_front();
  --waiting_;
  waiting_requests_ -= first.requests;
  return first;
}

void WorkQueue::Refuse(std::deque<Waiting>& line, ShedReason reason) {
  const Waiting first = TakeFirst(line);
  Answer(first.item, gate_.Refuse(reason, first.request_class, admission_.retry_after()));
}

void WorkQueue::TellLevel() {
  if (!admission_.shedding() && told_level_ == Admission::kLevels) return;
  told_level_ = admission_.level();
  gate_.SetLevel(index_, told_level_, now_);
}

}  // namespace fairlead
