#include "services/registry/fleet_file.h"

#include <limits>
#include <type_traits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/config/units.h"

namespace fairlead::registry {
namespace {

constexpr absl::string_view kTitle = "fleet.yaml";
// Fields of the contract that are not described in Fields, because no kind may set them.
constexpr absl::string_view kNeverWritable[] = {"name", "uid", "create_time", "update_time", "etag"};

class Reader {
 public:
  explicit Reader(std::vector<YamlProblem>& problems) : problems_(problems) {}

  template <typename T>
  void ReadResource(const YamlNode& node, const std::string& path, T& resource) {
    if (!Expect(node, YamlNode::Kind::kMap, path)) return;
    const YamlNode* id = node.Find("id");
    if (id == nullptr) {
      Add(node.mark, path, "has no id");
    } else {
      std::string text;
      ReadValue(*id, "id", absl::StrCat(path, ".id"), text);
      const absl::Status status = ValidateId(text, "id");
      if (!status.ok()) Add(id->mark, path, status.message());
      resource.id = typename T::IdType(text);
    }
    ReadFields(node, path, resource, /*has_id=*/true);
  }

 private:
  void Add(YamlMark mark, absl::string_view path, absl::string_view why) { problems_.push_back({mark, absl::StrCat(path, ": ", why)}); }

  // An absent value (`key:` with nothing behind) is like a key that isn't there.
  bool Expect(const YamlNode& node, YamlNode::Kind kind, const std::string& path) {
    if (node.kind == kind) return true;
    if (node.kind == YamlNode::Kind::kNull) return false;
    const absl::string_view wanted = kind == YamlNode::Kind::kMap ? "a mapping" : kind == YamlNode::Kind::kList ? "a list" : "a value";
    Add(node.mark, path, absl::StrCat("must be ", wanted, ", not ", node.KindName()));
    return false;
  }

  template <typename Struct>
  void ReadFields(const YamlNode& node, const std::string& path, Struct& value, bool has_id) {
    for (const YamlNode::Entry& entry : node.entries) {
      if (has_id && entry.key == "id") continue;
      bool known = false;
      bool output_only = false;
      Struct::Fields([&](const auto& field) {
        if (field.name != entry.key) return;
        known = true;
        output_only = field.flag == FieldFlag::kOutputOnly;
        if (!output_only) ReadValue(entry.value, field.name, absl::StrCat(path, ".", field.name), value.*field.member);
      });
      for (const absl::string_view name : kNeverWritable) output_only = output_only || (has_id && name == entry.key);
      if (output_only) {
        Add(entry.mark, absl::StrCat(path, ".", entry.key), "is output only; leave it out");
      } else if (!known) {
        Add(entry.mark, absl::StrCat(path, ".", entry.key), "unknown key");
      }
    }
  }

  template <typename V>
  void ReadValue(const YamlNode& node, absl::string_view name, const std::string& path, V& value) {
    if constexpr (IsOptional<V>) {
      if (Expect(node, YamlNode::Kind::kMap, path)) ReadFields(node, path, value.emplace(), /*has_id=*/false);
    } else if constexpr (IsVector<V>) {
      if (!Expect(node, YamlNode::Kind::kList, path)) return;
      for (size_t i = 0; i < node.items.size(); ++i) ReadValue(node.items[i], name, absl::StrCat(path, "[", i, "]"), value.emplace_back());
    } else if constexpr (IsStruct<V>) {
      if (Expect(node, YamlNode::Kind::kMap, path)) ReadFields(node, path, value, /*has_id=*/false);
    } else if (Expect(node, YamlNode::Kind::kScalar, path)) {
      const absl::Status status = ReadScalar(node.scalar, name, value);
      if (!status.ok()) Add(node.mark, path, absl::StrCat(Quoted(node.scalar), " ", status.message()));
    }
  }

  template <typename V>
  static absl::Status Take(absl::StatusOr<V> parsed, V& value) {
    if (parsed.ok()) value = *std::move(parsed);
    return parsed.status();
  }

