// The decision for processors with AVX-512, and called on those only.
#define FAIRLEAD_WALK_FOR_AVX512
#include "libs/steering/decision_walk.h"
#include "libs/steering/rung_judge_avx512.h"

namespace fairlead {

const DecisionEngine kAvx512Engine = {.decide = DecisionBatch<Avx512Rungs>::DecideOn,
                                      .decide_many = DecisionBatch<Avx512Rungs>::DecideMany,
                                      .decide_many_on_leaves = DecisionBatch<Avx512Rungs>::DecideManyOnLeaves};

bool HasAvx512ForDecisions() {
  return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
         __builtin_cpu_supports("popcnt");
}

}  // namespace fairlead
