// The box's unary calls: to registryd (binding, configuration) and filld (manifest, sources). Each call tries one target after another and
// has a deadline. Thread-safe.
#ifndef FAIRLEAD_SERVICES_AGENT_CONTROL_PLANE_H_
#define FAIRLEAD_SERVICES_AGENT_CONTROL_PLANE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "services/agent/fill/filler.h"
#include "services/agent/state.h"

namespace fairlead::agent {

class ControlPlane final : public SourceResolver {
 public:
  explicit ControlPlane(std::vector<std::string> registry_targets) : registry_targets_(std::move(registry_targets)) {}

  void SetBinding(const Binding& binding) ABSL_LOCKS_EXCLUDED(mu_);
  void SetFillTargets(std::vector<std::string> targets) ABSL_LOCKS_EXCLUDED(mu_);

  absl::StatusOr<Binding> Enroll(const std::string& serial, const std::string& token, const std::string& installation_id);
  // The rest as ConfigService says of `if_generation`.
  absl::StatusOr<registry::v1::ApplianceConfig> GetConfig(const std::string& if_generation);
  // A lame duck's word; returns its phase afterwards.
  absl::StatusOr<registry::v1::Drain::Phase> ReportDrain(const std::string& drain, absl::Duration quiet_for);
  absl::StatusOr<fill::v1::Manifest> GetManifest(const std::string& if_generation);
  absl::StatusOr<FillSources> Resolve(const std::vector<uint32_t>& numbers, const std::vector<SourceFault>& faults) override;

 private:
  Binding binding() const ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<std::string> fill_targets() const ABSL_LOCKS_EXCLUDED(mu_);
  std::shared_ptr<grpc::Channel> ChannelTo(const std::string& target) ABSL_LOCKS_EXCLUDED(mu_);
  // Calls `call(channel, context)` for one target after another until one answers anything but UNAVAILABLE or DEADLINE_EXCEEDED.
  template <typename Call>
  absl::Status TryEach(const std::vector<std::string>& targets, bool with_credential, Call call);

  const std::vector<std::string> registry_targets_;
  mutable absl::Mutex mu_;
  Binding binding_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> fill_targets_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mu_);
};

// Whether trying again can't help: the registry understood and refused.
bool IsRefusal(const absl::Status& status);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_CONTROL_PLANE_H_
