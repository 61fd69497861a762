// HTTP requests and responses as plain values, and the parts of a request target.
//
// Nothing here touches a socket; all of it may be used from any thread. Errors are INVALID_ARGUMENT quoting what can't be read.
//
//   ASSIGN_OR_RETURN(const HttpTarget target, ParseTarget("/v1/steer?title=titles%2Fx&max_urls=2"));
//   target.path;            // "/v1/steer"
//   target.query[0].first;  // "title"; its second is "titles/x".
#ifndef FAIRLEAD_LIBS_HTTP_MESSAGE_H_
#define FAIRLEAD_LIBS_HTTP_MESSAGE_H_

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/net/ip_address.h"

namespace fairlead {

using HttpFields = std::vector<std::pair<std::string, std::string>>;

// The parts of a request target, percent-decoded; a '+' in the query is a space, as in forms.
struct HttpTarget {
  std::string path;  // Starts with '/', or is "*".
  HttpFields query;  // In the order given; a name may repeat.

  // More parameters than this are refused.
  static constexpr size_t kMaxParameters = 64;
};

// INVALID_ARGUMENT for a broken percent escape, a control character (also an escaped one), or a target that is neither a path nor a URL.
absl::StatusOr<HttpTarget> ParseTarget(absl::string_view target);

struct HttpRequest {
  std::string method;  // "GET"; HEAD reaches the handler as "GET".
  HttpTarget target;
  HttpFields headers;  // Names as sent.
  std::string body;
  IpAddress peer;  // The other end of the connection: a proxy's address if one stands before us.

  // The values of all fields of this name (any case), joined by ", " as RFC 9110 §5.3 allows; empty if there is none.
  std::string Header(absl::string_view name) const;
  // Null if there is no such parameter.
  const std::string* Parameter(absl::string_view name) const;
};

struct HttpResponse {
  int status = 200;
  std::string content_type = "application/json";
  HttpFields headers;  // Beside Content-Type, Content-Length and Connection, which the server writes.
  std::string body;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_HTTP_MESSAGE_H_
