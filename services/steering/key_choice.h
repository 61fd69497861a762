// Which key signs: the newest of those that configuration wants whose private half is in the folder. The folder is read again when others
// are wanted, and now and then while none of them is here: keys and configuration reach a machine by different ways. Not thread-safe.
//
//   keys.Choose(settings.active_key_ids, now);
//   if (keys.key_id().empty()) return keys.why_none();
#ifndef FAIRLEAD_SERVICES_STEERING_KEY_CHOICE_H_
#define FAIRLEAD_SERVICES_STEERING_KEY_CHOICE_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "libs/signing/token_signer.h"

namespace fairlead {

class KeyChoice {
 public:
  // `signer` may be null: no folder of keys was given.
  KeyChoice(TokenSigner* signer, absl::Duration rescan_every) : signer_(signer), rescan_every_(rescan_every) {}

  // `now` on the monotonic clock.
  void Choose(const std::vector<std::string>& wanted, absl::Duration now);

  // Empty if there is none; then `why_none` is UNAVAILABLE and names what is missing.
  const std::string& key_id() const { return key_id_; }
  const absl::Status& why_none() const { return why_none_; }

 private:
  TokenSigner* const signer_;
  const absl::Duration rescan_every_;
  std::optional<std::vector<std::string>> wanted_;  // Last time.
  absl::Duration scanned_at_ = -absl::InfiniteDuration();
  std::string key_id_;
  absl::Status why_none_ = absl::UnavailableError("no signing key yet: starting");
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_KEY_CHOICE_H_
