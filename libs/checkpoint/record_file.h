// Files of checksummed records behind one line of text: the shape of a checkpoint's bases and logs.
//
// A record is its length (4 bytes, little endian), its kind (1 byte), an XXH3 checksum over these and the payload (8 bytes), and the
// payload. The checksum is seeded with the file's serial number and the record's place in it, so that bytes of another file, or of another
// place in this one, never pass for a record. The line at the front carries a checksum of its own.
// Not thread-safe.
#ifndef FAIRLEAD_LIBS_CHECKPOINT_RECORD_FILE_H_
#define FAIRLEAD_LIBS_CHECKPOINT_RECORD_FILE_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/checkpoint/file.h"

namespace fairlead {

enum class RecordKind : uint8_t {
  kMore = 1,   // The group goes on in the next record.
  kGroup = 2,  // The last record of a group: all of the group counts, or nothing.
  kEnd = 3,    // The file is whole up to here.
};

// The line with its checksum and line feed.
std::string FrameLine(absl::string_view text);
// Appends the record that stands at `offset` of the file.
void FrameRecord(absl::string_view payload, RecordKind kind, uint64_t serial, uint64_t offset, std::string& out);

struct Record {
  RecordKind kind = RecordKind::kMore;
  absl::string_view payload;  // Valid until the next call.
};

class RecordReader {
 public:
  static absl::StatusOr<RecordReader> Open(const std::string& path, uint64_t serial);

  // Without its checksum and line feed. DATA_LOSS if it isn't whole. To be called first, once.
  absl::StatusOr<std::string> ReadLine();
  // OUT_OF_RANGE at the end of the file, DATA_LOSS where no whole record follows, UNAVAILABLE if the disk fails.
  absl::StatusOr<Record> Next();
  // Behind what was read last.
  uint64_t offset() const { return offset_; }

 private:
  RecordReader(FileReader file, uint64_t serial) : file_(std::move(file)), serial_(serial) {}

  FileReader file_;
  uint64_t serial_;
  uint64_t offset_ = 0;
  std::string record_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CHECKPOINT_RECORD_FILE_H_
