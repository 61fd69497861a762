#include <algorithm>
#include <array>
#include <deque>
#include <limits>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/overload/admission.h"
#include "libs/overload/caller_budgets.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

constexpr RequestClass kClasses[] = {RequestClass::kPlaybackStart, RequestClass::kBackground, RequestClass::kPrefetch};

// One server of a known speed under a virtual clock. Refusing costs a tenth of answering.
class VirtualServer {
 public:
  struct Second {
    std::array<int, kRequestClasses> came{};
    std::array<int, kRequestClasses> served{};
    absl::Duration longest_wait;
  };
  static constexpr int kCapacity = 10'000;  // A second.

  explicit VirtualServer(const AdmissionOptions& options) : admission_(options) {}

  // A second of `load` requests of each class.
  Second Run(const std::array<int, kRequestClasses>& load) {
    Second second;
    const absl::Duration end = now_ + absl::Seconds(1);
    std::array<absl::Duration, kRequestClasses> next;
    next.fill(now_);
    while (now_ < end) {
      for (size_t c = 0; c < kRequestClasses; ++c) {
        for (; load[c] > 0 && next[c] <= now_; next[c] += absl::Seconds(1) / load[c]) {
          ++second.came[c];
          if (admission_.Arrive(kClasses[c], spread_ += 37, now_)) {
            queues_[c].push_back(now_);
          } else {
            now_ += kRefusal;
          }
        }
      }
      if (!Work(second)) now_ += absl::Microseconds(10);
    }
    return second;
  }
  const Admission& admission() const { return admission_; }

 private:
  // As WorkQueue does: what nobody waits for any more goes, of all classes; then the most urgent is answered.
  bool Work(Second& second) {
    for (size_t c = 0; c < kRequestClasses; ++c) {
      while (!queues_[c].empty() && now_ - queues_[c].front() > admission_.patience()) {
        admission_.Start(kClasses[c], now_ - queues_[c].front(), now_);
        queues_[c].pop_front();
        now_ += kRefusal;
      }
    }
    for (size_t c = 0; c < kRequestClasses; ++c) {
      if (queues_[c].empty()) continue;
      const absl::Duration waited = now_ - queues_[c].front();
      queues_[c].pop_front();
      if (admission_.Start(kClasses[c], waited, now_)) {
        now_ += kAnswer;
        ++second.served[c];
        second.longest_wait = std::max(second.longest_wait, waited);
      } else {
        now_ += kRefusal;
      }
      return true;
    }
    return false;
  }

  const absl::Duration kAnswer = absl::Seconds(1) / kCapacity;
  const absl::Duration kRefusal = absl::Seconds(1) / kCapacity / 10;
  Admission admission_;
  absl::Duration now_ = absl::Seconds(1000);
  uint64_t spread_ = 0;
  std::array<std::deque<absl::Duration>, kRequestClasses> queues_;
};

TEST(AdmissionTest, AllAreTakenWhileTheyFit) {
  VirtualServer server({});
  for (int i = 0; i < 5; ++i) {
    const VirtualServer::Second second = server.Run({3000, 3000, 3000});
    EXPECT_EQ(second.served[2], second.came[2]);
    EXPECT_EQ(server.admission().level(), Admission::kLevels);
  }
}

TEST(AdmissionTest, TheLowestClassGoesFirst) {
  VirtualServer server({});
  VirtualServer::Second second;
  for (int i = 0; i < 10; ++i) second = server.Run({5000, 5000, 5000});
  EXPECT_GE(second.served[0], second.came[0] * 99 / 100);
  EXPECT_GE(second.served[1], second.came[1] * 60 / 100);
  EXPECT_LE(second.served[2], second.came[2] * 10 / 100);
}

