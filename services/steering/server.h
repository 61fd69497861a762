// A whole steerd as a library: the same code starts it in production and in tests (port 0 allowed).
//
//   ASSIGN_OR_RETURN(const auto server, SteeringServer::Start({.registry = "127.0.0.1:7001", .fill = "127.0.0.1:7003",
//                                                              .state_dir = "/var/lib/fairlead/steerd"}, metrics, clock));
//   server->grpc_target(); server->http_port();
//   server->Shutdown(absl::Seconds(5));
//
// Thread-safe. Starts with every source dead: it then serves from the copies in state_dir, or answers UNAVAILABLE with the reason. Where
// these are large, the table on disk serves while the feeds are read and the next one is built (stand_in.h).
#ifndef FAIRLEAD_SERVICES_STEERING_SERVER_H_
#define FAIRLEAD_SERVICES_STEERING_SERVER_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
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
#include "services/steering/feed_checkpoint.h"
#include "services/steering/metrics.h"
#include "services/steering/overload_gate.h"
#include "services/steering/service.h"
#include "services/steering/sources.h"
#include "services/steering/stand_in.h"
#include "services/steering/steerer.h"
#include "services/steering/table_builder.h"
#include "services/steering/table_file.h"
#include "services/steering/tail_signer.h"

namespace fairlead {

struct SteeringServerOptions {
  std::string listen = "127.0.0.1:0";
  std::string http_listen = "127.0.0.1:0";
  SourcesOptions sources;
  std::string state_dir;        // Empty: no copy on disk.
  std::string snapshot;         // A table file to serve from alone, without any source; empty: none.
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
  size_t tail_tokens = TailOptions().most_tokens;  // 0: none.
  absl::Duration build_interval = absl::Milliseconds(100);
  absl::Duration save_interval = absl::Seconds(5);
  absl::Duration table_save_interval = absl::Minutes(3);
  // A table that is sharply smaller than the one on disk takes its place there, or a stand-in's, only after this time.
  absl::Duration table_hold = absl::Hours(1);
  // A copy of the feeds' bulk that is smaller than this is read before the first answer; a larger one, and the table built from it, while
  // the table on disk serves.
  uint64_t stand_in_from_bytes = uint64_t{16} << 20;
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
  // Writes the copies on disk of what changed since the last ones. Does nothing without state_dir.
  absl::Status SaveNow() ABSL_LOCKS_EXCLUDED(save_mu_, save_feeds_mu_, save_table_mu_);
  // Whether the table on disk is what is served from.
  bool stands_in() const ABSL_LOCKS_EXCLUDED(stop_mu_);
  // Ends running calls within `grace`, saves, stops. A second call does nothing.
  void Shutdown(absl::Duration grace) ABSL_LOCKS_EXCLUDED(stop_mu_);

 private:
  SteeringServer(const SteeringServerOptions& options, Metrics& metrics, const Clock& clock);
  absl::Status Init();
  absl::Status OpenKeys();
  // All that is on disk, but for the feeds' bulk where the table stands in for it.
  void LoadFromDisk() ABSL_LOCKS_EXCLUDED(save_mu_, save_feeds_mu_, save_table_mu_);
  void LoadNear() ABSL_LOCKS_EXCLUDED(save_mu_);
  // False if there is nothing of it.
  bool LoadBulk() ABSL_LOCKS_EXCLUDED(save_feeds_mu_);
  // The table on disk, if the copy of the bulk has at least `from_bytes`, or nothing.
  std::optional<TableFile> ReadTable(uint64_t from_bytes) ABSL_LOCKS_EXCLUDED(save_table_mu_);
  void StandOn(std::optional<TableFile> file) ABSL_LOCKS_EXCLUDED(save_table_mu_);
  absl::Status StartFromFileAlone();
  absl::Status SaveNear() ABSL_LOCKS_EXCLUDED(save_mu_);
  // What changed of the feeds' bulk.
  absl::Status SaveFeeds() ABSL_LOCKS_EXCLUDED(save_feeds_mu_);
  void StopCompaction() ABSL_LOCKS_EXCLUDED(save_feeds_mu_);
  absl::Status SaveTable() ABSL_LOCKS_EXCLUDED(save_table_mu_);
  // Whether a table may take the place of a larger one; says so once if it may not.
  bool MayReplace(const ImageCounts& held, const ImageCounts& offered, std::optional<absl::Duration>& held_since);
  std::optional<TableBuilder::TakenOver> TakeOver(const SteeringTable& table) ABSL_LOCKS_EXCLUDED(stop_mu_);
  void RunBuilder() ABSL_LOCKS_EXCLUDED(stop_mu_);
  bool AwaitTick(absl::Duration took) ABSL_LOCKS_EXCLUDED(stop_mu_);
  void RunStandIn() ABSL_LOCKS_EXCLUDED(stop_mu_);
  void RunSaver() ABSL_LOCKS_EXCLUDED(stop_mu_);
  void RunTableSaver() ABSL_LOCKS_EXCLUDED(stop_mu_);
  void RunSigner() ABSL_LOCKS_EXCLUDED(stop_mu_);
  // False once the server stops.
  bool Wait(absl::Duration time) ABSL_LOCKS_EXCLUDED(stop_mu_);
  void ShowHealth(bool& serving);
  void ShowCounters();

