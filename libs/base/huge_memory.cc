#include "libs/base/huge_memory.h"

#include <sys/mman.h>

#include <cstring>
#include <new>

namespace fairlead {

HugeMemory AllocateHuge(size_t bytes) {
  const size_t rounded = bytes == 0 ? kHugePage : (bytes + kHugePage - 1) / kHugePage * kHugePage;
  void* const memory = std::aligned_alloc(kHugePage, rounded);
  if (memory == nullptr) throw std::bad_alloc();
  madvise(memory, rounded, MADV_HUGEPAGE);  // Only advice: where it fails, pages are small.
  std::memset(memory, 0, rounded);
  return HugeMemory(memory);
}

}  // namespace fairlead
