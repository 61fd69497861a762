// Takes an input apart, front to back; past its end everything is zero. For fuzz targets.
#ifndef FAIRLEAD_TESTS_FUZZ_BYTE_READER_H_
#define FAIRLEAD_TESTS_FUZZ_BYTE_READER_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace fairlead {

class ByteReader {
 public:
  ByteReader(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t Byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_[0]);
    rest_.remove_prefix(1);
    return byte;
  }
  uint32_t Word() {
    const uint32_t high = Byte();
    return high << 8 | Byte();
  }
  // At most `most` bytes.
  absl::string_view Take(size_t most) {
    const absl::string_view taken = rest_.substr(0, std::min(most, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  absl::string_view Rest() { return Take(rest_.size()); }

 private:
  absl::string_view rest_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_FUZZ_BYTE_READER_H_
