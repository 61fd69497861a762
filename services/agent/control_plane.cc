#include "services/agent/control_plane.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kTimeout = absl::Seconds(3);

const char* ClassName(fill::v1::Source::Class value) {
  switch (value) {
    case fill::v1::Source::CLASS_PEER:
      return "PEER";
    case fill::v1::Source::CLASS_TIER:
      return "TIER";
    case fill::v1::Source::CLASS_ORIGIN:
      return "ORIGIN";
    default:
      return "";
  }
}

}  // namespace

bool IsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kFailedPrecondition:
      return true;
    default:
      return false;
  }
}

void ControlPlane::SetBinding(const Binding& binding) {
  absl::MutexLock lock(&mu_);
  binding_ = binding;
}

void ControlPlane::SetFillTargets(std::vector<std::string> targets) {
  absl::MutexLock lock(&mu_);
  fill_targets_ = std::move(targets);
}

Binding ControlPlane::binding() const {
  absl::MutexLock lock(&mu_);
  return binding_;
}

std::vector<std::string> ControlPlane::fill_targets() const {
  absl::MutexLock lock(&mu_);
  return fill_targets_;
}

std::shared_ptr<grpc::Channel> ControlPlane::ChannelTo(const std::string& target) {
  absl::MutexLock lock(&mu_);
  std::shared_ptr<grpc::Channel>& channel = channels_[target];
  if (channel == nullptr) channel = MakeChannel(target);
  return channel;
}

template <typename Call>
absl::Status ControlPlane::TryEach(const std::vector<std::string>& targets, bool with_credential, Call call) {
  if (targets.empty()) return absl::UnavailableError("no target is known");
  absl::Status last;
  for (const std::string& target : targets) {
    grpc::ClientContext context;
    SetTimeout(context, kTimeout);
    if (with_credential) SetBearer(context, binding().credential);
    last = FromGrpcStatus(call(ChannelTo(target), context));
    if (!absl::IsUnavailable(last) && !absl::IsDeadlineExceeded(last)) return last;
    last = absl::Status(last.code(), absl::StrCat(target, ": ", last.message()));
  }
  return last;
}

absl::StatusOr<Binding> ControlPlane::Enroll(const std::string& serial, const std::string& token, const std::string& installation_id) {
  registry::v1::EnrollRequest request;
  request.set_serial(serial);
  request.set_token(token);
  request.set_installation_id(installation_id);
  registry::v1::EnrollResponse response;
  RETURN_IF_ERROR(TryEach(registry_targets_, false, [&](const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context) {
    return registry::v1::RegistryService::NewStub(channel)->Enroll(&context, request, &response);
  }));
  if (response.appliance().empty() || response.credential().empty())
    return absl::InternalError("Enroll answered without appliance or credential");
  return Binding{response.appliance(), response.credential()};
}

absl::StatusOr<registry::v1::ApplianceConfig> ControlPlane::GetConfig(const std::string& if_generation) {
  registry::v1::GetApplianceConfigRequest request;
  request.set_name(binding().appliance);
  request.set_if_generation(if_generation);
  registry::v1::ApplianceConfig config;
  RETURN_IF_ERROR(TryEach(registry_targets_, true, [&](const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context) {
    return registry::v1::ConfigService::NewStub(channel)->GetApplianceConfig(&context, request, &config);
  }));
  return config;
}

absl::StatusOr<registry::v1::Drain::Phase> ControlPlane::ReportDrain(const std::string& drain, absl::Duration quiet_for) {
  registry::v1::ReportDrainRequest request;
  request.set_appliance(binding().appliance);
  request.set_drain(drain);
  request.mutable_quiet_for()->set_seconds(absl::IDivDuration(quiet_for, absl::Seconds(1), &quiet_for));
  request.mutable_quiet_for()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(quiet_for)));
  registry::v1::ReportDrainResponse response;
  RETURN_IF_ERROR(TryEach(registry_targets_, true, [&](const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context) {
    return registry::v1::ConfigService::NewStub(channel)->ReportDrain(&context, request, &response);
  }));
  return response.phase();
}

absl::StatusOr<fill::v1::Manifest> ControlPlane::GetManifest(const std::string& if_generation) {
  fill::v1::GetManifestRequest request;
  request.set_appliance(binding().appliance);
  request.set_if_generation(if_generation);
  fill::v1::Manifest manifest;
  RETURN_IF_ERROR(TryEach(fill_targets(), true, [&](const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context) {
    return fill::v1::FillService::NewStub(channel)->GetManifest(&context, request, &manifest);
  }));
  return manifest;
}

absl::StatusOr<FillSources> ControlPlane::Resolve(const std::vector<uint32_t>& numbers, const std::vector<SourceFault>& faults) {
  fill::v1::ResolveSourcesRequest request;
  request.set_appliance(binding().appliance);
  request.mutable_file_numbers()->Add(numbers.begin(), numbers.end());
  for (const SourceFault& fault : faults) {
    fill::v1::SourceFault& out = *request.add_faults();
    out.set_source(fault.source.name());
    out.set_file_number(fault.file);
    out.set_reason(static_cast<fill::v1::SourceFault::Reason>(fault.reason));
    out.set_detail(fault.detail);
  }
  fill::v1::ResolveSourcesResponse response;
  RETURN_IF_ERROR(TryEach(fill_targets(), true, [&](const std::shared_ptr<grpc::Channel>& channel, grpc::ClientContext& context) {
    return fill::v1::FillService::NewStub(channel)->ResolveSources(&context, request, &response);
  }));
  FillSources sources;
  for (const fill::v1::FileSources& file : response.files()) {
    for (const fill::v1::Source& source : file.sources()) {
      sources[file.file_number()].push_back({ClassName(source.class_()), source.appliance(), source.base_url(),
                                             absl::Seconds(source.wait().seconds()) + absl::Nanoseconds(source.wait().nanos())});
    }
  }
  return sources;
}

}  // namespace fairlead::agent
