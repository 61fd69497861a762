#include "tests/lab/faults.h"

#include <signal.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "tests/lab/report.h"

namespace fairlead {
namespace {

std::string ShowStatus(const Supervisor& supervisor, const Relay& relay) {
  Table table = {{"PROCESS", "PID", "RESTARTS", "LAST END", "HELD"}, {}};
  for (const ProcessStatus& process : supervisor.List()) {
    table.rows.push_back({process.name, process.pid == 0 ? "–" : absl::StrCat(process.pid), absl::StrCat(process.restarts),
                          process.last_exit.empty() ? "–" : process.last_exit, process.held ? "held" : ""});
  }
  std::string text = FormatTable(table) + "\n";
  for (const auto& [process, service] : relay.Partitions()) absl::StrAppend(&text, "partitioned: ", process, " and ", service, "\n");
  return text;
}

absl::StatusOr<std::string> Kill(Supervisor& supervisor, const std::string& target, bool hold) {
  if (hold) RETURN_IF_ERROR(supervisor.Hold(target.substr(0, target.find('/'))));
  ASSIGN_OR_RETURN(const int killed, supervisor.Signal(target, SIGKILL));
  return absl::StrCat("killed ", killed, hold ? "; held until released" : "", "\n");
}

absl::StatusOr<std::string> Send(Supervisor& supervisor, const std::string& target, int signal, const char* done) {
  ASSIGN_OR_RETURN(const int reached, supervisor.Signal(target, signal));
  return absl::StrCat(done, " ", reached, "\n");
}

absl::StatusOr<std::string> Done(const absl::Status& status, absl::string_view what) {
  RETURN_IF_ERROR(status);
  return absl::StrCat(what, "\n");
}

}  // namespace

bool IsFault(absl::string_view word) {
  static constexpr absl::string_view kWords[] = {"kill", "stop", "cont", "restart", "hold", "release", "partition", "heal"};
  return std::find(std::begin(kWords), std::end(kWords), word) != std::end(kWords);
}

absl::StatusOr<std::string> Inflict(Supervisor& supervisor, Relay& relay, const std::vector<std::string>& words) {
  const std::string verb = words.empty() ? "" : words[0];
  const bool hold = verb == "kill" && words.size() == 3 && words[2] == "--hold";
  if (verb == "status" && words.size() == 1) return ShowStatus(supervisor, relay);
  if (verb == "kill" && (words.size() == 2 || hold)) return Kill(supervisor, words[1], hold);
  if (verb == "stop" && words.size() == 2) return Send(supervisor, words[1], SIGSTOP, "stopped");
  if (verb == "cont" && words.size() == 2) return Send(supervisor, words[1], SIGCONT, "continued");
  if (verb == "restart" && words.size() == 2) return Done(supervisor.Restart(words[1]), "asked to end");
  if (verb == "hold" && words.size() == 2) return Done(supervisor.Hold(words[1]), "held");
  if (verb == "release" && words.size() == 2) return Done(supervisor.Release(words[1]), "released");
  if (verb == "partition" && words.size() == 3) return Done(relay.Partition(words[1], words[2]), "partitioned");
  if (verb == "heal" && words.size() == 3) return Done(relay.Heal(words[1], words[2]), "healed");
  if (verb == "heal" && words.size() == 1) {
    relay.HealAll();
    return std::string("healed\n");
  }
  return absl::InvalidArgumentError(absl::StrCat("'", absl::StrJoin(words, " "), "' is none of:\n", std::string(kFaultUsage)));
}

}  // namespace fairlead
