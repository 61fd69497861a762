// The contract of Store, on every implementation.
#include "services/registry/store.h"

#include <functional>
#include <memory>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/pg/pool.h"
#include "libs/registry/drain_plan.h"
#include "libs/registry/test_fleet.h"
#include "services/registry/fake_store.h"
#include "services/registry/pg_store.h"
#include "tests/testing/postgres.h"

namespace fairlead::registry {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A store and what it stands on.
struct Made {
  std::unique_ptr<pg::Pool> pool;
  std::unique_ptr<Store> store;
};

Made MakeFake() {
  return {nullptr, std::make_unique<FakeStore>()};
}

Made MakePg() {
  Made made;
  const std::string uri = SharedPostgres({"registry"}).NewDatabase().value();
  made.pool = std::make_unique<pg::Pool>(pg::ParseUri(uri).value(), pg::PoolOptions{});
  made.store = std::make_unique<PgStore>(*made.pool);
  return made;
}

class StoreTest : public ::testing::TestWithParam<Made (*)()> {
 protected:
  StoreTest() : made_(GetParam()()), store_(*made_.store) {}

  // The fleet as the store has it.
  Fleet Read() {
    const absl::StatusOr<ChangeSet> changes = store_.ChangesSince({});
    EXPECT_TRUE(changes.ok()) << changes.status();
    Fleet fleet;
    Merge(*changes, fleet);
    return fleet;
  }
  static void Merge(const ChangeSet& changes, Fleet& fleet) {
    AllKinds::ForEach([&]<typename T>() {
      for (const RecordPtr<T>& record : changes.Of<T>().put) fleet.Put<T>(record);
      for (const auto& id : changes.Of<T>().deleted) fleet.Delete<T>(id);
    });
    fleet.set_position(changes.position);
  }

  // A batch on the newest state; records get uids made from their names.
  Batch BatchOf(std::vector<AnyWrite> writes) {
    Batch batch;
    batch.base = store_.Position().value();
    for (AnyWrite& any : writes) {
      std::visit(
          []<typename T>(Write<T>& write) {
            if (!write.creates()) return;
            Record<T> record = *write.after;
            record.meta.uid = "uid-of-" + write.name();
            write.after = std::make_shared<const Record<T>>(record);
          },
          any);
      AuditEntry entry;
      entry.time = kTestTime;
      entry.principal = "operator/test";
      entry.method = "Test";
      entry.resource = NameOf(any);
      entry.after_json = R"({"a":1})";
      batch.audit.push_back(entry);
    }
    batch.writes = std::move(writes);
    return batch;
  }
  Batch Everything() { return BatchOf(PlanFleet(Fleet(), TestDeclared(), false, TestRules()).writes); }
  void Fill() { ASSERT_TRUE(store_.Commit(Everything()).ok()); }

