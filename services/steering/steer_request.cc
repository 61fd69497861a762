#include "services/steering/steer_request.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/signing/token.h"

namespace fairlead {

namespace sv1 = steering::v1;

absl::StatusOr<SteeringRequest> ParseSteerRequest(const sv1::SteerRequest& request, const IpAddress& client, int default_max_urls) {
  SteeringRequest parsed;
  RETURN_IF_ERROR(ParseSteerRequest(request, client, default_max_urls, parsed));
  return parsed;
}

absl::Status ParseSteerRequest(const sv1::SteerRequest& request, const IpAddress& client, int default_max_urls, SteeringRequest& parsed) {
  parsed.client = client;
  ASSIGN_OR_RETURN(parsed.title, TitleId::ParseName(request.title(), "title"));
  if (!request.version().empty()) RETURN_IF_ERROR(ValidateId(request.version(), "version"));
  parsed.version = request.version();
  if (request.renditions_size() > kMaxRenditions) {
    return InvalidField("renditions", absl::StrCat(request.renditions_size(), " of them"), absl::StrCat("at most ", kMaxRenditions));
  }
  parsed.renditions.clear();
  for (const std::string& rendition : request.renditions()) {
    RETURN_IF_ERROR(ValidateId(rendition, "renditions"));
    parsed.renditions.push_back(rendition);
  }
  if (request.max_urls() < 0 || request.max_urls() > kMaxUrlsAFile) {
    return InvalidField("max_urls", absl::StrCat(request.max_urls()), absl::StrCat("must be in [0, ", kMaxUrlsAFile, "]"));
  }
  parsed.max_urls = request.max_urls() == 0 ? default_max_urls : request.max_urls();
  if (request.session_id().size() > kMaxSessionId) {
    return InvalidField("session_id", request.session_id(), absl::StrCat("at most ", kMaxSessionId, " bytes"));
  }
  if (request.bind_session() && !IsTokenSession(request.session_id())) {
    return InvalidField("session_id", request.session_id(), "URLs can be bound to [A-Za-z0-9_-]{1,64} only (bind_session)");
  }
  if (!sv1::RequestClass_IsValid(request.request_class())) {
    return InvalidField("request_class", absl::StrCat(static_cast<int>(request.request_class())), "no such class");
  }
  parsed.session_key = request.session_id();
  parsed.max_pathways = 0;  // Not part of this API's answer.
  return absl::OkStatus();
}

}  // namespace fairlead
