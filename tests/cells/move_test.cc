// A box moves from one cell to another, as steerd sees it.
#include <algorithm>
#include <limits>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/feed/feed_client.h"
#include "services/ingest/ingest_fixture.h"
#include "services/steering/fleet_merge.h"

namespace fairlead::ingest {
namespace {

// More than ingestd publishes of one box at a time.
constexpr int kRoutes = 25'000;

// Two cells' feeds, merged after each change of either.
class MergedFleet {
 public:
  MergedFleet(const std::string& first, const std::string& second) {
    Follow(first, first_, first_client_, first_stub_);
    Follow(second, second_, second_client_, second_stub_);
  }
  ~MergedFleet() {
    first_client_->Stop();
    second_client_->Stop();
  }

  size_t routes() {
    absl::MutexLock lock(&mu_);
    return routes_;
  }
  // The fewest there were since the last call.
  size_t TakeFewest() {
    absl::MutexLock lock(&mu_);
    return std::exchange(fewest_, routes_);
  }
  // Which cell's report of the box counts.
  uint64_t incarnation() {
    absl::MutexLock lock(&mu_);
    return incarnation_;
  }

 private:
  using Client = FeedClient<v1::WatchFleetRequest, v1::WatchFleetResponse>;

  void Follow(const std::string& target, CellStore& store, std::unique_ptr<Client>& client,
              std::unique_ptr<v1::FleetFeedService::Stub>& stub) {
    stub = v1::FleetFeedService::NewStub(MakeChannel(target));
    FeedClientOptions<v1::WatchFleetRequest, v1::WatchFleetResponse> options;
    options.start = [&stub](auto* context, const auto& request, auto* queue) {
      return stub->PrepareAsyncWatchFleet(context, request, queue);
    };
    options.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, "service/test"); };
    options.apply = [this, &store](const FeedChange<v1::FleetEntry>& change) {
      absl::MutexLock lock(&mu_);
      const absl::Status applied = store.Apply(change);
      Merge();
      return applied;
    };
    client = std::make_unique<Client>(std::move(options));
    client->Start();
  }
  void Merge() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const CellStores cells = {&first_, &second_};
    const SessionOwners owners = MergeSessions(cells);
    const ConfiguredSessions configured = {{BgpSessionId("s1"), {.index = 0, .appliance = ApplianceId("oca-1")}}};
    RouteMerge merge;
    merge.Follow(cells, owners, configured);
    std::set<Prefix> routed;
    for (const CellStore* cell : cells) {
      for (const Prefix& prefix : cell->RoutedPrefixes()) routed.insert(prefix);
    }
    const std::vector<Prefix> prefixes(routed.begin(), routed.end());
    std::vector<RouteMerge::Merged> merged;
    merge.RoutesOf(prefixes, merged);
    routes_ = 0;
    for (const RouteMerge::Merged& each : merged) routes_ += each.routes.size();
    fewest_ = std::min(fewest_, routes_);
    const auto reports = MergeReports(cells);
    const auto report = reports.find(ApplianceId("oca-1"));
    if (report != reports.end()) incarnation_ = report->second.age.incarnation;
  }

  absl::Mutex mu_;
  FleetGenerations generations_;
  CellStore first_{generations_};
  CellStore second_{generations_};
  size_t routes_ ABSL_GUARDED_BY(mu_) = 0;
  size_t fewest_ ABSL_GUARDED_BY(mu_) = std::numeric_limits<size_t>::max();
  uint64_t incarnation_ ABSL_GUARDED_BY(mu_) = 0;
  std::unique_ptr<v1::FleetFeedService::Stub> first_stub_;
  std::unique_ptr<v1::FleetFeedService::Stub> second_stub_;
  std::unique_ptr<Client> first_client_;
  std::unique_ptr<Client> second_client_;
};

class MoveTest : public IngestTest {
 protected:
  void SetUp() override {
    IngestTest::SetUp();
    Configure();
    sources_.Set("partners/isp", "asns: 64500 allowed_prefixes: '20.0.0.0/8'");
    Start();
    first_ = std::move(server_);
    port_ = 0;
    // The second cell keeps its files elsewhere.
    first_dir_ = state_dir_;
    IngestTest::SetUp();
    Start();
    merged_ = std::make_unique<MergedFleet>(first_->target(), server_->target());
  }
  void TearDown() override {
    merged_.reset();
    first_.reset();
    ASSERT_EQ(std::system(absl::StrCat("rm -r ", first_dir_).c_str()), 0);
    IngestTest::TearDown();
  }

