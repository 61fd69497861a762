// registryd and a cell as far as filld sees them: real gRPC servers whose feeds a test fills.
#ifndef FAIRLEAD_SERVICES_FILL_TEST_FEEDS_H_
#define FAIRLEAD_SERVICES_FILL_TEST_FEEDS_H_

#include <memory>
#include <string>
#include <vector>

#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/feed/feed_publisher.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"

namespace fairlead::fill {

class TestRegistry {
 public:
  TestRegistry() : publisher_({.name = "config", .start = {1, 1}}), service_(publisher_) {
    RpcServerOptions options;
    options.program = "registryd";
    server_ = RpcServer::Start(options, {&service_}).value();
  }
  ~TestRegistry() { publisher_.Shutdown(); }

  std::string target() const { return server_->target(); }
  void Publish(const std::vector<registry::v1::ConfigEntry>& entries) { publisher_.Publish(EncodeEntries(entries)).IgnoreError(); }

 private:
  class Service final : public registry::v1::ConfigService::WithRawCallbackMethod_WatchConfig<registry::v1::ConfigService::Service> {
   public:
    explicit Service(FeedPublisher& publisher) : publisher_(publisher) {}
    grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
      const auto request = ParseFeedRequest<registry::v1::WatchConfigRequest>(*raw);
      if (!request.ok() || request->scope() != registry::v1::CONFIG_SCOPE_FILL)
        return RefuseFeed(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "scope"));
      return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
    }

   private:
    FeedPublisher& publisher_;
  };

  FeedPublisher publisher_;
  Service service_;
  std::unique_ptr<RpcServer> server_;
};

class TestCell {
 public:
  TestCell() : publisher_({.name = "fleet", .start = {1, 1}}), service_(publisher_) {
    RpcServerOptions options;
    options.program = "ingestd";
    server_ = RpcServer::Start(options, {&service_}).value();
  }
  ~TestCell() { publisher_.Shutdown(); }

  std::string target() const { return server_->target(); }
  void Publish(const std::vector<ingest::v1::FleetEntry>& entries) { publisher_.Publish(EncodeEntries(entries)).IgnoreError(); }

 private:
  class Service final : public ingest::v1::FleetFeedService::WithRawCallbackMethod_WatchFleet<ingest::v1::FleetFeedService::Service> {
   public:
    explicit Service(FeedPublisher& publisher) : publisher_(publisher) {}
    grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchFleet(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
      const auto request = ParseFeedRequest<ingest::v1::WatchFleetRequest>(*raw);
      if (!request.ok()) return RefuseFeed(ToGrpcStatus(request.status()));
      return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
    }

   private:
    FeedPublisher& publisher_;
  };

  FeedPublisher publisher_;
  Service service_;
  std::unique_ptr<RpcServer> server_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_TEST_FEEDS_H_
