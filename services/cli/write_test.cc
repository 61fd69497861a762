// Command lines that change something: apply, set-state, tokens, keys, plans, imports.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/cli/testing/cli_fixture.h"

namespace fairlead::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(CliTest, ApplySendsTheFileAndShowsWhatChanged) {
  auto* created = registry_.apply_response.add_changes();
  created->set_action(registry::v1::FleetChange::ACTION_CREATE);
  created->set_resource("sites/lhr001");
  auto* updated = registry_.apply_response.add_changes();
  updated->set_action(registry::v1::FleetChange::ACTION_UPDATE);
  updated->set_resource("links/up");
  auto* field = updated->add_fields();
  field->set_path("capacity_bps");
  field->set_before("1");
  field->set_after("2");
  registry_.apply_response.set_unchanged_count(7);
  registry_.apply_response.add_unlisted("sites/old");
  const Result run = Fairlead({"apply", "-f", "-"}, "sites: []\n");
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out,
            "+ create sites/lhr001\n"
            "~ update links/up\n"
            "    capacity_bps: 1 → 2\n"
            "1 created, 1 updated, 0 deleted, 7 unchanged\n");
  EXPECT_THAT(run.err, HasSubstr("--prune deletes them): sites/old"));
  EXPECT_EQ(registry_.applied.fleet_yaml(), "sites: []\n");
  EXPECT_FALSE(registry_.applied.dry_run());
  EXPECT_THAT(registry_.applied.request_id(), Not(IsEmpty()));
}

TEST_F(CliTest, ADryRunIsSentAsSuchAndSaysThatNothingChanged) {
  const Result run = Fairlead({"apply", "-f", "-", "--dry-run", "--prune"}, "x");
  EXPECT_TRUE(registry_.applied.dry_run());
  EXPECT_TRUE(registry_.applied.prune());
  EXPECT_THAT(run.out, HasSubstr("0 would be created"));
  EXPECT_THAT(run.out, HasSubstr("nothing was changed"));
}

TEST_F(CliTest, AFleetFileBeyondTheLimitIsNotSent) {
  const Result run = Fairlead({"apply", "-f", "-"}, std::string((4 << 20) + 1, 'x'));
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(registry_.applied.fleet_yaml(), IsEmpty());
}

TEST_F(CliTest, ARefusedFleetFileKeepsLineAndColumnOfTheServersMessage) {
  registry_.refusal = InvalidField("fleet_yaml", "lhr", "line 3, column 7: unknown key");
  const Result run = Fairlead({"apply", "-f", "-"}, "x");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("line 3, column 7"));
}

