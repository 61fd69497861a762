#include <memory>
#include <string>

#include "absl/synchronization/notification.h"
#include "fairlead/common/v1/server_info_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/rpc/worker_pool.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

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
