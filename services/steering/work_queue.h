// What one completion-queue thread has to do, in the order of its urgency: the events of its queue are taken off it as they come, requests
// among them stand in one line a class, and are refused where libs/overload says so.
//
// One thread. The queue is looked at again at least every kLookEvery, so that requests are known (and their waiting is counted) while
// others are worked on, and the cost of looking stays small.
//
//   WorkQueue work(gate, index);
//   work.Drain(queue);   // Until the queue is shut down and empty.
#ifndef FAIRLEAD_SERVICES_STEERING_WORK_QUEUE_H_
#define FAIRLEAD_SERVICES_STEERING_WORK_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "grpcpp/completion_queue.h"
#include "libs/overload/admission.h"
#include "libs/overload/request_class.h"
#include "services/steering/overload_gate.h"

namespace fairlead {

class WorkQueue;

// What a tag points to.
class AsyncEvent {
 public:
  virtual ~AsyncEvent() = default;
  // The operation begun last is over; `ok` as gRPC tells it. May delete the object.
  virtual void Proceed(bool ok, WorkQueue& work) = 0;
  // Its turn has come, after WorkQueue::Offer took it; not OK: the refusal that it must answer with. May delete the object.
  virtual void Work(const absl::Status& refusal) = 0;
};

class WorkQueue {
 public:
  static constexpr absl::Duration kLookEvery = absl::Microseconds(200);
  static constexpr int kMostEvents = 256;  // Taken at a look.

  // `gate` must outlive it.
  WorkQueue(OverloadGate& gate, size_t index);

  void Drain(grpc::CompletionQueue& queue);
  // Puts the event into the line of its class, or has it refused at once. Where there is no room, the oldest of a lower class makes it.
  void Offer(AsyncEvent* event, RequestClass request_class, uint64_t spread);

 private:
  struct Waiting {
    AsyncEvent* event;
    RequestClass request_class;
    absl::Duration since;
  };

  // Takes what is on the queue without waiting. False if it is shut down and empty.
  bool Look(grpc::CompletionQueue& queue);
  void WorkOne();
  // Takes the first of the line out of it and does it, or refuses it if it waited too long.
  void Do(std::deque<Waiting>& line);
  void Refuse(std::deque<Waiting>& line, ShedReason reason);
  // Refuses what waited too long, of all classes: lower ones would stand in the way for as long as higher ones come.
  void RefuseOutdated();
  void TellLevel();

  OverloadGate& gate_;
  const size_t index_;
  Admission admission_;
  std::array<std::deque<Waiting>, kRequestClasses> lines_;
  size_t waiting_ = 0;
  absl::Duration now_;  // Monotonic; as of the last look or work.
  absl::Duration looked_at_;
  size_t told_level_ = Admission::kLevels;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_WORK_QUEUE_H_
