#include "services/agent/agent.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/rpc/server.h"
#include "services/agent/report/codec.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kReportTurn = absl::Milliseconds(100);
constexpr BackoffPolicy kLinkBackoff{absl::Milliseconds(100), absl::Seconds(5)};

absl::Status CheckOptions(const AgentOptions& options) {
  if (options.state_dir.empty()) return InvalidField("state_dir", "", "is needed");
  if (options.registry_targets.empty()) return InvalidField("registry", "", "at least one gRPC target is needed");
  if (options.serial.empty()) return InvalidField("serial", "", "is needed");
  if (options.role != AgentRole::kCollector && options.disk_dir.empty())
    return InvalidField("disk_dir", "", "is needed except for a collector");
  return absl::OkStatus();
}

absl::StatusOr<std::string> RealFolder(const std::string& path) {
  RETURN_IF_ERROR(MakeFolder(path));
  char* resolved = realpath(path.c_str(), nullptr);
  if (resolved == nullptr) return SystemError("realpath", path);
  std::string out = resolved;
  free(resolved);
  return out;
}

}  // namespace

absl::StatusOr<AgentRole> ParseRole(absl::string_view text) {
  if (text == "appliance") return AgentRole::kAppliance;
  if (text == "collector") return AgentRole::kCollector;
  if (text == "origin") return AgentRole::kOrigin;
  return InvalidField("role", text, "must be 'appliance', 'collector' or 'origin'");
}

Agent::Agent(AgentOptions options, const Clock& clock, Metrics& metrics)
    : options_(std::move(options)), clock_(clock), metrics_(metrics), start_time_(clock.Now()) {}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(AgentOptions options, const Clock& clock, Metrics& metrics) {
  RETURN_IF_ERROR(CheckOptions(options));
  std::unique_ptr<Agent> agent(new Agent(std::move(options), clock, metrics));
  RETURN_IF_ERROR(agent->Prepare());
  RETURN_IF_ERROR(agent->StartLoops());
  agent->LoadFromDisk();
  Agent* self = agent.get();
  self->link_->Start();
  self->threads_.emplace_back([self] { self->KeepConfig(); });
  self->threads_.emplace_back([self] { self->KeepReporting(); });
  if (self->serving_ != nullptr) self->threads_.emplace_back([self] { self->KeepDrain(); });
  if (self->filler_ != nullptr) self->threads_.emplace_back([self] { self->KeepManifest(); });
  return agent;
}

Agent::~Agent() {
  Stop();
}

absl::Status Agent::Prepare() {
  ASSIGN_OR_RETURN(state_, AgentState::Open(options_.state_dir, clock_.Now()));
  control_plane_ = std::make_unique<ControlPlane>(options_.registry_targets);
  RETURN_IF_ERROR(PrepareTiers());
  LinkCallbacks callbacks;
  callbacks.hello = [this] { return MakeHello(); };
  callbacks.on_connected = [this] {
    reporter_->ResendHoldings();
    if (routing_ != nullptr) routing_->ReportAll();
  };
  callbacks.on_instruction = [this](const ingest::v1::Instruction& instruction) { OnInstruction(instruction); };
  link_ = std::make_unique<ApplianceLink>(state_->incarnation(), kLinkBackoff, std::move(callbacks));
  return absl::OkStatus();
}

absl::Status Agent::PrepareTiers() {
  if (options_.role == AgentRole::kCollector) return absl::OkStatus();
  ASSIGN_OR_RETURN(tiers_[Tier::kDisk], RealFolder(options_.disk_dir));
  if (!options_.flash_dir.empty()) {
    ASSIGN_OR_RETURN(tiers_[Tier::kFlash], RealFolder(options_.flash_dir));
  }
  if (options_.role == AgentRole::kOrigin) return absl::OkStatus();  // It has whatever was put there.
  ASSIGN_OR_RETURN(holdings_, HoldingsIndex::Open(state_->folder() + "/holdings", tiers_));
  return absl::OkStatus();
}

