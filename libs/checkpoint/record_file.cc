#include "libs/checkpoint/record_file.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/checksum.h"

namespace fairlead {
namespace {

constexpr size_t kLongestLine = 512;
constexpr size_t kHexDigits = 32;
constexpr size_t kLengthAndKind = 5;
constexpr size_t kHead = kLengthAndKind + 8;
// No value comes near it; so a broken length doesn't make us read gigabytes.
constexpr size_t kLongestPayload = size_t{256} << 20;

uint64_t Seed(uint64_t serial, uint64_t offset) {
  return serial * 0x9E3779B97F4A7C15u + offset;
}

void PutLittleEndian(uint64_t number, int bytes, std::string& out) {
  for (int i = 0; i < bytes; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
}

uint64_t LittleEndian(absl::string_view bytes) {
  uint64_t number = 0;
  for (size_t i = bytes.size(); i > 0; --i) number = number << 8 | static_cast<unsigned char>(bytes[i - 1]);
  return number;
}

}  // namespace

std::string FrameLine(absl::string_view text) {
  return absl::StrCat(text, " ", ChecksumHex(text, ""), "\n");
}

void FrameRecord(absl::string_view payload, RecordKind kind, uint64_t serial, uint64_t offset, std::string& out) {
  std::string record;
  record.reserve(kHead + payload.size());
  PutLittleEndian(payload.size(), 4, record);
  record.push_back(static_cast<char>(kind));
  record.append(payload.data(), payload.size());
  const uint64_t checksum = Checksum64(record, Seed(serial, offset));
  out.append(record, 0, kLengthAndKind);
  PutLittleEndian(checksum, 8, out);
  out.append(record, kLengthAndKind);
}

absl::StatusOr<RecordReader> RecordReader::Open(const std::string& path, uint64_t serial) {
  ASSIGN_OR_RETURN(FileReader file, FileReader::Open(path));
  return RecordReader(std::move(file), serial);
}

absl::StatusOr<std::string> RecordReader::ReadLine() {
  ASSIGN_OR_RETURN(const absl::string_view line, file_.ReadLine(kLongestLine));
  if (line.size() <= kHexDigits + 1) return absl::DataLossError("it doesn't begin with a whole line");
  const absl::string_view text = line.substr(0, line.size() - kHexDigits - 1);
  if (absl::StrCat(line, "\n") != FrameLine(text)) return absl::DataLossError("its first line has another checksum");
  offset_ += line.size() + 1;
  return std::string(text);
}

absl::StatusOr<Record> RecordReader::Next() {
  ASSIGN_OR_RETURN(const absl::string_view head, file_.Read(kHead));
  if (head.empty()) return absl::OutOfRangeError("the end");
  if (head.size() < kHead) return absl::DataLossError(absl::StrCat("a record is cut at ", offset_));
  const size_t length = LittleEndian(head.substr(0, 4));
  const uint64_t checksum = LittleEndian(head.substr(kLengthAndKind));
  record_.assign(head.data(), kLengthAndKind);
  if (length > kLongestPayload) return absl::DataLossError(absl::StrCat("an impossible length at ", offset_));
  ASSIGN_OR_RETURN(const absl::string_view payload, file_.Read(length));
  if (payload.size() < length) return absl::DataLossError(absl::StrCat("a record is cut at ", offset_));
  record_.append(payload.data(), payload.size());
  if (Checksum64(record_, Seed(serial_, offset_)) != checksum) {
    return absl::DataLossError(absl::StrCat("a record has another checksum at ", offset_));
  }
  offset_ += kHead + length;
  const auto kind = static_cast<uint8_t>(record_[kLengthAndKind - 1]);
  if (kind < 1 || kind > 3) return absl::DataLossError(absl::StrCat("an unknown kind of record at ", offset_));
  return Record{static_cast<RecordKind>(kind), absl::string_view(record_).substr(kLengthAndKind)};
}

}  // namespace fairlead
