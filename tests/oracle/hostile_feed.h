// What a broken, careless or hostile neighbour sends: a seeded stream of BGP updates over a small pool of prefixes and paths, so that
// everything collides often. Foreign space and more-specifics of other partners, default routes, bogons, leaked full tables, loops, endless
// and empty paths, flaps, floods beyond max-prefix, withdrawals of what was never announced, sessions that come, go and restart.
#ifndef FAIRLEAD_TESTS_ORACLE_HOSTILE_FEED_H_
#define FAIRLEAD_TESTS_ORACLE_HOSTILE_FEED_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "libs/net/prefix.h"
#include "libs/routing/route.h"
#include "libs/routing/rpki.h"
#include "tests/generator/routes.h"

namespace fairlead {

struct HostileUpdate {
  enum class Kind { kAnnounce, kWithdraw, kUp, kLost, kCeased, kEndOfRib, kTick, kReconfigure };
  Kind kind = Kind::kTick;
  RawRoute route = {};                          // Of kAnnounce; of kWithdraw its key.
  AddressFamily family = AddressFamily::kIpv4;  // Of kEndOfRib.
  absl::Duration after = {};                    // Time that passes before it.
};

class HostileFeed {
 public:
  // `own`: what the neighbour may announce; `foreign`: what others may; `asn`: its own, `local_asn`: ours.
  HostileFeed(uint64_t seed, std::vector<Prefix> own, std::vector<Prefix> foreign, uint32_t asn, uint32_t local_asn);

  HostileUpdate Next();
  // Some VRPs that cover parts of the pool, right and wrong ones.
  std::vector<Vrp> Vrps();

 private:
  void FillPool(const std::vector<Prefix>& own, const std::vector<Prefix>& foreign);
  void FillPaths();
  RawRoute Route();
  // A prefix of up to `more` bits more inside `around`.
  Prefix Inside(const Prefix& around, int more);

  SeededRandom random_;
  uint32_t asn_;
  uint32_t local_asn_;
  std::vector<Prefix> pool_;
  std::vector<AsPath> paths_;
  size_t flapping_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_ORACLE_HOSTILE_FEED_H_
