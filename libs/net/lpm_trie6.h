// LpmTrie6: the writer's side of the IPv6 lookup structure (lpm_read.h is the readers'). Single writer; readers at any time.
//
// A tree for each region (lpm_region.h), and one for all that is in none: cut to the table. A branch with at most 16 intervals (stretches
// of addresses with one match) is a bucket: 16 bits compared at once, whatever they are, so that sparse branches, which is most of the
// space, take one node. A larger branch is a fan: over as few bits as put nearly all of it into buckets at once, and no more slots than
// twice its intervals. What a bucket can't tell apart within its 16 bits (longer than a /48, mostly) has a node of its own below it.
//
// Fans are changed in place, a word at a time. A bucket whose bounds change is built anew beside the old one and put in place by the store
// of the word that refers to it. One that overflows becomes a fan, and the fan above it is cut anew if it has grown too narrow for what it
// holds.
//
// Costs: a change rewrites one bucket, O(16), and for a prefix shorter than a fan's bits visits the slots that it covers; one up to /31
// visits the regions that it covers.
#ifndef FAIRLEAD_LIBS_NET_LPM_TRIE6_H_
#define FAIRLEAD_LIBS_NET_LPM_TRIE6_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "libs/net/lpm_memory.h"
#include "libs/net/lpm_read.h"
#include "libs/net/lpm_regions.h"
#include "libs/net/lpm_word.h"

namespace fairlead::lpm {

class LpmTrie6 {
 public:
  using Key = unsigned __int128;
  using Run6 = Run<Key>;
  static constexpr int kBits = 128;
  // More than one change can take: a fan that is cut anew has at most kMaxRecut intervals.
  static constexpr size_t kMaxChangeBytes = LpmMemory::kMaxNodeBytes + (size_t{6} << 20);

  // False if the system refuses the memory.
  bool Reserve();
  // All of it at once, on an empty table that readers can't see yet: runs in order, the first at 0.
  // `shorter` are those of the prefixes up to /31 alone.
  void Build(absl::Span<const Run6> shorter, absl::Span<const Run6> runs);
  // Draws `brush` over [first, last], the range of a prefix longer than /0.
  void Paint(Key first, Key last, const Brush& brush);

  View view(const Default* fallback) const { return {memory_.base(), fallback}; }
  LpmMemory& memory() { return memory_; }
  const LpmMemory& memory() const { return memory_; }

 private:
  static constexpr size_t kTopSize = size_t{1} << kTopBits6;
  static constexpr uint32_t kLastBits = (uint32_t{1} << kBucketBits) - 1;
  static constexpr int kMinStride = 2;
  static constexpr int kMaxStride = kMaxStride6;
  // A fan is wide enough if so many hundredths of its intervals are in buckets right below it.
  static constexpr size_t kSettled = 97;
  // A branch of so few intervals becomes a bucket again: fewer than fit, so that a route that flaps doesn't rebuild it each time.
  static constexpr size_t kGatherBelow = 9;
  // A fan is cut anew if it should spend so many bits more, up to so many intervals, so that a change stays short.
  static constexpr int kRecutBits = 2;
  static constexpr size_t kMaxRecut = 2048;

  struct Entry {
    uint32_t bits;  // Of the address, where the interval begins.
    uint32_t word;
  };
  // Room for what an overflowing bucket has before it bursts.
  struct Entries {
    std::array<Entry, 2 * kBucketMax + 2> at;
    size_t count = 0;
    // Behind the others; one with the same bits is replaced, one with the same word goes on.
    void Append(uint32_t bits, uint32_t word);
    // The one that begins at `bits`, split off if need be.
    size_t Split(uint32_t bits);
    void JoinEqual();
  };

  // The addresses that agree in `bits` bits: how far the last is from the first.
  static constexpr Key Below(int bits) { return bits >= kBits ? Key{0} : ~Key{0} >> bits; }
  // The `count` bits of the key behind the first `depth`, and back.
  static constexpr uint32_t BitsAt(Key key, int depth, int count) {
    return depth >= kBits ? 0 : static_cast<uint32_t>(static_cast<Key>(key << depth) >> (kBits - count));
  }
  static constexpr Key StartAt(Key base, int depth, int count, uint64_t bits) {
    return base | (static_cast<Key>(bits) << (kBits - count)) >> depth;
  }

