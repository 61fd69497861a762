#include "libs/steering/row_pool.h"

#include <algorithm>

namespace fairlead {

void* RowPool::Take(size_t bytes) {
  const size_t size_class = ClassOf(bytes);
  const size_t size = SizeOf(size_class);
  std::vector<void*>& free = free_[size_class];
  if (!free.empty()) {
    void* const memory = free.back();
    free.pop_back();
    free_bytes_ -= size;
    return memory;
  }
  const size_t alignment = std::min<size_t>(size, 64);  // No row of one line lies across two.
  used_ = (used_ + alignment - 1) / alignment * alignment;
  if (used_ + size > kHugePage) {
    chunks_.push_back(AllocateHuge(kHugePage));
    used_ = 0;
  }
  void* const memory = static_cast<char*>(chunks_.back().get()) + used_;
  used_ += size;
  return memory;
}

void RowPool::Give(void* memory, size_t bytes) {
  const size_t size_class = ClassOf(bytes);
  free_[size_class].push_back(memory);
  free_bytes_ += SizeOf(size_class);
}

}  // namespace fairlead
