// The feeds that a steerd follows: the configuration, the catalogue, and one fleet feed a cell, whose list comes from the configuration.
//
// StartConfig and Stop from one thread; StartRest and FollowCells from the table builder's; everything else from any thread.
// Nothing here waits for a source: what is held, from a source or from disk, stays in force.
//
//   Sources sources({.registry = "127.0.0.1:7001", .fill = "127.0.0.1:7003"}, clock);
//   sources.RestoreNear(*near.sections);   // What the last run held; the bulk by feed_checkpoint.h.
//   sources.StartConfig(); sources.StartRest();
#ifndef FAIRLEAD_SERVICES_STEERING_SOURCES_H_
#define FAIRLEAD_SERVICES_STEERING_SOURCES_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/base/backoff.h"
#include "libs/base/clock.h"
#include "libs/base/ids.h"
#include "libs/feed/feed_client.h"
#include "libs/feed/position.h"
#include "services/steering/catalogue_record.h"
#include "services/steering/cell_store.h"
#include "services/steering/config_views.h"
#include "services/steering/feed_store.h"
#include "services/steering/snapshot_file.h"

namespace fairlead {

using CatalogueStore = FeedStore<content::v1::CatalogEntry, CatalogueRecord>;

struct SourcesOptions {
  std::string registry;  // gRPC targets.
  std::string fill;
  std::string subscriber = "steerd";
  absl::Duration heartbeat_interval = absl::Seconds(2);
  BackoffPolicy backoff = {};
  uint64_t seed = 1;  // Of the jitter; different in each process.
};

// How fresh a source is.
struct SourceStatus {
  std::string source;       // "registry", "cells/x", "catalog".
  FeedPosition position;    // Nothing: never held anything.
  absl::Duration heard_at;  // On the monotonic clock; −infinite: never.
  bool from_disk = false;   // Not yet confirmed by its source.
  bool connected = false;
};

class Sources {
 public:
  // Most cells that are followed; more are named in the log and left out.
  static constexpr size_t kMaxCells = 256;

  Sources(const SourcesOptions& options, const Clock& clock);
  ~Sources();
  Sources(const Sources&) = delete;
  Sources& operator=(const Sources&) = delete;

  // Before StartConfig, if at all: what SaveNear gave. A cell is then known, but holds nothing as far as its feed goes. DATA_LOSS, with
  // nothing taken over, if an entry can't be read.
  absl::Status RestoreNear(const std::vector<SnapshotSection>& sections) ABSL_LOCKS_EXCLUDED(mu_);
  // Before StartRest and the first FollowCells, if at all: the store of a cell that a copy on disk knows. Feeds go on from where that
  // stood, which brings what is newer of the rest once more.
  std::shared_ptr<CellStore> RestoredCell(const CellId& cell) ABSL_LOCKS_EXCLUDED(mu_);
  // When the copy of a source was saved, and how long ago it had then been confirmed.
  void NoteRestored(const std::string& source, absl::Time saved_at, absl::Duration age) ABSL_LOCKS_EXCLUDED(restored_mu_);
  // What came of the bulk is gone again.
  void ForgetBulk() ABSL_LOCKS_EXCLUDED(mu_);
  // `queue`: see FeedClientOptions; the clients run until Stop. Cells that are followed already start too.
  void StartConfig(grpc::CompletionQueue* queue = nullptr) ABSL_LOCKS_EXCLUDED(mu_);
  // The catalogue. After StartConfig.
  void StartRest() ABSL_LOCKS_EXCLUDED(mu_);
  // No feed comes any more; what is held stays, and what is said of its age.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);

  // Subscribes (once started) to new cells and lets go of those that aren't listed. A cell that moved to another address keeps what is held
  // of it until the new one sends its own.
  void FollowCells(const std::vector<CellAddress>& cells) ABSL_LOCKS_EXCLUDED(mu_);

