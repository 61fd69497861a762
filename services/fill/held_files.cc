#include "services/fill/held_files.h"

#include <roaring/roaring.h>

namespace fairlead::fill {

std::shared_ptr<const HeldFiles> HeldFiles::FromBytes(absl::string_view portable) {
  roaring_bitmap_t* bitmap = roaring_bitmap_portable_deserialize_safe(portable.data(), portable.size());
  return bitmap == nullptr ? nullptr : std::shared_ptr<const HeldFiles>(new HeldFiles(bitmap));
}

std::shared_ptr<const HeldFiles> HeldFiles::Of(const std::vector<uint32_t>& numbers) {
  return std::shared_ptr<const HeldFiles>(new HeldFiles(roaring_bitmap_of_ptr(numbers.size(), numbers.data())));
}

HeldFiles::~HeldFiles() {
  roaring_bitmap_free(bitmap_);
}

bool HeldFiles::Contains(uint32_t number) const {
  return roaring_bitmap_contains(bitmap_, number);
}

uint64_t HeldFiles::size() const {
  return roaring_bitmap_get_cardinality(bitmap_);
}

std::string HeldFiles::ToBytes() const {
  std::string bytes(roaring_bitmap_portable_size_in_bytes(bitmap_), '\0');
  roaring_bitmap_portable_serialize(bitmap_, bytes.data());
  return bytes;
}

}  // namespace fairlead::fill
