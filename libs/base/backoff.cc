#include "libs/base/backoff.h"

#include <algorithm>

namespace fairlead {
namespace {

// SplitMix64 (Steele, Lea, Flood 2014): enough for jitter, and needs no <random>.
uint64_t NextRandom(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace

absl::Duration Backoff::Next() {
  const absl::Duration floor = policy_.first / 2;
  const double share = static_cast<double>(NextRandom(state_) >> 11) / static_cast<double>(uint64_t{1} << 53);
  const absl::Duration delay = floor + (ceiling_ - floor) * share;
  ceiling_ = std::min(ceiling_ * 2, policy_.most);
  return delay;
}

}  // namespace fairlead
