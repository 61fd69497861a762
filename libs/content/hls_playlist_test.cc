#include "libs/content/hls_playlist.h"

#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// As ffmpeg 5.1 writes it with -hls_segment_type fmp4 -hls_flags single_file.
constexpr char kGood[] =
    "#EXTM3U\n"
    "#EXT-X-VERSION:7\n"
    "#EXT-X-TARGETDURATION:4\n"
    "#EXT-X-MEDIA-SEQUENCE:0\n"
    "#EXT-X-PLAYLIST-TYPE:VOD\n"
    "#EXT-X-INDEPENDENT-SEGMENTS\n"
    "#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"100@0\"\n"
    "#EXTINF:4.000000,\n"
    "#EXT-X-BYTERANGE:500@100\n"
    "media.mp4\n"
    "#EXTINF:4.000000,\n"
    "#EXT-X-BYTERANGE:300@600\n"
    "media.mp4\n"
    "#EXTINF:1.500000,\n"
    "#EXT-X-BYTERANGE:100\n"
    "media.mp4\n"
    "#EXT-X-ENDLIST\n";

absl::StatusOr<HlsPlaylist> Parse(absl::string_view text, int64_t size = 1000) {
  return ParseHlsPlaylist(text, {.file_name = "media.mp4", .file_size = size});
}

// The error after replacing `from` by `to` in the good playlist.
std::string ErrorOf(absl::string_view from, absl::string_view to) {
  const std::string text = absl::StrReplaceAll(kGood, {{from, to}});
  EXPECT_NE(text, kGood) << from;
  const absl::StatusOr<HlsPlaylist> playlist = Parse(text);
  EXPECT_EQ(playlist.status().code(), absl::StatusCode::kInvalidArgument) << to;
  return std::string(playlist.status().message());
}

TEST(HlsPlaylist, ASingleFilePlaylistIsReadWhole) {
  const absl::StatusOr<HlsPlaylist> playlist = Parse(kGood);
  ASSERT_TRUE(playlist.ok()) << playlist.status();
  EXPECT_EQ(playlist->version, 7);
  EXPECT_EQ(playlist->target_duration_seconds, 4);
  EXPECT_EQ(playlist->map, (ByteRange{0, 100}));
  ASSERT_EQ(playlist->segments.size(), 3u);
  EXPECT_EQ(playlist->segments[1].range, (ByteRange{600, 300}));
  EXPECT_EQ(playlist->segments[2].range, (ByteRange{900, 100})) << "without an offset it continues";
  EXPECT_DOUBLE_EQ(playlist->duration_seconds, 9.5);
  EXPECT_TRUE(playlist->contiguous());
}

TEST(HlsPlaylist, LineEndsOfWindowsAndCommentsAreFine) {
  EXPECT_TRUE(Parse(absl::StrReplaceAll(kGood, {{"\n", "\r\n"}})).ok());
  EXPECT_TRUE(Parse(absl::StrReplaceAll(kGood, {{"#EXT-X-MAP", "\n# a comment\n#EXT-X-MAP"}})).ok());
}

TEST(HlsPlaylist, BytesThatNoRangeCoversAreReported) {
  const absl::StatusOr<HlsPlaylist> playlist = Parse(absl::StrReplaceAll(kGood, {{"500@100", "450@120"}}), 1010);
  ASSERT_TRUE(playlist.ok()) << playlist.status();
  EXPECT_FALSE(playlist->contiguous());
  EXPECT_THAT(playlist->gaps, ElementsAre(ByteRange{100, 20}, ByteRange{570, 30}, ByteRange{1000, 10}));
  EXPECT_EQ(playlist->gap_bytes, 60);
}

TEST(HlsPlaylist, ARangeBeyondTheFileIsRefusedWithItsLine) {
  EXPECT_EQ(Parse(kGood, 999).status().message(), "line 15: byte range '100' at offset 900: ends beyond the file's 999 bytes");
  EXPECT_THAT(ErrorOf("300@600", "9223372036854775807@600"), HasSubstr("line 12"));
  EXPECT_THAT(ErrorOf("300@600", "300@9223372036854775807"), HasSubstr("line 12"));
  EXPECT_THAT(ErrorOf("100@0", "1001@0"), HasSubstr("line 7"));
}

TEST(HlsPlaylist, OverlappingRangesAreRefused) {
  EXPECT_THAT(ErrorOf("300@600", "300@599"), HasSubstr("line 13: byte range 300@599: overlaps"));
  EXPECT_THAT(ErrorOf("500@100", "500@99"), HasSubstr("overlaps")) << "the map's too";
  EXPECT_THAT(ErrorOf("300@600", "50@100"), HasSubstr("goes back"));
}

