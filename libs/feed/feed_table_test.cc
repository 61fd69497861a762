#include "libs/feed/feed_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/feed/feed_publisher.h"
#include "libs/feed/feed_replica.h"

namespace fairlead {
namespace {

using common::v1::FeedFrame;
using registry::v1::ConfigEntry;
using registry::v1::WatchConfigResponse;
using ::testing::HasSubstr;

ConfigEntry Generation(const std::string& id, const std::string& generation) {
  ConfigEntry entry;
  entry.set_key("generations/" + id);
  entry.mutable_generation()->set_appliance("appliances/" + id);
  entry.mutable_generation()->set_generation(generation);
  return entry;
}
EncodedEntry Set(const std::string& id, const std::string& generation) {
  return EncodeEntry(Generation(id, generation));
}
EncodedEntry Gone(const std::string& id) {
  return EncodedEntry::Removal("generations/" + id);
}

std::vector<WatchConfigResponse> Decode(const EncodedChange& change) {
  std::vector<WatchConfigResponse> messages;
  for (const std::string& message : change.messages) {
    messages.emplace_back();
    EXPECT_TRUE(messages.back().ParseFromString(message));
  }
  return messages;
}

TEST(EncodedEntryTest, BytesAreThoseOfProtobufAndAnEntryWithoutValueIsARemoval) {
  const EncodedEntry entry = Set("oca-1", "7");
  EXPECT_EQ(entry.key(), "generations/oca-1");
  EXPECT_FALSE(entry.removal());
  EXPECT_EQ(entry.bytes(), Generation("oca-1", "7").SerializeAsString());

  ConfigEntry bare;
  bare.set_key("sites/lhr001");
  const EncodedEntry removal = EncodeEntry(bare);
  EXPECT_TRUE(removal.removal());
  EXPECT_EQ(removal.bytes(), bare.SerializeAsString());
  EXPECT_EQ(removal.key(), "sites/lhr001");
}

TEST(EncodedEntryTest, RefusesBytesWithoutAKey) {
  EXPECT_EQ(EncodedEntry::FromBytes("").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(EncodedEntry::FromBytes("\x12\x01x").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(EncodedEntry::FromBytes("\x0a\x7fx").status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(EncodedEntry::FromBytes(std::string("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 11)).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(FeedTableTest, ADeltaHasTheNewestEntryOfEachKeySinceItsBase) {
  FeedTable table({5, 0});
  ASSERT_TRUE(table.Apply({5, 1}, {Set("a", "1"), Set("b", "1")}).ok());
  ASSERT_TRUE(table.Apply({5, 2}, {Set("a", "2")}).ok());
  ASSERT_TRUE(table.Apply({5, 3}, {Gone("b"), Set("a", "3")}).ok());
  ASSERT_TRUE(table.CanDelta({5, 1}));
  const std::vector<WatchConfigResponse> messages = Decode(table.Delta({5, 1}));
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].frame().kind(), FeedFrame::KIND_DELTA);
  EXPECT_EQ(messages[0].frame().base().version(), 1u);
  EXPECT_EQ(messages[0].frame().position().version(), 3u);
  EXPECT_FALSE(messages[0].frame().more());
  ASSERT_EQ(messages[0].entries_size(), 2);
  EXPECT_EQ(messages[0].entries(0).generation().generation(), "3");
  EXPECT_EQ(messages[0].entries(1).key(), "generations/b");
  EXPECT_TRUE(IsRemoval(messages[0].entries(1)));
  EXPECT_EQ(table.size(), 1u);
}

TEST(FeedTableTest, NoDeltaIsMadeFromAPositionTheTableNeverStoodAt) {
  FeedTable table({5, 3});
  ASSERT_TRUE(table.Apply({5, 5}, {Set("a", "1")}).ok());
  ASSERT_TRUE(table.Apply({5, 9}, {Set("a", "2")}).ok());
  EXPECT_TRUE(table.CanDelta({5, 3}));
  EXPECT_TRUE(table.CanDelta({5, 5}));
  EXPECT_TRUE(table.CanDelta({5, 9}));
  EXPECT_FALSE(table.CanDelta({5, 7})) << "a key that came and went in between would be left behind";
  EXPECT_FALSE(table.CanDelta({5, 10}));
  EXPECT_FALSE(table.CanDelta({4, 5}));
  EXPECT_FALSE(table.CanDelta({}));
}

TEST(FeedTableTest, TheLogIsBoundedAndForgetsTheOldestFirst) {
  FeedTable table({5, 0}, {.log_entries = 6});
  for (uint64_t version = 1; version <= 10; ++version) ASSERT_TRUE(table.Apply({5, version}, {Set("a", absl::StrCat(version))}).ok());
  EXPECT_LE(table.log_entries(), 6u);
  EXPECT_TRUE(table.CanDelta({5, 7}));
  EXPECT_FALSE(table.CanDelta({5, 6}));
}

TEST(FeedTableTest, ANewEpochLeavesNothingToDeltaFrom) {
  FeedTable table({5, 0});
  ASSERT_TRUE(table.Apply({5, 1}, {Set("a", "1")}).ok());
  ASSERT_TRUE(table.Apply({6, 1}, {Set("a", "2")}).ok());
  EXPECT_FALSE(table.CanDelta({5, 1}));
  EXPECT_TRUE(table.CanDelta({6, 1}));
}

TEST(FeedTableTest, RefusesToGoBackAndChangesNothing) {
  FeedTable table({5, 4});
  ASSERT_TRUE(table.Apply({5, 6}, {Set("a", "1")}).ok());
  EXPECT_EQ(table.Apply({5, 6}, {Set("a", "2")}).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(table.Apply({4, 9}, {Gone("a")}).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_NE(table.Find("generations/a"), nullptr);
  EXPECT_EQ(*table.Find("generations/a")->bytes().rbegin(), '1');
}

TEST(FeedTableTest, RefusesAnEntryThatNoMessageCouldCarry) {
  FeedTable table({5, 0}, {.most_entry_bytes = 100});
  const absl::Status refused = table.Apply({5, 1}, {Set("a", "1"), Set("b", std::string(200, 'x'))});
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("generations/b"));
  EXPECT_EQ(table.size(), 0u);
  EXPECT_EQ(table.position(), (FeedPosition{5, 0}));
}

TEST(FeedTableTest, ASnapshotIsCutIntoMessagesOfBoundedSize) {
  FeedTable table({5, 0}, {.chunk_bytes = 1000});
  std::vector<EncodedEntry> entries;
  for (int i = 0; i < 200; ++i) entries.push_back(Set(absl::StrCat("oca-", i), "generation"));
  ASSERT_TRUE(table.Apply({5, 1}, std::move(entries)).ok());
  const std::vector<WatchConfigResponse> messages = Decode(table.Snapshot());
  ASSERT_GT(messages.size(), 5u);
  int total = 0;
  for (size_t i = 0; i < messages.size(); ++i) {
    EXPECT_EQ(messages[i].frame().more(), i + 1 < messages.size());
    EXPECT_EQ(messages[i].frame().kind(), FeedFrame::KIND_SNAPSHOT);
    EXPECT_LE(messages[i].ByteSizeLong(), 1100u);
    total += messages[i].entries_size();
  }
  EXPECT_EQ(total, 200);
}

TEST(FeedTableTest, AnEmptyTableStillHasASnapshot) {
  const std::vector<WatchConfigResponse> messages = Decode(FeedTable({5, 0}).Snapshot());
  ASSERT_EQ(messages.size(), 1u);
  EXPECT_EQ(messages[0].frame().position().epoch(), 5u);
  EXPECT_EQ(messages[0].entries_size(), 0);
}

TEST(FeedTableTest, ChangesToFindsWhatIsNewDifferentAndMissing) {
  FeedTable table({5, 0});
  ASSERT_TRUE(table.Apply({5, 1}, {Set("same", "1"), Set("other", "1"), Set("gone", "1")}).ok());
  const std::vector<EncodedEntry> changes = table.ChangesTo({Set("same", "1"), Set("other", "2"), Set("new", "1")});
  ASSERT_EQ(changes.size(), 3u);
  EXPECT_EQ(changes[0].key(), "generations/other");
  EXPECT_EQ(changes[1].key(), "generations/new");
  EXPECT_EQ(changes[2].key(), "generations/gone");
  EXPECT_TRUE(changes[2].removal());
  EXPECT_TRUE(table.Unchanged({Set("same", "1"), Gone("never-there")}));
  EXPECT_FALSE(table.Unchanged({Set("same", "2")}));
}

// The subscriber's rules.

class FeedReplicaTest : public ::testing::Test {
 protected:
  static WatchConfigResponse Message(FeedFrame::Kind kind, FeedPosition base, FeedPosition position, std::vector<ConfigEntry> entries,
                                     bool more = false) {
    WatchConfigResponse message;
    message.mutable_frame()->set_kind(kind);
    *message.mutable_frame()->mutable_base() = FeedPositionToProto(base);
    *message.mutable_frame()->mutable_position() = FeedPositionToProto(position);
    message.mutable_frame()->set_more(more);
    for (ConfigEntry& entry : entries) *message.add_entries() = std::move(entry);
    return message;
  }
  void Accept(WatchConfigResponse message) {
    auto offered = replica_.Offer(std::move(message));
    ASSERT_TRUE(offered.ok()) << offered.status();
    ASSERT_TRUE(offered->has_value());
    replica_.Commit(**offered);
  }
  absl::StatusCode Refusal(WatchConfigResponse message) {
    const absl::StatusCode code = replica_.Offer(std::move(message)).status().code();
    replica_.Restart();
    return code;
  }

  FeedReplica<WatchConfigResponse> replica_;
};

TEST_F(FeedReplicaTest, AChangeInSeveralMessagesIsGivenWholeOrNotAtAll) {
  auto first = replica_.Offer(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 1}, {Generation("a", "1")}, /*more=*/true));
  ASSERT_TRUE(first.ok());
  EXPECT_FALSE(first->has_value());
  replica_.Restart();  // The stream broke: the first half must not show up again.
  Accept(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 1}, {Generation("b", "1")}));
  EXPECT_EQ(replica_.held_entries(), 1u);

  ASSERT_TRUE(replica_.Offer(Message(FeedFrame::KIND_DELTA, {5, 1}, {5, 2}, {Generation("c", "1")}, /*more=*/true)).ok());
  EXPECT_EQ(replica_.held(), (FeedPosition{5, 1}));
  auto last = replica_.Offer(Message(FeedFrame::KIND_DELTA, {5, 1}, {5, 2}, {Generation("d", "1")}));
  ASSERT_TRUE(last.ok() && last->has_value());
  EXPECT_EQ((*last)->entries.size(), 2u);
  EXPECT_EQ((*last)->held_entries, 1u);
  replica_.Commit(**last);
  EXPECT_EQ(replica_.held_entries(), 3u);
  EXPECT_EQ(replica_.held(), (FeedPosition{5, 2}));
}

TEST_F(FeedReplicaTest, NeverGoesBackWithinAnEpochNorToALowerOne) {
  Accept(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 7}, {Generation("a", "1")}));
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 6}, {})), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_SNAPSHOT, {}, {4, 100}, {})), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(replica_.held(), (FeedPosition{5, 7}));
  EXPECT_EQ(replica_.ask(), (FeedPosition{5, 7})) << "what is held is right; it is the publisher that is behind";
  Accept(Message(FeedFrame::KIND_SNAPSHOT, {}, {6, 0}, {Generation("a", "1")}));
}

