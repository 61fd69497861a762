#include "tests/lab/relay.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr int kPollMs = 20;  // A new connection or partition is taken up within it.
constexpr size_t kMostWaiting = size_t{256} << 10;

absl::StatusOr<sockaddr_in> ParseAddress(const std::string& text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  int port = 0;
  if (inet_pton(AF_INET, parts.first.c_str(), &address.sin_addr) != 1 || !absl::SimpleAtoi(parts.second, &port)) {
    return absl::InvalidArgumentError(absl::StrCat("'", text, "' is not an IPv4 address and port"));
  }
  address.sin_port = htons(static_cast<uint16_t>(port));
  return address;
}

// The inode of the socket whose own end is `address`, "socket:[N]"; empty if there is none. gRPC connects to IPv4 addresses by IPv6
// sockets, whose ends are ::ffff:a.b.c.d. Source: proc(5), /proc/net/tcp.
std::string SocketAt(const sockaddr_in& address) {
  const std::string end = absl::StrFormat("%08X:%04X", address.sin_addr.s_addr, ntohs(address.sin_port));
  const std::pair<const char*, std::string> tables[] = {{"/proc/net/tcp", end}, {"/proc/net/tcp6", "0000000000000000FFFF0000" + end}};
  for (const auto& [path, wanted] : tables) {
    std::ifstream table(path);
    for (std::string line; std::getline(table, line);) {
      const std::vector<absl::string_view> words = absl::StrSplit(line, ' ', absl::SkipEmpty());
      if (words.size() > 9 && words[1] == wanted) return absl::StrCat("socket:[", words[9], "]");
    }
  }
  return "";
}

bool Holds(pid_t pid, const std::string& socket) {
  std::error_code gone;
  for (std::filesystem::directory_iterator fd(absl::StrCat("/proc/", pid, "/fd"), gone), end; !gone && fd != end; fd.increment(gone)) {
    std::error_code closed;
    if (std::filesystem::read_symlink(fd->path(), closed) == socket) return true;
  }
  return false;
}

// False if the connection is broken.
bool Read(int fd, std::string& waiting, bool& ended) {
  char buffer[65536];
  const ssize_t size = read(fd, buffer, sizeof buffer);
  if (size < 0) return errno == EAGAIN || errno == EINTR;
  if (size == 0) ended = true;
  waiting.append(buffer, static_cast<size_t>(size));
  return true;
}

bool Write(int fd, std::string& waiting) {
  const ssize_t sent = send(fd, waiting.data(), waiting.size(), MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  waiting.erase(0, static_cast<size_t>(sent));
  return true;
}

// So that the other side learns of it as of a killed process, not as of an orderly end.
void Reset(int fd) {
  const linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  close(fd);
}

}  // namespace

Relay::Relay(Processes processes) : processes_(std::move(processes)), thread_([this] { Loop(); }) {}

Relay::~Relay() {
  stop_.Notify();
  thread_.join();
  for (const Service& service : services_) close(service.listener);
  for (const Connection& connection : connections_) close(connection.client), close(connection.server);
}

absl::Status Relay::Carry(const std::string& service, const std::string& listen, const std::string& to) {
  ASSIGN_OR_RETURN(const sockaddr_in here, ParseAddress(listen));
  ASSIGN_OR_RETURN(const sockaddr_in there, ParseAddress(to));
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  if (bind(fd, reinterpret_cast<const sockaddr*>(&here), sizeof here) != 0 || ::listen(fd, 64) != 0) {
    const absl::Status error = absl::InternalError(absl::StrCat("relay at ", listen, ": ", std::strerror(errno)));
    close(fd);
    return error;
  }
  absl::MutexLock lock(&mu_);
  services_.push_back({service, fd, there});
  return absl::OkStatus();
}

absl::Status Relay::Partition(const std::string& process, const std::string& service) {
  absl::MutexLock lock(&mu_);
  const bool known = std::any_of(services_.begin(), services_.end(), [&](const Service& s) { return s.name == service; });
  if (!known) return absl::NotFoundError(absl::StrCat("'", service, "' isn't reached through the relay"));
  partitions_.insert({process, service});
  return absl::OkStatus();
}

