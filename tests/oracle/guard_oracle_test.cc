// The guard against its promises (I7, I10), on many random fleets that fall silent, come back, lose cells and see evidence in any order.
// The limit and the promises are worked out here from what was put in and what came out alone.
#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/decide.h"
#include "libs/steering/guard.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/routes.h"
#include "tests/oracle/random_fleet.h"

namespace fairlead {
namespace {

bool IsSilent(const BoxCondition& condition) {
  return condition.health == HealthState::kSilent;
}

// A fleet over some cells, and what happens to it.
class RandomLife {
 public:
  explicit RandomLife(SeededRandom& random) : random_(random) {
    const size_t sites = 1 + random.Below(12);
    const size_t cells = 1 + random.Below(3);
    for (size_t site = 0; site < sites; ++site) {
      const std::string path = random.OneIn(2) ? absl::StrCat("partners/p", random.Below(3)) : "";
      const size_t boxes = 1 + random.Below(random.OneIn(4) ? 30 : 4);
      for (size_t box = 0; box < boxes; ++box) {
        GuardedBox made = {.id = ApplianceId(absl::StrCat("s", site, "-", box)), .site = SiteId(absl::StrCat("s", site)), .path = path};
        made.cell = CellId(absl::StrCat("c", site % cells));
        made.serves = !random.OneIn(20);
        made.routers = RouterSessions::kUp;
        Speak(made);
        in_.boxes.push_back(made);
      }
    }
  }

  // One event, of any size.
  void Happen() {
    switch (random_.Below(8)) {
      case 0:  // A cell loses its boxes, in one go or in part.
        Silence([cell = RandomBox().cell](const GuardedBox& box) { return box.cell == cell; }, 1 + random_.Below(3));
        break;
      case 1:
        Silence([site = RandomBox().site](const GuardedBox& box) { return box.site == site; }, 1);
        break;
      case 2:
        Fail(RandomBox());
        break;
      case 3:
        Silence([](const GuardedBox&) { return true; }, 2 + random_.Below(9));
        break;
      case 4:
        for (GuardedBox& box : in_.boxes) {
          if (random_.OneIn(2)) Speak(box);
        }
        break;
      case 5:
        in_.stale_cells.clear();
        if (random_.OneIn(2)) in_.stale_cells[RandomBox().cell] = "was last heard 11s ago";
        break;
      case 6: {
        const SiteId site = RandomBox().site;
        const RouterSessions routers = random_.OneIn(2) ? RouterSessions::kUp : RouterSessions::kDown;
        for (GuardedBox& box : in_.boxes) {
          if (box.site == site) box.routers = routers;
        }
        break;
      }
      case 7:
        RandomBox().data_port = static_cast<DataPort>(random_.Below(3));
        RandomBox().client_errors = random_.OneIn(2);
        break;
    }
  }

  GuardInput& in() { return in_; }
  GuardedBox& RandomBox() { return in_.boxes[random_.Below(in_.boxes.size())]; }
  void Fail(GuardedBox& box) {
    box.report_age = absl::Seconds(10);
    box.reported.health = HealthState::kSilent;
    if (random_.OneIn(10)) box.heard = false;
  }
  void Speak(GuardedBox& box) {
    box.heard = true;
    ++box.sequence;
    box.report_age = absl::ZeroDuration();
    box.reported = {.health = random_.OneIn(5) ? HealthState::kDegraded : HealthState::kOk, .weight_permille = 1000};
  }

 private:
  template <typename Which>
  void Silence(Which which, uint64_t one_in) {
    for (GuardedBox& box : in_.boxes) {
      if (which(box) && random_.OneIn(one_in)) Fail(box);
    }
  }

