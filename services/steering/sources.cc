#include "services/steering/sources.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
namespace iv1 = ingest::v1;
namespace cv1 = content::v1;

constexpr char kRegistry[] = "registry";
constexpr char kCatalog[] = "catalog";
constexpr char kPrincipal[] = "service/steerd";

template <typename Entry>
absl::StatusOr<std::vector<Entry>> ParseEntries(const SnapshotSection& section) {
  std::vector<Entry> entries(section.entries.size());
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!entries[i].ParseFromString(section.entries[i]) || entries[i].key().empty()) {
      return absl::DataLossError(absl::StrCat("snapshot section ", section.name, ": entry ", i, " can't be read"));
    }
  }
  return entries;
}

absl::StatusOr<CellId> CellOf(const SnapshotSection& section) {
  absl::StatusOr<CellId> id = CellId::ParseName(section.name, "section");
  return id.ok() ? std::move(id) : absl::DataLossError(id.status().message());
}

SnapshotSection MakeSection(const SourceStatus& status, FeedPosition position, const Clock& clock) {
  SnapshotSection section;
  section.name = status.source;
  section.position = position;
  section.saved_at = clock.Now();
  section.age = std::max(absl::ZeroDuration(), clock.Monotonic() - status.heard_at);
  return section;
}

template <typename Entry>
SnapshotSection ToSection(const SourceStatus& status, const HeldFeed<Entry>& held, const Clock& clock) {
  SnapshotSection section = MakeSection(status, held.position, clock);
  section.entries.reserve(held.entries.size());
  for (const auto& entry : held.entries) section.entries.push_back(entry->SerializeAsString());
  return section;
}

}  // namespace

Sources::Sources(const SourcesOptions& options, const Clock& clock) : options_(options), clock_(clock) {}

Sources::~Sources() {
  Stop();
}

void Sources::NoteRestored(const std::string& source, absl::Time saved_at, absl::Duration age) {
  // Wall time, because nothing else is the same in two runs; a clock that was set back makes it no younger than it was.
  const absl::Duration since = std::max(absl::ZeroDuration(), clock_.Now() - saved_at);
  absl::MutexLock lock(&restored_mu_);
  restored_at_[source] = clock_.Monotonic() - since - age;
}

absl::Status Sources::RestoreNear(const std::vector<SnapshotSection>& sections) {
  FeedPosition position;
  std::vector<rv1::ConfigEntry> config;
  std::map<CellId, std::vector<iv1::FleetEntry>> cells;
  for (const SnapshotSection& section : sections) {
    if (section.name == kRegistry) {
      ASSIGN_OR_RETURN(config, ParseEntries<rv1::ConfigEntry>(section));
      position = section.position;
    } else {
      ASSIGN_OR_RETURN(const CellId id, CellOf(section));
      ASSIGN_OR_RETURN(cells[id], ParseEntries<iv1::FleetEntry>(section));
    }
  }
  for (const SnapshotSection& section : sections) NoteRestored(section.name, section.saved_at, section.age);
  if (!position.nothing()) config_.Restore(position, std::move(config));
  absl::MutexLock lock(&mu_);
  for (auto& [id, entries] : cells) {
    CellFeed& cell = cells_[id];
    cell.store = std::make_shared<CellStore>(fleet_);
    cell.store->Restore({}, std::move(entries));
  }
  return absl::OkStatus();
}

std::shared_ptr<CellStore> Sources::RestoredCell(const CellId& cell) {
  absl::MutexLock lock(&mu_);
  std::shared_ptr<CellStore>& store = cells_[cell].store;
  if (store == nullptr) store = std::make_shared<CellStore>(fleet_);
  return store;
}

void Sources::ForgetBulk() {
  catalog_.Restore({}, {});
  absl::MutexLock lock(&mu_);
  for (auto& [id, cell] : cells_) cell.store->ForgetBulk();
}

