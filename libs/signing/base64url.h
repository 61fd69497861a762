// base64url without padding (RFC 4648 §5, RFC 7515 §2). Pure functions; any thread.
//
//   Base64UrlEncode("\xfb\xff");  // "-_8"
//
// absl::WebSafeBase64Unescape is lenient (it takes padding, spaces and '.' and ignores stray bits), so two texts could stand for one
// token; this decoder takes only what the encoder makes.
#ifndef FAIRLEAD_LIBS_SIGNING_BASE64URL_H_
#define FAIRLEAD_LIBS_SIGNING_BASE64URL_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace fairlead {

std::string Base64UrlEncode(absl::string_view bytes);
// None unless `text` is exactly what Base64UrlEncode makes of some bytes.
std::optional<std::string> Base64UrlDecode(absl::string_view text);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_SIGNING_BASE64URL_H_
