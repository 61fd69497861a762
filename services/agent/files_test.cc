#include "services/agent/files.h"

#include <string>

#include "gtest/gtest.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

TEST(FilesTest, TheTailOfALargeFileIsReadAndAllOfASmallOne) {
  const TempFolder temp;
  const std::string path = temp.Write("log", std::string(200'000, 'x') + "\nlast line\n");
  EXPECT_EQ(ReadTail(path, 11).value(), "\nlast line\n");
  EXPECT_EQ(ReadTail(path, 1'000'000).value().size(), 200'011u);
  EXPECT_TRUE(absl::IsNotFound(ReadTail(path + "2", 10).status()));
}

}  // namespace
}  // namespace fairlead::agent
