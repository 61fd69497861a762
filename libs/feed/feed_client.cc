#include "libs/feed/feed_client.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "libs/clock/system_clock.h"
#include "libs/log/log.h"

namespace fairlead {
namespace {

const Clock& MachineClock() {
  static const SystemClock clock;
  return clock;
}

// The clock may be one that is set by hand.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

}  // namespace

FeedClientLoop::Call::Call(FeedClientLoop& loop) : loop_(loop) {
  loop_.SetRunning(&context_);
  if (loop_.shared_queue_ == nullptr) own_queue_.emplace();
}

FeedClientLoop::Call::~Call() {
  loop_.SetRunning(nullptr);
  if (!own_queue_.has_value()) return;
  own_queue_->Shutdown();
  Pump(absl::InfiniteFuture());
}

void FeedClientLoop::Call::Proceed(bool ok) {
  absl::MutexLock lock(&loop_.mu_);
  done_ = ok;
  loop_.changed_.SignalAll();
}

void FeedClientLoop::Call::Pump(absl::Time until) {
  void* tag = nullptr;
  bool ok = false;
  if (own_queue_->AsyncNext(&tag, &ok, absl::ToChronoTime(until)) == grpc::CompletionQueue::GOT_EVENT) {
    static_cast<AsyncEvent*>(tag)->Proceed(ok);
  }
}

std::optional<bool> FeedClientLoop::Call::Look(absl::Duration wait, bool though_stopping) {
  wait = std::min(wait, kLongestWait);
  if (own_queue_.has_value()) Pump(absl::Now() + wait);
  absl::MutexLock lock(&loop_.mu_);
  const bool waits = !own_queue_.has_value() && (though_stopping || !loop_.stopping_);
  if (waits && !done_.has_value()) loop_.changed_.WaitWithTimeout(&loop_.mu_, wait);
  const std::optional<bool> done = done_;
  done_.reset();
  if (!done.has_value()) return std::nullopt;
  under_way_ = false;
  ended_ = !*done;
  return done;
}

absl::Status FeedClientLoop::Call::Wait(absl::Duration time) {
  const absl::Duration deadline = loop_.Now() + time;
  while (true) {
    if (loop_.stopping()) return absl::CancelledError("stopping");
    const absl::Duration left = deadline - loop_.Now();
    if (left <= absl::ZeroDuration())
      return absl::DeadlineExceededError(absl::StrCat("nothing heard for ", FormatDuration(loop_.quiet_limit())));
    const std::optional<bool> done = Look(left, /*though_stopping=*/false);
    if (done.has_value()) return *done ? absl::OkStatus() : absl::UnavailableError("the stream ended");
  }
}

void FeedClientLoop::Call::Settle() {
  if (!ended_) context_.TryCancel();
  while (under_way_) Look(kLongestWait, /*though_stopping=*/true);
}

void FeedClientLoop::SetRunning(grpc::ClientContext* context) {
  absl::MutexLock lock(&mu_);
  running_ = context;
  if (stopping_ && running_ != nullptr) running_->TryCancel();
}

bool IsSharplySmaller(size_t held, size_t offered, const ShrinkGuard& guard) {
  if (held == 0) return false;
  if (offered == 0) return true;
  return held >= guard.small_table && static_cast<double>(offered) < static_cast<double>(held) * guard.least_share;
}

FeedClientLoop::FeedClientLoop(std::string name, absl::Duration heartbeat_interval, BackoffPolicy backoff, uint64_t seed,
                               const Clock* clock, grpc::CompletionQueue* shared_queue)
    : name_(std::move(name)),
      heartbeat_interval_(heartbeat_interval),
      clock_(clock != nullptr ? clock : &MachineClock()),
      shared_queue_(shared_queue),
      backoff_(backoff, seed) {}

FeedClientLoop::~FeedClientLoop() = default;

void FeedClientLoop::Start() {
  thread_ = std::thread([this] { Run(); });
}

void FeedClientLoop::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
    if (running_ != nullptr) running_->TryCancel();
    changed_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool FeedClientLoop::stopping() const {
  absl::MutexLock lock(&mu_);
  return stopping_;
}

void FeedClientLoop::Run() {
  absl::StatusCode last_code = absl::StatusCode::kOk;
  while (!stopping()) {
    bool productive = false;
    const absl::Status ended = RunStream(productive);
    const absl::Duration delay = backoff_.Next();
    absl::MutexLock lock(&mu_);
    if (stopping_) return;
    stats_.connected = false;
    stats_.last_error = ended;
    // A feed that stays down for the same reason says so once.
    if (productive || ended.code() != last_code) {
      LogWarning("feed lost; will subscribe again", {{"feed", name_}, {"held", stats_.held.ToString()}, {"why", ended}});
    }
    last_code = ended.code();
    const absl::Time until = absl::Now() + delay;
    while (!stopping_ && absl::Now() < until) changed_.WaitWithDeadline(&mu_, until);
  }
}

// A stream counts as a success of the back-off only when it confirms or brings something: one that is refused each time backs off.
void FeedClientLoop::Heard(bool confirms) {
  absl::MutexLock lock(&mu_);
  if (!stats_.connected) {
    stats_.connected = true;
    ++stats_.streams;
    stats_.last_error = absl::OkStatus();
  }
  if (!confirms) return;
  backoff_.Reset();
  confirmed_at_ = Now();
}

void FeedClientLoop::SetHeld(FeedPosition held, size_t entries, bool snapshot) {
  absl::MutexLock lock(&mu_);
  if (held != stats_.held || snapshot) ++stats_.changes;
  if (snapshot) ++stats_.snapshots;
  stats_.held = held;
  stats_.held_entries = entries;
}

void FeedClientLoop::CountRefused() {
  absl::MutexLock lock(&mu_);
  ++stats_.refused_changes;
}

void FeedClientLoop::SetPublisherBehind(bool behind) {
  absl::MutexLock lock(&mu_);
  stats_.publisher_behind = behind;
}

FeedClientStats FeedClientLoop::stats() const {
  absl::MutexLock lock(&mu_);
  FeedClientStats stats = stats_;
  stats.age = Now() - confirmed_at_;
  return stats;
}

}  // namespace fairlead
