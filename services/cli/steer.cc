#include <string>

#include "absl/strings/str_cat.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/describe_text.h"
#include "services/cli/names.h"
#include "services/cli/steer_request.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using steering::v1::SteeringService;
using steering::v1::SteerResponse;

constexpr Align kRight = Align::kRight;

std::string FamilyWord(common::v1::AddressFamily family) {
  return family == common::v1::ADDRESS_FAMILY_IPV6 ? "v6" : "v4";
}

void PrintUrls(Context& context, const SteerResponse& response) {
  for (const steering::v1::FileAnswer& file : response.files()) {
    for (const steering::v1::RankedUrl& url : file.urls())
      context.out() << file.rendition() << " " << url.position() << " " << url.url() << "\n";
  }
}

void PrintAnswer(Context& context, const SteerResponse& response) {
  context.out() << VerdictText(response) << "\n";
  Table table({{"RENDITION"},
               {"SIZE", kRight},
               {"BIT RATE", kRight},
               {"POSITION", kRight},
               {"APPLIANCE"},
               {"SITE"},
               {"RANK", kRight},
               {"FAMILY"},
               {"MISS"}});
  for (const steering::v1::FileAnswer& file : response.files()) {
    for (const steering::v1::RankedUrl& url : file.urls()) {
      table.Add({file.rendition(), HumanBytes(file.size_bytes()), HumanBits(file.bandwidth_bps()), absl::StrCat(url.position()),
                 ShortName(url.appliance()), ShortName(url.site()), absl::StrCat(url.rank()), FamilyWord(url.family()),
                 url.cause() == common::v1::MISS_CAUSE_NONE ? "" : Word(url.cause())});
    }
    if (file.urls().empty()) table.Add({file.rendition(), HumanBytes(file.size_bytes()), HumanBits(file.bandwidth_bps())});
  }
  if (table.size() > 0) context.out() << "\n" << table.Render();
}

}  // namespace

absl::Status Steer(Context& context, const SteerArguments& arguments) {
  ASSIGN_OR_RETURN(const steering::v1::SteerRequest request, MakeSteerRequest(arguments));
  ASSIGN_OR_RETURN(const SteerResponse response,
                   context.Call<SteeringService>(context.steering(), &SteeringService::StubInterface::Steer, request));
  context.PrintJson(response);
  if (context.json()) return absl::OkStatus();
  if (arguments.urls) {
    PrintUrls(context, response);
  } else {
    PrintAnswer(context, response);
  }
  return absl::OkStatus();
}

}  // namespace fairlead::cli
