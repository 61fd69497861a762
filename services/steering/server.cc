#include "services/steering/server.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "services/steering/http_front.h"
#include "services/steering/snapshot_file.h"

namespace fairlead {
namespace {

// The part of the copy on disk that is no feed: ids of the boxes that the guard believes to be gone.
constexpr char kGuardSection[] = "guard";

// Made if it isn't there, readable by nobody else: other programs bring what belongs there later.
absl::Status EnsureFolder(absl::string_view flag, const std::string& path) {
  std::error_code error;
  const bool made = std::filesystem::create_directories(path, error);
  if (made) std::filesystem::permissions(path, std::filesystem::perms::owner_all, error);
  if (!error && std::filesystem::is_directory(path, error)) return absl::OkStatus();
  return InvalidField(flag, path, error ? absl::StrCat("can't be used: ", error.message()) : "isn't a folder");
}

}  // namespace

absl::Status SteeringServerOptions::Validate() const {
  constexpr int kMostThreads = 256;
  constexpr size_t kMostTokens = 10'000'000;  // 6.4 GB.
  if (threads < 1 || threads > kMostThreads) {
    return InvalidField("threads", absl::StrCat(threads), absl::StrCat("must be in [1, ", kMostThreads, "]"));
  }
  if (token_cache_entries < 8 || token_cache_entries > kMostTokens) {
    return InvalidField("token_cache_entries", absl::StrCat(token_cache_entries), absl::StrCat("must be in [8, ", kMostTokens, "]"));
  }
  return overload.Validate();
}

SteeringServer::SteeringServer(const SteeringServerOptions& options, Metrics& metrics, const Clock& clock)
    : options_(options),
      clock_(clock),
      metrics_(metrics),
      serving_(std::make_shared<const ServingState>()),
      sources_(options.sources, clock) {}

absl::StatusOr<std::unique_ptr<SteeringServer>> SteeringServer::Start(const SteeringServerOptions& options, Metrics& metrics,
                                                                      const Clock& clock) {
  std::unique_ptr<SteeringServer> server(new SteeringServer(options, metrics, clock));
  RETURN_IF_ERROR(server->Init());
  return server;
}

absl::Status SteeringServer::OpenKeys() {
  if (options_.signing_key_dir.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(EnsureFolder("signing_key_dir", options_.signing_key_dir));
  ASSIGN_OR_RETURN(signer_, TokenSigner::Open(options_.signing_key_dir));
  tokens_ = std::make_unique<TokenCache>(*signer_, TokenCacheOptions{.max_entries = options_.token_cache_entries});
  return absl::OkStatus();
}

// A copy that can't be used is no reason not to start: the sources will come.
void SteeringServer::LoadCopy() {
  if (options_.state_dir.empty()) return;
  LoadedSnapshot loaded = LoadSnapshot(options_.state_dir);
  for (const absl::Status& refused : loaded.refused) {
    metrics_.snapshot_failures.Increment();
    LogError("copy on disk refused", {{"why", refused}});
  }
  if (!loaded.sections.has_value()) {
    LogWarning("no copy on disk to start from", {{"state_dir", options_.state_dir}});
    return;
  }
  std::vector<SnapshotSection> feeds;
  for (SnapshotSection& section : *loaded.sections) {
    if (section.name != kGuardSection) {
      feeds.push_back(std::move(section));
      continue;
    }
    for (std::string& id : section.entries) gone_from_copy_.emplace_back(std::move(id));
  }
  if (const absl::Status restored = sources_.Restore(feeds); !restored.ok()) {
    gone_from_copy_.clear();
    metrics_.snapshot_failures.Increment();
    LogError("copy on disk refused", {{"file", loaded.file}, {"why", restored}});
    return;
  }
  LogInfo("starting from the copy on disk", {{"file", loaded.file}, {"sources", feeds.size()}});
  absl::MutexLock lock(&save_mu_);
  saved_generation_ = sources_.generation();
}

absl::Status SteeringServer::Init() {
  RETURN_IF_ERROR(options_.Validate());
  ASSIGN_OR_RETURN(ClientAddressPolicy addresses, ClientAddressPolicy::Parse({.trusted_proxies = options_.trusted_proxies,
                                                                              .forwarded_header = options_.forwarded_header,
                                                                              .proxy_hops = options_.proxy_hops,
                                                                              .address_setters = options_.address_setters}));
  if (!options_.state_dir.empty()) RETURN_IF_ERROR(EnsureFolder("state_dir", options_.state_dir));
  RETURN_IF_ERROR(OpenKeys());
  LoadCopy();
  builder_ = std::make_unique<TableBuilder>(options_.builder, sources_, signer_.get(), metrics_, serving_);
  builder_->RestoreGone(gone_from_copy_);
  builder_->Tick(clock_.Monotonic());  // So that what came from disk is served from the first request on.
  {
    absl::MutexLock lock(&save_mu_);
    saved_gone_ = serving_.Get()->gone;
  }

  content_steering_ = std::make_unique<ContentSteering>(serving_, tokens_.get(), addresses, clock_, metrics_, options_.content_steering);
  gate_ = std::make_unique<OverloadGate>(options_.overload, static_cast<size_t>(options_.threads), metrics_);
  steerer_ = std::make_unique<Steerer>(serving_, tokens_.get(), std::move(addresses), clock_, *gate_, metrics_);
  grpc_ = std::make_unique<SteeringGrpc>(*steerer_, *gate_, metrics_,
                                         SteeringGrpcOptions{.threads = options_.threads, .pin = options_.pin_threads});
  RpcServerOptions rpc;
  rpc.program = "steerd";
  rpc.listen = options_.listen;
  rpc.configure = [this](grpc::ServerBuilder& builder) { grpc_->AddQueues(builder); };
  ASSIGN_OR_RETURN(rpc_, RpcServer::Start(rpc, {grpc_->service()}));
  rpc_->SetServing(steerer_->Health().ok());
  grpc_->Run();
  HttpServerOptions http;
  http.address = options_.http_listen;
  http.threads = std::max(1, options_.threads / 2);
  ASSIGN_OR_RETURN(http_, HttpServer::Start(http, [this](const HttpRequest& request) { return AnswerRequest(request); }));
  sources_.Start();
  builder_thread_ = std::thread([this] { RunBuilder(); });
  if (tokens_ != nullptr) signer_thread_ = std::thread([this] { RunSigner(); });
  if (!options_.state_dir.empty()) saver_thread_ = std::thread([this] { RunSaver(); });
  return absl::OkStatus();
}

HttpResponse SteeringServer::AnswerRequest(const HttpRequest& request) const {
  return ContentSteering::Handles(request) ? content_steering_->Answer(request) : AnswerHttp(*steerer_, request);
}

SteeringServer::~SteeringServer() {
  Shutdown(absl::ZeroDuration());
}

bool SteeringServer::Wait(absl::Duration time) {
  absl::MutexLock lock(&stop_mu_);
  return !stop_mu_.AwaitWithTimeout(absl::Condition(&stopping_), time);
}

// At most a tenth of a core, in the minutes before a bucket of tokens ends.
void SteeringServer::RunSigner() {
  constexpr absl::Duration kEvery = absl::Milliseconds(100);
  while (Wait(kEvery)) tokens_->SignAhead(clock_.Now());
}

void SteeringServer::RunBuilder() {
  bool serving = steerer_->Health().ok();
  do {
    builder_->Tick(clock_.Monotonic());
    ShowCounters();
    const absl::Status health = steerer_->Health();
    if (health.ok() == serving) continue;
    serving = health.ok();
    rpc_->SetServing(serving);
    LogInfo(serving ? "serving" : "not serving", {{"why", health}});
  } while (Wait(builder_->busy() ? absl::ZeroDuration() : options_.build_interval));
}

void SteeringServer::RunSaver() {
  while (Wait(options_.save_interval)) {
    if (const absl::Status saved = SaveNow(); !saved.ok()) LogError("copy on disk not written", {{"why", saved}});
  }
}

absl::Status SteeringServer::SaveNow() {
  if (options_.state_dir.empty()) return absl::OkStatus();
  absl::MutexLock lock(&save_mu_);
  const uint64_t generation = sources_.generation();
  const std::shared_ptr<const std::vector<ApplianceId>> gone = serving_.Get()->gone;
  if (generation == saved_generation_ && gone == saved_gone_) return absl::OkStatus();
  std::vector<SnapshotSection> sections = sources_.Save();
  if (sections.empty()) return absl::OkStatus();
  SnapshotSection& guard = sections.emplace_back();
  guard = {.name = kGuardSection, .position = {}, .saved_at = clock_.Now(), .age = {}, .entries = {}};
  for (const ApplianceId& id : *gone) guard.entries.push_back(id.value());
  if (const absl::Status written = WriteSnapshot(options_.state_dir, sections); !written.ok()) {
    metrics_.snapshot_failures.Increment();
    return written;
  }
  saved_generation_ = generation;
  saved_gone_ = gone;
  metrics_.snapshots_written.Increment();
  size_t bytes = 0;
  for (const SnapshotSection& section : sections) {
    for (const std::string& entry : section.entries) bytes += entry.size();
  }
  metrics_.snapshot_bytes.Set(static_cast<double>(bytes));
  return absl::OkStatus();
}

void SteeringServer::ShowCounters() {
  if (tokens_ != nullptr) {
    const TokenCacheStats tokens = tokens_->stats();
    metrics_.token_hits.Set(static_cast<double>(tokens.hits));
    metrics_.token_misses.Set(static_cast<double>(tokens.misses));
    metrics_.token_hit_rate.Set(tokens.hit_rate());
    metrics_.token_ahead.Set(static_cast<double>(tokens.ahead));
    metrics_.token_evictions.Set(static_cast<double>(tokens.evictions));
  }
  metrics_.admitted_levels.Set(static_cast<double>(gate_->level(clock_.Monotonic())) / Admission::kLevels);
  const HttpServerStats& http = http_->stats();
  metrics_.http_open_connections.Set(static_cast<double>(http.open_connections));
  metrics_.http_refused_connections.Set(static_cast<double>(http.refused));
  metrics_.http_malformed_requests.Set(static_cast<double>(http.malformed));
  metrics_.http_timed_out_requests.Set(static_cast<double>(http.timed_out));
}

void SteeringServer::Shutdown(absl::Duration grace) {
  {
    absl::MutexLock lock(&stop_mu_);
    if (stopping_) return;
    stopping_ = true;
  }
  if (http_ != nullptr) http_->Shutdown(grace);
  if (rpc_ != nullptr) rpc_->Shutdown(grace);
  if (grpc_ != nullptr) grpc_->Shutdown();
  if (builder_thread_.joinable()) builder_thread_.join();
  if (saver_thread_.joinable()) saver_thread_.join();
  if (signer_thread_.joinable()) signer_thread_.join();
  if (const absl::Status saved = SaveNow(); !saved.ok()) LogError("copy on disk not written", {{"why", saved}});
  sources_.Stop();
}

}  // namespace fairlead
