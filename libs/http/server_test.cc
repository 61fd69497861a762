#include "libs/http/server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr absl::Duration kPatience = absl::Seconds(10);

// A client that sends exactly the bytes it is told to.
class RawClient {
 public:
  explicit RawClient(int port) : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~RawClient() { close(fd_); }

  bool connected() const { return connected_; }
  bool Send(const std::string& bytes) { return send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()); }
  // Reads until `count` complete answers are there (or all that comes until the other end closes).
  std::string Receive(int count = 1) {
    while (Complete() < count && ReadSome()) continue;
    return std::exchange(received_, "");
  }
  // Everything until the other end closes; `closed` tells whether it did within the patience.
  std::string ReceiveToEnd(bool& closed) {
    while (ReadSome()) continue;
    closed = closed_;
    return std::exchange(received_, "");
  }

 private:
  bool ReadSome() {
    pollfd waiting = {fd_, POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) != 1) return false;
    char bytes[4096];
    const ssize_t count = recv(fd_, bytes, sizeof(bytes), 0);
    closed_ = count <= 0;
    if (count > 0) received_.append(bytes, static_cast<size_t>(count));
    return count > 0;
  }
  int Complete() const {
    int complete = 0;
    size_t at = 0;
    while (true) {
      const size_t end = received_.find("\r\n\r\n", at);
      if (end == std::string::npos) return complete;
      const size_t field = received_.find("Content-Length: ", at);
      int length = 0;
      if (field < end) {
        EXPECT_TRUE(absl::SimpleAtoi(received_.substr(field + 16, received_.find('\r', field) - field - 16), &length));
      }
      at = end + 4 + static_cast<size_t>(length);
      if (at > received_.size()) return complete;
      ++complete;
    }
  }

  int fd_;
  bool connected_ = false;
  bool closed_ = false;
  std::string received_;
};

HttpResponse Echo(const HttpRequest& request) {
  HttpResponse response;
  response.content_type = "text/plain";
  response.body = absl::StrCat(request.method, " ", request.target.path, " ", request.body, " from ", request.peer.ToString());
  if (const std::string* q = request.Parameter("q")) absl::StrAppend(&response.body, " q=", *q);
  return response;
}

