// The steering API over HTTP as JSON (the protobuf JSON mapping), for the HttpServer behind the front NGINX.
//
//   POST /v1/steer          a SteerRequest                → a SteerResponse
//   GET  /v1/steer?title=titles/x&client_address=…&max_urls=2&renditions=a&renditions=b&version=…&session_id=…
//   POST /v1/explain        an ExplainRequest             → an ExplainResponse;  GET as above
//   GET  /healthz           200 {"status":"SERVING"}, or 503 with the reason
// Fields may be written as title_case or titleCase; unknown ones are refused. Errors are canonical (libs/http/error.h); 404 for another
// path, 405 for another method. Answers are never to be stored by caches. Thread-safe.
#ifndef FAIRLEAD_SERVICES_STEERING_HTTP_FRONT_H_
#define FAIRLEAD_SERVICES_STEERING_HTTP_FRONT_H_

#include "absl/status/status.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/http/message.h"
#include "services/steering/steerer.h"

namespace fairlead {

// The query's parameters, as /v1/steer takes them. INVALID_ARGUMENT naming one that it doesn't know or can't read.
absl::Status ParseSteerQuery(const HttpRequest& request, steering::v1::SteerRequest& steer);

HttpResponse AnswerHttp(const Steerer& steerer, const HttpRequest& request);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_HTTP_FRONT_H_