TEST_F(FeedReplicaTest, ADeltaThatDoesNotFitMakesItAskForEverythingButStillNeverGoBack) {
  Accept(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 7}, {Generation("a", "1")}));
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_DELTA, {5, 8}, {5, 9}, {})), absl::StatusCode::kDataLoss);
  EXPECT_TRUE(replica_.ask().nothing());
  EXPECT_EQ(replica_.held(), (FeedPosition{5, 7}));
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 6}, {})), absl::StatusCode::kFailedPrecondition);
  Accept(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 9}, {Generation("a", "1")}));
  EXPECT_EQ(replica_.ask(), (FeedPosition{5, 9}));
}

TEST_F(FeedReplicaTest, AHeartbeatBeyondWhatIsHeldMeansThatAChangeWasMissed) {
  Accept(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 7}, {}));
  EXPECT_TRUE(replica_.Offer(Message(FeedFrame::KIND_HEARTBEAT, {}, {5, 7}, {})).ok());
  EXPECT_FALSE(replica_.publisher_behind());
  EXPECT_TRUE(replica_.Offer(Message(FeedFrame::KIND_HEARTBEAT, {}, {5, 6}, {})).ok());
  EXPECT_TRUE(replica_.publisher_behind());
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_HEARTBEAT, {}, {5, 8}, {})), absl::StatusCode::kDataLoss);
}

TEST_F(FeedReplicaTest, AChangeThatIsNotFinishedIsRefused) {
  ASSERT_TRUE(replica_.Offer(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 1}, {}, /*more=*/true)).ok());
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 2}, {})), absl::StatusCode::kDataLoss);
  ASSERT_TRUE(replica_.Offer(Message(FeedFrame::KIND_SNAPSHOT, {}, {5, 1}, {}, /*more=*/true)).ok());
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_HEARTBEAT, {}, {5, 1}, {})), absl::StatusCode::kDataLoss);
}

TEST_F(FeedReplicaTest, MalformedFramesAreRefused) {
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_UNSPECIFIED, {}, {5, 1}, {})), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Refusal(Message(FeedFrame::KIND_SNAPSHOT, {}, {0, 1}, {})), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fairlead
