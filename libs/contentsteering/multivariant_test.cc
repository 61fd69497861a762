#include "libs/contentsteering/multivariant.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Multivariant Example() {
  return {.tracks = {{"audio-en", RenditionKind::kAudio, 100'000, "mp4a.40.2", 0, 0, "en"},
                     {"video-360p", RenditionKind::kVideo, 600'000, "avc1.42c01e", 640, 360, ""},
                     {"video-720p", RenditionKind::kVideo, 2'000'000, "avc1.42c01f", 1280, 720, ""}},
          .pathways = {{"north-1", {"http://n/a.m3u8", "http://n/360.m3u8", "http://n/720.m3u8"}},
                       {"ix-1", {"http://i/a.m3u8", "http://i/360.m3u8", "http://i/720.m3u8"}}},
          .server_uri = "http://s/v1/content-steering/north-1/ix-1?title=titles/film"};
}

TEST(MultivariantTest, EveryQualityStandsOnceAPathwayWithTheAudioOfThatPathway) {
  EXPECT_EQ(MakeMultivariant(Example()),
            R"(#EXTM3U
#EXT-X-VERSION:7
#EXT-X-CONTENT-STEERING:SERVER-URI="http://s/v1/content-steering/north-1/ix-1?title=titles/film",PATHWAY-ID="north-1"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="north-1-audio-0",NAME="en",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,STABLE-RENDITION-ID="audio-en",URI="http://n/a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=3150000,AVERAGE-BANDWIDTH=2100000,CODECS="avc1.42c01f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="north-1-audio-0",PATHWAY-ID="north-1",STABLE-VARIANT-ID="video-720p.audio-0"
http://n/720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1050000,AVERAGE-BANDWIDTH=700000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=640x360,AUDIO="north-1-audio-0",PATHWAY-ID="north-1",STABLE-VARIANT-ID="video-360p.audio-0"
http://n/360.m3u8
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="ix-1-audio-0",NAME="en",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,STABLE-RENDITION-ID="audio-en",URI="http://i/a.m3u8"
#EXT-X-STREAM-INF:BANDWIDTH=3150000,AVERAGE-BANDWIDTH=2100000,CODECS="avc1.42c01f,mp4a.40.2",RESOLUTION=1280x720,AUDIO="ix-1-audio-0",PATHWAY-ID="ix-1",STABLE-VARIANT-ID="video-720p.audio-0"
http://i/720.m3u8
#EXT-X-STREAM-INF:BANDWIDTH=1050000,AVERAGE-BANDWIDTH=700000,CODECS="avc1.42c01e,mp4a.40.2",RESOLUTION=640x360,AUDIO="ix-1-audio-0",PATHWAY-ID="ix-1",STABLE-VARIANT-ID="video-360p.audio-0"
http://i/360.m3u8
)");
}

TEST(MultivariantTest, AQualityAboveTheCapIsNotTheFirstChoice) {
  Multivariant input = Example();
  input.quality_cap_bps = 1'000'000;
  const std::string text = MakeMultivariant(input);
  EXPECT_LT(text.find("http://n/360.m3u8"), text.find("http://n/720.m3u8"));
}

TEST(MultivariantTest, LanguagesShareAGroupAndCodecsDoNot) {
  Multivariant input = Example();
  input.tracks.push_back({"audio-fr", RenditionKind::kAudio, 90'000, "mp4a.40.2", 0, 0, "fr"});
  input.tracks.push_back({"audio-en-surround", RenditionKind::kAudio, 400'000, "ec-3", 0, 0, "en"});
  for (PlaylistPathway& pathway : input.pathways) {
    pathway.urls.push_back("http://x/fr.m3u8");
    pathway.urls.push_back("http://x/surround.m3u8");
  }
  const std::string text = MakeMultivariant(input);
  EXPECT_THAT(text, HasSubstr(R"(GROUP-ID="north-1-audio-1",NAME="fr",LANGUAGE="fr",DEFAULT=NO)"));
  EXPECT_THAT(text, HasSubstr(R"(GROUP-ID="north-1-audio-0",NAME="en",LANGUAGE="en",DEFAULT=YES)"));
  EXPECT_THAT(text, HasSubstr(R"(AVERAGE-BANDWIDTH=2400000,CODECS="avc1.42c01f,ec-3")"));
  EXPECT_THAT(text, HasSubstr(R"(STABLE-VARIANT-ID="video-720p.audio-1")"));
}

TEST(MultivariantTest, SubtitlesAndSoundAloneWorkToo) {
  Multivariant input = Example();
  input.tracks[1] = {"text-de", RenditionKind::kText, 1'000, "wvtt", 0, 0, "de"};
  EXPECT_THAT(MakeMultivariant(input), HasSubstr(R"(TYPE=SUBTITLES,GROUP-ID="north-1-text-0",NAME="de")"));
  EXPECT_THAT(MakeMultivariant(input), HasSubstr(R"(AUDIO="north-1-audio-0",SUBTITLES="north-1-text-0")"));
  input.tracks[2].kind = RenditionKind::kUnspecified;
  EXPECT_THAT(MakeMultivariant(input),
              HasSubstr("CODECS=\"mp4a.40.2\",SUBTITLES=\"north-1-text-0\",PATHWAY-ID=\"north-1\",STABLE-VARIANT-ID="
                        "\"audio-en\"\nhttp://n/a.m3u8\n"));
}

TEST(MultivariantTest, WhatWouldEndAQuotedStringIsLeftOut) {
  Multivariant input = Example();
  input.tracks[0].language = "e\"n";
  input.tracks[2].codecs = "avc1\n#EXT-X-EVIL";
  const std::string text = MakeMultivariant(input);
  EXPECT_THAT(text, HasSubstr(R"(NAME="audio-en",DEFAULT)"));
  EXPECT_THAT(text, Not(HasSubstr("EVIL")));
}

}  // namespace
}  // namespace fairlead
