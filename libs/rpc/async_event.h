// What a tag on a completion queue points to, for all calls of the completion-queue API. A queue's thread does this and nothing else:
//
//   while (queue.Next(&tag, &ok)) static_cast<AsyncEvent*>(tag)->Proceed(ok);
#ifndef FAIRLEAD_LIBS_RPC_ASYNC_EVENT_H_
#define FAIRLEAD_LIBS_RPC_ASYNC_EVENT_H_

namespace fairlead {

class AsyncEvent {
 public:
  virtual ~AsyncEvent() = default;
  // The operation begun last is over; `ok` as gRPC tells it. May delete the object. Mustn't wait.
  virtual void Proceed(bool ok) = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_ASYNC_EVENT_H_
