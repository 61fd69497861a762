// A configuration that isn't in force yet: tried at once, and again with back-off while it is refused, since what refused it may pass (a
// port still taken, a full disk). A newer one replaces it. Not thread-safe; `now` is monotonic.
//
//   pending.Set(config);
//   if (pending.Due(now)) pending.Settle(Apply(pending.config()), now);
#ifndef FAIRLEAD_SERVICES_AGENT_PENDING_CONFIG_H_
#define FAIRLEAD_SERVICES_AGENT_PENDING_CONFIG_H_

#include <cstdint>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/base/backoff.h"

namespace fairlead::agent {

template <typename Config>
class PendingConfig {
 public:
  // A refusal is logged each time, so not often.
  static constexpr BackoffPolicy kRetry{absl::Milliseconds(500), absl::Minutes(1)};

  explicit PendingConfig(uint64_t seed) : backoff_(kRetry, seed) {}

  void Set(Config config) {
    config_ = std::move(config);
    due_at_ = -absl::InfiniteDuration();
    backoff_.Reset();
  }
  bool Due(absl::Duration now) const { return config_ && now >= due_at_; }
  // Only while one is pending.
  const Config& config() const { return *config_; }
  // How the try went.
  void Settle(const absl::Status& status, absl::Duration now) {
    if (status.ok()) {
      config_.reset();
    } else {
      due_at_ = now + backoff_.Next();
    }
  }

 private:
  Backoff backoff_;
  std::optional<Config> config_;
  absl::Duration due_at_ = absl::ZeroDuration();
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_PENDING_CONFIG_H_
