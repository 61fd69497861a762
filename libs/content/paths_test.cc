#include "libs/content/paths.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

TEST(ContentPath, APathIsTitleVersionRenditionAndFile) {
  const absl::StatusOr<ContentPath> path = ContentPath::Parse("big-film/v1/video-720p/media.mp4");
  ASSERT_TRUE(path.ok()) << path.status();
  EXPECT_EQ(*path, (ContentPath{"big-film", "v1", "video-720p", "media.mp4"}));
  EXPECT_EQ(path->ToString(), "big-film/v1/video-720p/media.mp4");
}

TEST(ContentPath, WhateverCouldLeadElsewhereIsRefusedWithFieldAndValue) {
  for (const char* bad : {"", "/", "a/b/c", "a/b/c/d/e", "/a/b/c/d", "a/b/c/", "a//c/d", "../b/c/d", "a/../c/d", "a/b/c/..",
                          "a/b/c/.hidden", "A/b/c/d", "a/b/c/d e", "a/b/c/%2e", "a/b/c/d?x", "a/b/c/D.mp4", "a_b/c/d/e"}) {
    const absl::Status status = ContentPath::Parse(bad, "file.path").status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr("file.path")) << bad;
  }
  EXPECT_LT(ContentPath::Parse(std::string(100'000, 'x')).status().message().size(), 1000u);
}

TEST(SignedPath, ItIsThePackageThenThePath) {
  EXPECT_EQ(MakeSignedPath("h.c.s", "big-film/v1/video/media.mp4"), "/URISigningPackage=h.c.s/big-film/v1/video/media.mp4");
  EXPECT_EQ(MakeSignedFolder("h.c.s", "big-film", "v1"), "/URISigningPackage=h.c.s/big-film/v1/");
}

TEST(SignedPath, ItReadsBack) {
  const absl::StatusOr<SignedPath> parsed = ParseSignedPath(MakeSignedPath("h.c.s", "big-film/v1/video/media.mp4"));
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->token, "h.c.s");
  EXPECT_EQ(parsed->path.ToString(), "big-film/v1/video/media.mp4");
  for (const char* bad : {"", "/a/b/c/d", "/URISigningPackage=/a/b/c/d", "/URISigningPackage=t", "/URISigningPackage=t/a/b/c",
                          "x/URISigningPackage=t/a/b/c/d"}) {
    EXPECT_FALSE(ParseSignedPath(bad).ok()) << bad;
  }
}

}  // namespace
}  // namespace fairlead
