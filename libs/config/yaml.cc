#include "libs/config/yaml.h"

#include <algorithm>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "yaml-cpp/yaml.h"

namespace fairlead {
namespace {

constexpr size_t kMaxListed = 20;

YamlMark MarkOf(const YAML::Mark& mark) {
  if (mark.line < 0) return {};
  return {.line = mark.line + 1, .column = mark.column + 1};
}

// Copies yaml-cpp's nodes, which are shared and mutable, into a plain tree.
class Converter {
 public:
  Converter(const YamlLimits& limits, std::vector<YamlProblem>& problems) : limits_(limits), problems_(problems) {}

  YamlNode Convert(const YAML::Node& node, int depth) {
    YamlNode result;
    result.mark = MarkOf(node.Mark());
    if (full_) return result;
    if (++nodes_ > limits_.nodes || depth > limits_.depth) {
      full_ = true;
      Add(result.mark, depth > limits_.depth ? absl::StrCat("nested deeper than ", limits_.depth, " levels")
                                             : absl::StrCat("more than ", limits_.nodes, " values"));
      return result;
    }
    switch (node.Type()) {
      case YAML::NodeType::Scalar:
        result.kind = YamlNode::Kind::kScalar;
        result.scalar = node.Scalar();
        result.quoted = node.Tag() == "!";
        break;
      case YAML::NodeType::Sequence:
        result.kind = YamlNode::Kind::kList;
        for (const YAML::Node& item : node) result.items.push_back(Convert(item, depth + 1));
        break;
      case YAML::NodeType::Map:
        result.kind = YamlNode::Kind::kMap;
        ConvertEntries(node, depth, result);
        break;
      case YAML::NodeType::Null:
      case YAML::NodeType::Undefined:
        break;
    }
    return result;
  }

 private:
  void ConvertEntries(const YAML::Node& node, int depth, YamlNode& result) {
    absl::flat_hash_map<std::string, YamlMark> seen;
    for (const auto& entry : node) {
      const YamlMark mark = MarkOf(entry.first.Mark());
      if (!entry.first.IsScalar()) {
        Add(mark, "a key must be a plain word");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      const auto [first, is_new] = seen.try_emplace(key, mark);
      if (!is_new) {
        Add(mark, absl::StrCat(Quoted(key), " is there twice; first on line ", first->second.line));
        continue;
      }
      result.entries.push_back({key, mark, Convert(entry.second, depth + 1)});
    }
  }

  void Add(YamlMark mark, std::string message) { problems_.push_back({mark, std::move(message)}); }

  const YamlLimits& limits_;
  std::vector<YamlProblem>& problems_;
  size_t nodes_ = 0;
  bool full_ = false;
};

}  // namespace

absl::string_view YamlNode::KindName() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kScalar:
      return "a value";
    case Kind::kList:
      return "a list";
    case Kind::kMap:
      return "a mapping";
  }
  return "nothing";
}

const YamlNode* YamlNode::Find(absl::string_view key) const {
  for (const Entry& entry : entries) {
    if (entry.key == key) return &entry.value;
  }
  return nullptr;
}

YamlNode ParseYaml(const std::string& text, std::vector<YamlProblem>& problems, const YamlLimits& limits) {
  if (text.size() > limits.bytes) {
    problems.push_back({{}, absl::StrCat("has ", text.size(), " bytes; at most ", limits.bytes, " are allowed")});
    return {};
  }
  try {
    const std::vector<YAML::Node> documents = YAML::LoadAll(text);
    if (documents.empty()) return {};
    if (documents.size() > 1) problems.push_back({MarkOf(documents[1].Mark()), "a second document starts here; one is allowed"});
    return Converter(limits, problems).Convert(documents[0], 0);
  } catch (const YAML::Exception& error) {
    problems.push_back({MarkOf(error.mark), error.msg});
    return {};
  }
}

absl::Status YamlError(absl::string_view title, std::vector<YamlProblem> problems) {
  if (problems.empty()) return absl::OkStatus();
  std::stable_sort(problems.begin(), problems.end(), [](const YamlProblem& a, const YamlProblem& b) {
    return std::pair(a.mark.line, a.mark.column) < std::pair(b.mark.line, b.mark.column);
  });
  std::string message = absl::StrCat(title, ": ", problems.size(), problems.size() == 1 ? " problem" : " problems");
  for (size_t i = 0; i < problems.size() && i < kMaxListed; ++i) {
    const YamlProblem& problem = problems[i];
    absl::StrAppend(&message, "\n  ");
    if (problem.mark.line > 0) absl::StrAppend(&message, problem.mark.line, ":", problem.mark.column, ": ");
    absl::StrAppend(&message, problem.message);
  }
  if (problems.size() > kMaxListed) absl::StrAppend(&message, "\n  … and ", problems.size() - kMaxListed, " more");
  return absl::InvalidArgumentError(message);
}

}  // namespace fairlead
