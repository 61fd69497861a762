// filld on a real PostgreSQL that is killed and comes back.
#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

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
#include "tests/testing/eventually.h"
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

  grpc::Status Import(const TitleImport& import, content::v1::ImportTitleVersionResponse& response, const std::string& request_id = "") {
    Title title;
    title.versions = {import.version};
    content::v1::ImportTitleVersionRequest request;
    request.set_title(import.title.name());
    request.set_request_id(request_id);
    *request.mutable_version() = TitleToProto(title).versions(0);
    grpc::ClientContext context;
    Prepare(context);
    return catalog_->ImportTitleVersion(&context, request, &response);
  }
  grpc::Status CreatePlan(const std::string& request_id) {
    grpc::ClientContext context;
    Prepare(context);
    v1::CreatePlanRequest request;
    request.set_request_id(request_id);
    v1::Plan plan;
    return fill_->CreatePlan(&context, request, &plan);
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

TEST(FilldOnPostgres, WhileTheDatabaseIsStoppedWritesAreRefusedInTimeAndReadsGoOn) {
  const std::unique_ptr<TestPostgres> postgres = TestPostgres::Start({.projects = {"fill"}}).value();
  TestRegistry registry;
  registry.Publish({SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), ClusterEntry("c1", "isp", 1), ApplianceEntry("a1", "isp", "c1")});
  Filld filld(postgres->NewDatabase().value(), registry.target());
  content::v1::ImportTitleVersionResponse response;
  ASSERT_TRUE(filld.Import(MakeImport("a", "v1", 3), response).ok());
  ASSERT_TRUE(filld.HasManifest("appliances/a1", 3));

  ASSERT_TRUE(postgres->Pause().ok());
  const absl::Time start = absl::Now();
  std::vector<std::thread> callers;
  for (int i = 0; i < 12; ++i) {
    callers.emplace_back([&filld, i] {
      content::v1::ImportTitleVersionResponse unused;
      const grpc::Status status = i % 4 == 0 ? filld.CreatePlan("") : filld.Import(MakeImport(absl::StrCat("lost-", i), "v1", 2), unused);
      EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE) << status.error_message();
      EXPECT_THAT(status.error_message(), ::testing::HasSubstr("PostgreSQL can't be reached"));
    });
  }
  EXPECT_EQ(filld.Manifest("appliances/a1").entries_size(), 3) << "reads go on from memory";
  for (std::thread& caller : callers) caller.join();
  EXPECT_LT(absl::Now() - start, absl::Seconds(15));
  EXPECT_EQ(filld.Manifest("appliances/a1").entries_size(), 3);

  ASSERT_TRUE(postgres->Resume().ok());
  ASSERT_TRUE(Eventually([&] { return filld.Import(MakeImport("b", "v1", 2), response, "r-1").ok(); }));
  EXPECT_EQ(response.title().versions(0).renditions(0).file().file_number(), 4u) << "what was refused used no number";
  EXPECT_TRUE(filld.HasManifest("appliances/a1", 5));
}

// Imports titles of two files, each under a request id that it repeats until the answer is certain.
class Importer {
 public:
  Importer(Filld& filld, int number, const std::atomic<bool>& stop) {
    thread_ = std::thread([this, &filld, number, &stop] {
      while (!stop && Insist(filld, absl::StrCat("t-", number, "-", titles_))) ++titles_;
    });
  }
  int Join() {
    thread_.join();
    return titles_;
  }

 private:
  static bool Insist(Filld& filld, const std::string& title) {
    content::v1::ImportTitleVersionResponse response;
    for (;; absl::SleepFor(absl::Milliseconds(20))) {
      const grpc::Status status = filld.Import(MakeImport(title, "v1", 2), response, title);
      if (status.ok()) {
        EXPECT_TRUE(response.created()) << title << ": a repetition gets the answer of the first";
        return true;
      }
      if (status.error_code() != grpc::StatusCode::UNAVAILABLE && status.error_code() != grpc::StatusCode::UNKNOWN) {
        ADD_FAILURE() << title << ": " << status.error_code() << " " << status.error_message();
        return false;
      }
    }
  }
  int titles_ = 0;
  std::thread thread_;
};

TEST(FilldOnPostgres, ImportsAndPlansHappenExactlyOnceHoweverOftenTheDatabaseGoes) {
  const std::unique_ptr<TestPostgres> postgres = TestPostgres::Start({.projects = {"fill"}}).value();
  const std::string uri = postgres->NewDatabase().value();
  TestRegistry registry;
  registry.Publish({SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), ClusterEntry("c1", "isp", 1), ApplianceEntry("a1", "isp", "c1")});
  Filld filld(uri, registry.target());
  // Time inside commits, so that crashes fall into them.
  ASSERT_TRUE(postgres
                  ->Sql(uri,
                        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(random() * 0.03); RETURN NULL; "
                        "END'; CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON fill.request DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
                        "EXECUTE FUNCTION nap()")
                  .ok());
  std::mt19937_64 random(1);
  std::atomic<bool> stop = false;
  std::vector<std::unique_ptr<Importer>> importers;
  for (int i = 0; i < 3; ++i) importers.push_back(std::make_unique<Importer>(filld, i, stop));
  for (int crash = 0; crash < 5; ++crash) {
    const absl::Time when = absl::Now() + absl::Milliseconds(200 + random() % 800);
    while (absl::Now() < when) absl::SleepFor(absl::Milliseconds(10));
    if (crash % 2 == 0) {
      ASSERT_TRUE(postgres->Kill().ok());
      ASSERT_TRUE(postgres->Restart().ok());
    } else {
      ASSERT_TRUE(postgres->Pause().ok());
      const absl::Time until = absl::Now() + absl::Milliseconds(4500 + random() % 1000);
      while (absl::Now() < until) absl::SleepFor(absl::Milliseconds(10));
      ASSERT_TRUE(postgres->Resume().ok());
    }
  }
  stop = true;
  int titles = 0;
  for (const auto& importer : importers) titles += importer->Join();
  ASSERT_GT(titles, 5);
  ASSERT_TRUE(filld.HasManifest("appliances/a1", 2 * titles)) << "the plan holds all that was imported";

  const std::string count = absl::StrCat(titles);
  EXPECT_EQ(*postgres->Sql(uri, "SELECT count(*) FROM fill.title"), count + "\n");
  EXPECT_EQ(*postgres->Sql(uri, "SELECT count(*) FROM fill.request WHERE kind = 'import'"), count + "\n");
  EXPECT_EQ(*postgres->Sql(uri, "SELECT count(*), min(file_number), max(file_number) FROM fill.rendition"),
            absl::StrCat(2 * titles, "|1|", 2 * titles, "\n"))
      << "file numbers: each given once, none lost";
  // The version went up once a title and once a plan, and no plan was made twice.
  EXPECT_EQ(*postgres->Sql(uri, absl::StrCat("SELECT version = 1 + ", titles, " + next_plan_number - 1, next_file_number FROM fill.state")),
            absl::StrCat("t|", 2 * titles + 1, "\n"));
  EXPECT_EQ(*postgres->Sql(uri,
                           "SELECT count(*) = max(number) - min(number) + 1, max(number) = (SELECT next_plan_number - 1 FROM fill.state) "
                           "FROM fill.plan"),
            "t|t\n");
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
