// Places an imported title's files under an origin's content root, in the layout of URLs.
//
// Each file appears whole or not at all: temporary file in the same folder, fsync, hash read back and compared, rename, fsync of the
// folder. Running it again copies nothing that is there already. Blocking; one run at a time a content root is expected: a second one
// fails on a locked temporary file.
// Errors name the path: ALREADY_EXISTS if other content is in its place (it is left alone), ABORTED if the source isn't what was
// hashed before or another run is at work, RESOURCE_EXHAUSTED if the disk is full. Files copied before an error stay; they are right.
//
//   ASSIGN_OR_RETURN(const CopyReport report, CopyToOrigin(title, "/srv/origin/content"));
#ifndef FAIRLEAD_LIBS_IMPORTDIR_COPY_TO_ORIGIN_H_
#define FAIRLEAD_LIBS_IMPORTDIR_COPY_TO_ORIGIN_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "libs/importdir/import_directory.h"

namespace fairlead {

struct CopyReport {
  int files_copied = 0;
  int files_already_there = 0;
  int64_t bytes_copied = 0;
};

// `content_root` must exist; folders below it are made.
absl::StatusOr<CopyReport> CopyToOrigin(const ImportedTitle& title, const std::string& content_root);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_IMPORTDIR_COPY_TO_ORIGIN_H_
