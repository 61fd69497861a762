// Reads a directory of media to import (its format: libs/content/README.md), hashes every file and checks every playlist.
//
// Blocking; called by `fairlead catalog import`. Errors name the file, the field and the value; nothing is returned then, so that a
// directory is imported whole or not at all. Reads all bytes once: as fast as disk and SHA-256 allow.
//
//   ASSIGN_OR_RETURN(const std::vector<ImportedTitle> titles, ReadImportDirectory("/media", {.progress = ShowProgress}));
//   for (const ImportedTitle& title : titles) { CopyToOrigin(title, root); ImportTitleVersion(title.import); }
#ifndef FAIRLEAD_LIBS_IMPORTDIR_IMPORT_DIRECTORY_H_
#define FAIRLEAD_LIBS_IMPORTDIR_IMPORT_DIRECTORY_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "libs/content/catalogue_values.h"

namespace fairlead {

// One file on this machine's disk and its place in the layout.
struct SourceFile {
  std::string content_path;  // "<title>/<version>/<rendition>/<file>"
  std::string disk_path;
  int64_t size_bytes = 0;
  std::string sha256;  // 32 bytes.
};

struct ImportedTitle {
  TitleImport import;              // Passes ValidateImport.
  std::vector<SourceFile> files;   // Media and playlists, by content path.
  std::vector<std::string> notes;  // For people: "… : 812 bytes are in no segment".
};

struct ImportProgress {
  std::string file;  // Being read.
  int64_t bytes_done = 0;
  int64_t bytes_total = 0;
};

struct ImportDirectoryOptions {
  static constexpr size_t kMaxTitles = 100'000;
  // Heard about once a mebibyte and at the end of each file; on the caller's thread.
  std::function<void(const ImportProgress&)> progress;
};

// Titles in the order of their ids. NOT_FOUND if there is no such directory, INVALID_ARGUMENT if it holds no title or anything that
// breaks the format.
absl::StatusOr<std::vector<ImportedTitle>> ReadImportDirectory(const std::string& path, const ImportDirectoryOptions& options = {});

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_IMPORTDIR_IMPORT_DIRECTORY_H_
