#include "services/steering/fake_sources.h"

#include <cstdlib>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "libs/net/prefix.h"
#include "libs/rpc/status.h"
#include "roaring/roaring.hh"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
namespace iv1 = ingest::v1;
namespace cv1 = content::v1;

class ConfigFeed final : public rv1::ConfigService::WithRawCallbackMethod_WatchConfig<rv1::ConfigService::Service> {
 public:
  explicit ConfigFeed(FeedPublisher& publisher) : publisher_(publisher) {}
  FeedReactor* WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
    const auto request = ParseFeedRequest<rv1::WatchConfigRequest>(*raw);
    if (!request.ok()) return RefuseFeed(ToGrpcStatus(request.status()));
    if (request->scope() != rv1::CONFIG_SCOPE_STEERING) return RefuseFeed(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "scope"));
    return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
  }

 private:
  FeedPublisher& publisher_;
};

class CatalogFeed final : public cv1::CatalogFeedService::WithRawCallbackMethod_WatchCatalog<cv1::CatalogFeedService::Service> {
 public:
  explicit CatalogFeed(FeedPublisher& publisher) : publisher_(publisher) {}
  FeedReactor* WatchCatalog(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
    const auto request = ParseFeedRequest<cv1::WatchCatalogRequest>(*raw);
    if (!request.ok()) return RefuseFeed(ToGrpcStatus(request.status()));
    if (request->scope() != cv1::CATALOG_SCOPE_STEERING) return RefuseFeed(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "scope"));
    return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
  }

 private:
  FeedPublisher& publisher_;
};

class FleetFeed final : public iv1::FleetFeedService::WithRawCallbackMethod_WatchFleet<iv1::FleetFeedService::Service> {
 public:
  explicit FleetFeed(FeedPublisher& publisher) : publisher_(publisher) {}
  FeedReactor* WatchFleet(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
    const auto request = ParseFeedRequest<iv1::WatchFleetRequest>(*raw);
    if (!request.ok()) return RefuseFeed(ToGrpcStatus(request.status()));
    return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
  }

 private:
  FeedPublisher& publisher_;
};

std::unique_ptr<FeedPublisher> MakePublisher(const std::string& name, uint64_t epoch) {
  FeedPublisherOptions options;
  options.name = name;
  options.start = {epoch, 0};
  options.heartbeat_interval = absl::Milliseconds(100);
  return std::make_unique<FeedPublisher>(std::move(options));
}

std::unique_ptr<RpcServer> Serve(const std::string& program, grpc::Service* service) {
  RpcServerOptions options;
  options.program = program;
  auto server = RpcServer::Start(options, {service});
  if (!server.ok()) {
    fprintf(stderr, "%s\n", server.status().ToString().c_str());
    std::abort();
  }
  return *std::move(server);
}

}  // namespace

FakeSources::FakeSources(uint64_t epoch) : config_(MakePublisher("config", epoch)), catalog_(MakePublisher("catalog", epoch)) {
  config_service_ = std::make_unique<ConfigFeed>(*config_);
  registry_server_ = Serve("fake-registryd", config_service_.get());
  catalog_service_ = std::make_unique<CatalogFeed>(*catalog_);
  fill_server_ = Serve("fake-filld", catalog_service_.get());
  for (size_t i = 0; i < kCells; ++i) {
    Cell& cell = cells_.emplace_back();
    cell.publisher = MakePublisher(absl::StrCat("cell ", i), epoch);
    cell.service = std::make_unique<FleetFeed>(*cell.publisher);
    cell.server = Serve("fake-ingestd", cell.service.get());
  }
}

void FakeSources::Stop() {
  for (FeedPublisher* publisher : {config_.get(), catalog_.get()}) publisher->Shutdown();
  for (Cell& cell : cells_) cell.publisher->Shutdown();
  registry_server_->Shutdown(absl::ZeroDuration());
  fill_server_->Shutdown(absl::ZeroDuration());
  for (Cell& cell : cells_) cell.server->Shutdown(absl::ZeroDuration());
}

template <typename Entry>
void FakeSources::Put(FeedPublisher& publisher, const Entry& entry) {
  const absl::Status status = publisher.Publish({EncodeEntry(entry)});
  if (!status.ok()) fprintf(stderr, "publish: %s\n", status.ToString().c_str());
}

