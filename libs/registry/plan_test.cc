#include "libs/registry/plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/registry/admin_state.h"
#include "libs/registry/test_fleet.h"

namespace fairlead::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(PlanTest, ACreationStartsAtGenerationOneAndIgnoresOutputOnlyFields) {
  Appliance wish = TestAppliance("oca-2", "198.51.100.11");
  wish.admin_state = AdminState::kLive;
  wish.credential_sha256 = "stolen";
  const absl::StatusOr<Write<Appliance>> write = PlanCreate(TestFleet(), wish, TestRules());
  ASSERT_TRUE(write.ok()) << write.status();
  EXPECT_EQ(write->after->etag(), "\"1\"");
  EXPECT_EQ(write->after->value.admin_state, AdminState::kProvisioning);
  EXPECT_EQ(write->after->value.credential_sha256, "");
  EXPECT_EQ(write->after->meta.create_time, kTestTime);
}

TEST(PlanTest, AReferenceToNothingIsNotFoundWithFieldAndValue) {
  Site site = TestSite("lhr002");
  site.partner = PartnerId("nobody");
  const absl::Status status = PlanCreate(TestFleet(), site, TestRules()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FieldOf(status), "site.partner");
  EXPECT_EQ(ValueOf(status), "partners/nobody");
}

TEST(PlanTest, APolicysStepsMayNameOnlyPartnersThatThereAre) {
  Policy policy;
  policy.id = PolicyId("steering");
  policy.steering.emplace().class_steps = {{.transport_class = TransportClass::kTransit, .partner = PartnerId("isp"), .steps = {}}};
  EXPECT_TRUE(PlanCreate(TestFleet(), policy, TestRules()).ok());
  policy.steering->class_steps.push_back({.transport_class = TransportClass::kTransit, .partner = PartnerId("nobody"), .steps = {}});
  const absl::Status status = PlanCreate(TestFleet(), policy, TestRules()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FieldOf(status), "policy.steering.class_steps[1].partner");
  EXPECT_EQ(ValueOf(status), "partners/nobody");
}

TEST(PlanTest, AnIdIsNeverReused) {
  Fleet fleet = TestFleet();
  EXPECT_EQ(PlanCreate(fleet, TestSite(), TestRules()).status().code(), absl::StatusCode::kAlreadyExists);
  fleet.Delete<Site>(SiteId("gone"));
  const absl::Status status = PlanCreate(fleet, TestSite("gone"), TestRules()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("never reused"));
  EXPECT_THAT(std::string(PlanDelete<Site>(fleet, SiteId("gone"), "").status().message()), HasSubstr("was deleted"));
}

TEST(PlanTest, AStaleEtagIsAbortedNamingBoth) {
  const Fleet fleet = TestFleet();
  const absl::Status status = PlanUpdate(fleet, TestSite(), "\"7\"", TestRules()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"7\""));
  EXPECT_THAT(std::string(status.message()), HasSubstr("\"1\""));
}

TEST(PlanTest, AnUpdateRaisesTheGenerationAndOneThatChangesNothingDoesNot) {
  const Fleet fleet = TestFleet();
  Site site = TestSite();
  absl::StatusOr<Write<Site>> write = PlanUpdate(fleet, site, "\"1\"", TestRules());
  ASSERT_TRUE(write.ok()) << write.status();
  EXPECT_EQ(write->before, write->after);
  site.display_name = "London";
  write = PlanUpdate(fleet, site, "\"1\"", TestRules());
  ASSERT_TRUE(write.ok()) << write.status();
  EXPECT_EQ(write->after->meta.generation, 2);
}

TEST(PlanTest, AnUpdateNeverChangesOutputOnlyFields) {
  Fleet fleet = TestFleet();
  Appliance live = fleet.Find<Appliance>(ApplianceId("oca-1"))->value;
  live.admin_state = AdminState::kLive;
  fleet.Apply(MakeUpdate(fleet.Find<Appliance>(ApplianceId("oca-1")), live, kTestTime));
  Appliance wish = TestAppliance();
  wish.display_name = "new";
  const auto write = PlanUpdate(fleet, wish, "", TestRules());
  ASSERT_TRUE(write.ok()) << write.status();
  EXPECT_EQ(write->after->value.admin_state, AdminState::kLive);
}

TEST(PlanTest, DeletingWhatIsInUseNamesItsUsers) {
  const absl::Status status = PlanDelete<Site>(TestFleet(), SiteId("lhr001"), "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  for (const char* user : {"links/lhr001-uplink", "clusters/lhr001-a", "appliances/oca-1", "cells/cell-1"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(user));
  }
  EXPECT_TRUE(PlanDelete<Site>(TestFleet(), SiteId("ams-ix"), "").ok());
}

