#include "services/agent/pending_config.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace fairlead::agent {
namespace {

TEST(PendingConfigTest, ARefusedConfigurationIsTriedAgainLaterAndANewOneAtOnce) {
  PendingConfig<std::string> pending(1);
  absl::Duration now = absl::Seconds(100);
  EXPECT_FALSE(pending.Due(now));
  pending.Set("one");
  absl::Duration longest = absl::ZeroDuration();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(pending.Due(now)) << i;
    EXPECT_EQ(pending.config(), "one");
    pending.Settle(absl::UnavailableError("port taken"), now);
    EXPECT_FALSE(pending.Due(now)) << i;
    absl::Duration waited = absl::ZeroDuration();
    for (; !pending.Due(now); waited += absl::Milliseconds(50)) now += absl::Milliseconds(50);
    EXPECT_LE(waited, absl::Seconds(61));
    longest = std::max(longest, waited);
  }
  EXPECT_GT(longest, absl::Seconds(10));
  pending.Settle(absl::UnavailableError("port taken"), now);
  pending.Set("two");
  ASSERT_TRUE(pending.Due(now));
  EXPECT_EQ(pending.config(), "two");
  pending.Settle(absl::OkStatus(), now);
  EXPECT_FALSE(pending.Due(now + absl::Hours(1)));
}

}  // namespace
}  // namespace fairlead::agent
