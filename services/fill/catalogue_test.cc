#include "services/fill/catalogue.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/metrics/metrics.h"
#include "services/fill/fake_store.h"
#include "services/fill/test_values.h"

namespace fairlead::fill {
namespace {

using ::testing::HasSubstr;

class CatalogueTest : public ::testing::Test {
 protected:
  CatalogueTest() : metrics_(registry_), catalogue_(store_, metrics_) {}
  ~CatalogueTest() override { catalogue_.ShutdownFeeds(); }

  void Import(const TitleImport& import) { ASSERT_TRUE(store_.Import(import, {}, absl::FromUnixSeconds(1'800'000'000)).ok()); }

  Metrics registry_;
  FillMetrics metrics_;
  FakeStore store_;
  Catalogue catalogue_;
};

TEST_F(CatalogueTest, AnEntryThatIsTooLargeHoldsBackNoOther) {
  TitleImport large = MakeImport("large", "v1", 1);
  large.display_name = std::string(4 << 20, 'x');
  Import(large);
  Import(MakeImport("small", "v1", 1));
  ASSERT_TRUE(catalogue_.Refresh().ok());
  EXPECT_EQ(catalogue_.steering_feed().stats().entries, 1u);
  EXPECT_EQ(catalogue_.steering_feed().stats().position, catalogue_.View()->position());
  EXPECT_EQ(metrics_.feed_left_out.Value(), 1);
  Import(MakeImport("later", "v1", 1));
  ASSERT_TRUE(catalogue_.Refresh().ok());
  EXPECT_EQ(catalogue_.steering_feed().stats().entries, 2u);
}

TEST_F(CatalogueTest, ADatabaseThatWentBackIsRefusedUntilItsEpochIsRaised) {
  Import(MakeImport("a", "v1", 1));
  Import(MakeImport("b", "v1", 1));
  ASSERT_TRUE(catalogue_.Refresh().ok());
  const FeedPosition held = catalogue_.View()->position();
  for (const FeedPosition back : {FeedPosition{held.epoch, held.version - 1}, FeedPosition{held.epoch - 1, held.version + 5}}) {
    store_.GoBack(back);
    const absl::Status status = catalogue_.Refresh();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr("fill.raise_epoch()"));
    EXPECT_EQ(catalogue_.View()->position(), held);
    EXPECT_EQ(catalogue_.View()->titles().size(), 2u);
  }
  EXPECT_EQ(metrics_.store_up.Value(), 0);
  store_.GoBack({held.epoch, held.version - 1});
  store_.RaiseEpoch();
  EXPECT_TRUE(catalogue_.Refresh().ok());
  EXPECT_EQ(catalogue_.View()->position().epoch, held.epoch + 1);
}

}  // namespace
}  // namespace fairlead::fill
