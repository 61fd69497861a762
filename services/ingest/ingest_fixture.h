// For tests of ingestd through its front doors: real server, real streams, a registry that is a feed served by the test.
#ifndef FAIRLEAD_SERVICES_INGEST_INGEST_FIXTURE_H_
#define FAIRLEAD_SERVICES_INGEST_INGEST_FIXTURE_H_

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/ingest/v1/appliance_link_service.grpc.pb.h"
#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/clock/fake_clock.h"
#include "libs/feed/feed_client.h"
#include "libs/feed/feed_publisher.h"
#include "libs/net/prefix.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/server.h"
#include "libs/rpc/status.h"
#include "libs/signing/digest.h"
#include "roaring/roaring.hh"
#include "services/ingest/fake_traffic_store.h"
#include "services/ingest/server.h"

namespace fairlead::ingest {

using content::v1::CatalogEntry;
using registry::v1::ConfigEntry;

inline bool Eventually(const std::function<bool()>& holds, absl::Duration patience = absl::Seconds(20)) {
  const absl::Time deadline = absl::Now() + patience;
  while (!holds()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(5));
  }
  return true;
}

// registryd and filld, as far as ingestd sees them.
class FakeSources {
 public:
  class Config final : public registry::v1::ConfigService::WithRawCallbackMethod_WatchConfig<registry::v1::ConfigService::Service> {
   public:
    explicit Config(FeedPublisher& publisher) : publisher_(publisher) {}
    FeedReactor* WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
      const auto request = ParseFeedRequest<registry::v1::WatchConfigRequest>(*raw);
      // A call that was cancelled before it was read has no message.
      if (!request.ok()) return RefuseFeed(ToGrpcStatus(request.status()));
      EXPECT_EQ(request->scope(), registry::v1::CONFIG_SCOPE_CELL);
      return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
    }
    FeedPublisher& publisher_;
  };
  class Catalog final
      : public content::v1::CatalogFeedService::WithRawCallbackMethod_WatchCatalog<content::v1::CatalogFeedService::Service> {
   public:
    explicit Catalog(FeedPublisher& publisher) : publisher_(publisher) {}
    FeedReactor* WatchCatalog(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
      const auto request = ParseFeedRequest<content::v1::WatchCatalogRequest>(*raw);
      // A call that was cancelled before it was read has no message.
      if (!request.ok()) return RefuseFeed(ToGrpcStatus(request.status()));
      EXPECT_EQ(request->scope(), content::v1::CATALOG_SCOPE_CELL);
      return publisher_.Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
    }
    FeedPublisher& publisher_;
  };

  FakeSources()
      : config({.name = "config", .start = {}, .heartbeat_interval = absl::Milliseconds(500)}),
        catalog({.name = "catalog", .start = {1, 0}, .heartbeat_interval = absl::Milliseconds(500)}),
        config_service_(config),
        catalog_service_(catalog),
        server(*RpcServer::Start({.program = "sources", .listen = "127.0.0.1:0", .configure = nullptr},
                                 {&config_service_, &catalog_service_})) {}
  ~FakeSources() {
    config.Shutdown();
    catalog.Shutdown();
    server->Shutdown(absl::ZeroDuration());
  }

  // A text-format resource under its name.
  void Set(const std::string& name, const std::string& text) {
    ConfigEntry entry;
    entry.set_key(name);
    const std::string field = FieldOf(name);
    const std::string named = field == "generation" ? text : absl::StrCat("name: '", name, "' ", text);
    ASSERT_TRUE(google::protobuf::TextFormat::MergeFromString(absl::StrCat(field, " { ", named, " }"), &entry)) << text;
    Publish({EncodeEntry(entry)});
  }
  void Remove(const std::string& name) { Publish({EncodedEntry::Removal(name)}); }
  void SetManifest(const std::string& appliance, const std::string& generation) {
    CatalogEntry entry;
    entry.set_key(absl::StrCat("manifests/", appliance));
    entry.set_manifest_generation(generation);
    ASSERT_TRUE(catalog.Publish({EncodeEntry(entry)}).ok());
  }

  FeedPublisher config;
  FeedPublisher catalog;

 private:
  void Publish(std::vector<EncodedEntry> entries) { ASSERT_TRUE(config.PublishAt({1, ++version_}, std::move(entries)).ok()); }
  static std::string FieldOf(const std::string& name) {
    static const std::map<std::string, std::string> kFields = {{"partners", "partner"},        {"appliances", "appliance"},
                                                               {"bgpSessions", "bgp_session"}, {"policies", "policy"},
                                                               {"generations", "generation"},  {"cells", "cell"}};
    return kFields.at(name.substr(0, name.find('/')));
  }

  Config config_service_;
  Catalog catalog_service_;
  uint64_t version_ = 0;

 public:
  std::unique_ptr<RpcServer> server;
};

