#include "tests/lab/steered.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/contentsteering/manifest.h"
#include "libs/contentsteering/multivariant.h"

namespace fairlead {
namespace {

TEST(SteeredTest, APlayerFindsTheBestQualityOfEachPathwayAndItsSound) {
  const std::string text = MakeMultivariant(
      {.tracks = {{"audio-en", RenditionKind::kAudio, 96'000, "mp4a.40.2", 0, 0, "en"},
                  {"video-360p", RenditionKind::kVideo, 600'000, "avc1.42c01e", 640, 360, ""},
                  {"video-720p", RenditionKind::kVideo, 2'500'000, "avc1.42c01f", 1280, 720, ""}},
       .pathways = {{"north-1", {"http://n/a", "http://n/360", "http://n/720"}}, {"ix-1", {"http://i/a", "http://i/360", "http://i/720"}}},
       .server_uri = "http://s/x"});
  const auto playlist = ParseSteeredPlaylist(text);
  ASSERT_TRUE(playlist.ok()) << playlist.status();
  EXPECT_EQ(playlist->server_uri, "http://s/x");
  EXPECT_EQ(playlist->first_pathway, "north-1");
  ASSERT_EQ(playlist->ways.size(), 2u);
  EXPECT_EQ(playlist->ways[1].id, "ix-1");
  EXPECT_EQ(playlist->ways[1].video_url, "http://i/720");
  EXPECT_EQ(playlist->ways[1].audio_url, "http://i/a");
  EXPECT_FALSE(ParseSteeredPlaylist("{\"error\":{}}").ok());
}

TEST(SteeredTest, AManifestWithoutItsNecessitiesIsNone) {
  const auto reply =
      ParseSteeringReply((SteeringManifest{.ttl = absl::Seconds(7), .reload_uri = "http://s/y", .pathways = {"b", "a"}}).ToJson());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->ttl, absl::Seconds(7));
  EXPECT_EQ(reply->reload_uri, "http://s/y");
  EXPECT_EQ(reply->priority, (std::vector<std::string>{"b", "a"}));
  for (const char* text :
       {"", "[]", R"({"VERSION":1,"TTL":5,"PATHWAY-PRIORITY":["a"]})", R"({"VERSION":1,"TTL":0,"RELOAD-URI":"u","PATHWAY-PRIORITY":["a"]})",
        R"({"VERSION":1,"TTL":5,"RELOAD-URI":"u","PATHWAY-PRIORITY":[]})"}) {
    EXPECT_FALSE(ParseSteeringReply(text).ok()) << text;
  }
}

}  // namespace
}  // namespace fairlead
