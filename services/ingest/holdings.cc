#include "services/ingest/holdings.h"

#include <bit>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead::ingest {
namespace {

constexpr uint32_t kCookieNoRuns = 12346;
constexpr uint32_t kCookieRuns = 12347;
constexpr size_t kMostContainers = 65536;
constexpr uint32_t kMostArrayCardinality = 4096;
constexpr size_t kBitsetBytes = 8192;
// With runs, a bitmap of fewer containers has no table of offsets.
constexpr size_t kNoOffsetsBelow = 4;

// Reads little-endian numbers; after a failure everything reads as 0 and failed() stays true.
class Reader {
 public:
  explicit Reader(absl::string_view bytes) : rest_(bytes) {}
  uint16_t U16() { return static_cast<uint16_t>(Number(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Number(4)); }
  absl::string_view Take(size_t size) {
    if (size > rest_.size()) {
      failed_ = true;
      rest_ = {};
      return {};
    }
    const absl::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return taken;
  }
  bool failed() const { return failed_; }
  size_t left() const { return rest_.size(); }

 private:
  uint64_t Number(size_t size) {
    const absl::string_view bytes = Take(size);
    uint64_t value = 0;
    for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i - 1]);
    return value;
  }

  absl::string_view rest_;
  bool failed_ = false;
};

// Each returns the fault, or null.
const char* CheckArray(Reader& reader, uint32_t cardinality) {
  int last = -1;
  for (uint32_t i = 0; i < cardinality && !reader.failed(); ++i) {
    const int value = reader.U16();
    if (value <= last && !reader.failed()) return "an array isn't in order";
    last = value;
  }
  return nullptr;
}

const char* CheckBitset(Reader& reader, uint32_t cardinality) {
  uint32_t bits = 0;
  for (const char byte : reader.Take(kBitsetBytes)) bits += static_cast<uint32_t>(std::popcount(static_cast<uint8_t>(byte)));
  return bits == cardinality || reader.failed() ? nullptr : "a bitset has another cardinality than it says";
}

const char* CheckRuns(Reader& reader, uint32_t cardinality) {
  const uint32_t runs = reader.U16();
  uint32_t total = 0;
  int64_t last_end = -2;
  for (uint32_t i = 0; i < runs && !reader.failed(); ++i) {
    const int64_t start = reader.U16();
    const int64_t end = start + reader.U16();
    if (reader.failed()) break;
    if (start <= last_end + 1 || end > 0xffff) return "runs aren't in order";
    total += static_cast<uint32_t>(end - start + 1);
    last_end = end;
  }
  return total == cardinality || reader.failed() ? nullptr : "runs have another cardinality than they say";
}

const char* FindFault(absl::string_view bytes) {
  Reader reader(bytes);
  const uint32_t cookie = reader.U32();
  const bool has_runs = (cookie & 0xffff) == kCookieRuns;
  if (!has_runs && cookie != kCookieNoRuns) return "not a roaring bitmap";
  const size_t containers = has_runs ? (cookie >> 16) + 1 : reader.U32();
  if (containers > kMostContainers) return "too many containers";
  const absl::string_view run_flags = reader.Take(has_runs ? (containers + 7) / 8 : 0);
  Reader headers(reader.Take(containers * 4));
  if (!has_runs || containers >= kNoOffsetsBelow) reader.Take(containers * 4);  // Offsets, which CRoaring doesn't use either.
  int last_key = -1;
  for (size_t i = 0; i < containers && !reader.failed(); ++i) {
    const int key = headers.U16();
    const uint32_t cardinality = headers.U16() + 1u;
    if (key <= last_key) return "its keys aren't in order";
    last_key = key;
    const bool runs = has_runs && (static_cast<uint8_t>(run_flags[i / 8]) >> (i % 8) & 1) != 0;
    const char* const fault = runs                                   ? CheckRuns(reader, cardinality)
                              : cardinality <= kMostArrayCardinality ? CheckArray(reader, cardinality)
                                                                     : CheckBitset(reader, cardinality);
    if (fault != nullptr) return fault;
  }
  if (reader.failed()) return "ends early";
  if (reader.left() > 0) return "goes on after its end";
  return nullptr;
}

absl::Status TooMany(uint64_t files) {
  return absl::ResourceExhaustedError(absl::StrCat("holdings of ", files, " files: at most ", Holdings::kMostFiles));
}

}  // namespace

absl::Status CheckRoaring(absl::string_view bytes, absl::string_view field) {
  const char* const fault = FindFault(bytes);
  if (fault == nullptr) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(bytes.size(), " bytes"), absl::StrCat("no roaring bitmap of the portable format: ", fault));
}

absl::StatusOr<Holdings> Holdings::Parse(absl::string_view bytes, absl::string_view field) {
  Holdings holdings;
  if (bytes.empty()) return holdings;
  RETURN_IF_ERROR(CheckRoaring(bytes, field));
  roaring_bitmap_t* const bitmap = roaring_bitmap_portable_deserialize_safe(bytes.data(), bytes.size());
  if (bitmap == nullptr) return InvalidField(field, absl::StrCat(bytes.size(), " bytes"), "can't be read");
  holdings.files_ = Roaring(bitmap);
  if (holdings.size() > kMostFiles) return TooMany(holdings.size());
  holdings.files_.runOptimize();
  return holdings;
}

absl::Status Holdings::Change(const Holdings& added, const Holdings& removed) {
  Roaring next = files_;
  next |= added.files_;
  next -= removed.files_;
  if (next.cardinality() > kMostFiles) return TooMany(next.cardinality());
  next.runOptimize();
  files_ = std::move(next);
  return absl::OkStatus();
}

std::string Holdings::Serialize() const {
  std::string bytes(files_.getSizeInBytes(), '\0');
  files_.write(bytes.data());
  return bytes;
}

}  // namespace fairlead::ingest
