#include "libs/log/log.h"

#include <string>

#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace fairlead {
namespace {

TEST(Log, ALineIsOneJsonObjectWithTypedFields) {
  const std::string line = FormatLogLine(absl::FromUnixMillis(1'800'000'000'123), LogLevel::kWarning, "steerd", "table \"old\"",
                                         {{"version", uint64_t{7}}, {"fresh", false}, {"age", absl::Seconds(90)}, {"share", 0.5}});
  const nlohmann::json parsed = nlohmann::json::parse(line);
  EXPECT_EQ(parsed["time"], "2027-01-15T08:00:00.123Z");
  EXPECT_EQ(parsed["level"], "warning");
  EXPECT_EQ(parsed["message"], "table \"old\"");
  EXPECT_EQ(parsed["version"], 7);
  EXPECT_EQ(parsed["fresh"], false);
  EXPECT_EQ(parsed["age"], "1m30s");
  EXPECT_EQ(parsed["share"], 0.5);
}

TEST(Log, LineFeedsAndInvalidUtf8StayInsideTheLine) {
  const std::string line = FormatLogLine(absl::UnixEpoch(), LogLevel::kInfo, "x", "a\nb", {{"bad", "\xff\xfe"}});
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_TRUE(nlohmann::json::accept(line));
}

}  // namespace
}  // namespace fairlead