absl::Status Agent::StartLoops() {
  if (options_.role != AgentRole::kCollector) {
    serving_ = std::make_unique<ServingLoop>(
        NginxDaemonOptions{.binary = options_.nginx, .work_folder = state_->folder() + "/nginx", .run_folder = state_->run_folder()},
        clock_);
    RETURN_IF_ERROR(serving_->Start());
  }
  if (options_.role != AgentRole::kOrigin) {
    routing_ = std::make_unique<RoutingLoop>(
        BirdDaemonOptions{.binary = options_.bird, .work_folder = state_->folder() + "/bird", .run_folder = state_->run_folder()}, clock_,
        [this](SessionReport report) { SendRoutes(report); });
    RETURN_IF_ERROR(routing_->Start());
  }
  if (options_.role == AgentRole::kAppliance) {
    FillerOptions fill;
    fill.folders = tiers_;
    filler_ = std::make_unique<Filler>(std::move(fill), *holdings_, *control_plane_, clock_);
    RETURN_IF_ERROR(filler_->Start());
  }
  reporter_ = std::make_unique<Reporter>(ReporterParts{clock_, *link_, metrics_, serving_.get(), routing_.get(), filler_.get(),
                                                       holdings_.get(), tiers_, options_.shared_host});
  return absl::OkStatus();
}

void Agent::LoadFromDisk() {
  const auto config_bytes = state_->ReadConfig();
  registry::v1::ApplianceConfig config;
  if (config_bytes.ok() && config.ParseFromString(*config_bytes)) {
    LogInfo("starting with the configuration on disk", {{"generation", config.generation()}});
    ApplyConfig(config);
  }
  const auto manifest_bytes = state_->ReadManifest();
  fill::v1::Manifest manifest;
  if (filler_ != nullptr && manifest_bytes.ok() && manifest.ParseFromString(*manifest_bytes)) ApplyManifest(manifest);
  const auto binding = state_->ReadBinding();
  if (binding.ok()) UseBinding(*binding);
}

void Agent::UseBinding(const Binding& binding) {
  control_plane_->SetBinding(binding);
  {
    absl::MutexLock lock(&mu_);
    appliance_ = binding.appliance;
  }
  link_->SetCredential(binding.credential);
}

void Agent::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  // First what others may wait for.
  if (link_ != nullptr) link_->Stop();
  if (filler_ != nullptr) filler_->Stop();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  // NGINX and BIRD end side by side.
  std::thread serving([this] {
    if (serving_ != nullptr) serving_->Stop();
  });
  if (routing_ != nullptr) routing_->Stop();
  serving.join();
}

bool Agent::stopping() {
  absl::MutexLock lock(&mu_);
  return stopping_;
}

// Waits until `time` has passed, `*wake` is set (and takes it back) or the agent stops; false if it stops.
bool Agent::WaitOrStop(absl::Duration time, const bool* wake) {
  absl::MutexLock lock(&mu_);
  const auto awake = [this, wake]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopping_ || *wake; };
  mu_.AwaitWithTimeout(absl::Condition(&awake), time);
  return !stopping_;
}

void Agent::KeepConfig() {
  Backoff backoff(options_.retry, state_->incarnation());
  if (!Bind(backoff)) return;
  absl::Duration confirmed = clock_.Monotonic();
  while (true) {
    const absl::Status status = RefreshConfig();
    if (status.ok()) {
      backoff.Reset();
      confirmed = clock_.Monotonic();
    } else {
      LogWarning("configuration can't be read", {{"error", status}});
      // An operator issued a new token, which unbinds: with it at hand the box binds anew.
      const bool unbound = status.code() == absl::StatusCode::kUnauthenticated || status.code() == absl::StatusCode::kPermissionDenied;
      if (unbound && !options_.enrollment_token.empty()) {
        const auto binding = control_plane_->Enroll(options_.serial, options_.enrollment_token, state_->installation_id());
        // Used after the usual wait: a registry that takes the token and refuses the credential must not be asked without a pause.
        if (binding.ok() && state_->WriteBinding(*binding).ok()) UseBinding(*binding);
      }
    }
    metrics_.config_age_seconds.Set(absl::ToDoubleSeconds(clock_.Monotonic() - confirmed));
    if (!WaitOrStop(status.ok() ? options_.config_poll : backoff.Next(), &config_wanted_)) return;
    absl::MutexLock lock(&mu_);
    config_wanted_ = false;
  }
}