  SeededRandom& random_;
  GuardInput in_;
};

// What the guard promises about one step, from the step before.
class Witness {
 public:
  void Watch(const GuardInput& in, const GuardPolicy& policy, absl::Duration now, const GuardState& before, const GuardOutcome& out) {
    size_t fleet = 0;
    size_t taken = 0;
    for (size_t i = 0; i < in.boxes.size(); ++i) {
      const GuardedBox& box = in.boxes[i];
      const GuardWord& word = out.words[i];
      fleet += box.serves ? 1 : 0;
      const bool speaks = box.heard && !IsSilent(box.reported);
      if (speaks) {
        ASSERT_EQ(word.believed, box.reported) << box.id << " speaks, and is believed at once";
      }
      const auto was = believed_.find(box.id);
      const bool fell = was != believed_.end() && !IsSilent(was->second) && IsSilent(word.believed) && box.serves;
      if (fell) {
        ASSERT_FALSE(speaks) << box.id;
        ASSERT_FALSE(in.stale_cells.contains(before.boxes.at(box.id).cell)) << box.id << " was taken by a stale cell";
        const std::optional<absl::Duration> silent_since = before.boxes.at(box.id).silent_since;
        const bool leased = box.data_port == DataPort::kAnswers && now - silent_since.value_or(now) < policy.answering_lease;
        ASSERT_FALSE(leased) << box.id << " was taken although its data port answers";
        if (word.verdict != GuardVerdict::kCorroborated) ++taken;
        if (word.verdict == GuardVerdict::kCorroborated) corroborated_sites_[box.site] = now;
        if (word.verdict == GuardVerdict::kBelieved) {
          for (const std::string& shared : {before.boxes.at(box.id).cell.name(), box.path}) {
            ASSERT_FALSE(out.state.frozen.contains(shared)) << box.id << " was taken out of a frozen " << shared;
          }
        }
      }
      if (!speaks && !IsSilent(word.believed) && was != believed_.end() && !IsSilent(was->second)) {
        ASSERT_EQ(word.believed, was->second) << box.id << " is held, and keeps its state";
      }
      ASSERT_EQ(word.held, !speaks && !IsSilent(word.believed)) << box.id;
      believed_[box.id] = word.believed;
    }
    // In any window that ends now.
    for (size_t i = 0; i < taken; ++i) taken_at_.push_back(now);
    while (!taken_at_.empty() && now - taken_at_.front() >= policy.window) taken_at_.pop_front();
    ASSERT_LE(taken_at_.size(), std::max<size_t>(policy.removable_boxes, fleet * policy.removable_permille / 1000));
    std::erase_if(corroborated_sites_, [&](const auto& site) { return now - site.second >= policy.window; });
    ASSERT_LE(corroborated_sites_.size(), policy.corroborated_sites);
  }

