#include "libs/feed/feed_publisher.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "libs/clock/system_clock.h"
#include "libs/log/log.h"

namespace fairlead {
namespace {

constexpr size_t kMostSubscriberName = 100;

class RefusedStream final : public FeedReactor {
 public:
  explicit RefusedStream(const grpc::Status& status) { Finish(status); }
  void OnDone() override { delete this; }
};

grpc::ByteBuffer ToBuffer(const std::string& message) {
  const grpc::Slice slice(message);
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace

FeedPosition FeedPositionFromProto(const common::v1::FeedPosition& position) {
  return {position.epoch(), position.version()};
}

common::v1::FeedPosition FeedPositionToProto(FeedPosition position) {
  common::v1::FeedPosition proto;
  proto.set_epoch(position.epoch);
  proto.set_version(position.version);
  return proto;
}

FeedReactor* RefuseFeed(const grpc::Status& status) {
  return new RefusedStream(status);
}

// What the publisher and its streams share; the streams keep it alive. One lock: writes are only started under it, never awaited.
class FeedPublisher::Hub {
 public:
  // A change in the form of gRPC, shared by all subscribers that need the same one at the same time.
  struct Shared {
    FeedPosition base;
    FeedPosition position;
    std::vector<grpc::ByteBuffer> messages;
  };

  explicit Hub(FeedPublisherOptions options_in) : options(std::move(options_in)), table(options.start, options.limits) {}

  absl::Duration Now() const { return clock.Monotonic(); }
  // The next change for a subscriber at `cursor`, which isn't position().
  std::shared_ptr<const Shared> NextChange(FeedPosition cursor) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void PumpAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu);
  void TickUntilShutdown() ABSL_LOCKS_EXCLUDED(mu);
  void Done(Stream* stream) ABSL_LOCKS_EXCLUDED(mu) {
    absl::MutexLock lock(&mu);
    streams.erase(stream);
  }
  bool NoStreams() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu) { return streams.empty(); }

  const FeedPublisherOptions options;
  const SystemClock clock;
  absl::Mutex mu;
  FeedTable table ABSL_GUARDED_BY(mu);
  FeedPublisherStats stats ABSL_GUARDED_BY(mu);
  bool shut_down ABSL_GUARDED_BY(mu) = false;
  absl::flat_hash_set<Stream*> streams ABSL_GUARDED_BY(mu);

 private:
  static std::shared_ptr<const Shared> Share(EncodedChange change);

  std::weak_ptr<const Shared> last_delta_ ABSL_GUARDED_BY(mu);
  std::weak_ptr<const Shared> last_snapshot_ ABSL_GUARDED_BY(mu);
};

// One subscriber. Deletes itself when gRPC is done with it.
class FeedPublisher::Stream final : public FeedReactor {
 public:
  Stream(std::shared_ptr<Hub> hub, grpc::CallbackServerContext* context, FeedPosition held, absl::string_view subscriber)
      : hub_(std::move(hub)), context_(context), subscriber_(subscriber.substr(0, kMostSubscriberName)), cursor_(held) {}

