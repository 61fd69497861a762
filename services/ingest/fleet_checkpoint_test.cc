// A fleet that is put back from a checkpoint cut or spoilt anywhere is one that there was, whole.
#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/checkpoint/checkpoint.h"
#include "libs/clock/fake_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/signing/digest.h"
#include "roaring/roaring.hh"
#include "services/ingest/fleet_state.h"

namespace fairlead::ingest {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;

class NoLink final : public Link {
 public:
  void Send(const Outgoing&) override {}
  void Close(const absl::Status&) override {}
};

// A FleetState and what its feed holds.
struct Fleet {
  explicit Fleet(const Clock& clock) : metrics(registry), state({.cell = "cells/lhr"}, clock, nullptr, metrics) {}

  const std::map<std::string, std::string>& Feed() {
    state.Tick();
    for (std::vector<EncodedEntry> changes = state.TakeChanges(); !changes.empty(); changes = state.TakeChanges()) {
      for (const EncodedEntry& change : changes) {
        if (change.removal()) {
          feed.erase(std::string(change.key()));
        } else {
          feed[std::string(change.key())] = change.bytes();
        }
      }
    }
    return feed;
  }
  void Save(Checkpoint& checkpoint) {
    ChangeBatch batch;
    ApplianceId after;
    ASSERT_TRUE(state.Save(SIZE_MAX, after, batch));
    ASSERT_TRUE(checkpoint.Append(batch).ok());
  }

