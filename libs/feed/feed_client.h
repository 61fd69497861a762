// FeedClient: keeps a subscription to one feed up and hands whole changes to its owner, on one thread of its own.
//
// It resumes from what is held, reconnects with jittered back-off, and takes a stream that is quiet for three heartbeats for dead.
// A snapshot that is sharply smaller than what is held (or empty) is refused for `ShrinkGuard::hold_for`, with a log line and a
// count, because a publisher that has lost its state looks just like that; meanwhile what is held stays in force.
//
//   FeedClient<v1::WatchConfigRequest, v1::WatchConfigResponse> client({
//       .name = "config",
//       .request = request,   // scope and subscriber; `held` is filled in.
//       .start = [stub](auto* context, const auto& request, auto* queue) { return stub->PrepareAsyncWatchConfig(context, request, queue);
//       }, .apply = [&](const FeedChange<v1::ConfigEntry>& change) { return table.Apply(change); },
//   });
//   client.Start();
//
// `apply` is called on the client's thread, one change at a time; a change that it refuses (an error) isn't held, and the client
// subscribes again after the back-off. The other methods are thread-safe.
//
// It reads from a completion queue and not through gRPC's callback API, whose threads poll all sockets of the process: from one of its own,
// on which its thread waits, or from one that a server has anyway (`queue`). Then no thread beside the server's polls; messages are parsed
// by the queue's thread and applied by the client's.
#ifndef FAIRLEAD_LIBS_FEED_FEED_CLIENT_H_
#define FAIRLEAD_LIBS_FEED_FEED_CLIENT_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/backoff.h"
#include "libs/base/clock.h"
#include "libs/feed/feed_replica.h"
#include "libs/feed/position.h"
#include "libs/rpc/async_event.h"

namespace fairlead {

// When a snapshot is too small to be believed at once.
struct ShrinkGuard {
  double least_share = 0.5;
  // Tables of fewer entries are only guarded against becoming empty.
  size_t small_table = 20;
  // A publisher that insists for so long is believed.
  absl::Duration hold_for = absl::Minutes(5);
};
// True if a snapshot of `offered` entries should be held off by somebody who holds `held`.
bool IsSharplySmaller(size_t held, size_t offered, const ShrinkGuard& guard);

struct FeedClientStats {
  FeedPosition held;
  size_t held_entries = 0;
  bool connected = false;                         // The stream is up and something was heard on it.
  bool publisher_behind = false;                  // It offers less than is held.
  absl::Duration age = absl::InfiniteDuration();  // Since anything was last heard on the feed that confirms what is held.
  absl::Status last_error;                        // Of the last stream; OK while one is up.
  uint64_t streams = 0;
  uint64_t changes = 0;
  uint64_t snapshots = 0;
  uint64_t refused_changes = 0;  // By the rules, by the guard, or by the owner.
};

// Feed clients keep gRPC's own keepalive off: the feed's heartbeats do more.
template <typename Request, typename Response>
struct FeedClientOptions {
  using Entry = FeedEntryOf<Response>;
  std::string name = "feed";
  Request request = {};
  // Prepares the call on the queue.
  std::function<std::unique_ptr<grpc::ClientAsyncReaderInterface<Response>>(grpc::ClientContext*, const Request&, grpc::CompletionQueue*)>
      start = nullptr;
  std::function<absl::Status(const FeedChange<Entry>&)> apply = nullptr;
  // Adds metadata to a call, where that is needed.
  std::function<void(grpc::ClientContext&)> prepare = nullptr;
  // What a copy on disk holds: its position and keys.
  FeedPosition held = {};
  FeedKeys held_keys = {};
  absl::Duration heartbeat_interval = absl::Seconds(2);
  BackoffPolicy backoff = {};
  uint64_t seed = 1;  // Of the jitter; different in each process.
  ShrinkGuard shrink_guard = {};
  // Null: the machine's.
  const Clock* clock = nullptr;
  // Null: one of its own. Else its thread must call AsyncEvent::Proceed for as long as the client runs.
  grpc::CompletionQueue* queue = nullptr;
};

// The part that isn't a template: the thread, the waiting, the statistics.
class FeedClientLoop {
 public:
  FeedClientLoop(std::string name, absl::Duration heartbeat_interval, BackoffPolicy backoff, uint64_t seed, const Clock* clock,
                 grpc::CompletionQueue* shared_queue);
  virtual ~FeedClientLoop();
  FeedClientLoop(const FeedClientLoop&) = delete;
  FeedClientLoop& operator=(const FeedClientLoop&) = delete;

