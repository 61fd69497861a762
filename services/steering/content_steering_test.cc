// Content steering through a whole steerd: playlists, manifests, and who is moved when.
#include "services/steering/content_steering.h"

#include <set>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/content/paths.h"
#include "services/steering/server_fixture.h"

namespace fairlead {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr char kBase[] = "http://steering.example.net:8443";

class ContentSteeringTest : public SteeringServerTest {
 protected:
  // What follows `name` up to a quote.
  static std::string Between(const std::string& text, const std::string& name) {
    const size_t begin = text.find(name);
    if (begin == std::string::npos) return "";
    const size_t from = begin + name.size();
    return text.substr(from, text.find('"', from) - from);
  }
  HttpResponse Playlist(const std::string& client = kInside) {
    return Http("GET", absl::StrCat("/v1/hls/main.m3u8?title=titles/movie&client_address=", client));
  }
  void Begin(const std::string& client = kInside) {
    client_ = client;
    const HttpResponse playlist = Playlist(client);
    ASSERT_EQ(playlist.status, 200) << playlist.body;
    uri_ = Between(playlist.body, "SERVER-URI=\"");
    on_ = Between(playlist.body, "\",PATHWAY-ID=\"");
  }
  // Asks once more, as a player on `reports`; what it is told, joined by a space.
  std::string Ask(const std::string& reports) {
    EXPECT_THAT(uri_, StartsWith(kBase));
    last_ = Http("GET", absl::StrCat(uri_.substr(sizeof(kBase) - 1), "&client_address=", client_,
                                     reports.empty() ? "" : absl::StrCat("&_HLS_pathway=", reports, "&_HLS_throughput=2000000")));
    EXPECT_EQ(last_.status, 200) << last_.body;
    uri_ = Between(last_.body, "\"RELOAD-URI\":\"");
    const std::string list = last_.body.substr(last_.body.find('[') + 1);
    return absl::StrReplaceAll(list.substr(0, list.find(']')), {{"\"", ""}, {",", " "}});
  }
  void Drain(const std::string& box, const std::string& phase) {
    sources_->PutConfig(absl::StrCat("key: 'appliances/", box, "' appliance { name: 'appliances/", box, "' site: 'sites/emb'",
                                     " kind: APPLIANCE_KIND_STORAGE admin_state: ADMIN_STATE_DRAINING capacity_bps: 10000000000",
                                     " endpoints { family: ADDRESS_FAMILY_IPV4 scheme: 'http' host: '192.0.2.1' port: 80 }",
                                     " drain { drain: 'drains/d-1' phase: ", phase, " } }"));
  }
  int Ttl() const { return std::stoi(last_.body.substr(last_.body.find("\"TTL\":") + 6)); }