  Metrics registry;
  IngestMetrics metrics;
  FleetState state;
  std::map<std::string, std::string> feed;
};

class FleetCheckpointTest : public ::testing::Test {
 protected:
  FleetCheckpointTest() : fleet_(clock_) { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~FleetCheckpointTest() override { std::filesystem::remove_all(folder_); }

  void Configure(const std::string& id, bool there = true) {
    FeedChange<registry::v1::ConfigEntry> change;
    change.position = {1, ++version_};
    registry::v1::ConfigEntry& box = change.entries.emplace_back();
    box.set_key(absl::StrCat("appliances/", id));
    if (there) {
      box.mutable_appliance()->set_name(box.key());
      box.mutable_appliance()->set_kind(common::v1::APPLIANCE_KIND_STORAGE);
      box.mutable_appliance()->set_credential_sha256(Sha256Hex("secret"));
      registry::v1::ConfigEntry& session = change.entries.emplace_back();
      session.set_key(absl::StrCat("bgpSessions/of-", id));
      session.mutable_bgp_session()->set_name(session.key());
      session.mutable_bgp_session()->set_appliance(absl::StrCat("appliances/", id));
      session.mutable_bgp_session()->set_role(registry::v1::BgpSession::ROLE_DIRECT);
      session.mutable_bgp_session()->set_transport_class(common::v1::TRANSPORT_CLASS_TRANSIT);  // Needs no allow-list.
    }
    ASSERT_TRUE(fleet_.state.ApplyConfig(change).ok());
  }
  v1::Report Next(const std::string& id) {
    v1::Report report;
    report.set_incarnation(1);
    report.set_sequence(++sequences_[id]);
    return report;
  }
  void Hello(const std::string& id) {
    v1::Report report = Next(id);
    report.mutable_hello()->set_appliance(absl::StrCat("appliances/", id));
    absl::StatusOr<FleetState::Lease> lease = fleet_.state.Hello(report, "secret", std::make_shared<NoLink>());
    ASSERT_TRUE(lease.ok()) << lease.status();
    leases_[id] = *std::move(lease);
  }
  void Take(const std::string& id, const v1::Report& report) { ASSERT_TRUE(fleet_.state.Take(leases_[id], report).ok()); }
  void Beat(const std::string& id) {
    v1::Report report = Next(id);
    report.mutable_heartbeat()->mutable_network()->set_throughput_bps(static_cast<int64_t>(sequences_[id]));
    Take(id, report);
  }
  // Announced, or withdrawn: "20.0.<n>.0/24".
  void Routes(const std::string& id, const std::vector<int>& announced, const std::vector<int>& withdrawn, bool whole) {
    v1::Report report = Next(id);
    v1::RouteUpdate& update = *report.mutable_route_update();
    update.set_session(absl::StrCat("bgpSessions/of-", id));
    update.set_restart(whole);
    const auto prefix = [](int n) {
      common::v1::Prefix made;
      made.set_address(std::string("\x14\0", 2) + static_cast<char>(n) + '\0');
      made.set_length(24);
      return made;
    };
    for (const int n : announced) {
      v1::Route& route = *update.add_announced();
      *route.mutable_prefix() = prefix(n);
      route.add_as_path()->set_kind(v1::AsPathSegment::KIND_SEQUENCE);
      route.mutable_as_path(0)->add_asns(64500);
    }
    for (const int n : withdrawn) *update.add_withdrawn()->mutable_prefix() = prefix(n);
    if (whole) {
      update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
      update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
    }
    Take(id, report);
  }
  void Hold(const std::string& id, uint32_t file) {
    Roaring files;
    files.add(file);
    std::string bytes(files.getSizeInBytes(), '\0');
    files.write(bytes.data());
    v1::Report report = Next(id);
    report.mutable_holdings_update()->set_full(true);
    report.mutable_holdings_update()->set_bitmap(bytes);
    Take(id, report);
  }
  // A step: what the feed is then is one of the states that may be found again.
  void Step(Checkpoint& checkpoint) {
    feeds_.push_back(fleet_.Feed());
    fleet_.Save(checkpoint);
  }
  // Each step changes something; the boxes beat last, so that their states in the feed are of their last report.
  void Run(Checkpoint& checkpoint) {
    feeds_.push_back({});
    Configure("a");
    Configure("b");
    Hello("a");
    Routes("a", {1, 2, 3}, {}, true);
    Hold("a", 7);
    Beat("a");
    Step(checkpoint);
    Hello("b");
    Routes("b", {1}, {}, true);
    Beat("b");
    Step(checkpoint);
    Routes("a", {4}, {2}, false);
    Hold("a", 8);
    Beat("a");
    Step(checkpoint);
    Configure("b", false);
    Step(checkpoint);
    Routes("a", {4, 5}, {}, true);  // 1 and 3 are gone.
    Beat("a");
    Step(checkpoint);
  }
  std::map<std::string, std::string> Restored(const std::string& folder) {
    const auto checkpoint = Checkpoint::Open({.folder = folder, .name = "fleet"});
    EXPECT_TRUE(checkpoint.ok()) << checkpoint.status();
    Fleet fleet(clock_);
    const auto restored = fleet.state.Restore(**checkpoint);
    EXPECT_TRUE(restored.ok()) << restored.status();
    EXPECT_EQ(restored->left_out, 0u);
    return fleet.Feed();
  }
  static std::string ReadAll(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  static void WriteAll(const std::string& path, const std::string& bytes) { std::ofstream(path, std::ios::binary) << bytes; }

  FakeClock clock_;
  Fleet fleet_;
  std::string folder_ = "/tmp/fleet-checkpoint-XXXXXX";
  uint64_t version_ = 0;
  std::map<std::string, uint64_t> sequences_;
  std::map<std::string, FleetState::Lease> leases_;
  std::vector<std::map<std::string, std::string>> feeds_;
};

TEST_F(FleetCheckpointTest, CutAnywhereItIsAFleetThatThereWas) {
  Run(**Checkpoint::Open({.folder = folder_, .name = "fleet"}));
  ASSERT_EQ(Restored(folder_), feeds_.back());
  const std::string log = ReadAll(folder_ + "/fleet.log.0");
  ASSERT_GT(log.size(), 500u);
  for (size_t length = 0; length < log.size(); ++length) {
    WriteAll(folder_ + "/fleet.log.0", log.substr(0, length));
    ASSERT_THAT(feeds_, Contains(Restored(folder_))) << length;
  }
}

TEST_F(FleetCheckpointTest, WithAnyBitFlippedItIsAFleetThatThereWas) {
  Run(**Checkpoint::Open({.folder = folder_, .name = "fleet"}));
  const std::string log = ReadAll(folder_ + "/fleet.log.0");
  for (size_t bit = 0; bit < log.size() * 8; bit += 3) {  // All bytes, and over three steps all bits.
    std::string spoilt = log;
    spoilt[bit / 8] = static_cast<char>(spoilt[bit / 8] ^ (1 << bit % 8));
    WriteAll(folder_ + "/fleet.log.0", spoilt);
    ASSERT_THAT(feeds_, Contains(Restored(folder_))) << bit;
  }
}

TEST_F(FleetCheckpointTest, ACompactedCheckpointIsTheSameFleet) {
  {
    const auto checkpoint = *Checkpoint::Open({.folder = folder_, .name = "fleet"});
    Run(*checkpoint);
    ASSERT_TRUE(checkpoint->Compact().ok());
  }
  EXPECT_EQ(Restored(folder_), feeds_.back());
  std::string base = ReadAll(folder_ + "/fleet.base.1");
  EXPECT_FALSE(absl::StrContains(base, "3/b/")) << "nothing is kept of a box that isn't registered";
  base[base.size() / 2] = static_cast<char>(base[base.size() / 2] ^ 1);
  WriteAll(folder_ + "/fleet.base.1", base);
  EXPECT_EQ(Restored(folder_), feeds_.back()) << "from the log before";
}

TEST_F(FleetCheckpointTest, OnlyWhatChangedIsWritten) {
  const auto checkpoint = *Checkpoint::Open({.folder = folder_, .name = "fleet"});
  Run(*checkpoint);
  ChangeBatch batch;
  ApplianceId after;
  ASSERT_TRUE(fleet_.state.Save(SIZE_MAX, after, batch));
  EXPECT_EQ(batch.changes(), 1u) << "the time alone";
  Routes("a", {6}, {}, false);
  batch.Clear();
  after = ApplianceId();
  ASSERT_TRUE(fleet_.state.Save(SIZE_MAX, after, batch));
  EXPECT_EQ(batch.changes(), 3u) << "the route, and the box's record";
}

}  // namespace
}  // namespace fairlead::ingest