  uint32_t* top() const { return reinterpret_cast<uint32_t*>(memory_.base()); }
  uint32_t* FanWords(uint32_t fan) const { return reinterpret_cast<uint32_t*>(memory_.At(fan)); }
  uint16_t* Bounds(uint32_t bucket) const { return reinterpret_cast<uint16_t*>(memory_.At(bucket)); }
  uint32_t* BucketWords(uint32_t bucket) const { return reinterpret_cast<uint32_t*>(memory_.At(bucket) + BucketWordsAt(bucket)); }
  static size_t FanSize(uint32_t fan) { return size_t{1} << FanStride(fan); }
  static size_t NodeBytes(uint32_t node) { return IsBucket(node) ? BucketUnits(node) * kUnit : FanSize(node) * sizeof(uint32_t); }

  // New nodes of `runs`, those that touch [base, base + Below(depth)], the first perhaps from before; each returns the word for it.
  uint32_t MakeNode(absl::Span<const Run6> runs, Key base, int depth);
  uint32_t MakeFan(absl::Span<const Run6> runs, Key base, int depth, int stride);
  uint32_t MakeBucket(absl::Span<const Run6> runs, Key base, int depth);
  uint32_t WriteBucket(const Entries& entries);
  // As a bucket has it in place i.
  static uint16_t BoundOf(const Entries& entries, size_t i) {
    return static_cast<uint16_t>((i < entries.count ? entries.at[i].bits : kLastBits) ^ kBoundFlip);
  }
  static bool FitsBucket(absl::Span<const Run6> runs, int depth);
  // The most bits that a fan over so many intervals may spend.
  static int WidestStride(size_t intervals, int depth);
  static int StrideFor(absl::Span<const Run6> runs, int depth);

  void BuildRegions(absl::Span<const Run6> runs);
  // What stands below a region that has no entry: into the hash table, or, if its line is full, into the tree.
  void AddRegion(uint32_t region, uint32_t word);
  void MoveToTree(uint32_t region, uint32_t word);
  void PaintTree(Key first, Key last, const Brush& brush);
  // Of a prefix within a region.
  void PaintRegion(Key first, Key last, const Brush& brush);
  // Whether all of [first, last] that is in `word` has matches of prefixes up to /31.
  bool IsShort(uint32_t word, Key base, int depth, Key first, Key last) const;
  // What `word`, which stands for [base, base + Below(depth)], becomes when [first, last] of it is painted.
  uint32_t PaintWord(uint32_t word, Key base, int depth, Key first, Key last, const Brush& brush);
  uint32_t PaintMatch(uint32_t word, Key base, int depth, Key first, Key last, const Brush& brush);
  uint32_t PaintFan(uint32_t fan, Key base, int depth, Key first, Key last, const Brush& brush);
  uint32_t PaintBucket(uint32_t bucket, Key base, int depth, Key first, Key last, const Brush& brush);
  void PaintEntries(Entries& entries, Key base, int depth, Key first, Key last, const Brush& brush);
  uint32_t ReplaceBucket(uint32_t bucket, const Entries& entries, Key base, int depth);
  // Makes the branch anew, in the shape that fits what it holds now.
  uint32_t Rebuild(uint32_t word, Key base, int depth);

  // The reverse of MakeNode: the runs of `word`, behind those that `runs` has.
  void Gather(uint32_t word, Key base, int depth, std::vector<Run6>& runs) const;
  // How many intervals there are below, counted until `enough`; a bucket counts as nearly full.
  size_t CountIntervals(uint32_t word, size_t enough) const;
  Entries ReadBucket(uint32_t bucket) const;
  void RetireTree(uint32_t word);

  LpmMemory memory_;
  LpmRegions regions_{memory_};
};

}  // namespace fairlead::lpm

#endif  // FAIRLEAD_LIBS_NET_LPM_TRIE6_H_
