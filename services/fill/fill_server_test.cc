// filld's RPCs from outside.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/content/paths.h"
#include "services/fill/fill_server_fixture.h"

namespace fairlead::fill {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

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
  // The catalogue may not have been read yet.
  ASSERT_TRUE(Eventually(
      [&] { return Call(&content::v1::CatalogService::Stub::ListTitles, *catalog_, content::v1::ListTitlesRequest(), titles).ok(); }));
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

TEST_F(FillServerTest, ASourceThatABoxReportsIsRankedLastForItAndForAllOnceTwoReportIt) {
  using Names = std::vector<std::string>;
  StartWithPlan();
  for (const char* id : {"a1", "a2", "x1"}) cell_.Publish({StateEntry(id), HoldingsEntry(id, {1})});
  EXPECT_TRUE(Eventually([this] {
    return SourceNames("a1", 1) == Names{"CLASS_PEER appliances/a2", "CLASS_TIER appliances/x1", "CLASS_ORIGIN appliances/o1"};
  }));
  const auto report = [this](const std::string& asker, const std::string& source, v1::SourceFault::Reason reason) {
    v1::ResolveSourcesRequest request;
    request.set_appliance(absl::StrCat("appliances/", asker));
    v1::SourceFault& fault = *request.add_faults();
    fault.set_source(source);
    fault.set_file_number(1);
    fault.set_reason(reason);
    fault.set_detail("SHA-256 is wrong");
    v1::ResolveSourcesResponse response;
    return Call(&v1::FillService::Stub::ResolveSources, *fill_, request, response);
  };
  ASSERT_TRUE(report("a1", "appliances/x1", v1::SourceFault::REASON_CORRUPT).ok());
  EXPECT_EQ(SourceNames("a1", 1), (Names{"CLASS_PEER appliances/a2", "CLASS_ORIGIN appliances/o1", "CLASS_TIER appliances/x1"}));
  EXPECT_EQ(SourceNames("a2", 1), (Names{"CLASS_PEER appliances/a1", "CLASS_TIER appliances/x1", "CLASS_ORIGIN appliances/o1"}));
  ASSERT_TRUE(report("a2", "appliances/x1", v1::SourceFault::REASON_SLOW).ok());
  ASSERT_TRUE(report("x1", "appliances/o1", v1::SourceFault::REASON_SLOW).ok());
  EXPECT_EQ(SourceNames("a2", 1), (Names{"CLASS_PEER appliances/a1", "CLASS_ORIGIN appliances/o1", "CLASS_TIER appliances/x1"}));

  v1::ListFillProgressResponse progress;
  ASSERT_TRUE(Call(&v1::FillService::Stub::ListFillProgress, *fill_, v1::ListFillProgressRequest(), progress).ok());
  ASSERT_EQ(progress.appliances(0).appliance(), "appliances/a1");
  ASSERT_EQ(progress.appliances(0).source_faults_size(), 1);
  EXPECT_EQ(progress.appliances(0).source_faults(0).source(), "appliances/x1");
  EXPECT_EQ(progress.appliances(0).source_faults(0).reason(), v1::SourceFault::REASON_CORRUPT);
  EXPECT_THAT(metrics_.Text(), HasSubstr("fairlead_fill_source_faults_total{reason=\"CORRUPT\"} 1"));

  EXPECT_THAT(report("a1", "x1", v1::SourceFault::REASON_SLOW).error_message(), HasSubstr("faults[0].source"));
  EXPECT_TRUE(report("a1", "appliances/gone", v1::SourceFault::REASON_SLOW).ok()) << "retired meanwhile";
}

TEST_F(FillServerTest, OneBoxOfAFillClusterMayGoOutAtOnceAndAnotherWhenItIsSilent) {
  StartWithPlan();
  for (const char* id : {"a1", "a2", "x1"}) cell_.Publish({StateEntry(id)});
  // Which boxes needn't wait for the origin.
  const auto masters = [this](uint32_t file) {
    std::vector<std::string> at_once;
    for (const char* id : {"a1", "a2", "x1"}) {
      const v1::FileSources sources = Sources(id, file);
      for (const v1::Source& source : sources.sources()) {
        if (source.class_() != v1::Source::CLASS_ORIGIN) continue;
        EXPECT_TRUE(source.wait().seconds() == 0 || source.wait().seconds() == 15 * 60) << source.wait().seconds();
        if (source.wait().seconds() == 0) at_once.push_back(id);
      }
    }
    return at_once;
  };
  for (uint32_t file = 1; file <= 3; ++file) EXPECT_TRUE(Eventually([&] { return masters(file).size() == 1; })) << file;
  const std::string first = masters(1)[0];
  cell_.Publish({StateEntry(first, 1, 2, common::v1::HEALTH_STATE_SILENT)});
  EXPECT_TRUE(Eventually([&] {
    const std::vector<std::string> now = masters(1);
    return std::any_of(now.begin(), now.end(), [&](const std::string& id) { return id != first; });
  })) << "it can't fetch it";

  registry::v1::ConfigEntry all = ClusterEntry("c1", "isp", 2);
  all.mutable_cluster()->mutable_fill_policy()->set_fill_masters(0);
  registry_.Publish({all});
  EXPECT_TRUE(Eventually([&] { return masters(1).size() >= 2 && masters(2).size() >= 2; })) << "where the policy says so, all go out";
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
