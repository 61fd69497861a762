#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "fairlead/common/v1/server_info_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/generic/async_generic_service.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/base/retry_after.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/rpc/worker_pool.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

TEST(Status, WhenToTryAgainTravels) {
  const absl::Status refused = WithRetryAfter(absl::ResourceExhaustedError("too many"), absl::Milliseconds(1500));
  const absl::Status told = FromGrpcStatus(ToGrpcStatus(refused));
  EXPECT_EQ(told.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfterOf(told), absl::Milliseconds(1500));
  EXPECT_EQ(RetryAfterOf(FromGrpcStatus(ToGrpcStatus(absl::InternalError("x")))), absl::ZeroDuration());
}

TEST(Status, FieldAndValueSurviveTheWire) {
  const absl::Status sent = FieldError(absl::StatusCode::kNotFound, "site.partner", "partners/x", "no such partner");
  const absl::Status received = FromGrpcStatus(ToGrpcStatus(sent));
  EXPECT_EQ(received.code(), sent.code());
  EXPECT_EQ(received.message(), sent.message());
  EXPECT_EQ(FieldOf(received), "site.partner");
  EXPECT_EQ(ValueOf(received), "partners/x");
  EXPECT_TRUE(FromGrpcStatus(ToGrpcStatus(absl::OkStatus())).ok());
}

TEST(Status, AHugeMessageIsCutSoThatItCanBeSent) {
  const grpc::Status status = ToGrpcStatus(absl::InternalError(std::string(1 << 20, 'x')));
  EXPECT_LT(status.error_message().size(), 4096u);
  EXPECT_LT(status.error_details().size(), 8192u);
}

TEST(Status, ForeignDetailsAreIgnored) {
  const absl::Status status = FromGrpcStatus(grpc::Status(grpc::StatusCode::ABORTED, "stale", "\xff\xff garbage"));
  EXPECT_EQ(status, absl::AbortedError("stale"));
}

TEST(Principal, OnlyLoopbackPeersAreBelieved) {
  EXPECT_TRUE(IsLoopbackPeer("ipv4:127.0.0.1:1"));
  EXPECT_TRUE(IsLoopbackPeer("ipv4:127.9.9.9:1"));
  EXPECT_TRUE(IsLoopbackPeer("ipv6:%5B::1%5D:1"));
  EXPECT_TRUE(IsLoopbackPeer("unix:/tmp/x"));
  EXPECT_FALSE(IsLoopbackPeer("ipv4:10.0.0.1:1"));
  EXPECT_FALSE(IsLoopbackPeer("ipv4:12.7.0.1:1"));
  EXPECT_FALSE(IsLoopbackPeer("ipv6:%5B2001:db8::1%5D:1"));
  EXPECT_FALSE(IsLoopbackPeer(""));
}

TEST(Principal, TextNamesOperatorsAndServicesOnly) {
  EXPECT_EQ(ParsePrincipal("operator/jane").ToString(), "operator/jane");
  EXPECT_TRUE(ParsePrincipal("service/steerd").trusted());
  EXPECT_FALSE(ParsePrincipal("appliance/oca-1").trusted());
  EXPECT_FALSE(ParsePrincipal("root").trusted());
  EXPECT_FALSE(ParsePrincipal("operator/" + std::string(1000, 'x')).trusted());
}