  Made made_;
  Store& store_;
};

TEST_P(StoreTest, WhatIsWrittenIsReadBackWhole) {
  const ConfigPosition before = store_.Position().value();
  const Batch batch = Everything();
  const absl::StatusOr<ConfigPosition> after = store_.Commit(batch);
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_EQ(after->epoch, before.epoch);
  EXPECT_EQ(after->version, before.version + 1);
  EXPECT_EQ(*store_.Position(), *after);
  const Fleet fleet = Read();
  EXPECT_EQ(fleet.position(), *after);
  for (const AnyWrite& any : batch.writes) {
    std::visit(
        [&]<typename T>(const Write<T>& write) {
          const RecordPtr<T> read = fleet.Find<T>(write.after->value.id);
          ASSERT_NE(read, nullptr) << write.name();
          EXPECT_TRUE(*read == *write.after) << write.name() << " " << RenderText(read->value) << " " << read->meta.uid;
        },
        any);
  }
}

TEST_P(StoreTest, EveryFieldSurvives) {
  DeclaredFleet declared = TestDeclared();
  Contact contact;
  contact.name = "O'Brien; DROP TABLE \"x\" \\";
  contact.email = "noc@isp.example";
  declared.Of<Partner>()[0].contacts = {contact};
  declared.Of<Partner>()[0].display_name = "Zürich — 東京";
  declared.Of<Partner>()[0].asns = {64500, 4199999999U};
  FillPolicy fill;
  fill.escalation_wait = absl::Milliseconds(1500);
  fill.fill_masters = 3;
  declared.Of<Cluster>()[0].fill_policy = fill;
  declared.Of<Cell>()[0].sites = {SiteId("lhr001"), SiteId("ams-ix")};
  Policy steering;
  steering.id = PolicyId("steering");
  steering.steering.emplace();
  steering.steering->steps = {ProximityStep::kDistance, ProximityStep::kMed};
  steering.steering->full_at = 0.1;
  steering.steering->token_lifetime = absl::Hours(3);
  GuardPolicy guard;
  guard.mode = GuardMode::kBelieveNone;
  guard.removable_share = 0.25;
  guard.window = absl::Seconds(90);
  steering.steering->guard = guard;
  steering.steering->steps = {ProximityStep::kTransportClass, ProximityStep::kMed};
  steering.steering->class_steps = {{.transport_class = TransportClass::kTransit, .partner = {}, .steps = {ProximityStep::kDistance}},
                                    {.transport_class = TransportClass::kPublicPeering, .partner = PartnerId("isp"), .steps = {}}};
  declared.Of<Policy>() = {steering};
  const Batch batch = BatchOf(PlanFleet(Fleet(), declared, false, TestRules()).writes);
  const auto committed = store_.Commit(batch);
  ASSERT_TRUE(committed.ok()) << committed.status();
  const FleetPlan again = PlanFleet(Read(), declared, true, TestRules());
  EXPECT_THAT(again.writes, IsEmpty()) << "something was not read back as it was written";
  EXPECT_THAT(again.problems, IsEmpty());
}

TEST_P(StoreTest, ADrainAndItsBoxesSurviveInOneBatchWithEveryField) {
  Fill();
  Fleet fleet = Read();
  Appliance box = fleet.Find<Appliance>(ApplianceId("oca-1"))->value;
  box.admin_state = AdminState::kDraining;
  box.drain = ApplianceDrain{DrainId("d-1"), DrainPhase::kLameDuck};
  Drain drain;
  drain.id = DrainId("d-1");
  drain.target = "sites/lhr001";
  drain.start_time = kTestTime + absl::Microseconds(1);
  drain.reason = "O'Brien's \"rack\" — moved";
  drain.phase = DrainPhase::kLameDuck;
  drain.boxes = {{.appliance = box.id,
                  .phase = DrainPhase::kLameDuck,
                  .phase_time = kTestTime + absl::Microseconds(123'457),
                  .detail = "a \"b\"",
                  .report_time = kTestTime + absl::Hours(1)},
                 {.appliance = ApplianceId("oca-2"), .phase = DrainPhase::kReleased}};
  const auto committed = store_.Commit(BatchOf({MakeCreate(drain, kTestTime), MakeUpdate(fleet.Find<Appliance>(box.id), box, kTestTime)}));
  ASSERT_TRUE(committed.ok()) << committed.status();
  fleet = Read();
  EXPECT_EQ(fleet.Find<Drain>(drain.id)->value, drain) << "without an end";
  EXPECT_EQ(fleet.Find<Appliance>(box.id)->value, box);
  drain.end_time = drain.start_time + absl::Hours(3);
  ASSERT_TRUE(store_.Commit(BatchOf({MakeUpdate(fleet.Find<Drain>(drain.id), drain, kTestTime)})).ok());
  EXPECT_EQ(Read().Find<Drain>(drain.id)->value, drain);
}

// Two replicas plan the same step on the same state.
TEST_P(StoreTest, OfTwoStepsOfADrainPlannedOnOneStateOneIsWritten) {
  Fill();
  Fleet fleet = Read();
  Appliance live = fleet.Find<Appliance>(ApplianceId("oca-1"))->value;
  live.admin_state = AdminState::kLive;
  ASSERT_TRUE(store_.Commit(BatchOf({MakeUpdate(fleet.Find<Appliance>(live.id), live, kTestTime)})).ok());
  Drain wish;
  wish.id = DrainId("d-1");
  wish.target = "appliances/oca-1";
  ASSERT_TRUE(store_.Commit(BatchOf(*PlanCreateDrain(Read(), wish, TestRules()))).ok());
  const absl::Time later = kTestTime + absl::Hours(5);
  const Batch first = BatchOf(AdvanceDrains(Read(), later).writes);
  const Batch second = BatchOf(AdvanceDrains(Read(), later).writes);
  ASSERT_THAT(first.writes, SizeIs(2));
  EXPECT_TRUE(store_.Commit(first).ok());
  EXPECT_EQ(store_.Commit(second).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Read().Find<Drain>(wish.id)->value.phase, DrainPhase::kEvacuating);
  EXPECT_THAT(AdvanceDrains(Read(), later).writes, IsEmpty());
}

TEST_P(StoreTest, APolicyOfDrainsSurvives) {
  Policy policy;
  policy.id = PolicyId("drain");
  policy.drain = DrainPolicy{.draining_for = absl::Milliseconds(1500), .quiet_for = absl::Seconds(7)};
  const auto committed = store_.Commit(BatchOf({MakeCreate(policy, kTestTime)}));
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(Read().Find<Policy>(policy.id)->value, policy);
}

TEST_P(StoreTest, ChangesSinceAPositionAreOnlyThoseAfterIt) {
  Fill();
  Fleet fleet = Read();
  const ConfigPosition held = fleet.position();
  Cell cell = fleet.Find<Cell>(CellId("cell-1"))->value;
  cell.sites = {SiteId("ams-ix")};
  ASSERT_TRUE(store_.Commit(BatchOf({MakeUpdate(fleet.Find<Cell>(cell.id), cell, kTestTime)})).ok());
  ASSERT_TRUE(store_.Commit(BatchOf({Write<BgpSession>{fleet.Find<BgpSession>(BgpSessionId("oca-1-isp")), nullptr}})).ok());

  const absl::StatusOr<ChangeSet> changes = store_.ChangesSince(held);
  ASSERT_TRUE(changes.ok()) << changes.status();
  EXPECT_FALSE(changes->whole);
  ASSERT_THAT(changes->Of<Cell>().put, SizeIs(1));
  EXPECT_THAT(changes->Of<Cell>().put[0]->value.sites, ::testing::ElementsAre(SiteId("ams-ix")));
  EXPECT_EQ(changes->Of<Cell>().put[0]->meta.generation, 2);
  EXPECT_THAT(changes->Of<BgpSession>().deleted, ::testing::ElementsAre(BgpSessionId("oca-1-isp")));
  EXPECT_THAT(changes->Of<Site>().put, IsEmpty());
  Merge(*changes, fleet);
  EXPECT_TRUE(fleet.WasDeleted<BgpSession>(BgpSessionId("oca-1-isp")));
  EXPECT_TRUE(Read().WasDeleted<BgpSession>(BgpSessionId("oca-1-isp"))) << "a full read knows of deletions too";
}

TEST_P(StoreTest, AnotherEpochOrTheFutureGivesEverything) {
  Fill();
  const ConfigPosition now = store_.Position().value();
  for (const ConfigPosition held : {ConfigPosition{now.epoch - 1, now.version}, ConfigPosition{now.epoch, now.version + 5}}) {
    const absl::StatusOr<ChangeSet> changes = store_.ChangesSince(held);
    ASSERT_TRUE(changes.ok()) << changes.status();
    EXPECT_TRUE(changes->whole);
    EXPECT_THAT(changes->Of<Site>().put, SizeIs(2));
  }
}

TEST_P(StoreTest, ABatchPlannedOnAnOldStateIsAbortedAndChangesNothing) {
  Batch stale = Everything();
  Fill();
  const ConfigPosition now = store_.Position().value();
  EXPECT_EQ(store_.Commit(stale).status().code(), absl::StatusCode::kAborted);
  EXPECT_EQ(*store_.Position(), now);
  EXPECT_THAT(*store_.ListAudit("", 0, 100), SizeIs(8)) << "no audit of what did not happen";
}

TEST_P(StoreTest, ABatchThatBreaksAReferenceIsRefusedWhole) {
  Fill();
  const Fleet fleet = Read();
  Partner added = TestPartner("other", "203.0.113.0/24", 64501);
  Batch batch = BatchOf({MakeCreate(added, kTestTime), Write<Partner>{fleet.Find<Partner>(PartnerId("isp")), nullptr}});
  const absl::Status status = store_.Commit(batch).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_EQ(Read().Find<Partner>(PartnerId("other")), nullptr);
  EXPECT_EQ(*store_.Position(), fleet.position());
}

TEST_P(StoreTest, ASecondSerialOrAnOldIdIsRefused) {
  Fill();
  Appliance twin = TestAppliance("oca-2", "198.51.100.11");
  twin.serial = "SN-oca-1";
  EXPECT_EQ(store_.Commit(BatchOf({MakeCreate(twin, kTestTime)})).status().code(), absl::StatusCode::kAlreadyExists);
  const Fleet fleet = Read();
  ASSERT_TRUE(store_.Commit(BatchOf({Write<BgpSession>{fleet.Find<BgpSession>(BgpSessionId("oca-1-isp")), nullptr}})).ok());
  EXPECT_EQ(store_.Commit(BatchOf({MakeCreate(*Canonical(TestSession(), TestRules()), kTestTime)})).status().code(),
            absl::StatusCode::kAlreadyExists);
}

TEST_P(StoreTest, OneBatchMaySwapSerials) {
  Fill();
  ASSERT_TRUE(store_.Commit(BatchOf({MakeCreate(*Canonical(TestAppliance("oca-2", "198.51.100.11"), TestRules()), kTestTime)})).ok());
  const Fleet fleet = Read();
  Appliance one = fleet.Find<Appliance>(ApplianceId("oca-1"))->value;
  Appliance two = fleet.Find<Appliance>(ApplianceId("oca-2"))->value;
  std::swap(one.serial, two.serial);
  const auto committed = store_.Commit(
      BatchOf({MakeUpdate(fleet.Find<Appliance>(one.id), one, kTestTime), MakeUpdate(fleet.Find<Appliance>(two.id), two, kTestTime)}));
  EXPECT_TRUE(committed.ok()) << committed.status();
}

TEST_P(StoreTest, AuditIsNewestFirstByResourceAndInPages) {
  Fill();
  const auto all = store_.ListAudit("", 0, 100);
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_THAT(*all, SizeIs(8));
  EXPECT_EQ(all->front().sequence, 8);
  EXPECT_EQ(all->front().resource, "cells/cell-1");
  EXPECT_EQ(all->front().principal, "operator/test");
  EXPECT_EQ(all->front().after_json, R"({"a":1})");
  EXPECT_EQ(all->front().before_json, "");
  EXPECT_EQ(all->front().time, kTestTime);
  EXPECT_EQ(all->front().config_version, store_.Position()->version);
  EXPECT_EQ(store_.ListAudit("", 3, 1)->front().sequence, 2);
  EXPECT_THAT(*store_.ListAudit("sites/lhr001", 0, 100), SizeIs(1));
}

TEST_P(StoreTest, RequestsAreKeptOncePrunedByAgeAndFoundByid) {
  Batch batch = Everything();
  batch.request = StoredRequest{
      .request_id = "r-1", .method = "ApplyFleet", .body_sha256 = "abc", .result = std::string("\0\1\xff'", 4), .time = kTestTime};
  ASSERT_TRUE(store_.Commit(batch).ok());
  const auto found = store_.FindRequest("r-1");
  ASSERT_TRUE(found.ok() && found->has_value()) << found.status();
  EXPECT_EQ((*found)->result, std::string("\0\1\xff'", 4));
  EXPECT_EQ((*found)->method, "ApplyFleet");
  EXPECT_EQ((*found)->time, kTestTime);
  EXPECT_FALSE(store_.FindRequest("r-2")->has_value());
  Batch again = BatchOf({});
  again.request = batch.request;
  EXPECT_EQ(store_.Commit(again).status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(*store_.PruneRequests(kTestTime), 0);
  EXPECT_EQ(*store_.PruneRequests(kTestTime + absl::Seconds(1)), 1);
  EXPECT_FALSE(store_.FindRequest("r-1")->has_value());
}

TEST_P(StoreTest, ARequestThatChangedNothingIsKeptAndNobodyHearsOfIt) {
  Fill();
  const ConfigPosition before = store_.Position().value();
  Batch batch = BatchOf({});
  batch.request = StoredRequest{.request_id = "r-1", .method = "SetAdminState", .body_sha256 = "abc", .result = "x", .time = kTestTime};
  const auto committed = store_.Commit(batch);
  ASSERT_TRUE(committed.ok()) << committed.status();
  EXPECT_EQ(*committed, before);
  EXPECT_EQ(*store_.Position(), before);
  EXPECT_TRUE(store_.FindRequest("r-1")->has_value());
  batch.request->request_id = "r-2";
  --batch.base.version;
  EXPECT_EQ(store_.Commit(batch).status().code(), absl::StatusCode::kAborted);
  EXPECT_FALSE(store_.FindRequest("r-2")->has_value());
}

TEST_P(StoreTest, AnEnrollmentIsForgottenWhenTheBatchSaysSo) {
  Fill();
  const ApplianceId id("oca-1");
  Batch batch = BatchOf({});
  batch.enrollment = Enrollment{.appliance = id, .token_sha256 = "hash", .issue_time = kTestTime, .installation_id = "i"};
  ASSERT_TRUE(store_.Commit(batch).ok());
  Batch forget = BatchOf({});
  forget.forget_enrollment = id;
  ASSERT_TRUE(store_.Commit(forget).ok());
  EXPECT_FALSE(store_.FindEnrollment(id)->has_value());
}

TEST_P(StoreTest, AnEnrollmentIsReplacedAndGoesWithItsAppliance) {
  Fill();
  const ApplianceId id("oca-1");
  EXPECT_FALSE(store_.FindEnrollment(id)->has_value());
  for (const char* hash : {"first", "second"}) {
    Batch batch = BatchOf({});
    batch.enrollment = Enrollment{.appliance = id, .token_sha256 = hash, .issue_time = kTestTime, .installation_id = "i"};
    ASSERT_TRUE(store_.Commit(batch).ok());
    EXPECT_EQ((*store_.FindEnrollment(id))->token_sha256, hash);
  }
  EXPECT_EQ((*store_.FindEnrollment(id))->installation_id, "i");
  EXPECT_EQ((*store_.FindEnrollment(id))->issue_time, kTestTime);
  const Fleet fleet = Read();
  ASSERT_TRUE(store_
                  .Commit(BatchOf({Write<BgpSession>{fleet.Find<BgpSession>(BgpSessionId("oca-1-isp")), nullptr},
                                   Write<Appliance>{fleet.Find<Appliance>(id), nullptr}}))
                  .ok());
  EXPECT_FALSE(store_.FindEnrollment(id)->has_value());
}

INSTANTIATE_TEST_SUITE_P(Fake, StoreTest, ::testing::Values(&MakeFake));
INSTANTIATE_TEST_SUITE_P(Postgres, StoreTest, ::testing::Values(&MakePg));

}  // namespace
}  // namespace fairlead::registry