  std::unique_ptr<Agent> Box(const std::string& target, uint64_t incarnation) {
    std::unique_ptr<Agent> box;
    EXPECT_TRUE(Eventually([&] {
      box = std::make_unique<Agent>(target, "oca-1", incarnation);
      box->Hello();
      return box->Greeted();
    }));
    return box;
  }
  static void SendTable(Agent& box, int from, int to) {
    for (int i = from; i < to; i += 1'000) {
      v1::Report report = box.Next();
      v1::RouteUpdate& update = *report.mutable_route_update();
      update.set_session("bgpSessions/s1");
      update.set_restart(i == 0);
      for (int j = i; j < std::min(i + 1'000, to); ++j) {
        *update.add_announced() = MakeRoute(absl::StrCat("20.", j % 256, ".", j / 256, ".0/24"), {64500});
      }
      if (to == kRoutes && i + 1'000 >= to) {
        update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
        update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
      }
      box.Send(report);
    }
    ASSERT_TRUE(box.Acked());
  }

  std::string first_dir_;
  std::unique_ptr<IngestServer> first_;
  std::unique_ptr<MergedFleet> merged_;
};

TEST_F(MoveTest, ABoxThatMovesToAnotherCellKeepsItsRoutesAllTheTime) {
  std::unique_ptr<Agent> box = Box(first_->target(), 1);
  SendTable(*box, 0, kRoutes);
  ASSERT_TRUE(Eventually([this] { return merged_->routes() == kRoutes; }));
  merged_->TakeFewest();

  box = Box(server_->target(), 2);
  ASSERT_TRUE(Eventually([this] { return merged_->incarnation() == 2; })) << "its health is that of the new cell at once";
  SendTable(*box, 0, 10'000);  // Not whole yet.
  box->Beat();
  ASSERT_TRUE(box->Acked());
  EXPECT_EQ(merged_->routes(), static_cast<size_t>(kRoutes));
  SendTable(*box, 10'000, kRoutes);
  // Now they are those of the new cell: a withdrawal there counts.
  v1::Report report = box->Next();
  report.mutable_route_update()->set_session("bgpSessions/s1");
  *report.mutable_route_update()->add_withdrawn()->mutable_prefix() = MakeRoute("20.0.0.0/24", {}).prefix();
  ASSERT_TRUE(Eventually(
      [this] { return server_->MetricsText().find(absl::StrCat("fairlead_ingest_feed_entries ", kRoutes + 2)) != std::string::npos; }));
  EXPECT_EQ(merged_->TakeFewest(), static_cast<size_t>(kRoutes)) << "a hole";
  box->Send(report);
  EXPECT_TRUE(Eventually([this] { return merged_->routes() == kRoutes - 1; }));
}

TEST_F(MoveTest, ABoxThatComesBackHasItsNewestTableAllTheTime) {
  std::unique_ptr<Agent> box = Box(first_->target(), 1);
  SendTable(*box, 0, kRoutes);
  // While it is at the second cell, it hears two routes more.
  box = Box(server_->target(), 2);
  SendTable(*box, 0, kRoutes);
  box->Routes("s1", {MakeRoute("20.0.200.0/24", {64500}), MakeRoute("20.1.200.0/24", {64500})});
  ASSERT_TRUE(box->Acked());
  ASSERT_TRUE(Eventually([this] { return merged_->routes() == kRoutes + 2; }));
  merged_->TakeFewest();

  box = Box(first_->target(), 3);
  ASSERT_TRUE(Eventually([this] { return merged_->incarnation() == 3; }));
  SendTable(*box, 0, 10'000);
  EXPECT_EQ(merged_->TakeFewest(), static_cast<size_t>(kRoutes + 2)) << "not the table that the first cell had then";
  SendTable(*box, 10'000, kRoutes);
  EXPECT_TRUE(Eventually([this] { return merged_->routes() == kRoutes; })) << "now it is";
}

}  // namespace
}  // namespace fairlead::ingest