std::unique_ptr<HttpServer> MustStart(HttpServerOptions options = {}, HttpHandler handler = Echo) {
  auto server = HttpServer::Start(options, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

template <typename Done>
bool Eventually(Done done) {
  for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end; absl::SleepFor(absl::Milliseconds(2))) {
    if (done()) return true;
  }
  return done();
}

TEST(HttpServer, AnswersAGetAndAPostOnOneConnection) {
  const auto server = MustStart();
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET /a%20b?q=x%2Fy HTTP/1.1\r\nHost: x\r\n\r\n"));
  const std::string first = client.Receive();
  EXPECT_THAT(first, StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(first, HasSubstr("\r\n\r\nGET /a b  from 127.0.0.1 q=x/y"));
  ASSERT_TRUE(client.Send("POST /p HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"));
  EXPECT_THAT(client.Receive(), HasSubstr("POST /p hello"));
  EXPECT_EQ(server->stats().accepted, 1u);
  EXPECT_EQ(server->stats().requests, 2u);
}

TEST(HttpServer, AnswersPipelinedRequestsInOrder) {
  const auto server = MustStart();
  RawClient client(server->port());
  std::string requests;
  for (int i = 0; i < 50; ++i) absl::StrAppend(&requests, "GET /", i, " HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_TRUE(client.Send(requests));
  const std::string answers = client.Receive(50);
  size_t at = 0;
  for (int i = 0; i < 50; ++i) {
    at = answers.find(absl::StrCat("GET /", i, " "), at);
    ASSERT_NE(at, std::string::npos) << i;
  }
}

TEST(HttpServer, TakesChunkedBodiesAndExpectContinue) {
  const auto server = MustStart();
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n3\r\ncde\r\n0\r\n\r\n"));
  EXPECT_THAT(client.Receive(), HasSubstr("POST / abcde"));
  ASSERT_TRUE(client.Send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_THAT(client.Receive(), StartsWith("HTTP/1.1 100 Continue"));
  ASSERT_TRUE(client.Send("ok"));
  EXPECT_THAT(client.Receive(), HasSubstr("POST / ok"));
}

TEST(HttpServer, AnswersHeadWithoutABody) {
  const auto server = MustStart();
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("HEAD / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  bool closed = false;
  const std::string answer = client.ReceiveToEnd(closed);
  EXPECT_TRUE(closed);
  EXPECT_THAT(answer, HasSubstr("Content-Length: "));
  EXPECT_TRUE(absl::EndsWith(answer, "\r\n\r\n")) << answer;
}

TEST(HttpServer, Http10ClosesUnlessAskedToStay) {
  const auto server = MustStart();
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.0\r\n\r\n"));
  bool closed = false;
  EXPECT_THAT(client.ReceiveToEnd(closed), StartsWith("HTTP/1.0 200"));
  EXPECT_TRUE(closed);
}

TEST(HttpServer, RefusesMalformedRequestsWithACanonicalErrorAndCloses) {
  const auto server = MustStart();
  const std::vector<std::string> malformed = {
      "\x16\x03\x01\x02garbage\r\n\r\n",
      "GET\r\n\r\n",
      "GET / HTTP/9.9\r\n\r\n",
      "GET / HTTP/1.1\r\nBad Header: x\r\n\r\n",
      "GET / HTTP/1.1\r\n\r\n",
      "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
  };
  for (const std::string& bytes : malformed) {
    RawClient client(server->port());
    ASSERT_TRUE(client.Send(bytes));
    bool closed = false;
    const std::string answer = client.ReceiveToEnd(closed);
    EXPECT_TRUE(closed) << bytes;
    EXPECT_THAT(answer, HasSubstr(" 400 ")) << bytes;
    EXPECT_THAT(answer, HasSubstr("\"INVALID_ARGUMENT\"")) << bytes;
  }
  EXPECT_EQ(server->stats().malformed, malformed.size());
}

TEST(HttpServer, ABrokenEscapeIsRefusedAndTheConnectionGoesOn) {
  const auto server = MustStart();
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET /%zz HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.Receive(), HasSubstr("broken percent escape"));
  ASSERT_TRUE(client.Send("GET /fine HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.Receive(), HasSubstr("GET /fine"));
}

TEST(HttpServer, RefusesHeadersAndBodiesThatAreTooLarge) {
  const auto server = MustStart({.max_header_bytes = 1024, .max_body_bytes = 100});
  bool closed = false;
  RawClient wide(server->port());
  ASSERT_TRUE(wide.Send(absl::StrCat("GET / HTTP/1.1\r\nHost: x\r\nX: ", std::string(4000, 'a'), "\r\n\r\n")));
  EXPECT_THAT(wide.ReceiveToEnd(closed), HasSubstr(" 431 "));
  RawClient told(server->port());
  ASSERT_TRUE(told.Send(absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 101\r\n\r\n", std::string(101, 'a'))));
  EXPECT_THAT(told.ReceiveToEnd(closed), HasSubstr(" 413 "));
  RawClient chunked(server->port());
  ASSERT_TRUE(chunked.Send(
      absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n80\r\n", std::string(128, 'a'), "\r\n0\r\n\r\n")));
  EXPECT_THAT(chunked.ReceiveToEnd(closed), HasSubstr(" 413 "));
  RawClient fits(server->port());
  ASSERT_TRUE(fits.Send(absl::StrCat("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n", std::string(100, 'a'))));
  EXPECT_THAT(fits.Receive(), HasSubstr(" 200 "));
}

TEST(HttpServer, ASlowRequestIsCutOffHoweverSteadilyItDrips) {
  const auto server = MustStart({.idle_timeout = absl::Seconds(30), .request_timeout = absl::Milliseconds(200)});
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\n"));
  const absl::Time start = absl::Now();
  while (server->stats().timed_out == 0 && absl::Now() < start + kPatience) {
    client.Send("X");  // May fail once the other end has closed.
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_EQ(server->stats().timed_out, 1u);
  EXPECT_TRUE(Eventually([&] { return server->stats().open_connections == 0; }));
}

TEST(HttpServer, AnIdleConnectionIsClosedQuietly) {
  const auto server = MustStart({.idle_timeout = absl::Milliseconds(50)});
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  bool closed = false;
  EXPECT_THAT(client.ReceiveToEnd(closed), HasSubstr(" 200 "));
  EXPECT_TRUE(closed);
  EXPECT_EQ(server->stats().timed_out, 0u);
}

TEST(HttpServer, BeyondTheMostConnectionsNewcomersAreClosedAndCounted) {
  const auto server = MustStart({.max_connections = 2});
  RawClient first(server->port());
  RawClient second(server->port());
  ASSERT_TRUE(Eventually([&] { return server->stats().open_connections == 2; }));
  RawClient third(server->port());
  bool closed = false;
  EXPECT_EQ(third.ReceiveToEnd(closed), "");
  EXPECT_TRUE(closed);
  EXPECT_EQ(server->stats().refused, 1u);
  ASSERT_TRUE(first.Send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(first.Receive(), HasSubstr(" 200 "));
}

TEST(HttpServer, ShutdownClosesIdleConnectionsAndLetsRequestsEnd) {
  absl::Notification handling;
  absl::Notification release;
  const auto server = MustStart({.threads = 2}, [&](const HttpRequest& request) {
    if (request.target.path == "/slow") {
      handling.Notify();
      release.WaitForNotification();
    }
    return Echo(request);
  });
  RawClient slow(server->port());  // Connections go to the loops in turn: the idle ones aren't behind the slow handler.
  RawClient idle(server->port());
  ASSERT_TRUE(Eventually([&] { return server->stats().open_connections == 2; }));
  ASSERT_TRUE(slow.Send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
  handling.WaitForNotification();
  std::thread stopper([&] { server->Shutdown(kPatience); });
  bool closed = false;
  EXPECT_EQ(idle.ReceiveToEnd(closed), "");
  EXPECT_TRUE(closed);
  release.Notify();
  closed = false;
  EXPECT_THAT(slow.ReceiveToEnd(closed), HasSubstr("GET /slow"));
  EXPECT_TRUE(closed);
  stopper.join();
  EXPECT_FALSE(RawClient(server->port()).connected());
}

TEST(HttpServer, ShutdownWithoutGraceCutsAHalfSentRequest) {
  const auto server = MustStart();
  RawClient client(server->port());
  ASSERT_TRUE(client.Send("GET / HT"));
  ASSERT_TRUE(Eventually([&] { return server->stats().open_connections == 1; }));
  server->Shutdown(absl::ZeroDuration());
  EXPECT_EQ(server->stats().open_connections, 0);
}

TEST(HttpServer, APortInUseAndABadAddressAreRefusedByName) {
  const auto server = MustStart();
  const std::string taken = absl::StrCat("127.0.0.1:", server->port());
  const auto second = HttpServer::Start({.address = taken}, Echo);
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr(taken));
  for (const char* address : {"127.0.0.1", "localhost:80", "::1:80", "[127.0.0.1]:80", "127.0.0.1:99999", "127.0.0.01:80"}) {
    const auto bad = HttpServer::Start({.address = address}, Echo);
    ASSERT_FALSE(bad.ok()) << address;
    EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument) << address;
  }
}

TEST(HttpServer, ListensOnIpv6) {
  const auto server = HttpServer::Start({.address = "[::1]:0"}, Echo);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_GT((*server)->port(), 0);
}

}  // namespace
}  // namespace fairlead
