#include "libs/routing/route.h"

#include "gtest/gtest.h"

namespace fairlead {
namespace {

using Kind = AsPathSegment::Kind;

TEST(AsPath, ASetCountsOneAndConfederationSegmentsNone) {
  EXPECT_EQ(PathLength({}), 0);
  EXPECT_EQ(PathLength(SequencePath({1, 1, 2})), 3);
  EXPECT_EQ(PathLength({{Kind::kConfedSequence, {65001, 65002}}, {Kind::kSequence, {1, 2}}, {Kind::kSet, {3, 4, 5}}}), 3);
  EXPECT_EQ(PathLength({{Kind::kConfedSet, {65001}}, {Kind::kSet, {}}}), 0);
}

TEST(AsPath, TheNeighbourIsTheFirstOfALeadingSequence) {
  EXPECT_EQ(FirstAs(SequencePath({7, 8})), 7u);
  EXPECT_EQ(FirstAs({{Kind::kConfedSequence, {65001}}, {Kind::kSequence, {7}}}), 7u);
  EXPECT_EQ(FirstAs({{Kind::kSet, {7, 8}}, {Kind::kSequence, {9}}}), std::nullopt);
  EXPECT_EQ(FirstAs({}), std::nullopt);
}

TEST(AsPath, ThereIsNoOriginBehindASet) {
  EXPECT_EQ(OriginAs(SequencePath({7, 8})), 8u);
  EXPECT_EQ(OriginAs({{Kind::kSequence, {7}}, {Kind::kSet, {8, 9}}}), std::nullopt);
  EXPECT_EQ(OriginAs({}), std::nullopt);
}

TEST(AsPath, IsWrittenAsOperatorsWriteIt) {
  EXPECT_EQ(ToString({{Kind::kConfedSequence, {65001}}, {Kind::kSequence, {1, 2}}, {Kind::kSet, {3, 4}}}), "(65001) 1 2 {3,4}");
}

}  // namespace
}  // namespace fairlead
