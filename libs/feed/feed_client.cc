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

// Between two looks at the queue where others poll: short while messages come one upon the other.
constexpr absl::Duration kShortestPause = absl::Microseconds(200);
constexpr absl::Duration kLongestPause = absl::Milliseconds(10);
// Otherwise, because the clock may be one that is set by hand.
constexpr absl::Duration kLongestWait = absl::Seconds(1);

}  // namespace

FeedClientLoop::Call::Call(FeedClientLoop& loop) : loop_(loop) {
  loop_.SetRunning(&context_);
}

FeedClientLoop::Call::~Call() {
  loop_.SetRunning(nullptr);
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {
  }
}

absl::Status FeedClientLoop::Call::Wait(absl::Duration time) {
  const absl::Duration deadline = loop_.Now() + time;
  absl::Duration pause = kShortestPause;
  void* tag = nullptr;
  bool ok = false;
  while (true) {
    const absl::Duration left = deadline - loop_.Now();
    if (loop_.stopping()) return absl::CancelledError("stopping");
    if (left <= absl::ZeroDuration())
      return absl::DeadlineExceededError(absl::StrCat("nothing heard for ", FormatDuration(loop_.quiet_limit())));
    const absl::Duration wait = loop_.polled_elsewhere_ ? absl::ZeroDuration() : std::min(left, kLongestWait);
    if (queue_.AsyncNext(&tag, &ok, absl::ToChronoTime(absl::Now() + wait)) == grpc::CompletionQueue::GOT_EVENT) {
      under_way_ = false;
      ended_ = !ok;
      return ok ? absl::OkStatus() : absl::UnavailableError("the stream ended");
    }
    if (!loop_.polled_elsewhere_) continue;
    loop_.Pause(std::min(pause, left));
    pause = std::min(2 * pause, kLongestPause);
  }
}

void FeedClientLoop::Call::Settle() {
  if (!ended_) context_.TryCancel();
  void* tag = nullptr;
  bool ok = false;
  if (under_way_) queue_.Next(&tag, &ok);
  under_way_ = false;
}

void FeedClientLoop::Pause(absl::Duration time) {
  absl::MutexLock lock(&mu_);
  if (!stopping_) stopped_.WaitWithTimeout(&mu_, time);
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
                               const Clock* clock, bool polled_elsewhere)
    : name_(std::move(name)),
      heartbeat_interval_(heartbeat_interval),
      clock_(clock != nullptr ? clock : &MachineClock()),
      polled_elsewhere_(polled_elsewhere),
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
    stopped_.SignalAll();
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
    while (!stopping_ && absl::Now() < until) stopped_.WaitWithDeadline(&mu_, until);
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
