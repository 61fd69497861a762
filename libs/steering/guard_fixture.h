// A small fleet for the guard's tests.
#ifndef FAIRLEAD_LIBS_STEERING_GUARD_FIXTURE_H_
#define FAIRLEAD_LIBS_STEERING_GUARD_FIXTURE_H_

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/guard.h"

namespace fairlead {

// A fleet that reports each time it is looked at, except for those that are told to fall silent.
class GuardTest : public testing::Test {
 protected:
  // `count` boxes "<site>-1", "<site>-2", … that report to `cell`.
  void AddSite(const std::string& site, int count, const std::string& cell = "c1", const std::string& path = "") {
    for (int i = 1; i <= count; ++i) {
      GuardedBox box = {.id = ApplianceId(absl::StrCat(site, "-", i)), .site = SiteId(site), .path = path, .cell = CellId(cell)};
      Speak(box);
      in_.boxes.push_back(std::move(box));
    }
  }
  GuardedBox& Box(const std::string& id) {
    return *std::find_if(in_.boxes.begin(), in_.boxes.end(), [&](const GuardedBox& box) { return box.id.value() == id; });
  }
  static void Speak(GuardedBox& box, HealthState health = HealthState::kOk, uint32_t weight = 1000) {
    box.heard = true;
    ++box.sequence;
    box.report_age = absl::ZeroDuration();
    box.reported = {.health = health, .weight_permille = weight, .use_bps = 7, .capacity_bps = 9};
  }
  // As its cell says it once no report came for lost_after.
  static void FallSilent(GuardedBox& box) {
    box.report_age = absl::Seconds(10);
    box.reported.health = HealthState::kSilent;
    box.reported.weight_permille = 0;
  }
  void Silence(const std::string& site, int from, int to) {
    for (int i = from; i <= to; ++i) FallSilent(Box(absl::StrCat(site, "-", i)));
  }
  void SilenceSite(const std::string& site) {
    for (GuardedBox& box : in_.boxes) {
      if (box.site.value() == site) FallSilent(box);
    }
  }

  const GuardOutcome& Step(absl::Duration after = absl::Seconds(1)) {
    now_ += after;
    last_ = GuardSilence(in_, policy_, now_, state_);
    state_ = last_.state;
    return last_;
  }
  const GuardWord& Word(const std::string& id) { return last_.words[static_cast<size_t>(&Box(id) - in_.boxes.data())]; }
  std::vector<std::string> Gone() const {
    std::vector<std::string> gone;
    for (size_t i = 0; i < in_.boxes.size(); ++i) {
      if (last_.words[i].believed.health == HealthState::kSilent) gone.push_back(in_.boxes[i].id.value());
    }
    return gone;
  }

  GuardInput in_;
  GuardPolicy policy_;
  GuardState state_;
  GuardOutcome last_;
  absl::Duration now_ = absl::Hours(1);
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_GUARD_FIXTURE_H_