  // Starts the next write if none is under way and there is something to tell.
  // For callers that hold the lock under another name, which clang's analysis can't see.
  void AssertLocked() const ABSL_ASSERT_EXCLUSIVE_LOCK(hub_->mu) { hub_->mu.AssertHeld(); }
  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(hub_->mu);
  void Tick(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(hub_->mu);
  void End(const grpc::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(hub_->mu);

  void OnWriteDone(bool ok) override {
    absl::MutexLock lock(&hub_->mu);
    writing_ = false;
    if (!ok) return End(grpc::Status(grpc::StatusCode::CANCELLED, "the subscriber has gone"));
    if (end_.has_value()) return FinishNow();
    Pump();
  }
  void OnCancel() override {
    absl::MutexLock lock(&hub_->mu);
    End(grpc::Status(grpc::StatusCode::CANCELLED, "the subscriber has gone"));
  }
  void OnDone() override {
    hub_->Done(this);
    delete this;
  }

 private:
  void FinishNow() ABSL_EXCLUSIVE_LOCKS_REQUIRED(hub_->mu);
  void Write(const grpc::ByteBuffer* message) ABSL_EXCLUSIVE_LOCKS_REQUIRED(hub_->mu);

  const std::shared_ptr<Hub> hub_;
  grpc::CallbackServerContext* const context_;
  const std::string subscriber_;
  // All below are guarded by hub_->mu.
  FeedPosition cursor_;  // What the subscriber holds once `change_` is through.
  std::shared_ptr<const Hub::Shared> change_;
  size_t next_message_ = 0;
  grpc::ByteBuffer heartbeat_;
  bool writing_ = false;
  bool greeted_ = false;
  bool finished_ = false;
  std::optional<grpc::Status> end_;
  absl::Duration last_write_ = absl::ZeroDuration();
};

std::shared_ptr<const FeedPublisher::Hub::Shared> FeedPublisher::Hub::Share(EncodedChange change) {
  auto shared = std::make_shared<Shared>();
  shared->base = change.base;
  shared->position = change.position;
  shared->messages.reserve(change.messages.size());
  for (std::string& message : change.messages) {
    shared->messages.push_back(ToBuffer(message));
    message = std::string();  // Not both in memory at once.
  }
  return shared;
}

std::shared_ptr<const FeedPublisher::Hub::Shared> FeedPublisher::Hub::NextChange(FeedPosition cursor) {
  if (table.CanDelta(cursor)) {
    ++stats.deltas;
    std::shared_ptr<const Shared> delta = last_delta_.lock();
    if (delta != nullptr && delta->base == cursor && delta->position == table.position()) return delta;
    delta = Share(table.Delta(cursor));
    last_delta_ = delta;
    return delta;
  }
  ++stats.snapshots;
  // An older snapshot that is still being sent does too, if a delta leads on from it: so slow subscribers share one copy.
  std::shared_ptr<const Shared> snapshot = last_snapshot_.lock();
  if (snapshot != nullptr && snapshot->position > cursor && table.CanDelta(snapshot->position)) return snapshot;
  snapshot = Share(table.Snapshot());
  last_snapshot_ = snapshot;
  return snapshot;
}

void FeedPublisher::Hub::PumpAll() {
  for (Stream* stream : streams) {
    stream->AssertLocked();
    stream->Pump();
  }
}

void FeedPublisher::Hub::TickUntilShutdown() {
  const absl::Duration step = std::max(options.heartbeat_interval / 4, absl::Milliseconds(10));
  absl::MutexLock lock(&mu);
  while (!mu.AwaitWithTimeout(absl::Condition(&shut_down), step)) {
    const absl::Duration now = Now();
    for (Stream* stream : streams) {
      stream->AssertLocked();
      stream->Tick(now);
    }
  }
}

void FeedPublisher::Stream::Write(const grpc::ByteBuffer* message) {
  writing_ = true;
  greeted_ = true;
  last_write_ = hub_->Now();
  ++hub_->stats.messages;
  StartWrite(message);
}

void FeedPublisher::Stream::Pump() {
  if (writing_ || end_.has_value()) return;
  if (change_ != nullptr && next_message_ == change_->messages.size()) {
    cursor_ = change_->position;
    change_ = nullptr;
  }
  if (change_ == nullptr && cursor_ < hub_->table.position()) {
    change_ = hub_->NextChange(cursor_);
    next_message_ = 0;
  }
  if (change_ != nullptr) return Write(&change_->messages[next_message_++]);
  if (!greeted_) {  // Tells a subscriber at once that it is up to date.
    heartbeat_ = ToBuffer(hub_->table.Heartbeat());
    Write(&heartbeat_);
  }
}

void FeedPublisher::Stream::Tick(absl::Duration now) {
  if (end_.has_value()) return;
  if (writing_) {
    if (now - last_write_ < hub_->options.write_timeout) return;
    ++hub_->stats.cut_off_subscribers;
    LogWarning("feed subscriber takes nothing; cut off",
               {{"feed", hub_->options.name}, {"subscriber", subscriber_}, {"after", hub_->options.write_timeout}});
    return End(grpc::Status(grpc::StatusCode::ABORTED, "too slow"));
  }
  if (now - last_write_ < hub_->options.heartbeat_interval) return;
  heartbeat_ = ToBuffer(hub_->table.Heartbeat());
  Write(&heartbeat_);
}

// With a write under way the status can only be sent after it, so the call is cancelled to make it end.
void FeedPublisher::Stream::End(const grpc::Status& status) {
  if (!end_.has_value()) end_ = status;
  if (!writing_) return FinishNow();
  context_->TryCancel();
}

void FeedPublisher::Stream::FinishNow() {
  if (finished_) return;
  finished_ = true;
  change_ = nullptr;
  Finish(*end_);
}

FeedPublisher::FeedPublisher(FeedPublisherOptions options) : hub_(std::make_shared<Hub>(std::move(options))) {
  ticker_ = std::thread([hub = hub_] { hub->TickUntilShutdown(); });
}

FeedPublisher::~FeedPublisher() {
  Shutdown();
  ticker_.join();
}

void FeedPublisher::Shutdown() {
  absl::MutexLock lock(&hub_->mu);
  hub_->shut_down = true;
  for (Stream* stream : hub_->streams) {
    stream->AssertLocked();
    stream->End(grpc::Status(grpc::StatusCode::UNAVAILABLE, absl::StrCat("feed ", hub_->options.name, ": shutting down")));
  }
}

absl::Status FeedPublisher::Publish(std::vector<EncodedEntry> changes) {
  absl::MutexLock lock(&hub_->mu);
  FeedPosition next = hub_->table.position();
  if (next.nothing()) return absl::FailedPreconditionError(absl::StrCat("feed ", hub_->options.name, ": has no position yet"));
  if (hub_->table.Unchanged(changes)) return absl::OkStatus();
  ++next.version;
  absl::Status applied = hub_->table.Apply(next, std::move(changes));
  if (!applied.ok()) return applied;
  ++hub_->stats.changes;
  hub_->PumpAll();
  return absl::OkStatus();
}

absl::Status FeedPublisher::PublishAt(FeedPosition position, std::vector<EncodedEntry> changes) {
  absl::MutexLock lock(&hub_->mu);
  absl::Status applied = hub_->table.Apply(position, std::move(changes));
  if (!applied.ok()) return applied;
  ++hub_->stats.changes;
  hub_->PumpAll();
  return absl::OkStatus();
}

absl::Status FeedPublisher::PublishWhole(FeedPosition position, std::vector<EncodedEntry> whole) {
  absl::MutexLock lock(&hub_->mu);
  absl::Status applied = hub_->table.Apply(position, hub_->table.ChangesTo(std::move(whole)));
  if (!applied.ok()) return applied;
  ++hub_->stats.changes;
  hub_->PumpAll();
  return absl::OkStatus();
}

FeedPosition FeedPublisher::position() const {
  absl::MutexLock lock(&hub_->mu);
  return hub_->table.position();
}

FeedPublisherStats FeedPublisher::stats() const {
  absl::MutexLock lock(&hub_->mu);
  FeedPublisherStats stats = hub_->stats;
  stats.subscribers = static_cast<int>(hub_->streams.size());
  stats.position = hub_->table.position();
  stats.entries = hub_->table.size();
  stats.entry_bytes = hub_->table.bytes();
  return stats;
}

FeedReactor* FeedPublisher::Subscribe(grpc::CallbackServerContext* context, FeedPosition held, absl::string_view subscriber) {
  absl::MutexLock lock(&hub_->mu);
  if (hub_->shut_down || hub_->table.position().nothing()) {
    const char* const why = hub_->shut_down ? ": shutting down" : ": nothing to publish yet";
    return RefuseFeed(grpc::Status(grpc::StatusCode::UNAVAILABLE, absl::StrCat("feed ", hub_->options.name, why)));
  }
  if (hub_->streams.size() >= static_cast<size_t>(hub_->options.most_subscribers)) {
    ++hub_->stats.refused_subscribers;
    return RefuseFeed(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED, absl::StrCat("feed ", hub_->options.name, ": at most ",
                                                                                      hub_->options.most_subscribers, " subscribers")));
  }
  auto* stream = new Stream(hub_, context, held, subscriber);
  hub_->streams.insert(stream);
  stream->AssertLocked();
  stream->Pump();
  return stream;
}

}  // namespace fairlead
