// The small checks that validation is made of. Each returns OK or INVALID_ARGUMENT naming the field and quoting the value.
#ifndef FAIRLEAD_LIBS_REGISTRY_CHECK_H_
#define FAIRLEAD_LIBS_REGISTRY_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/errors.h"
#include "libs/registry/field.h"

namespace fairlead::registry {

inline constexpr size_t kMaxText = 200;

// Valid UTF-8 without control characters, at most `most` bytes.
absl::Status CheckText(absl::string_view field, absl::string_view value, size_t most = kMaxText);
// A word of letters, digits and "._-", 1 to 64 of them: serials and the like.
absl::Status CheckWord(absl::string_view field, absl::string_view value);
absl::Status CheckRange(absl::string_view field, int64_t value, int64_t least, int64_t most);
// 0, or within the bounds.
absl::Status CheckDuration(absl::string_view field, absl::Duration value, absl::Duration least, absl::Duration most);
// A name by the rules of RFC 1123.
absl::Status CheckHostName(absl::string_view field, absl::string_view value);
// "host:port" or "[v6]:port".
absl::Status CheckTarget(absl::string_view field, absl::string_view value);
// The status of a parser that quotes but doesn't attach what it blames, with field and value attached.
absl::Status Attach(const absl::Status& status, absl::string_view field, absl::string_view value);
absl::Status CheckAddress(absl::string_view field, absl::string_view value);
absl::Status CheckListSize(absl::string_view field, size_t size, size_t most);

template <IsEnum E>
absl::Status CheckSet(absl::string_view field, E value) {
  if (value != E::kUnspecified) return absl::OkStatus();
  return InvalidField(field, "", absl::StrCat("must be one of ", absl::StrJoin(WordsOf<E>(), ", ")));
}
template <typename Tag>
absl::Status CheckSet(absl::string_view field, const Id<Tag>& value) {
  if (!value.empty()) return absl::OkStatus();
  return InvalidField(field, "", absl::StrCat("is required, as ", Tag::kCollection, "/{id}"));
}
template <typename Tag>
absl::Status CheckUnset(absl::string_view field, const Id<Tag>& value, absl::string_view why) {
  if (value.empty()) return absl::OkStatus();
  return InvalidField(field, value.name(), why);
}
// No value twice.
template <typename T>
absl::Status CheckDistinct(absl::string_view field, const std::vector<T>& values) {
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (values[i] == values[j]) return InvalidField(absl::StrCat(field, "[", i, "]"), "", absl::StrCat("is the same as [", j, "]"));
    }
  }
  return absl::OkStatus();
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_CHECK_H_
