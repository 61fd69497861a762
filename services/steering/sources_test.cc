#include "services/steering/sources.h"

#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "services/steering/fake_sources.h"
#include "services/steering/table_builder.h"

namespace fairlead {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// Waits until the feed is followed: what it brings at first may come in several changes.
void AwaitQuiet(Sources& sources) {
  EXPECT_TRUE(sources.AwaitNews(kPatience));
  while (sources.AwaitNews(absl::Milliseconds(300))) {
  }
}

TEST(Sources, WhateverAFeedBringsIsNewsOnce) {
  FakeSources fakes;
  fakes.SetUpWorld("k-1");
  SystemClock clock;
  Sources sources({.registry = fakes.registry_target(), .fill = fakes.fill_target()}, clock);
  EXPECT_FALSE(sources.AwaitNews(absl::ZeroDuration()));
  sources.StartConfig();
  sources.StartRest();
  sources.FollowCells({{CellId("x"), fakes.cell_target(0)}});
  AwaitQuiet(sources);

  fakes.PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINED");
  EXPECT_TRUE(sources.AwaitNews(kPatience));
  EXPECT_FALSE(sources.AwaitNews(absl::ZeroDuration()));
  fakes.PutHoldings(0, "oca-1", 1, 2, {1});
  EXPECT_TRUE(sources.AwaitNews(kPatience));
  fakes.RemoveCatalog("titles/movie");
  EXPECT_TRUE(sources.AwaitNews(kPatience));
}

TEST(TableBuilder, ShortTicksFollowNewsLongOnesTheirBeat) {
  constexpr absl::Duration kEvery = absl::Milliseconds(100);
  EXPECT_EQ(LeastRestBehindTick(kEvery, absl::Milliseconds(1)), absl::Milliseconds(20));
  EXPECT_EQ(LeastRestBehindTick(kEvery, absl::Milliseconds(10)), absl::Milliseconds(40));
  EXPECT_EQ(LeastRestBehindTick(kEvery, absl::Milliseconds(40)), absl::Milliseconds(60));  // As without news.
  EXPECT_EQ(RestBehindTick(kEvery, absl::Milliseconds(40)), absl::Milliseconds(60));
  EXPECT_EQ(LeastRestBehindTick(kEvery, absl::Milliseconds(200)), absl::Milliseconds(20));
}

}  // namespace
}  // namespace fairlead
