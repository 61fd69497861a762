// steer and explain.
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/cli/testing/cli_fixture.h"

namespace fairlead::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class SteerTest : public CliTest {
 protected:
  SteerTest() {
    auto& answer = steering_.answer;
    answer.set_verdict(steering::v1::SteerResponse::VERDICT_OK);
    answer.set_matched_prefix("198.51.0.0/16");
    answer.mutable_ttl()->set_seconds(30);
    for (const char* rendition : {"video-720p", "audio-en"}) {
      auto* file = answer.add_files();
      file->set_rendition(rendition);
      file->set_size_bytes(1'500'000'000);
      auto* url = file->add_urls();
      url->set_url(absl::StrCat("http://oca-1.example/", rendition));
      url->set_appliance("appliances/oca-1");
      url->set_site("sites/lhr001");
      url->set_cause(common::v1::MISS_CAUSE_NONE);
    }
  }

  void Explained(const std::string& path) {
    auto* file = steering_.explanation.add_files();
    file->set_path(path);
    file->set_winner("oca-1: the only healthy holder at rank 0");
    file->set_runner_up("oca-3: rank 1 is farther");
    auto* chosen = file->add_candidates();
    chosen->set_appliance("appliances/oca-1");
    chosen->set_site("sites/lhr001");
    auto* passed = chosen->add_layers();
    passed->set_layer("admin");
    passed->set_passed(true);
    auto* out = file->add_candidates();
    out->set_appliance("appliances/oca-2");
    out->set_site("sites/lhr001");
    out->set_position(-1);
    auto* failed = out->add_layers();
    failed->set_layer("health");
    failed->set_detail("SICK: nginx stopped");
  }
};

TEST_F(SteerTest, SteerSendsWhatWasAskedAndShowsTheAnswer) {
  const Result run =
      Fairlead({"steer", "--client", "198.51.100.7", "--title", "big-film", "--renditions", "video-720p,audio-en", "--max-urls", "2"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(steering_.asked.title(), "titles/big-film");
  EXPECT_EQ(steering_.asked.client_address(), "198.51.100.7");
  EXPECT_THAT(steering_.asked.renditions(), ElementsAre("video-720p", "audio-en"));
  EXPECT_EQ(steering_.asked.max_urls(), 2);
  EXPECT_THAT(run.out, HasSubstr("OK; matched 198.51.0.0/16; reusable for 30s"));
  EXPECT_THAT(run.out, HasSubstr("1.5 GB"));
  EXPECT_THAT(run.out, HasSubstr("oca-1      lhr001"));
}

TEST_F(SteerTest, UrlsAreOneALineForScripts) {
  EXPECT_EQ(Fairlead({"steer", "--client", "2001:db8::1", "--title", "big-film", "--urls"}).out,
            "video-720p 0 http://oca-1.example/video-720p\n"
            "audio-en 0 http://oca-1.example/audio-en\n");
}

TEST_F(SteerTest, NotServableIsSaidWithItsReason) {
  steering_.answer.Clear();
  steering_.answer.set_verdict(steering::v1::SteerResponse::VERDICT_NOT_SERVABLE);
  steering_.answer.set_reason("NOT_HELD");
  steering_.answer.set_reason_detail("no eligible box holds video-720p");
  const Result run = Fairlead({"steer", "--client", "198.51.100.7", "--title", "big-film"});
  EXPECT_EQ(run.code, 0);
  EXPECT_EQ(run.out, "NOT SERVABLE: NOT_HELD, no eligible box holds video-720p; no admitted prefix covers the client\n");
}

TEST_F(SteerTest, ExplainTellsThePrefixesTheLadderAndEachLayer) {
  auto* prefix = steering_.explanation.add_covering_prefixes();
  prefix->set_prefix("198.51.0.0/16");
  auto* route = prefix->add_routes();
  route->set_site("sites/lhr001");
  route->set_transport_class(common::v1::TRANSPORT_CLASS_EMBEDDED);
  route->set_neighbour_as(64500);
  route->set_med(0);
  auto* rung = steering_.explanation.add_ladder();
  rung->set_site("sites/lhr001");
  rung->set_prefix("198.51.0.0/16");
  rung->set_transport_class(common::v1::TRANSPORT_CLASS_EMBEDDED);
  auto* open = steering_.explanation.add_ladder();
  open->set_rank(1);
  open->set_site("sites/ams001");
  Explained("big-film/v1/video-720p/media.mp4");
  auto* source = steering_.explanation.add_sources();
  source->set_source("registry");
  source->set_from_disk(true);
  const Result run = Fairlead({"explain", "--client", "198.51.100.7", "--title", "big-film"});
  EXPECT_EQ(run.code, 0) << run.err;
  for (const char* part :
       {"Client 198.51.100.7, titles/big-film", "Answer: OK; matched 198.51.0.0/16", "AS64500", "1. Prefixes", "2. Ladder", "open to all",
        "3. Boxes", "oca-1 at lhr001, rank 0 – CHOSEN, first URL", "oca-2 at lhr001, rank 0 – out: health", "FAIL  SICK: nginx stopped",
        "winner:    oca-1: the only healthy holder", "runner-up: oca-3: rank 1 is farther",
        "registry heard 0s ago (from disk, unconfirmed)"}) {
    EXPECT_THAT(run.out, HasSubstr(part));
  }
}

TEST_F(SteerTest, FilesWithTheSameStoryAreExplainedOnce) {
  Explained("big-film/v1/video-720p/media.mp4");
  Explained("big-film/v1/audio-en/media.mp4");
  const Result run = Fairlead({"explain", "--client", "198.51.100.7", "--title", "big-film"});
  const std::vector<std::string> parts = absl::StrSplit(run.out, "CHOSEN");
  EXPECT_EQ(parts.size(), 2u) << run.out;
  EXPECT_THAT(run.out, HasSubstr("video-720p/media.mp4\n   big-film/v1/audio-en/media.mp4\n"));
}

class ClientsTest : public SteerTest {
 protected:
  ClientsTest() : file_(absl::StrCat(::testing::TempDir(), "/clients-", getpid(), ".txt")) {}
  ~ClientsTest() override { std::remove(file_.c_str()); }

  Result Run(const std::string& text, std::vector<std::string> more = {}) {
    std::ofstream(file_, std::ios::binary) << text;
    std::vector<std::string> arguments = {"steer", "--clients", file_, "--title", "big-film"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return Fairlead(arguments);
  }

  const std::string file_;
};

TEST_F(ClientsTest, EachAddressIsAnsweredByAJsonLineInOrder) {
  const Result run = Run("# viewers\r\n198.51.100.7\r\n\r\n  2001:db8::1  # a home\n198.51.100.9");
  EXPECT_EQ(run.code, 0) << run.err;
  const std::vector<std::string> lines = absl::StrSplit(run.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3u) << run.out;
  EXPECT_EQ(lines[0],
            R"({"line":2,"client":"198.51.100.7","verdict":"OK","matchedPrefix":"198.51.100.7","appliances":[{"site":"sites/lhr001",)"
            R"("appliance":"appliances/oca-1","family":"UNSPECIFIED","rank":0,"cause":"NONE"}]})");
  EXPECT_THAT(lines[1], HasSubstr(R"({"line":4,"client":"2001:db8::1",)"));
  EXPECT_THAT(lines[2], HasSubstr(R"({"line":5,"client":"198.51.100.9",)"));
  EXPECT_EQ(steering_.asked.request_class(), steering::v1::REQUEST_CLASS_BACKGROUND);
}

TEST_F(ClientsTest, ManyAreAskedInBatchesAndNoneIsLost) {
  std::string text;
  for (int i = 0; i < 5'000; ++i) absl::StrAppend(&text, "10.0.", i / 250, ".", i % 250, "\n");
  const Result run = Run(text);
  EXPECT_EQ(run.code, 0) << run.err;
  const std::vector<std::string> lines = absl::StrSplit(run.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 5'000u);
  for (size_t i = 0; i < lines.size(); ++i) {
    ASSERT_THAT(lines[i], HasSubstr(absl::StrCat(R"({"line":)", i + 1, ",")));
    ASSERT_THAT(lines[i], HasSubstr(absl::StrCat(R"("matchedPrefix":"10.0.)", i / 250, ".", i % 250, "\"")));
  }
  EXPECT_EQ(steering_.batches.size(), 20u);
  EXPECT_EQ(steering_.batches.front(), 256);
}

TEST_F(ClientsTest, ABadLineIsToldWithItsNumberAndAnsweredByAnError) {
  const Result run = Run("198.51.100.7\nnon\"sense\n198.51.100.9\n");
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, HasSubstr(R"({"line":2,"client":"non\"sense","error":{"code":"INVALID_ARGUMENT","message":)"));
  EXPECT_THAT(run.out, HasSubstr(R"({"line":3,"client":"198.51.100.9","verdict":"OK")"));
  EXPECT_THAT(run.err, HasSubstr(absl::StrCat(file_, ":2: ")));
}

TEST_F(ClientsTest, StrictEndsAtABadLineAfterTheAnswersBeforeIt) {
  const Result run = Run("198.51.100.7\nnonsense\n198.51.100.9\n", {"--strict"});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.out, HasSubstr(R"("client":"198.51.100.7")"));
  EXPECT_THAT(run.out, Not(HasSubstr("198.51.100.9")));
  EXPECT_THAT(run.err, HasSubstr(absl::StrCat(file_, ":2: ")));
}

TEST_F(ClientsTest, ALineWithoutEndIsCutAndRefused) {
  const Result run = Run(std::string(1'000'000, '1') + "\n198.51.100.9\n");
  EXPECT_EQ(run.code, 0);
  EXPECT_LT(run.out.size(), 2'000u);
  EXPECT_THAT(run.out, HasSubstr(R"({"line":2,"client":"198.51.100.9","verdict":"OK")"));
}

TEST_F(ClientsTest, OneRefusedInARushIsAskedForAgain) {
  steering_.refused_once = "198.51.100.8";
  const Result run = Run("198.51.100.7\n198.51.100.8\n198.51.100.9\n");
  EXPECT_EQ(run.code, 0);
  EXPECT_THAT(run.out, Not(HasSubstr("error")));
  EXPECT_EQ(std::count(run.out.begin(), run.out.end(), '\n'), 3);
}

TEST_F(ClientsTest, AFileThatIsNotThereIsAUsageError) {
  EXPECT_EQ(Fairlead({"steer", "--clients", "/nowhere/clients.txt", "--title", "big-film"}).code, 2);
  EXPECT_EQ(Fairlead({"steer", "--title", "big-film"}).code, 2);
  EXPECT_EQ(Run("198.51.100.7\n", {"--client", "198.51.100.7"}).code, 2);
  EXPECT_EQ(Run("").out, "");
}

}  // namespace
}  // namespace fairlead::cli
