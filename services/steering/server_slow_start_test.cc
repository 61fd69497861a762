// Slow start through a whole steerd: a box whose weight rises again gets its share of the sessions, and no more.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/steering/server_fixture.h"

namespace fairlead {
namespace {

constexpr int kSessions = 3'000;

class SlowStartServerTest : public SteeringServerTest {
 protected:
  // As libs/health has it on its way from one of its bad states back to full weight.
  void PutWeight(const std::string& id, uint64_t sequence, uint32_t permille) {
    sources_->PutFleet(0, absl::StrCat("key: 'state/", id, "' state { appliance: 'appliances/", id, "' incarnation: 1 sequence: ", sequence,
                                       " health: HEALTH_STATE_OK weight: ", permille / 1000.0, " health_reason: 'starting slowly'",
                                       " last_heartbeat { network { throughput_bps: 1000000000 capacity_bps: 10000000000 } } }"));
    ASSERT_TRUE(Eventually([&] { return WeightOf(id) == permille; })) << id << " has " << WeightOf(id) << " instead of " << permille;
  }
  uint32_t WeightOf(const std::string& id) {
    const auto state = server_->state();
    for (const Fleet::Box& box : state->table->fleet->boxes()) {
      if (box.view.id == ApplianceId(id)) return box.view.weight_permille;
    }
    return 0;
  }
  // The sessions that are sent to the box first.
  std::set<int> SessionsOf(const std::string& id) {
    std::set<int> sessions;
    for (int i = 0; i < kSessions; ++i) {
      sv1::SteerRequest request = Request(kInside);
      request.set_session_id(absl::StrCat("session-", i));
      request.set_max_urls(1);
      request.set_omit_playlist_urls(true);
      const sv1::SteerResponse response = MustSteer(request);
      if (response.files().empty() || response.files(0).urls().empty()) continue;
      if (response.files(0).urls(0).appliance() == "appliances/" + id) sessions.insert(i);
    }
    return sessions;
  }
};

// Two boxes of one capacity share the partner's clients, one of them at full weight. Each session is a draw of its own, in which the box
// that starts has the chance w / (w + 1000): so their number is binomial. Five standard deviations are met by chance once in two million
// times; the sessions are always the same, so that what passes once passes always.
TEST_F(SlowStartServerTest, TheShareOfABoxThatStartsFollowsItsWeightAndItKeepsWhatItHasGot) {
  StartWithWorld();
  std::set<int> before;
  uint64_t sequence = 2;
  for (const uint32_t permille : {100, 250, 500, 1000}) {
    SCOPED_TRACE(absl::StrCat("weight ", permille));
    PutWeight("oca-1", sequence++, permille);
    const std::set<int> sessions = SessionsOf("oca-1");
    const double chance = permille / (permille + 1000.0);
    EXPECT_NEAR(static_cast<double>(sessions.size()), kSessions * chance, 5 * std::sqrt(kSessions * chance * (1 - chance)));
    // Rising weight takes sessions over and gives none back.
    EXPECT_TRUE(std::includes(sessions.begin(), sessions.end(), before.begin(), before.end()));
    before = sessions;
  }
}

}  // namespace
}  // namespace fairlead