  const FeedStore<registry::v1::ConfigEntry>& config() const { return config_; }
  FeedStore<registry::v1::ConfigEntry>& config() { return config_; }
  const CatalogueStore& catalog() const { return catalog_; }
  CatalogueStore& catalog() { return catalog_; }
  const FleetGenerations& fleet() const { return fleet_; }
  // In the order of their ids. They stay usable when a cell is let go of.
  std::vector<std::shared_ptr<CellStore>> cells() const ABSL_LOCKS_EXCLUDED(mu_);

  // "registry", "catalog", then the cells.
  std::vector<SourceStatus> Statuses() const ABSL_LOCKS_EXCLUDED(mu_);
  // Until a feed has brought something since this was last asked; false after `patience`. One thread.
  bool AwaitNews(absl::Duration patience) ABSL_LOCKS_EXCLUDED(news_mu_);
  // Grows with every change of any source.
  uint64_t generation() const ABSL_LOCKS_EXCLUDED(mu_);
  // What is held of what is small and must be fresh, for the disk: configuration, states, sessions. Sources that never held anything are
  // left out.
  std::vector<SnapshotSection> SaveNear() const ABSL_LOCKS_EXCLUDED(mu_);
  // Each cell with its status, in the order of their ids.
  std::vector<std::pair<SourceStatus, std::shared_ptr<CellStore>>> CellsWithStatus() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using ConfigClient = FeedClient<registry::v1::WatchConfigRequest, registry::v1::WatchConfigResponse>;
  using CatalogClient = FeedClient<content::v1::WatchCatalogRequest, content::v1::WatchCatalogResponse>;
  using FleetClient = FeedClient<ingest::v1::WatchFleetRequest, ingest::v1::WatchFleetResponse>;

  struct CellFeed {
    std::string address;  // Empty: restored from disk, and not yet known from the configuration.
    std::shared_ptr<CellStore> store;
    std::unique_ptr<FleetClient> client;  // Null before it is followed.
  };

  // What a feed client does with a change: `store` applies it.
  template <typename Entry, typename Store>
  auto ApplyTo(Store store) {
    return [this, store](const FeedChange<Entry>& change) {
      const absl::Status applied = store->Apply(change);
      absl::MutexLock lock(&news_mu_);
      news_ = true;
      return applied;
    };
  }
  template <typename Request, typename Response>
  FeedClientOptions<Request, Response> ClientOptions(const std::string& name) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void StartCell(const CellId& id, CellFeed& cell) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  SourceStatus StatusOf(const std::string& name, FeedPosition position, const FeedClientLoop* client) const
      ABSL_LOCKS_EXCLUDED(restored_mu_);
  SourceStatus StatusOfConfig() const ABSL_LOCKS_EXCLUDED(mu_);
  SourceStatus StatusOfCatalog() const ABSL_LOCKS_EXCLUDED(mu_);

  const SourcesOptions options_;
  const Clock& clock_;
  FleetGenerations fleet_;
  FeedStore<registry::v1::ConfigEntry> config_;
  CatalogueStore catalog_;
  // When the copies on disk were last confirmed, on the monotonic clock (it may lie before its start).
  mutable absl::Mutex restored_mu_;
  std::map<std::string, absl::Duration> restored_at_ ABSL_GUARDED_BY(restored_mu_);
  absl::Mutex news_mu_;
  bool news_ ABSL_GUARDED_BY(news_mu_) = false;
  mutable absl::Mutex mu_;
  std::unique_ptr<ConfigClient> config_client_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<CatalogClient> catalog_client_ ABSL_GUARDED_BY(mu_);
  std::map<CellId, CellFeed> cells_ ABSL_GUARDED_BY(mu_);
  grpc::CompletionQueue* queue_ ABSL_GUARDED_BY(mu_) = nullptr;
  bool started_ ABSL_GUARDED_BY(mu_) = false;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SOURCES_H_