  template <typename V>
  static absl::Status ReadScalar(const std::string& text, absl::string_view name, V& value) {
    if constexpr (std::is_same_v<V, std::string>) {
      value = text;
      return absl::OkStatus();
    } else if constexpr (std::is_same_v<V, bool>) {
      return Take(ParseBool(text), value);
    } else if constexpr (std::is_same_v<V, double>) {
      return Take(ParseNumber(text), value);
    } else if constexpr (std::is_same_v<V, absl::Duration>) {
      return Take(ParseDurationText(text), value);
    } else if constexpr (IsEnum<V>) {
      if (FromString(text, value)) return absl::OkStatus();
      return absl::InvalidArgumentError(absl::StrCat("must be one of ", absl::StrJoin(WordsOf<V>(), ", ")));
    } else if constexpr (IsId<V>) {
      // "lhr001" or "sites/lhr001".
      absl::StatusOr<V> parsed = absl::StrContains(text, '/') ? V::ParseName(text) : V::Parse(text);
      if (parsed.ok()) return Take(std::move(parsed), value);
      return absl::InvalidArgumentError(absl::StrCat("must be an id, [a-z0-9-]{1,63}, or a name like ", V("x").name()));
    } else {
      int64_t number = 0;
      absl::Status status;
      if (absl::EndsWith(name, "_bytes")) {
        status = Take(ParseBytes(text), number);
      } else if (absl::EndsWith(name, "_bps")) {
        status = Take(ParseBitRate(text), number);
      } else {
        status = Take(ParseInteger(text), number);
      }
      if (!status.ok()) return status;
      if (!std::in_range<V>(number)) {
        return absl::InvalidArgumentError(
            absl::StrCat("must be in [", std::numeric_limits<V>::min(), ", ", std::numeric_limits<V>::max(), "]"));
      }
      value = static_cast<V>(number);
      return absl::OkStatus();
    }
  }

  std::vector<YamlProblem>& problems_;
};

// The deepest node on the way of "fill_window.start" or "endpoints[1].host"; null if not even the first part is there.
const YamlNode* Descend(const YamlNode* node, absl::string_view path) {
  const YamlNode* deepest = nullptr;
  for (const absl::string_view part : absl::StrSplit(path, '.')) {
    const std::pair<absl::string_view, absl::string_view> split = absl::StrSplit(part, absl::MaxSplits('[', 1));
    const YamlNode* next = node->Find(split.first);
    if (next == nullptr) return deepest;
    size_t index = 0;
    if (absl::SimpleAtoi(split.second.substr(0, split.second.find(']')), &index) && index < next->items.size()) next = &next->items[index];
    node = next;
    deepest = next;
  }
  return deepest;
}

}  // namespace

absl::StatusOr<FleetFile> FleetFile::Parse(const std::string& text) {
  FleetFile file;
  std::vector<YamlProblem> problems;
  file.root_ = std::make_unique<YamlNode>(ParseYaml(text, problems));
  const YamlNode& root = *file.root_;
  if (problems.empty() && root.kind != YamlNode::Kind::kMap) {
    problems.push_back({root.mark, absl::StrCat("the document must be a mapping of collections, not ", root.KindName())});
  }
  Reader reader(problems);
  for (const YamlNode::Entry& entry : root.entries) {
    bool known = false;
    std::vector<std::string> collections;
    DeclaredKinds::ForEach([&]<typename T>() {
      const std::string collection = typename T::IdType("x").name().substr(0, typename T::IdType("x").name().find('/'));
      collections.push_back(collection);
      if (collection != entry.key) return;
      known = true;
      if (entry.value.kind != YamlNode::Kind::kList) {
        if (entry.value.kind != YamlNode::Kind::kNull) problems.push_back({entry.value.mark, absl::StrCat(entry.key, ": must be a list")});
        return;
      }
      std::vector<T>& list = file.declared_.Of<T>();
      list.reserve(entry.value.items.size());
      for (size_t i = 0; i < entry.value.items.size(); ++i) {
        const YamlNode& item = entry.value.items[i];
        reader.ReadResource(item, absl::StrCat(entry.key, "[", i, "]"), list.emplace_back());
        file.places_.insert_or_assign(list.back().id.name(), &item);  // Of two, blame the later.
      }
    });
    if (!known) problems.push_back({entry.mark, absl::StrCat(entry.key, ": unknown key; there are ", absl::StrJoin(collections, ", "))});
  }
  const absl::Status status = YamlError(kTitle, std::move(problems));
  if (!status.ok()) return status;
  return file;
}

YamlMark FleetFile::MarkOf(const Problem& problem) const {
  const auto place = places_.find(problem.resource);
  if (place == places_.end()) return {};
  const std::string field = FieldOf(problem.status);
  // "site.fill_window.start": the kind leads.
  const size_t dot = field.find('.');
  const YamlNode* node = Descend(place->second, dot == std::string::npos ? field : field.substr(dot + 1));
  if (node == nullptr) node = place->second->Find("id");
  return node == nullptr ? place->second->mark : node->mark;
}

absl::Status FleetFile::Explain(const std::vector<Problem>& problems) const {
  if (problems.empty()) return absl::OkStatus();
  std::vector<YamlProblem> placed;
  absl::StatusCode code = problems.front().status.code();
  for (const Problem& problem : problems) {
    if (problem.status.code() != code) code = absl::StatusCode::kInvalidArgument;
    placed.push_back({MarkOf(problem), absl::StrCat(problem.resource, ": ", problem.status.message())});
  }
  return absl::Status(code, YamlError(kTitle, std::move(placed)).message());
}

}  // namespace fairlead::registry
