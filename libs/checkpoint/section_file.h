// One file of large sections that is mapped, not read: for state that is used as it lies on disk.
//
// A head of 4 KiB with a directory, then the sections, each from a multiple of 4 KiB on and filled up to one with zeros. Every byte of the
// file is under a checksum: the head's own, and one a section, over its zeros too, made of those of its pieces of 4 MiB, so that several
// threads may check one section. Sections lie one behind the other with nothing between, so a file has one reading. Nothing of a file is
// given out before all of it has been checked. XXH3: against decay, cuts and mixed-up files, not against somebody who may write there.
//
//   ASSIGN_OR_RETURN(auto writer, SectionFileWriter::Create(path, {.kind = "fairlead-table", .format = 1}));
//   writer.Begin(3); RETURN_IF_ERROR(writer.Append(bytes)); …; RETURN_IF_ERROR(writer.Finish());     // Durable; under its final name by
//   RETURN_IF_ERROR(PutInPlace(folder, name));                                                          // whole_file.h.
//   ASSIGN_OR_RETURN(const SectionFile file, MapSectionFile(path, {…}));   // file.sections lie in the mapping, which file.keeper keeps.
//
// Mapped memory is a promise of the disk: pages may be dropped and read again, and a disk that fails then ends the program with SIGBUS. All
// of it is mapped in beforehand, and whoever maps a file doesn't change it but puts another in its place.
#ifndef FAIRLEAD_LIBS_CHECKPOINT_SECTION_FILE_H_
#define FAIRLEAD_LIBS_CHECKPOINT_SECTION_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/checkpoint/file.h"

namespace fairlead {

// What is in the file. Files of another kind or format are refused by name.
struct SectionFileKind {
  std::string kind;  // At most 23 letters.
  uint32_t format = 0;
};

inline constexpr size_t kSectionAlignment = 4'096;
inline constexpr size_t kMostSections = 64;
inline constexpr uint64_t kMostSectionFileBytes = uint64_t{32} << 30;

class SectionFileWriter {
 public:
  // Creates or empties it. Errors of this and what follows are UNAVAILABLE naming the file and the system's reason.
  static absl::StatusOr<SectionFileWriter> Create(const std::string& path, const SectionFileKind& kind);

  // Ends the section before. Each id once; at most kMostSections.
  absl::Status Begin(uint32_t id);
  absl::Status Append(absl::string_view bytes);
  // Writes the head; on disk when this returns.
  absl::Status Finish();
  // So far.
  uint64_t bytes() const { return at_; }

 private:
  struct Section {
    uint32_t id = 0;
    uint64_t bytes = 0;
    std::string sums;  // Of its pieces.
    uint64_t checksum = 0;
  };
  SectionFileWriter(OpenFile file, SectionFileKind kind) : file_(std::move(file)), kind_(std::move(kind)) {}
  absl::Status End();
  absl::Status FlushPiece();

  OpenFile file_;
  SectionFileKind kind_;
  std::vector<Section> sections_;
  std::string piece_;
  uint64_t at_ = 0;
};

struct SectionFile {
  struct Section {
    uint32_t id = 0;
    absl::string_view bytes;
  };
  std::vector<Section> sections;
  std::shared_ptr<const void> keeper;

  // Empty if there is none.
  absl::string_view Find(uint32_t id) const;
};

// Checks all of `bytes`, which must begin at a multiple of kSectionAlignment for the sections to; by `threads` threads. DATA_LOSS saying
// what is wrong.
absl::StatusOr<std::vector<SectionFile::Section>> CheckSections(absl::string_view bytes, const SectionFileKind& kind, size_t threads = 1);

// NOT_FOUND, UNAVAILABLE or DATA_LOSS, naming the file.
absl::StatusOr<SectionFile> MapSectionFile(const std::string& path, const SectionFileKind& kind, size_t threads = 1);

// One section of a file, by reading and checking it and the head alone: to look at a large file before it is worth mapping. Errors as
// above.
absl::StatusOr<std::string> ReadSection(const std::string& path, const SectionFileKind& kind, uint32_t id);

// `bytes` of a file with its checksums made right again, as far as its head can be read: for tests of what lies behind them.
std::string WithRightSums(absl::string_view bytes);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CHECKPOINT_SECTION_FILE_H_
