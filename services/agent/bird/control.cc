#include "services/agent/bird/control.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

constexpr size_t kMaxAnswer = size_t{16} << 20;

absl::Status Unavailable(const std::string& socket, absl::string_view why) {
  return absl::UnavailableError(absl::StrCat("BIRD at '", socket, "': ", why));
}

absl::StatusOr<Fd> Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return absl::InvalidArgumentError(absl::StrCat("socket path '", path, "' is longer than 107 bytes"));
  memcpy(address.sun_path, path.c_str(), path.size());
  Fd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd.valid() || connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return Unavailable(path, strerror(errno));
  return fd;
}

// Collects one reply: lines "NNNN-text" or " text" (both continue), up to "NNNN text". Code 0001 greets.
class Conversation {
 public:
  Conversation(const std::string& path, Fd fd, absl::Time deadline) : path_(path), fd_(std::move(fd)), deadline_(deadline) {}

  absl::Status Send(absl::string_view command) {
    const std::string line = absl::StrCat(command, "\n");
    if (send(fd_.get(), line.data(), line.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(line.size()))
      return Unavailable(path_, "can't send");
    return absl::OkStatus();
  }

  // The text of one reply; `code` gets its last line's.
  absl::StatusOr<std::string> Reply(int& code) {
    std::string text;
    while (true) {
      ASSIGN_OR_RETURN(const std::string line, Line());
      const bool coded = line.size() >= 5 && std::all_of(line.begin(), line.begin() + 4, absl::ascii_isdigit);
      if (coded && !absl::SimpleAtoi(line.substr(0, 4), &code)) return Unavailable(path_, "answered without a code");
      absl::string_view rest = line;
      rest.remove_prefix(coded ? 5 : rest.empty() ? 0 : 1);
      absl::StrAppend(&text, rest, "\n");
      if (text.size() > kMaxAnswer) return absl::ResourceExhaustedError("BIRD's answer is too long");
      if (coded && line[4] == ' ') return text;
    }
  }

 private:
  absl::StatusOr<std::string> Line() {
    size_t end;
    while ((end = input_.find('\n', scanned_)) == std::string::npos) {
      input_.erase(0, used_);
      used_ = 0;
      scanned_ = input_.size();
      pollfd wait{fd_.get(), POLLIN, 0};
      const int64_t left = absl::ToInt64Milliseconds(deadline_ - absl::Now());
      if (left <= 0 || poll(&wait, 1, static_cast<int>(left)) == 0) return Unavailable(path_, "no answer in time");
      char buffer[16384];
      const ssize_t count = recv(fd_.get(), buffer, sizeof buffer, 0);
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return Unavailable(path_, "closed the connection");
      input_.append(buffer, count);
    }
    std::string line = input_.substr(used_, end - used_);
    used_ = scanned_ = end + 1;
    return line;
  }

  const std::string& path_;
  const Fd fd_;
  const absl::Time deadline_;
  std::string input_;
  size_t used_ = 0;     // Lines before here were given out.
  size_t scanned_ = 0;  // No line feed between used_ and here.
};

// "  Routes:         2 imported, 0 exported, 2 preferred"
int64_t Imported(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
  int64_t count = 0;
  for (size_t i = 1; i < words.size(); ++i) {
    if (words[i] == "imported," && absl::SimpleAtoi(words[i - 1], &count)) return count;
  }
  return 0;
}

absl::string_view Value(absl::string_view line) {
  const size_t colon = line.find(':');
  return colon == absl::string_view::npos ? absl::string_view() : absl::StripAsciiWhitespace(line.substr(colon + 1));
}

}  // namespace

absl::StatusOr<std::string> AskBird(const std::string& socket, absl::string_view command, absl::Duration timeout) {
  ASSIGN_OR_RETURN(Fd fd, Connect(socket));
  Conversation conversation(socket, std::move(fd), absl::Now() + timeout);
  int code = 0;
  RETURN_IF_ERROR(conversation.Reply(code).status());
  RETURN_IF_ERROR(conversation.Send(command));
  ASSIGN_OR_RETURN(std::string text, conversation.Reply(code));
  // 8xxx: refused at run time, 9xxx: not understood.
  if (code >= 8000) return absl::FailedPreconditionError(std::string(absl::StripAsciiWhitespace(text)));
  return text;
}

std::vector<BirdProtocol> ParseProtocols(absl::string_view text) {
  std::vector<BirdProtocol> protocols;
  bool in_bgp = false;
  absl::string_view channel;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!line.empty() && !absl::ascii_isspace(line[0])) {
      // "s1         BGP        ---        up     2026-11-22 12:46:12.239  Established   "
      const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
      in_bgp = words.size() >= 6 && words[1] == "BGP";
      if (!in_bgp) continue;
      BirdProtocol protocol;
      protocol.name = std::string(words[0]);
      protocol.since = absl::StrCat(words[4], " ", words[5]);
      protocol.state = "Down";
      protocols.push_back(std::move(protocol));
      channel = {};
      continue;
    }
    if (!in_bgp) continue;
    const absl::string_view stripped = absl::StripAsciiWhitespace(line);
    if (absl::StartsWith(stripped, "BGP state:")) protocols.back().state = std::string(Value(stripped));
    if (absl::StartsWith(stripped, "Last error:")) protocols.back().last_error = std::string(Value(stripped));
    if (absl::StartsWith(stripped, "Channel ")) channel = absl::StripPrefix(stripped, "Channel ");
    if (absl::StartsWith(stripped, "Routes:"))
      (channel == "ipv6" ? protocols.back().imported_v6 : protocols.back().imported_v4) = Imported(stripped);
  }
  return protocols;
}

bool EndedOnPurpose(absl::string_view last_error) {
  // The texts of bird/proto/bgp/packets.c for code 6, and what BIRD says of its own decisions. "BFD Down" and the like are losses.
  static constexpr absl::string_view kOnPurpose[] = {
      "Cease",
      "Maximum number of prefixes reached",
      "Administrative shutdown",
      "Peer de-configured",
      "Administrative reset",
      "Connection rejected",
      "Other configuration change",
      "Out of Resources",
      "Hard reset",
      "Automatic shutdown",
  };
  const std::string lower = absl::AsciiStrToLower(last_error);
  for (const absl::string_view text : kOnPurpose) {
    if (absl::StrContains(lower, absl::AsciiStrToLower(text))) return true;
  }
  return false;
}

}  // namespace fairlead::agent