 private:
  std::map<ApplianceId, BoxCondition> believed_;
  std::deque<absl::Duration> taken_at_;
  std::map<SiteId, absl::Duration> corroborated_sites_;
};

std::string Describe(const std::vector<GuardedBox>& boxes, const GuardOutcome& out) {
  std::map<std::string, std::string> words;
  for (size_t i = 0; i < boxes.size(); ++i) {
    words[boxes[i].id.value()] =
        absl::StrCat(ToString(out.words[i].believed.health), " ", ToString(out.words[i].verdict), " ", out.words[i].sentence);
  }
  std::string text;
  for (const auto& [id, word] : words) absl::StrAppend(&text, id, ": ", word, "\n");
  for (const auto& [shared, freeze] : out.state.frozen) absl::StrAppend(&text, shared, " ", freeze.silent, "/", freeze.boxes, "\n");
  return text;
}

TEST(GuardOracle, ItsPromisesHoldWhateverHappensAndInWhateverOrderTheBoxesCome) {
  SeededRandom random(71);
  SeededRandom order(72);
  size_t freezes = 0, thaws = 0, taken = 0, corroborated = 0, held = 0;
  for (int round = 0; round < 300; ++round) {
    RandomLife life(random);
    GuardPolicy policy;
    if (random.OneIn(3)) policy.removable_permille = static_cast<uint32_t>(1 + random.Below(200));
    if (random.OneIn(3)) policy.removable_boxes = static_cast<uint32_t>(1 + random.Below(3));
    GuardState state;
    GuardState shuffled_state;
    Witness witness;
    absl::Duration now = absl::Hours(1);
    for (int step = 0; step < 80; ++step) {
      now += absl::Milliseconds(static_cast<int64_t>(random.OneIn(4) ? random.Below(70'000) : random.Below(3'000)));
      if (random.OneIn(2)) life.Happen();
      const GuardOutcome out = GuardSilence(life.in(), policy, now, state);
      witness.Watch(life.in(), policy, now, state, out);
      if (testing::Test::HasFatalFailure()) FAIL() << "round " << round << " step " << step;

      GuardInput shuffled = life.in();
      Shuffle(shuffled.boxes, order);
      const GuardOutcome again = GuardSilence(shuffled, policy, now, shuffled_state);
      ASSERT_EQ(Describe(life.in().boxes, out), Describe(shuffled.boxes, again)) << "round " << round << " step " << step;
      state = out.state;
      shuffled_state = again.state;
      freezes += out.began.size(), thaws += out.ended.size(), taken += out.taken, corroborated += out.taken_corroborated, held += out.held;
    }
  }
  // That all of it happened, and often.
  EXPECT_GT(freezes, 100u);
  EXPECT_GT(thaws, 50u);
  EXPECT_GT(taken, 500u);
  EXPECT_GT(corroborated, 100u);
  EXPECT_GT(held, 1'000u);
}

TEST(GuardOracle, ACorroboratedSiteIsTakenInFullAtOnce) {
  SeededRandom random(81);
  for (int round = 0; round < 1'000; ++round) {
    RandomLife life(random);
    const GuardPolicy policy;
    GuardState state = GuardSilence(life.in(), policy, absl::Hours(1), {}).state;
    const SiteId site = life.RandomBox().site;
    const uint64_t kind = random.Below(3);
    for (GuardedBox& box : life.in().boxes) {
      if (box.site != site) continue;
      life.Fail(box);
      if (kind == 0) box.routers = RouterSessions::kDown;
      if (kind == 1) box.data_port = DataPort::kRefuses;
      if (kind == 2) box.client_errors = true;
    }
    const GuardOutcome out = GuardSilence(life.in(), policy, absl::Hours(1) + absl::Seconds(11), state);
    for (size_t i = 0; i < out.words.size(); ++i) {
      const GuardedBox& box = life.in().boxes[i];
      ASSERT_EQ(IsSilent(out.words[i].believed), box.site == site) << "round " << round << ": " << box.id;
    }
    ASSERT_EQ(out.taken, 0u) << "the limit is for silence that nothing corroborates";
  }
}

// However much the guard believes, whoever could be served before can be served after.
TEST(GuardOracle, BelievedSilenceNeverTakesTheLastOption) {
  SeededRandom random(91);
  RouteGenerator addresses(92);
  size_t gone = 0;
  for (int round = 0; round < 300; ++round) {
    SteeringInputs in = RandomFleet(random, 1 + random.Below(6), random.Below(30));
    const auto before = BuildSteeringTable(in).value();
    GuardInput input;
    for (const ApplianceView& view : in.appliances) {
      GuardedBox& box = input.boxes.emplace_back();
      box = {.id = view.id, .site = view.site, .serves = view.admin == AdminState::kLive, .heard = true, .cell = CellId("c")};
      box.reported = {.health = HealthState::kOk, .weight_permille = 1000};
    }
    GuardPolicy policy;
    if (random.OneIn(2)) policy.mode = GuardMode::kBelieveAll;
    GuardState state = GuardSilence(input, policy, absl::Hours(1), {}).state;
    for (GuardedBox& box : input.boxes) {
      if (!random.OneIn(5)) box.reported.health = HealthState::kSilent;
    }
    const GuardOutcome out = GuardSilence(input, policy, absl::Hours(2), state);
    for (size_t i = 0; i < in.appliances.size(); ++i) {
      in.appliances[i].health = out.words[i].believed.health;
      in.appliances[i].weight_permille = out.words[i].believed.weight_permille;
    }
    gone += out.gone;
    SteeringTable parts = *before;
    parts.fleet = Fleet::Build(in.sites, in.appliances, in.links);
    const auto after = AssembleSteeringTable(parts).value();
    for (int i = 0; i < 10; ++i) {
      SteeringRequest request;
      request.client = addresses.AddressIn(PartnerBlocks()[random.Below(PartnerBlocks().size())]);
      request.title = in.titles[0].id;
      const SteeringAnswer was = Decide(*before, request);
      const SteeringAnswer is = Decide(*after, request);
      for (size_t file = 0; file < was.files.size(); ++file) {
        ASSERT_EQ(was.files[file].candidates.empty(), is.files[file].candidates.empty()) << "round " << round;
      }
    }
  }
  EXPECT_GT(gone, 300u);
}

}  // namespace
}  // namespace fairlead
