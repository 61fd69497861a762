// The table on disk: what decisions are made from, as it lies in memory, so that a steerd which starts answers from it at once; and what
// the answers need besides. libs/steering/table_image.h says what is in it, libs/checkpoint/section_file.h how it is kept whole.
//
//   RETURN_IF_ERROR(SaveTableFile("/var/lib/fairlead/steerd", *table, extras));       // The one before stays beside it.
//   const LoadedTable loaded = LoadTable("/var/lib/fairlead/steerd");                 // The newest that is whole.
//   ASSIGN_OR_RETURN(const TableFile file, OpenTableFile("/tmp/world.table"));        // One by name.
//
// Any thread; writing takes a time in proportion to the table and holds up nobody.
#ifndef FAIRLEAD_SERVICES_STEERING_TABLE_FILE_H_
#define FAIRLEAD_SERVICES_STEERING_TABLE_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/checkpoint/section_file.h"
#include "libs/feed/position.h"
#include "libs/steering/steering_table.h"
#include "libs/steering/table_image.h"

namespace fairlead {

// The number of the format: raised whenever older files would be read wrongly. Older and newer ones are refused by it.
inline constexpr uint32_t kTableFormat = 2;
inline constexpr char kTableFile[] = "steering.table";

struct TableExtras {
  // A source that the table was made from, as it stood then.
  struct Source {
    std::string name = {};
    FeedPosition position = {};
    absl::Duration age = absl::ZeroDuration();
    friend bool operator==(const Source&, const Source&) = default;
  };
  absl::Time saved_at = absl::UnixEpoch();  // Wall time, to the millisecond.
  std::vector<Source> sources = {};
  int default_max_urls = 3;
  absl::Duration token_lifetime = absl::Hours(4);
  std::vector<std::string> active_key_ids = {};
  // It is sharply smaller than the one before, and was believed all the same.
  bool shrunken = false;

  friend bool operator==(const TableExtras&, const TableExtras&) = default;
};

struct TableFile {
  std::shared_ptr<const SteeringTable> table;  // Never null.
  TableExtras extras;
  std::string path;
};

// UNAVAILABLE naming the file. `path` is written whole and durable when this returns; until then it is no readable file.
absl::Status WriteTableFile(const std::string& path, const SteeringTable& table, const TableExtras& extras);
// NOT_FOUND, UNAVAILABLE or DATA_LOSS naming the file. Checked by `threads` threads, and where they are more than one, read by two or
// three.
absl::StatusOr<TableFile> OpenTableFile(const std::string& path, size_t threads = 2);

absl::Status SaveTableFile(const std::string& folder, const SteeringTable& table, const TableExtras& extras);

struct LoadedTable {
  std::optional<TableFile> file;
  std::vector<absl::Status> refused;  // The files that were there and aren't used, newest first, each named. Put aside as ".refused".
};
// The current one; or the one before, if the current can't be used, is older than it, or is sharply smaller than it and wasn't believed
// when it was written.
LoadedTable LoadTable(const std::string& folder, size_t threads = 2);

// What the file in the folder counts; nothing if there is none that can be read. Reads its head alone.
std::optional<ImageCounts> CountsOnDisk(const std::string& folder);

// Whether somebody who holds `held` shouldn't take `offered` for newer at once: fewer than half of the boxes, prefixes or files, or none.
// Says which.
std::optional<std::string> WhySharplySmaller(const ImageCounts& held, const ImageCounts& offered);

// For tests: what a reader does with bytes in memory, at a multiple of kSectionAlignment.
absl::StatusOr<TableFile> ReadTableBytes(absl::string_view bytes, std::shared_ptr<const void> keeper);
SectionFileKind TableFileKind();

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_TABLE_FILE_H_
