// Reads big-endian numbers from a string; once it runs short it stays failed and gives zeros, so callers check once at the end.
#ifndef FAIRLEAD_SERVICES_AGENT_BGP_BYTE_READER_H_
#define FAIRLEAD_SERVICES_AGENT_BGP_BYTE_READER_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"

namespace fairlead::agent::bgp {

class ByteReader {
 public:
  explicit ByteReader(absl::string_view bytes) : rest_(bytes) {}

  bool ok() const { return ok_; }
  bool empty() const { return rest_.empty(); }
  size_t size() const { return rest_.size(); }

  absl::string_view Bytes(size_t count) {
    if (count > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const absl::string_view bytes = rest_.substr(0, count);
    rest_.remove_prefix(count);
    return bytes;
  }
  uint8_t U8() { return static_cast<uint8_t>(Number(1)); }
  uint16_t U16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }

 private:
  uint64_t Number(size_t count) {
    uint64_t value = 0;
    for (const char c : Bytes(count)) value = value << 8 | static_cast<uint8_t>(c);
    return value;
  }

  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace fairlead::agent::bgp

#endif  // FAIRLEAD_SERVICES_AGENT_BGP_BYTE_READER_H_
