// Protobuf's wire form written straight into memory: for the one answer that is given a hundred thousand times a second.
//
// A message is first measured, then written into the room that was made for it, so that no message objects, no second walk and no copy of
// its long strings are needed. Only what the answer uses is here: varints, strings and messages with field numbers below 16; fields with
// their default value are left out, as proto3 has it. Not thread-safe; any thread.
//
//   WireBuffer out;
//   out.Reserve(StringSize(path));
//   out.String(2, path);
#ifndef FAIRLEAD_SERVICES_STEERING_WIRE_H_
#define FAIRLEAD_SERVICES_STEERING_WIRE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/strings/string_view.h"

namespace fairlead {

constexpr size_t VarintSize(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}
constexpr size_t NumberSize(uint64_t value) {
  return value == 0 ? 0 : 1 + VarintSize(value);
}
// Of a string or message of so many bytes that is there even if it is empty.
constexpr size_t BlockSize(size_t size) {
  return 1 + VarintSize(size) + size;
}
inline size_t StringSize(absl::string_view text) {
  return text.empty() ? 0 : BlockSize(text.size());
}

class WireBuffer {
 public:
  void clear() { size_ = 0; }
  size_t size() const { return size_; }
  absl::string_view view() const { return {data_.get(), size_}; }

  // Room for so many more bytes; whatever is written must have been reserved.
  void Reserve(size_t more) {
    if (size_ + more > capacity_) Grow(size_ + more);
  }
  void Bytes(absl::string_view text) {
    std::memcpy(data_.get() + size_, text.data(), text.size());
    size_ += text.size();
  }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) data_[size_++] = static_cast<char>(value | 0x80);
    data_[size_++] = static_cast<char>(value);
  }
  void Number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    data_[size_++] = static_cast<char>(field << 3);
    Varint(value);
  }
  // What follows is a string or message of so many bytes.
  void Block(uint32_t field, size_t size) {
    data_[size_++] = static_cast<char>(field << 3 | 2);
    Varint(size);
  }
  void String(uint32_t field, absl::string_view text) {
    if (text.empty()) return;
    Block(field, text.size());
    Bytes(text);
  }

 private:
  void Grow(size_t least) {
    const size_t capacity = std::max(least, std::max<size_t>(4096, 2 * capacity_));
    std::unique_ptr<char[]> data(new char[capacity]);
    if (size_ > 0) std::memcpy(data.get(), data_.get(), size_);
    data_ = std::move(data);
    capacity_ = capacity;
  }

  std::unique_ptr<char[]> data_;
  size_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_WIRE_H_
