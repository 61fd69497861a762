// The catalogue feed as steerd and ingestd follow it.
#include <map>
#include <memory>
#include <string>

#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/feed/feed_client.h"
#include "services/fill/fill_server_fixture.h"

namespace fairlead::fill {
namespace {

using ::testing::HasSubstr;

// Follows a scope of the catalogue feed as steerd and ingestd do.
class FeedFollower {
 public:
  FeedFollower(const std::shared_ptr<grpc::Channel>& channel, content::v1::CatalogScope scope)
      : stub_(content::v1::CatalogFeedService::NewStub(channel)) {
    FeedClientOptions<content::v1::WatchCatalogRequest, content::v1::WatchCatalogResponse> options;
    options.request.set_scope(scope);
    options.start = [this](auto* context, const auto& request, auto* queue) {
      return stub_->PrepareAsyncWatchCatalog(context, request, queue);
    };
    options.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, "service/test"); };
    options.apply = [this](const FeedChange<content::v1::CatalogEntry>& change) {
      absl::MutexLock lock(&mu_);
      if (change.snapshot) entries_.clear();
      for (const content::v1::CatalogEntry& entry : change.entries) entries_[entry.key()] = entry;
      return absl::OkStatus();
    };
    client_ = std::make_unique<FeedClient<content::v1::WatchCatalogRequest, content::v1::WatchCatalogResponse>>(std::move(options));
    client_->Start();
  }
  ~FeedFollower() { client_->Stop(); }

  std::map<std::string, content::v1::CatalogEntry> entries() {
    absl::MutexLock lock(&mu_);
    return entries_;
  }

 private:
  std::unique_ptr<content::v1::CatalogFeedService::Stub> stub_;
  absl::Mutex mu_;
  std::map<std::string, content::v1::CatalogEntry> entries_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<FeedClient<content::v1::WatchCatalogRequest, content::v1::WatchCatalogResponse>> client_;
};

TEST_F(FillServerTest, TheSteeringFeedHasTitlesAndTheCellFeedHasManifestGenerations) {
  StartWithPlan();
  FeedFollower steering(channel_, content::v1::CATALOG_SCOPE_STEERING);
  FeedFollower cell(channel_, content::v1::CATALOG_SCOPE_CELL);
  EXPECT_TRUE(Eventually([&] { return steering.entries().size() == 1; }));
  EXPECT_TRUE(Eventually([&] { return cell.entries().size() == 3; }));
  EXPECT_EQ(steering.entries()["titles/big-film"].title().versions(0).renditions_size(), 3);
  EXPECT_EQ(cell.entries()["manifests/a1"].manifest_generation(), Manifest("a1").generation());
  MustImport(MakeImport("sequel", "v1", 1));
  EXPECT_TRUE(Eventually([&] { return steering.entries().contains("titles/sequel"); }));
  EXPECT_TRUE(Eventually([&] {
    return cell.entries()["manifests/a1"].manifest_generation() == Manifest("a1").generation() && Manifest("a1").entries_size() == 4;
  }));
}

TEST_F(FillServerTest, AFeedWithoutAScopeIsRefused) {
  Start();
  const auto stub = content::v1::CatalogFeedService::NewStub(channel_);
  grpc::ClientContext context;
  SetTimeout(context, absl::Seconds(10));
  SetPrincipal(context, "service/test");
  const auto reader = stub->WatchCatalog(&context, content::v1::WatchCatalogRequest());
  content::v1::WatchCatalogResponse response;
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("scope"));
}

TEST_F(FillServerTest, TheFeedsAreForOperatorsAndServicesOnly) {
  Start();
  const auto stub = content::v1::CatalogFeedService::NewStub(channel_);
  for (const bool box : {true, false}) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    if (box) SetBearer(context, "a box's credential");
    content::v1::WatchCatalogRequest request;
    request.set_scope(content::v1::CATALOG_SCOPE_STEERING);
    const auto reader = stub->WatchCatalog(&context, request);
    content::v1::WatchCatalogResponse response;
    EXPECT_FALSE(reader->Read(&response));
    EXPECT_EQ(reader->Finish().error_code(), box ? grpc::StatusCode::PERMISSION_DENIED : grpc::StatusCode::UNAUTHENTICATED);
  }
}

}  // namespace
}  // namespace fairlead::fill
