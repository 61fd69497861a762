// Canonical errors over HTTP: the status code and the JSON body that Google's APIs answer with.
//
//   ErrorResponse(absl::NotFoundError("title 'titles/x' is unknown"));
//   // 404 {"error":{"code":404,"status":"NOT_FOUND","message":"title 'titles/x' is unknown","details":[…]}}
#ifndef FAIRLEAD_LIBS_HTTP_ERROR_H_
#define FAIRLEAD_LIBS_HTTP_ERROR_H_

#include "absl/status/status.h"
#include "libs/http/message.h"

namespace fairlead {

// The mapping of google.rpc.Code: INVALID_ARGUMENT → 400, NOT_FOUND → 404, UNAVAILABLE → 503, …; OK → 200.
int HttpStatusOf(absl::StatusCode code);

// `details` has one google.rpc.ErrorInfo, the same that gRPC clients get: reason = the canonical code's name, domain "fairlead", and
// "field" and "value" where the status names them (libs/base/errors.h). Also sets Cache-Control: no-store, and
// Retry-After where the status says when to try again. Bytes that aren't UTF-8 are
// replaced.
HttpResponse ErrorResponse(const absl::Status& status);
// The same with an HTTP status of its own, for errors that no canonical code maps to (405, 413, 431).
HttpResponse ErrorResponse(int http_status, const absl::Status& status);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_HTTP_ERROR_H_
