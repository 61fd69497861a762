// The one layout of files, on every disk and in every URL: "<title>/<version>/<rendition>/<file>".
//
// Title, version and rendition are ids ([a-z0-9-]{1,63}); a file name is [a-z0-9._-]{1,63} and doesn't begin with a dot. So a path
// needs no escaping in a URL, a shell or a file system, and can't lead out of its folder. Pure functions; any thread.
//
//   ASSIGN_OR_RETURN(const ContentPath path, ContentPath::Parse("big-film/v1/video-720p/media.mp4", "file.path"));
//   MakeSignedPath(token, path.ToString());  // "/URISigningPackage=<token>/big-film/v1/video-720p/media.mp4"
#ifndef FAIRLEAD_LIBS_CONTENT_PATHS_H_
#define FAIRLEAD_LIBS_CONTENT_PATHS_H_

#include <compare>
#include <ostream>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead {

// The names that an import uses.
constexpr absl::string_view kMediaFileName = "media.mp4";
constexpr absl::string_view kPlaylistFileName = "media.m3u8";

struct ContentPath {
  std::string title;
  std::string version;
  std::string rendition;
  std::string file;

  // INVALID_ARGUMENT naming `field` and quoting the text unless it is exactly such a path (no leading slash).
  static absl::StatusOr<ContentPath> Parse(absl::string_view text, absl::string_view field = "path");
  std::string ToString() const;

  friend auto operator<=>(const ContentPath&, const ContentPath&) = default;
  friend bool operator==(const ContentPath&, const ContentPath&) = default;
  friend std::ostream& operator<<(std::ostream& out, const ContentPath& path) { return out << path.ToString(); }
};

absl::Status ValidateFileName(absl::string_view name, absl::string_view field);

// What a signed path begins with; the token, "/" and the content path follow.
constexpr absl::string_view kSignedPathLead = "/URISigningPackage=";
// "/URISigningPackage=<token>/<title>/<version>/<rendition>/<file>": what follows scheme, host and port.
std::string MakeSignedPath(absl::string_view token, absl::string_view content_path);
// "/URISigningPackage=<token>/<title>/<version>/": paths below the version are appended to it.
std::string MakeSignedFolder(absl::string_view token, absl::string_view title, absl::string_view version);

struct SignedPath {
  std::string token;
  ContentPath path;
};
// The reverse of MakeSignedPath; INVALID_ARGUMENT if the text isn't one. The token is not looked into.
absl::StatusOr<SignedPath> ParseSignedPath(absl::string_view text);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENT_PATHS_H_
