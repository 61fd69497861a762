#include "libs/checkpoint/section_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/checksum.h"

namespace fairlead {
namespace {

static_assert(std::endian::native == std::endian::little, "section files are little-endian");

constexpr size_t kPiece = size_t{4} << 20;
constexpr uint64_t kHeadSeed = 0x66616972;

struct Entry {
  uint64_t offset = 0;
  uint64_t bytes = 0;
  uint64_t checksum = 0;
  uint32_t id = 0;
  uint32_t zero = 0;
};

struct Head {
  std::array<char, 24> kind = {};
  uint32_t format = 0;
  uint32_t sections = 0;
  uint64_t file_bytes = 0;
  std::array<Entry, kMostSections> entries = {};
  std::array<char, kSectionAlignment - 48 - sizeof(Entry)* kMostSections> zeros = {};
  uint64_t checksum = 0;  // Of all before it.
};
static_assert(sizeof(Head) == kSectionAlignment);

uint64_t RoundUp(uint64_t bytes) {
  return (bytes + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

uint64_t SumOfHead(const Head& head) {
  return Checksum64({reinterpret_cast<const char*>(&head), offsetof(Head, checksum)}, kHeadSeed);
}

uint64_t SumOfPiece(absl::string_view piece, uint64_t number) {
  return Checksum64(piece, number);
}

void AppendSum(uint64_t sum, std::string& sums) {
  sums.append(reinterpret_cast<const char*>(&sum), sizeof(sum));
}

// Over its pieces' sums, its id and its length.
uint64_t SumOfSection(uint32_t id, uint64_t bytes, absl::string_view sums) {
  return Checksum64(sums, uint64_t{id} << 40 ^ bytes);
}

absl::Status Broken(absl::string_view why) {
  return absl::DataLossError(absl::StrCat("not a whole file: ", why));
}

// Of a file that may be one, so that nobody maps or reads what can't be.
absl::Status CheckSize(uint64_t size) {
  if (size < sizeof(Head)) return Broken(absl::StrCat("it has ", size, " bytes"));
  if (size > kMostSectionFileBytes) return Broken(absl::StrCat("it has ", size, " bytes, and may have ", kMostSectionFileBytes));
  return absl::OkStatus();
}

absl::Status CheckHead(const Head& head, size_t file_bytes, const SectionFileKind& kind) {
  std::array<char, 24> wanted = {};
  kind.kind.copy(wanted.data(), wanted.size() - 1);
  if (head.kind != wanted) return Broken(absl::StrCat("it doesn't begin with '", kind.kind, "'"));
  if (head.format != kind.format) {
    return Broken(absl::StrCat("it has format ", head.format, " of '", kind.kind, "', and this program reads ", kind.format));
  }
  if (head.checksum != SumOfHead(head)) return Broken("its head has another checksum");
  if (head.file_bytes != file_bytes) return Broken(absl::StrCat("it has ", file_bytes, " bytes instead of ", head.file_bytes));
  if (head.sections > kMostSections) return Broken(absl::StrCat("it has ", head.sections, " sections"));
  uint64_t at = sizeof(Head);
  absl::flat_hash_set<uint32_t> ids;
  for (uint32_t i = 0; i < kMostSections; ++i) {
    const Entry& entry = head.entries[i];
    if (i >= head.sections) {
      if (entry.offset != 0 || entry.bytes != 0 || entry.checksum != 0 || entry.id != 0) return Broken("it has more sections than it says");
      continue;
    }
    if (entry.offset != at || entry.bytes > file_bytes || RoundUp(entry.bytes) > file_bytes - at || entry.zero != 0) {
      return Broken(absl::StrCat("section ", entry.id, " doesn't lie behind the one before, or not in it"));
    }
    if (!ids.insert(entry.id).second) return Broken(absl::StrCat("section ", entry.id, " is there twice"));
    at += RoundUp(entry.bytes);
  }
  return at == file_bytes ? absl::OkStatus() : Broken("there is something behind its last section");
}

// Maps the pages of `bytes` at once, as MAP_POPULATE would, but by whoever reads them. A kernel that can't maps them one by one.
void Populate(absl::string_view bytes) {
  static const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(bytes.data());
  const uintptr_t from = begin / page * page;
  madvise(reinterpret_cast<void*>(from), begin + bytes.size() - from, MADV_POPULATE_READ);
}

// The sums of all pieces of all sections, worked out by several threads.
std::vector<std::string> SumPieces(absl::string_view bytes, const Head& head, size_t threads) {
  struct Piece {
    uint32_t section;
    uint64_t number;
    absl::string_view bytes;
  };
  std::vector<Piece> pieces;
  std::vector<std::string> sums(head.sections);
  for (uint32_t i = 0; i < head.sections; ++i) {
    const absl::string_view section = bytes.substr(head.entries[i].offset, RoundUp(head.entries[i].bytes));
    for (uint64_t at = 0; at < section.size(); at += kPiece) pieces.push_back({i, at / kPiece, section.substr(at, kPiece)});
    sums[i].resize((section.size() + kPiece - 1) / kPiece * sizeof(uint64_t));
  }
  std::atomic<size_t> next = 0;
  const auto work = [&] {
    for (size_t i = next++; i < pieces.size(); i = next++) {
      Populate(pieces[i].bytes);
      const uint64_t sum = SumOfPiece(pieces[i].bytes, pieces[i].number);
      std::memcpy(sums[pieces[i].section].data() + pieces[i].number * sizeof(sum), &sum, sizeof(sum));
    }
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min(threads, pieces.size()); ++i) helpers.emplace_back(work);
  work();
  for (std::thread& helper : helpers) helper.join();
  return sums;
}

}  // namespace

// ---- Writing ----

absl::StatusOr<SectionFileWriter> SectionFileWriter::Create(const std::string& path, const SectionFileKind& kind) {
  ASSIGN_OR_RETURN(OpenFile file, OpenFile::Open(path, O_RDWR | O_CREAT | O_TRUNC));
  SectionFileWriter writer(std::move(file), kind);
  writer.piece_.reserve(kPiece);
  RETURN_IF_ERROR(writer.file_.Write(std::string(sizeof(Head), '\0')));  // Its place; what is cut off before the end has none.
  writer.at_ = sizeof(Head);
  return writer;
}

absl::Status SectionFileWriter::FlushPiece() {
  if (piece_.empty()) return absl::OkStatus();
  Section& section = sections_.back();
  AppendSum(SumOfPiece(piece_, section.sums.size() / sizeof(uint64_t)), section.sums);
  RETURN_IF_ERROR(file_.Write(piece_));
  at_ += piece_.size();
  piece_.clear();
  return absl::OkStatus();
}

absl::Status SectionFileWriter::End() {
  if (sections_.empty()) return absl::OkStatus();
  Section& section = sections_.back();
  piece_.append(RoundUp(section.bytes) - section.bytes, '\0');
  RETURN_IF_ERROR(FlushPiece());
  section.checksum = SumOfSection(section.id, section.bytes, section.sums);
  return absl::OkStatus();
}

absl::Status SectionFileWriter::Begin(uint32_t id) {
  RETURN_IF_ERROR(End());
  if (sections_.size() == kMostSections) return absl::InternalError(absl::StrCat(file_.path(), ": more than ", kMostSections, " sections"));
  sections_.push_back({.id = id, .bytes = 0, .sums = {}});
  return absl::OkStatus();
}

absl::Status SectionFileWriter::Append(absl::string_view bytes) {
  sections_.back().bytes += bytes.size();
  while (!bytes.empty()) {
    const absl::string_view part = bytes.substr(0, kPiece - piece_.size());
    piece_.append(part.data(), part.size());
    bytes.remove_prefix(part.size());
    if (piece_.size() == kPiece) RETURN_IF_ERROR(FlushPiece());
  }
  return absl::OkStatus();
}

absl::Status SectionFileWriter::Finish() {
  RETURN_IF_ERROR(End());
  Head head;
  kind_.kind.copy(head.kind.data(), head.kind.size() - 1);
  head.format = kind_.format;
  head.sections = static_cast<uint32_t>(sections_.size());
  head.file_bytes = at_;
  uint64_t offset = sizeof(Head);
  for (size_t i = 0; i < sections_.size(); ++i) {
    head.entries[i] = {.offset = offset, .bytes = sections_[i].bytes, .checksum = sections_[i].checksum, .id = sections_[i].id};
    offset += RoundUp(sections_[i].bytes);
  }
  head.checksum = SumOfHead(head);
  RETURN_IF_ERROR(file_.Sync());  // The head last: a file that has one is whole.
  if (pwrite(file_.fd(), &head, sizeof(head), 0) != static_cast<ssize_t>(sizeof(head))) return FileError("write", file_.path());
  return file_.Sync();
}

// ---- Reading ----

absl::string_view SectionFile::Find(uint32_t id) const {
  const auto at = std::find_if(sections.begin(), sections.end(), [&](const Section& section) { return section.id == id; });
  return at == sections.end() ? absl::string_view() : at->bytes;
}

absl::StatusOr<std::vector<SectionFile::Section>> CheckSections(absl::string_view bytes, const SectionFileKind& kind, size_t threads) {
  if (bytes.size() < sizeof(Head)) return Broken(absl::StrCat("it has ", bytes.size(), " bytes"));
  Head head;
  std::memcpy(&head, bytes.data(), sizeof(head));
  RETURN_IF_ERROR(CheckHead(head, bytes.size(), kind));
  const std::vector<std::string> sums = SumPieces(bytes, head, threads);
  std::vector<SectionFile::Section> sections;
  for (uint32_t i = 0; i < head.sections; ++i) {
    const Entry& entry = head.entries[i];
    if (SumOfSection(entry.id, entry.bytes, sums[i]) != entry.checksum) {
      return Broken(absl::StrCat("section ", entry.id, " has another checksum"));
    }
    const absl::string_view filling = bytes.substr(entry.offset + entry.bytes, RoundUp(entry.bytes) - entry.bytes);
    if (filling.find_first_not_of('\0') != absl::string_view::npos)
      return Broken(absl::StrCat("section ", entry.id, " isn't filled with zeros"));
    sections.push_back({entry.id, bytes.substr(entry.offset, entry.bytes)});
  }
  return sections;
}

absl::StatusOr<SectionFile> MapSectionFile(const std::string& path, const SectionFileKind& kind, size_t threads) {
  ASSIGN_OR_RETURN(const OpenFile file, OpenFile::Open(path, O_RDONLY));
  ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  const auto named = [&](const absl::Status& status) { return absl::Status(status.code(), absl::StrCat(path, ": ", status.message())); };
  if (const absl::Status sized = CheckSize(size); !sized.ok()) return named(sized);
  void* const memory = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd(), 0);
  if (memory == MAP_FAILED) return FileError("map", path);
  SectionFile mapped;
  mapped.keeper = std::shared_ptr<const void>(memory, [size](const void* at) { munmap(const_cast<void*>(at), size); });
  auto sections = CheckSections({static_cast<const char*>(memory), size}, kind, threads);
  if (!sections.ok()) return named(sections.status());
  mapped.sections = *std::move(sections);
  return mapped;
}

absl::StatusOr<std::string> ReadSection(const std::string& path, const SectionFileKind& kind, uint32_t id) {
  ASSIGN_OR_RETURN(const OpenFile file, OpenFile::Open(path, O_RDONLY));
  ASSIGN_OR_RETURN(const uint64_t size, file.Size());
  const auto named = [&](const absl::Status& status) { return absl::Status(status.code(), absl::StrCat(path, ": ", status.message())); };
  if (const absl::Status sized = CheckSize(size); !sized.ok()) return named(sized);
  Head head;
  if (pread(file.fd(), &head, sizeof(head), 0) != static_cast<ssize_t>(sizeof(head))) return FileError("read", path);
  if (const absl::Status whole = CheckHead(head, size, kind); !whole.ok()) return named(whole);
  for (uint32_t i = 0; i < head.sections; ++i) {
    Entry entry = head.entries[i];
    if (entry.id != id) continue;
    std::string bytes(RoundUp(entry.bytes), '\0');
    if (pread(file.fd(), bytes.data(), bytes.size(), static_cast<off_t>(entry.offset)) != static_cast<ssize_t>(bytes.size())) {
      return FileError("read", path);
    }
    Head alone;
    alone.sections = 1;
    alone.entries[0] = {.offset = 0, .bytes = entry.bytes};
    if (SumOfSection(entry.id, entry.bytes, SumPieces(bytes, alone, 1)[0]) != entry.checksum) {
      return named(Broken(absl::StrCat("section ", id, " has another checksum")));
    }
    bytes.resize(entry.bytes);
    return bytes;
  }
  return named(Broken(absl::StrCat("section ", id, " isn't there")));
}

std::string WithRightSums(absl::string_view bytes) {
  std::string right(bytes);
  if (right.size() < sizeof(Head)) return right;
  Head head;
  std::memcpy(&head, right.data(), sizeof(head));
  const uint32_t sections = std::min<uint32_t>(head.sections, kMostSections);
  for (uint32_t i = 0; i < sections; ++i) {
    Entry& entry = head.entries[i];
    if (entry.offset > right.size() || entry.bytes > right.size() || RoundUp(entry.bytes) > right.size() - entry.offset) continue;
    Head alone;
    alone.sections = 1;
    alone.entries[0] = entry;
    entry.checksum = SumOfSection(entry.id, entry.bytes, SumPieces(right, alone, 1)[0]);
  }
  head.file_bytes = right.size();
  head.checksum = SumOfHead(head);
  std::memcpy(right.data(), &head, sizeof(head));
  return right;
}

}  // namespace fairlead
