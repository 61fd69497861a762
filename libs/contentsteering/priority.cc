#include "libs/contentsteering/priority.h"

#include <algorithm>
#include <tuple>

#include "absl/algorithm/container.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

// What orders pathways: conditions with one more in between, for those that failed this player. A box that is being evacuated still serves.
int Badness(const SessionPathway& pathway, const PathwayStanding& now) {
  constexpr int kFailedIt = static_cast<int>(PathwayCondition::kLeaving) + 1;
  if (now.condition == PathwayCondition::kOut) return kFailedIt + 1;
  return pathway.avoid > 0 ? kFailedIt : static_cast<int>(now.condition);
}

struct Ranked {
  SessionPathway pathway;
  PathwayStanding now;
  int badness = 0;
};

// The pathway that the player says it is on; the number of pathways if it doesn't say.
size_t Reported(const SteeringSession& session, const PlayerReport& report) {
  for (const std::string& reported : report.pathways) {
    for (size_t i = 0; i < session.pathways.size(); ++i) {
      if (session.pathways[i].id == reported) return i;
    }
  }
  return session.pathways.size();
}

// Told the first, but reports others of its own playlist only.
bool IsEvidence(const SteeringSession& session, const PlayerReport& report) {
  const auto declared = [&](const std::string& id) {
    return absl::c_any_of(session.pathways, [&](const SessionPathway& pathway) { return pathway.id == id; });
  };
  const std::string& told = session.pathways.front().id;
  return !absl::c_linear_search(report.pathways, told) && absl::c_any_of(report.pathways, declared);
}

// `stay`: for how many more answers being nearer is no reason.
MoveReason WhyLeave(const Ranked& current, const Ranked& best, uint32_t stay, const SteeringSession& session,
                    const PriorityPolicy& policy) {
  if (best.badness > current.badness) return MoveReason::kNone;
  const bool better = best.badness < current.badness;
  switch (current.now.condition) {
    case PathwayCondition::kGood:
      if (better) return MoveReason::kUnfit;  // It failed this player before, and was all that was left.
      return stay == 0 && best.now.rank < current.now.rank ? MoveReason::kNearer : MoveReason::kNone;
    case PathwayCondition::kFull: {
      const uint64_t draw = Mix(session.seed, session.round) % std::max<uint32_t>(1, policy.full_leaves_one_in);
      return better && best.now.condition == PathwayCondition::kGood && draw == 0 ? MoveReason::kFull : MoveReason::kNone;
    }
    case PathwayCondition::kSilent:
    case PathwayCondition::kSick:
      return better ? MoveReason::kUnfit : MoveReason::kNone;
    case PathwayCondition::kLeaving:
      return better ? MoveReason::kEvacuated : MoveReason::kNone;
    case PathwayCondition::kOut:
      return better ? MoveReason::kOut : MoveReason::kNone;
  }
  return MoveReason::kNone;
}

// Those that are out aren't listed while two others are.
void List(std::vector<SessionPathway>& pathways, const std::vector<Ranked>& ranked) {
  const auto out = [](const Ranked& one) { return one.now.condition == PathwayCondition::kOut; };
  const bool drop = absl::c_count_if(ranked, [&](const Ranked& one) { return !out(one); }) >= 2;
  for (const Ranked& one : ranked) {
    pathways.push_back(one.pathway);
    pathways.back().listed = !(drop && out(one));
  }
  absl::c_stable_partition(pathways, [](const SessionPathway& pathway) { return pathway.listed; });
}

}  // namespace

absl::string_view ToString(MoveReason reason) {
  switch (reason) {
    case MoveReason::kNone:
      return "none";
    case MoveReason::kUnfit:
      return "unfit";
    case MoveReason::kEvacuated:
      return "evacuated";
    case MoveReason::kOut:
      return "out";
    case MoveReason::kFull:
      return "full";
    case MoveReason::kNearer:
      return "nearer";
  }
  return "none";
}

SteeringOrder OrderPathways(const SteeringSession& session, const std::vector<PathwayStanding>& standings, const PlayerReport& report,
                            const PriorityPolicy& policy) {
  SteeringOrder order = {.next = session, .evidence = IsEvidence(session, report)};
  const size_t reported = Reported(session, report);
  const size_t current = reported < session.pathways.size() ? reported : 0;
  std::vector<Ranked> ranked;
  for (size_t i = 0; i < session.pathways.size(); ++i) {
    Ranked& one = ranked.emplace_back(Ranked{session.pathways[i], standings[i]});
    if (one.pathway.avoid > 0) --one.pathway.avoid;
  }
  if (order.evidence) ranked.front().pathway.avoid = policy.avoid_answers;
  if (reported == current) ranked[current].pathway.avoid = 0;  // What it plays from works.
  for (Ranked& one : ranked) one.badness = Badness(one.pathway, one.now);

  const std::string here = ranked[current].pathway.id;
  const Ranked on = ranked[current];
  absl::c_stable_sort(ranked,
                      [](const Ranked& a, const Ranked& b) { return std::tie(a.badness, a.now.rank) < std::tie(b.badness, b.now.rank); });
  const uint32_t stay = order.evidence ? policy.stay_answers : session.stay;  // It has just moved by itself.
  if (ranked.front().pathway.id != here) order.moved = WhyLeave(on, ranked.front(), stay, session, policy);
  if (order.moved == MoveReason::kNone) {
    const auto at = absl::c_find_if(ranked, [&](const Ranked& one) { return one.pathway.id == here; });
    std::rotate(ranked.begin(), at, at + 1);
  }
  order.next.pathways.clear();
  List(order.next.pathways, ranked);
  order.next.stay = order.moved != MoveReason::kNone || order.evidence ? policy.stay_answers : stay - std::min<uint32_t>(stay, 1);
  order.next.round = session.round >= SteeringSession::kMaxCount ? 0 : session.round + 1;
  return order;
}

}  // namespace fairlead
