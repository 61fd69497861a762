// The ground the longest-prefix table stands on: one region a family, reserved once so that nothing in it ever moves, and the rule by
// which its writer may use a node's place again while readers look at it.
//
// LpmMemory hands out nodes of 16 bytes to 2 MiB, in sizes of up to 8 units of 16 bytes and of powers of two and the middles between them.
// Writer only. The region is reserved whole and filled page by page as it is needed, in huge pages where the kernel gives them: one TLB
// entry then does for 512.
//
// LpmEpochs: a reader announces the epoch in which it began and says when it has finished; the writer retires what it replaced under the
// epoch of the replacement, and uses it again when no reader is left that began in it or before. Readers neither wait nor loop: a pin is
// one atomic exchange, and renewing it a load and a store, once a batch. The writer never waits either; while a reader stays, retired nodes
// stay.
#ifndef FAIRLEAD_LIBS_NET_LPM_MEMORY_H_
#define FAIRLEAD_LIBS_NET_LPM_MEMORY_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>

#include "libs/net/lpm_word.h"

namespace fairlead {

class LpmEpochs {
 public:
  // Threads that may read one table at a time.
  static constexpr size_t kMaxReaders = 256;
  static constexpr uint64_t kIdle = ~uint64_t{0};

  struct alignas(64) Slot {
    std::atomic<uint64_t> began{kIdle};
    std::atomic<bool> taken{false};
  };

  // A slot of one's own; null if all are taken. Any thread.
  Slot* Take();
  static void Return(Slot* slot);

  // Reader: everything read until Unpin() stays as it is.
  void Pin(Slot* slot) const {
    // An exchange, because it is a full barrier: no word of the table is read before the writer can see the announcement.
    slot->began.exchange(now_.load(std::memory_order_relaxed), std::memory_order_seq_cst);
  }
  // Reader that is pinned: lets go of what it has read, and stays. No barrier: whoever has seen the new epoch sees what was replaced before
  // it.
  void Renew(Slot* slot) const { slot->began.store(now_.load(std::memory_order_acquire), std::memory_order_release); }
  static void Unpin(Slot* slot) { slot->began.store(kIdle, std::memory_order_release); }

  // Writer: ends the epoch and returns its number. What was replaced in it may go once Oldest() is above.
  uint64_t Advance() { return now_.fetch_add(1, std::memory_order_seq_cst); }
  // Writer: the epoch in which the reader that has been at it longest began.
  uint64_t Oldest() const;

 private:
  std::atomic<uint64_t> now_{1};
  std::array<Slot, kMaxReaders> slots_;
};

class LpmMemory {
 public:
  // What a family's nodes may take together.
  static constexpr size_t kMaxBytes = size_t{1} << 30;
  static constexpr size_t kHugePage = size_t{2} << 20;
  static constexpr size_t kMaxNodeBytes = size_t{2} << 20;

  LpmMemory() = default;
  ~LpmMemory();
  LpmMemory(const LpmMemory&) = delete;
  LpmMemory& operator=(const LpmMemory&) = delete;

  // Reserves the region; false if the system refuses. Before anything else, once.
  bool Reserve();

  char* base() const { return base_; }
  char* At(uint32_t reference) const { return base_ + size_t{reference & lpm::kPlaceMask} * lpm::kUnit; }

  // `bytes` at once, at the front of what is free; for the first level.
  char* Carve(size_t bytes);
  // What a node of so many bytes takes.
  static size_t RoundUp(size_t bytes) { return UnitsOf(SizeIndex(bytes)) * lpm::kUnit; }
  // The place of a new node in units. The caller has checked Room().
  uint32_t Allocate(size_t bytes);
  // To be used again once no reader can see it: Settle() puts a date on it.
  void Retire(uint32_t reference, size_t bytes);
  // Ends a change: dates what it retired, and takes back what is old enough.
  void Settle(LpmEpochs& epochs);

  // Bytes that may still be asked for.
  size_t Room() const { return kMaxBytes - end_; }
  // Live nodes and the first level.
  size_t used_bytes() const { return used_; }
  // As far as the region was ever used: live, retired and free for new nodes.
  size_t touched_bytes() const { return end_; }

 private:
  struct Retired {
    uint32_t place;
    uint32_t size_index;
    uint64_t epoch;
  };
  static constexpr uint32_t kNone = ~uint32_t{0};
  // Retired nodes are looked at when so many wait.
  static constexpr size_t kSweepAt = 64;

  // Sizes 1 to 8 units, then 12, 16, 24, 32, … 2^17.
  static constexpr size_t kSmallSizes = 8;
  static constexpr size_t kSizes = kSmallSizes + 2 * 14;
  static size_t SizeIndex(size_t bytes);
  static size_t UnitsOf(size_t size_index) {
    return size_index < kSmallSizes ? size_index + 1 : (size_index % 2 == 0 ? size_t{12} : size_t{16}) << ((size_index - kSmallSizes) / 2);
  }

  // What a node's place is a multiple of: one of up to a line is in one line, a larger one begins with one.
  static uint32_t Alignment(size_t size_index) { return size_index < 2 ? static_cast<uint32_t>(size_index) + 1 : 4; }

  void Give(uint32_t place, size_t size_index);
  // Makes free nodes of a stretch of any length.
  void GiveRest(uint32_t place, size_t units);
  uint32_t Take(size_t size_index);
  uint32_t& Next(uint32_t place) const { return *reinterpret_cast<uint32_t*>(At(place)); }

  char* base_ = nullptr;
  size_t end_ = 0;
  size_t used_ = 0;
  std::array<uint32_t, kSizes> free_ = {};  // First free node of each size; the next one stands in it.
  uint64_t sizes_ = 0;                      // Bit n: free_[n] has some.
  std::deque<Retired> retired_;             // Oldest first; bounded by the region.
  size_t undated_ = 0;                      // At the end of retired_.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_LPM_MEMORY_H_