  std::string client_;
  std::string uri_;
  std::string on_;
  HttpResponse last_;
};

TEST_F(ContentSteeringTest, APlaylistDeclaresPathwaysWithUrlsThatOpenTheirPlaylists) {
  StartWithWorld();
  const HttpResponse playlist = Playlist();
  ASSERT_EQ(playlist.status, 200) << playlist.body;
  EXPECT_EQ(playlist.content_type, "application/vnd.apple.mpegurl");
  EXPECT_THAT(playlist.headers, Contains(Pair("Access-Control-Allow-Origin", "*")));
  EXPECT_THAT(playlist.headers, Contains(Pair("Cache-Control", "no-store")));
  std::vector<std::string> urls, pathways;
  for (const absl::string_view line : absl::StrSplit(playlist.body, '\n')) {
    if (absl::StartsWith(line, "http")) urls.emplace_back(line);
    if (absl::StartsWith(line, "#EXT-X-STREAM-INF")) pathways.push_back(Between(std::string(line), "PATHWAY-ID=\""));
  }
  EXPECT_THAT(pathways, ElementsAre("emb", "emb", "emb.2", "emb.2", "ix", "ix"));  // Two qualities each.
  ASSERT_THAT(urls, SizeIs(6));
  for (size_t i = 0; i < urls.size(); ++i) {
    const auto path = ParseSignedPath(urls[i].substr(urls[i].find('/', 8)));
    ASSERT_TRUE(path.ok()) << path.status();
    EXPECT_EQ(path->path.ToString(), absl::StrCat("movie/v1/video-", i % 2 == 0 ? "720p" : "480p", "/media.m3u8"));
    const TokenVerdict verdict = verifier_.Verify(path->token, absl::Now());
    EXPECT_EQ(verdict.fault, TokenFault::kNone) << verdict.detail;
    EXPECT_EQ(verdict.claims.position, i / 2);
    EXPECT_EQ(verdict.claims.rank, i < 4 ? 0u : 1u);
  }
  EXPECT_NE(urls[0].substr(0, 20), urls[2].substr(0, 20));  // Another box.
  EXPECT_THAT(Between(playlist.body, "SERVER-URI=\""), StartsWith(absl::StrCat(kBase, "/v1/content-steering/emb/emb.2/ix?")));
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_playlists_total 1"));
}

TEST_F(ContentSteeringTest, AManifestIsForAnyPageAndNoCacheAndNamesWhereToAskNext) {
  StartWithWorld();
  Begin();
  EXPECT_EQ(on_, "emb");
  EXPECT_EQ(Ask("emb"), "emb emb.2 ix");
  EXPECT_EQ(last_.content_type, "application/vnd.apple.steering-list");
  EXPECT_THAT(last_.headers, Contains(Pair("Access-Control-Allow-Origin", "*")));
  EXPECT_THAT(last_.headers, Contains(Pair("Cache-Control", "no-store")));
  EXPECT_THAT(last_.body,
              StartsWith(R"({"VERSION":1,"TTL":30,"RELOAD-URI":"http://steering.example.net:8443/v1/content-steering/emb/emb.2/ix?)"));
  EXPECT_THAT(uri_, Not(HasSubstr("client_address")));
  for (const std::string report : {"", "%22emb%22", "%22emb%2C%2C%22", "elsewhere"}) EXPECT_EQ(Ask(report), "emb emb.2 ix") << report;
  EXPECT_EQ(Http("OPTIONS", "/v1/content-steering/emb?title=titles/movie").status, 204);
}

TEST_F(ContentSteeringTest, ADrainMovesPlayersInEvacuatingAndNotBefore) {
  StartWithWorld();
  Begin();
  // Which of the two boxes the best pathway names is the spread's choice.
  const std::string box = absl::StrContains(uri_, "at=emb:oca-1;") ? "oca-1" : "oca-2";
  Drain(box, "PHASE_DRAINING");
  ASSERT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
  EXPECT_EQ(Ask("emb"), "emb emb.2 ix");
  Drain(box, "PHASE_EVACUATING");
  ASSERT_TRUE(Eventually([&] { return Ask("emb") == "emb.2 ix emb"; })) << last_.body;
  EXPECT_THAT(metrics_->Text(), HasSubstr(R"(fairlead_steering_player_moves_total{why="evacuated"} 1)"));
  EXPECT_EQ(Ask("emb.2"), "emb.2 ix emb");
  Drain(box, "PHASE_LAME_DUCK");
  EXPECT_TRUE(Eventually([&] { return Ask("emb.2") == "emb.2 ix"; })) << last_.body;
  EXPECT_THAT(Playlist().body, Not(HasSubstr("emb.2")));  // A new session gets what is left of the site.
}

TEST_F(ContentSteeringTest, APlayerThatIsElsewhereThanToldIsNotSentBackAtOnce) {
  StartWithWorld();
  Begin();
  EXPECT_EQ(Ask("emb"), "emb emb.2 ix");
  EXPECT_EQ(Ask("ix"), "ix emb.2 emb");
  EXPECT_EQ(Ask("ix"), "ix emb.2 emb");
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_player_evidence_total 1"));
}

TEST_F(ContentSteeringTest, ASickOrSilentSiteIsLeft) {
  StartWithWorld();
  Begin();
  for (const char* box : {"oca-1", "oca-2"}) sources_->PutState(0, box, 1, 2, "HEALTH_STATE_SICK");
  EXPECT_TRUE(Eventually([&] { return absl::StartsWith(Ask(on_), "ix "); })) << last_.body;
}

TEST_F(ContentSteeringTest, WithMoreQuestionsThanItCanAnswerItKeepsTheOrderAndAsksForPatience) {
  sources_->SetUpWorld("k-1");
  SteeringServerOptions options = Options();
  options.content_steering = {
      .public_url = "https://players.example.net", .ttl = absl::Seconds(20), .manifests_a_second = 5};  // One at once.
  StartServer(options);
  ASSERT_TRUE(Eventually([&] { return First(kInside) == "sites/emb" && Playlist().status == 200; }));
  const std::string uri = Between(Playlist().body, "SERVER-URI=\"https://players.example.net");
  int shed = 0;
  std::set<std::string> waits;
  for (int i = 0; i < 50; ++i) {
    const HttpResponse answer = Http("GET", absl::StrCat(uri, "&client_address=", kInside, "&_HLS_pathway=emb&round=", i));
    ASSERT_EQ(answer.status, 200) << answer.body;
    EXPECT_THAT(answer.body, HasSubstr(R"("PATHWAY-PRIORITY":["emb","emb.2","ix"])"));
    const std::string ttl = answer.body.substr(answer.body.find("\"TTL\":") + 6, 3);
    if (ttl == "20,") continue;
    ++shed;
    EXPECT_GE(std::stoi(ttl), 60);
    waits.insert(ttl);
  }
  EXPECT_GE(shed, 30);
  EXPECT_GE(waits.size(), 5u);
}

TEST_F(ContentSteeringTest, ASteerdWithoutATableLeavesPlayersWhereTheyAre) {
  StartServer();  // Nothing has been heard of the world.
  uri_ = absl::StrCat(kBase, "/v1/content-steering/emb/ix?title=titles/movie&at=emb:oca-1;ix:oca-3");
  client_ = kInside;
  EXPECT_EQ(Ask("emb"), "emb ix");
  EXPECT_GE(Ttl(), 90);
  EXPECT_EQ(Playlist().status, 503);
}

TEST_F(ContentSteeringTest, WhatWeDidNotMakeIsRefusedByName) {
  StartWithWorld();
  EXPECT_THAT(Http("GET", "/v1/content-steering/EMB?title=titles/movie").body, HasSubstr("path 'EMB'"));
  EXPECT_EQ(Http("GET", "/v1/content-steering/emb?title=titles/movie").status, 400);  // A service that doesn't name its viewer.
  EXPECT_EQ(Http("POST", "/v1/hls/main.m3u8?title=titles/movie").status, 405);
  EXPECT_EQ(Http("GET", "/v1/hls/main.m3u8?title=titles/unheard&client_address=198.51.100.7").status, 404);
  EXPECT_EQ(Http("GET", "/v1/hls/main.m3u8?title=titles/movie&client_address=198.51.100.7&colour=red").status, 400);
}

TEST_F(ContentSteeringTest, AQualityThatNobodyHoldsIsLeftOutAndATitleWithoutSoundIsNotServable) {
  StartWithWorld();
  for (const char* box : {"oca-1", "oca-2", "oca-3", "oca-4"}) sources_->PutHoldings(0, box, 1, 2, {2, 3});
  EXPECT_TRUE(Eventually([&] { return !absl::StrContains(Playlist().body, "video-720p"); }));
  EXPECT_THAT(Playlist().body, HasSubstr("/movie/v1/video-480p/media.m3u8"));
  for (const char* box : {"oca-1", "oca-2", "oca-3", "oca-4"}) sources_->PutHoldings(0, box, 1, 3, {2});
  EXPECT_TRUE(Eventually([&] { return Playlist().status == 503; }));
  EXPECT_THAT(Playlist().body, HasSubstr("NOT_HELD"));
}

}  // namespace
}  // namespace fairlead
