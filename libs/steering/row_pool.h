// Memory of one owner in pieces of whole cache lines (or half and quarter ones), on huge pages. What is given back goes to free lists,
// never to the system. A piece up to 64 bytes never lies across two lines. One thread; private to libs/steering.
#ifndef FAIRLEAD_LIBS_STEERING_ROW_POOL_H_
#define FAIRLEAD_LIBS_STEERING_ROW_POOL_H_

#include <array>
#include <cstddef>
#include <vector>

#include "libs/base/huge_memory.h"

namespace fairlead {

class RowPool {
 public:
  static constexpr size_t kLargest = 64 << 10;
  // At least 1 byte and at most kLargest.
  void* Take(size_t bytes);
  // `bytes` as they were taken.
  void Give(void* memory, size_t bytes);
  size_t bytes() const { return chunks_.size() * kHugePage; }
  size_t bytes_free() const { return free_bytes_; }

 private:
  static size_t ClassOf(size_t bytes) { return bytes <= 16 ? 0 : bytes <= 32 ? 1 : (bytes + 63) / 64 + 1; }
  static size_t SizeOf(size_t size_class) { return size_class < 2 ? size_t{16} << size_class : (size_class - 1) * 64; }

  std::vector<HugeMemory> chunks_;
  std::array<std::vector<void*>, kLargest / 64 + 2> free_;
  size_t used_ = kHugePage;  // Of the last chunk.
  size_t free_bytes_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_ROW_POOL_H_
