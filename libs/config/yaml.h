// YAML documents as a tree that knows where everything stands, for configuration files whose mistakes must be told by line and column.
//
// Stricter than YAML: one document, keys are plain strings, a key twice is a mistake, and the size is bounded (aliases may blow a small
// file up). The text is never executed or interpreted: every scalar is its characters. Thread-safe.
//
//   std::vector<YamlProblem> problems;
//   const YamlNode root = ParseYaml(text, problems);
//   if (!problems.empty()) return YamlError("fleet.yaml", problems);
#ifndef FAIRLEAD_LIBS_CONFIG_YAML_H_
#define FAIRLEAD_LIBS_CONFIG_YAML_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace fairlead {

// Counted from 1; line 0 = unknown.
struct YamlMark {
  int line = 0;
  int column = 0;
};

struct YamlNode {
  enum class Kind { kNull, kScalar, kList, kMap };
  struct Entry;

  Kind kind = Kind::kNull;
  YamlMark mark;
  std::string scalar;
  // Whether the scalar stood in quotes, and so is text whatever it looks like.
  bool quoted = false;
  std::vector<YamlNode> items;
  std::vector<Entry> entries;

  // "a mapping", "a list", "a value", "nothing".
  absl::string_view KindName() const;
  // The value of a key of a mapping; null if it isn't there.
  const YamlNode* Find(absl::string_view key) const;
};

struct YamlNode::Entry {
  std::string key;
  YamlMark mark;
  YamlNode value;
};

struct YamlProblem {
  YamlMark mark;
  // "sites[0].kind: 'EMBEDED' must be …"
  std::string message;
};

struct YamlLimits {
  size_t bytes = size_t{4} << 20;
  // After expanding aliases.
  size_t nodes = 4'000'000;
  int depth = 32;
};

// Adds what is wrong to `problems`; the tree then has what could be read.
YamlNode ParseYaml(const std::string& text, std::vector<YamlProblem>& problems, const YamlLimits& limits = {});

// INVALID_ARGUMENT listing the first 20 problems by line, one a line under `title`. OK if there are none.
absl::Status YamlError(absl::string_view title, std::vector<YamlProblem> problems);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONFIG_YAML_H_
