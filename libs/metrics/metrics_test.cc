#include "libs/metrics/metrics.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

TEST(Metrics, TheSameNameAndLabelsAreOneSeries) {
  Metrics metrics;
  metrics.Counter("fairlead_test_total", "Things", {{"kind", "a"}}).Increment();
  metrics.Counter("fairlead_test_total", "Things", {{"kind", "a"}}).Increment();
  metrics.Counter("fairlead_test_total", "Things", {{"kind", "b"}}).Increment();
  EXPECT_THAT(metrics.Text(), HasSubstr("fairlead_test_total{kind=\"a\"} 2"));
  EXPECT_THAT(metrics.Text(), HasSubstr("fairlead_test_total{kind=\"b\"} 1"));
}

TEST(Metrics, APortInUseIsRefusedByName) {
  Metrics first;
  const absl::StatusOr<int> port = first.Serve("127.0.0.1:0");
  ASSERT_TRUE(port.ok()) << port.status();
  Metrics second;
  const std::string address = absl::StrCat("127.0.0.1:", *port);
  const absl::StatusOr<int> refused = second.Serve(address);
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.status().message()), HasSubstr(address));
}

}  // namespace
}  // namespace fairlead