  // Once. Returns at once; the first change comes later.
  void Start();
  // Ends the stream and the thread; no call of `apply` is under way afterwards.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);
  FeedClientStats stats() const ABSL_LOCKS_EXCLUDED(mu_);

 protected:
  // One stream from start to end; returns why it ended. Sets `productive` if it brought anything.
  virtual absl::Status RunStream(bool& productive) = 0;

  // A stream's call, of which one operation at a time is under way.
  class Call final : public AsyncEvent {
   public:
    explicit Call(FeedClientLoop& loop);
    ~Call() override;
    Call(const Call&) = delete;
    Call& operator=(const Call&) = delete;

    grpc::ClientContext& context() { return context_; }
    grpc::CompletionQueue* queue() { return own_queue_.has_value() ? &*own_queue_ : loop_.shared_queue_; }
    // An operation begins: its tag.
    void* Begin() {
      under_way_ = true;
      return static_cast<AsyncEvent*>(this);
    }
    // Waits for it. OK when it is done; else why the stream is over: it failed (the stream ended), nothing came within the time, the client
    // stops.
    absl::Status Wait(absl::Duration time);
    // Waits for what is still under way, which is cancelled unless the stream has ended by itself.
    void Settle();
    // On the queue's thread.
    void Proceed(bool ok) override;

   private:
    void Pump(absl::Time until);
    // Waits, not much longer than that, until the operation is done; empty: it isn't.
    std::optional<bool> Look(absl::Duration wait, bool though_stopping);

    FeedClientLoop& loop_;
    grpc::ClientContext context_;
    std::optional<grpc::CompletionQueue> own_queue_;
    bool under_way_ = false;
    bool ended_ = false;
    std::optional<bool> done_;  // Guarded by the loop's lock: how the operation went, until Look takes it.
  };

  bool stopping() const ABSL_LOCKS_EXCLUDED(mu_);
  void Heard(bool confirms) ABSL_LOCKS_EXCLUDED(mu_);
  void SetHeld(FeedPosition held, size_t entries, bool snapshot) ABSL_LOCKS_EXCLUDED(mu_);
  void CountRefused() ABSL_LOCKS_EXCLUDED(mu_);
  void SetPublisherBehind(bool behind) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Duration Now() const { return clock_->Monotonic(); }
  absl::Duration quiet_limit() const { return heartbeat_interval_ * 3; }
  const std::string& name() const { return name_; }

 private:
  void Run();
  // Null: none. Cancelled by Stop.
  void SetRunning(grpc::ClientContext* context) ABSL_LOCKS_EXCLUDED(mu_);

  mutable absl::Mutex mu_;
  absl::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ClientContext* running_ ABSL_GUARDED_BY(mu_) = nullptr;
  const std::string name_;
  const absl::Duration heartbeat_interval_;
  const Clock* const clock_;
  grpc::CompletionQueue* const shared_queue_;
  Backoff backoff_;
  std::thread thread_;
  FeedClientStats stats_ ABSL_GUARDED_BY(mu_);
  absl::Duration confirmed_at_ ABSL_GUARDED_BY(mu_) = -absl::InfiniteDuration();
};

template <typename Request, typename Response>
class FeedClient final : public FeedClientLoop {
 public:
  using Entry = FeedEntryOf<Response>;
  using Change = FeedChange<Entry>;

