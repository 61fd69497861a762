// Config feeds and the boxes' configs through the front door.
#include "services/registry/service_fixture.h"

namespace fairlead::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(ServiceTest, ABoxIsToldItsOwnPartWithItsOwnCellFirst) {
  Fill();
  ASSERT_TRUE(CreateKey().ok());
  const auto config = GetConfig("appliances/oca-1");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->appliance().name(), "appliances/oca-1");
  EXPECT_EQ(config->site().name(), "sites/lhr001");
  ASSERT_THAT(config->bgp_sessions(), SizeIs(1));
  ASSERT_THAT(config->cells(), SizeIs(2));
  EXPECT_EQ(config->cells(0).name(), "cells/cell-1");
  EXPECT_THAT(config->fill_addresses(), ElementsAre("127.0.0.1:7003", "[::1]:7003"));
  EXPECT_THAT(config->signing_keys(), SizeIs(1));
  const auto unchanged = GetConfig("appliances/oca-1", config->generation());
  EXPECT_TRUE(unchanged->unchanged());
  EXPECT_FALSE(unchanged->has_appliance());
  EXPECT_EQ(GetConfig("appliances/none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ServiceTest, AGenerationChangesExactlyWithTheBoxesOwnPart) {
  Fill();
  const std::string one = Generation("oca-1");
  const std::string two = Generation("oca-2");
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok());
  EXPECT_NE(Generation("oca-1"), one);
  EXPECT_EQ(Generation("oca-2"), two);

  // Another site joining a cell, or another partner, concerns no box here.
  std::string more = kFleet;
  more += "  - {id: cell-9, address: \"127.0.0.1:7009\"}\n";
  const std::string one_live = Generation("oca-1");
  ASSERT_TRUE(Apply("partners:\n  - {id: other, asns: [64501]}\n").ok());
  ASSERT_TRUE(Apply("cells:\n  - {id: cell-2, address: \"127.0.0.1:7003\", sites: []}\n").ok());
  EXPECT_EQ(Generation("oca-1"), one_live);
  // A new cell concerns all.
  ASSERT_TRUE(Apply(more).ok());
  EXPECT_NE(Generation("oca-1"), one_live);
  EXPECT_NE(Generation("oca-2"), two);
  // A session moved from one box to another concerns both. oca-2 has no speaker yet.
  const std::string one_before = Generation("oca-1");
  const std::string two_before = Generation("oca-2");
  v1::DeleteBgpSessionRequest remove;
  remove.set_name("bgpSessions/oca-1-isp");
  google::protobuf::Empty empty;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::DeleteBgpSession, remove, empty).ok());
  EXPECT_NE(Generation("oca-1"), one_before);
  EXPECT_EQ(Generation("oca-2"), two_before);
}

TEST_F(ServiceTest, AFeedGivesEverythingInItsScopeThenChanges) {
  Fill();
  ASSERT_TRUE(CreateKey().ok());
  FeedHolder cell;
  Watch cells(*config_, v1::CONFIG_SCOPE_CELL);
  ASSERT_TRUE(cells.Until(cell, [&] { return cell.entries.contains("sites/lhr001"); }));
  EXPECT_TRUE(cell.entries.contains("generations/oca-1"));
  EXPECT_FALSE(cell.entries.contains("clusters/lhr001-a"));
  for (const auto& [key, entry] : cell.entries) {
    EXPECT_NE(entry.value_case(), v1::ConfigEntry::kSigningKey) << key;
    EXPECT_EQ(key.find("settings/"), std::string::npos) << key;
  }
  FeedHolder steering;
  Watch steerd(*config_, v1::CONFIG_SCOPE_STEERING);
  ASSERT_TRUE(steerd.Until(steering, [&] { return steering.entries.contains("clusters/lhr001-a"); }));
  EXPECT_FALSE(steering.entries.contains("generations/oca-1"));

  const std::string before = cell.entries["generations/oca-1"].generation().generation();
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok());
  ASSERT_TRUE(
      cells.Until(cell, [&] { return cell.entries["appliances/oca-1"].appliance().admin_state() == common::v1::ADMIN_STATE_LIVE; }));
  EXPECT_NE(cell.entries["generations/oca-1"].generation().generation(), before) << "in the same change";
  EXPECT_EQ(cell.kinds.back(), common::v1::FeedFrame::KIND_DELTA);
  EXPECT_EQ(cell.position.version(), store_.Position()->version);

  v1::DeleteBgpSessionRequest remove;
  remove.set_name("bgpSessions/oca-1-isp");
  google::protobuf::Empty empty;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::DeleteBgpSession, remove, empty).ok());
  EXPECT_TRUE(steerd.Until(steering, [&] { return !steering.entries.contains("bgpSessions/oca-1-isp"); }));
}

