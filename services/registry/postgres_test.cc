// registryd on a real PostgreSQL that dies.
#include <atomic>
#include <functional>
#include <thread>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/pg/pool.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/registry/pg_store.h"
#include "services/registry/server.h"
#include "tests/testing/postgres.h"

namespace fairlead::registry {
namespace {

using ::testing::HasSubstr;

class PostgresTest : public ::testing::Test {
 protected:
  void StartServer() {
    pool_ = std::make_unique<pg::Pool>(pg::ParseUri(uri_).value(), pg::PoolOptions{});
    store_ = std::make_unique<PgStore>(*pool_);
    server_ = Server::Start({.config_poll_interval = absl::Milliseconds(20)}, *store_, clock_, metrics_).value();
    stub_ = v1::RegistryService::NewStub(MakeChannel(server_->target()));
  }
  ~PostgresTest() override {
    server_.reset();
    // A failed test must not take the database from the next.
    postgres_.Resume().IgnoreError();
    postgres_.Restart().IgnoreError();
  }

  absl::Status CreateSite(const std::string& id, const std::string& request_id = "") {
    v1::CreateSiteRequest request;
    request.set_site_id(id);
    request.set_request_id(request_id);
    request.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    SetPrincipal(context, "operator/jane");
    v1::Site site;
    return FromGrpcStatus(stub_->CreateSite(&context, request, &site));
  }
  int CountSites() {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    SetPrincipal(context, "operator/jane");
    v1::ListSitesRequest request;
    request.set_page_size(1000);
    v1::ListSitesResponse response;
    const grpc::Status status = stub_->ListSites(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.sites_size();
  }
  // At its first start a server writes its settings, in its own time: until then the version may move by itself.
  bool HasWrittenSettings() {
    const auto written = store_->ListAudit("settings/render-version", /*before=*/0, 1);
    return written.ok() && !written->empty();
  }
  // The version that the feed's first message stands at; 0 if there is none.
  uint64_t FeedVersion() {
    const auto config = v1::ConfigService::NewStub(MakeChannel(server_->target()));
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    SetPrincipal(context, "service/test");
    v1::WatchConfigRequest request;
    request.set_scope(v1::CONFIG_SCOPE_CELL);
    const auto reader = config->WatchConfig(&context, request);
    v1::WatchConfigResponse response;
    return reader->Read(&response) ? response.frame().position().version() : 0;
  }
  bool Eventually(const std::function<bool()>& condition) {
    for (const absl::Time deadline = absl::Now() + absl::Seconds(20); absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(20))) {
      if (condition()) return true;
    }
    return false;
  }

  TestPostgres& postgres_ = SharedPostgres({"registry"});
  const std::string uri_ = postgres_.NewDatabase().value();
  const SystemClock clock_{};  // clang wants the braces.
  Metrics metrics_;
  std::unique_ptr<pg::Pool> pool_;
  std::unique_ptr<PgStore> store_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::RegistryService::Stub> stub_;
};

TEST_F(PostgresTest, AcknowledgedWritesSurviveKillsAndFeedsGoOnMeanwhile) {
  StartServer();
  ASSERT_TRUE(Eventually([this] { return HasWrittenSettings(); }));
  int acknowledged = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) {
      const absl::Status status = CreateSite("ix-" + std::to_string(round) + "-" + std::to_string(i));
      ASSERT_TRUE(status.ok()) << status;
      ++acknowledged;
    }
    const uint64_t version = FeedVersion();
    ASSERT_TRUE(postgres_.Kill().ok());
    const absl::Time start = absl::Now();
    const absl::Status status = CreateSite("lost-" + std::to_string(round));
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("PostgreSQL can't be reached"));
    EXPECT_LT(absl::Now() - start, absl::Seconds(10)) << "fails fast";
    EXPECT_EQ(FeedVersion(), version) << "a feed needs no database";
    ASSERT_TRUE(postgres_.Restart().ok());
    ASSERT_TRUE(Eventually([&] { return server_->metrics().store_up.Value() == 1; })) << "recovers by itself";
    EXPECT_EQ(CountSites(), acknowledged) << "acknowledged exactly once, refused not at all";
  }
}

