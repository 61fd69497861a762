#include "libs/registry/drain_plan.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/registry/drain_machine.h"
#include "libs/registry/test_fleet.h"

namespace fairlead::registry {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kTick = absl::Microseconds(1);

// Two boxes that are LIVE at lhr001, and a collector at the exchange.
class DrainPlanTest : public ::testing::Test {
 protected:
  DrainPlanTest() : fleet_(TestFleet()) {
    for (const char* id : {"oca-1", "oca-2"}) {
      Appliance box = TestAppliance(id, id == std::string("oca-1") ? "198.51.100.10" : "198.51.100.11");
      box.admin_state = AdminState::kLive;
      fleet_.Apply(MakeCreate(box, kTestTime));
    }
    Appliance collector = TestAppliance("collector-1", "198.51.100.12");
    collector.site = SiteId("ams-ix");
    collector.kind = ApplianceKind::kCollector;
    fleet_.Apply(MakeCreate(collector, kTestTime));
  }

  static Drain Wish(const std::string& target = "appliances/oca-1", const std::string& id = "d-1") {
    Drain drain;
    drain.id = DrainId(id);
    drain.target = target;
    return drain;
  }
  static Drain Scheduled(absl::Duration start, absl::Duration length, const std::string& target = "appliances/oca-1",
                         const std::string& id = "d-1") {
    Drain drain = Wish(target, id);
    drain.start_time = kTestTime + start;
    drain.end_time = drain.start_time + length;
    return drain;
  }
  absl::Status Create(const Drain& wish) {
    const absl::StatusOr<std::vector<AnyWrite>> writes = PlanCreateDrain(fleet_, wish, {.now = now_});
    if (writes.ok()) Take(*writes);
    return writes.status();
  }
  void Take(const std::vector<AnyWrite>& writes) {
    ASSERT_TRUE(CheckConsistent(fleet_, writes).ok()) << CheckConsistent(fleet_, writes);
    for (const AnyWrite& write : writes) fleet_.Apply(write);
  }
  // Everything that follows from time until `to`, at the moments that are asked for.
  void RunUntil(absl::Time to) {
    for (int looks = 0; looks < 1000; ++looks) {
      const DrainAdvance advance = AdvanceDrains(fleet_, now_);
      Take(advance.writes);
      if (!advance.writes.empty()) continue;
      if (advance.look_again > to) break;
      now_ = advance.look_again;
    }
    now_ = to;
  }
  const Drain& D(const std::string& id = "d-1") const { return fleet_.Find<Drain>(DrainId(id))->value; }
  const Appliance& Box(const std::string& id) const { return fleet_.Find<Appliance>(ApplianceId(id))->value; }
  void SetByHand(const std::string& id, AdminState state) {
    const RecordPtr<Appliance> before = fleet_.Find<Appliance>(ApplianceId(id));
    Appliance value = before->value;
    value.admin_state = state;
    Take(PlanAdminMove(fleet_, before, value, now_));
  }
  absl::StatusOr<DrainReport> Report(const std::string& box, absl::Duration quiet, const std::string& drain = "d-1") {
    const absl::StatusOr<DrainReport> report = PlanDrainReport(fleet_, ApplianceId(box), DrainId(drain), quiet, now_);
    if (report.ok()) Take(report->writes);
    return report;
  }

