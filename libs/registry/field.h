// How a resource describes its fields, once, for everything that must go through all of them: protobuf, YAML, SQL columns, diffs.
//
//   struct Link {
//     LinkId id;
//     SiteId site;
//     template <typename Visit>
//     static void Fields(Visit&& visit) {
//       visit(Field("site", &Link::site));
//     }
//   };
//   Link::Fields([&](const auto& field) { Show(field.name, link.*field.member); });
//
// Names are those of resources.proto. Members are one of: bool, int32_t, uint32_t, int64_t, double, std::string, absl::Duration, absl::Time
// (the Unix epoch = unset), an enum with ToString and FromString, an Id, a struct with Fields in a std::optional, or a std::vector of those
// (except bool and optional).
#ifndef FAIRLEAD_LIBS_REGISTRY_FIELD_H_
#define FAIRLEAD_LIBS_REGISTRY_FIELD_H_

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/ids.h"

namespace fairlead::registry {

enum class FieldFlag {
  kWritable,
  kOutputOnly,  // Ignored on input; changed by verbs of their own.
};

template <typename Struct, typename Member>
struct Field {
  constexpr Field(absl::string_view name_in, Member Struct::*member_in, FieldFlag flag_in = FieldFlag::kWritable)
      : name(name_in), member(member_in), flag(flag_in) {}

  absl::string_view name;
  Member Struct::*member;
  FieldFlag flag;
};

template <typename T>
struct IsIdTrait : std::false_type {};
template <typename Tag>
struct IsIdTrait<Id<Tag>> : std::true_type {};
template <typename T>
concept IsId = IsIdTrait<T>::value;

template <typename T>
struct IsVectorTrait : std::false_type {};
template <typename T>
struct IsVectorTrait<std::vector<T>> : std::true_type {};
template <typename T>
concept IsVector = IsVectorTrait<T>::value;

template <typename T>
struct IsOptionalTrait : std::false_type {};
template <typename T>
struct IsOptionalTrait<std::optional<T>> : std::true_type {};
template <typename T>
concept IsOptional = IsOptionalTrait<T>::value;

// Has Fields.
template <typename T>
concept IsStruct = requires {
  T::Fields([](const auto&) {});
};

template <typename T>
concept IsEnum = std::is_enum_v<T>;

// The words of an enum, "EMBEDDED", "IX", …: for messages. Numbers are dense from 1.
template <IsEnum E>
std::vector<std::string> WordsOf() {
  std::vector<std::string> words;
  for (int number = 1;; ++number) {
    const absl::string_view word = ToString(static_cast<E>(number));
    if (word == "UNSPECIFIED") return words;
    words.emplace_back(word);
  }
}

// Calls visit(field name, id) for every reference that `value` makes to another resource.
template <typename T, typename Visit>
void ForEachReference(const T& value, Visit&& visit) {
  T::Fields([&](const auto& field) {
    const auto& member = value.*field.member;
    using Member = std::decay_t<decltype(member)>;
    if constexpr (IsId<Member>) {
      if (!member.empty()) visit(field.name, member);
    } else if constexpr (IsVector<Member>) {
      if constexpr (IsId<typename Member::value_type>) {
        for (const auto& id : member) visit(field.name, id);
      }
    }
  });
}

// Copies what a write may not change.
template <typename T>
void CopyOutputOnly(const T& from, T& to) {
  T::Fields([&](const auto& field) {
    if (field.flag == FieldFlag::kOutputOnly) to.*field.member = from.*field.member;
  });
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_FIELD_H_
