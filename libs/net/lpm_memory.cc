#include "libs/net/lpm_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <bit>

namespace fairlead {
namespace {

size_t Units(size_t bytes) {
  return (bytes + lpm::kUnit - 1) / lpm::kUnit;
}

}  // namespace

LpmEpochs::Slot* LpmEpochs::Take() {
  for (Slot& slot : slots_) {
    if (!slot.taken.exchange(true, std::memory_order_acquire)) return &slot;
  }
  return nullptr;
}

void LpmEpochs::Return(Slot* slot) {
  Unpin(slot);
  slot->taken.store(false, std::memory_order_release);
}

uint64_t LpmEpochs::Oldest() const {
  uint64_t oldest = now_.load(std::memory_order_relaxed);
  for (const Slot& slot : slots_) oldest = std::min(oldest, slot.began.load(std::memory_order_seq_cst));
  return oldest;
}

LpmMemory::~LpmMemory() {
  if (base_ != nullptr) munmap(base_, kMaxBytes);
}

bool LpmMemory::Reserve() {
  // A huge page more than is needed, so that the region can begin at one.
  void* region = mmap(nullptr, kMaxBytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (region == MAP_FAILED) return false;
  char* const begin = static_cast<char*>(region);
  base_ = begin + (kHugePage - reinterpret_cast<uintptr_t>(begin) % kHugePage) % kHugePage;
  if (base_ != begin) munmap(begin, static_cast<size_t>(base_ - begin));
  const size_t behind = static_cast<size_t>(begin + kHugePage - base_);
  if (behind != 0) munmap(base_ + kMaxBytes, behind);
  madvise(base_, kMaxBytes, MADV_HUGEPAGE);  // Advice only: without it everything works, slower.
  free_.fill(kNone);
  return true;
}

char* LpmMemory::Carve(size_t bytes) {
  char* const at = base_ + end_;
  end_ += Units(bytes) * lpm::kUnit;
  used_ += Units(bytes) * lpm::kUnit;
  return at;
}

size_t LpmMemory::SizeIndex(size_t bytes) {
  const size_t units = Units(bytes);
  if (units <= kSmallSizes) return units - 1;
  const auto bits = static_cast<size_t>(std::bit_width(units - 1));  // At least 4: the power of two that is large enough.
  return kSmallSizes + 2 * (bits - 4) + (units > size_t{3} << (bits - 2) ? 1 : 0);
}

uint32_t LpmMemory::Allocate(size_t bytes) {
  const size_t size_index = SizeIndex(bytes);
  used_ += UnitsOf(size_index) * lpm::kUnit;
  return Take(size_index);
}

// The right size, else the front of a larger one, else new ground.
uint32_t LpmMemory::Take(size_t size_index) {
  const size_t units = UnitsOf(size_index);
  const uint64_t fitting = sizes_ >> size_index << size_index;
  if (fitting == 0) {
    const auto end = static_cast<uint32_t>(end_ / lpm::kUnit);
    const uint32_t place = (end + Alignment(size_index) - 1) / Alignment(size_index) * Alignment(size_index);
    GiveRest(end, place - end);
    end_ = (place + units) * lpm::kUnit;
    return place;
  }
  const auto found = static_cast<size_t>(std::countr_zero(fitting));
  const uint32_t place = free_[found];
  free_[found] = Next(place);
  if (free_[found] == kNone) sizes_ &= ~(uint64_t{1} << found);
  GiveRest(place + static_cast<uint32_t>(units), UnitsOf(found) - units);
  return place;
}

void LpmMemory::GiveRest(uint32_t place, size_t units) {
  while (units > 0) {
    size_t size_index = kSizes - 1;
    while (UnitsOf(size_index) > units || place % Alignment(size_index) != 0) --size_index;
    Give(place, size_index);
    place += static_cast<uint32_t>(UnitsOf(size_index));
    units -= UnitsOf(size_index);
  }
}

void LpmMemory::Give(uint32_t place, size_t size_index) {
  Next(place) = free_[size_index];
  free_[size_index] = place;
  sizes_ |= uint64_t{1} << size_index;
}

void LpmMemory::Retire(uint32_t reference, size_t bytes) {
  const size_t size_index = SizeIndex(bytes);
  used_ -= UnitsOf(size_index) * lpm::kUnit;
  retired_.push_back({reference & lpm::kPlaceMask, static_cast<uint32_t>(size_index), 0});
  ++undated_;
}

void LpmMemory::Settle(LpmEpochs& epochs) {
  if (undated_ == 0) return;
  const uint64_t epoch = epochs.Advance();
  for (; undated_ > 0; --undated_) retired_[retired_.size() - undated_].epoch = epoch;
  if (retired_.size() < kSweepAt) return;
  const uint64_t oldest = epochs.Oldest();
  while (!retired_.empty() && retired_.front().epoch < oldest) {
    Give(retired_.front().place, retired_.front().size_index);
    retired_.pop_front();
  }
}

}  // namespace fairlead