bool Agent::Bind(Backoff& backoff) {
  while (!state_->ReadBinding().ok()) {
    const auto binding = options_.enrollment_token.empty()
                             ? absl::StatusOr<Binding>(absl::FailedPreconditionError("the box is not bound and has no enrollment token"))
                             : control_plane_->Enroll(options_.serial, options_.enrollment_token, state_->installation_id());
    const absl::Status status = binding.ok() ? state_->WriteBinding(*binding) : binding.status();
    if (status.ok()) {
      LogInfo("bound", {{"appliance", binding->appliance}});
      UseBinding(*binding);
      return !stopping();
    }
    if (IsRefusal(status)) {
      LogError("binding refused", {{"serial", options_.serial}, {"error", status}});
      if (options_.on_fatal) options_.on_fatal(status);
      return false;
    }
    LogWarning("can't bind yet", {{"error", status}});
    static const bool never = false;
    if (!WaitOrStop(backoff.Next(), &never)) return false;
  }
  return !stopping();
}

absl::Status Agent::RefreshConfig() {
  std::string held;
  {
    absl::MutexLock lock(&mu_);
    held = config_generation_;
  }
  ASSIGN_OR_RETURN(const registry::v1::ApplianceConfig config, control_plane_->GetConfig(held));
  if (config.unchanged()) return absl::OkStatus();
  RETURN_IF_ERROR(state_->WriteConfig(config.SerializeAsString()));
  LogInfo("new configuration", {{"generation", config.generation()}});
  ApplyConfig(config);
  return absl::OkStatus();
}

void Agent::ApplyConfig(const registry::v1::ApplianceConfig& config) {
  reporter_->ConfigInForce();  // It notes the one before while that can still be told.
  {
    absl::MutexLock lock(&mu_);
    config_generation_ = config.generation();
    const registry::v1::ApplianceDrain& drain = config.appliance().drain();
    lame_duck_of_ = drain.phase() == registry::v1::Drain::PHASE_LAME_DUCK ? drain.drain() : "";
  }
  std::vector<std::string> cells;
  for (const registry::v1::Cell& cell : config.cells()) cells.push_back(cell.address());
  link_->SetCells(std::move(cells));
  control_plane_->SetFillTargets({config.fill_addresses().begin(), config.fill_addresses().end()});
  if (serving_ != nullptr) {
    NginxConfigInput input = NginxConfigOf(config);
    input.fill_only = options_.role == AgentRole::kOrigin;
    input.disk_folder = tiers_.at(Tier::kDisk);
    if (tiers_.contains(Tier::kFlash)) input.flash_folder = tiers_.at(Tier::kFlash);
    input.workers = static_cast<int>(std::clamp<long>(sysconf(_SC_NPROCESSORS_ONLN) / 2, 1, 4));
    serving_->SetConfig(input);
  }
  bool complete = true;
  if (routing_ != nullptr && config.appliance().has_bgp()) {
    const auto bird = BirdConfigOf(config);
    if (bird.ok()) {
      routing_->SetConfig(*bird);
    } else {
      complete = false;
      LogError("BGP configuration refused; the one before stays in force", {{"error", bird.status()}});
    }
  }
  reporter_->SetConfig(config, complete);
  if (filler_ != nullptr) filler_->SetLimits(FillRateOf(config.appliance()), CapacitiesOf(config.appliance()));
  absl::MutexLock lock(&mu_);
  manifest_wanted_ = true;  // Perhaps there is somebody to ask now.
}

