#include "services/steering/key_choice.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/log/log.h"

namespace fairlead {

void KeyChoice::Choose(const std::vector<std::string>& wanted, absl::Duration now) {
  const bool due = key_id_.empty() && now - scanned_at_ >= rescan_every_;
  if (wanted_ == wanted && !due) return;
  wanted_ = wanted;
  scanned_at_ = now;
  key_id_.clear();
  if (signer_ == nullptr) {
    why_none_ = absl::UnavailableError("can't sign URLs: this server was started without --signing_key_dir");
    return;
  }
  if (const absl::Status scanned = signer_->Rescan(); !scanned.ok()) LogError("signing keys not read again", {{"why", scanned}});
  if (wanted.empty()) {
    why_none_ = absl::UnavailableError("can't sign URLs: the configuration has no signing key in state ACTIVE");
    return;
  }
  absl::StatusOr<std::string> chosen = signer_->Choose(wanted);
  if (!chosen.ok()) {
    why_none_ = absl::UnavailableError(absl::StrCat("can't sign URLs: ", chosen.status().message()));
    return;
  }
  key_id_ = *std::move(chosen);
  why_none_ = absl::OkStatus();
  LogInfo("signing key chosen", {{"key", key_id_}});
}

}  // namespace fairlead
