// Protobuf's wire form written straight into memory: for the one answer that is given a hundred thousand times a second.
//
// A message is first measured, then written into the room that was made for it, so that no message objects, no second walk and no copy of
// its long strings are needed. Only what the answer uses is here: varints, strings and messages with field numbers below 16; fields with
// their default value are left out, as proto3 has it. Not thread-safe; any thread.
//
//   std::string room(StringSize(path), '\0');
//   WireWriter(room.data()).String(2, path);
#ifndef FAIRLEAD_SERVICES_STEERING_WIRE_H_
#define FAIRLEAD_SERVICES_STEERING_WIRE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"

namespace fairlead {

// Seven bits a byte: bits / 7 rounded up, as protobuf itself works it out.
constexpr size_t VarintSize(uint64_t value) {
  return (static_cast<size_t>(std::bit_width(value | 1)) * 9 + 64) / 64;
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

// Gives memory for so many bytes, all of which will be written: where an answer is sent from.
using WireRoom = absl::FunctionRef<char*(size_t)>;

class WireWriter {
 public:
  // There must be room for all that will be written.
  explicit WireWriter(char* at) : at_(at) {}
  char* at() const { return at_; }

  void Bytes(absl::string_view text) {
    std::memcpy(at_, text.data(), text.size());
    at_ += text.size();
  }
  void Varint(uint64_t value) {
    for (; value >= 0x80; value >>= 7) *at_++ = static_cast<char>(value | 0x80);
    *at_++ = static_cast<char>(value);
  }
  void Number(uint32_t field, uint64_t value) {
    if (value == 0) return;
    *at_++ = static_cast<char>(field << 3);
    Varint(value);
  }
  // What follows is a string or message of so many bytes.
  void Block(uint32_t field, size_t size) {
    *at_++ = static_cast<char>(field << 3 | 2);
    Varint(size);
  }
  void String(uint32_t field, absl::string_view text) {
    if (text.empty()) return;
    Block(field, text.size());
    Bytes(text);
  }

 private:
  char* at_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_WIRE_H_