  const SteeringServerOptions options_;
  const Clock& clock_;
  SteeringMetrics metrics_;
  Published<ServingState> serving_;
  Sources sources_;
  std::unique_ptr<TokenSigner> signer_;
  std::unique_ptr<TokenCache> tokens_;
  std::vector<ApplianceId> gone_from_copy_;  // Written by LoadNear only.
  ClientFailures client_failures_;
  std::unique_ptr<DataPorts> data_ports_;
  std::unique_ptr<StandIn> stand_in_;  // While it serves, its thread's; then the builder's, which lets go of it.
  std::unique_ptr<TableBuilder> builder_;
  std::unique_ptr<OverloadGate> gate_;
  std::unique_ptr<Steerer> steerer_;
  std::unique_ptr<ContentSteering> content_steering_;
  std::unique_ptr<SteeringGrpc> grpc_;
  std::unique_ptr<RpcServer> rpc_;
  std::unique_ptr<HttpServer> http_;
  std::thread builder_thread_;
  std::thread stand_in_thread_;
  std::thread saver_thread_;
  std::thread table_saver_thread_;
  std::thread signer_thread_;
  absl::Mutex save_mu_;
  uint64_t saved_generation_ ABSL_GUARDED_BY(save_mu_) = 0;
  std::shared_ptr<const std::vector<ApplianceId>> saved_gone_ ABSL_GUARDED_BY(save_mu_);
  absl::Mutex save_feeds_mu_;
  std::unique_ptr<FeedCheckpoint> feeds_ ABSL_PT_GUARDED_BY(save_feeds_mu_);  // Null: nothing is kept.
  std::atomic<bool> bulk_loaded_ = false;                                     // Before that, what is on disk is more than what is here.
  absl::Mutex save_table_mu_;
  // What the table file was written of by this run. Not kept alive by that.
  struct SavedTable {
    std::weak_ptr<const LadderTable> ladders;
    std::weak_ptr<const Holdings> holdings;
    std::weak_ptr<const Catalogue> catalogue;
    bool Is(const SteeringTable& table) const {
      return ladders.lock() == table.ladders && holdings.lock() == table.holdings && catalogue.lock() == table.catalogue;
    }
  };
  SavedTable saved_table_ ABSL_GUARDED_BY(save_table_mu_);
  std::optional<ImageCounts> on_disk_ ABSL_GUARDED_BY(save_table_mu_);  // Of the table file.
  std::optional<absl::Duration> save_held_since_ ABSL_GUARDED_BY(save_table_mu_);
  std::optional<absl::Duration> take_over_held_since_;  // The builder's thread.
  mutable absl::Mutex stop_mu_;
  bool stopping_ ABSL_GUARDED_BY(stop_mu_) = false;
  bool stands_in_ ABSL_GUARDED_BY(stop_mu_) = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SERVER_H_
