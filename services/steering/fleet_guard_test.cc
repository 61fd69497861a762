#include "services/steering/fleet_guard.h"

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/metrics/metrics.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

constexpr absl::Duration kNow = absl::Hours(1);

ApplianceView Box(const std::string& id, const std::string& site) {
  return {.id = ApplianceId(id), .site = SiteId(site), .kind = ApplianceKind::kStorage, .admin = AdminState::kLive};
}
BoxReport Report(HealthState health, size_t cell, uint64_t sequence = 1) {
  return {.age = {1, sequence},
          .sent_after = health == HealthState::kSilent ? absl::Seconds(21) : absl::ZeroDuration(),
          .health = health,
          .use_bps = 5,
          .capacity_bps = 6,
          .cell = cell};
}
SourceStatus Cell(const std::string& id) {
  return {.source = "cells/" + id, .position = {1, 1}, .heard_at = kNow, .connected = true};
}

// Boxes a-1 and a-2 at the embedded site a, b-1 at the exchange b with the collector b-rc.
class FleetGuardTest : public testing::Test {
 protected:
  FleetGuardTest() {
    config_.appliances = {Box("a-1", "a"), Box("a-2", "a"), Box("b-1", "b"), Box("b-rc", "b")};
    config_.appliances[3].kind = ApplianceKind::kCollector;
    config_.site_partners[SiteId("a")] = PartnerId("isp");
    config_.lost_after = absl::Seconds(21);
    for (const ApplianceView& box : config_.appliances) reports_[box.id] = Report(HealthState::kOk, box.site.value() == "a" ? 0 : 1);
    cells_ = {Cell("c1"), Cell("c2")};
  }
  GuardView View() const { return {.config = config_, .reports = reports_, .sessions = sessions_, .cells = cells_}; }
  static GuardInput InputOf(const GuardView& view) {
    GuardInput input;
    MakeGuardInput(view, kNow, input);
    return input;
  }
  GuardInput Input() const { return InputOf(View()); }

  ConfigViews config_;
  absl::flat_hash_map<ApplianceId, BoxReport> reports_;
  absl::flat_hash_map<ApplianceId, SessionCount> sessions_;
  std::vector<SourceStatus> cells_;
};

TEST_F(FleetGuardTest, ABoxIsSeenWithItsCellItsPathAndWhetherItServes) {
  reports_.erase(ApplianceId("a-2"));
  config_.appliances[1].admin = AdminState::kDraining;
  const GuardInput input = Input();
  EXPECT_EQ(input.lost_after, absl::Seconds(21));
  EXPECT_EQ(input.boxes[0].cell, CellId("c1"));
  EXPECT_EQ(input.boxes[0].path, "partners/isp");
  EXPECT_TRUE(input.boxes[0].serves);
  EXPECT_TRUE(input.boxes[0].heard);
  EXPECT_FALSE(input.boxes[1].serves);
  EXPECT_FALSE(input.boxes[1].heard);
  EXPECT_EQ(input.boxes[2].cell, CellId("c2"));
  EXPECT_EQ(input.boxes[2].path, "");
  EXPECT_FALSE(input.boxes[3].serves) << "a collector";
}

TEST_F(FleetGuardTest, ACellIsStaleFromDiskUnheardUnconnectedOrExactlyAtTheLimit) {
  EXPECT_TRUE(Input().stale_cells.empty());
  cells_[0].heard_at = kNow - absl::Seconds(10) + absl::Nanoseconds(1);
  EXPECT_TRUE(Input().stale_cells.empty());
  cells_[0].heard_at = kNow - absl::Seconds(10);
  EXPECT_THAT(Input().stale_cells, ElementsAre(Pair(CellId("c1"), "was last heard 10s ago")));
  cells_[0] = Cell("c1");
  cells_[0].from_disk = true;
  EXPECT_THAT(Input().stale_cells, ElementsAre(Pair(CellId("c1"), "has not confirmed the copy on disk")));
  cells_[0] = Cell("c1");
  cells_[0].connected = false;
  EXPECT_THAT(Input().stale_cells, ElementsAre(Pair(CellId("c1"), "was last heard 0s ago")));
  cells_[0].heard_at = -absl::InfiniteDuration();
  EXPECT_THAT(Input().stale_cells, ElementsAre(Pair(CellId("c1"), "has never been heard")));
}

TEST_F(FleetGuardTest, RouterSessionsAreDownForABoxOfWhichAllAreAndForASiteOfWhichAllAre) {
  const auto routers = [&](size_t box) { return Input().boxes[box].routers; };
  EXPECT_EQ(routers(0), RouterSessions::kUnknown);
  sessions_[ApplianceId("a-1")] = {.up = 0, .down = 2};
  EXPECT_EQ(routers(0), RouterSessions::kDown);
  EXPECT_EQ(routers(1), RouterSessions::kDown) << "all that is known of its site";
  sessions_[ApplianceId("a-2")] = {.up = 1, .down = 1};
  EXPECT_EQ(routers(0), RouterSessions::kDown);
  EXPECT_EQ(routers(1), RouterSessions::kUp);
  sessions_[ApplianceId("b-rc")] = {.up = 0, .down = 1};
  EXPECT_EQ(routers(2), RouterSessions::kDown) << "its collector says so";
}

