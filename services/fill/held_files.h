// The file numbers that a box verifiably holds: a Roaring bitmap as a value. Immutable; any thread.
#ifndef FAIRLEAD_SERVICES_FILL_HELD_FILES_H_
#define FAIRLEAD_SERVICES_FILL_HELD_FILES_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

// Roaring's bitmap, so that its header stays out of ours.
struct roaring_bitmap_s;

namespace fairlead::fill {

class HeldFiles {
 public:
  // Null if the bytes aren't a bitmap in the portable format.
  static std::shared_ptr<const HeldFiles> FromBytes(absl::string_view portable);
  static std::shared_ptr<const HeldFiles> Of(const std::vector<uint32_t>& numbers);
  ~HeldFiles();
  HeldFiles(const HeldFiles&) = delete;
  HeldFiles& operator=(const HeldFiles&) = delete;

  bool Contains(uint32_t number) const;
  uint64_t size() const;
  std::string ToBytes() const;

 private:
  explicit HeldFiles(roaring_bitmap_s* bitmap) : bitmap_(bitmap) {}
  roaring_bitmap_s* const bitmap_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_HELD_FILES_H_