template <typename Entry>
void FakeSources::PutAll(FeedPublisher& publisher, const std::vector<Entry>& entries) {
  const absl::Status status = publisher.Publish(EncodeEntries(entries));
  if (!status.ok()) fprintf(stderr, "publish: %s\n", status.ToString().c_str());
}

void FakeSources::PutConfig(const std::vector<rv1::ConfigEntry>& entries) {
  PutAll(*config_, entries);
}
void FakeSources::PutCatalog(const std::vector<cv1::CatalogEntry>& entries) {
  PutAll(*catalog_, entries);
}
void FakeSources::PutFleet(size_t cell, const std::vector<iv1::FleetEntry>& entries) {
  PutAll(*cells_[cell].publisher, entries);
}
void FakeSources::PutConfig(const std::string& entry) {
  Put(*config_, FromText<rv1::ConfigEntry>(entry));
}
void FakeSources::PutCatalog(const std::string& entry) {
  Put(*catalog_, FromText<cv1::CatalogEntry>(entry));
}
void FakeSources::PutFleet(size_t cell, const std::string& entry) {
  Put(*cells_[cell].publisher, FromText<iv1::FleetEntry>(entry));
}
void FakeSources::RemoveConfig(const std::string& key) {
  PutConfig(absl::StrCat("key: '", key, "'"));
}
void FakeSources::RemoveCatalog(const std::string& key) {
  PutCatalog(absl::StrCat("key: '", key, "'"));
}
void FakeSources::RemoveFleet(size_t cell, const std::string& key) {
  PutFleet(cell, absl::StrCat("key: '", key, "'"));
}

void FakeSources::PutAppliance(const std::string& id, const std::string& site, const std::string& admin_state, const std::string& host) {
  PutConfig(absl::StrCat("key: 'appliances/", id, "' appliance { name: 'appliances/", id, "' site: 'sites/", site,
                         "' kind: APPLIANCE_KIND_STORAGE capacity_bps: 10000000000 admin_state: ", admin_state,
                         " endpoints { family: ADDRESS_FAMILY_IPV4 scheme: 'http' host: '", host,
                         "' port: 8080 } endpoints { family: ADDRESS_FAMILY_IPV6 scheme: 'https' host: '2001:db8::1' port: 443 } }"));
}

void FakeSources::PutState(size_t cell, const std::string& id, uint64_t incarnation, uint64_t sequence, const std::string& health,
                           int64_t throughput_bps) {
  PutFleet(cell, absl::StrCat("key: 'state/", id, "' state { appliance: 'appliances/", id, "' incarnation: ", incarnation, " sequence: ",
                              sequence, " health: ", health, " weight: 1 last_heartbeat { network { throughput_bps: ", throughput_bps,
                              " capacity_bps: 10000000000 } } }"));
}

void FakeSources::PutSilences(size_t cell, const std::vector<std::string>& ids, uint64_t incarnation, uint64_t sequence) {
  std::vector<EncodedEntry> entries;
  for (const std::string& id : ids) {
    entries.push_back(EncodeEntry(FromText<iv1::FleetEntry>(
        absl::StrCat("key: 'state/", id, "' state { appliance: 'appliances/", id, "' incarnation: ", incarnation, " sequence: ", sequence,
                     " health: HEALTH_STATE_SILENT report_age { seconds: 10 } last_heartbeat { network { throughput_bps: 1000000000 "
                     "capacity_bps: 10000000000 } } }"))));
  }
  const absl::Status status = cells_[cell].publisher->Publish(entries);
  if (!status.ok()) fprintf(stderr, "publish: %s\n", status.ToString().c_str());
}

void FakeSources::PutHoldings(size_t cell, const std::string& id, uint64_t incarnation, uint64_t sequence,
                              const std::vector<uint32_t>& files) {
  const Roaring bitmap(files.size(), files.data());
  std::string bytes(bitmap.getSizeInBytes(), '\0');
  bitmap.write(bytes.data());
  iv1::FleetEntry entry;
  entry.set_key(absl::StrCat("holdings/", id));
  entry.mutable_holdings()->set_appliance(absl::StrCat("appliances/", id));
  entry.mutable_holdings()->set_incarnation(incarnation);
  entry.mutable_holdings()->set_sequence(sequence);
  entry.mutable_holdings()->set_bitmap(bytes);
  Put(*cells_[cell].publisher, entry);
}

