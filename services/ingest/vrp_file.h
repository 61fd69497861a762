// VRPs (validated ROA payloads) from a file that an RPKI validator keeps up to date, read again when it changes.
//
// The format is the CSV that validators export (routinator's `csv`): "ASN,IP Prefix,Max Length,Trust Anchor", the first line being that
// header, then lines such as "AS64500,192.0.2.0/24,24,ripe". What follows the third field is not looked at; an empty maximum length is the
// prefix's own. A file with any line that makes no sense, or whose last line doesn't end, is refused as a whole: half a table would call
// good routes invalid. Write it beside and rename it.
//
//   VrpFile file("/var/lib/routinator/vrps.csv");
//   ASSIGN_OR_RETURN(const bool changed, file.Poll());
//   if (changed) fleet.SetVrps(file.table());
#ifndef FAIRLEAD_SERVICES_INGEST_VRP_FILE_H_
#define FAIRLEAD_SERVICES_INGEST_VRP_FILE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/routing/rpki.h"

namespace fairlead::ingest {

// INVALID_ARGUMENT "line 12: …". O(size of the text). Pure.
absl::StatusOr<VrpTable> ParseVrpCsv(absl::string_view text);

// Not thread-safe; the tables are.
class VrpFile {
 public:
  static constexpr size_t kMaxBytes = size_t{256} << 20;

  explicit VrpFile(std::string path) : path_(std::move(path)) {}

  // Reads the file if it isn't the one read last (by time, size and inode): whether there is a new table. Else, or after an error, table()
  // stays. An error is told once for each state of the file: INVALID_ARGUMENT for what is in it, UNAVAILABLE if it can't be read.
  absl::StatusOr<bool> Poll();

  // Null before the first file was taken.
  const std::shared_ptr<const VrpTable>& table() const { return table_; }

 private:
  // Seconds and nanoseconds of the last change, size, inode; zeros: no such file.
  using Stamp = std::tuple<int64_t, int64_t, int64_t, uint64_t>;

  const std::string path_;
  bool looked_ = false;
  Stamp stamp_;
  std::shared_ptr<const VrpTable> table_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_VRP_FILE_H_
