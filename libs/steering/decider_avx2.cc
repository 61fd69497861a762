// The decision for processors with AVX2, and called on those only.
#define FAIRLEAD_WALK_FOR_AVX2
#include "libs/steering/decision_walk.h"
#include "libs/steering/rung_judge_avx2.h"

namespace fairlead {

const DecisionEngine kAvx2Engine = {.decide = DecisionBatch<Avx2Rungs>::DecideOn,
                                    .decide_many = DecisionBatch<Avx2Rungs>::DecideMany,
                                    .decide_many_on_leaves = DecisionBatch<Avx2Rungs>::DecideManyOnLeaves};

bool HasAvx2ForDecisions() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
         __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
}

}  // namespace fairlead
