// filld as a whole: its own gRPC server, registryd's and a cell's feeds over real gRPC, a fake store behind.
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/content/paths.h"
#include "libs/feed/feed_client.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_verifier.h"
#include "services/fill/codec.h"
#include "services/fill/fake_store.h"
#include "services/fill/server.h"
#include "services/fill/test_feeds.h"
#include "services/fill/test_fleet.h"
#include "services/fill/test_values.h"

namespace fairlead::fill {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

constexpr char kOperator[] = "operator/jane";

// Polls until `done` or ten seconds.
testing::AssertionResult Eventually(const std::function<bool()>& done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (absl::Now() < deadline) {
    if (done()) return testing::AssertionSuccess();
    absl::SleepFor(absl::Milliseconds(10));
  }
  return testing::AssertionFailure() << "not within ten seconds";
}

content::v1::ImportTitleVersionRequest ImportRequest(const TitleImport& import) {
  Title title;
  title.id = import.title;
  title.versions = {import.version};
  content::v1::ImportTitleVersionRequest request;
  request.set_title(import.title.name());
  request.set_display_name(import.display_name);
  request.set_popularity(import.popularity);
  *request.mutable_version() = TitleToProto(title).versions(0);
  return request;
}

class FillServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/keysXXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    key_dir_ = pattern;
    const EcKeyPair pair = GenerateEcKeyPair().value();
    WriteKey("k-1", pair.private_pem);
    ASSERT_TRUE(verifier_.AddKey("k-1", pair.public_pem).ok());
    options_.subscriptions.registry = registry_.target();
    options_.signing_key_dir = key_dir_;
    options_.fleet_interval = absl::Milliseconds(10);
    options_.store_interval = absl::Milliseconds(20);
    options_.key_scan_interval = absl::Milliseconds(20);
    options_.planner = {.interval = absl::Seconds(30), .quiet = absl::Milliseconds(50)};
  }

  void WriteKey(const std::string& id, const std::string& pem) {
    const std::string path = absl::StrCat(key_dir_, "/", id, ".pem");
    FILE* file = fopen((path + ".tmp").c_str(), "w");
    ASSERT_NE(file, nullptr);
    fputs(pem.c_str(), file);
    fclose(file);
    ASSERT_EQ(chmod((path + ".tmp").c_str(), 0600), 0);
    ASSERT_EQ(rename((path + ".tmp").c_str(), path.c_str()), 0);
  }

  void Start() {
    absl::StatusOr<std::unique_ptr<FillServer>> server = FillServer::Start(options_, store_, metrics_, clock_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = MakeChannel(server_->target());
    catalog_ = content::v1::CatalogService::NewStub(channel_);
    fill_ = v1::FillService::NewStub(channel_);
  }

  // An embedded site of two boxes with two copies, an IX box, an origin, and the cell.
  void Configure() {
    registry_.Publish({SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), SiteEntry("ix", common::v1::SITE_KIND_IX),
                       SiteEntry("origin", common::v1::SITE_KIND_ORIGIN), ClusterEntry("c1", "isp", 2), ClusterEntry("c2", "ix", 1),
                       ApplianceEntry("a1", "isp", "c1"), ApplianceEntry("a2", "isp", "c1"), ApplianceEntry("x1", "ix", "c2"),
                       ApplianceEntry("o1", "origin", "", common::v1::APPLIANCE_KIND_ORIGIN), CellEntry("cell-1", cell_.target()),
                       KeyEntry("k-1", registry::v1::SigningKey::STATE_ACTIVE)});
  }
  void StartWithPlan() {
    Start();
    Configure();
    MustImport(MakeImport("big-film", "v1", 3));
    ASSERT_TRUE(Eventually([this] { return Manifest("a1").entries_size() == 3 && Manifest("x1").entries_size() == 3; }));
  }

  template <typename Request, typename Response, typename Stub>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), Stub& stub, const Request& request,
                    Response& response, const std::string& principal = kOperator, const std::string& bearer = "") {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    if (!principal.empty()) SetPrincipal(context, principal);
    if (!bearer.empty()) SetBearer(context, bearer);
    context.set_wait_for_ready(true);
    return (stub.*method)(&context, request, &response);
  }
  grpc::Status Import(const content::v1::ImportTitleVersionRequest& request, content::v1::ImportTitleVersionResponse& response,
                      const std::string& principal = kOperator) {
    return Call(&content::v1::CatalogService::Stub::ImportTitleVersion, *catalog_, request, response, principal);
  }
  content::v1::ImportTitleVersionResponse MustImport(const TitleImport& import) {
    content::v1::ImportTitleVersionResponse response;
    const grpc::Status status = Import(ImportRequest(import), response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::Manifest Manifest(const std::string& id, const std::string& if_generation = "") {
    v1::GetManifestRequest request;
    request.set_appliance(absl::StrCat("appliances/", id));
    request.set_if_generation(if_generation);
    v1::Manifest manifest;
    manifest_status_ = Call(&v1::FillService::Stub::GetManifest, *fill_, request, manifest);
    return manifest;
  }
  v1::FileSources Sources(const std::string& id, uint32_t number) {
    v1::ResolveSourcesRequest request;
    request.set_appliance(absl::StrCat("appliances/", id));
    request.add_file_numbers(number);
    v1::ResolveSourcesResponse response;
    sources_status_ = Call(&v1::FillService::Stub::ResolveSources, *fill_, request, response);
    return response.files_size() == 1 ? response.files(0) : v1::FileSources();
  }
  std::vector<std::string> SourceNames(const std::string& id, uint32_t number) {
    std::vector<std::string> names;
    const v1::FileSources sources = Sources(id, number);
    for (const v1::Source& source : sources.sources())
      names.push_back(absl::StrCat(v1::Source::Class_Name(source.class_()), " ", source.appliance()));
    return names;
  }

  FakeStore store_;
  Metrics metrics_;
  SystemClock clock_;
  TestRegistry registry_;
  TestCell cell_;
  std::string key_dir_;
  TokenVerifier verifier_;
  FillServerOptions options_;
  std::unique_ptr<FillServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<content::v1::CatalogService::Stub> catalog_;
  std::unique_ptr<v1::FillService::Stub> fill_;
  grpc::Status manifest_status_;
  grpc::Status sources_status_;
};

TEST_F(FillServerTest, AnImportedTitleCanBeReadAtOnce) {
  Start();
  const content::v1::ImportTitleVersionResponse imported = MustImport(MakeImport("big-film", "v1", 2));
  EXPECT_TRUE(imported.created());
  EXPECT_EQ(imported.title().versions(0).renditions(0).file().file_number(), 1u);
  content::v1::GetTitleRequest request;
  request.set_name("titles/big-film");
  content::v1::Title title;
  ASSERT_TRUE(Call(&content::v1::CatalogService::Stub::GetTitle, *catalog_, request, title).ok());
  EXPECT_EQ(title.SerializeAsString(), imported.title().SerializeAsString());
  EXPECT_FALSE(MustImport(MakeImport("big-film", "v1", 2)).created());
}

TEST_F(FillServerTest, ABadImportNamesTheFieldAndChangesNothing) {
  Start();
  content::v1::ImportTitleVersionRequest request = ImportRequest(MakeImport("big-film", "v1", 2));
  request.mutable_version()->mutable_renditions(1)->mutable_file()->set_sha256("short");
  content::v1::ImportTitleVersionResponse response;
  const grpc::Status status = Import(request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("version.renditions[1].file.sha256"));
  content::v1::ListTitlesResponse titles;
  ASSERT_TRUE(Call(&content::v1::CatalogService::Stub::ListTitles, *catalog_, content::v1::ListTitlesRequest(), titles).ok());
  EXPECT_EQ(titles.titles_size(), 0);
}

TEST_F(FillServerTest, ChangedContentUnderTheSameVersionNamesThePath) {
  Start();
  MustImport(MakeImport("big-film", "v1", 2));
  TitleImport changed = MakeImport("big-film", "v1", 2);
  changed.version.renditions[0].file.sha256 = std::string(32, 'z');
  for (const bool validate_only : {true, false}) {
    content::v1::ImportTitleVersionRequest request = ImportRequest(changed);
    request.set_validate_only(validate_only);
    content::v1::ImportTitleVersionResponse response;
    const grpc::Status status = Import(request, response);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::ALREADY_EXISTS);
    EXPECT_THAT(status.error_message(), HasSubstr("big-film/v1/video-0/media.mp4"));
  }
}