TEST(HlsPlaylist, EveryFaultIsNamedWithItsLine) {
  const struct {
    const char* from;
    const char* to;
    const char* error;
  } faults[] = {
      {"#EXTM3U\n", "\n", "line 1: the first line must be #EXTM3U"},
      {"#EXTM3U\n", "\xef\xbb\xbf#EXTM3U\n", "line 1:"},
      {"#EXT-X-VERSION:7", "#EXT-X-VERSION:5", "line 2: #EXT-X-VERSION '5'"},
      {"#EXT-X-VERSION:7\n", "", "no #EXT-X-VERSION"},
      {"#EXT-X-VERSION:7\n", "#EXT-X-VERSION:7\n#EXT-X-VERSION:7\n", "line 3: #EXT-X-VERSION again"},
      {"#EXT-X-TARGETDURATION:4\n", "", "no #EXT-X-TARGETDURATION"},
      {"#EXT-X-TARGETDURATION:4", "#EXT-X-TARGETDURATION:-4", "line 3"},
      {"#EXT-X-TARGETDURATION:4", "#EXT-X-TARGETDURATION:3", "longer than #EXT-X-TARGETDURATION 3"},
      {"TYPE:VOD", "TYPE:EVENT", "line 5: #EXT-X-PLAYLIST-TYPE 'EVENT'"},
      {"#EXT-X-ENDLIST\n", "", "no #EXT-X-ENDLIST"},
      {"#EXT-X-ENDLIST\n", "#EXT-X-ENDLIST\nmedia.mp4\n", "line 18: 'media.mp4' after"},
      {"#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-KEY:METHOD=AES-128,URI=\"https://k.example\"", "line 6: #EXT-X-KEY"},
      {"#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-STREAM-INF:BANDWIDTH=1", "line 6"},
      {"#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-DATERANGE:ID=\"a\",X-ASSET-URI=\"https://ads.example\"", "points to another"},
      {"#EXT-X-INDEPENDENT-SEGMENTS", "#EXT-X-GAP", "line 6"},
      {"#EXT-X-INDEPENDENT-SEGMENTS", "a\tb", "line 6: a control character"},
      {"URI=\"media.mp4\"", "URI=\"init.mp4\"", "line 7: #EXT-X-MAP URI 'init.mp4'"},
      {"URI=\"media.mp4\"", "URI=\"media.mp4", "line 7: #EXT-X-MAP: broken attribute list"},
      {",BYTERANGE=\"100@0\"", "", "line 7: #EXT-X-MAP without BYTERANGE"},
      {"#EXT-X-MAP:URI=\"media.mp4\",BYTERANGE=\"100@0\"\n", "", "line 9: a segment before #EXT-X-MAP"},
      {"#EXTINF:1.500000,\n", "", "line 15: a segment without #EXTINF"},
      {"#EXTINF:1.500000", "#EXTINF:0", "line 14: #EXTINF '0'"},
      {"#EXTINF:1.500000", "#EXTINF:nan", "line 14"},
      {"#EXTINF:1.500000", "#EXTINF:1e3", "line 14"},
      {"#EXTINF:1.500000,\n", "#EXTINF:1.5,\n#EXTINF:1.5,\n", "line 15: a second #EXTINF"},
      {"#EXT-X-BYTERANGE:500@100\n", "", "line 9: a segment without #EXT-X-BYTERANGE"},
      {"#EXT-X-BYTERANGE:500@100\n", "#EXT-X-BYTERANGE:500\n", "line 9: the first #EXT-X-BYTERANGE needs an offset"},
      {"500@100", "0@100", "line 9"},
      {"500@100", "+500@100", "line 9"},
      {"500@100", "500@", "line 9"},
      {"500@100", "five@100", "line 9"},
      {"300@600\nmedia.mp4", "300@600\nother.mp4", "line 13: URI 'other.mp4', want 'media.mp4'"},
      {"300@600\nmedia.mp4", "300@600\nhttps://x.example/media.mp4", "line 13"},
      {"300@600\nmedia.mp4", "300@600\n../media.mp4", "line 13"},
      {"#EXT-X-BYTERANGE:100\nmedia.mp4\n", "#EXT-X-BYTERANGE:100\n", "has no URI"},
  };
  for (const auto& fault : faults) EXPECT_THAT(ErrorOf(fault.from, fault.to), HasSubstr(fault.error));
}

TEST(HlsPlaylist, AnEmptyTextAndAListWithoutSegmentsAreRefused) {
  EXPECT_FALSE(Parse("").ok());
  EXPECT_THAT(std::string(Parse("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:4\n#EXT-X-ENDLIST\n").status().message()),
              HasSubstr("no segments"));
}

TEST(HlsPlaylist, LongValuesAreCutInMessages) {
  EXPECT_LT(ErrorOf("300@600\nmedia.mp4", absl::StrCat("300@600\n", std::string(100'000, 'x'))).size(), 300u);
}

}  // namespace
}  // namespace fairlead