// A server that takes a connection at once and speaks only after a while, as a busy one does.
class SlowServer {
 public:
  explicit SlowServer(absl::Duration thinks) : thinks_(thinks), listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    EXPECT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_EQ(listen(listener_, 8), 0);
    EXPECT_EQ(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    target_ = absl::StrCat("127.0.0.1:", ntohs(address.sin_port));
    thread_ = std::thread([this] { Serve(); });
  }
  ~SlowServer() {
    stop_.Notify();
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  const std::string& target() const { return target_; }
  int connections() const { return connections_; }

 private:
  void Serve() {
    for (int fd; (fd = accept(listener_, nullptr, nullptr)) >= 0;) {
      ++connections_;
      // An empty SETTINGS frame (RFC 9113 §6.5): a client of gRPC is connected when it has one.
      if (!stop_.WaitForNotificationWithTimeout(thinks_)) send(fd, "\0\0\0\4\0\0\0\0", 9, MSG_NOSIGNAL);
      open_.push_back(fd);
    }
    for (const int fd : open_) close(fd);
  }

  const absl::Duration thinks_;
  const int listener_;
  std::string target_;
  std::atomic<int> connections_ = 0;
  std::vector<int> open_;
  absl::Notification stop_;
  std::thread thread_;
};

TEST(Channel, WaitsForAServerThatTakesItsTime) {
  SlowServer server(absl::Seconds(1));
  const std::shared_ptr<grpc::Channel> channel = MakeChannel(server.target());
  EXPECT_TRUE(channel->WaitForConnected(absl::ToChronoTime(absl::Now() + absl::Seconds(10))));
  EXPECT_EQ(server.connections(), 1) << "an attempt that is given up makes a busy server busier";
}

// A client that is connected and then says nothing, not even to a ping.
TEST(Server, AClientThatIsGoneWithoutAWordIsNoticed) {
  RpcServerOptions options;
  options.program = "testd";
  options.ping_after = absl::Seconds(3);
  const auto server = RpcServer::Start(options, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>((*server)->port()));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  // The preface of HTTP/2 and an empty SETTINGS frame (RFC 9113 §3.4).
  const std::string hello("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);
  ASSERT_EQ(send(fd, hello.data(), hello.size(), MSG_NOSIGNAL), static_cast<ssize_t>(hello.size()));
  const timeval patience = {.tv_sec = 30, .tv_usec = 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char bytes[4096];
  ssize_t count = 0;
  while ((count = recv(fd, bytes, sizeof bytes, 0)) > 0) {
  }
  EXPECT_TRUE(count == 0 || errno == ECONNRESET) << "still connected: " << errno;
  close(fd);
}

// With gRPC's timers or without.
TEST(Server, KnowsTheDeadlineOfACall) {
  for (const bool timers : {true, false}) {
    grpc::AsyncGenericService service;
    std::unique_ptr<grpc::ServerCompletionQueue> queue;
    RpcServerOptions options;
    options.program = "testd";
    options.deadline_timers = timers;
    options.configure = [&](grpc::ServerBuilder& builder) {
      builder.RegisterAsyncGenericService(&service);
      queue = builder.AddCompletionQueue();
    };
    const auto server = RpcServer::Start(options, {});
    ASSERT_TRUE(server.ok()) << server.status();
    {
      grpc::GenericServerContext taken;
      grpc::GenericServerAsyncReaderWriter stream(&taken);
      service.RequestCall(&taken, &stream, queue.get(), queue.get(), &taken);
      grpc::GenericStub stub(MakeChannel((*server)->target()));
      grpc::ClientContext context;
      SetTimeout(context, absl::Seconds(30));
      const absl::Time deadline = absl::FromChrono(context.deadline());
      const grpc::Slice bytes("x");
      const grpc::ByteBuffer message(&bytes, 1);
      grpc::ByteBuffer answer;
      absl::Notification over;
      stub.UnaryCall(&context, "/test/Method", grpc::StubOptions(), &message, &answer, [&over](const grpc::Status&) { over.Notify(); });
      void* tag = nullptr;
      bool ok = false;
      ASSERT_TRUE(queue->Next(&tag, &ok) && ok);
      EXPECT_LT(absl::AbsDuration(absl::FromChrono(taken.deadline()) - deadline), absl::Seconds(2)) << timers;
      stream.Finish(grpc::Status::OK, &stream);
      ASSERT_TRUE(queue->Next(&tag, &ok));
      over.WaitForNotification();
    }
    (*server)->Shutdown(absl::ZeroDuration());
    queue->Shutdown();
    void* tag = nullptr;
    for (bool ok = false; queue->Next(&tag, &ok);) {
    }
  }
}

TEST(Server, TellsWhatItIsAndThatItServes) {
  const auto server = RpcServer::Start({.program = "testd", .configure = nullptr}, {});
  ASSERT_TRUE(server.ok()) << server.status();
  const auto stub = common::v1::ServerInfoService::NewStub(MakeChannel((*server)->target()));
  grpc::ClientContext context;
  SetTimeout(context, absl::Seconds(10));
  common::v1::ServerInfo info;
  const grpc::Status status = stub->GetServerInfo(&context, {}, &info);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(info.program(), "testd");
  EXPECT_EQ(info.version(), kVersion);
}

TEST(Server, APortInUseIsRefusedByName) {
  const auto first = RpcServer::Start({.program = "a", .configure = nullptr}, {});
  ASSERT_TRUE(first.ok());
  const auto second = RpcServer::Start({.program = "b", .listen = (*first)->target(), .configure = nullptr}, {});
  ASSERT_FALSE(second.ok());
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(second.status().message()), HasSubstr((*first)->target()));
}

TEST(WorkerPool, RefusesWhatIsBeyondItsQueueAndRunsTheRest) {
  absl::Notification release;
  absl::Notification started;
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(1, 2);
    ASSERT_TRUE(pool.TryRun([&] {
      started.Notify();
      release.WaitForNotification();
      ++ran;
    }));
    started.WaitForNotification();
    EXPECT_TRUE(pool.TryRun([&] { ++ran; }));
    EXPECT_TRUE(pool.TryRun([&] { ++ran; }));
    EXPECT_FALSE(pool.TryRun([&] { ++ran; }));
    release.Notify();
  }
  EXPECT_EQ(ran, 3);
}

}  // namespace
}  // namespace fairlead
