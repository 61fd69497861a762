#include "libs/fill/source_faults.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

const ApplianceId kMe("me"), kOther("other"), kThird("third"), kPeer("peer");

SourceFault Fault(SourceFaultReason reason, uint32_t file = 7) {
  return {.source = kPeer, .file = file, .reason = reason, .detail = "why"};
}

TEST(SourceFaultBookTest, AFaultCountsForItsTimeAndWrongBytesLonger) {
  SourceFaultBook book;
  book.Record(kMe, Fault(SourceFaultReason::kSlow), absl::Seconds(0));
  EXPECT_TRUE(book.IsBehind(kPeer, kMe, 7, absl::Seconds(59)));
  EXPECT_TRUE(book.IsBehind(kPeer, kMe, 8, absl::Seconds(59))) << "for every file";
  EXPECT_FALSE(book.IsBehind(kPeer, kMe, 7, absl::Seconds(60)));
  EXPECT_FALSE(book.IsBehind(kOther, kMe, 7, absl::Seconds(1)));
  book.Record(kMe, Fault(SourceFaultReason::kCorrupt), absl::Seconds(60));
  book.Record(kMe, Fault(SourceFaultReason::kTruncated), absl::Seconds(70));
  EXPECT_TRUE(book.IsBehind(kPeer, kMe, 7, absl::Seconds(659))) << "not shortened by the lesser one";
  EXPECT_FALSE(book.IsBehind(kPeer, kMe, 7, absl::Seconds(660)));
}

TEST(SourceFaultBookTest, AMissingFileConcernsThatFileOnly) {
  SourceFaultBook book;
  book.Record(kMe, Fault(SourceFaultReason::kMissing, 7), absl::Seconds(0));
  EXPECT_TRUE(book.IsBehind(kPeer, kMe, 7, absl::Seconds(1)));
  EXPECT_FALSE(book.IsBehind(kPeer, kMe, 8, absl::Seconds(1)));
}

TEST(SourceFaultBookTest, OneBoxSpeaksForItselfAndTwoForAll) {
  SourceFaultBook book;
  book.Record(kMe, Fault(SourceFaultReason::kSlow), absl::Seconds(0));
  book.Record(kMe, Fault(SourceFaultReason::kMissing, 7), absl::Seconds(0));
  EXPECT_FALSE(book.IsBehind(kPeer, kThird, 7, absl::Seconds(1))) << "one box, however often it says so";
  book.Record(kOther, Fault(SourceFaultReason::kUnreachable), absl::Seconds(0));
  EXPECT_TRUE(book.IsBehind(kPeer, kThird, 7, absl::Seconds(1)));
  EXPECT_FALSE(book.IsBehind(kPeer, kThird, 7, absl::Seconds(60)));
}

TEST(SourceFaultBookTest, WhatABoxMetIsListedWithItsAge) {
  SourceFaultBook book;
  book.Record(kMe, Fault(SourceFaultReason::kCorrupt), absl::Seconds(1));
  book.Record(kMe, Fault(SourceFaultReason::kMissing, 9), absl::Seconds(2));
  book.Record(kOther, Fault(SourceFaultReason::kSlow), absl::Seconds(3));
  const auto met = book.MetBy(kMe, absl::Seconds(5), 10);
  ASSERT_EQ(met.size(), 2u);
  EXPECT_EQ(met[0].fault, Fault(SourceFaultReason::kCorrupt));
  EXPECT_EQ(met[0].age, absl::Seconds(4));
  EXPECT_EQ(met[1].fault.file, 9u);
  EXPECT_EQ(book.MetBy(kMe, absl::Seconds(5), 1).size(), 1u);
  EXPECT_EQ(book.MetBy(kMe, absl::Seconds(90), 10).size(), 1u) << "only what still counts";
}

TEST(SourceFaultBookTest, ItIsBoundedAndForgets) {
  SourceFaultBook book;
  for (size_t i = 0; i < SourceFaultBook::kMaxEntriesASource + 10; ++i) {
    book.Record(ApplianceId(absl::StrCat("box-", i)), Fault(SourceFaultReason::kSlow), absl::Seconds(0));
  }
  EXPECT_EQ(book.size(), SourceFaultBook::kMaxEntriesASource);
  EXPECT_EQ(book.dropped(), 10);
  book.Record(kMe, {.source = kOther, .file = 1, .reason = SourceFaultReason::kCorrupt, .detail = ""}, absl::Seconds(0));
  book.Expire(absl::Seconds(60));
  EXPECT_EQ(book.size(), 1u);
  EXPECT_EQ(book.sources(), 1u);
  book.Expire(absl::Minutes(10));
  EXPECT_EQ(book.size(), 0u);
  EXPECT_EQ(book.sources(), 0u);
}

}  // namespace
}  // namespace fairlead
