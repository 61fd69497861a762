// Bytes of a table image's small parts: numbers of 7 bits a byte, the lowest first, and strings behind their length. One way to write each
// value, and one reader, which never leaves its bytes: what it can't read is zero or empty, and it says so at the end.
//
//   ImageWriter out; out.Number(7); out.Text("ams"); sink.Append(out.bytes());
//   ImageReader in(bytes); const uint64_t count = in.Count(2); …; if (!in.Done()) return DataLossError(…);
// One thread.
#ifndef FAIRLEAD_LIBS_STEERING_IMAGE_CODEC_H_
#define FAIRLEAD_LIBS_STEERING_IMAGE_CODEC_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace fairlead {

class ImageWriter {
 public:
  void Number(uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_.push_back(static_cast<char>(value | 0x80));
    bytes_.push_back(static_cast<char>(value));
  }
  void Signed(int64_t value) { Number(static_cast<uint64_t>(value) << 1 ^ static_cast<uint64_t>(value >> 63)); }
  template <typename Enum>
  void Word(Enum value) {
    Number(static_cast<uint64_t>(value));
  }
  void Text(absl::string_view text) {
    Number(text.size());
    bytes_.append(text.data(), text.size());
  }
  void Raw(const void* data, size_t size) { bytes_.append(static_cast<const char*>(data), size); }

  const std::string& bytes() const { return bytes_; }
  void Clear() { bytes_.clear(); }

 private:
  std::string bytes_;
};

class ImageReader {
 public:
  explicit ImageReader(absl::string_view bytes) : rest_(bytes) {}

  uint64_t Number() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    return Fail<uint64_t>();
  }
  template <typename T>
  T Small() {
    const uint64_t value = Number();
    return value <= std::numeric_limits<T>::max() ? static_cast<T>(value) : Fail<T>();
  }
  int64_t Signed() {
    const uint64_t value = Number();
    return static_cast<int64_t>(value >> 1) ^ -static_cast<int64_t>(value & 1);
  }
  int32_t Signed32() {
    const int64_t value = Signed();
    return value == static_cast<int32_t>(value) ? static_cast<int32_t>(value) : Fail<int32_t>();
  }
  bool Flag() {
    const uint64_t value = Number();
    return value <= 1 ? value == 1 : Fail<bool>();
  }
  // A value of an enum whose largest is `last`.
  template <typename Enum>
  Enum Word(Enum last) {
    const uint64_t value = Number();
    return value <= static_cast<uint64_t>(last) ? static_cast<Enum>(value) : Fail<Enum>();
  }
  absl::string_view Text() { return Raw(Number()); }
  std::string String() { return std::string(Text()); }
  absl::string_view Raw(uint64_t size) {
    if (size > rest_.size()) return Fail<absl::string_view>();
    const absl::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  // How many of something follow, each of at least `least` bytes: never more than there can be.
  size_t Count(size_t least) {
    const uint64_t count = Number();
    return count <= rest_.size() / least ? static_cast<size_t>(count) : Fail<size_t>();
  }

  bool ok() const { return ok_; }
  // All was read, and nothing is left.
  bool Done() const { return ok_ && rest_.empty(); }

 private:
  template <typename T>
  T Fail() {
    ok_ = false;
    rest_ = {};
    return T();
  }

  absl::string_view rest_;
  bool ok_ = true;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_IMAGE_CODEC_H_