  Fleet fleet_;
  absl::Time now_ = kTestTime;
  const DrainPolicy policy_ = WithDefaults({});
};

TEST_F(DrainPlanTest, AnUnscheduledDrainBeginsAtOnceAndSaysSoOnItsBox) {
  ASSERT_TRUE(Create(Wish()).ok());
  EXPECT_EQ(D().phase, DrainPhase::kDraining);
  EXPECT_EQ(D().start_time, now_);
  EXPECT_EQ(D().end_time, absl::Time());
  EXPECT_EQ(Box("oca-1").admin_state, AdminState::kDraining);
  EXPECT_EQ(Box("oca-1").drain, (ApplianceDrain{DrainId("d-1"), DrainPhase::kDraining}));
  EXPECT_EQ(Box("oca-2").admin_state, AdminState::kLive);
}

TEST_F(DrainPlanTest, ASiteIsDrainedBoxByBoxAndIsAsFarAsTheLastOfThem) {
  ASSERT_TRUE(Create(Wish("sites/lhr001")).ok());
  ASSERT_THAT(D().boxes, SizeIs(2));
  RunUntil(now_ + policy_.draining_for + policy_.evacuating_for);
  EXPECT_EQ(D().phase, DrainPhase::kLameDuck);
  now_ += policy_.quiet_for;
  ASSERT_TRUE(Report("oca-1", policy_.quiet_for).ok());
  EXPECT_EQ(Box("oca-1").admin_state, AdminState::kDrained);
  EXPECT_EQ(Box("oca-2").admin_state, AdminState::kDraining);
  EXPECT_EQ(D().phase, DrainPhase::kLameDuck);
  ASSERT_TRUE(Report("oca-2", policy_.quiet_for).ok());
  EXPECT_EQ(D().phase, DrainPhase::kDrained);
  RunUntil(now_ + absl::Hours(1000));
  EXPECT_EQ(D().phase, DrainPhase::kDrained) << "without an end it stays";
}

TEST_F(DrainPlanTest, EachPhaseHasItsTimeAndEveryLookIsAskedFor) {
  ASSERT_TRUE(Create(Scheduled(absl::Hours(5), absl::Hours(3))).ok());
  EXPECT_EQ(D().phase, DrainPhase::kScheduled);
  EXPECT_EQ(Box("oca-1").admin_state, AdminState::kLive);
  const absl::Time start = kTestTime + absl::Hours(5);
  RunUntil(start - kTick);
  EXPECT_EQ(D().phase, DrainPhase::kScheduled);
  RunUntil(start);
  EXPECT_EQ(D().phase, DrainPhase::kDraining);
  RunUntil(start + policy_.draining_for);
  EXPECT_EQ(D().phase, DrainPhase::kEvacuating);
  EXPECT_EQ(Box("oca-1").drain->phase, DrainPhase::kEvacuating);
  RunUntil(start + policy_.draining_for + policy_.evacuating_for);
  EXPECT_EQ(D().phase, DrainPhase::kLameDuck);
  RunUntil(start + absl::Hours(3) - kTick);
  EXPECT_EQ(D().phase, DrainPhase::kLameDuck);
  EXPECT_THAT(D().boxes[0].detail, HasSubstr("overdue"));
  RunUntil(start + absl::Hours(3));
  EXPECT_EQ(D().phase, DrainPhase::kEnded);
  EXPECT_EQ(Box("oca-1").admin_state, AdminState::kLive);
  EXPECT_EQ(Box("oca-1").drain, std::nullopt);
}

TEST_F(DrainPlanTest, AWindowThatPassedUnseenIsNotBegun) {
  ASSERT_TRUE(Create(Scheduled(absl::Hours(5), absl::Hours(3))).ok());
  now_ = kTestTime + absl::Hours(8);
  RunUntil(now_);
  EXPECT_EQ(D().phase, DrainPhase::kEnded);
  EXPECT_EQ(D().boxes[0].detail, "was never taken out");
}

TEST_F(DrainPlanTest, AnHourWithoutALookNeitherSkipsAPhaseNorTakesOneTwice) {
  ASSERT_TRUE(Create(Wish()).ok());
  now_ += policy_.draining_for + absl::Hours(1);
  const DrainAdvance advance = AdvanceDrains(fleet_, now_);
  EXPECT_THAT(advance.writes, SizeIs(2)) << "the drain and its box";
  Take(advance.writes);
  EXPECT_EQ(D().phase, DrainPhase::kEvacuating);
  const DrainAdvance again = AdvanceDrains(fleet_, now_);
  EXPECT_THAT(again.writes, IsEmpty());
  EXPECT_EQ(again.look_again, now_ + policy_.evacuating_for);
}

TEST_F(DrainPlanTest, TheLengthsAreThoseOfThePolicy) {
  Policy policy;
  policy.id = PolicyId("drain");
  policy.drain = DrainPolicy{.draining_for = absl::Seconds(7)};
  fleet_.Apply(MakeCreate(policy, kTestTime));
  ASSERT_TRUE(Create(Wish()).ok());
  RunUntil(now_ + absl::Seconds(7));
  EXPECT_EQ(D().phase, DrainPhase::kEvacuating);
  EXPECT_EQ(DrainPolicyIn(fleet_).evacuating_for, policy_.evacuating_for) << "zeros are defaults";
}

struct Refusal {
  absl::Duration start;
  absl::Duration length;
  const char* field;
  const char* why;
};

TEST_F(DrainPlanTest, WindowsAreBoundedAndTheBoundsThemselvesAreAllowed) {
  for (const Refusal& bad : {
           Refusal{-kTick, absl::Hours(3), "drain.start_time", "in the past"},
           Refusal{kFarthestDrain + kTick, absl::Hours(3), "drain.start_time", "three months"},
           Refusal{absl::Hours(1), kShortestDrain - kTick, "drain.end_time", "at least 3 h"},
           Refusal{absl::Hours(1), kLongestDrain + kTick, "drain.end_time", "at most 30 days"},
           Refusal{absl::Hours(1), absl::ZeroDuration(), "drain.end_time", "not after the start"},
           Refusal{absl::Hours(1), -absl::Hours(9), "drain.end_time", "not after the start"},
       }) {
    const Drain wish = Scheduled(bad.start, bad.length);
    const absl::Status status = Create(wish);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_EQ(FieldOf(status), bad.field);
    EXPECT_EQ(ValueOf(status), RenderText(bad.field == std::string("drain.start_time") ? wish.start_time : wish.end_time));
    EXPECT_THAT(status.message(), HasSubstr(bad.why));
  }
  Drain endless = Scheduled(absl::Hours(1), absl::Hours(3));
  endless.end_time = absl::Time();
  EXPECT_EQ(FieldOf(Create(endless)), "drain.end_time");
  EXPECT_TRUE(Create(Scheduled(absl::ZeroDuration(), kShortestDrain)).ok());
  EXPECT_TRUE(Create(Scheduled(kFarthestDrain, kLongestDrain, "appliances/oca-2", "d-2")).ok());
  Drain at_once = Wish("appliances/oca-2", "d-3");
  at_once.end_time = now_ + absl::Hours(2);
  EXPECT_THAT(Create(at_once).message(), HasSubstr("at least 3 h"));
}

TEST_F(DrainPlanTest, ATargetThatCannotBeDrainedIsNamed) {
  const auto why = [&](const std::string& target) {
    const absl::Status status = Create(Wish(target));
    EXPECT_EQ(FieldOf(status), "drain.target") << status;
    EXPECT_EQ(ValueOf(status), target);
    return std::string(status.message());
  };
  EXPECT_THAT(why("oca-1"), HasSubstr("must be appliances/{id} or sites/{id}"));
  EXPECT_EQ(ValueOf(Create(Wish("appliances/OCA"))), "OCA");
  EXPECT_THAT(why("appliances/oca-9"), HasSubstr("does not exist"));
  EXPECT_THAT(why("sites/nowhere"), HasSubstr("does not exist"));
  EXPECT_THAT(why("appliances/collector-1"), HasSubstr("is a COLLECTOR"));
  EXPECT_THAT(why("sites/ams-ix"), HasSubstr("has no STORAGE or FLASH box that is LIVE"));
  SetByHand("oca-1", AdminState::kDraining);
  EXPECT_THAT(why("appliances/oca-1"), HasSubstr("is DRAINING: only a LIVE box"));
  EXPECT_TRUE(Create(Wish("sites/lhr001")).ok()) << "of a site the others can be drained";
  EXPECT_EQ(D().boxes[0].phase, DrainPhase::kReleased);
  EXPECT_EQ(D().boxes[0].detail, "was DRAINING when the drain began: left alone");
  EXPECT_EQ(D().phase, DrainPhase::kDraining);
}

TEST_F(DrainPlanTest, OneBoxIsInOneDrainAtATime) {
  ASSERT_TRUE(Create(Scheduled(absl::Hours(10), absl::Hours(5))).ok());
  const auto clash = [&](const Drain& wish) {
    const absl::Status status = Create(wish);
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(status.message(), HasSubstr("overlaps drains/d-1, which has appliances/oca-1"));
    return FieldOf(status) == "drain.target";
  };
  EXPECT_TRUE(clash(Scheduled(absl::Hours(14), absl::Hours(3), "appliances/oca-1", "d-2")));
  EXPECT_TRUE(clash(Scheduled(absl::Hours(9), absl::Hours(3), "sites/lhr001", "d-2")));
  EXPECT_TRUE(clash(Wish("appliances/oca-1", "d-2"))) << "it has no end";
  EXPECT_TRUE(Create(Scheduled(absl::Hours(15), absl::Hours(3), "appliances/oca-1", "d-2")).ok()) << "where one ends another may begin";
  EXPECT_TRUE(Create(Scheduled(absl::Hours(7), absl::Hours(3), "appliances/oca-1", "d-3")).ok());
  EXPECT_TRUE(Create(Scheduled(absl::Hours(10), absl::Hours(5), "appliances/oca-2", "d-4")).ok());
  EXPECT_EQ(Create(Scheduled(absl::Hours(50), absl::Hours(5))).code(), absl::StatusCode::kAlreadyExists) << "the id is taken";
}

TEST_F(DrainPlanTest, WhereOneEndsAnotherBeginsWithTheSameBox) {
  ASSERT_TRUE(Create(Scheduled(absl::Hours(4), absl::Hours(4), "appliances/oca-1", "a-second")).ok());
  ASSERT_TRUE(Create(Scheduled(absl::Hours(1), absl::Hours(3), "appliances/oca-1", "b-first")).ok());
  RunUntil(kTestTime + absl::Hours(4));
  EXPECT_EQ(D("b-first").phase, DrainPhase::kEnded);
  EXPECT_EQ(D("a-second").phase, DrainPhase::kDraining) << D("a-second").boxes[0].detail;
  EXPECT_EQ(Box("oca-1").drain->drain, DrainId("a-second"));
}

TEST_F(DrainPlanTest, ABoxHeldByADrainThatEndsBeforeMayBeScheduledAgain) {
  Drain first = Wish();
  first.end_time = now_ + absl::Hours(3);
  ASSERT_TRUE(Create(first).ok());
  EXPECT_TRUE(Create(Scheduled(absl::Hours(3), absl::Hours(3), "appliances/oca-1", "d-2")).ok());
}

TEST_F(DrainPlanTest, CancellingGivesBackWhatTheDrainTookAndOnlyThat) {
  ASSERT_TRUE(Create(Wish("sites/lhr001")).ok());
  SetByHand("oca-2", AdminState::kDrained);
  EXPECT_EQ(Box("oca-2").drain, std::nullopt);
  EXPECT_EQ(D().boxes[1].phase, DrainPhase::kReleased) << "in the same write as the move";
  EXPECT_EQ(D().boxes[1].detail, "was moved by an operator, to DRAINED");
  EXPECT_EQ(PlanCancelDrain(fleet_, DrainId("d-1"), "\"99\"", now_).status().code(), absl::StatusCode::kAborted);
  Take(*PlanCancelDrain(fleet_, DrainId("d-1"), fleet_.Find<Drain>(DrainId("d-1"))->etag(), now_));
  EXPECT_EQ(D().phase, DrainPhase::kCancelled);
  EXPECT_EQ(Box("oca-1").admin_state, AdminState::kLive);
  EXPECT_EQ(Box("oca-2").admin_state, AdminState::kDrained);
  EXPECT_THAT(*PlanCancelDrain(fleet_, DrainId("d-1"), "", now_), IsEmpty()) << "a second time changes nothing";
  EXPECT_EQ(PlanCancelDrain(fleet_, DrainId("d-9"), "", now_).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(DrainPlanTest, ADrainWhoseLastBoxAnOperatorTookHasEnded) {
  ASSERT_TRUE(Create(Wish()).ok());
  SetByHand("oca-1", AdminState::kLive);
  EXPECT_EQ(D().phase, DrainPhase::kEnded);
  EXPECT_EQ(PlanCancelDrain(fleet_, DrainId("d-1"), "", now_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Create(Wish("appliances/oca-1", "d-2")).ok()) << "the box is free";
}

TEST_F(DrainPlanTest, ACancelledScheduleMovesNothing) {
  ASSERT_TRUE(Create(Scheduled(absl::Hours(5), absl::Hours(3))).ok());
  const std::vector<AnyWrite> writes = *PlanCancelDrain(fleet_, DrainId("d-1"), "", now_);
  EXPECT_THAT(writes, SizeIs(1));
  Take(writes);
  RunUntil(now_ + absl::Hours(20));
  EXPECT_EQ(Box("oca-1").admin_state, AdminState::kLive);
}

TEST_F(DrainPlanTest, TheBoxesOfASiteAreThoseThatStandThereWhenItBegins) {
  ASSERT_TRUE(Create(Scheduled(absl::Hours(1), absl::Hours(3), "sites/lhr001")).ok());
  fleet_.Delete<Appliance>(ApplianceId("oca-2"));
  Appliance late = TestAppliance("oca-3", "198.51.100.13");
  late.admin_state = AdminState::kLive;
  fleet_.Apply(MakeCreate(late, kTestTime));
  RunUntil(kTestTime + absl::Hours(1));
  ASSERT_THAT(D().boxes, SizeIs(3));
  EXPECT_EQ(D().boxes[0].phase, DrainPhase::kDraining);
  EXPECT_EQ(D().boxes[1].phase, DrainPhase::kReleased);
  EXPECT_THAT(D().boxes[1].detail, HasSubstr("no longer at sites/lhr001"));
  EXPECT_EQ(D().boxes[2].phase, DrainPhase::kDraining);
}

TEST_F(DrainPlanTest, AWordCountsForTheDrainThatHasTheBoxOnly) {
  ASSERT_TRUE(Create(Wish()).ok());
  EXPECT_EQ(Report("oca-1", absl::Hours(9))->phase, DrainPhase::kDraining) << "not a lame duck yet";
  EXPECT_EQ(Report("oca-2", absl::Hours(9)).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Report("oca-1", absl::Hours(9), "d-7").status().code(), absl::StatusCode::kNotFound);
  RunUntil(now_ + policy_.draining_for + policy_.evacuating_for + policy_.quiet_for);
  EXPECT_THAT(Report("oca-1", absl::Seconds(1))->writes, SizeIs(1)) << "the first word is noted";
  EXPECT_THAT(Report("oca-1", absl::Seconds(2))->writes, IsEmpty());
  EXPECT_EQ(Report("oca-1", policy_.quiet_for)->phase, DrainPhase::kDrained);
  EXPECT_THAT(Report("oca-1", policy_.quiet_for)->writes, IsEmpty()) << "the box hears it late";
}

TEST_F(DrainPlanTest, DrainsThatEndedAreForgottenAfterAWhile) {
  ASSERT_TRUE(Create(Wish()).ok());
  Take(*PlanCancelDrain(fleet_, DrainId("d-1"), "", now_));
  RunUntil(now_ + kKeepDrains - kTick);
  EXPECT_NE(fleet_.Find<Drain>(DrainId("d-1")), nullptr);
  RunUntil(now_ + kTick);
  EXPECT_EQ(fleet_.Find<Drain>(DrainId("d-1")), nullptr);
  EXPECT_TRUE(fleet_.WasDeleted<Drain>(DrainId("d-1")));
}

TEST_F(DrainPlanTest, OneStepTakesABoundedNumberOfDrains) {
  for (int i = 0; i < kMostDrainsAStep + 6; ++i) {
    ASSERT_TRUE(Create(Scheduled(absl::Hours(3 * i + 1), absl::Hours(3), "appliances/oca-1", absl::StrCat("d-", i))).ok());
  }
  now_ = kTestTime + absl::Hours(24 * 60);
  EXPECT_THAT(AdvanceDrains(fleet_, now_).writes, SizeIs(kMostDrainsAStep));
  RunUntil(now_);
  for (int i = 0; i < kMostDrainsAStep + 6; ++i) EXPECT_EQ(D(absl::StrCat("d-", i)).phase, DrainPhase::kEnded);
}

TEST(DrainPolicyTest, ItsLengthsAreBounded) {
  Policy policy;
  policy.id = PolicyId("drain");
  policy.drain.emplace();
  EXPECT_TRUE(Validate(policy).ok());
  policy.drain->draining_for = absl::Hours(1) + absl::Minutes(15);
  EXPECT_TRUE(Validate(policy).ok()) << "two hours with the defaults";
  policy.drain->draining_for += absl::Nanoseconds(1);
  EXPECT_EQ(FieldOf(Validate(policy)), "policy.drain");
  policy.drain->draining_for = absl::Milliseconds(99);
  EXPECT_EQ(FieldOf(Validate(policy)), "policy.drain.draining_for");
  policy.drain->draining_for = absl::Milliseconds(100);
  policy.drain->quiet_for = absl::Minutes(15);
  EXPECT_TRUE(Validate(policy).ok());
  policy.drain->quiet_for += absl::Nanoseconds(1);
  EXPECT_EQ(FieldOf(Validate(policy)), "policy.drain.quiet_for");
  policy.drain.reset();
  policy.health.emplace();
  EXPECT_EQ(FieldOf(Validate(policy)), "policy.body") << "a health body in policies/drain";
}

}  // namespace
}  // namespace fairlead::registry