TEST(PlanTest, ABoxThatMayServeIsNotDeleted) {
  Fleet fleet = TestFleet();
  fleet.Delete<BgpSession>(BgpSessionId("oca-1-isp"));
  EXPECT_TRUE(PlanDelete<Appliance>(fleet, ApplianceId("oca-1"), "").ok());
  Appliance live = fleet.Find<Appliance>(ApplianceId("oca-1"))->value;
  live.admin_state = AdminState::kLive;
  fleet.Apply(MakeUpdate(fleet.Find<Appliance>(ApplianceId("oca-1")), live, kTestTime));
  const absl::Status status = PlanDelete<Appliance>(fleet, ApplianceId("oca-1"), "").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("LIVE"));
}

TEST(PlanTest, AnUpdateThatBreaksAnotherResourceIsRefusedNamingIt) {
  Cluster moved = TestCluster();
  moved.site = SiteId("ams-ix");
  const absl::Status status = PlanUpdate(TestFleet(), moved, "", TestRules()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("appliances/oca-1"));
}

TEST(PlanTest, SerialsEndpointsPeersAndCellAddressesAreUnique) {
  const Fleet fleet = TestFleet();
  Appliance same_serial = TestAppliance("oca-2", "198.51.100.11");
  same_serial.serial = "SN-oca-1";
  absl::Status status = PlanCreate(fleet, same_serial, TestRules()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(FieldOf(status), "appliance.serial");
  EXPECT_THAT(std::string(status.message()), HasSubstr("appliances/oca-1"));
  EXPECT_EQ(FieldOf(PlanCreate(fleet, TestAppliance("oca-2"), TestRules()).status()), "appliance.endpoints");
  EXPECT_EQ(FieldOf(PlanCreate(fleet, TestSession("second"), TestRules()).status()), "bgp_session.peer_address");
  EXPECT_EQ(FieldOf(PlanCreate(fleet, TestCell("cell-2"), TestRules()).status()), "cell.address");
  EXPECT_EQ(FieldOf(PlanCreate(fleet, TestCell("cell-2", "127.0.0.1:7003"), TestRules()).status()), "cell.sites") << "a site has one cell";
}

TEST(PlanTest, AllowListsOverlapByConsentOfBothOnly) {
  Fleet fleet = TestFleet();
  Partner inside = TestPartner("other", "198.51.100.128/25", 64501);
  absl::Status status = PlanCreate(fleet, inside, TestRules()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("198.51.100.0/24 of partners/isp"));
  inside.allow_prefix_overlap = true;
  EXPECT_FALSE(PlanCreate(fleet, inside, TestRules()).ok()) << "one consent is not enough";
  Partner consenting = TestPartner();
  consenting.allow_prefix_overlap = true;
  fleet.Apply(*PlanUpdate(fleet, consenting, "", TestRules()));
  const auto write = PlanCreate(fleet, inside, TestRules());
  ASSERT_TRUE(write.ok()) << write.status();
  fleet.Apply(*write);
  EXPECT_FALSE(PlanUpdate(fleet, TestPartner(), "", TestRules()).ok()) << "consent can't be withdrawn while they overlap";
}

TEST(PlanTest, KindsThatDontFitTogetherAreRefused) {
  const Fleet fleet = TestFleet();
  Appliance origin = TestAppliance("origin-1", "198.51.100.12");
  origin.kind = ApplianceKind::kOrigin;
  origin.cluster = ClusterId();
  EXPECT_EQ(FieldOf(PlanCreate(fleet, origin, TestRules()).status()), "appliance.kind");
  Appliance hungry = TestAppliance("oca-2", "198.51.100.11");
  hungry.power_watts = 751;
  EXPECT_EQ(FieldOf(PlanCreate(fleet, hungry, TestRules()).status()), "appliance.power_watts");
  BgpSession via = TestSession("via");
  via.role = SessionRole::kViaRouter;
  via.router_feed = BgpSessionId("oca-1-isp");
  EXPECT_EQ(FieldOf(PlanCreate(fleet, via, TestRules()).status()), "bgp_session.appliance") << "needs a collector";
}

TEST(FleetPlanTest, ApplyingTwiceChangesNothing) {
  const FleetPlan again = PlanFleet(TestFleet(), TestDeclared(), true, TestRules());
  EXPECT_THAT(again.writes, IsEmpty());
  EXPECT_THAT(again.problems, IsEmpty());
  EXPECT_EQ(again.unchanged, 8);
}

TEST(FleetPlanTest, CreationsComeInTheOrderOfKindsAndDeletionsReversed) {
  const FleetPlan created = PlanFleet(Fleet(), TestDeclared(), true, TestRules());
  std::vector<std::string> names;
  for (const AnyWrite& write : created.writes) names.push_back(NameOf(write));
  EXPECT_THAT(names, ElementsAre("partners/isp", "sites/lhr001", "sites/ams-ix", "links/lhr001-uplink", "clusters/lhr001-a",
                                 "appliances/oca-1", "bgpSessions/oca-1-isp", "cells/cell-1"));
  const FleetPlan emptied = PlanFleet(TestFleet(), DeclaredFleet(), true, TestRules());
  EXPECT_THAT(emptied.problems, IsEmpty());
  ASSERT_THAT(emptied.writes, SizeIs(8));
  EXPECT_EQ(NameOf(emptied.writes.front()), "cells/cell-1");
  EXPECT_EQ(NameOf(emptied.writes.back()), "partners/isp");
}

TEST(FleetPlanTest, NothingIsDeletedWithoutPrune) {
  const FleetPlan plan = PlanFleet(TestFleet(), DeclaredFleet(), false, TestRules());
  EXPECT_THAT(plan.writes, IsEmpty());
  EXPECT_THAT(plan.unlisted, SizeIs(8));
  EXPECT_EQ(plan.unlisted.front(), "appliances/oca-1");
}

TEST(FleetPlanTest, PruningWhatIsStillUsedNamesTheUsers) {
  DeclaredFleet declared = TestDeclared();
  declared.Of<Link>().clear();
  const FleetPlan plan = PlanFleet(TestFleet(), declared, true, TestRules());
  ASSERT_THAT(plan.problems, SizeIs(1));
  EXPECT_THAT(std::string(plan.problems[0].status.message()), HasSubstr("bgpSessions/oca-1-isp"));
}

TEST(FleetPlanTest, ProblemsOfSeveralResourcesAreReportedTogether) {
  DeclaredFleet declared = TestDeclared();
  declared.Of<Site>()[0].country = "England";
  declared.Of<Cluster>()[0].copies = 0;
  declared.Of<Cell>().push_back(declared.Of<Cell>()[0]);
  const FleetPlan plan = PlanFleet(Fleet(), declared, false, TestRules());
  ASSERT_THAT(plan.problems, SizeIs(3));
  EXPECT_EQ(plan.problems[0].resource, "sites/lhr001");
  EXPECT_EQ(plan.problems[1].resource, "clusters/lhr001-a");
  EXPECT_THAT(std::string(plan.problems[2].status.message()), HasSubstr("declared twice"));
}

TEST(FleetPlanTest, OneFileMaySwapTwoSerials) {
  DeclaredFleet declared = TestDeclared();
  declared.Of<Appliance>().push_back(TestAppliance("oca-2", "198.51.100.11"));
  Fleet fleet;
  for (const AnyWrite& write : PlanFleet(fleet, declared, false, TestRules()).writes) fleet.Apply(write);
  std::swap(declared.Of<Appliance>()[0].serial, declared.Of<Appliance>()[1].serial);
  const FleetPlan plan = PlanFleet(fleet, declared, false, TestRules());
  EXPECT_THAT(plan.problems, IsEmpty());
  EXPECT_THAT(plan.writes, SizeIs(2));
}

TEST(DiffTest, ChangesAreToldByFieldAndInsideMessages) {
  Site before = *Canonical(TestSite(), TestRules());
  Site after = before;
  after.coordinates->latitude = 52;
  after.open_to_unrouted = true;
  EXPECT_THAT(Diff(before, after),
              ElementsAre(FieldChange{"coordinates.latitude", "51.47", "52"}, FieldChange{"open_to_unrouted", "false", "true"}));
  after.coordinates.reset();
  EXPECT_EQ(Diff(before, after)[0].path, "coordinates");
  EXPECT_EQ(Diff(before, after)[0].after, "");
  EXPECT_EQ(RenderText(TestAppliance().tiers), "[{tier: DISK, capacity_bytes: 200000000000000}]");
}

TEST(AdminStateTest, TheLifeOfABoxHasNoShortCuts) {
  using S = AdminState;
  EXPECT_TRUE(CheckAdminMove(S::kProvisioning, S::kLive).ok());
  EXPECT_TRUE(CheckAdminMove(S::kLive, S::kDraining).ok());
  EXPECT_TRUE(CheckAdminMove(S::kDraining, S::kLive).ok());
  EXPECT_TRUE(CheckAdminMove(S::kDrained, S::kRetired).ok());
  EXPECT_TRUE(CheckAdminMove(S::kLive, S::kLive).ok());
  for (const S from : {S::kProvisioning, S::kLive, S::kDraining, S::kDrained}) EXPECT_TRUE(CheckAdminMove(from, S::kDisabled).ok());
  for (const S to : {S::kProvisioning, S::kLive, S::kDraining, S::kDrained, S::kDisabled}) {
    EXPECT_EQ(CheckAdminMove(S::kRetired, to).code(), absl::StatusCode::kFailedPrecondition);
  }
  const absl::Status status = CheckAdminMove(S::kLive, S::kRetired);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("LIVE may go to DRAINING, DISABLED"));
}

TEST(FleetTest, ACopyIsASnapshot) {
  Fleet fleet = TestFleet();
  const Fleet copy = fleet;
  fleet.Delete<Cell>(CellId("cell-1"));
  EXPECT_EQ(fleet.Find<Cell>(CellId("cell-1")), nullptr);
  EXPECT_NE(copy.Find<Cell>(CellId("cell-1")), nullptr);
  EXPECT_FALSE(copy.WasDeleted<Cell>(CellId("cell-1")));
}

}  // namespace
}  // namespace fairlead::registry