  explicit FeedClient(FeedClientOptions<Request, Response> options)
      : FeedClientLoop(options.name, options.heartbeat_interval, options.backoff, options.seed, options.clock, options.queue),
        options_(std::move(options)),
        replica_(options_.held, std::move(options_.held_keys)) {
    SetHeld(replica_.held(), replica_.held_entries(), /*snapshot=*/false);
  }
  ~FeedClient() override { Stop(); }

 private:
  absl::Status RunStream(bool& productive) override {
    Call call(*this);
    if (options_.prepare) options_.prepare(call.context());
    Request request = options_.request;
    request.mutable_held()->set_epoch(replica_.ask().epoch);
    request.mutable_held()->set_version(replica_.ask().version);
    replica_.Restart();
    const std::unique_ptr<grpc::ClientAsyncReaderInterface<Response>> reader = options_.start(&call.context(), request, call.queue());
    reader->StartCall(call.Begin());
    const absl::Status why = ReadUntilEnd(*reader, call, productive);
    call.Settle();
    grpc::Status status;
    reader->Finish(&status, call.Begin());
    call.Settle();
    // A status of the server's own says more than ours.
    if (absl::IsUnavailable(why) && !status.ok()) {
      return absl::Status(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
    }
    return why;
  }

  absl::Status ReadUntilEnd(grpc::ClientAsyncReaderInterface<Response>& reader, Call& call, bool& productive) {
    absl::Duration heard = Now();  // The first message is due from the start of the call.
    absl::Status waited = call.Wait(quiet_limit());
    while (waited.ok()) {
      Response message;
      reader.Read(&message, call.Begin());
      waited = call.Wait(heard + quiet_limit() - Now());
      if (!waited.ok()) {
        call.Settle();  // The message must outlive what is under way.
        return waited;
      }
      productive = true;
      bool confirms = false;
      const absl::Status taken = Take(std::move(message), confirms);
      SetPublisherBehind(replica_.publisher_behind());
      if (!taken.ok()) {
        CountRefused();
        return taken;
      }
      Heard(confirms && !replica_.publisher_behind());
      heard = Now();
    }
    return waited;
  }

  // Sets `confirms` if what is held afterwards is what the publisher has.
  absl::Status Take(Response&& message, bool& confirms) {
    confirms = message.frame().kind() == common::v1::FeedFrame::KIND_HEARTBEAT;
    absl::StatusOr<std::optional<Change>> offered = replica_.Offer(std::move(message));
    if (!offered.ok()) return offered.status();
    if (!offered->has_value()) return absl::OkStatus();
    const Change& change = **offered;
    absl::Status guarded = Guard(change);
    if (!guarded.ok()) return guarded;
    absl::Status applied = options_.apply(change);
    if (!applied.ok()) return applied;
    replica_.Commit(change);
    SetHeld(replica_.held(), replica_.held_entries(), change.snapshot);
    confirms = true;
    return absl::OkStatus();
  }

  absl::Status Guard(const Change& change) {
    if (!change.snapshot || !IsSharplySmaller(change.held_entries, change.entries.size(), options_.shrink_guard)) {
      shrink_since_.reset();
      return absl::OkStatus();
    }
    if (!shrink_since_.has_value()) shrink_since_ = Now();
    if (Now() - *shrink_since_ >= options_.shrink_guard.hold_for) {
      shrink_since_.reset();
      return absl::OkStatus();
    }
    return absl::FailedPreconditionError(absl::StrCat("feed ", name(), ": a snapshot of ", change.entries.size(), " entries at ",
                                                      change.position.ToString(), " where ", change.held_entries,
                                                      " are held: not believed yet"));
  }

  FeedClientOptions<Request, Response> options_;
  // Only used by the client's thread once it runs.
  FeedReplica<Response> replica_;
  std::optional<absl::Duration> shrink_since_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FEED_FEED_CLIENT_H_