TEST_F(FillServerTest, ValidateOnlyImportsNothing) {
  Start();
  ASSERT_TRUE(Eventually([this] {
    content::v1::ListTitlesResponse titles;
    return Call(&content::v1::CatalogService::Stub::ListTitles, *catalog_, content::v1::ListTitlesRequest(), titles).ok();
  }));
  content::v1::ImportTitleVersionRequest request = ImportRequest(MakeImport("big-film", "v1", 1));
  request.set_validate_only(true);
  content::v1::ImportTitleVersionResponse response;
  ASSERT_TRUE(Import(request, response).ok());
  EXPECT_TRUE(response.created());
  EXPECT_EQ(response.title().versions(0).renditions(0).file().file_number(), 0u);
  EXPECT_THAT(store_.Load({}, 0)->titles, IsEmpty());
}

TEST_F(FillServerTest, TitlesAreListedInPages) {
  Start();
  for (const char* id : {"c", "a", "b"}) MustImport(MakeImport(id, "v1", 1));
  content::v1::ListTitlesRequest request;
  request.set_page_size(2);
  content::v1::ListTitlesResponse first;
  ASSERT_TRUE(Call(&content::v1::CatalogService::Stub::ListTitles, *catalog_, request, first).ok());
  ASSERT_EQ(first.titles_size(), 2);
  EXPECT_EQ(first.titles(1).name(), "titles/b");
  request.set_page_token(first.next_page_token());
  content::v1::ListTitlesResponse second;
  ASSERT_TRUE(Call(&content::v1::CatalogService::Stub::ListTitles, *catalog_, request, second).ok());
  ASSERT_EQ(second.titles_size(), 1);
  EXPECT_EQ(second.titles(0).name(), "titles/c");
  EXPECT_EQ(second.next_page_token(), "");
}