void Agent::KeepManifest() {
  Backoff backoff(options_.retry, state_->incarnation() + 1);
  while (true) {
    const absl::Status status = RefreshManifest();
    if (status.ok()) backoff.Reset();
    if (!status.ok()) LogDebug("manifest can't be read", {{"error", status}});
    if (!WaitOrStop(status.ok() ? options_.manifest_poll : backoff.Next(), &manifest_wanted_)) return;
    absl::MutexLock lock(&mu_);
    manifest_wanted_ = false;
  }
}

absl::Status Agent::RefreshManifest() {
  std::string held;
  {
    absl::MutexLock lock(&mu_);
    if (appliance_.empty()) return absl::UnavailableError("not bound yet");
    held = manifest_generation_;
  }
  ASSIGN_OR_RETURN(const fill::v1::Manifest manifest, control_plane_->GetManifest(held));
  if (manifest.unchanged()) return absl::OkStatus();
  RETURN_IF_ERROR(state_->WriteManifest(manifest.SerializeAsString()));
  LogInfo("new manifest", {{"generation", manifest.generation()}, {"files", manifest.entries_size()}});
  ApplyManifest(manifest);
  return absl::OkStatus();
}

void Agent::ApplyManifest(const fill::v1::Manifest& manifest) {
  filler_->SetManifest(manifest.generation(), WantedOf(manifest));
  absl::MutexLock lock(&mu_);
  manifest_generation_ = manifest.generation();
}

void Agent::KeepReporting() {
  static const bool never = false;
  do {
    reporter_->Tick();
  } while (WaitOrStop(kReportTurn, &never));
}

// Registryd moves the box to DRAINED on its own word alone: nobody else knows whether bytes still leave it.
void Agent::KeepDrain() {
  static const bool never = false;
  while (WaitOrStop(options_.drain_report, &never)) {
    std::string drain;
    {
      absl::MutexLock lock(&mu_);
      drain = lame_duck_of_;
    }
    const std::optional<absl::Duration> quiet_for = serving_->quiet_for();
    if (drain.empty() || !quiet_for.has_value()) continue;
    const auto phase = control_plane_->ReportDrain(drain, *quiet_for);
    if (!phase.ok()) LogWarning("the drain can't be told that the box is quiet", {{"drain", drain}, {"error", phase.status()}});
    absl::MutexLock lock(&mu_);
    // What registryd said of the drain differs from our configuration: it has a newer one, or has none of this drain any more.
    if (phase.ok() ? *phase != registry::v1::Drain::PHASE_LAME_DUCK : IsRefusal(phase.status())) config_wanted_ = true;
  }
}

void Agent::OnInstruction(const ingest::v1::Instruction& instruction) {
  if (instruction.has_resend()) {
    if (instruction.resend().holdings()) reporter_->ResendHoldings();
    if (instruction.resend().routes() && routing_ != nullptr) routing_->ReportAll();
  }
  absl::MutexLock lock(&mu_);
  if (instruction.has_config_generation() && instruction.config_generation().generation() != config_generation_) config_wanted_ = true;
  if (instruction.has_manifest_generation() && instruction.manifest_generation().generation() != manifest_generation_)
    manifest_wanted_ = true;
}

ingest::v1::Hello Agent::MakeHello() {
  ingest::v1::Hello hello;
  hello.set_agent_version(kVersion);
  hello.mutable_agent_start_time()->set_seconds(absl::ToUnixSeconds(start_time_));
  hello.set_config_generation(reporter_->ConfigInForce());
  absl::MutexLock lock(&mu_);
  hello.set_appliance(appliance_);
  hello.set_manifest_generation(manifest_generation_);
  return hello;
}

void Agent::SendRoutes(const SessionReport& report) {
  for (ingest::v1::RouteUpdate& update : ToProto(report)) {
    ingest::v1::Report out;
    *out.mutable_route_update() = std::move(update);
    // What is dropped for want of a stream is sent with the next one.
    if (!link_->Send(std::move(out))) return;
  }
}

}  // namespace fairlead::agent
