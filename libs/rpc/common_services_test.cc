// Health, reflection and the information service as clients see them, on a queue of the server's own.
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "fairlead/common/v1/server_info_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "gtest/gtest.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/server.h"

namespace fairlead {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsSupersetOf;

namespace hv1 = grpc::health::v1;
namespace rv1 = grpc::reflection::v1alpha;

class CommonServicesTest : public testing::Test {
 protected:
  CommonServicesTest() : server_(RpcServer::Start({.program = "testd", .configure = nullptr}, {}).value()) {
    channel_ = MakeChannel(server_->target());
  }

  hv1::HealthCheckResponse::ServingStatus Check(const std::string& service, grpc::Status& status) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    hv1::HealthCheckRequest request;
    request.set_service(service);
    hv1::HealthCheckResponse response;
    status = hv1::Health::NewStub(channel_)->Check(&context, request, &response);
    return response.status();
  }

  std::vector<rv1::ServerReflectionResponse> Ask(const std::vector<rv1::ServerReflectionRequest>& requests) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    const auto stub = rv1::ServerReflection::NewStub(channel_);
    const auto stream = stub->ServerReflectionInfo(&context);
    std::vector<rv1::ServerReflectionResponse> responses;
    for (const rv1::ServerReflectionRequest& request : requests) {
      EXPECT_TRUE(stream->Write(request));
      EXPECT_TRUE(stream->Read(&responses.emplace_back()));
    }
    stream->WritesDone();
    EXPECT_TRUE(stream->Finish().ok());
    return responses;
  }
  rv1::ServerReflectionResponse AskSymbol(const std::string& symbol) {
    rv1::ServerReflectionRequest request;
    request.set_file_containing_symbol(symbol);
    return Ask({request}).front();
  }
  static std::vector<std::string> FilesIn(const rv1::ServerReflectionResponse& response) {
    std::vector<std::string> names;
    for (const std::string& bytes : response.file_descriptor_response().file_descriptor_proto()) {
      google::protobuf::FileDescriptorProto file;
      EXPECT_TRUE(file.ParseFromString(bytes));
      names.push_back(file.name());
    }
    return names;
  }

  std::unique_ptr<RpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(CommonServicesTest, HealthIsThatOfTheWholeServer) {
  grpc::Status status;
  EXPECT_EQ(Check("", status), hv1::HealthCheckResponse::SERVING);
  server_->SetServing(false);
  EXPECT_EQ(Check("", status), hv1::HealthCheckResponse::NOT_SERVING);
  EXPECT_TRUE(status.ok());
  Check("fairlead.Nothing", status);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("'fairlead.Nothing'"));
}

TEST_F(CommonServicesTest, AWatcherIsToldOfEachChangeAndOfTheEnd) {
  const auto stub = hv1::Health::NewStub(channel_);
  grpc::ClientContext context;
  SetTimeout(context, absl::Seconds(30));
  const auto watch = stub->Watch(&context, hv1::HealthCheckRequest());
  hv1::HealthCheckResponse told;
  ASSERT_TRUE(watch->Read(&told));
  EXPECT_EQ(told.status(), hv1::HealthCheckResponse::SERVING);
  for (int i = 0; i < 100; ++i) {
    server_->SetServing(i % 2 != 0);
    server_->SetServing(i % 2 != 0);  // Told once.
    ASSERT_TRUE(watch->Read(&told));
    EXPECT_EQ(told.status(), i % 2 != 0 ? hv1::HealthCheckResponse::SERVING : hv1::HealthCheckResponse::NOT_SERVING) << i;
  }
  const absl::Time start = absl::Now();
  server_->Shutdown(absl::Seconds(20));
  EXPECT_LT(absl::Now() - start, absl::Seconds(15)) << "a watcher held the server up";
  ASSERT_TRUE(watch->Read(&told));
  EXPECT_EQ(told.status(), hv1::HealthCheckResponse::NOT_SERVING);
  EXPECT_FALSE(watch->Read(&told));
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CommonServicesTest, AWatcherOfAnUnknownServiceIsToldSo) {
  const auto stub = hv1::Health::NewStub(channel_);
  grpc::ClientContext context;
  hv1::HealthCheckRequest request;
  request.set_service("fairlead.Nothing");
  const auto watch = stub->Watch(&context, request);
  hv1::HealthCheckResponse told;
  ASSERT_TRUE(watch->Read(&told));
  EXPECT_EQ(told.status(), hv1::HealthCheckResponse::SERVICE_UNKNOWN);
  context.TryCancel();
  EXPECT_FALSE(watch->Read(&told));
}