inline std::string SecretOf(const std::string& id) {
  return absl::StrCat("secret-of-", id);
}

inline v1::Heartbeat IdleHeartbeat() {
  v1::Heartbeat heartbeat;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(R"(
    cpu { cores: 16 utilisation: 0.1 } memory { total_bytes: 64000 available_bytes: 32000 }
    tiers { tier: TIER_DISK capacity_bytes: 1000 used_bytes: 500 free_bytes: 500 }
    network { throughput_bps: 1000000000 capacity_bps: 10000000000 } nginx { state: STATE_RUNNING })",
                                                            &heartbeat));
  return heartbeat;
}

inline std::string Bitmap(std::initializer_list<uint32_t> files) {
  Roaring roaring;
  for (const uint32_t file : files) roaring.add(file);
  std::string bytes(roaring.getSizeInBytes(), '\0');
  roaring.write(bytes.data());
  return bytes;
}

inline std::vector<uint32_t> FilesIn(const std::string& bitmap) {
  std::vector<uint32_t> files;
  if (bitmap.empty()) return files;
  for (const uint32_t file : Roaring::readSafe(bitmap.data(), bitmap.size())) files.push_back(file);
  return files;
}

inline v1::Route MakeRoute(const std::string& prefix_text, std::vector<uint32_t> path, uint32_t path_id = 0, const std::string& hop = "") {
  const Prefix prefix = Prefix::Parse(prefix_text).value();
  v1::Route route;
  route.mutable_prefix()->set_address(prefix.address().ToBytes());
  route.mutable_prefix()->set_length(static_cast<uint32_t>(prefix.length()));
  route.set_path_id(path_id);
  if (!path.empty()) {
    v1::AsPathSegment* segment = route.add_as_path();
    segment->set_kind(v1::AsPathSegment::KIND_SEQUENCE);
    segment->mutable_asns()->Add(path.begin(), path.end());
  }
  if (!hop.empty()) route.set_next_hop(IpAddress::Parse(hop).value().ToBytes());
  return route;
}

// A box's agent: one stream, and what was said to it.
class Agent {
 public:
  Agent(const std::string& target, const std::string& id, uint64_t incarnation = 1, const std::string& credential = "")
      : id_(id), incarnation_(incarnation), stub_(v1::ApplianceLinkService::NewStub(MakeChannel(target))) {
    Open(credential.empty() ? SecretOf(id) : credential);
  }
  ~Agent() { Hang(); }

  void Open(const std::string& credential) {
    context_ = std::make_unique<grpc::ClientContext>();
    context_->set_wait_for_ready(true);
    if (credential != "none") SetBearer(*context_, credential);
    stream_ = stub_->Connect(context_.get());
    reader_ = std::thread([this] {
      v1::Instruction instruction;
      while (stream_->Read(&instruction)) {
        absl::MutexLock lock(&mu_);
        instructions_.push_back(instruction);
      }
      absl::MutexLock lock(&mu_);
      ended_ = true;
    });
  }
  void Hang() {
    if (!reader_.joinable()) return;
    context_->TryCancel();
    reader_.join();
    (void)stream_->Finish();
  }
  // The stream breaks, and comes back.
  void Reconnect() {
    Hang();
    {
      absl::MutexLock lock(&mu_);
      instructions_.clear();
      ended_ = false;
    }
    Open(SecretOf(id_));
  }
  // Waits for the server to end the stream.
  grpc::Status End() {
    EXPECT_TRUE(Eventually([this] {
      absl::MutexLock lock(&mu_);
      return ended_;
    }));
    if (reader_.joinable()) reader_.join();
    return stream_->Finish();
  }

