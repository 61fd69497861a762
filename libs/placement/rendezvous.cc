#include "libs/placement/rendezvous.h"

#include <cmath>
#include <limits>

namespace fairlead {
namespace {

uint64_t Finalise(uint64_t x) {
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace

uint64_t KeyHash(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
  return Finalise(hash);
}

uint64_t MixHash(uint64_t a, uint64_t b) {
  return Finalise(a + 0x9e3779b97f4a7c15 + Finalise(b + 0x632be59bd9b4e019));
}

double RendezvousScore(uint64_t key, uint64_t member, double weight) {
  if (!(weight > 0)) return std::numeric_limits<double>::infinity();
  // The top 53 bits, moved by a half, so that u is never 0 or 1.
  const double u = (static_cast<double>(MixHash(key, member) >> 11) + 0.5) * 0x1p-53;
  return -std::log(u) / weight;
}

}  // namespace fairlead
