#include "services/cli/steer_request.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"
#include "services/cli/describe_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/names.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {

absl::StatusOr<steering::v1::SteerRequest> MakeSteerRequest(const SteerArguments& arguments) {
  const absl::StatusOr<IpAddress> client = IpAddress::Parse(arguments.client, "--client");
  if (!client.ok()) return UsageError(client.status().message());
  ASSIGN_OR_RETURN(steering::v1::SteerRequest request, MakeRequestLike(arguments));
  request.set_client_address(arguments.client);
  return request;
}

absl::StatusOr<steering::v1::SteerRequest> MakeRequestLike(const SteerArguments& arguments) {
  steering::v1::SteerRequest request;
  ASSIGN_OR_RETURN(*request.mutable_title(), FullName(arguments.title, "titles"));
  request.set_version(arguments.version);
  for (const std::string& rendition : arguments.renditions) request.add_renditions(rendition);
  request.set_max_urls(arguments.max_urls);
  request.set_session_id(arguments.session_id);
  return request;
}

std::string VerdictText(const steering::v1::SteerResponse& response) {
  std::string text;
  if (response.verdict() == steering::v1::SteerResponse::VERDICT_NOT_SERVABLE) {
    absl::StrAppend(&text, "NOT SERVABLE: ", response.reason(), response.reason_detail().empty() ? "" : ", ", response.reason_detail());
  } else {
    absl::StrAppend(&text, Word(response.verdict()));
  }
  absl::StrAppend(&text, response.matched_prefix().empty() ? "; no admitted prefix covers the client" : "; matched ",
                  response.matched_prefix());
  if (response.quality_cap_bps() > 0) {
    absl::StrAppend(&text, "; quality capped at ", HumanBits(response.quality_cap_bps()), " (congestion)");
  }
  if (response.has_ttl()) absl::StrAppend(&text, "; reusable for ", HumanAge(response.ttl()));
  return Printable(text);
}

std::string AgesText(const google::protobuf::RepeatedPtrField<steering::v1::SourceAge>& sources) {
  std::vector<std::string> ages;
  for (const steering::v1::SourceAge& source : sources) {
    ages.push_back(
        absl::StrCat(source.source(), " heard ", HumanAge(source.age()), " ago", source.from_disk() ? " (from disk, unconfirmed)" : ""));
  }
  return absl::StrJoin(ages, ", ");
}

}  // namespace fairlead::cli
