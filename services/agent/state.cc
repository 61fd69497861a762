#include "services/agent/state.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#define XXH_INLINE_ALL
#include "xxhash.h"

namespace fairlead::agent {
namespace {

constexpr size_t kMaxRunFolder = 107 - 13;  // "/verdict.sock" and the like follow.

absl::StatusOr<std::string> AbsolutePath(const std::string& path) {
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return SystemError("realpath", path);
  std::string out = resolved;
  free(resolved);
  return out;
}

absl::StatusOr<std::string> MakeRunFolder(const std::string& state_folder) {
  std::string run = state_folder + "/run";
  if (run.size() > kMaxRunFolder)
    run = absl::StrFormat("/tmp/ocad-%d-%016x", geteuid(), XXH3_64bits(state_folder.data(), state_folder.size()));
  RETURN_IF_ERROR(MakeFolder(run, 0700));
  struct stat info;
  if (lstat(run.c_str(), &info) != 0) return SystemError("stat", run);
  // Below /tmp anybody might have been first.
  if (!S_ISDIR(info.st_mode) || info.st_uid != geteuid() || (info.st_mode & 0077) != 0) {
    return absl::FailedPreconditionError(absl::StrCat("'", run, "' must be a folder of this user's alone (mode 0700)"));
  }
  return run;
}

absl::StatusOr<std::string> NewInstallationId() {
  char bytes[16];
  if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) return SystemError("getrandom", "");
  return absl::BytesToHexString(absl::string_view(bytes, sizeof bytes));
}

}  // namespace

uint64_t NextIncarnation(uint64_t last, absl::Time now) {
  return std::max(last + 1, static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMillis(now), 0)));
}

absl::StatusOr<std::unique_ptr<AgentState>> AgentState::Open(const std::string& folder, absl::Time now) {
  RETURN_IF_ERROR(MakeFolder(folder, 0700));
  ASSIGN_OR_RETURN(std::string absolute, AbsolutePath(folder));
  std::unique_ptr<AgentState> state(new AgentState(std::move(absolute)));
  RETURN_IF_ERROR(state->Prepare(now));
  return state;
}

absl::Status AgentState::Prepare(absl::Time now) {
  lock_ = Fd(open((folder_ + "/lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock_.valid()) return SystemError("open", folder_ + "/lock");
  if (flock(lock_.get(), LOCK_EX | LOCK_NB) != 0)
    return absl::FailedPreconditionError(absl::StrCat("state_dir '", folder_, "' is in use by another ocad"));
  ASSIGN_OR_RETURN(run_folder_, MakeRunFolder(folder_));

  const auto id = ReadFile(folder_ + "/installation_id");
  if (id.ok()) {
    installation_id_ = std::string(absl::StripAsciiWhitespace(*id));
  } else {
    if (!absl::IsNotFound(id.status())) return id.status();
    ASSIGN_OR_RETURN(installation_id_, NewInstallationId());
    RETURN_IF_ERROR(WriteFileAtomically(folder_ + "/installation_id", installation_id_, 0600));
  }

  uint64_t last = 0;
  const auto text = ReadFile(folder_ + "/incarnation");
  if (text.ok() && !absl::SimpleAtoi(*text, &last)) return InvalidField("incarnation file", *text, "is not a number");
  if (!text.ok() && !absl::IsNotFound(text.status())) return text.status();
  incarnation_ = NextIncarnation(last, now);
  return WriteFileAtomically(folder_ + "/incarnation", absl::StrCat(incarnation_), 0600);
}

absl::StatusOr<Binding> AgentState::ReadBinding() const {
  ASSIGN_OR_RETURN(const std::string text, ReadFile(folder_ + "/credential"));
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  if (lines.size() < 2 || lines[0].empty() || lines[1].empty())
    return absl::DataLossError(absl::StrCat("'", folder_, "/credential' is not of the known form"));
  return Binding{lines[0], lines[1]};
}

absl::Status AgentState::WriteBinding(const Binding& binding) const {
  return WriteFileAtomically(folder_ + "/credential", absl::StrCat(binding.appliance, "\n", binding.credential, "\n"), 0600);
}

}  // namespace fairlead::agent
