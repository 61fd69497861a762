// The words of the longest-prefix table: what a lookup returns, and what its nodes are made of. One 32-bit word either says which prefix
// matched and its leaf, or refers to a node that knows more. Words are what the writer replaces, each by one atomic store.
//
//   bit 31 = 0   match: bits 30–23 the prefix's length + 1 (0: nothing matched), bits 22–0 the leaf
//   bit 31 = 1   reference: bit 30 set for a bucket, clear for a fan; bits 29–26 a bucket's size or a fan's stride; bits 25–0 the node's
//                place, in units of 16 bytes
#ifndef FAIRLEAD_LIBS_NET_LPM_WORD_H_
#define FAIRLEAD_LIBS_NET_LPM_WORD_H_

#include <cstddef>
#include <cstdint>

namespace fairlead {

// What a lookup found. Four bytes, so that a batch of answers is an array of words.
class LpmMatch {
 public:
  static constexpr int kLeafBits = 23;
  // The largest leaf: 8,388,607. Leaves are numbers of interned things, of which there are never more than prefixes.
  static constexpr uint32_t kMaxLeaf = (uint32_t{1} << kLeafBits) - 1;

  // Nothing matched.
  constexpr LpmMatch() = default;
  // `length` in [0, 128], `leaf` <= kMaxLeaf.
  constexpr LpmMatch(int length, uint32_t leaf) : word_(static_cast<uint32_t>(length + 1) << kLeafBits | leaf) {}
  static constexpr LpmMatch FromWord(uint32_t word) {
    LpmMatch match;
    match.word_ = word;
    return match;
  }

  constexpr bool found() const { return word_ != 0; }
  // Of the prefix that matched; -1 if none did.
  constexpr int length() const { return static_cast<int>(word_ >> kLeafBits) - 1; }
  constexpr uint32_t leaf() const { return word_ & kMaxLeaf; }
  constexpr uint32_t word() const { return word_; }

  friend constexpr bool operator==(const LpmMatch&, const LpmMatch&) = default;

 private:
  uint32_t word_ = 0;
};

namespace lpm {

constexpr uint32_t kReference = uint32_t{1} << 31;
constexpr uint32_t kBucket = uint32_t{1} << 30;
constexpr int kShapeShift = 26;
constexpr uint32_t kPlaceMask = (uint32_t{1} << kShapeShift) - 1;
// Nodes stand at multiples of this many bytes.
constexpr size_t kUnit = 16;

constexpr bool IsReference(uint32_t word) {
  return word & kReference;
}
constexpr bool IsBucket(uint32_t word) {
  return word >> 30 == 3;
}
constexpr bool IsFan(uint32_t word) {
  return word >> 30 == 2;
}
// How many bits of the address the fan spends: it has a word for each of their values.
constexpr int FanStride(uint32_t fan) {
  return static_cast<int>(fan >> kShapeShift & 15);
}
constexpr uint32_t FanReference(int stride, uint32_t place) {
  return kReference | static_cast<uint32_t>(stride) << kShapeShift | place;
}
// A bucket is of 1 to 6 units, and has as many intervals as go into them, 16 bits of bound and a word each: at most 16.
constexpr uint32_t kBucketMax = 16;
constexpr uint32_t BucketUnits(uint32_t bucket) {
  return (bucket >> kShapeShift & 15) + 1;
}
constexpr uint32_t BucketRoom(uint32_t bucket) {
  return BucketUnits(bucket) * static_cast<uint32_t>(kUnit) / 6;
}
// Where its words begin, in bytes.
constexpr uint32_t BucketWordsAt(uint32_t bucket) {
  return (2 * BucketRoom(bucket) + 3) / 4 * 4;
}
constexpr uint32_t BucketReference(uint32_t units, uint32_t place) {
  return kReference | kBucket | (units - 1) << kShapeShift | place;
}
// The units of one for so many intervals.
constexpr uint32_t UnitsForRoom(size_t intervals) {
  return static_cast<uint32_t>((6 * intervals + kUnit - 1) / kUnit);
}

// Which matches a change replaces, and by what. Every word knows the length of the prefix it stands for, so a change can tell which words
// of its range to colour: a new prefix those of shorter ones, a withdrawn one its own.
struct Brush {
  int shortest;  // Lengths of the matches it colours; -1 is no match.
  int longest;
  uint32_t word;
  constexpr bool Colours(uint32_t match) const {
    const int length = LpmMatch::FromWord(match).length();
    return length >= shortest && length <= longest;
  }
  // A change that can only make a node simpler.
  constexpr bool recolours() const { return shortest == longest; }
};

// From `start` to the next run's, every address has the match `word`.
template <typename Key>
struct Run {
  Key start;
  uint32_t word;
};

inline void Store(uint32_t* at, uint32_t word) {
  __atomic_store_n(at, word, __ATOMIC_RELEASE);
}

}  // namespace lpm
}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_LPM_WORD_H_
