// What an operator does to one box or one key.
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/base/vocabulary.h"
#include "services/cli/commands.h"
#include "services/cli/describe_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/names.h"

namespace fairlead::cli {
namespace {

using registry::v1::RegistryService;
using Stub = RegistryService::StubInterface;

constexpr char kStates[] = "provisioning, live, draining, drained, disabled, retired";

}  // namespace

absl::Status SetState(Context& context, const SetStateArguments& arguments) {
  registry::v1::SetAdminStateRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName(arguments.appliance, "appliances"));
  AdminState state = AdminState::kUnspecified;
  if (!FromString(absl::AsciiStrToUpper(arguments.state), state)) {
    return UsageError(absl::StrCat("STATE ", Quoted(arguments.state), ": want one of ", kStates));
  }
  request.set_admin_state(static_cast<common::v1::AdminState>(state));
  request.set_reason(arguments.reason);
  request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const registry::v1::Appliance appliance,
                   context.Call<RegistryService>(context.registry(), &Stub::SetAdminState, request));
  context.PrintJson(appliance);
  if (!context.json()) context.out() << ShortName(appliance.name()) << " is " << Word(appliance.admin_state()) << "\n";
  return absl::OkStatus();
}

absl::Status EnrollToken(Context& context, const std::string& appliance) {
  registry::v1::IssueEnrollmentTokenRequest request;
  ASSIGN_OR_RETURN(*request.mutable_appliance(), FullName(appliance, "appliances"));
  ASSIGN_OR_RETURN(const registry::v1::IssueEnrollmentTokenResponse response,
                   context.Call<RegistryService>(context.registry(), &Stub::IssueEnrollmentToken, request));
  context.PrintJson(response);
  // The token alone on standard output, so that it can be piped to the box.
  if (!context.json()) context.out() << response.token() << "\n";
  context.Note(
      absl::StrCat("shown once; it replaces earlier tokens of ", ShortName(request.appliance()), " and unbinds a box that has enrolled"));
  return absl::OkStatus();
}

absl::Status CreateKey(Context& context, const std::string& id) {
  registry::v1::CreateSigningKeyRequest request;
  request.set_signing_key_id(id);
  request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const registry::v1::SigningKey key, context.Call<RegistryService>(context.registry(), &Stub::CreateSigningKey, request));
  context.PrintJson(key);
  if (!context.json()) context.out() << "created " << ShortName(key.name()) << " (" << Word(key.state()) << ")\n";
  return absl::OkStatus();
}

absl::Status RevokeKey(Context& context, const std::string& key_name) {
  registry::v1::RevokeSigningKeyRequest request;
  ASSIGN_OR_RETURN(*request.mutable_name(), FullName(key_name, "signingKeys"));
  request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const registry::v1::SigningKey key, context.Call<RegistryService>(context.registry(), &Stub::RevokeSigningKey, request));
  context.PrintJson(key);
  if (!context.json()) context.out() << ShortName(key.name()) << " is " << Word(key.state()) << "; URLs signed with it are refused\n";
  return absl::OkStatus();
}

}  // namespace fairlead::cli
