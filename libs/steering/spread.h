// Hashing for the spread of clients over equally good boxes: our own mix, so that an answer never changes with a library.
// Pure functions on integers; any thread.
//
// Weighted rendezvous hashing (Thaler and Ravishankar 1998; weights by Schindelhauer and Schomaker 2005): each box draws u in (0, 1) from
// the key and its own name, and the least -log2(u) / weight goes first. A box that leaves moves only its own clients; shares follow
// weights.
#ifndef FAIRLEAD_LIBS_STEERING_SPREAD_H_
#define FAIRLEAD_LIBS_STEERING_SPREAD_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace fairlead {

// A well-mixed 64-bit hash of the bytes: FNV-1a, then Mix.
uint64_t HashBytes(absl::string_view bytes);
// A well-mixed hash of two hashes, order counts.
uint64_t Mix(uint64_t a, uint64_t b = 0);
// -log2(hash / 2^64) with 48 fractional bits; (0, 64].
uint64_t NegativeLog2(uint64_t hash);
// Least first. Weight 0 comes last of all.
uint64_t SpreadCost(uint64_t hash, uint32_t weight);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_SPREAD_H_
