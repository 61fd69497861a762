// steerd's copy on disk, and the blocks of a checkpoint: whatever the bytes are, the reader takes exactly what the writer writes and
// nothing else.
//
// The first byte says what the rest is: a file as it is; a file whose checksums are made right first, so that what lies behind them is
// reached too; two honest copies, of which one is damaged (bits, cuts, holes, parts of the other, an older one); a checkpoint's block of
// changes.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "libs/checkpoint/change_batch.h"
#include "libs/checkpoint/checksum.h"
#include "services/steering/snapshot_file.h"
#include "tests/fuzz/byte_reader.h"
#include "tests/fuzz/require.h"

namespace fairlead {
namespace {

constexpr int kMostDamage = 16;
constexpr size_t kMostBytes = size_t{64} << 10;

void CheckFile(absl::string_view bytes) {
  const auto sections = DecodeSnapshot(bytes);
  if (!sections.ok()) {
    FUZZ_REQUIRE(sections.status().code() == absl::StatusCode::kDataLoss, sections.status().ToString());
    FUZZ_REQUIRE(!sections.status().message().empty() && sections.status().message().size() < 1'500, sections.status().message().size());
    return;
  }
  FUZZ_REQUIRE(!sections->empty(), "an empty copy was taken");
  FUZZ_REQUIRE(EncodeSnapshot(*sections) == bytes, "taken, but it isn't what is written of it");
}

// The same with each section's checksum, and the last line, as they should be; as far as the lines can be read at all.
std::string WithRightChecksums(absl::string_view bytes) {
  std::string repaired;
  std::string lines;
  uint64_t sections = 0;
  const size_t head = bytes.find('\n');
  if (head == absl::string_view::npos) return std::string(bytes);
  absl::StrAppend(&repaired, bytes.substr(0, head + 1));
  bytes.remove_prefix(head + 1);
  while (absl::ConsumePrefix(&bytes, "section ")) {
    const size_t end = bytes.find('\n');
    if (end == absl::string_view::npos) break;
    const std::vector<absl::string_view> words = absl::StrSplit(bytes.substr(0, end), ' ');
    bytes.remove_prefix(end + 1);
    uint64_t size = 0;
    if (words.size() < 2 || !absl::SimpleAtoi(words[words.size() - 2], &size)) size = 0;
    const absl::string_view body = bytes.substr(0, size);
    bytes.remove_prefix(body.size());
    std::string line = "section ";
    for (size_t i = 0; i + 1 < words.size(); ++i) absl::StrAppend(&line, words[i], " ");
    absl::StrAppend(&line, ChecksumHex(line, body), "\n");
    absl::StrAppend(&repaired, line, body);
    lines += line;
    ++sections;
  }
  if (absl::ConsumePrefix(&bytes, "end")) {
    absl::StrAppend(&repaired, "end ", sections, " ", ChecksumHex(lines, ""), "\n");
    const size_t end = bytes.find('\n');
    bytes = end == absl::string_view::npos ? "" : bytes.substr(end + 1);
  }
  absl::StrAppend(&repaired, bytes);
  return repaired;
}

std::vector<SnapshotSection> Copy(ByteReader& reader, uint64_t version) {
  std::vector<SnapshotSection> sections;
  const uint64_t wanted = 1 + reader.Byte() % 4;
  for (const char* name : {"registry", "catalog", "cells/c1", "guard"}) {
    if (sections.size() == wanted) break;
    SnapshotSection& section = sections.emplace_back();
    section = {.name = name,
               .position = {3, version},
               .saved_at = absl::FromUnixMillis(1'800'000'000'000),
               .age = absl::Milliseconds(1),
               .entries = {}};
    for (int entries = reader.Byte() % 8; entries > 0; --entries) section.entries.emplace_back(reader.Take(reader.Byte() % 24));
  }
  return sections;
}

void Damage(ByteReader& reader, const std::string& older, std::string& bytes) {
  const size_t at = reader.Word() % (bytes.size() + 1);
  switch (reader.Byte() % 8) {
    case 0:
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << reader.Byte() % 8));
      return;
    case 1:
      if (at < bytes.size()) bytes[at] = static_cast<char>(reader.Byte());
      return;
    case 2:
      return bytes.resize(at);
    case 3:
      bytes.erase(at, reader.Word());
      return;
    case 4:
      bytes.insert(at, std::string(reader.Take(reader.Byte())));
      return;
    case 5:  // A part of itself once more.
      bytes.insert(at, bytes.substr(reader.Word() % (bytes.size() + 1), reader.Word()));
      return;
    case 6: {  // A part of the older copy in the same place, as a torn write leaves it.
      const size_t from = std::min(at, older.size());
      const std::string part = older.substr(from, reader.Word());
      bytes.replace(at, std::min(part.size(), bytes.size() - at), part);
      return;
    }
    default:  // A whole section, or the end, of the older copy or of itself.
      const std::string& source = reader.Byte() % 2 == 0 ? older : bytes;
      const size_t first = source.find(reader.Byte() % 3 == 0 ? "end " : "section ", reader.Word() % (source.size() + 1));
      if (first == std::string::npos) return;
      const std::string part = source.substr(first, source.find("section ", first + 1) - first);
      const size_t place = bytes.find("section ", at);
      if (place != std::string::npos) bytes.insert(place, part);
      return;
  }
}

void CheckDamage(ByteReader reader) {
  const std::vector<SnapshotSection> older = Copy(reader, 6);
  const std::vector<SnapshotSection> newer = Copy(reader, 7);
  const std::string old_bytes = EncodeSnapshot(older);
  const std::string whole = EncodeSnapshot(newer);
  const auto read = DecodeSnapshot(whole);
  FUZZ_REQUIRE(read.ok() && EncodeSnapshot(*read) == whole, "what was written isn't read: ", read.status().ToString());
  std::string bytes = whole;
  for (int step = 0; step == 0 || (step < kMostDamage && !reader.empty()); ++step) {
    Damage(reader, old_bytes, bytes);
    if (bytes.size() > kMostBytes) bytes.resize(kMostBytes);
  }
  // It may have become what one of the two was, and nothing else.
  const bool honest = bytes == whole || bytes == old_bytes;
  FUZZ_REQUIRE(DecodeSnapshot(bytes).ok() == honest, honest ? "an honest copy was refused" : "a damaged copy was taken");
}

void CheckBlock(absl::string_view block) {
  size_t bytes = 0;
  ChangeBatch again;
  const absl::Status status = ForEachChange(block, [&](const Change& change) {
    bytes += change.key.size() + change.value.size();
    if (bytes < size_t{1} << 20) again.Add(change);
  });
  FUZZ_REQUIRE(status.ok() || status.code() == absl::StatusCode::kDataLoss, status.ToString());
  if (bytes >= size_t{1} << 20) return;
  // What was read, written and read again is the same.
  std::string first;
  std::string second;
  static_cast<void>(
      ForEachChange(block, [&](const Change& c) { absl::StrAppend(&first, static_cast<int>(c.kind), " ", c.key, " ", c.value, "\n"); }));
  for (const std::string& one : again.blocks()) {
    const absl::Status read =
        ForEachChange(one, [&](const Change& c) { absl::StrAppend(&second, static_cast<int>(c.kind), " ", c.key, " ", c.value, "\n"); });
    FUZZ_REQUIRE(read.ok(), read.ToString());
  }
  FUZZ_REQUIRE(first == second, "other changes");
}

}  // namespace
}  // namespace fairlead

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fairlead::ByteReader reader(data, size);
  switch (reader.Byte()) {
    case 'f':
      fairlead::CheckFile(reader.Rest());
      break;
    case 'c':
      fairlead::CheckFile(fairlead::WithRightChecksums(reader.Rest()));
      break;
    case 'd':
      fairlead::CheckDamage(reader);
      break;
    case 'b':
      fairlead::CheckBlock(reader.Rest());
      break;
    default:
      break;
  }
  return 0;
}
