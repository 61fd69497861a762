// UTF-8 (RFC 3629): what may stand in a protobuf string, and so in an error's field and value.
#ifndef FAIRLEAD_LIBS_BASE_UTF8_H_
#define FAIRLEAD_LIBS_BASE_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace fairlead {

// No overlong forms, no surrogates, nothing above U+10FFFF.
bool IsUtf8(absl::string_view text);

// The longest beginning of at most `most` bytes that doesn't end within a character. Of what isn't UTF-8: `most` bytes.
absl::string_view CutUtf8(absl::string_view text, size_t most);

// The text as it is; if it isn't UTF-8, with \xNN for every byte beyond ASCII.
std::string ToUtf8(absl::string_view text);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_UTF8_H_