TEST_F(PostgresTest, WhilePostgreSqlIsStoppedCallsAreUnavailableInsteadOfHangingAndFeedsGoOn) {
  StartServer();
  ASSERT_TRUE(Eventually([this] { return HasWrittenSettings(); }));
  ASSERT_TRUE(CreateSite("ix-1").ok());
  const uint64_t version = FeedVersion();
  ASSERT_TRUE(postgres_.Pause().ok());
  const absl::Time start = absl::Now();
  // More than there are workers and connections: nobody waits for the turns of others either.
  std::vector<std::thread> callers;
  for (int i = 0; i < 40; ++i) {
    callers.emplace_back([this, i] {
      const absl::Status status = CreateSite("lost-" + std::to_string(i));
      EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
      EXPECT_THAT(std::string(status.message()), HasSubstr("PostgreSQL can't be reached"));
    });
  }
  EXPECT_EQ(FeedVersion(), version) << "a feed needs no database";
  for (std::thread& caller : callers) caller.join();
  EXPECT_LT(absl::Now() - start, absl::Seconds(15)) << "fails fast";
  EXPECT_EQ(CreateSite("lost").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(FeedVersion(), version);
  ASSERT_TRUE(postgres_.Resume().ok());
  ASSERT_TRUE(Eventually([&] { return CreateSite("ix-2", "r-2").ok(); })) << "recovers by itself";
  EXPECT_EQ(CountSites(), 2) << "what was refused did not happen later";
}

TEST_F(PostgresTest, TheServerStartsWhilePostgreSqlIsDown) {
  ASSERT_TRUE(postgres_.Kill().ok());
  StartServer();
  EXPECT_EQ(CreateSite("ix-1").code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(postgres_.Restart().ok());
  EXPECT_TRUE(Eventually([&] { return CreateSite("ix-1", "r-1").ok(); }));
  EXPECT_EQ(CountSites(), 1);
}

TEST_F(PostgresTest, ManyWritersGetTheirWritesDoneExactlyOnce) {
  StartServer();
  constexpr int kWriters = 6;
  std::vector<std::thread> threads;
  std::atomic<int> failures = 0;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      for (int i = 0; i < 5; ++i) {
        const std::string id = "ix-" + std::to_string(writer) + "-" + std::to_string(i);
        for (int repetition = 0; repetition < 2; ++repetition) {
          if (!CreateSite(id, "request-" + id).ok()) ++failures;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(failures, 0);
  EXPECT_EQ(CountSites(), kWriters * 5);
  // Two settings at the start, then one a site; without gaps.
  EXPECT_EQ(*postgres_.Sql(uri_, "SELECT count(*) = max(sequence), count(*) FROM registry.audit"), "t|32\n");
  EXPECT_EQ(*postgres_.Sql(uri_, "SELECT version FROM registry.config_version"), "32\n");
}

TEST_F(PostgresTest, AFleetOfThousandsIsOneTransactionAndTheSecondTimeNothing) {
  StartServer();
  constexpr int kBoxes = 4'000;
  std::string yaml =
      "partners: [{id: isp, asns: [64500]}]\n"
      "sites: [{id: lhr001, kind: EMBEDDED, partner: isp}]\n"
      "clusters: [{id: a, site: lhr001, content_region: e, popularity_feed: e, copies: 1}]\n"
      "appliances:\n";
  for (int i = 0; i < kBoxes; ++i) {
    yaml += "  - {id: oca-" + std::to_string(i) + ", serial: SN-" + std::to_string(i) +
            ", site: lhr001, cluster: a, kind: FLASH, capacity_bps: 100Gbps, tiers: [{tier: FLASH, capacity_bytes: 10TB}], "
            "endpoints: [{family: IPV4, scheme: https, host: oca-" +
            std::to_string(i) + ".cdn.example, port: 443}]}\n";
  }
  const auto apply = [&](v1::ApplyFleetResponse& response) {
    v1::ApplyFleetRequest request;
    request.set_fleet_yaml(yaml);
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(60));
    SetPrincipal(context, "operator/jane");
    return FromGrpcStatus(stub_->ApplyFleet(&context, request, &response));
  };
  const uint64_t before = store_->Position()->version;
  v1::ApplyFleetResponse first;
  const absl::Time start = absl::Now();
  absl::Status status = apply(first);
  ASSERT_TRUE(status.ok()) << status;
  RecordProperty("first_apply", absl::FormatDuration(absl::Now() - start));
  EXPECT_EQ(first.changes_size(), kBoxes + 3);
  v1::ApplyFleetResponse second;
  status = apply(second);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(second.changes_size(), 0);
  EXPECT_EQ(second.unchanged_count(), kBoxes + 3);
  EXPECT_LE(store_->Position()->version, before + 2) << "one version for all, besides the settings of the start";
}

TEST_F(PostgresTest, AMissingSchemaIsNamed) {
  ASSERT_TRUE(postgres_.Migrate({"--revert", uri_, "registry"}).ok());
  StartServer();
  const absl::Status status = CreateSite("ix-1");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("migrations/deploy.sh"));
}

}  // namespace
}  // namespace fairlead::registry
