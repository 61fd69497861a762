// Weighted rendezvous hashing: every key orders all members, each member comes first for a share of the keys that equals its share of
// the weight, and a member that comes or goes moves only the keys that it wins or loses.
//
// Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates" (1998), with the logarithmic weights of
// Schindelhauer and Schomaker (2005): the smallest −ln(u)/w wins, u uniform in (0, 1) from a hash of key and member.
// Pure; the same on every machine (no std::hash). O(1) a score.
//
//   std::sort by RendezvousScore(KeyHash("big-film/v1"), KeyHash("oca-1"), weight), smallest first.
#ifndef FAIRLEAD_LIBS_PLACEMENT_RENDEZVOUS_H_
#define FAIRLEAD_LIBS_PLACEMENT_RENDEZVOUS_H_

#include <cstdint>

#include "absl/strings/string_view.h"

namespace fairlead {

// A well-mixed 64-bit hash of a text (FNV-1a, then the finaliser of splitmix64).
uint64_t KeyHash(absl::string_view text);
uint64_t MixHash(uint64_t a, uint64_t b);

// Smaller is better; infinite for a weight that isn't positive.
double RendezvousScore(uint64_t key, uint64_t member, double weight);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_PLACEMENT_RENDEZVOUS_H_