template <typename Request, typename Response>
FeedClientOptions<Request, Response> Sources::ClientOptions(const std::string& name) const {
  FeedClientOptions<Request, Response> client;
  client.name = name;
  client.request.set_subscriber(options_.subscriber);
  client.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, kPrincipal); };
  client.heartbeat_interval = options_.heartbeat_interval;
  client.backoff = options_.backoff;
  // Another jitter for each feed, or all would return at the same moment.
  client.seed = options_.seed ^ std::hash<std::string>()(name);
  client.clock = &clock_;
  client.queue = queue_;
  return client;
}

void Sources::StartConfig(grpc::CompletionQueue* queue) {
  absl::MutexLock lock(&mu_);
  queue_ = queue;
  started_ = true;
  auto client = ClientOptions<rv1::WatchConfigRequest, rv1::WatchConfigResponse>("config");
  client.request.set_scope(rv1::CONFIG_SCOPE_STEERING);
  const std::shared_ptr<rv1::ConfigService::Stub> stub = rv1::ConfigService::NewStub(MakeChannel(options_.registry));
  client.start = [stub](auto* context, const auto& request, auto* read_on) {
    return stub->PrepareAsyncWatchConfig(context, request, read_on);
  };
  client.apply = ApplyTo<rv1::ConfigEntry>(&config_);
  client.held = config_.position();
  for (const std::string& key : config_.Keys()) client.held_keys.Insert(key);
  config_client_ = std::make_unique<ConfigClient>(std::move(client));
  config_client_->Start();
  for (auto& [id, cell] : cells_) {
    if (!cell.address.empty()) StartCell(id, cell);
  }
}

void Sources::StartRest() {
  absl::MutexLock lock(&mu_);
  if (stopped_) return;
  auto client = ClientOptions<cv1::WatchCatalogRequest, cv1::WatchCatalogResponse>("catalog");
  client.request.set_scope(cv1::CATALOG_SCOPE_STEERING);
  const std::shared_ptr<cv1::CatalogFeedService::Stub> stub = cv1::CatalogFeedService::NewStub(MakeChannel(options_.fill));
  client.start = [stub](auto* context, const auto& request, auto* queue) {
    return stub->PrepareAsyncWatchCatalog(context, request, queue);
  };
  client.apply = ApplyTo<cv1::CatalogEntry>(&catalog_);
  client.held = catalog_.position();
  for (const std::string& key : catalog_.Keys()) client.held_keys.Insert(key);
  catalog_client_ = std::make_unique<CatalogClient>(std::move(client));
  catalog_client_->Start();
}

void Sources::StartCell(const CellId& id, CellFeed& cell) {
  auto client = ClientOptions<iv1::WatchFleetRequest, iv1::WatchFleetResponse>(id.name());
  const std::shared_ptr<iv1::FleetFeedService::Stub> stub = iv1::FleetFeedService::NewStub(MakeChannel(cell.address));
  client.start = [stub](auto* context, const auto& request, auto* queue) { return stub->PrepareAsyncWatchFleet(context, request, queue); };
  client.apply = ApplyTo<iv1::FleetEntry>(cell.store);
  client.held = cell.store->position();
  cell.store->ForEachKey([&client](absl::string_view key) { client.held_keys.Insert(key); });
  cell.client = std::make_unique<FleetClient>(std::move(client));
  cell.client->Start();
}

// The clients stay: what they last heard, and when, is asked for to the end. Nobody takes one away once stopped_ is set.
void Sources::Stop() {
  std::vector<FeedClientLoop*> clients;
  {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
    clients = {config_client_.get(), catalog_client_.get()};
    for (auto& [id, cell] : cells_) clients.push_back(cell.client.get());
  }
  for (FeedClientLoop* client : clients) {
    if (client != nullptr) client->Stop();
  }
}

