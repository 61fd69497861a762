#include "libs/feed/wire.h"

namespace fairlead {
namespace {

constexpr uint32_t kVarintType = 0;
constexpr uint32_t kDelimitedType = 2;

size_t VarintSize(uint64_t value) {
  size_t size = 1;
  while (value >= 0x80) {
    value >>= 7;
    ++size;
  }
  return size;
}

void AppendVarintField(uint32_t field, uint64_t value, std::string& out) {
  if (value == 0) return;  // proto3 leaves zero values out.
  AppendVarint(field << 3 | kVarintType, out);
  AppendVarint(value, out);
}

std::string EncodePosition(FeedPosition position) {
  std::string out;
  AppendVarintField(1, position.epoch, out);
  AppendVarintField(2, position.version, out);
  return out;
}

}  // namespace

void AppendVarint(uint64_t value, std::string& out) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

bool ConsumeVarint(absl::string_view& in, uint64_t& value) {
  value = 0;
  for (int shift = 0; shift < 64; shift += 7) {
    if (in.empty()) return false;
    const uint8_t byte = static_cast<uint8_t>(in.front());
    in.remove_prefix(1);
    value |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

void AppendDelimited(uint32_t field, absl::string_view bytes, std::string& out) {
  AppendVarint(field << 3 | kDelimitedType, out);
  AppendVarint(bytes.size(), out);
  out.append(bytes.data(), bytes.size());
}

size_t DelimitedSize(uint32_t field, size_t length) {
  return VarintSize(field << 3) + VarintSize(length) + length;
}

std::string EncodeFrame(FrameKind kind, FeedPosition base, FeedPosition position, bool more) {
  std::string out;
  AppendVarintField(1, static_cast<uint64_t>(kind), out);
  if (kind == FrameKind::kDelta) AppendDelimited(2, EncodePosition(base), out);
  AppendDelimited(3, EncodePosition(position), out);
  AppendVarintField(4, more ? 1 : 0, out);
  return out;
}

}  // namespace fairlead
