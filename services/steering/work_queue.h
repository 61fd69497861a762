// What one completion-queue thread has to do, in the order of its urgency: the events of its queue are taken off it as they come, requests
// among them stand in one line a class, and are refused where libs/overload says so.
//
// One thread. The queue is looked at again at least every kLookEvery, so that requests are known (and their waiting is counted) while
// others are worked on, and the cost of looking stays small.
//
// Taking a request costs as much as answering it, and refusing hardly less. So no more are taken than the lines have room for, or a flood
// would leave no time for answers (receive livelock: Mogul and Ramakrishnan, "Eliminating receive livelock in an interrupt-driven kernel",
// 1997): the others wait inside gRPC, where a connection's bound on streams and in the end the callers hold back. Only while
// lower classes wait than the first are kAhead more taken for each one worked on, each for the place of the lowest: that share of the
// capacity is the price of knowing who is more urgent.
//
//   WorkQueue work(gate, index);
//   work.Drain(queue);   // Until the queue is shut down and empty.
#ifndef FAIRLEAD_SERVICES_STEERING_WORK_QUEUE_H_
#define FAIRLEAD_SERVICES_STEERING_WORK_QUEUE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "grpcpp/completion_queue.h"
#include "libs/overload/admission.h"
#include "libs/overload/request_class.h"
#include "libs/rpc/async_event.h"
#include "services/steering/overload_gate.h"

namespace fairlead {

// A call that may wait for its turn.
class WorkItem : public AsyncEvent {
 public:
  // Their turn has come, after WorkQueue::Offer took them: of this one, which is the first, and others of its kind. Not OK: the refusal
  // that they must answer with. May delete the objects.
  virtual void Work(absl::Span<WorkItem* const> turn, const absl::Status& refusal) = 0;
  // Those of one kind can be worked on together.
  virtual const void* kind() const = 0;
};

// What has come.
struct Arrival {
  RequestClass request_class = RequestClass::kPlaybackStart;  // Of several requests in one call, the most urgent that is admitted.
  bool admitted = true;                                       // WorkQueue::Admit said so, of one of them at least.
  size_t requests = 1;                                        // In the call.
};

class WorkQueue {
 public:
  static constexpr absl::Duration kLookEvery = absl::Microseconds(200);
  static constexpr int kMostEvents = 256;   // Taken at a look.
  static constexpr size_t kMostInTurn = 8;  // Single requests that are worked on together: so each waits for less memory and code.
  // gRPC says that it has nothing where it has read a piece of a message only, or of one connection of many. While batches wait (so many
  // requests a call) it is asked again, so often at most, and no longer than this share of the time since the last look: then what stands
  // in the sockets is known and its waiting counted. Not where calls are single requests: to refuse one of these costs what answering it
  // does, and to know of more of them helped nobody (PERFORMANCE.md).
  static constexpr size_t kBatch = 16;
  static constexpr int kMostInVain = 4;
  static constexpr double kLookShare = 0.1;
  static constexpr double kAhead = 0.375;
  static constexpr double kMostAhead = 16;

  // `gate` must outlive it.
  WorkQueue(OverloadGate& gate, size_t index);

  void Drain(grpc::CompletionQueue& queue);
  // Whether a request may be answered that has come; asked once of each. `spread`: the same for one caller or session.
  bool Admit(RequestClass request_class, uint64_t spread);
  // When one that wasn't admitted may try again.
  absl::Duration retry_after() const { return admission_.retry_after(); }
  // Puts the call into the line of its class, or has it refused at once. Where there is no room, the oldest of a lower class makes it.
  void Offer(WorkItem* item, const Arrival& arrival);

 private:
  struct Waiting {
    WorkItem* item;
    RequestClass request_class;
    size_t requests;
    absl::Duration since;
  };

  // Takes what is on the queue and may be taken, without waiting. False if it is shut down and empty.
  bool Look(grpc::CompletionQueue& queue);
  // How many requests may be taken at a look.
  size_t MayTake();
  void FillTurn();
  void WorkTurn();
  // Whether it may be worked on together with those of the turn.
  bool Joins(const Waiting& next) const;
  bool BatchesWait() const { return waiting_ > 0 && waiting_requests_ >= kBatch * waiting_; }
  Waiting TakeFirst(std::deque<Waiting>& line);
  // Whether the first of the line may be worked on. If it waited too long it is taken out of it and refused.
  bool MayStart(std::deque<Waiting>& line);
  static void Answer(WorkItem* item, const absl::Status& refusal) { item->Work({&item, 1}, refusal); }
  void Refuse(std::deque<Waiting>& line, ShedReason reason);
  // Refuses what waited too long, of all classes: lower ones would stand in the way for as long as higher ones come.
  void RefuseOutdated();
  void TellLevel();

  OverloadGate& gate_;
  const size_t index_;
  Admission admission_;
  std::array<std::deque<Waiting>, kRequestClasses> lines_;
  std::vector<WorkItem*> turn_;
  bool turn_of_singles_ = false;
  size_t waiting_ = 0;
  size_t waiting_requests_ = 0;
  uint64_t offered_ = 0;  // So far.
  double ahead_ = 0;      // How many more than there is room for may be taken.
  absl::Duration now_;    // Monotonic; as of the last look or work.
  absl::Duration looked_at_;
  size_t told_level_ = Admission::kLevels;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_WORK_QUEUE_H_
