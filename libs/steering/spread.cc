#include "libs/steering/spread.h"

#include <bit>

namespace fairlead {

// The finaliser of SplitMix64 (Steele, Lea and Flood 2014).
uint64_t Mix(uint64_t a, uint64_t b) {
  uint64_t x = a + 0x9e3779b97f4a7c15 * (b + 1);
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t HashBytes(absl::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  return Mix(hash, bytes.size());
}

// The whole part is the place of the leading bit; each squaring of the rest yields one more bit of the fraction.
uint64_t NegativeLog2(uint64_t hash) {
  constexpr int kBits = 24;
  hash |= 1;
  const int zeros = std::countl_zero(hash);
  uint64_t mantissa = hash << zeros;  // [1, 2) with 63 fractional bits.
  uint64_t fraction = 0;
  for (int i = 0; i < kBits; ++i) {
    const unsigned __int128 square = static_cast<unsigned __int128>(mantissa) * mantissa;  // [1, 4) with 126.
    const bool two_or_more = (square >> 127) != 0;
    fraction = fraction << 1 | (two_or_more ? 1 : 0);
    mantissa = static_cast<uint64_t>(square >> (two_or_more ? 64 : 63));
  }
  const uint64_t whole = static_cast<uint64_t>(zeros) + 1;
  return (whole << 48) - (fraction << (48 - kBits));
}

uint64_t SpreadCost(uint64_t hash, uint32_t weight) {
  return weight == 0 ? ~uint64_t{0} : (NegativeLog2(hash) << 9) / weight;
}

}  // namespace fairlead
