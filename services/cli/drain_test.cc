// `fairlead drain …` as whole command lines against a fake registryd.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "services/cli/testing/cli_fixture.h"

namespace fairlead::cli {
namespace {

using registry::v1::Drain;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class DrainCliTest : public CliTest {
 protected:
  static Drain At(Drain::Phase phase) {
    Drain drain;
    drain.set_name("drains/d-1");
    drain.set_target("appliances/oca-1");
    drain.mutable_start_time()->set_seconds(1'800'000'000);
    drain.set_reason("new disk");
    drain.set_phase(phase);
    registry::v1::DrainBox& box = *drain.add_boxes();
    box.set_appliance("appliances/oca-1");
    box.set_phase(phase);
    box.mutable_phase_time()->set_seconds(1'800'003'600);
    box.set_detail("waits for something");
    return drain;
  }
  void Answer(std::vector<Drain::Phase> phases) {
    registry_.drains.clear();
    for (const Drain::Phase phase : phases) registry_.drains.push_back(At(phase));
  }
};

TEST_F(DrainCliTest, ADrainIsAskedForAndShownBoxByBox) {
  Answer({Drain::PHASE_DRAINING});
  const Result run = Fairlead({"drain", "appliances/oca-1", "--reason", "new disk"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out,
            "d-1 is DRAINING\n"
            "  APPLIANCE  PHASE     SINCE                 DETAIL\n"
            "  oca-1      DRAINING  2027-01-15 09:00:00Z  waits for something\n");
  EXPECT_EQ(registry_.drain_asked.drain().target(), "appliances/oca-1");
  EXPECT_EQ(registry_.drain_asked.drain().reason(), "new disk");
  EXPECT_FALSE(registry_.drain_asked.drain().has_start_time());
  EXPECT_FALSE(registry_.drain_asked.drain().has_end_time());
  EXPECT_THAT(registry_.drain_asked.request_id(), Not(IsEmpty()));
}

TEST_F(DrainCliTest, TimesAreMomentsOrLengths) {
  Answer({Drain::PHASE_SCHEDULED});
  EXPECT_EQ(Fairlead({"drain", "sites/lhr001", "--from", "2027-01-15T08:00:00Z", "--to", "+4h"}).code, 0);
  EXPECT_EQ(registry_.drain_asked.drain().start_time().seconds(), 1'800'000'000);
  EXPECT_EQ(registry_.drain_asked.drain().end_time().seconds(), 1'800'014'400);
  EXPECT_EQ(Fairlead({"drain", "sites/lhr001", "--from", "2027-01-15T09:00:00+01:00", "--to", "2027-01-16T08:00:00Z"}).code, 0);
  EXPECT_EQ(registry_.drain_asked.drain().start_time().seconds(), 1'800'000'000);
  EXPECT_EQ(registry_.drain_asked.drain().end_time().seconds(), 1'800'086'400);
  EXPECT_EQ(Fairlead({"drain", "sites/lhr001", "--to", "+3h"}).code, 0);
  EXPECT_FALSE(registry_.drain_asked.drain().has_start_time());
  EXPECT_GE(absl::FromUnixSeconds(registry_.drain_asked.drain().end_time().seconds()) - absl::Now(), absl::Hours(3))
      << "three hours after the server's now, too";
}

TEST_F(DrainCliTest, AWrongLineIsExit2AndIsNotSent) {
  for (const std::vector<std::string>& line : std::vector<std::vector<std::string>>{{"drain"},
                                                                                    {"drain", "oca-1"},
                                                                                    {"drain", "appliances/OCA"},
                                                                                    {"drain", "sites/x", "--from", "tomorrow"},
                                                                                    {"drain", "sites/x", "--to", "+4"},
                                                                                    {"drain", "cancel"}}) {
    const Result run = Fairlead(line);
    EXPECT_EQ(run.code, 2) << line.back();
    EXPECT_THAT(run.err, HasSubstr("fairlead")) << line.back();
  }
  EXPECT_THAT(Fairlead({"drain", "sites/x", "--from", "tomorrow"}).err, AllOf(HasSubstr("--from 'tomorrow'"), HasSubstr("+4h")));
  EXPECT_EQ(registry_.drain_asked.drain().target(), "");
}

TEST_F(DrainCliTest, WaitingEndsWhenEveryBoxIsDrained) {
  Answer({Drain::PHASE_DRAINING, Drain::PHASE_DRAINING, Drain::PHASE_EVACUATING, Drain::PHASE_LAME_DUCK, Drain::PHASE_DRAINED});
  const Result run = Fairlead({"drain", "appliances/oca-1", "--wait"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("d-1 is DRAINED\n"));
  EXPECT_THAT(run.err, AllOf(HasSubstr("d-1 is EVACUATING\n"), HasSubstr("d-1 is LAME_DUCK\n")));
}

TEST_F(DrainCliTest, WaitingForADrainThatIsCalledOffIsExit1) {
  Answer({Drain::PHASE_DRAINING, Drain::PHASE_CANCELLED});
  const Result run = Fairlead({"drain", "appliances/oca-1", "--wait"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("drains/d-1 ended before it was DRAINED: it is CANCELLED"));
}

TEST_F(DrainCliTest, WaitingHasAnEnd) {
  Answer({Drain::PHASE_LAME_DUCK});
  registry_.drains[0].mutable_start_time()->set_seconds(1'500'000'000);
  const Result run = Fairlead({"drain", "appliances/oca-1", "--wait"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("not DRAINED yet, and overdue"));
}

TEST_F(DrainCliTest, ARefusalOfTheServerIsToldWithItsField) {
  registry_.refusal = InvalidField("drain.end_time", "2027-01-15T09:00:00+00:00", "must be at least 3 h after the start");
  const Result run = Fairlead({"drain", "appliances/oca-1", "--to", "+1h"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, AllOf(HasSubstr("field: drain.end_time"), HasSubstr("at least 3 h")));
}

TEST_F(DrainCliTest, ADrainIsCalledOffByItsId) {
  Answer({Drain::PHASE_DRAINING});
  EXPECT_THAT(Fairlead({"drain", "cancel", "d-1"}).out, HasSubstr("d-1 is CANCELLED"));
  EXPECT_EQ(Fairlead({"drain", "cancel", "drains/d-2"}).code, 1);
}

TEST_F(DrainCliTest, DrainsAreListedAndDescribed) {
  Answer({Drain::PHASE_LAME_DUCK});
  EXPECT_EQ(Fairlead({"get", "drains"}).out,
            "NAME  TARGET            PHASE      START                 END  REASON\n"
            "d-1   appliances/oca-1  LAME_DUCK  2027-01-15 08:00:00Z  –    new disk\n");
  EXPECT_THAT(Fairlead({"describe", "drain", "d-1"}).out,
              AllOf(HasSubstr("new disk"), HasSubstr("oca-1      LAME_DUCK  2027-01-15 09:00:00Z  waits for something")));
  EXPECT_THAT(Fairlead({"get", "drain", "d-1", "-o", "json"}).out, HasSubstr("\"phase\": \"PHASE_LAME_DUCK\""));
}

TEST_F(DrainCliTest, ABoxInADrainShowsItsPhase) {
  AddBox("oca-1", "lhr001");
  registry_.appliances[0].set_admin_state(common::v1::ADMIN_STATE_DRAINING);
  registry_.appliances[0].mutable_drain()->set_phase(Drain::PHASE_EVACUATING);
  EXPECT_THAT(Fairlead({"get", "appliances"}).out, HasSubstr("DRAINING (EVACUATING)"));
}

}  // namespace
}  // namespace fairlead::cli
