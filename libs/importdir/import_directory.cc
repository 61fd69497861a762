#include "libs/importdir/import_directory.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <map>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/content/hls_playlist.h"
#include "libs/content/paths.h"
#include "libs/importdir/sha256_file.h"
#include "libs/importdir/yaml_map.h"

namespace fairlead {
namespace {

constexpr double kDefaultPopularity = 1;
constexpr absl::string_view kDefaultVersion = "v1";

absl::Status Bad(absl::string_view path, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("'", path, "': ", why));
}

// The same code, with the path before the message.
absl::Status At(absl::string_view path, const absl::Status& status) {
  return absl::Status(status.code(), absl::StrCat("'", path, "': ", status.message()));
}

// Names without those that begin with a dot, in order.
absl::StatusOr<std::vector<std::string>> ListFolder(const std::string& path) {
  DIR* dir = opendir(path.c_str());
  if (dir == nullptr) return ErrnoStatus(errno, path);
  const absl::Cleanup close_dir = [dir] { closedir(dir); };
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

bool IsFolder(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
}

int64_t SizeOf(const std::string& path) {
  struct stat info = {};
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

absl::StatusOr<std::string> ReadPlaylist(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return ErrnoStatus(errno, path);
  std::string text(HlsPlaylist::kMaxBytes + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) return absl::DataLossError(absl::StrCat("'", path, "': can't be read"));
  return text;
}

absl::StatusOr<int32_t> ParseSize(const std::string& path, absl::string_view key, const std::string& text) {
  int32_t value = 0;
  if (absl::SimpleAtoi(text, &value) && value >= 0) return value;
  return Bad(path, absl::StrCat(key, " '", text.substr(0, 100), "': want a whole number of at least 0"));
}

class Reader {
 public:
  Reader(std::string root, const ImportDirectoryOptions& options) : root_(std::move(root)), options_(options) {}

  absl::StatusOr<std::vector<ImportedTitle>> Read() {
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(root_));
    if (names.size() > ImportDirectoryOptions::kMaxTitles) {
      return Bad(root_, absl::StrCat(names.size(), " titles, at most ", ImportDirectoryOptions::kMaxTitles));
    }
    std::vector<ImportedTitle> titles;
    for (const std::string& name : names) {
      ASSIGN_OR_RETURN(ImportedTitle title, ReadTitleFolder(name));
      titles.push_back(std::move(title));
    }
    if (titles.empty()) return Bad(root_, "no title: want <title-id>/title.yaml");
    // Cheap checks first: a wrong key in the last title is found before hours of hashing.
    for (ImportedTitle& title : titles) RETURN_IF_ERROR(HashTitle(title));
    return titles;
  }

 private:
  absl::StatusOr<ImportedTitle> ReadTitleFolder(const std::string& name) {
    const std::string folder = absl::StrCat(root_, "/", name);
    if (!IsFolder(folder)) return Bad(folder, "not a folder; want one folder a title");
    RETURN_IF_ERROR(ValidateId(name, absl::StrCat("'", folder, "': title id")));
    ImportedTitle title;
    title.import.title = TitleId(name);
    title.import.display_name = name;
    title.import.popularity = kDefaultPopularity;
    title.import.version.version = std::string(kDefaultVersion);
    RETURN_IF_ERROR(ReadTitleYaml(absl::StrCat(folder, "/title.yaml"), title.import));
    const std::string version_folder = absl::StrCat(folder, "/", title.import.version.version);
    if (!IsFolder(version_folder)) return Bad(version_folder, "no such folder, but it is the version to import");
    ASSIGN_OR_RETURN(const std::vector<std::string> renditions, ListFolder(version_folder));
    if (renditions.empty()) return Bad(version_folder, "no rendition");
    for (const std::string& id : renditions) RETURN_IF_ERROR(ReadRenditionFolder(version_folder, id, title));
    return title;
  }

  static absl::Status ReadTitleYaml(const std::string& path, TitleImport& import) {
    ASSIGN_OR_RETURN(const auto values, ReadYamlMap(path, {"display_name", "popularity", "version"}));
    for (const auto& [key, text] : values) {
      if (key == "display_name") import.display_name = text;
      if (key == "version") import.version.version = text;
      if (key == "popularity" && !absl::SimpleAtod(text, &import.popularity)) {
        return Bad(path, absl::StrCat("popularity '", text.substr(0, 100), "': want a number of at least 0"));
      }
    }
    const absl::Status version = ValidateId(import.version.version, "version");
    return version.ok() ? version : At(path, version);
  }

  absl::Status ReadRenditionFolder(const std::string& version_folder, const std::string& id, ImportedTitle& title) {
    const std::string folder = absl::StrCat(version_folder, "/", id);
    if (!IsFolder(folder)) return Bad(folder, "not a folder; want one folder a rendition");
    RETURN_IF_ERROR(ValidateId(id, absl::StrCat("'", folder, "': rendition id")));
    ASSIGN_OR_RETURN(const std::vector<std::string> names, ListFolder(folder));
    for (const std::string& name : names) {
      if (name != kMediaFileName && name != kPlaylistFileName && name != "rendition.yaml") {
        return Bad(absl::StrCat(folder, "/", name), "want only media.mp4, media.m3u8 and rendition.yaml");
      }
    }
    Rendition rendition;
    rendition.id = id;
    RETURN_IF_ERROR(ReadRenditionYaml(absl::StrCat(folder, "/rendition.yaml"), rendition));
    const std::string content_folder = absl::StrCat(title.import.title.value(), "/", title.import.version.version, "/", id, "/");
    rendition.file.path = absl::StrCat(content_folder, kMediaFileName);
    rendition.file.playlist.path = absl::StrCat(content_folder, kPlaylistFileName);
    // Later steps find the folder again by the order of the renditions: playlist and media follow each other.
    for (const std::string& path : {rendition.file.playlist.path, rendition.file.path}) {
      const std::string disk_path = absl::StrCat(root_, "/", path);
      title.files.push_back({.content_path = path, .disk_path = disk_path, .size_bytes = 0, .sha256 = ""});
      progress_.bytes_total += SizeOf(disk_path);
    }
    RETURN_IF_ERROR(ReadMedia(rendition, title));
    title.import.version.renditions.push_back(std::move(rendition));
    return absl::OkStatus();
  }

  static absl::Status ReadRenditionYaml(const std::string& path, Rendition& rendition) {
    for (const auto& [prefix, kind] : {std::pair<absl::string_view, RenditionKind>{"video", RenditionKind::kVideo},
                                       {"audio", RenditionKind::kAudio},
                                       {"text", RenditionKind::kText}}) {
      if (absl::StartsWith(rendition.id, prefix)) rendition.kind = kind;
    }
    const auto values = ReadYamlMap(path, {"codecs", "height", "kind", "language", "width"});
    if (!values.ok() && !absl::IsNotFound(values.status())) return values.status();
    if (values.ok()) RETURN_IF_ERROR(ApplyRenditionYaml(path, *values, rendition));
    if (rendition.kind != RenditionKind::kUnspecified) return absl::OkStatus();
    return Bad(path, absl::StrCat("kind: can't be told from the id '", rendition.id, "'; want VIDEO, AUDIO or TEXT"));
  }

  static absl::Status ApplyRenditionYaml(const std::string& path, const std::map<std::string, std::string>& values, Rendition& rendition) {
    for (const auto& [key, text] : values) {
      if (key == "codecs") rendition.codecs = text;
      if (key == "language") rendition.language = text;
      if (key == "kind" && !FromString(text, rendition.kind)) {
        return Bad(path, absl::StrCat("kind '", text.substr(0, 100), "': want VIDEO, AUDIO or TEXT"));
      }
      if (key == "width") {
        ASSIGN_OR_RETURN(rendition.width, ParseSize(path, key, text));
      }
      if (key == "height") {
        ASSIGN_OR_RETURN(rendition.height, ParseSize(path, key, text));
      }
    }
    return absl::OkStatus();
  }

  // Everything about the media but the hashes.
  static absl::Status ReadMedia(Rendition& rendition, ImportedTitle& title) {
    const std::string& media_path = title.files[title.files.size() - 1].disk_path;
    const std::string& playlist_path = title.files[title.files.size() - 2].disk_path;
    struct stat info = {};
    if (stat(media_path.c_str(), &info) != 0) return ErrnoStatus(errno, media_path);
    if (!S_ISREG(info.st_mode)) return Bad(media_path, "not a regular file");
    ASSIGN_OR_RETURN(const std::string text, ReadPlaylist(playlist_path));
    const absl::StatusOr<HlsPlaylist> playlist = ParseHlsPlaylist(text, {.file_name = kMediaFileName, .file_size = info.st_size});
    if (!playlist.ok()) return At(playlist_path, playlist.status());
    rendition.file.size_bytes = info.st_size;
    rendition.file.duration_seconds = playlist->duration_seconds;
    rendition.file.segment_count = static_cast<int32_t>(playlist->segments.size());
    rendition.bandwidth_bps = MeanBandwidth(info.st_size, playlist->duration_seconds);
    if (!playlist->contiguous()) {
      title.notes.push_back(
          absl::StrCat(rendition.file.path, ": ", playlist->gap_bytes, " bytes in ", playlist->gaps.size(), " places are in no segment"));
    }
    return absl::OkStatus();
  }

  absl::Status HashTitle(ImportedTitle& title) {
    size_t next = 0;
    for (Rendition& rendition : title.import.version.renditions) {
      SourceFile& playlist = title.files[next++];
      SourceFile& media = title.files[next++];
      RETURN_IF_ERROR(Hash(playlist));
      RETURN_IF_ERROR(Hash(media));
      if (media.size_bytes != rendition.file.size_bytes) return Bad(media.disk_path, "changed while it was being read");
      rendition.file.sha256 = media.sha256;
      rendition.file.playlist.size_bytes = playlist.size_bytes;
      rendition.file.playlist.sha256 = playlist.sha256;
    }
    const absl::Status valid = ValidateImport(title.import);
    return valid.ok() ? valid : At(absl::StrCat(root_, "/", title.import.title.value()), valid);
  }

  absl::Status Hash(SourceFile& file) {
    progress_.file = file.content_path;
    ASSIGN_OR_RETURN(FileDigest digest, DigestFile(file.disk_path, [this](int64_t bytes) {
                       progress_.bytes_done += bytes;
                       if (options_.progress) options_.progress(progress_);
                     }));
    file.size_bytes = digest.size_bytes;
    file.sha256 = std::move(digest.sha256);
    return absl::OkStatus();
  }

  const std::string root_;
  const ImportDirectoryOptions& options_;
  ImportProgress progress_;
};

}  // namespace

absl::StatusOr<std::vector<ImportedTitle>> ReadImportDirectory(const std::string& path, const ImportDirectoryOptions& options) {
  return Reader(path, options).Read();
}

}  // namespace fairlead
