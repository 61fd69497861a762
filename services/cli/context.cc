#include "services/cli/context.h"

#include <utility>

#include "absl/random/random.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/cli/describe_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/table.h"

namespace fairlead::cli {
namespace {

// gRPC's own words for a connection that failed hold the address twice and a source file; the last clause is what matters.
std::string ShortReason(const std::string& message) {
  for (const char* reason : {"Connection refused", "No route to host", "Network is unreachable", "DNS resolution failed",
                             "Connection timed out", "Connection reset by peer", "Socket closed"}) {
    if (absl::StrContains(message, reason)) return absl::AsciiStrToLower(reason);
  }
  return message;
}

std::vector<Server> IngestServers(const std::string& targets) {
  std::vector<Server> servers;
  for (const absl::string_view target : absl::StrSplit(targets, ',', absl::SkipWhitespace())) {
    servers.push_back({"ingestd", std::string(absl::StripAsciiWhitespace(target)), "--ingest", "FAIRLEAD_INGEST"});
  }
  return servers;
}

const google::protobuf::FieldDescriptor* ItemsField(const google::protobuf::Message& response) {
  const google::protobuf::Descriptor& type = *response.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const google::protobuf::FieldDescriptor* field = type.field(i);
    if (field->is_repeated() && field->cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_MESSAGE) return field;
  }
  return nullptr;
}

}  // namespace

Context::Context(Settings settings, Terminal terminal)
    : settings_(std::move(settings)),
      terminal_(std::move(terminal)),
      registry_{"registryd", settings_.registry, "--registry", "FAIRLEAD_REGISTRY"},
      fill_{"filld", settings_.fill, "--fill", "FAIRLEAD_FILL"},
      steering_{"steerd", settings_.steering, "--steering", "FAIRLEAD_STEERING"},
      ingest_(IngestServers(settings_.ingest)) {}

void Context::Prepare(grpc::ClientContext& call) const {
  SetTimeout(call, settings_.timeout);
  SetPrincipal(call, settings_.principal);
}

void Context::PrepareStream(grpc::ClientContext& call) const {
  SetPrincipal(call, settings_.principal);
}

std::shared_ptr<grpc::Channel> Context::ChannelTo(const Server& server) {
  std::shared_ptr<grpc::Channel>& channel = channels_[server.target];
  if (channel == nullptr) channel = MakeChannel(server.target);
  return channel;
}

absl::Status Context::Told(const Server& server, const grpc::Status& grpc_status) const {
  if (grpc_status.ok()) return absl::OkStatus();
  const absl::Status status = FromGrpcStatus(grpc_status);
  const std::string who = absl::StrCat(server.program, " at ", server.target);
  // A server of ours attaches details to its own refusals; what has none is gRPC's word on a connection.
  if (absl::IsUnavailable(status) && grpc_status.error_details().empty()) {
    return Unreachable(absl::UnavailableError(absl::StrCat("can't reach ", who, ": ", ShortReason(std::string(status.message())),
                                                           "\n  is it running? to use another one: ", server.flag, " HOST:PORT or ",
                                                           server.variable, "=HOST:PORT")));
  }
  if (absl::IsDeadlineExceeded(status)) {
    return Unreachable(absl::DeadlineExceededError(
        absl::StrCat(who, ": no answer within ", absl::FormatDuration(settings_.timeout), "; a change may or may not have been made\n",
                     "  to wait longer: --timeout; to use another one: ", server.flag, " HOST:PORT or ", server.variable, "=HOST:PORT")));
  }
  if (absl::IsUnimplemented(status)) {
    const std::string why = status.message().empty() ? "it doesn't offer this" : std::string(status.message());
    return absl::UnimplementedError(
        absl::StrCat(who, ": ", why, "\n  is it really a ", server.program, ", and not older than this program?"));
  }
  std::string text = absl::StrCat(who, " refused (", absl::StatusCodeToString(status.code()), "): ", status.message());
  const std::string field = FieldOf(status);
  if (!field.empty()) absl::StrAppend(&text, "\n  field: ", field, "\n  value: ", Quoted(ValueOf(status)));
  return absl::Status(status.code(), text);
}

void Context::PrintJson(const google::protobuf::Message& message) {
  if (json()) out() << JsonText(message);
}

void Context::Note(absl::string_view text) {
  err() << "note: " << text << "\n";
}

std::vector<const google::protobuf::Message*> ItemsOf(const google::protobuf::Message& response) {
  std::vector<const google::protobuf::Message*> items;
  const google::protobuf::FieldDescriptor* field = ItemsField(response);
  if (field == nullptr) return items;
  const google::protobuf::Reflection& reflection = *response.GetReflection();
  for (int i = 0; i < reflection.FieldSize(response, field); ++i) items.push_back(&reflection.GetRepeatedMessage(response, field, i));
  return items;
}

bool KeepFirst(google::protobuf::Message& response, int64_t limit) {
  const google::protobuf::FieldDescriptor* field = ItemsField(response);
  if (limit <= 0 || field == nullptr) return false;
  const google::protobuf::Reflection& reflection = *response.GetReflection();
  const bool enough = reflection.FieldSize(response, field) >= limit;
  while (reflection.FieldSize(response, field) > limit) reflection.RemoveLast(&response, field);
  return enough;
}

std::string NewRequestId() {
  absl::BitGen random;
  return absl::StrFormat("cli-%016x%016x", absl::Uniform<uint64_t>(random), absl::Uniform<uint64_t>(random));
}

}  // namespace fairlead::cli