void FakeSources::PutRoute(size_t cell, const std::string& session, const std::string& appliance, const std::string& prefix) {
  const Prefix parsed = *Prefix::Parse(prefix);
  iv1::FleetEntry entry;
  entry.set_key(absl::StrCat("route/", session, "/", prefix, "/0"));
  iv1::AdmittedRoute& route = *entry.mutable_route();
  route.set_session(absl::StrCat("bgpSessions/", session));
  route.set_appliance(absl::StrCat("appliances/", appliance));
  route.mutable_prefix()->set_address(parsed.address().ToBytes());
  route.mutable_prefix()->set_length(static_cast<uint32_t>(parsed.length()));
  route.set_as_path_length(1);
  route.set_neighbour_as(64500);
  Put(*cells_[cell].publisher, entry);
}

void FakeSources::PutSession(size_t cell, const std::string& session, const std::string& appliance, bool established) {
  PutFleet(cell, absl::StrCat("key: 'session/", session, "' session { session: 'bgpSessions/", session, "' appliance: 'appliances/",
                              appliance, "' established: ", established ? "true" : "false", " }"));
}

void FakeSources::SetUpWorld(const std::string& key_id) {
  PutConfig(
      "key: 'partners/isp' partner { name: 'partners/isp' asns: 64500 allowed_prefixes: '198.51.0.0/16' "
      "allowed_prefixes: '2001:db8:100::/40' }");
  PutConfig(
      "key: 'sites/emb' site { name: 'sites/emb' kind: SITE_KIND_EMBEDDED partner: 'partners/isp' country: 'GB' "
      "coordinates { latitude: 51.5 longitude: -0.1 } }");
  PutConfig(
      "key: 'sites/ix' site { name: 'sites/ix' kind: SITE_KIND_IX open_to_unrouted: true country: 'NL' "
      "coordinates { latitude: 52.4 longitude: 4.9 } }");
  PutConfig("key: 'links/up' link { name: 'links/up' site: 'sites/emb' kind: KIND_SITE_UPLINK capacity_bps: 20000000000 }");
  for (const auto& [id, site] : {std::pair("oca-1", "emb"), {"oca-2", "emb"}, {"oca-3", "ix"}, {"oca-4", "ix"}}) {
    PutAppliance(id, site, "ADMIN_STATE_LIVE", absl::StrReplaceAll(id, {{"oca-", "192.0.2."}}));
    PutState(0, id, 1, 1);
    PutHoldings(0, id, 1, 1, {1, 2, 3});
  }
  for (const auto& [session, appliance] : {std::pair("s-1", "oca-1"), {"s-2", "oca-2"}}) {
    PutConfig(absl::StrCat("key: 'bgpSessions/", session, "' bgp_session { name: 'bgpSessions/", session, "' appliance: 'appliances/",
                           appliance, "' role: ROLE_DIRECT partner: 'partners/isp' transport_class: TRANSPORT_CLASS_EMBEDDED }"));
    PutSession(0, session, appliance);
    PutRoute(0, session, appliance, "198.51.100.0/24");
    PutRoute(0, session, appliance, "2001:db8:100::/40");
  }
  std::string renditions;
  for (const auto& [number, name] : {std::pair(1, "video-720p"), {2, "video-480p"}, {3, "audio-en"}}) {
    const bool sound = number == 3;
    absl::StrAppend(&renditions, "renditions { rendition: '", name, "' kind: ", sound ? "KIND_AUDIO" : "KIND_VIDEO", " codecs: '",
                    sound ? "mp4a.40.2" : "avc1.42c01f", "' bandwidth_bps: ", 1000000 * (4 - number), " file { file_number: ", number,
                    " path: 'movie/v1/", name, "/media.mp4' size_bytes: ", 1000 * number, " playlist { path: 'movie/v1/", name,
                    "/media.m3u8' } } } ");
  }
  PutCatalog(
      absl::StrCat("key: 'titles/movie' title { name: 'titles/movie' current_version: 'v1' versions { version: 'v1' ", renditions, "} }"));
  for (size_t i = 0; i < kCells; ++i) {
    PutConfig(absl::StrCat("key: 'cells/c", i + 1, "' cell { name: 'cells/c", i + 1, "' address: '", cell_target(i), "' }"));
  }
  // Last: with it everything is there.
  PutConfig(absl::StrCat("key: 'signingKeys/", key_id, "' signing_key { name: 'signingKeys/", key_id, "' state: STATE_ACTIVE }"));
}

}  // namespace fairlead
