#include "services/registry/page.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/signing/digest.h"

namespace fairlead::registry {
namespace {

constexpr int kDefaultPage = 100;
constexpr int kMaxPage = 1'000;
constexpr size_t kCheckSize = 16;
constexpr size_t kMaxToken = 512;

// Not a secret: it catches mistakes, and a forged token gives nothing that a list doesn't.
std::string CheckOf(absl::string_view query, absl::string_view last) {
  return Sha256Hex(absl::StrCat("page\n", query, "\n", last)).substr(0, kCheckSize);
}

}  // namespace

absl::StatusOr<int> PageSize(int32_t requested) {
  if (requested < 0) return InvalidField("page_size", absl::StrCat(requested), "must not be negative");
  return requested == 0 ? kDefaultPage : std::min(requested, kMaxPage);
}

std::string MakePageToken(absl::string_view query, absl::string_view last) {
  std::string token;
  absl::WebSafeBase64Escape(absl::StrCat(CheckOf(query, last), last), &token);
  return token;
}

absl::StatusOr<std::string> ParsePageToken(absl::string_view query, absl::string_view token) {
  if (token.empty()) return std::string();
  std::string text;
  const bool readable = token.size() <= kMaxToken && absl::WebSafeBase64Unescape(token, &text) && text.size() > kCheckSize;
  const std::string last = readable ? text.substr(kCheckSize) : "";
  if (readable && text.substr(0, kCheckSize) == CheckOf(query, last)) return last;
  return InvalidField("page_token", token, "is not of this list; page_size may change between pages, nothing else");
}

}  // namespace fairlead::registry
