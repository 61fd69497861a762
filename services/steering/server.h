// A whole steerd as a library: the same code starts it in production and in tests (port 0 allowed).
//
//   ASSIGN_OR_RETURN(const auto server, SteeringServer::Start({.registry = "127.0.0.1:7001", .fill = "127.0.0.1:7003",
//                                                              .state_dir = "/var/lib/fairlead/steerd"}, metrics, clock));
//   server->grpc_target(); server->http_port();
//   server->Shutdown(absl::Seconds(5));
//
// Thread-safe. Starts with every source dead: it then serves from the copy in state_dir, or answers UNAVAILABLE with the reason.
#ifndef FAIRLEAD_SERVICES_STEERING_SERVER_H_
#define FAIRLEAD_SERVICES_STEERING_SERVER_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/base/published.h"
#include "libs/http/message.h"
#include "libs/http/server.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/server.h"
#include "libs/signing/token_cache.h"
#include "libs/signing/token_signer.h"
#include "services/steering/client_address.h"
#include "services/steering/client_failures.h"
#include "services/steering/content_steering.h"
#include "services/steering/data_ports.h"
#include "services/steering/metrics.h"
#include "services/steering/overload_gate.h"
#include "services/steering/service.h"
#include "services/steering/sources.h"
#include "services/steering/steerer.h"
#include "services/steering/table_builder.h"

namespace fairlead {

struct SteeringServerOptions {
  std::string listen = "127.0.0.1:0";
  std::string http_listen = "127.0.0.1:0";
  SourcesOptions sources;
  std::string state_dir;        // Empty: no copy on disk.
  std::string signing_key_dir;  // Empty: no URLs can be signed.
  // Whose address counts: see ClientAddressOptions.
  std::string trusted_proxies;
  std::string forwarded_header = ClientAddressOptions().forwarded_header;
  int proxy_hops = ClientAddressOptions().proxy_hops;
  std::string address_setters = ClientAddressOptions().address_setters;
  int threads = 2;                     // Completion queues; HTTP has one loop for every two.
  bool pin_threads = false;            // A core each.
  int max_streams_a_connection = 100;  // Calls and streams under way; more wait at the caller.
  OverloadOptions overload = {};
  size_t token_cache_entries = TokenCacheOptions().max_entries;
  absl::Duration build_interval = absl::Milliseconds(100);
  absl::Duration save_interval = absl::Seconds(5);
  TableBuilderOptions builder = {};
  DataPortsOptions data_ports = {};
  ContentSteeringOptions content_steering = {};

  // INVALID_ARGUMENT naming the option.
  absl::Status Validate() const;
};

class SteeringServer {
 public:
  // FAILED_PRECONDITION naming a port in use; INVALID_ARGUMENT naming a bad option; NOT_FOUND for a folder of keys that isn't there.
  // `metrics` and `clock` must outlive it.
  static absl::StatusOr<std::unique_ptr<SteeringServer>> Start(const SteeringServerOptions& options, Metrics& metrics, const Clock& clock);
  ~SteeringServer();

  std::string grpc_target() const { return rpc_->target(); }
  int http_port() const { return http_->port(); }
  // What every request goes through.
  const Steerer& steerer() const { return *steerer_; }
  // What a request over HTTP goes through.
  HttpResponse AnswerRequest(const HttpRequest& request) const;
  // What requests are answered from now.
  std::shared_ptr<const ServingState> state() const { return serving_.Get(); }
  // Writes the copy on disk if anything changed since the last one. Does nothing without state_dir.
  absl::Status SaveNow() ABSL_LOCKS_EXCLUDED(save_mu_);
  // Ends running calls within `grace`, saves, stops. A second call does nothing.
  void Shutdown(absl::Duration grace) ABSL_LOCKS_EXCLUDED(stop_mu_);

 private:
  SteeringServer(const SteeringServerOptions& options, Metrics& metrics, const Clock& clock);
  absl::Status Init();
  absl::Status OpenKeys();
  void LoadCopy();
  void RunBuilder() ABSL_LOCKS_EXCLUDED(stop_mu_);
  void RunSaver() ABSL_LOCKS_EXCLUDED(stop_mu_);
  void RunSigner() ABSL_LOCKS_EXCLUDED(stop_mu_);
  // False once the server stops.
  bool Wait(absl::Duration time) ABSL_LOCKS_EXCLUDED(stop_mu_);
  void ShowCounters();

  const SteeringServerOptions options_;
  const Clock& clock_;
  SteeringMetrics metrics_;
  Published<ServingState> serving_;
  Sources sources_;
  std::unique_ptr<TokenSigner> signer_;
  std::unique_ptr<TokenCache> tokens_;
  std::vector<ApplianceId> gone_from_copy_;  // Written by LoadCopy only.
  ClientFailures client_failures_;
  std::unique_ptr<DataPorts> data_ports_;
  std::unique_ptr<TableBuilder> builder_;
  std::unique_ptr<OverloadGate> gate_;
  std::unique_ptr<Steerer> steerer_;
  std::unique_ptr<ContentSteering> content_steering_;
  std::unique_ptr<SteeringGrpc> grpc_;
  std::unique_ptr<RpcServer> rpc_;
  std::unique_ptr<HttpServer> http_;
  std::thread builder_thread_;
  std::thread saver_thread_;
  std::thread signer_thread_;
  absl::Mutex save_mu_;
  uint64_t saved_generation_ ABSL_GUARDED_BY(save_mu_) = 0;
  std::shared_ptr<const std::vector<ApplianceId>> saved_gone_ ABSL_GUARDED_BY(save_mu_);
  absl::Mutex stop_mu_;
  bool stopping_ ABSL_GUARDED_BY(stop_mu_) = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SERVER_H_
