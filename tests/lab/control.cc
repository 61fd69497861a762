#include "tests/lab/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr size_t kMostRequest = 4096;
constexpr size_t kMostAnswer = size_t{1} << 20;
constexpr absl::Duration kRequestPatience = absl::Seconds(1);
constexpr absl::Duration kAnswerPatience = absl::Seconds(90);
constexpr int kPollMs = 50;

absl::Status SystemError(absl::string_view what) {
  return absl::InternalError(absl::StrCat(what, ": ", std::strerror(errno)));
}

absl::StatusOr<sockaddr_un> AddressOf(const std::string& run_dir) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  const std::string path = run_dir + "/lab.sock";
  if (path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(absl::StrCat("run folder '", run_dir, "' is too long for a unix socket"));
  }
  path.copy(address.sun_path, path.size());
  return address;
}

// What comes until `done` or the end of the stream, in time; what came so far otherwise.
std::string Receive(int fd, size_t most, absl::Duration patience, const std::function<bool(const std::string&)>& done) {
  const absl::Time deadline = absl::Now() + patience;
  std::string text;
  while (!done(text) && text.size() < most && absl::Now() < deadline) {
    pollfd event = {fd, POLLIN, 0};
    if (poll(&event, 1, kPollMs) <= 0) continue;
    char buffer[4096];
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size <= 0) break;
    text.append(buffer, static_cast<size_t>(size));
  }
  return text;
}

void Send(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
    if (sent <= 0) return;
    text.remove_prefix(static_cast<size_t>(sent));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<ControlServer>> ControlServer::Open(const std::string& run_dir, Handler handler) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(run_dir));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("socket");
  unlink(address.sun_path);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 || chmod(address.sun_path, 0600) != 0 ||
      listen(fd, 8) != 0) {
    const absl::Status error = SystemError(address.sun_path);
    close(fd);
    return error;
  }
  return std::unique_ptr<ControlServer>(new ControlServer(fd, std::move(handler)));
}

ControlServer::ControlServer(int fd, Handler handler) : fd_(fd), handler_(std::move(handler)), thread_([this] { Serve(); }) {}

ControlServer::~ControlServer() {
  stop_.Notify();
  thread_.join();
  close(fd_);
}

void ControlServer::Serve() {
  while (!stop_.HasBeenNotified()) {
    pollfd event = {fd_, POLLIN, 0};
    if (poll(&event, 1, kPollMs) <= 0) continue;
    const int connection = accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection < 0) continue;
    Answer(connection);
    close(connection);
  }
}

void ControlServer::Answer(int connection) {
  const std::string request =
      Receive(connection, kMostRequest, kRequestPatience, [](const std::string& text) { return absl::EndsWith(text, "\n\n"); });
  if (!absl::EndsWith(request, "\n\n")) return;
  const absl::StatusOr<std::string> answer = handler_(absl::StrSplit(request, '\n', absl::SkipEmpty()));
  Send(connection, answer.ok() ? absl::StrCat("ok\n", *answer)
                               : absl::StrCat(static_cast<int>(answer.status().code()), "\n", std::string(answer.status().message())));
}

absl::StatusOr<std::string> AskLab(const std::string& run_dir, const std::vector<std::string>& words) {
  ASSIGN_OR_RETURN(const sockaddr_un address, AddressOf(run_dir));
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("socket");
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return absl::UnavailableError(absl::StrCat("no lab runs in '", run_dir, "' (", std::strerror(errno), ")"));
  }
  Send(fd, absl::StrCat(absl::StrJoin(words, "\n"), "\n\n"));
  const std::string reply = Receive(fd, kMostAnswer, kAnswerPatience, [](const std::string&) { return false; });
  close(fd);
  const std::pair<std::string, std::string> parts = absl::StrSplit(reply, absl::MaxSplits('\n', 1));
  if (parts.first == "ok") return parts.second;
  int code = 0;
  if (!absl::SimpleAtoi(parts.first, &code)) return absl::UnavailableError(absl::StrCat("the lab in '", run_dir, "' did not answer"));
  return absl::Status(static_cast<absl::StatusCode>(code), parts.second);
}

}  // namespace fairlead
