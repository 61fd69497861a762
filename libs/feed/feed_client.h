// FeedClient: keeps a subscription to one feed up and hands whole changes to its owner, on one thread of its own.
//
// It resumes from what is held, reconnects with jittered back-off, and takes a stream that is quiet for three heartbeats for dead.
// A snapshot that is sharply smaller than what is held (or empty) is refused for `ShrinkGuard::hold_for`, with a log line and a
// count, because a publisher that has lost its state looks just like that; meanwhile what is held stays in force.
//
//   FeedClient<v1::WatchConfigRequest, v1::WatchConfigResponse> client({
//       .name = "config",
//       .request = request,   // scope and subscriber; `held` is filled in.
//       .start = [stub](grpc::ClientContext* context, const v1::WatchConfigRequest* request,
//       grpc::ClientReadReactor<v1::WatchConfigResponse>*
//                           reactor) { stub->async()->WatchConfig(context, request, reactor); },
//       .apply = [&](const FeedChange<v1::ConfigEntry>& change) { return table.Apply(change); },
//   });
//   client.Start();
//
// `apply` is called on the client's thread, one change at a time; a change that it refuses (an error) isn't held, and the client
// subscribes again after the back-off. The other methods are thread-safe.
#ifndef FAIRLEAD_LIBS_FEED_FEED_CLIENT_H_
#define FAIRLEAD_LIBS_FEED_FEED_CLIENT_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/client_callback.h>

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
  std::function<void(grpc::ClientContext*, const Request*, grpc::ClientReadReactor<Response>*)> start = nullptr;
  std::function<absl::Status(const FeedChange<Entry>&)> apply = nullptr;
  // Adds metadata to a call, where that is needed.
  std::function<void(grpc::ClientContext&)> prepare = nullptr;
  // What a copy on disk holds: its position and keys.
  FeedPosition held = {};
  std::vector<std::string> held_keys = {};
  absl::Duration heartbeat_interval = absl::Seconds(2);
  BackoffPolicy backoff = {};
  uint64_t seed = 1;  // Of the jitter; different in each process.
  ShrinkGuard shrink_guard = {};
  // Null: the machine's.
  const Clock* clock = nullptr;
};

// The part that isn't a template: the thread, the waiting, the statistics.
class FeedClientLoop {
 public:
  FeedClientLoop(std::string name, absl::Duration heartbeat_interval, BackoffPolicy backoff, uint64_t seed, const Clock* clock);
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

  bool stopping() const ABSL_LOCKS_EXCLUDED(mu_);
  void Heard(bool confirms) ABSL_LOCKS_EXCLUDED(mu_);
  void SetHeld(FeedPosition held, size_t entries, bool snapshot) ABSL_LOCKS_EXCLUDED(mu_);
  void CountRefused() ABSL_LOCKS_EXCLUDED(mu_);
  void SetPublisherBehind(bool behind) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Duration Now() const { return clock_->Monotonic(); }
  absl::Duration quiet_limit() const { return heartbeat_interval_ * 3; }
  const std::string& name() const { return name_; }

  mutable absl::Mutex mu_;
  // Signalled by the stream's events and by Stop.
  absl::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

 private:
  void Run();

  const std::string name_;
  const absl::Duration heartbeat_interval_;
  const Clock* const clock_;
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
      : FeedClientLoop(options.name, options.heartbeat_interval, options.backoff, options.seed, options.clock),
        options_(std::move(options)),
        replica_(options_.held, options_.held_keys) {
    SetHeld(replica_.held(), replica_.held_entries(), /*snapshot=*/false);
  }
  ~FeedClient() override { Stop(); }

 private:
  // One stream's events, handed to the client's thread. At most one message waits: the next read starts when it was taken.
  class Reader final : public grpc::ClientReadReactor<Response> {
   public:
    Reader(absl::Mutex& mu, absl::CondVar& changed) : mu_(mu), changed_(changed) {}
    void Begin() {
      this->AddHold();  // Reads are started outside of reactions.
      this->StartRead(&message_);
      this->StartCall();
    }
    void OnReadDone(bool ok) override {
      absl::MutexLock lock(&mu_);
      (ok ? has_message_ : ended_) = true;
      changed_.SignalAll();
    }
    void OnDone(const grpc::Status& status) override {
      absl::MutexLock lock(&mu_);
      status_ = status;
      changed_.SignalAll();
    }

    absl::Mutex& mu_;
    absl::CondVar& changed_;
    Response message_;
    // Guarded by mu_.
    bool has_message_ = false;
    bool ended_ = false;
    std::optional<grpc::Status> status_;
  };

  absl::Status RunStream(bool& productive) override {
    grpc::ClientContext context;
    if (options_.prepare) options_.prepare(context);
    Request request = options_.request;
    request.mutable_held()->set_epoch(replica_.ask().epoch);
    request.mutable_held()->set_version(replica_.ask().version);
    replica_.Restart();
    Reader reader(mu_, changed_);
    options_.start(&context, &request, &reader);
    reader.Begin();
    absl::Status why = ReadUntilEnd(reader, productive);
    context.TryCancel();
    reader.RemoveHold();
    return WaitForEnd(reader, std::move(why));
  }

  absl::Status ReadUntilEnd(Reader& reader, bool& productive) {
    while (true) {
      absl::Status waited = WaitForMessage(reader);
      if (!waited.ok()) return waited;
      productive = true;
      bool confirms = false;
      const absl::Status taken = Take(std::move(reader.message_), confirms);
      SetPublisherBehind(replica_.publisher_behind());
      if (!taken.ok()) {
        CountRefused();
        return taken;
      }
      Heard(confirms && !replica_.publisher_behind());
      reader.message_ = Response();
      reader.StartRead(&reader.message_);
    }
  }

  // OK when a message is there; else why the stream is over.
  absl::Status WaitForMessage(Reader& reader) ABSL_LOCKS_EXCLUDED(mu_) {
    const absl::Duration deadline = Now() + quiet_limit();
    absl::MutexLock lock(&mu_);
    while (true) {
      if (stopping_) return absl::CancelledError("stopping");
      if (reader.has_message_) {
        reader.has_message_ = false;
        return absl::OkStatus();
      }
      if (reader.ended_) return absl::UnavailableError("the stream ended");
      const absl::Duration left = deadline - Now();
      if (left <= absl::ZeroDuration())
        return absl::DeadlineExceededError(absl::StrCat("nothing heard for ", FormatDuration(quiet_limit())));
      changed_.WaitWithTimeout(&mu_, std::min(left, absl::Seconds(1)));
    }
  }

  // The reader must outlive the call. A status of the server's own says more than ours.
  absl::Status WaitForEnd(Reader& reader, absl::Status why) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    while (!reader.status_.has_value()) changed_.Wait(&mu_);
    if (absl::IsUnavailable(why) && !reader.status_->ok()) {
      return absl::Status(static_cast<absl::StatusCode>(reader.status_->error_code()), reader.status_->error_message());
    }
    return why;
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
