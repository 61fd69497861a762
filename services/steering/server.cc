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

namespace fairlead {
namespace {

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
  constexpr int kMostStreams = 100'000;
  constexpr size_t kMostTokens = 10'000'000;  // 6.4 GB.
  if (threads < 1 || threads > kMostThreads) {
    return InvalidField("threads", absl::StrCat(threads), absl::StrCat("must be in [1, ", kMostThreads, "]"));
  }
  if (max_streams_a_connection < 1 || max_streams_a_connection > kMostStreams) {
    return InvalidField("max_streams_a_connection", absl::StrCat(max_streams_a_connection),
                        absl::StrCat("must be in [1, ", kMostStreams, "]"));
  }
  if (token_cache_entries < 8 || token_cache_entries > kMostTokens) {
    return InvalidField("token_cache_entries", absl::StrCat(token_cache_entries), absl::StrCat("must be in [8, ", kMostTokens, "]"));
  }
  if (!snapshot.empty() && !state_dir.empty()) {
    return InvalidField("snapshot", snapshot, "serves from that file alone, and state_dir is set as well");
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

absl::Status SteeringServer::Init() {
  RETURN_IF_ERROR(options_.Validate());
  ASSIGN_OR_RETURN(ClientAddressPolicy addresses, ClientAddressPolicy::Parse({.trusted_proxies = options_.trusted_proxies,
                                                                              .forwarded_header = options_.forwarded_header,
                                                                              .proxy_hops = options_.proxy_hops,
                                                                              .address_setters = options_.address_setters}));
  if (!options_.state_dir.empty()) {
    RETURN_IF_ERROR(EnsureFolder("state_dir", options_.state_dir));
    feeds_ = std::make_unique<FeedCheckpoint>(options_.state_dir, sources_, clock_);
  }
  RETURN_IF_ERROR(OpenKeys());
  // So that what came from disk is served from the first request on.
  if (!options_.snapshot.empty()) {
    RETURN_IF_ERROR(StartFromFileAlone());
  } else {
    LoadFromDisk();
    data_ports_ = std::make_unique<DataPorts>(options_.data_ports, metrics_);
    TableBuilderOptions builder = options_.builder;
    builder.shrink_hold = options_.table_hold;
    builder_ = std::make_unique<TableBuilder>(builder, sources_, signer_.get(), metrics_, serving_,
                                              GuardWitnesses{.ports = data_ports_.get(), .clients = &client_failures_});
    builder_->RestoreGone(gone_from_copy_);
    if (stand_in_ == nullptr) {
      builder_->Tick(clock_.Monotonic());
    } else {
      builder_->StandBehind([this](const SteeringTable& table) { return TakeOver(table); });
    }
  }
  if (stand_in_ != nullptr) {
    stand_in_->RestoreGone(gone_from_copy_);
    stand_in_->Tick(clock_.Monotonic());
  }
  {
    absl::MutexLock lock(&save_mu_);
    saved_gone_ = serving_.Get()->gone;
  }

  content_steering_ =
      std::make_unique<ContentSteering>(serving_, tokens_.get(), addresses, clock_, metrics_, options_.content_steering, &client_failures_);
  gate_ = std::make_unique<OverloadGate>(options_.overload, static_cast<size_t>(options_.threads), metrics_);
  steerer_ = std::make_unique<Steerer>(serving_, tokens_.get(), std::move(addresses), clock_, *gate_, metrics_);
  grpc_ = std::make_unique<SteeringGrpc>(*steerer_, *gate_, metrics_,
                                         SteeringGrpcOptions{.threads = options_.threads, .pin = options_.pin_threads});
  RpcServerOptions rpc;
  rpc.program = "steerd";
  rpc.listen = options_.listen;
  rpc.max_concurrent_streams = options_.max_streams_a_connection;
  rpc.own_queue = false;
  rpc.deadline_timers = false;
  rpc.ping_after = absl::Minutes(1);
  rpc.configure = [this](grpc::ServerBuilder& builder) { grpc_->AddQueues(builder); };
  ASSIGN_OR_RETURN(rpc_, RpcServer::Start(rpc, {grpc_->service()}));
  rpc_->SetServing(steerer_->Health().ok());
  for (grpc::ServerCompletionQueue* queue : grpc_->queues()) rpc_->ServeCommonOn(*queue);
  grpc_->Run();
  HttpServerOptions http;
  http.address = options_.http_listen;
  http.threads = std::max(1, options_.threads / 2);
  ASSIGN_OR_RETURN(http_, HttpServer::Start(http, [this](const HttpRequest& request) { return AnswerRequest(request); }));
  if (tokens_ != nullptr) signer_thread_ = std::thread([this] { RunSigner(); });
  if (stand_in_ != nullptr) {
    {
      absl::MutexLock lock(&stop_mu_);
      stands_in_ = true;
    }
    stand_in_thread_ = std::thread([this] { RunStandIn(); });
  }
  if (builder_ == nullptr) return absl::OkStatus();  // The file alone.
  sources_.StartConfig(grpc_->queues().back());
  builder_thread_ = std::thread([this] { RunBuilder(); });
  if (!options_.state_dir.empty()) {
    saver_thread_ = std::thread([this] { RunSaver(); });
    table_saver_thread_ = std::thread([this] { RunTableSaver(); });
  }
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

// At most an eighth of a core, in the minutes before a bucket of tokens ends.
void SteeringServer::RunSigner() {
  constexpr absl::Duration kEvery = absl::Milliseconds(100);
  TailSigner tail(*tokens_, {.most_tokens = options_.tail_tokens});
  while (Wait(kEvery)) {
    const absl::Time now = clock_.Now();
    tokens_->SignAhead(now);
    tail.Step(*serving_.Get(), now);
  }
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
  sources_.Stop();  // While the queue that its clients read from is still served.
  if (grpc_ != nullptr) grpc_->Shutdown();
  if (builder_thread_.joinable()) builder_thread_.join();  // It may join the stand-in's.
  if (stand_in_thread_.joinable()) stand_in_thread_.join();
  if (saver_thread_.joinable()) saver_thread_.join();
  if (table_saver_thread_.joinable()) table_saver_thread_.join();
  StopCompaction();
  if (signer_thread_.joinable()) signer_thread_.join();
  if (const absl::Status saved = SaveNow(); !saved.ok()) LogError("copy on disk not written", {{"why", saved}});
}

}  // namespace fairlead