  v1::Report Next() {
    v1::Report report;
    report.set_incarnation(incarnation_);
    report.set_sequence(++sequence_);
    return report;
  }
  void Send(const v1::Report& report) {
    v1::ConnectRequest request;
    *request.add_reports() = report;
    stream_->Write(request);
  }
  void Hello(const std::string& config_generation = "", const std::string& manifest_generation = "") {
    v1::Report report = Next();
    report.mutable_hello()->set_appliance(absl::StrCat("appliances/", id_));
    report.mutable_hello()->set_agent_version("test");
    report.mutable_hello()->set_config_generation(config_generation);
    report.mutable_hello()->set_manifest_generation(manifest_generation);
    Send(report);
  }
  void Beat(const v1::Heartbeat& heartbeat = IdleHeartbeat()) {
    v1::Report report = Next();
    *report.mutable_heartbeat() = heartbeat;
    Send(report);
  }
  void Hold(std::initializer_list<uint32_t> files) {
    v1::Report report = Next();
    report.mutable_holdings_update()->set_full(true);
    report.mutable_holdings_update()->set_bitmap(Bitmap(files));
    Send(report);
  }
  void ChangeHoldings(std::initializer_list<uint32_t> added, std::initializer_list<uint32_t> removed) {
    v1::Report report = Next();
    report.mutable_holdings_update()->set_added(Bitmap(added));
    report.mutable_holdings_update()->set_removed(Bitmap(removed));
    Send(report);
  }
  // With `restart` a whole table, which ends with End-of-RIB as an agent's does.
  void Routes(const std::string& session, std::vector<v1::Route> routes, bool restart = false) {
    v1::Report report = Next();
    report.mutable_route_update()->set_session(absl::StrCat("bgpSessions/", session));
    report.mutable_route_update()->set_restart(restart);
    if (restart) {
      report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
      report.mutable_route_update()->add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
    }
    for (v1::Route& route : routes) *report.mutable_route_update()->add_announced() = std::move(route);
    Send(report);
  }
  void Change(const std::string& session, v1::SessionChange::Kind kind, const std::string& reason) {
    v1::Report report = Next();
    report.mutable_route_update()->set_session(absl::StrCat("bgpSessions/", session));
    report.mutable_route_update()->mutable_session_change()->set_kind(kind);
    report.mutable_route_update()->mutable_session_change()->set_reason(reason);
    Send(report);
  }
  bool Acked() { return Acked(sequence_); }
  bool Acked(uint64_t sequence) {
    return Eventually([&] {
      absl::MutexLock lock(&mu_);
      for (const v1::Instruction& instruction : instructions_) {
        if (instruction.ack().sequence() >= sequence) return true;
      }
      return false;
    });
  }
  // Waits for the answer to a hello: true if it was taken, false if the stream was ended instead.
  bool Greeted() {
    bool acked = false;
    EXPECT_TRUE(Eventually([&] {
      absl::MutexLock lock(&mu_);
      for (const v1::Instruction& instruction : instructions_) acked = acked || instruction.has_ack();
      return acked || ended_;
    }));
    return acked;
  }
  bool Told(const std::function<bool(const v1::Instruction&)>& what) {
    return Eventually([&] { return Count(what) > 0; });
  }
  int Count(const std::function<bool(const v1::Instruction&)>& what) {
    absl::MutexLock lock(&mu_);
    int count = 0;
    for (const v1::Instruction& instruction : instructions_) count += what(instruction) ? 1 : 0;
    return count;
  }
  void SkipSequences(uint64_t by) { sequence_ += by; }
  void SetSequence(uint64_t to) { sequence_ = to; }

 private:
  const std::string id_;
  const uint64_t incarnation_;
  uint64_t sequence_ = 0;
  std::unique_ptr<v1::ApplianceLinkService::Stub> stub_;
  std::unique_ptr<grpc::ClientContext> context_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::ConnectRequest, v1::Instruction>> stream_;
  std::thread reader_;
  absl::Mutex mu_;
  std::vector<v1::Instruction> instructions_ ABSL_GUARDED_BY(mu_);
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
};

inline bool AsksRoutes(const v1::Instruction& instruction) {
  return instruction.resend().routes();
}
inline bool AsksHoldings(const v1::Instruction& instruction) {
  return instruction.resend().holdings();
}

// The entries of the fleet feed by key, in text; without what differs by the moment of sending.
using FleetEntries = std::map<std::string, std::string>;
inline void Put(v1::FleetEntry entry, FleetEntries& entries) {
  if (entry.has_state()) entry.mutable_state()->clear_report_age();
  entries[entry.key()] = entry.DebugString();
}

