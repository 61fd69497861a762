#include "libs/steering/spread.h"

#include <array>
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

namespace {

// log2(1 + i / 2^kTableBits) with 48 fractional bits. Between two entries the logarithm is taken for a straight line: it errs by less than
// 2^-22.4, and never falls.
constexpr int kTableBits = 10;
using LogTable = std::array<uint64_t, (1 << kTableBits) + 1>;

// By squaring: each square of a number in [1, 2) yields one more bit of its logarithm.
constexpr uint64_t Log2Of(uint64_t mantissa, int bits) {  // [1, 2) with 63 fractional bits.
  uint64_t fraction = 0;
  for (int i = 0; i < bits; ++i) {
    const unsigned __int128 square = static_cast<unsigned __int128>(mantissa) * mantissa;  // [1, 4) with 126.
    const bool two_or_more = (square >> 127) != 0;
    fraction = fraction << 1 | (two_or_more ? 1 : 0);
    mantissa = static_cast<uint64_t>(square >> (two_or_more ? 64 : 63));
  }
  return fraction;
}

LogTable MakeLogTable() {
  LogTable table = {};
  for (uint64_t i = 0; i < (1 << kTableBits); ++i) table[i] = Log2Of((uint64_t{1} << 63) + (i << (63 - kTableBits)), 48);
  table.back() = uint64_t{1} << 48;
  return table;
}

const LogTable kLog2 = MakeLogTable();

}  // namespace

// The whole part is the place of the leading bit; the rest comes from the table.
uint64_t NegativeLog2(uint64_t hash) {
  hash |= 1;
  const int zeros = std::countl_zero(hash);
  const uint64_t below = hash << zeros << 1;  // What follows the leading bit, left aligned.
  const uint64_t at = below >> (64 - kTableBits);
  const uint64_t rest = below << kTableBits >> 40;  // 24 bits of the way to the next entry.
  const uint64_t fraction = kLog2[at] + (((kLog2[at + 1] - kLog2[at]) * rest) >> 24);
  return ((static_cast<uint64_t>(zeros) + 1) << 48) - fraction;
}

uint64_t SpreadCost(uint64_t hash, uint32_t weight) {
  return weight == 0 ? ~uint64_t{0} : (NegativeLog2(hash) << 9) / weight;
}

}  // namespace fairlead