absl::Status Relay::Heal(const std::string& process, const std::string& service) {
  absl::MutexLock lock(&mu_);
  if (partitions_.erase({process, service}) > 0) return absl::OkStatus();
  return absl::NotFoundError(absl::StrCat("'", process, "' and '", service, "' aren't partitioned"));
}

void Relay::HealAll() {
  absl::MutexLock lock(&mu_);
  partitions_.clear();
}

std::vector<std::pair<std::string, std::string>> Relay::Partitions() const {
  absl::MutexLock lock(&mu_);
  return {partitions_.begin(), partitions_.end()};
}

void Relay::Loop() {
  while (!stop_.HasBeenNotified()) {
    std::vector<pollfd> wanted;
    {
      absl::MutexLock lock(&mu_);
      wanted = Wanted();
    }
    poll(wanted.data(), wanted.size(), kPollMs);
    absl::MutexLock lock(&mu_);
    Move(wanted);
    for (const Service& service : services_) Accept(service);
  }
}

bool Relay::Cut(const Connection& connection) const {
  return partitions_.contains({connection.process, connection.service}) || partitions_.contains({"*", connection.service});
}

std::vector<pollfd> Relay::Wanted() {
  std::vector<pollfd> wanted;
  for (const Service& service : services_) wanted.push_back({service.listener, POLLIN, 0});
  const auto want = [&wanted](int fd, const Flow& in, const Flow& out) {
    const int events = (!in.ended && in.waiting.size() < kMostWaiting ? POLLIN : 0) | (out.waiting.empty() ? 0 : POLLOUT);
    // Without any event a hang-up would still wake the loop, again and again.
    if (events != 0) wanted.push_back({fd, static_cast<short>(events), 0});
  };
  for (const Connection& connection : connections_) {
    if (Cut(connection)) continue;
    want(connection.client, connection.to_server, connection.to_client);
    want(connection.server, connection.to_client, connection.to_server);
  }
  return wanted;
}

void Relay::Move(const std::vector<pollfd>& events) {
  const auto events_of = [&events](int fd) {
    const auto found = std::find_if(events.begin(), events.end(), [fd](const pollfd& event) { return event.fd == fd; });
    return found == events.end() ? 0 : found->revents;
  };
  const auto serve = [&](Connection& connection, int fd, Flow& in, Flow& out) {
    const int ready = events_of(fd);
    if ((ready & (POLLIN | POLLHUP | POLLERR)) != 0 && !Read(fd, in.waiting, in.ended)) connection.broken = true;
    if (!out.waiting.empty() && (ready & POLLOUT) != 0 && !Write(fd, out.waiting)) connection.broken = true;
  };
  for (Connection& connection : connections_) {
    if (Cut(connection)) continue;
    serve(connection, connection.client, connection.to_server, connection.to_client);
    serve(connection, connection.server, connection.to_client, connection.to_server);
    const auto through = [](const Flow& flow) { return flow.ended && flow.waiting.empty(); };
    connection.broken |= through(connection.to_server) || through(connection.to_client);
  }
  std::erase_if(connections_, [](const Connection& connection) {
    if (connection.broken) Reset(connection.client), Reset(connection.server);
    return connection.broken;
  });
}

void Relay::Accept(const Service& service) {
  sockaddr_in client = {};
  socklen_t size = sizeof client;
  const int accepted = accept4(service.listener, reinterpret_cast<sockaddr*>(&client), &size, SOCK_CLOEXEC | SOCK_NONBLOCK);
  if (accepted < 0) return;
  if (connections_.size() >= kMostConnections) return Reset(accepted);
  const int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  connections_.push_back({.process = OwnerOf(client), .service = service.name, .client = accepted, .server = server});
  const int connected = connect(server, reinterpret_cast<const sockaddr*>(&service.to), sizeof service.to);
  if (connected != 0 && errno != EINPROGRESS) connections_.back().broken = true;
}

std::string Relay::OwnerOf(const sockaddr_in& client) const {
  const std::string socket = SocketAt(client);
  if (socket.empty()) return "?";
  for (const auto& [name, pid] : processes_()) {
    if (pid != 0 && Holds(pid, socket)) return name;
  }
  return "?";
}

}  // namespace fairlead
