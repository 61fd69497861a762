// What the boxes of one rung are to one query, all sixteen at once: which of them hold the file and may serve it, and what each draws in
// the spread. Private to libs/steering; the decision is made of it (decider.cc).
//
// A draw is told by two bounds of what SpreadCost says, because bounds come for sixteen boxes in the time that the exact figure takes for
// two; whose bounds overlap is compared exactly. So the choice depends on SpreadCost alone, and is the same by every kernel.
//
//   const RungKernel& kernel = BestRungKernel();
//   kernel.judge(task, rung, link_has_room, verdict, draws[0]);
//   const Lead lead = kernel.find_lead(draws, 1);
// Pure functions; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_H_
#define FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_H_

#include <cstddef>
#include <cstdint>

#include "libs/steering/condition.h"
#include "libs/steering/holder_rows.h"
#include "libs/steering/rung.h"

namespace fairlead {

// The same for all rungs of a walk.
struct JudgeTask {
  const BoxState* boxes = nullptr;  // By slot.
  holder_rows::Row row = 0;         // Of the file.
  uint64_t spread_key = 0;
  uint32_t endpoints = 0;  // BoxState's bits: any of them is one that the client can use.
};

// Masks of the rung's boxes: bit i is the box in slot first_slot + i.
struct Verdict {
  uint16_t holders = 0;  // Hear the route and hold the file;
  uint16_t live = 0;     // of these are LIVE;
  uint16_t able = 0;     // of these have an endpoint for the client;
  uint16_t fit = 0;      // of these are FIT, and the link has room;
  uint16_t no_room = 0;  // of the able ones: they aren't, because of capacity.
};

// Bounds of SpreadCost in units of 2^57, for the fit ones of a rung.
struct Draws {
  alignas(64) float low[Fleet::kBlock];
  float high[Fleet::kBlock];
  uint16_t in;  // Of whom there are bounds, and who wasn't taken yet.
};

// Who draws least.
struct Lead {
  uint32_t at = 0;          // Of rung at / 16 its box at % 16: the first who may be it.
  uint32_t contenders = 0;  // How many may be it: those whose `low` isn't above `limit`. 0: nobody is in.
  float limit = 0;
};

struct RungKernel {
  // `draws.in` are the fit ones.
  void (*judge)(const JudgeTask& task, const Rung& rung, bool link_has_room, Verdict& verdict, Draws& draws);
  // Of `count` rungs.
  Lead (*find_lead)(const Draws* draws, size_t count);
};

extern const RungKernel kPortableRungKernel;
// For processors that have what HasAvx512ForRungs() asks for.
extern const RungKernel kAvx512RungKernel;
bool HasAvx512ForRungs();
inline const RungKernel& BestRungKernel() {
  static const RungKernel& best = HasAvx512ForRungs() ? kAvx512RungKernel : kPortableRungKernel;
  return best;
}

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_RUNG_JUDGE_H_
