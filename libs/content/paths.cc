#include "libs/content/paths.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr size_t kMaxFileName = 63;

}  // namespace

absl::Status ValidateFileName(absl::string_view name, absl::string_view field) {
  const bool letters_fit = std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' || c == '_' || c == '-';
  });
  if (!name.empty() && name.size() <= kMaxFileName && name[0] != '.' && letters_fit) return absl::OkStatus();
  return InvalidField(field, name, "a file name is [a-z0-9._-]{1,63} and doesn't begin with a dot");
}

absl::StatusOr<ContentPath> ContentPath::Parse(absl::string_view text, absl::string_view field) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '/');
  if (parts.size() != 4) {
    return InvalidField(field, text, "want '<title>/<version>/<rendition>/<file>'");
  }
  RETURN_IF_ERROR(ValidateId(parts[0], absl::StrCat(field, ": title")));
  RETURN_IF_ERROR(ValidateId(parts[1], absl::StrCat(field, ": version")));
  RETURN_IF_ERROR(ValidateId(parts[2], absl::StrCat(field, ": rendition")));
  RETURN_IF_ERROR(ValidateFileName(parts[3], absl::StrCat(field, ": file")));
  return ContentPath{std::string(parts[0]), std::string(parts[1]), std::string(parts[2]), std::string(parts[3])};
}

std::string ContentPath::ToString() const {
  return absl::StrCat(title, "/", version, "/", rendition, "/", file);
}

std::string MakeSignedPath(absl::string_view token, absl::string_view content_path) {
  return absl::StrCat(kSignedPathLead, token, "/", content_path);
}

std::string MakeSignedFolder(absl::string_view token, absl::string_view title, absl::string_view version) {
  return absl::StrCat(kSignedPathLead, token, "/", title, "/", version, "/");
}

absl::StatusOr<SignedPath> ParseSignedPath(absl::string_view text) {
  absl::string_view rest = text;
  const size_t package_end = text.find('/', 1);
  if (!absl::ConsumePrefix(&rest, kSignedPathLead) || package_end == absl::string_view::npos || package_end == kSignedPathLead.size()) {
    return InvalidField("URL path", text, absl::StrCat("want '", kSignedPathLead, "<token>/<title>/<version>/<rendition>/<file>'"));
  }
  ASSIGN_OR_RETURN(ContentPath path, ContentPath::Parse(text.substr(package_end + 1), "URL path"));
  return SignedPath{std::string(text.substr(kSignedPathLead.size(), package_end - kSignedPathLead.size())), std::move(path)};
}

}  // namespace fairlead