void Sources::FollowCells(const std::vector<CellAddress>& cells) {
  std::vector<std::unique_ptr<FleetClient>> ended;  // Stopped by their destructors, outside the lock: that waits for their threads.
  absl::MutexLock lock(&mu_);
  if (stopped_) return;
  std::map<CellId, std::string> wanted;
  for (const CellAddress& cell : cells) {
    if (wanted.size() < kMaxCells) {
      wanted[cell.id] = cell.address;
    } else {
      LogError("too many cells; one is left out", {{"cell", cell.id.name()}, {"limit", kMaxCells}});
    }
  }
  for (auto cell = cells_.begin(); cell != cells_.end();) {
    if (wanted.contains(cell->first)) {
      ++cell;
      continue;
    }
    LogInfo("cell let go of", {{"cell", cell->first.name()}});
    ended.push_back(std::move(cell->second.client));
    cell = cells_.erase(cell);
    ++fleet_.reports, ++fleet_.holdings, ++fleet_.routes;
  }
  for (const auto& [id, address] : wanted) {
    CellFeed& cell = cells_[id];
    if (cell.client != nullptr && cell.address == address) continue;
    LogInfo("following cell", {{"cell", id.name()}, {"address", address}});
    if (cell.store == nullptr) cell.store = std::make_shared<CellStore>(fleet_);
    if (cell.client != nullptr) cell.client->Stop();  // Before the next one writes into the same store.
    cell.address = address;
    if (started_) StartCell(id, cell);
  }
}

std::vector<std::shared_ptr<CellStore>> Sources::cells() const {
  absl::MutexLock lock(&mu_);
  std::vector<std::shared_ptr<CellStore>> stores;
  for (const auto& [id, cell] : cells_) stores.push_back(cell.store);
  return stores;
}

SourceStatus Sources::StatusOf(const std::string& name, FeedPosition position, const FeedClientLoop* client) const {
  SourceStatus status{.source = name, .position = position, .heard_at = -absl::InfiniteDuration()};
  const FeedClientStats stats = client == nullptr ? FeedClientStats() : client->stats();
  status.connected = stats.connected;
  if (stats.age < absl::InfiniteDuration()) {
    status.heard_at = clock_.Monotonic() - stats.age;
    return status;
  }
  absl::MutexLock lock(&restored_mu_);
  const auto restored = restored_at_.find(name);
  if (restored == restored_at_.end()) return status;
  status.heard_at = restored->second;
  status.from_disk = true;
  return status;
}

SourceStatus Sources::StatusOfConfig() const {
  absl::MutexLock lock(&mu_);
  return StatusOf(kRegistry, config_.position(), config_client_.get());
}

SourceStatus Sources::StatusOfCatalog() const {
  absl::MutexLock lock(&mu_);
  return StatusOf(kCatalog, catalog_.position(), catalog_client_.get());
}

std::vector<SourceStatus> Sources::Statuses() const {
  std::vector<SourceStatus> statuses = {StatusOfConfig(), StatusOfCatalog()};
  absl::MutexLock lock(&mu_);
  for (const auto& [id, cell] : cells_) statuses.push_back(StatusOf(id.name(), cell.store->position(), cell.client.get()));
  return statuses;
}

bool Sources::AwaitNews(absl::Duration patience) {
  absl::MutexLock lock(&news_mu_);
  news_mu_.AwaitWithTimeout(absl::Condition(&news_), patience);
  return std::exchange(news_, false);
}

uint64_t Sources::generation() const {
  uint64_t generation = config_.generation() + catalog_.generation() + fleet_.routes;  // Routes: also grows when a cell goes.
  absl::MutexLock lock(&mu_);
  for (const auto& [id, cell] : cells_) generation += cell.store->generation();
  return generation;
}

std::vector<std::pair<SourceStatus, std::shared_ptr<CellStore>>> Sources::CellsWithStatus() const {
  std::vector<std::pair<SourceStatus, std::shared_ptr<CellStore>>> cells;
  absl::MutexLock lock(&mu_);
  for (const auto& [id, cell] : cells_) {
    cells.emplace_back(StatusOf(id.name(), cell.store->position(), cell.client.get()), cell.store);
  }
  return cells;
}

std::vector<SnapshotSection> Sources::SaveNear() const {
  std::vector<SnapshotSection> sections;
  // Of a cell that was restored and not yet followed the position is nothing, and the entries are worth keeping.
  const auto add = [&](const SourceStatus& status, const auto& held) {
    if (!held.position.nothing() || !held.entries.empty()) sections.push_back(ToSection(status, held, clock_));
  };
  add(StatusOfConfig(), config_.Held());
  for (const auto& [status, store] : CellsWithStatus()) add(status, store->HeldNear());
  return sections;
}

}  // namespace fairlead
