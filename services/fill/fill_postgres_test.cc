// filld on a real PostgreSQL that is killed and comes back.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "services/fill/codec.h"
#include "services/fill/pg_store.h"
#include "services/fill/server.h"
#include "services/fill/test_feeds.h"
#include "services/fill/test_fleet.h"
#include "services/fill/test_values.h"
#include "tests/testing/postgres.h"

namespace fairlead::fill {
namespace {

// One filld and a client of it.
class Filld {
 public:
  Filld(const std::string& uri, const std::string& registry) : store_(PgStore::Create(uri).value()) {
    FillServerOptions options;
    options.subscriptions.registry = registry;
    options.signing_key_dir = ::testing::TempDir();
    options.store_interval = absl::Milliseconds(50);
    options.planner.quiet = absl::Milliseconds(100);
    server_ = FillServer::Start(options, *store_, metrics_, clock_).value();
    const auto channel = MakeChannel(server_->target());
    catalog_ = content::v1::CatalogService::NewStub(channel);
    fill_ = v1::FillService::NewStub(channel);
  }

  grpc::Status Import(const TitleImport& import, content::v1::ImportTitleVersionResponse& response) {
    Title title;
    title.versions = {import.version};
    content::v1::ImportTitleVersionRequest request;
    request.set_title(import.title.name());
    *request.mutable_version() = TitleToProto(title).versions(0);
    grpc::ClientContext context;
    Prepare(context);
    return catalog_->ImportTitleVersion(&context, request, &response);
  }
  v1::Manifest Manifest(const std::string& appliance) {
    grpc::ClientContext context;
    Prepare(context);
    v1::GetManifestRequest request;
    request.set_appliance(appliance);
    v1::Manifest manifest;
    (void)fill_->GetManifest(&context, request, &manifest);
    return manifest;
  }
  bool HasManifest(const std::string& appliance, int entries) {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    while (absl::Now() < deadline) {
      if (Manifest(appliance).entries_size() == entries) return true;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return false;
  }

 private:
  static void Prepare(grpc::ClientContext& context) {
    SetTimeout(context, absl::Seconds(20));
    SetPrincipal(context, "operator/test");
  }

  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<PgStore> store_;
  std::unique_ptr<FillServer> server_;
  std::unique_ptr<content::v1::CatalogService::Stub> catalog_;
  std::unique_ptr<v1::FillService::Stub> fill_;
};

TEST(FilldOnPostgres, WhatWasAcknowledgedSurvivesARestartAndADatabaseThatIsKilled) {
  const std::unique_ptr<TestPostgres> postgres = TestPostgres::Start({.projects = {"fill"}}).value();
  const std::string uri = postgres->NewDatabase().value();
  TestRegistry registry;
  registry.Publish({SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), ClusterEntry("c1", "isp", 1), ApplianceEntry("a1", "isp", "c1")});
  content::v1::ImportTitleVersionResponse response;
  std::string generation;
  {
    Filld filld(uri, registry.target());
    ASSERT_TRUE(filld.Import(MakeImport("a", "v1", 3), response).ok());
    ASSERT_TRUE(filld.HasManifest("appliances/a1", 3));
    generation = filld.Manifest("appliances/a1").generation();
  }
  Filld filld(uri, registry.target());
  ASSERT_TRUE(filld.HasManifest("appliances/a1", 3)) << "from the database";
  EXPECT_EQ(filld.Manifest("appliances/a1").generation(), generation);

  ASSERT_TRUE(postgres->Kill().ok());
  const absl::Time start = absl::Now();
  const grpc::Status down = filld.Import(MakeImport("b", "v1", 2), response);
  EXPECT_EQ(down.error_code(), grpc::StatusCode::UNAVAILABLE) << down.error_message();
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
  EXPECT_EQ(filld.Manifest("appliances/a1").entries_size(), 3) << "reads go on from memory";

  ASSERT_TRUE(postgres->Restart().ok());
  grpc::Status up;
  for (int i = 0; i < 100 && !(up = filld.Import(MakeImport("b", "v1", 2), response)).ok(); ++i) absl::SleepFor(absl::Milliseconds(100));
  ASSERT_TRUE(up.ok()) << up.error_message();
  EXPECT_EQ(response.title().versions(0).renditions(0).file().file_number(), 4u) << "the failed import used no number";
  EXPECT_TRUE(filld.HasManifest("appliances/a1", 5));
}

TEST(FilldOnPostgres, TwoFilldsOnOneDatabaseSeeEachOthersWrites) {
  const std::unique_ptr<TestPostgres> postgres = TestPostgres::Start({.projects = {"fill"}}).value();
  const std::string uri = postgres->NewDatabase().value();
  TestRegistry registry;
  registry.Publish({SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), ClusterEntry("c1", "isp", 1), ApplianceEntry("a1", "isp", "c1")});
  Filld first(uri, registry.target());
  Filld second(uri, registry.target());
  content::v1::ImportTitleVersionResponse response;
  ASSERT_TRUE(first.Import(MakeImport("a", "v1", 2), response).ok());
  ASSERT_TRUE(second.Import(MakeImport("b", "v1", 2), response).ok());
  EXPECT_TRUE(first.HasManifest("appliances/a1", 4));
  EXPECT_TRUE(second.HasManifest("appliances/a1", 4));
  EXPECT_EQ(first.Manifest("appliances/a1").generation(), second.Manifest("appliances/a1").generation());
}

}  // namespace
}  // namespace fairlead::fill