// What a new subscriber is given first of all: the whole of the feed.
inline FleetEntries FirstSnapshot(const std::string& target, uint64_t* epoch = nullptr) {
  const auto stub = v1::FleetFeedService::NewStub(MakeChannel(target));
  grpc::ClientContext context;
  SetPrincipal(context, "service/test");
  const auto reader = stub->WatchFleet(&context, v1::WatchFleetRequest());
  FleetEntries entries;
  v1::WatchFleetResponse response;
  do {
    EXPECT_TRUE(reader->Read(&response));
    for (const v1::FleetEntry& entry : response.entries()) Put(entry, entries);
  } while (response.frame().more());
  if (epoch != nullptr) *epoch = response.frame().position().epoch();
  context.TryCancel();
  (void)reader->Finish();
  return entries;
}

// What a subscriber of the fleet feed holds.
class Subscriber {
 public:
  explicit Subscriber(const std::string& target) : stub_(v1::FleetFeedService::NewStub(MakeChannel(target))) {
    FeedClientOptions<v1::WatchFleetRequest, v1::WatchFleetResponse> options;
    options.start = [this](auto* context, const auto& request, auto* queue) {
      return stub_->PrepareAsyncWatchFleet(context, request, queue);
    };
    options.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, "service/test"); };
    options.apply = [this](const FeedChange<v1::FleetEntry>& change) {
      absl::MutexLock lock(&mu_);
      if (change.snapshot) entries_.clear();
      for (const v1::FleetEntry& entry : change.entries) {
        ++seen_[entry.key()];
        if (IsRemoval(entry)) {
          entries_.erase(entry.key());
        } else {
          entries_[entry.key()] = entry;
        }
      }
      return absl::OkStatus();
    };
    client_ = std::make_unique<FeedClient<v1::WatchFleetRequest, v1::WatchFleetResponse>>(std::move(options));
    client_->Start();
  }
  v1::FleetEntry Get(const std::string& key) {
    absl::MutexLock lock(&mu_);
    return entries_[key];
  }
  std::vector<uint32_t> Holdings(const std::string& appliance) {
    return FilesIn(Get(absl::StrCat("holdings/", appliance)).holdings().bitmap());
  }
  bool Has(const std::string& key) {
    absl::MutexLock lock(&mu_);
    const auto found = entries_.find(key);
    return found != entries_.end() && !IsRemoval(found->second);
  }
  // How often a key came, by its beginning.
  int SeenOf(const std::string& prefix) {
    absl::MutexLock lock(&mu_);
    int seen = 0;
    for (auto at = seen_.lower_bound(prefix); at != seen_.end() && at->first.substr(0, prefix.size()) == prefix; ++at) seen += at->second;
    return seen;
  }
  int Seen(const std::string& key) {
    absl::MutexLock lock(&mu_);
    return seen_[key];
  }

 private:
  absl::Mutex mu_;
  std::map<std::string, v1::FleetEntry> entries_;
  std::map<std::string, int> seen_;
  std::unique_ptr<v1::FleetFeedService::Stub> stub_;
  std::unique_ptr<FeedClient<v1::WatchFleetRequest, v1::WatchFleetResponse>> client_;
};

class IngestTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char folder[] = "/tmp/ingest-XXXXXX";
    ASSERT_NE(mkdtemp(folder), nullptr);
    state_dir_ = folder;
  }
  void TearDown() override {
    server_.reset();
    ASSERT_EQ(std::system(absl::StrCat("rm -r ", state_dir_).c_str()), 0);
  }

  void Start() {
    IngestOptions options;
    options.listen = absl::StrCat("127.0.0.1:", port_);
    options.cell = "lhr";
    options.registry = registry_is_down_ ? "127.0.0.1:1" : sources_.server->target();
    options.fill = sources_.server->target();
    options.state_dir = state_dir_;
    options.publish_interval = publish_interval_;
    options.feed_heartbeat = absl::Milliseconds(500);
    options.traffic_interval = absl::Milliseconds(20);
    options.vrp_file = vrp_file_;
    options.vrp_interval = absl::Milliseconds(20);
    options.checkpoint_interval = checkpoint_interval_;
    options.clock = server_clock_;
    options.longest_deafness = longest_deafness_;
    options.traffic_store = &traffic_;
    options.most_appliances = most_appliances_;
    options.most_streams = most_streams_;
    absl::StatusOr<std::unique_ptr<IngestServer>> server = IngestServer::Start(options);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    port_ = server_->port();
  }
  // Goes on with what a kill -9 leaves at this moment: the files.
  void CrashAndStart() {
    const std::string copy = state_dir_ + ".copy";
    ASSERT_EQ(std::system(absl::StrCat("cp -r ", state_dir_, " ", copy).c_str()), 0);
    server_.reset();
    ASSERT_EQ(std::system(absl::StrCat("rm -r ", state_dir_, " && mv ", copy, " ", state_dir_).c_str()), 0);
    Start();
  }
  void LoseCheckpoint() { ASSERT_EQ(std::system(absl::StrCat("rm -f ", state_dir_, "/fleet.*").c_str()), 0); }
  // A partner with AS 64500 and 198.51.0.0/16, and a box with one session to it.
  void Configure() {
    sources_.Set("partners/isp", "asns: 64500 allowed_prefixes: '198.51.0.0/16' allowed_prefixes: '2a00:100::/32'");
    AddBox("oca-1");
    sources_.Set("bgpSessions/s1", R"(appliance: 'appliances/oca-1' role: ROLE_DIRECT peer_address: '198.51.0.1' peer_asn: 64500
                 partner: 'partners/isp' transport_class: TRANSPORT_CLASS_EMBEDDED)");
  }
  void AddBox(const std::string& id, const std::string& more = "kind: APPLIANCE_KIND_STORAGE") {
    sources_.Set(absl::StrCat("appliances/", id),
                 absl::StrCat("site: 'sites/lhr001' bgp { asn: 65001 } credential_sha256: '", Sha256Hex(SecretOf(id)), "' ", more));
  }
  void StartConfigured() {
    Configure();
    Start();
    ASSERT_TRUE(Eventually([this] { return server_->MetricsText().find("fairlead_ingest_config_age_seconds -1") == std::string::npos; }));
  }
  std::unique_ptr<Agent> Connected(const std::string& id = "oca-1", uint64_t incarnation = 1) {
    auto agent = std::make_unique<Agent>(server_->target(), id, incarnation);
    agent->Hello();
    EXPECT_TRUE(agent->Acked());
    return agent;
  }
  v1::ApplianceState State(const std::string& id = "oca-1") {
    const auto stub = v1::FleetQueryService::NewStub(MakeChannel(server_->target()));
    grpc::ClientContext context;
    SetPrincipal(context, "operator/test");
    v1::GetApplianceStateRequest request;
    request.set_name(absl::StrCat("appliances/", id));
    v1::ApplianceState state;
    EXPECT_TRUE(stub->GetApplianceState(&context, request, &state).ok());
    return state;
  }
  grpc::Status Routes(v1::ListRoutesResponse& response, v1::ListRoutesRequest request = {}) {
    const auto stub = v1::FleetQueryService::NewStub(MakeChannel(server_->target()));
    grpc::ClientContext context;
    SetPrincipal(context, "operator/test");
    if (request.appliance().empty()) request.set_appliance("appliances/oca-1");
    return stub->ListRoutes(&context, request, &response);
  }
  // "198.51.1.0/24 ADMITTED", "… BOGON".
  std::vector<std::string> Verdicts() {
    v1::ListRoutesResponse response;
    EXPECT_TRUE(Routes(response).ok());
    std::vector<std::string> verdicts;
    for (const v1::ReportedRoute& route : response.routes()) {
      const Prefix prefix =
          Prefix::Of(IpAddress::FromBytes(route.route().prefix().address()).value(), static_cast<int>(route.route().prefix().length()));
      verdicts.push_back(absl::StrCat(prefix.ToString(), " ", route.admitted() ? "ADMITTED" : route.drop_reason()));
    }
    return verdicts;
  }

  FakeSources sources_;
  FakeClock clock_;
  const FakeClock* server_clock_ = &clock_;
  absl::Duration longest_deafness_ = absl::InfiniteDuration();  // A test's clock leaps; nobody was deaf meanwhile.
  bool registry_is_down_ = false;
  FakeTrafficStore traffic_;
  std::string state_dir_;
  std::string vrp_file_;
  absl::Duration publish_interval_ = absl::Milliseconds(10);
  absl::Duration checkpoint_interval_ = absl::Milliseconds(10);
  int port_ = 0;
  size_t most_appliances_ = 100;
  size_t most_streams_ = 100;
  std::unique_ptr<IngestServer> server_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_INGEST_FIXTURE_H_