TEST_F(ServiceTest, ASubscriberGoesOnFromWhatItHoldsAndANewEpochIsASnapshot) {
  Fill();
  FeedHolder held;
  {
    Watch first(*config_, v1::CONFIG_SCOPE_FILL);
    ASSERT_TRUE(first.Until(held, [&] { return held.entries.contains("sites/lhr001"); }));
  }
  ASSERT_TRUE(Apply("sites:\n  - {id: fra-ix, kind: IX}\n").ok());
  {
    Watch second(*config_, v1::CONFIG_SCOPE_FILL, held.position);
    ASSERT_TRUE(second.Until(held, [&] { return held.entries.contains("sites/fra-ix"); }));
    EXPECT_EQ(held.kinds.back(), common::v1::FeedFrame::KIND_DELTA);
    store_.RaiseEpoch();
    const uint64_t epoch = held.position.epoch();
    ASSERT_TRUE(second.Until(held, [&] { return held.position.epoch() > epoch; }));
    EXPECT_EQ(held.kinds.back(), common::v1::FeedFrame::KIND_SNAPSHOT);
    EXPECT_TRUE(held.entries.contains("sites/fra-ix"));
  }
}

TEST_F(ServiceTest, AChangeByAnotherReplicaReachesTheFeed) {
  Fill();
  Metrics other_metrics;
  ServerOptions options;
  options.fill_addresses = "127.0.0.1:7003,[::1]:7003";
  const std::unique_ptr<Server> other = Server::Start(options, store_, clock_, other_metrics).value();
  const auto other_stub = v1::RegistryService::NewStub(MakeChannel(other->target()));
  v1::CreateSiteRequest create;
  create.set_site_id("fra-ix");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  v1::Site site;
  ASSERT_TRUE(Call(*other_stub, &v1::RegistryService::Stub::CreateSite, create, site).ok());
  EXPECT_TRUE(GetSite("sites/fra-ix").ok()) << "a read sees what any replica has written";
  FeedHolder held;
  Watch watch(*config_, v1::CONFIG_SCOPE_CELL);
  EXPECT_TRUE(watch.Until(held, [&] { return held.entries.contains("sites/fra-ix"); }));
}

TEST_F(ServiceTest, AFeedWithoutAScopeIsRefused) {
  Watch watch(*config_, v1::CONFIG_SCOPE_UNSPECIFIED);
  EXPECT_EQ(watch.Finish().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ServiceTest, WithTheStoreDownWritesFailClearlyAndFeedsAndConfigsGoOn) {
  Fill();
  store_.FailWith(absl::UnavailableError("PostgreSQL can't be reached: test"));
  const absl::Status status = GetSite("sites/lhr001").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("PostgreSQL can't be reached"));
  EXPECT_EQ(Apply(kFleet).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(GetConfig("appliances/oca-1").ok());
  FeedHolder held;
  Watch watch(*config_, v1::CONFIG_SCOPE_STEERING);
  EXPECT_TRUE(watch.Until(held, [&] { return held.entries.contains("sites/lhr001"); })) << "even for a new subscriber";
  EXPECT_TRUE(Eventually([&] { return server_->metrics().store_up.Value() == 0; }));
  store_.FailWith(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] { return server_->metrics().store_up.Value() == 1; }));
  EXPECT_TRUE(GetSite("sites/lhr001").ok());
}

TEST_F(ServiceTest, ARestoreWithoutANewEpochIsRefusedAndWithOneIsFollowed) {
  Fill();
  store_.GoBack(1);
  const absl::Status status = GetSite("sites/lhr001").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("raise_epoch"));
  store_.RaiseEpoch();
  EXPECT_TRUE(GetSite("sites/lhr001").ok());
}

}  // namespace
}  // namespace fairlead::registry
