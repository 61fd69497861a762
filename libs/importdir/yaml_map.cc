#include "libs/importdir/yaml_map.h"

#include <cerrno>
#include <fstream>
#include <sstream>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "yaml-cpp/yaml.h"

namespace fairlead {
namespace {

constexpr size_t kMaxSize = 64 * 1024;

absl::StatusOr<std::string> ReadSmallFile(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    const std::string message = absl::StrCat("'", path, "': can't be opened");
    return errno == ENOENT ? absl::NotFoundError(message) : absl::FailedPreconditionError(message);
  }
  std::string text(kMaxSize + 1, '\0');
  in.read(text.data(), static_cast<std::streamsize>(text.size()));
  text.resize(static_cast<size_t>(in.gcount()));
  if (in.bad()) return absl::DataLossError(absl::StrCat("'", path, "': can't be read"));
  if (text.size() > kMaxSize) return absl::InvalidArgumentError(absl::StrCat("'", path, "': more than ", kMaxSize, " bytes"));
  return text;
}

absl::Status Bad(const std::string& path, const YAML::Mark& mark, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("'", path, "' line ", mark.line + 1, ": ", why));
}

absl::StatusOr<YAML::Node> Parse(const std::string& path, const std::string& text) {
  try {
    return YAML::Load(text);
  } catch (const YAML::Exception& error) {
    return Bad(path, error.mark, error.msg);
  }
}

}  // namespace

absl::StatusOr<std::map<std::string, std::string>> ReadYamlMap(const std::string& path, const std::set<std::string>& known) {
  ASSIGN_OR_RETURN(const std::string text, ReadSmallFile(path));
  ASSIGN_OR_RETURN(const YAML::Node root, Parse(path, text));
  std::map<std::string, std::string> values;
  if (root.IsNull()) return values;
  if (!root.IsMap()) return Bad(path, root.Mark(), "want a map of keys and values");
  for (const auto& entry : root) {
    if (!entry.first.IsScalar()) return Bad(path, entry.first.Mark(), "a key that isn't a word");
    const std::string key = entry.first.Scalar();
    if (!known.contains(key)) {
      return Bad(path, entry.first.Mark(),
                 absl::StrCat("unknown key '", key.substr(0, 100), "', want one of ", absl::StrJoin(known, ", ")));
    }
    if (!entry.second.IsScalar())
      return Bad(path, entry.first.Mark(), absl::StrCat("the value of '", key, "' isn't a single word, number or text"));
    if (!values.emplace(key, entry.second.Scalar()).second) return Bad(path, entry.first.Mark(), absl::StrCat("key '", key, "' again"));
  }
  return values;
}

}  // namespace fairlead
