#include "services/agent/serving_loop.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kTurn = absl::Milliseconds(100);
// A preflight (204) is none: pages go on asking whether they may ask.
bool IsContent(const AccessLine& line) {
  return line.status == 200 || line.status == 206;
}

constexpr int kLogBuffer = 4 << 20;  // What the kernel keeps while we are busy; NGINX drops lines rather than wait.

}  // namespace

ServingLoop::ServingLoop(NginxDaemonOptions nginx, const Clock& clock)
    : clock_(clock), log_path_(NginxLogSocket(nginx.run_folder)), nginx_(std::move(nginx)), pending_(static_cast<uint64_t>(getpid())) {}

ServingLoop::~ServingLoop() {
  Stop();
}

absl::Status ServingLoop::Start() {
  RETURN_IF_ERROR(nginx_.Open());
  RETURN_IF_ERROR(OpenLogSocket());
  keeper_ = std::thread([this] { Keep(); });
  reader_ = std::thread([this] { ReadLog(); });
  return absl::OkStatus();
}

absl::Status ServingLoop::OpenLogSocket() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (log_path_.size() >= sizeof address.sun_path)
    return absl::InvalidArgumentError(absl::StrCat("socket path '", log_path_, "' is longer than 107 bytes"));
  memcpy(address.sun_path, log_path_.c_str(), log_path_.size());
  unlink(log_path_.c_str());
  log_ = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!log_.valid() || bind(log_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return SystemError("bind", log_path_);
  setsockopt(log_.get(), SOL_SOCKET, SO_RCVBUF, &kLogBuffer, sizeof kLogBuffer);
  return absl::OkStatus();
}

void ServingLoop::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (keeper_.joinable()) keeper_.join();
  if (reader_.joinable()) reader_.join();
  if (log_.valid()) unlink(log_path_.c_str());
  log_.Reset();
}

bool ServingLoop::stopping() const {
  absl::MutexLock lock(&mu_);
  return stopping_;
}

void ServingLoop::SetConfig(const NginxConfigInput& input) {
  absl::MutexLock lock(&mu_);
  next_config_ = input;
  config_in_force_ = false;
}

bool ServingLoop::config_in_force() const {
  absl::MutexLock lock(&mu_);
  return config_in_force_;
}

void ServingLoop::Keep() {
  while (!stopping()) {
    KeepConfig();
    nginx_.Tick(clock_.Monotonic());
    NoteRefusing();
    absl::SleepFor(kTurn);
  }
  nginx_.Stop(absl::Seconds(2));
}

void ServingLoop::KeepConfig() {
  {
    absl::MutexLock lock(&mu_);
    if (next_config_) pending_.Set(*std::exchange(next_config_, std::nullopt));
  }
  if (!pending_.Due(clock_.Monotonic())) return;
  const absl::Status applied = nginx_.Apply(pending_.config());  // A refusal is kept for Report().
  const ServingMode mode = pending_.config().mode;
  pending_.Settle(applied, clock_.Monotonic());
  absl::MutexLock lock(&mu_);
  if (applied.ok()) mode_in_force_ = mode;
  config_in_force_ = applied.ok() && !next_config_;
}

// From when nobody is served: the workers that were told to go still are, until they have ended what they send.
void ServingLoop::NoteRefusing() {
  absl::MutexLock lock(&mu_);
  const bool refusing = mode_in_force_ == ServingMode::kRefusing;
  if (!refusing) refusing_since_.reset();
  if (refusing && !refusing_since_.has_value() && !nginx_.old_workers_left()) refusing_since_ = clock_.Monotonic();
}

NginxReport ServingLoop::Report() const {
  NginxReport report = nginx_.Report();
  absl::MutexLock lock(&mu_);
  if (report.state == NginxReport::State::kRunning && mode_in_force_ == ServingMode::kRefusing) {
    report.state = NginxReport::State::kRefusing;
  }
  return report;
}

std::optional<absl::Duration> ServingLoop::quiet_for() const {
  absl::MutexLock lock(&mu_);
  if (!refusing_since_.has_value()) return std::nullopt;
  return clock_.Monotonic() - std::max(*refusing_since_, last_content_);
}

void ServingLoop::ReadLog() {
  char buffer[8192];
  while (!stopping()) {
    pollfd wait{log_.get(), POLLIN, 0};
    if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(kTurn))) <= 0) continue;
    const ssize_t size = recv(log_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    if (size < 0) continue;
    const auto line = ParseAccessLine(absl::string_view(buffer, size));
    absl::MutexLock lock(&mu_);
    if (line.ok()) {
      traffic_.Add(*line);
      if (IsContent(*line)) last_content_ = clock_.Monotonic();
    } else {
      ++unreadable_lines_;
    }
  }
}

int64_t ServingLoop::total_bytes() const {
  absl::MutexLock lock(&mu_);
  return traffic_.total_bytes();
}

std::map<TrafficKey, TrafficSums> ServingLoop::TakeTraffic() {
  absl::MutexLock lock(&mu_);
  return traffic_.Take();
}

int64_t ServingLoop::unreadable_lines() const {
  absl::MutexLock lock(&mu_);
  return unreadable_lines_;
}

}  // namespace fairlead::agent
