#include "tests/lab/relay.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "tests/testing/eventually.h"

namespace fairlead {
namespace {

// A socket on 127.0.0.1, closed at the end.
class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { Close(); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  void Close() {
    if (fd_ >= 0) close(fd_);
    fd_ = -1;
  }
  void Send(const std::string& text) const { ASSERT_EQ(send(fd_, text.data(), text.size(), MSG_NOSIGNAL), ssize_t(text.size())); }
  // What there is now; "" if nothing, "(end)" if the other side is gone.
  std::string Receive() const {
    char buffer[4096];
    const ssize_t size = recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN)) return "(end)";
    return size < 0 ? "" : std::string(buffer, static_cast<size_t>(size));
  }
  bool Gets(const std::string& wanted) const {
    std::string got;
    return Eventually([&] { return (got += Receive()) == wanted; });
  }

 private:
  int fd_;
};

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::unique_ptr<Socket> Listen(int* port) {
  auto socket = std::make_unique<Socket>(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address = Loopback(*port);
  socklen_t size = sizeof address;
  EXPECT_EQ(bind(socket->fd(), reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(listen(socket->fd(), 8), 0);
  getsockname(socket->fd(), reinterpret_cast<sockaddr*>(&address), &size);
  *port = ntohs(address.sin_port);
  return socket;
}

int FreePort() {
  int port = 0;
  Listen(&port);
  return port;
}

std::unique_ptr<Socket> Connect(int port) {
  auto socket = std::make_unique<Socket>(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_in address = Loopback(port);
  EXPECT_EQ(connect(socket->fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  return socket;
}

class RelayTest : public ::testing::Test {
 protected:
  RelayTest() : relay_([] { return std::vector<std::pair<std::string, pid_t>>{{"tester", getpid()}}; }) {
    server_ = Listen(&service_port_);
    const absl::Status carried = relay_.Carry("service", absl::StrCat("127.0.0.1:", port_), absl::StrCat("127.0.0.1:", service_port_));
    EXPECT_TRUE(carried.ok()) << carried;
  }
  // A connection through the relay: the client's end and the service's.
  std::pair<std::unique_ptr<Socket>, std::unique_ptr<Socket>> Open() {
    auto client = Connect(port_);
    return {std::move(client), std::make_unique<Socket>(accept4(server_->fd(), nullptr, nullptr, SOCK_CLOEXEC))};
  }

  const int port_ = FreePort();
  int service_port_ = 0;
  std::unique_ptr<Socket> server_;
  Relay relay_;
};

TEST_F(RelayTest, BytesPassBothWaysAndAnEndPassesToo) {
  const auto [client, service] = Open();
  client->Send("question");
  EXPECT_TRUE(service->Gets("question"));
  service->Send("answer");
  EXPECT_TRUE(client->Gets("answer"));
  service->Close();
  EXPECT_TRUE(client->Gets("(end)"));
}

TEST_F(RelayTest, NothingPassesBetweenPartitionedOnesUntilTheyAreHealed) {
  const auto [client, service] = Open();
  ASSERT_TRUE(relay_.Partition("tester", "service").ok());
  client->Send("lost?");
  service->Send("lost too?");
  const auto [late, late_service] = Open();  // A new connection is as silent.
  late->Send("hello");
  EXPECT_FALSE(Eventually([&] { return service->Receive() + client->Receive() + late_service->Receive() != ""; }, absl::Milliseconds(300)));
  ASSERT_TRUE(relay_.Heal("tester", "service").ok());
  EXPECT_TRUE(service->Gets("lost?"));
  EXPECT_TRUE(client->Gets("lost too?"));
  EXPECT_TRUE(late_service->Gets("hello"));
}

TEST_F(RelayTest, AClientIsKnownAlsoWhenItComesByAnIPv6Socket) {
  ASSERT_TRUE(relay_.Partition("tester", "service").ok());
  const Socket client(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(port_));
  ASSERT_EQ(inet_pton(AF_INET6, "::ffff:127.0.0.1", &address.sin6_addr), 1);
  ASSERT_EQ(connect(client.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0);
  const Socket service(accept4(server_->fd(), nullptr, nullptr, SOCK_CLOEXEC));
  client.Send("lost?");
  EXPECT_FALSE(Eventually([&] { return service.Receive() != ""; }, absl::Milliseconds(300)));
  relay_.HealAll();
  EXPECT_TRUE(service.Gets("lost?"));
}

TEST_F(RelayTest, OthersAreNotCutOff) {
  ASSERT_TRUE(relay_.Partition("somebody-else", "service").ok());
  const auto [client, service] = Open();
  client->Send("question");
  EXPECT_TRUE(service->Gets("question"));
  ASSERT_TRUE(relay_.Partition("*", "service").ok());
  EXPECT_EQ(relay_.Partitions().size(), 2);
  relay_.HealAll();
  EXPECT_TRUE(relay_.Partitions().empty());
}

TEST_F(RelayTest, ADeadServiceIsAClosedConnection) {
  server_->Close();
  EXPECT_TRUE(Connect(port_)->Gets("(end)"));
}

TEST_F(RelayTest, UnknownNamesAreRefused) {
  EXPECT_EQ(relay_.Partition("tester", "nobody").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(relay_.Heal("tester", "service").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(relay_.Carry("x", "nonsense", "127.0.0.1:1").code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fairlead
