#include "services/cli/exit_code.h"

#include "absl/strings/cord.h"

namespace fairlead::cli {
namespace {

constexpr char kUsageUrl[] = "fairlead.cli/usage";
constexpr char kUnreachableUrl[] = "fairlead.cli/unreachable";

}  // namespace

absl::Status UsageError(absl::string_view message) {
  absl::Status status = absl::InvalidArgumentError(message);
  status.SetPayload(kUsageUrl, absl::Cord());
  return status;
}

absl::Status Unreachable(const absl::Status& status) {
  absl::Status marked = status;
  marked.SetPayload(kUnreachableUrl, absl::Cord());
  return marked;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return kExitOk;
  if (status.GetPayload(kUsageUrl).has_value()) return kExitUsage;
  return status.GetPayload(kUnreachableUrl).has_value() ? kExitUnreachable : kExitRefused;
}

}  // namespace fairlead::cli