TEST_F(FleetGuardTest, WhatPortsAndPlayersSayStandsBesideTheBox) {
  GuardView view = View();
  view.ports = {{ApplianceId("a-1"), DataPort::kRefuses}, {ApplianceId("b-1"), DataPort::kAnswers}};
  view.failing = {{ApplianceId("a-1"), 2}, {ApplianceId("a-2"), 3}};
  const GuardInput input = InputOf(view);
  EXPECT_EQ(input.boxes[0].data_port, DataPort::kRefuses);
  EXPECT_EQ(input.boxes[1].data_port, DataPort::kUnknown);
  EXPECT_EQ(input.boxes[2].data_port, DataPort::kAnswers);
  EXPECT_FALSE(input.boxes[0].client_errors) << "players of two networks, and the policy asks for three";
  EXPECT_TRUE(input.boxes[1].client_errors);
  EXPECT_FALSE(input.boxes[2].client_errors);
}

TEST_F(FleetGuardTest, OnlySilentBoxesThatServeAreAsked) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  DataPorts ports({.every = absl::Milliseconds(1)}, metrics);
  ClientFailures clients;
  FleetGuard guard(metrics, {.ports = &ports, .clients = &clients});
  for (ApplianceView& box : config_.appliances) {
    // Nobody listens at the discard port, and if somebody does, it isn't for HTTP.
    box.endpoints = {{.family = AddressFamily::kIpv4, .scheme = "http", .host = "127.0.0.1", .port = 9}};
  }
  reports_[ApplianceId("a-1")] = Report(HealthState::kSilent, 0);
  reports_[ApplianceId("b-rc")] = Report(HealthState::kSilent, 1);
  for (absl::Duration now = kNow; ports.Found().empty() && now < kNow + absl::Minutes(1); now += absl::Milliseconds(5)) {
    guard.Step(View(), now);
    absl::SleepFor(absl::Milliseconds(5));
  }
  EXPECT_THAT(ports.Found(), ElementsAre(Pair(ApplianceId("a-1"), DataPort::kRefuses)));
}

TEST_F(FleetGuardTest, PlayersThatLeaveASilentSiteCorroborateItsSilence) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  ClientFailures clients;
  FleetGuard guard(metrics, {.ports = nullptr, .clients = &clients});
  guard.Step(View(), kNow);
  for (const char* client : {"192.0.2.1", "198.51.100.1", "2001:db8::1"}) {
    clients.Note(*IpAddress::Parse(client), {ApplianceId("a-2")}, kNow + absl::Milliseconds(500));
  }
  for (const char* box : {"a-1", "a-2"}) reports_[ApplianceId(box)] = Report(HealthState::kSilent, 0);
  guard.Step(View(), kNow + absl::Seconds(1));
  EXPECT_EQ(guard.reports().at(ApplianceId("a-1")).health, HealthState::kSilent);
  EXPECT_EQ(guard.reports().at(ApplianceId("a-2")).health, HealthState::kSilent);
  EXPECT_THAT(guard.words().at(ApplianceId("a-2")), HasSubstr("clients fail at it"));
  EXPECT_THAT(guard.words().at(ApplianceId("a-1")), HasSubstr("the same is known of other boxes of its site"));
}

TEST_F(FleetGuardTest, HeldBoxesKeepTheirReportAndForgottenOnesGetItBack) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  FleetGuard guard(metrics);
  EXPECT_TRUE(guard.Step(View(), kNow) || guard.words().empty());
  const auto before = guard.reports();
  reports_[ApplianceId("a-1")] = Report(HealthState::kSilent, 0);
  reports_[ApplianceId("a-2")] = Report(HealthState::kSilent, 0);
  reports_.erase(ApplianceId("b-1"));
  EXPECT_TRUE(guard.Step(View(), kNow + absl::Seconds(1)));
  EXPECT_EQ(guard.reports().at(ApplianceId("b-1")).health, HealthState::kOk);
  EXPECT_EQ(guard.reports().at(ApplianceId("b-1")).capacity_bps, 6u);
  EXPECT_EQ(guard.reports().at(ApplianceId("a-1")).health, HealthState::kSilent);  // One may go.
  EXPECT_EQ(guard.reports().at(ApplianceId("a-2")).health, HealthState::kOk);
  EXPECT_EQ(guard.reports().at(ApplianceId("a-2")).weight_permille, before.at(ApplianceId("a-2")).weight_permille);
  EXPECT_THAT(guard.words().at(ApplianceId("a-2")), HasSubstr("held OK by the guard"));
  EXPECT_FALSE(guard.words().contains(ApplianceId("b-rc")));
  EXPECT_FALSE(guard.Step(View(), kNow + absl::Seconds(2)));
  EXPECT_THAT(registry.Text(), HasSubstr("fairlead_steering_guard_held_boxes 2"));
  EXPECT_THAT(registry.Text(), HasSubstr("fairlead_steering_guard_gone_boxes 1"));
  EXPECT_THAT(registry.Text(), HasSubstr("fairlead_steering_guard_believed_silences_total{why=\"limit\"} 1"));
}

}  // namespace
}  // namespace fairlead