TEST(AdmissionTest, ThreeTimesTheLoadForAMinuteLeavesNoTail) {
  VirtualServer server({});
  const std::array<int, kRequestClasses> normal = {3000, 3000, 2000};
  const std::array<int, kRequestClasses> triple = {9000, 9000, 12000};
  const VirtualServer::Second before = server.Run(normal);
  for (int i = 0; i < 60; ++i) {
    const VirtualServer::Second second = server.Run(triple);
    // What is worked on hasn't waited long, and most of the time is work that counts.
    EXPECT_LE(second.longest_wait, (i == 0 ? 10 : 1) * AdmissionOptions().most) << "second " << i;  // At first it may be a burst.
    if (i < 3) continue;
    EXPECT_GE(second.served[0] + second.served[1] + second.served[2], VirtualServer::kCapacity * 6 / 10) << "second " << i;
    EXPECT_GE(second.served[0], 50 * std::max(1, second.served[2])) << "second " << i;
  }
  VirtualServer::Second after;
  for (int i = 0; i < 10; ++i) after = server.Run(normal);
  EXPECT_EQ(server.admission().level(), Admission::kLevels);
  for (size_t c = 0; c < kRequestClasses; ++c) EXPECT_EQ(after.served[c], after.came[c]) << ToString(kClasses[c]);
  EXPECT_LE(after.longest_wait, before.longest_wait + absl::Milliseconds(1));
}

TEST(AdmissionTest, TheSameCallersAreRefusedForAWhile) {
  Admission admission({});
  absl::Duration now = absl::Seconds(1);
  for (int round = 0; round < 20; ++round) {
    now += absl::Milliseconds(101);
    for (uint64_t spread = 0; spread < 128; ++spread) {
      if (admission.Arrive(RequestClass::kPlaybackStart, spread, now))
        admission.Start(RequestClass::kPlaybackStart, absl::Milliseconds(6), now);
    }
  }
  ASSERT_TRUE(admission.shedding());
  ASSERT_LT(admission.level(), Admission::kSteps);
  const bool first = admission.Arrive(RequestClass::kPlaybackStart, 5, now);
  for (int i = 0; i < 50; ++i) EXPECT_EQ(admission.Arrive(RequestClass::kPlaybackStart, 5, now), first);
  EXPECT_FALSE(admission.Arrive(RequestClass::kPrefetch, 0, now));
  EXPECT_GE(admission.level(), Admission::kLeast);
}

TEST(AdmissionTest, AfterASilenceEverybodyIsLetInAgain) {
  Admission admission({});
  absl::Duration now = absl::Seconds(1);
  for (int round = 0; round < 100; ++round) {
    now += absl::Milliseconds(101);
    for (uint64_t i = 0; i < 128; ++i) {
      admission.Arrive(RequestClass::kPlaybackStart, i, now);
      admission.Start(RequestClass::kPlaybackStart, absl::Milliseconds(60), now);
    }
  }
  ASSERT_FALSE(admission.Arrive(RequestClass::kPlaybackStart, 100, now));
  EXPECT_TRUE(admission.Arrive(RequestClass::kPrefetch, 127, now + absl::Seconds(6)));
  EXPECT_FALSE(admission.shedding());
}

TEST(AdmissionTest, ABurstThatWaitsBelowTheTargetRefusesNobody) {
  Admission admission({});
  absl::Duration now = absl::Seconds(1);
  for (int i = 0; i < 10'000; ++i) {
    now += absl::Milliseconds(1);
    ASSERT_TRUE(admission.Arrive(RequestClass::kPrefetch, static_cast<uint64_t>(i), now));
    ASSERT_TRUE(admission.Start(RequestClass::kPrefetch, absl::Milliseconds(4), now));
  }
}

// A machine that does something else for a fifth of a second, again and again: what waited meanwhile is answered late, and nobody refused.
TEST(AdmissionTest, PausesOfTheMachineAreNoOverload) {
  Admission admission({});
  absl::Duration now = absl::Seconds(1);
  for (int pause = 0; pause < 100; ++pause) {
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(admission.Arrive(RequestClass::kPlaybackStart, static_cast<uint64_t>(i), now)) << pause;
      ASSERT_TRUE(admission.Start(RequestClass::kPlaybackStart, absl::Milliseconds(200) - absl::Milliseconds(5) * i, now)) << pause;
    }
    for (int i = 0; i < 40; ++i) {
      now += absl::Milliseconds(5);
      ASSERT_TRUE(admission.Arrive(RequestClass::kPlaybackStart, static_cast<uint64_t>(i), now)) << pause;
      ASSERT_TRUE(admission.Start(RequestClass::kPlaybackStart, absl::Microseconds(10), now)) << pause;
    }
    now += absl::Milliseconds(200);
  }
  EXPECT_FALSE(admission.shedding());
}

