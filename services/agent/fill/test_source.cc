#include "services/agent/fill/test_source.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kTurn = absl::Milliseconds(10);

// The head of a request, or "" if the connection ended before.
std::string ReadHead(int socket) {
  std::string head;
  char buffer[2048];
  while (head.find("\r\n\r\n") == std::string::npos) {
    const ssize_t count = recv(socket, buffer, sizeof buffer, 0);
    if (count <= 0) return "";
    head.append(buffer, static_cast<size_t>(count));
  }
  return head;
}

}  // namespace

TestSource::TestSource(std::string content, TestSourceBehaviour behaviour)
    : content_(std::move(content)), behaviour_(std::move(behaviour)), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (listener_ < 0 || bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || listen(listener_, 64) != 0 ||
      getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    std::abort();
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { Accept(); });
}

TestSource::~TestSource() {
  stop_ = true;
  acceptor_.join();
  std::vector<std::thread> connections;
  {
    absl::MutexLock lock(&mu_);
    for (const int socket : sockets_) shutdown(socket, SHUT_RDWR);
    connections.swap(connections_);
  }
  for (std::thread& connection : connections) connection.join();
  for (const int socket : sockets_) close(socket);
  close(listener_);
}

std::string TestSource::base_url() const {
  return absl::StrCat("http://127.0.0.1:", port_, "/");
}

std::vector<int64_t> TestSource::offsets() const {
  absl::MutexLock lock(&mu_);
  return offsets_;
}

void TestSource::Accept() {
  while (!stop_) {
    pollfd ready = {.fd = listener_, .events = POLLIN, .revents = 0};
    if (poll(&ready, 1, static_cast<int>(absl::ToInt64Milliseconds(kTurn))) <= 0) continue;
    const int socket = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    absl::MutexLock lock(&mu_);
    sockets_.push_back(socket);
    connections_.emplace_back([this, socket] {
      Serve(socket);
      shutdown(socket, SHUT_RDWR);
    });
  }
}

void TestSource::Serve(int socket) {
  const std::string head = ReadHead(socket);
  if (head.empty()) return;
  ++requests_;
  const std::string lower = absl::AsciiStrToLower(head);
  const size_t range = lower.find("range: bytes=");
  const int64_t offset = range == std::string::npos ? 0 : std::strtoll(lower.c_str() + range + 13, nullptr, 10);
  {
    absl::MutexLock lock(&mu_);
    offsets_.push_back(offset);
  }
  if (behaviour_.silent) {
    while (!stop_) absl::SleepFor(kTurn);
    return;
  }
  if (behaviour_.status != 0) {
    const std::string answer = absl::StrCat("HTTP/1.1 ", behaviour_.status, " No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
    SendAll(socket, answer.data(), answer.size());
    return;
  }
  SendFile(socket, offset, range != std::string::npos);
}

void TestSource::SendFile(int socket, int64_t offset, bool ranged) {
  const int64_t size = static_cast<int64_t>(content_.size());
  if (behaviour_.wrong_range) {
    ++offset;
    ranged = true;
  }
  std::string body = content_.substr(static_cast<size_t>(std::min(offset, size)));
  if (behaviour_.corrupt_at >= offset && behaviour_.corrupt_at < size) body[static_cast<size_t>(behaviour_.corrupt_at - offset)] ^= 1;
  std::string head = absl::StrCat("HTTP/1.1 ", ranged ? "206 Partial Content" : "200 OK", "\r\nContent-Length: ", body.size(),
                                  "\r\nConnection: close\r\n");
  if (ranged) absl::StrAppend(&head, "Content-Range: bytes ", offset, "-", size - 1, "/", size, "\r\n");
  absl::StrAppend(&head, "\r\n");
  if (!SendAll(socket, head.data(), head.size())) return;
  int64_t left = static_cast<int64_t>(body.size());
  if (behaviour_.stop_after >= 0) left = std::min(left, behaviour_.stop_after);
  for (int64_t at = 0; at < left && !stop_;) {
    if (behaviour_.before_piece && !behaviour_.before_piece(offset + at)) return;
    const int64_t count = std::min(behaviour_.piece, left - at);
    if (!SendAll(socket, body.data() + at, static_cast<size_t>(count))) return;
    at += count;
    bytes_ += count;
    if (behaviour_.bytes_a_second > 0) absl::SleepFor(absl::Seconds(1) * count / behaviour_.bytes_a_second);
  }
}

bool TestSource::SendAll(int socket, const char* data, size_t size) {
  while (size > 0) {
    const ssize_t sent = send(socket, data, size, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    data += sent;
    size -= static_cast<size_t>(sent);
  }
  return true;
}

}  // namespace fairlead::agent
