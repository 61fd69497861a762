// Any value of a resource as text for people: in diffs, and nowhere that it would have to be read back.
#ifndef FAIRLEAD_LIBS_REGISTRY_RENDER_H_
#define FAIRLEAD_LIBS_REGISTRY_RENDER_H_

#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "libs/registry/field.h"

namespace fairlead::registry {

// "sites/lhr001", "EMBEDDED", "12h", "[IPV4, IPV6]", "{tier: DISK, capacity_bytes: 1000}"; "" for what is unset.
template <typename V>
std::string RenderText(const V& value) {
  if constexpr (std::is_same_v<V, std::string>) {
    return value;
  } else if constexpr (std::is_same_v<V, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_same_v<V, absl::Duration>) {
    return absl::FormatDuration(value);
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    return value == absl::Time() ? "" : absl::FormatTime(absl::RFC3339_full, value, absl::UTCTimeZone());
  } else if constexpr (IsEnum<V>) {
    return std::string(ToString(value));
  } else if constexpr (IsId<V>) {
    return value.empty() ? "" : value.name();
  } else if constexpr (IsOptional<V>) {
    return value.has_value() ? RenderText(*value) : "";
  } else if constexpr (IsVector<V>) {
    std::vector<std::string> items;
    for (const auto& item : value) items.push_back(RenderText(item));
    return absl::StrCat("[", absl::StrJoin(items, ", "), "]");
  } else if constexpr (IsStruct<V>) {
    std::vector<std::string> items;
    V::Fields([&](const auto& field) {
      const std::string text = RenderText(value.*field.member);
      if (value.*field.member != std::decay_t<decltype(value.*field.member)>()) items.push_back(absl::StrCat(field.name, ": ", text));
    });
    return absl::StrCat("{", absl::StrJoin(items, ", "), "}");
  } else {
    return absl::StrCat(value);
  }
}

struct FieldChange {
  // "coordinates.latitude"
  std::string path;
  std::string before;
  std::string after;

  friend bool operator==(const FieldChange&, const FieldChange&) = default;
};

// What an update changes, in the order of the fields; output-only fields are left out. Against T() it is what a creation sets.
template <typename T>
std::vector<FieldChange> Diff(const T& before, const T& after, const std::string& prefix = "") {
  std::vector<FieldChange> changes;
  T::Fields([&](const auto& field) {
    const auto& old_value = before.*field.member;
    const auto& new_value = after.*field.member;
    if (field.flag == FieldFlag::kOutputOnly || old_value == new_value) return;
    const std::string path = absl::StrCat(prefix, field.name);
    if constexpr (IsOptional<std::decay_t<decltype(old_value)>>) {
      if (old_value.has_value() && new_value.has_value()) {
        for (FieldChange& change : Diff(*old_value, *new_value, path + ".")) changes.push_back(std::move(change));
        return;
      }
    }
    changes.push_back({path, RenderText(old_value), RenderText(new_value)});
  });
  return changes;
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_RENDER_H_