TEST(AdmissionTest, BadOptionsAreNamed) {
  EXPECT_TRUE(AdmissionOptions().Validate().ok());
  const auto error = [](AdmissionOptions options) { return std::string(options.Validate().message()); };
  EXPECT_THAT(error({.target = absl::ZeroDuration()}), HasSubstr("target '0'"));
  EXPECT_THAT(error({.interval = absl::Milliseconds(1)}), HasSubstr("interval '1ms'"));
  EXPECT_THAT(error({.most = absl::Milliseconds(1)}), HasSubstr("most '1ms'"));
  EXPECT_THAT(error({.decrease = 0}), HasSubstr("decrease '0'"));
  EXPECT_THAT(error({.increase = std::numeric_limits<double>::quiet_NaN()}), HasSubstr("increase 'nan'"));
}

TEST(CallerBudgetsTest, WithoutARateNobodyIsRefused) {
  CallerBudgets budgets({});
  EXPECT_FALSE(budgets.enabled());
  EXPECT_EQ(budgets.Take(1, 1'000'000, absl::Seconds(1)), absl::ZeroDuration());
}

TEST(CallerBudgetsTest, AKeyGetsItsBurstThenItsRateAndIsToldHowLongToWait) {
  CallerBudgets budgets({.rate = 100, .burst = 10});
  const absl::Duration now = absl::Seconds(1000);
  for (int i = 0; i < 10; ++i) ASSERT_EQ(budgets.Take(7, 1, now), absl::ZeroDuration()) << i;
  EXPECT_EQ(budgets.Take(7, 1, now), absl::Milliseconds(10));
  EXPECT_EQ(budgets.Take(7, 5, now), absl::Milliseconds(50));
  EXPECT_EQ(budgets.Take(8, 1, now), absl::ZeroDuration());  // Another key has its own.
  EXPECT_EQ(budgets.Take(7, 1, now + absl::Milliseconds(10)), absl::ZeroDuration());
  EXPECT_GT(budgets.Take(7, 1, now + absl::Milliseconds(10)), absl::ZeroDuration());
  // After a rest the burst is there again, and no more than that.
  int taken = 0;
  while (budgets.Take(7, 1, now + absl::Seconds(60)) == absl::ZeroDuration()) ++taken;
  EXPECT_EQ(taken, 10);
}

TEST(CallerBudgetsTest, OneKeyForAllGetsTheRateAndNoMoreThanTheBurstAtOnce) {
  CallerBudgets budgets({.rate = 1000, .burst = 10});
  const auto take = [&](absl::Duration now) {
    int taken = 0;
    while (budgets.Take(0, 1, now) == absl::ZeroDuration()) ++taken;
    return taken;
  };
  EXPECT_EQ(take(absl::Seconds(5)), 10);
  EXPECT_EQ(take(absl::Seconds(5) + absl::Milliseconds(3)), 3);
  EXPECT_EQ(take(absl::Seconds(9)), 10);
}

TEST(CallerBudgetsTest, ManyIdleKeysTakeNothingFromABusyOne) {
  CallerBudgets budgets({.rate = 100, .burst = 10});
  absl::Duration now = absl::Seconds(1000);
  while (budgets.Take(7, 1, now) == absl::ZeroDuration()) {
  }
  // A hundred thousand others, each once and long ago when the next comes: none takes its place.
  for (uint64_t key = 100; key < 100'100; ++key) {
    now += absl::Microseconds(1);
    budgets.Take(key, 1, now - absl::Seconds(100));
  }
  int taken = 0;
  while (budgets.Take(7, 1, now) == absl::ZeroDuration()) ++taken;
  EXPECT_LE(taken, 10 + 1);  // 100 ms have passed.
}

TEST(CallerBudgetsTest, BadOptionsAreNamed) {
  EXPECT_TRUE(CallerBudgetOptions().Validate().ok());
  EXPECT_THAT(std::string(CallerBudgetOptions{.rate = -1}.Validate().message()), HasSubstr("rate '-1'"));
  EXPECT_THAT(std::string(CallerBudgetOptions{.rate = 1, .burst = 1e9}.Validate().message()), HasSubstr("burst"));
}

}  // namespace
}  // namespace fairlead