TEST_F(CommonServicesTest, MoreWatchersComeAndGoThanThereIsRoomForAtATime) {
  const auto stub = hv1::Health::NewStub(channel_);
  for (size_t i = 0; i < CommonServices::kMaxStreams + 100; ++i) {
    grpc::ClientContext context;
    const auto watch = stub->Watch(&context, hv1::HealthCheckRequest());
    hv1::HealthCheckResponse told;
    ASSERT_TRUE(watch->Read(&told)) << i;
  }
}

TEST_F(CommonServicesTest, ReflectionListsWhatIsServed) {
  rv1::ServerReflectionRequest request;
  request.set_host("here");
  request.set_list_services("");
  const rv1::ServerReflectionResponse response = Ask({request}).front();
  EXPECT_EQ(response.valid_host(), "here");
  EXPECT_EQ(response.original_request().SerializeAsString(), request.SerializeAsString());
  std::vector<std::string> names;
  for (const rv1::ServiceResponse& service : response.list_services_response().service()) names.push_back(service.name());
  EXPECT_THAT(names,
              IsSupersetOf({"fairlead.common.v1.ServerInfoService", "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"}));
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), names.size());
  // Each that is listed can be described: what a caller does next.
  for (const std::string& name : names) EXPECT_FALSE(FilesIn(AskSymbol(name)).empty()) << name;
}

TEST_F(CommonServicesTest, ReflectionFindsFilesByNameAndBySymbolWithAllThatTheyImport) {
  const std::vector<std::string> files = FilesIn(AskSymbol("fairlead.common.v1.ServerInfoService.GetServerInfo"));
  ASSERT_FALSE(files.empty());
  EXPECT_EQ(files[0], "fairlead/common/v1/server_info_service.proto");
  EXPECT_THAT(files, Contains("google/protobuf/timestamp.proto"));
  EXPECT_EQ(FilesIn(AskSymbol("fairlead.common.v1.ServerInfo")), files);
  rv1::ServerReflectionRequest by_name, timestamp;
  by_name.set_file_by_filename(files[0]);
  timestamp.set_file_by_filename("google/protobuf/timestamp.proto");
  const auto responses = Ask({by_name, timestamp});
  EXPECT_EQ(FilesIn(responses[0]), files);
  EXPECT_THAT(FilesIn(responses[1]), ElementsAre("google/protobuf/timestamp.proto"));
}

TEST_F(CommonServicesTest, WhatReflectionDoesNotKnowIsAnErrorAndTheStreamGoesOn) {
  rv1::ServerReflectionRequest file, extension, numbers, nothing, known;
  file.set_file_by_filename("no/such.proto");
  extension.mutable_file_containing_extension()->set_containing_type("google.protobuf.Timestamp");
  extension.mutable_file_containing_extension()->set_extension_number(7);
  numbers.set_all_extension_numbers_of_type("no.Such");
  known.set_all_extension_numbers_of_type("google.protobuf.Timestamp");
  const auto responses = Ask({file, extension, numbers, nothing, known});
  EXPECT_EQ(responses[0].error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(responses[0].error_response().error_message(), HasSubstr("'no/such.proto'"));
  EXPECT_EQ(responses[1].error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(responses[2].error_response().error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(responses[3].error_response().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(responses[4].all_extension_numbers_response().base_type_name(), "google.protobuf.Timestamp");
  EXPECT_EQ(responses[4].all_extension_numbers_response().extension_number_size(), 0);
}

}  // namespace
}  // namespace fairlead