TEST_F(FillServerTest, OnlyOperatorsAndServicesMayWriteAndPlan) {
  Start();
  content::v1::ImportTitleVersionResponse response;
  const content::v1::ImportTitleVersionRequest request = ImportRequest(MakeImport("a", "v1", 1));
  EXPECT_EQ(Import(request, response, "").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  v1::Plan plan;
  EXPECT_EQ(Call(&v1::FillService::Stub::CreatePlan, *fill_, v1::CreatePlanRequest(), plan, "", "secret-a1").error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(store_.Load({}, 0)->titles, IsEmpty());
}

TEST_F(FillServerTest, ABoxGetsItsOwnManifestAndNoOther) {
  StartWithPlan();
  v1::GetManifestRequest request;
  request.set_appliance("appliances/a1");
  v1::Manifest manifest;
  ASSERT_TRUE(Call(&v1::FillService::Stub::GetManifest, *fill_, request, manifest, "", "secret-a1").ok());
  EXPECT_EQ(manifest.entries_size(), 3);
  EXPECT_EQ(Call(&v1::FillService::Stub::GetManifest, *fill_, request, manifest, "", "secret-a2").error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Call(&v1::FillService::Stub::GetManifest, *fill_, request, manifest, "").error_code(), grpc::StatusCode::UNAUTHENTICATED);
  v1::ResolveSourcesRequest sources;
  sources.set_appliance("appliances/a1");
  v1::ResolveSourcesResponse response;
  EXPECT_TRUE(Call(&v1::FillService::Stub::ResolveSources, *fill_, sources, response, "", "secret-a1").ok());
  EXPECT_EQ(Call(&v1::FillService::Stub::ResolveSources, *fill_, sources, response, "", "secret-a2").error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(FillServerTest, AManifestListsFilesToFetchAndKnowsIfItIsUnchanged) {
  StartWithPlan();
  const v1::Manifest manifest = Manifest("a1");
  ASSERT_EQ(manifest.entries_size(), 3);
  EXPECT_EQ(manifest.entries(0).file().path(), "big-film/v1/video-0/media.mp4");
  EXPECT_EQ(manifest.entries(0).file().playlist().path(), "big-film/v1/video-0/media.m3u8");
  EXPECT_EQ(manifest.entries(0).tier(), common::v1::TIER_DISK);
  const v1::Manifest again = Manifest("a1", manifest.generation());
  EXPECT_TRUE(again.unchanged());
  EXPECT_EQ(again.entries_size(), 0);
  EXPECT_EQ(again.generation(), manifest.generation());
  Manifest("nobody");
  EXPECT_EQ(manifest_status_.error_code(), grpc::StatusCode::NOT_FOUND) << "never an empty manifest: the box would delete all";
}

TEST_F(FillServerTest, ANewTitleMakesANewPlanByItself) {
  StartWithPlan();
  const std::string generation = Manifest("x1").generation();
  MustImport(MakeImport("sequel", "v1", 1));
  EXPECT_TRUE(Eventually([&] { return Manifest("x1").entries_size() == 4; }));
  EXPECT_NE(Manifest("x1").generation(), generation);
}

TEST_F(FillServerTest, PlansAreMadeByCallShownAndListed) {
  options_.planner.interval = absl::ZeroDuration();
  Start();
  Configure();
  MustImport(MakeImport("big-film", "v1", 2));
  v1::Plan plan;
  ASSERT_TRUE(Eventually([&] {
    v1::CreatePlanRequest request;
    request.set_validate_only(true);
    return Call(&v1::FillService::Stub::CreatePlan, *fill_, request, plan).ok();
  })) << "until the configuration has come";
  EXPECT_EQ(plan.name(), "");
  EXPECT_EQ(plan.clusters_size(), 2);
  v1::GetPlanRequest get;
  get.set_name("plans/current");
  v1::Plan current;
  EXPECT_EQ(Call(&v1::FillService::Stub::GetPlan, *fill_, get, current).error_code(), grpc::StatusCode::NOT_FOUND);
  ASSERT_TRUE(Call(&v1::FillService::Stub::CreatePlan, *fill_, v1::CreatePlanRequest(), plan).ok());
  EXPECT_EQ(plan.name(), "plans/1");
  EXPECT_EQ(plan.clusters(0).appliances(0).files_added(), 2);
  for (const char* name : {"plans/current", "plans/1"}) {
    get.set_name(name);
    ASSERT_TRUE(Call(&v1::FillService::Stub::GetPlan, *fill_, get, current).ok()) << name;
    EXPECT_EQ(current.SerializeAsString(), plan.SerializeAsString());
  }
  for (const char* name : {"plans/0", "plans/x", "plan/1", ""}) {
    get.set_name(name);
    EXPECT_EQ(Call(&v1::FillService::Stub::GetPlan, *fill_, get, current).error_code(), grpc::StatusCode::INVALID_ARGUMENT) << name;
  }
  v1::ListPlansResponse plans;
  ASSERT_TRUE(Call(&v1::FillService::Stub::ListPlans, *fill_, v1::ListPlansRequest(), plans).ok());
  ASSERT_EQ(plans.plans_size(), 1);
  EXPECT_EQ(plans.plans(0).name(), "plans/1");
}

TEST_F(FillServerTest, AFileThatDoesNotFitIsReportedWithItsPath) {
  Start();
  Configure();
  TitleImport huge = MakeImport("huge", "v1", 1);
  huge.version.renditions[0].file.size_bytes = 5'000'000;
  MustImport(huge);
  v1::Plan plan;
  ASSERT_TRUE(Eventually([&] { return Call(&v1::FillService::Stub::CreatePlan, *fill_, v1::CreatePlanRequest(), plan).ok(); }));
  ASSERT_EQ(plan.clusters(0).short_files_size(), 1);
  EXPECT_EQ(plan.clusters(0).short_files(0).path(), "huge/v1/video-0/media.mp4");
  EXPECT_THAT(plan.clusters(0).short_files(0).reason(), HasSubstr("5,000,100 bytes left"));
}

TEST_F(FillServerTest, SourcesFollowWhatBoxesReport) {
  StartWithPlan();
  EXPECT_THAT(SourceNames("a1", 1), ElementsAre("CLASS_ORIGIN appliances/o1"));
  cell_.Publish({StateEntry("x1"), HoldingsEntry("x1", {1, 2})});
  EXPECT_TRUE(Eventually([this] { return SourceNames("a1", 1).size() == 2; }));
  EXPECT_THAT(SourceNames("a1", 1), ElementsAre("CLASS_TIER appliances/x1", "CLASS_ORIGIN appliances/o1"));
  cell_.Publish({StateEntry("a2"), HoldingsEntry("a2", {1})});
  EXPECT_TRUE(Eventually([this] { return SourceNames("a1", 1).size() == 3; }));
  EXPECT_THAT(SourceNames("a1", 1), ElementsAre("CLASS_PEER appliances/a2", "CLASS_TIER appliances/x1", "CLASS_ORIGIN appliances/o1"));
  EXPECT_THAT(SourceNames("a1", 3), ElementsAre("CLASS_ORIGIN appliances/o1")) << "nobody else holds it";
  cell_.Publish({StateEntry("a2", 1, 2, common::v1::HEALTH_STATE_SILENT)});
  EXPECT_TRUE(Eventually([this] { return SourceNames("a1", 1).size() == 2; }));
}

TEST_F(FillServerTest, ASourcesUrlOpensTheTitleVersionForFilling) {
  StartWithPlan();
  const v1::FileSources sources = Sources("a1", 1);
  ASSERT_EQ(sources.sources_size(), 1);
  std::string url = sources.sources(0).base_url();
  EXPECT_THAT(url, StartsWith("http://127.0.0.1:8080/URISigningPackage="));
  EXPECT_THAT(url, ::testing::EndsWith("/big-film/v1/"));
  const std::string path = absl::StrCat(absl::StripPrefix(url, "http://127.0.0.1:8080"), "video-0/media.mp4");
  const absl::StatusOr<SignedPath> parsed = ParseSignedPath(path);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  const TokenVerdict verdict = verifier_.Verify(parsed->token, absl::Now());
  EXPECT_EQ(verdict.fault, TokenFault::kNone) << verdict.detail;
  EXPECT_EQ(verdict.claims.scope, TokenScope::kFill);
  EXPECT_TRUE(TokenCovers(verdict.claims, parsed->path.ToString()));
  EXPECT_GE(verdict.claims.expires, absl::Now() + absl::Hours(3));
}

TEST_F(FillServerTest, BadQuestionsForSourcesAreRefusedByName) {
  StartWithPlan();
  Sources("a1", 99);
  EXPECT_EQ(sources_status_.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(sources_status_.error_message(), HasSubstr("file_numbers[0] '99'"));
  Sources("nobody", 1);
  EXPECT_EQ(sources_status_.error_code(), grpc::StatusCode::NOT_FOUND);
  v1::ResolveSourcesRequest request;
  request.set_appliance("appliances/a1");
  for (uint32_t i = 0; i < 101; ++i) request.add_file_numbers(1);
  v1::ResolveSourcesResponse response;
  EXPECT_EQ(Call(&v1::FillService::Stub::ResolveSources, *fill_, request, response).error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(FillServerTest, ARotatedKeySignsOnceItIsActiveAndItsFileIsThere) {
  StartWithPlan();
  registry_.Publish({KeyEntry("k-1", registry::v1::SigningKey::STATE_REVOKED), KeyEntry("k-2", registry::v1::SigningKey::STATE_ACTIVE, 2)});
  EXPECT_TRUE(Eventually([this] {
    Sources("a1", 1);
    return sources_status_.error_code() == grpc::StatusCode::FAILED_PRECONDITION;
  }));
  EXPECT_THAT(sources_status_.error_message(), HasSubstr("k-2"));
  const EcKeyPair pair = GenerateEcKeyPair().value();
  ASSERT_TRUE(verifier_.AddKey("k-2", pair.public_pem).ok());
  WriteKey("k-2", pair.private_pem);
  EXPECT_TRUE(Eventually([this] { return Sources("a1", 1).sources_size() == 1; }));
}

TEST_F(FillServerTest, ProgressIsHoldingsAgainstTheManifest) {
  StartWithPlan();
  ingest::v1::FleetEntry state = StateEntry("a1");
  state.mutable_state()->set_manifest_generation("m-old");
  cell_.Publish({state, HoldingsEntry("a1", {1, 2, 500})});
  v1::ListFillProgressRequest request;
  request.set_page_size(2);
  v1::ListFillProgressResponse response;
  ASSERT_TRUE(Eventually([&] {
    return Call(&v1::FillService::Stub::ListFillProgress, *fill_, request, response).ok() && response.appliances(0).files_held() == 2;
  }));
  ASSERT_EQ(response.appliances_size(), 2);
  const v1::ApplianceProgress& a1 = response.appliances(0);
  EXPECT_EQ(a1.appliance(), "appliances/a1");
  EXPECT_EQ(a1.files_wanted(), 3);
  EXPECT_EQ(a1.bytes_wanted(), 3300);
  EXPECT_EQ(a1.bytes_held(), 2200);
  EXPECT_EQ(a1.reported_generation(), "m-old");
  EXPECT_NE(a1.manifest_generation(), "m-old");
  request.set_page_token(response.next_page_token());
  v1::ListFillProgressResponse rest;
  ASSERT_TRUE(Call(&v1::FillService::Stub::ListFillProgress, *fill_, request, rest).ok());
  ASSERT_EQ(rest.appliances_size(), 1);
  EXPECT_EQ(rest.appliances(0).appliance(), "appliances/x1");
}

TEST_F(FillServerTest, WhileTheDatabaseIsDownReadsGoOnAndWritesFailClearly) {
  StartWithPlan();
  store_.Fail(absl::UnavailableError("PostgreSQL can't be reached"));
  content::v1::ImportTitleVersionResponse response;
  const grpc::Status write = Import(ImportRequest(MakeImport("new", "v1", 1)), response);
  EXPECT_EQ(write.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(write.error_message(), HasSubstr("PostgreSQL"));
  EXPECT_EQ(Manifest("a1").entries_size(), 3);
  EXPECT_EQ(Sources("a1", 1).sources_size(), 1);
  v1::GetPlanRequest get;
  get.set_name("plans/current");
  v1::Plan plan;
  EXPECT_TRUE(Call(&v1::FillService::Stub::GetPlan, *fill_, get, plan).ok());
  EXPECT_TRUE(Eventually([this] { return metrics_.Text().find("fairlead_fill_store_up 0") != std::string::npos; }));
  store_.Fail(absl::OkStatus());
  MustImport(MakeImport("new", "v1", 1));
}

TEST_F(FillServerTest, StartedWithoutADatabaseItWaitsForIt) {
  store_.Fail(absl::UnavailableError("down"));
  Start();
  content::v1::GetTitleRequest request;
  request.set_name("titles/a");
  content::v1::Title title;
  EXPECT_EQ(Call(&content::v1::CatalogService::Stub::GetTitle, *catalog_, request, title).error_code(), grpc::StatusCode::UNAVAILABLE);
  Manifest("a1");
  EXPECT_EQ(manifest_status_.error_code(), grpc::StatusCode::UNAVAILABLE);
  store_.Fail(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] {
    return Call(&content::v1::CatalogService::Stub::GetTitle, *catalog_, request, title).error_code() == grpc::StatusCode::NOT_FOUND;
  }));
}

// Follows a scope of the catalogue feed as steerd and ingestd do.
class FeedFollower {
 public:
  FeedFollower(const std::shared_ptr<grpc::Channel>& channel, content::v1::CatalogScope scope)
      : stub_(content::v1::CatalogFeedService::NewStub(channel)) {
    FeedClientOptions<content::v1::WatchCatalogRequest, content::v1::WatchCatalogResponse> options;
    options.request.set_scope(scope);
    options.start = [this](grpc::ClientContext* context, const content::v1::WatchCatalogRequest* request,
                           grpc::ClientReadReactor<content::v1::WatchCatalogResponse>* reactor) {
      stub_->async()->WatchCatalog(context, request, reactor);
    };
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
  const auto reader = stub->WatchCatalog(&context, content::v1::WatchCatalogRequest());
  content::v1::WatchCatalogResponse response;
  EXPECT_FALSE(reader->Read(&response));
  const grpc::Status status = reader->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("scope"));
}

TEST_F(FillServerTest, APortInUseAndAMissingKeyFolderAreNamed) {
  Start();
  options_.listen = server_->target();
  const absl::Status in_use = FillServer::Start(options_, store_, metrics_, clock_).status();
  EXPECT_EQ(in_use.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(in_use.message()), HasSubstr(server_->target()));
  options_.listen = "127.0.0.1:0";
  options_.signing_key_dir = key_dir_ + "/nope";
  const absl::Status missing = FillServer::Start(options_, store_, metrics_, clock_).status();
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(missing.message()), HasSubstr("/nope"));
}

}  // namespace
}  // namespace fairlead::fill
