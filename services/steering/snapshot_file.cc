#include "services/steering/snapshot_file.h"

#include <cstdint>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/checksum.h"
#include "libs/checkpoint/whole_file.h"

namespace fairlead {
namespace {

constexpr absl::string_view kFirstLine = "fairlead steering snapshot 3\n";
constexpr size_t kMostFileBytes = size_t{16} << 30;
// The registry's, the catalogue's, the guard's, and one a cell.
constexpr size_t kMostSections = 10'000;

void AppendLength(size_t length, std::string& out) {
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>((length >> shift) & 0xff));
}

absl::Status Broken(absl::string_view what) {
  return absl::DataLossError(absl::StrCat("not a whole snapshot: ", what));
}

// Takes the line at the front, without its line feed.
absl::StatusOr<absl::string_view> TakeLine(absl::string_view& bytes) {
  const size_t end = bytes.substr(0, 1024).find('\n');
  if (end == absl::string_view::npos) return Broken("it ends within a line");
  const absl::string_view line = bytes.substr(0, end);
  bytes.remove_prefix(end + 1);
  return line;
}

absl::StatusOr<std::vector<std::string>> TakeEntries(absl::string_view body, size_t count) {
  std::vector<std::string> entries;
  while (!body.empty()) {
    if (body.size() < 4) return Broken("an entry's length is cut");
    size_t length = 0;
    for (int i = 3; i >= 0; --i) length = length << 8 | static_cast<unsigned char>(body[static_cast<size_t>(i)]);
    body.remove_prefix(4);
    if (length > body.size()) return Broken("an entry is cut");
    entries.emplace_back(body.substr(0, length));
    body.remove_prefix(length);
  }
  if (entries.size() != count) return Broken(absl::StrCat("it has ", entries.size(), " entries instead of ", count));
  return entries;
}

// "section <name> <epoch> <version> <saved, Unix ms> <age, ms> <entries> <bytes> ", up to the checksum.
std::string SectionLine(const SnapshotSection& section, size_t bytes) {
  return absl::StrCat("section ", section.name, " ", section.position.epoch, " ", section.position.version, " ",
                      absl::ToUnixMillis(section.saved_at), " ", absl::ToInt64Milliseconds(section.age), " ", section.entries.size(), " ",
                      bytes, " ");
}

// `lines`: those of all sections, with their checksums.
std::string LastLine(size_t sections, absl::string_view lines) {
  return absl::StrCat("end ", sections, " ", ChecksumHex(lines, ""));
}

absl::StatusOr<SnapshotSection> TakeSection(absl::string_view line, absl::string_view& bytes) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  SnapshotSection section;
  int64_t saved_ms = 0, age_ms = 0;
  uint64_t count = 0, size = 0;
  if (words.size() != 9 || words[0] != "section" || words[1].empty() || !absl::SimpleAtoi(words[2], &section.position.epoch) ||
      !absl::SimpleAtoi(words[3], &section.position.version) || !absl::SimpleAtoi(words[4], &saved_ms) ||
      !absl::SimpleAtoi(words[5], &age_ms) || age_ms < 0 || !absl::SimpleAtoi(words[6], &count) || !absl::SimpleAtoi(words[7], &size)) {
    return Broken(absl::StrCat("unreadable line ", Quoted(line)));
  }
  section.name = std::string(words[1]);
  if (size > bytes.size()) return Broken(absl::StrCat("section ", section.name, " is cut"));
  const absl::string_view body = bytes.substr(0, size);
  const absl::string_view covered = line.substr(0, line.size() - words[8].size());
  if (ChecksumHex(covered, body) != words[8]) return Broken(absl::StrCat("section ", section.name, " has another checksum"));
  bytes.remove_prefix(size);
  section.saved_at = absl::FromUnixMillis(saved_ms);
  section.age = absl::Milliseconds(age_ms);
  ASSIGN_OR_RETURN(section.entries, TakeEntries(body, count));
  // One file, one reading: what this program wouldn't write, like "+7" or "007", it doesn't take either.
  if (SectionLine(section, body.size()) != covered) return Broken(absl::StrCat("unreadable line ", Quoted(line)));
  return section;
}

absl::Status CheckWhole(const std::vector<SnapshotSection>& sections) {
  if (sections.empty()) return Broken("it holds nothing");
  absl::flat_hash_set<absl::string_view> names;
  for (const SnapshotSection& section : sections) {
    if (!names.insert(section.name).second) return Broken(absl::StrCat("section ", section.name, " is there twice"));
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeSnapshot(const std::vector<SnapshotSection>& sections) {
  std::string bytes(kFirstLine);
  std::string lines;
  for (const SnapshotSection& section : sections) {
    std::string body;
    for (const std::string& entry : section.entries) {
      AppendLength(entry.size(), body);
      body.append(entry);
    }
    std::string line = SectionLine(section, body.size());
    absl::StrAppend(&line, ChecksumHex(line, body), "\n");
    absl::StrAppend(&bytes, line, body);
    lines.append(line);
  }
  absl::StrAppend(&bytes, LastLine(sections.size(), lines), "\n");
  return bytes;
}

absl::StatusOr<std::vector<SnapshotSection>> DecodeSnapshot(absl::string_view bytes) {
  if (bytes.substr(0, kFirstLine.size()) != kFirstLine) return Broken("it doesn't begin with the format's name and a version known here");
  bytes.remove_prefix(kFirstLine.size());
  std::vector<SnapshotSection> sections;
  std::string lines;
  while (true) {
    ASSIGN_OR_RETURN(const absl::string_view line, TakeLine(bytes));
    if (absl::StartsWith(line, "end ")) {
      if (line != LastLine(sections.size(), lines)) return Broken("its last line is another's: sections are missing, or from another copy");
      break;
    }
    if (sections.size() == kMostSections) return Broken(absl::StrCat("it has more than ", kMostSections, " sections"));
    ASSIGN_OR_RETURN(SnapshotSection section, TakeSection(line, bytes));
    sections.push_back(std::move(section));
    absl::StrAppend(&lines, line, "\n");
  }
  if (!bytes.empty()) return Broken("there is something behind its end");
  RETURN_IF_ERROR(CheckWhole(sections));
  return sections;
}

absl::Status WriteSnapshot(const std::string& folder, const std::vector<SnapshotSection>& sections, absl::string_view name) {
  return ReplaceFile(folder, name, EncodeSnapshot(sections));
}

LoadedSnapshot LoadSnapshot(const std::string& folder, absl::string_view name) {
  auto loaded = LoadNewest<std::vector<SnapshotSection>>(folder, name, kMostFileBytes, DecodeSnapshot);
  return {.sections = std::move(loaded.value), .file = std::move(loaded.file), .refused = std::move(loaded.refused)};
}

}  // namespace fairlead