TEST_F(CliTest, SetStateSendsTheStateAndTheReason) {
  const Result run = Fairlead({"set-state", "oca-1", "draining", "--reason", "disk errors"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "oca-1 is DRAINING\n");
  EXPECT_EQ(registry_.state_set.name(), "appliances/oca-1");
  EXPECT_EQ(registry_.state_set.admin_state(), common::v1::ADMIN_STATE_DRAINING);
  EXPECT_EQ(registry_.state_set.reason(), "disk errors");
  EXPECT_EQ(registry_.principal, "operator/jane");
}

TEST_F(CliTest, AMoveThatTheLifeOfABoxForbidsIsExit1) {
  registry_.refusal = FieldError(absl::StatusCode::kFailedPrecondition, "admin_state", "LIVE", "a retired box stays retired");
  const Result run = Fairlead({"set-state", "oca-1", "live", "--reason", "x"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("a retired box stays retired"));
}

TEST_F(CliTest, TheEnrollmentTokenStandsAloneOnStandardOutput) {
  const Result run = Fairlead({"enroll-token", "oca-1"});
  EXPECT_EQ(run.out, "token-for-appliances/oca-1\n");
  EXPECT_THAT(run.err, HasSubstr("shown once"));
}

TEST_F(CliTest, KeysAreMadeListedAndRevoked) {
  EXPECT_EQ(Fairlead({"keys", "create", "--id", "k-1"}).out, "created k-1 (ACTIVE)\n");
  EXPECT_THAT(Fairlead({"keys", "list"}).out, HasSubstr("k-1   ACTIVE"));
  EXPECT_THAT(Fairlead({"keys", "revoke", "k-1"}).out, HasSubstr("k-1 is REVOKED"));
  EXPECT_THAT(Fairlead({"get", "key", "k-1"}).out, HasSubstr("REVOKED"));
  EXPECT_EQ(Fairlead({"keys", "revoke", "k-2"}).code, 1);
  EXPECT_EQ(Fairlead({"get", "key", "k-2"}).code, 1);
}

TEST_F(CliTest, FillPlanShowsEachBoxAndWhatDidNotFit) {
  fill_.plan.set_name("plans/17");
  auto* cluster = fill_.plan.add_clusters();
  cluster->set_cluster("clusters/c");
  cluster->set_copies(2);
  auto* box = cluster->add_appliances();
  box->set_appliance("appliances/oca-1");
  box->set_files(10);
  box->set_bytes(1'000'000'000'000);
  box->set_capacity_bytes(4'000'000'000'000);
  auto* cut = cluster->add_short_files();
  cut->set_path("big-film/v1/video-1080p/media.mp4");
  cut->set_copies_placed(1);
  cut->set_reason("no box has room");
  const Result run = Fairlead({"fill", "plan"});
  EXPECT_FALSE(fill_.asked.validate_only());
  EXPECT_THAT(run.out, HasSubstr("plans/17 is in force"));
  EXPECT_THAT(run.out, HasSubstr("1.0 TB    4.0 TB  25 %"));
  EXPECT_THAT(run.out, HasSubstr("1 of 2  no box has room"));
  EXPECT_THAT(Fairlead({"fill", "plan", "--dry-run"}).out, HasSubstr("dry run"));
  EXPECT_TRUE(fill_.asked.validate_only());
  EXPECT_THAT(Fairlead({"describe", "plan", "current"}).out, HasSubstr("no box has room"));
}

TEST_F(CliTest, FillProgressTellsWhoIsBehind) {
  for (const char* id : {"oca-1", "oca-2"}) {
    fill::v1::ApplianceProgress progress;
    progress.set_appliance(absl::StrCat("appliances/", id));
    progress.set_manifest_generation("g2");
    progress.set_reported_generation(std::string(id) == "oca-1" ? "g2" : "g1");
    progress.set_bytes_wanted(200);
    progress.set_bytes_held(50);
    fill::v1::SourceFault& fault = *progress.add_source_faults();
    fault.set_source("appliances/oca-7");
    fault.set_reason(fill::v1::SourceFault::REASON_CORRUPT);
    fill_.progress.push_back(progress);
  }
  const Result run = Fairlead({"fill", "progress"});
  EXPECT_THAT(run.out, HasSubstr("oca-1      yes"));
  EXPECT_THAT(run.out, HasSubstr("oca-2      behind"));
  EXPECT_THAT(run.out, HasSubstr("25 %  oca-7 CORRUPT"));
  EXPECT_EQ(Fairlead({"get", "progress", "oca-9"}).code, 1);
}

class ImportTest : public CliTest {
 protected:
  ImportTest() : root_(Folder()), media_(root_ + "/media"), origin_(root_ + "/origin") {
    const std::string rendition = media_ + "/big-film/v1/video-720p";
    std::filesystem::create_directories(rendition);
    std::filesystem::create_directories(origin_);
    Write(media_ + "/big-film/title.yaml", "display_name: Big Film\n");
    Write(rendition + "/media.mp4", std::string(300, 'x'));
    Write(rendition + "/media.m3u8",
          "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n"
          "#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"100@0\"\n"
          "#EXTINF:2.0,\n#EXT-X-BYTERANGE:100@100\nmedia.mp4\n#EXTINF:2.0,\n#EXT-X-BYTERANGE:100@200\nmedia.mp4\n#EXT-X-ENDLIST\n");
  }
  ~ImportTest() override { std::filesystem::remove_all(root_); }

  static std::string Folder() {
    std::string name = ::testing::TempDir() + "/importXXXXXX";
    EXPECT_NE(mkdtemp(name.data()), nullptr);
    return name;
  }
  static void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }

  const std::string root_, media_, origin_;
};

TEST_F(ImportTest, ImportCopiesToTheOriginAndRegistersTheTitle) {
  const Result run = Fairlead({"catalog", "import", media_, "--origin-root", origin_});
  ASSERT_EQ(run.code, 0) << run.err;
  EXPECT_TRUE(std::filesystem::exists(origin_ + "/big-film/v1/video-720p/media.mp4"));
  ASSERT_EQ(catalog_.imports.size(), 2u);  // Asked first, then done.
  EXPECT_TRUE(catalog_.imports[0].validate_only());
  const content::v1::ImportTitleVersionRequest& import = catalog_.imports[1];
  EXPECT_FALSE(import.validate_only());
  EXPECT_EQ(import.title(), "titles/big-film");
  EXPECT_EQ(import.display_name(), "Big Film");
  ASSERT_EQ(import.version().renditions_size(), 1);
  const content::v1::File& file = import.version().renditions(0).file();
  EXPECT_EQ(file.path(), "big-film/v1/video-720p/media.mp4");
  EXPECT_EQ(file.size_bytes(), 300);
  EXPECT_EQ(file.sha256().size(), 32u);
  EXPECT_EQ(file.segment_count(), 2);
  EXPECT_EQ(file.playlist().path(), "big-film/v1/video-720p/media.m3u8");
  EXPECT_EQ(import.version().renditions(0).bandwidth_bps(), 600);
  EXPECT_THAT(run.out, HasSubstr("imported"));
}

TEST_F(ImportTest, ADryRunAsksTheServerAndChangesNothing) {
  const Result run = Fairlead({"catalog", "import", media_, "--origin-root", origin_, "--dry-run"});
  EXPECT_EQ(run.code, 0) << run.err;
  ASSERT_EQ(catalog_.imports.size(), 1u);
  EXPECT_TRUE(catalog_.imports[0].validate_only());
  EXPECT_TRUE(std::filesystem::is_empty(origin_));
  EXPECT_THAT(run.out, HasSubstr("would be imported"));
}

TEST_F(ImportTest, ATitleThatTheServerRefusesIsNotCopied) {
  catalog_.refusal =
      FieldError(absl::StatusCode::kAlreadyExists, "version.renditions[0].file.sha256", "ab", "differs under the same version");
  const Result run = Fairlead({"catalog", "import", media_, "--origin-root", origin_});
  EXPECT_EQ(run.code, 1);
  EXPECT_TRUE(std::filesystem::is_empty(origin_));
}

TEST_F(ImportTest, ABrokenFolderIsExit2AndNamesTheFile) {
  Write(media_ + "/big-film/title.yaml", "colour: red\n");
  const Result run = Fairlead({"catalog", "import", media_});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err, HasSubstr("title.yaml"));
  EXPECT_THAT(catalog_.imports, IsEmpty());
}

}  // namespace
}  // namespace fairlead::cli
