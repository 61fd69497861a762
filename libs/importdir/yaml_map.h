// A small YAML file that is one flat map of scalars: "title.yaml", "rendition.yaml". The only place here that sees yaml-cpp and its
// exceptions. Errors are INVALID_ARGUMENT with the file's path, and the line where there is one.
#ifndef FAIRLEAD_LIBS_IMPORTDIR_YAML_MAP_H_
#define FAIRLEAD_LIBS_IMPORTDIR_YAML_MAP_H_

#include <map>
#include <set>
#include <string>

#include "absl/status/statusor.h"

namespace fairlead {

// Key → scalar text. A key that isn't in `known`, a repeated key, or a value that isn't a scalar is refused. NOT_FOUND if there is no
// file; at most 64 KiB.
absl::StatusOr<std::map<std::string, std::string>> ReadYamlMap(const std::string& path, const std::set<std::string>& known);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_IMPORTDIR_YAML_MAP_H_
