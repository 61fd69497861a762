// The whole agent with real NGINX and BIRD against a control plane inside the test.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/content/paths.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/server.h"
#include "libs/signing/base64url.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token.h"
#include "roaring/roaring.hh"
#include "services/agent/agent.h"
#include "services/agent/child_process.h"
#include "services/agent/nginx/daemon.h"
#include "services/agent/small_disk.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

using ::testing::HasSubstr;

constexpr size_t kSize = 50'000;

// registryd, filld and ingestd as far as a box can tell.
class FakeControlPlane final : public registry::v1::RegistryService::Service,
                               public registry::v1::ConfigService::Service,
                               public fill::v1::FillService::Service,
                               public ingest::v1::ApplianceLinkService::Service {
 public:
  grpc::Status Enroll(grpc::ServerContext*, const registry::v1::EnrollRequest* request, registry::v1::EnrollResponse* response) override {
    if (request->token() != "token-1") return {grpc::StatusCode::PERMISSION_DENIED, "token: not the one that was issued"};
    absl::MutexLock lock(&mu_);
    response->set_appliance(appliance_);
    response->set_credential(credential_);
    return grpc::Status::OK;
  }
  grpc::Status GetApplianceConfig(grpc::ServerContext* context, const registry::v1::GetApplianceConfigRequest* request,
                                  registry::v1::ApplianceConfig* response) override {
    absl::MutexLock lock(&mu_);
    if (PrincipalOf(*context).credential != credential_) return {grpc::StatusCode::UNAUTHENTICATED, "credential"};
    if (request->if_generation() == config_.generation()) {
      response->set_generation(config_.generation());
      response->set_unchanged(true);
    } else {
      *response = config_;
    }
    return grpc::Status::OK;
  }
  grpc::Status GetManifest(grpc::ServerContext*, const fill::v1::GetManifestRequest* request, fill::v1::Manifest* response) override {
    absl::MutexLock lock(&mu_);
    *response = manifest_;
    if (request->if_generation() == manifest_.generation()) {
      response->clear_entries();
      response->set_unchanged(true);
    }
    return grpc::Status::OK;
  }
  grpc::Status ResolveSources(grpc::ServerContext*, const fill::v1::ResolveSourcesRequest* request,
                              fill::v1::ResolveSourcesResponse* response) override {
    absl::MutexLock lock(&mu_);
    for (const uint32_t number : request->file_numbers()) {
      fill::v1::FileSources& file = *response->add_files();
      file.set_file_number(number);
      fill::v1::Source& source = *file.add_sources();
      source.set_class_(fill::v1::Source::CLASS_ORIGIN);
      source.set_appliance("appliances/origin-1");
      source.set_base_url(origin_url_);
    }
    return grpc::Status::OK;
  }
  grpc::Status Connect(grpc::ServerContext* context,
                       grpc::ServerReaderWriter<ingest::v1::Instruction, ingest::v1::ConnectRequest>* stream) override {
    if (PrincipalOf(*context).credential != Get(&FakeControlPlane::credential_)) return {grpc::StatusCode::UNAUTHENTICATED, "credential"};
    ingest::v1::ConnectRequest request;
    while (stream->Read(&request)) {
      std::vector<ingest::v1::Instruction> instructions(1);
      {
        absl::MutexLock lock(&mu_);
        if (PrincipalOf(*context).credential != credential_) return {grpc::StatusCode::UNAUTHENTICATED, "credential"};
        for (const ingest::v1::Report& report : request.reports()) Take(report);
        instructions[0].mutable_ack()->set_sequence(last_sequence_);
        for (ingest::v1::Instruction& instruction : next_) instructions.push_back(std::move(instruction));
        next_.clear();
      }
      for (const ingest::v1::Instruction& instruction : instructions) stream->Write(instruction);
    }
    return grpc::Status::OK;
  }

  void Take(const ingest::v1::Report& report) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    // (incarnation, sequence) only ever rises.
    if (std::pair(report.incarnation(), report.sequence()) <= std::pair(last_incarnation_, last_sequence_)) ++out_of_order_;
    last_incarnation_ = report.incarnation();
    last_sequence_ = report.sequence();
    if (report.has_hello()) hellos_.push_back(report.hello());
    if (report.has_heartbeat()) {
      heartbeat_ = report.heartbeat();
      ++heartbeats_;
    }
    if (report.has_route_update()) TakeRoutes(report.route_update());
    if (report.has_holdings_update()) TakeHoldings(report.holdings_update());
    for (const ingest::v1::TrafficRow& row : report.traffic_summary().rows()) traffic_.push_back(row);
  }
  void TakeRoutes(const ingest::v1::RouteUpdate& update) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    auto& routes = routes_[update.session()];
    if (update.restart()) {
      routes.clear();
      ++restarts_[update.session()];
    }
    for (const ingest::v1::Route& route : update.announced()) routes[route.prefix().address()] = route;
    for (const ingest::v1::WithdrawnRoute& route : update.withdrawn()) routes.erase(route.prefix().address());
    if (update.has_session_change()) change_[update.session()] = update.session_change();
  }
  void TakeHoldings(const ingest::v1::HoldingsUpdate& update) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const auto read = [](const std::string& bytes) { return bytes.empty() ? Roaring() : Roaring::readSafe(bytes.data(), bytes.size()); };
    if (update.full()) ++full_holdings_;
    holdings_ = update.full() ? read(update.bitmap()) : (holdings_ | read(update.added())) - read(update.removed());
  }

  template <typename T>
  T Get(T FakeControlPlane::*member) {
    absl::MutexLock lock(&mu_);
    return this->*member;
  }
  void Instruct(ingest::v1::Instruction instruction) {
    absl::MutexLock lock(&mu_);
    next_.push_back(std::move(instruction));
  }

  // As an operator does who issues a new token.
  void Rebind(const std::string& appliance, const std::string& credential) {
    absl::MutexLock lock(&mu_);
    appliance_ = appliance;
    credential_ = credential;
  }

  absl::Mutex mu_;
  std::string appliance_ = "appliances/box-1", credential_ = "credential-1";
  registry::v1::ApplianceConfig config_;
  fill::v1::Manifest manifest_;
  std::string origin_url_;
  std::vector<ingest::v1::Hello> hellos_;
  ingest::v1::Heartbeat heartbeat_;
  int heartbeats_ = 0, out_of_order_ = 0, full_holdings_ = 0;
  uint64_t last_incarnation_ = 0, last_sequence_ = 0;
  std::map<std::string, std::map<std::string, ingest::v1::Route>> routes_;
  std::map<std::string, int> restarts_;
  std::map<std::string, ingest::v1::SessionChange> change_;
  std::vector<ingest::v1::TrafficRow> traffic_;
  Roaring holdings_;
  std::vector<ingest::v1::Instruction> next_;
};

class AgentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    key_ = std::make_unique<EcKeyPair>(GenerateEcKeyPair().value());
    const int base = getpid() % 60000;
    box_ = IpAddress::V4(0x7f400000 + base * 4).ToString();
    neighbour_ = IpAddress::V4(0x7f400000 + base * 4 + 1).ToString();
    port_ = FreePort(box_);
    content_ = RandomBytes(kSize, 5);
    StartOrigin();
    StartControlPlane();
    FillConfig();
  }
  void StartOrigin() {
    temp_.Write("origin/disk/big-film/v1/video/media.mp4", content_);
    temp_.Write("origin/disk/big-film/v1/video/media.m3u8", "#EXTM3U\n");
    const int port = FreePort();
    origin_ = std::make_unique<NginxDaemon>(
        NginxDaemonOptions{.work_folder = temp_.path() + "/origin/nginx", .run_folder = temp_.path() + "/origin/run"});
    NginxConfigInput input;
    input.listens = {{AddressFamily::kIpv4, "http", "127.0.0.1", port}};
    input.keys = {{"k-1", key_->public_pem}};
    input.disk_folder = temp_.path() + "/origin/disk";
    input.fill_only = true;
    ASSERT_TRUE(origin_->Open().ok());
    ASSERT_TRUE(origin_->Apply(input).ok());
    origin_->Tick(absl::ZeroDuration());
    plane_.origin_url_ = absl::StrCat("http://127.0.0.1:", port, MakeSignedFolder(Token(TokenScope::kFill), "big-film", "v1"));
  }
  void StartControlPlane() {
    RpcServerOptions options;
    options.program = "test";
    auto server = RpcServer::Start(
        options,
        {static_cast<registry::v1::RegistryService::Service*>(&plane_), static_cast<registry::v1::ConfigService::Service*>(&plane_),
         static_cast<fill::v1::FillService::Service*>(&plane_), static_cast<ingest::v1::ApplianceLinkService::Service*>(&plane_)});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    target_ = server_->target();
  }
  void FillConfig() {
    absl::MutexLock lock(&plane_.mu_);
    registry::v1::ApplianceConfig& config = plane_.config_;
    config.set_generation("c1");
    config.mutable_appliance()->set_name("appliances/box-1");
    config.mutable_appliance()->set_kind(common::v1::APPLIANCE_KIND_STORAGE);
    config.mutable_appliance()->set_capacity_bps(1'000'000);
    registry::v1::TierCapacity& tier = *config.mutable_appliance()->add_tiers();
    tier.set_tier(common::v1::TIER_DISK);
    tier.set_capacity_bytes(10'000'000);
    registry::v1::Endpoint& endpoint = *config.mutable_appliance()->add_endpoints();
    endpoint.set_family(common::v1::ADDRESS_FAMILY_IPV4);
    endpoint.set_scheme("http");
    endpoint.set_host(box_);
    endpoint.set_port(port_);
    config.mutable_appliance()->mutable_bgp()->set_address(box_);
    config.mutable_appliance()->mutable_bgp()->set_port(FreePort(box_));
    config.mutable_appliance()->mutable_bgp()->set_asn(40027);
    registry::v1::BgpSession& session = *config.add_bgp_sessions();
    session.set_name("bgpSessions/isp-1");
    session.set_role(registry::v1::BgpSession::ROLE_DIRECT);
    session.set_peer_address(neighbour_);
    session.set_peer_port(FreePort(neighbour_));
    session.set_peer_asn(64500);
    session.add_families(common::v1::ADDRESS_FAMILY_IPV4);
    config.add_cells()->set_address("127.0.0.1:1");  // Nobody: the next one is tried.
    config.add_cells()->set_address(target_);
    config.add_fill_addresses(target_);
    registry::v1::SigningKey& key = *config.add_signing_keys();
    key.set_name("signingKeys/k-1");
    key.set_public_key_pem(key_->public_pem);
    config.mutable_health_policy()->mutable_heartbeat_interval()->set_nanos(200'000'000);
    plane_.manifest_.set_generation("m1");
    fill::v1::ManifestEntry& entry = *plane_.manifest_.add_entries();
    entry.set_tier(common::v1::TIER_DISK);
    entry.mutable_file()->set_file_number(42);
    entry.mutable_file()->set_path("big-film/v1/video/media.mp4");
    entry.mutable_file()->set_size_bytes(kSize);
    entry.mutable_file()->set_sha256(Sha256(content_));
    entry.mutable_file()->mutable_playlist()->set_path("big-film/v1/video/media.m3u8");
    entry.mutable_file()->mutable_playlist()->set_size_bytes(8);
    entry.mutable_file()->mutable_playlist()->set_sha256(Sha256("#EXTM3U\n"));
  }
  void StartNeighbour() {
    const std::string conf =
        temp_.Write("neighbour/bird.conf", absl::StrCat("router id ", neighbour_, R"(;
protocol device { }
protocol static { ipv4; route 198.51.100.0/24 unreachable; route 203.0.113.0/24 unreachable; }
protocol bgp box { local )",
                                                        neighbour_, " port ", plane_.config_.bgp_sessions(0).peer_port(),
                                                        " as 64500; neighbor ", box_, " port ", plane_.config_.appliance().bgp().port(),
                                                        R"( as 40027; strict bind yes; multihop; connect delay time 1; connect retry time 1;
  ipv4 { import none; export all; next hop self; }; }
)"));
    auto child =
        ChildProcess::Start({.argv = {"/usr/sbin/bird", "-f", "-c", conf, "-s", temp_.path() + "/n.ctl", "-P", temp_.path() + "/n.pid"}});
    ASSERT_TRUE(child.ok()) << child.status();
    neighbour_bird_ = *std::move(child);
  }
  AgentOptions Options() const {
    AgentOptions options;
    options.state_dir = temp_.path() + "/state";
    options.registry_targets = {target_};
    options.serial = "SN-1";
    options.enrollment_token = "token-1";
    options.disk_dir = temp_.path() + "/disk";
    options.retry = {absl::Milliseconds(50), absl::Milliseconds(500)};
    return options;
  }
  void StartAgent(AgentOptions options) {
    auto agent = Agent::Start(std::move(options), clock_, metrics_);
    ASSERT_TRUE(agent.ok()) << agent.status();
    agent_ = *std::move(agent);
  }
  std::string Token(TokenScope scope) const {
    TokenClaims claims;
    claims.title = "big-film";
    claims.version = "v1";
    claims.scope = scope;
    claims.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()));
    claims.expires = claims.not_before + absl::Minutes(10);
    const std::string input = EncodeSigningInput("k-1", claims).value();
    return absl::StrCat(input, ".", Base64UrlEncode(EcPrivateKey::FromPem(key_->private_pem)->Sign(input).value()));
  }
  HttpAnswer Play() const {
    return Fetch(
        {.url = absl::StrCat("http://", box_, ":", port_, MakeSignedPath(Token(TokenScope::kPlay), "big-film/v1/video/media.mp4"))});
  }
  bool Serves() const {
    return WaitFor([this] { return Play().body == content_; });
  }
  bool HoldsTheFile() {
    return WaitFor([this] { return plane_.Get(&FakeControlPlane::holdings_).contains(42); });
  }
  void SetConfig(const std::function<void(registry::v1::ApplianceConfig&)>& change, const std::string& generation) {
    {
      absl::MutexLock lock(&plane_.mu_);
      change(plane_.config_);
      plane_.config_.set_generation(generation);
    }
    ingest::v1::Instruction instruction;
    instruction.mutable_config_generation()->set_generation(generation);
    plane_.Instruct(instruction);
  }

  TempFolder temp_;
  SystemClock clock_;
  Metrics metrics_;
  std::unique_ptr<EcKeyPair> key_;
  std::string box_, neighbour_, content_, target_;
  int port_ = 0;
  FakeControlPlane plane_;
  std::unique_ptr<NginxDaemon> origin_;
  std::unique_ptr<RpcServer> server_;
  std::unique_ptr<ChildProcess> neighbour_bird_;
  std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, ABoxBindsFillsServesAndReports) {
  StartNeighbour();
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::change_)["bgpSessions/isp-1"].kind(), ingest::v1::SessionChange::KIND_UP);
  ASSERT_TRUE(WaitFor([this] {
    const ingest::v1::Heartbeat heartbeat = plane_.Get(&FakeControlPlane::heartbeat_);
    return heartbeat.manifest_generation() == "m1" && heartbeat.fill().files_held() == 1 && heartbeat.bgp_sessions_size() == 1 &&
           heartbeat.bgp_sessions(0).routes_v4() == 2;
  }));
  const ingest::v1::Heartbeat heartbeat = plane_.Get(&FakeControlPlane::heartbeat_);
  EXPECT_EQ(heartbeat.config_generation(), "c1");
  EXPECT_EQ(heartbeat.nginx().state(), ingest::v1::NginxStatus::STATE_RUNNING);
  EXPECT_GT(heartbeat.nginx().requests_total(), 0);
  EXPECT_GT(heartbeat.memory().total_bytes(), 0);
  EXPECT_GT(heartbeat.cpu().cores(), 0);
  EXPECT_TRUE(heartbeat.bgp_sessions(0).established());
  ASSERT_EQ(heartbeat.tiers_size(), 1);
  EXPECT_EQ(heartbeat.tiers(0).used_bytes(), static_cast<int64_t>(kSize + 8));
  EXPECT_EQ(heartbeat.tiers(0).capacity_bytes(), 10'000'000);
  EXPECT_EQ(heartbeat.network().capacity_bps(), 1'000'000);
  ASSERT_TRUE(WaitFor([this] { return !plane_.Get(&FakeControlPlane::traffic_).empty(); }));
  const ingest::v1::TrafficRow row = plane_.Get(&FakeControlPlane::traffic_)[0];
  EXPECT_EQ(row.title(), "titles/big-film");
  EXPECT_GE(row.bytes(), static_cast<int64_t>(kSize));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::out_of_order_), 0);
  EXPECT_EQ(plane_.Get(&FakeControlPlane::hellos_)[0].appliance(), "appliances/box-1");
}

// Where nothing can be mounted, a file that no disk has room for shows the same, but not that filling goes on.
TEST_F(AgentTest, AFullDiskStopsFillingAndNothingElse) {
  constexpr int64_t kReserve = 64 << 20;  // What a filler leaves free.
  SmallDisk disk(temp_.path() + "/disk", "66m");
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  const std::string more = RandomBytes(kSize, 6);
  temp_.Write("origin/disk/big-film/v1/audio/media.mp4", more);
  if (disk.mounted()) disk.Fill(kReserve + static_cast<int64_t>(kSize) / 2);
  {
    absl::MutexLock lock(&plane_.mu_);
    plane_.config_.mutable_appliance()->mutable_tiers(0)->set_capacity_bytes(int64_t{1} << 61);
    plane_.config_.set_generation("c2");
    fill::v1::ManifestEntry& entry = *plane_.manifest_.add_entries();
    entry.set_tier(common::v1::TIER_DISK);
    entry.mutable_file()->set_file_number(43);
    entry.mutable_file()->set_path("big-film/v1/audio/media.mp4");
    entry.mutable_file()->set_size_bytes(disk.mounted() ? static_cast<int64_t>(kSize) : int64_t{1} << 60);
    entry.mutable_file()->set_sha256(Sha256(more));
    plane_.manifest_.set_generation("m2");
  }
  ingest::v1::Instruction told;
  told.mutable_config_generation()->set_generation("c2");
  plane_.Instruct(told);
  told.mutable_manifest_generation()->set_generation("m2");
  plane_.Instruct(told);
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::heartbeat_).fill().disk_full(); }));
  EXPECT_THAT(plane_.Get(&FakeControlPlane::heartbeat_).fill().detail(), HasSubstr("big-film/v1/audio/media.mp4: disk full"));
  const int heartbeats = plane_.Get(&FakeControlPlane::heartbeats_);
  EXPECT_TRUE(WaitFor([&] { return plane_.Get(&FakeControlPlane::heartbeats_) > heartbeats + 3; })) << "it reports on";
  EXPECT_EQ(Play().body, content_) << "and serves on";
  EXPECT_EQ(plane_.Get(&FakeControlPlane::heartbeat_).nginx().state(), ingest::v1::NginxStatus::STATE_RUNNING);
  if (!disk.mounted()) return;
  disk.Free();
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::holdings_).contains(43); })) << "and goes on when there is room";
  EXPECT_TRUE(WaitFor([this] { return !plane_.Get(&FakeControlPlane::heartbeat_).fill().disk_full(); }));
}

TEST_F(AgentTest, WithTheControlPlaneGoneARestartedBoxServesAndItsIncarnationRises) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  const uint64_t before = agent_->incarnation();
  server_->Shutdown(absl::ZeroDuration());
  agent_.reset();
  EXPECT_EQ(Play().status, 0) << "a stopped agent leaves no NGINX behind";
  AgentOptions options = Options();
  options.enrollment_token.clear();
  StartAgent(options);
  EXPECT_GT(agent_->incarnation(), before);
  EXPECT_TRUE(Serves());
}

TEST_F(AgentTest, WhatTheReceiverLacksIsSentAgain) {
  StartNeighbour();
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  {
    absl::MutexLock lock(&plane_.mu_);
    plane_.routes_.clear();
    plane_.holdings_ = Roaring();
  }
  ingest::v1::Instruction instruction;
  instruction.mutable_resend()->set_routes(true);
  instruction.mutable_resend()->set_holdings(true);
  plane_.Instruct(instruction);
  EXPECT_TRUE(HoldsTheFile());
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::out_of_order_), 0);
}

TEST_F(AgentTest, ANewConfigurationIsTakenUpAndARefusedOneReportedWhileTheOldServes) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  SetConfig([](registry::v1::ApplianceConfig& config) { config.mutable_appliance()->mutable_endpoints(0)->set_host("192.0.2.1"); }, "c2");
  ASSERT_TRUE(WaitFor(
      [this] { return plane_.Get(&FakeControlPlane::heartbeat_).nginx().state() == ingest::v1::NginxStatus::STATE_CONFIG_REFUSED; }));
  EXPECT_THAT(plane_.Get(&FakeControlPlane::heartbeat_).nginx().detail(), HasSubstr("192.0.2.1"));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::heartbeat_).config_generation(), "c1") << "what is in force";
  EXPECT_EQ(Play().status, 200);
  port_ = FreePort(box_);
  SetConfig(
      [this](registry::v1::ApplianceConfig& config) {
        config.mutable_appliance()->mutable_endpoints(0)->set_host(box_);
        config.mutable_appliance()->mutable_endpoints(0)->set_port(port_);
      },
      "c3");
  EXPECT_TRUE(Serves());
  EXPECT_TRUE(WaitFor([this] {
    const ingest::v1::Heartbeat heartbeat = plane_.Get(&FakeControlPlane::heartbeat_);
    return heartbeat.config_generation() == "c3" && heartbeat.nginx().state() == ingest::v1::NginxStatus::STATE_RUNNING;
  }));
}

TEST_F(AgentTest, ARefusedConfigurationIsTriedAgainUntilItIsTaken) {
  StartAgent(Options());
  ASSERT_TRUE(HoldsTheFile());
  ASSERT_TRUE(Serves());
  Fd taken(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  ASSERT_EQ(inet_pton(AF_INET, box_.c_str(), &address.sin_addr), 1);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(taken.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(taken.get(), 1), 0);
  ASSERT_EQ(getsockname(taken.get(), reinterpret_cast<sockaddr*>(&address), &size), 0);
  port_ = ntohs(address.sin_port);
  SetConfig([this](registry::v1::ApplianceConfig& config) { config.mutable_appliance()->mutable_endpoints(0)->set_port(port_); }, "c2");
  ASSERT_TRUE(WaitFor(
      [this] { return plane_.Get(&FakeControlPlane::heartbeat_).nginx().state() == ingest::v1::NginxStatus::STATE_CONFIG_REFUSED; }));
  EXPECT_EQ(plane_.Get(&FakeControlPlane::heartbeat_).config_generation(), "c1");
  taken.Reset();
  EXPECT_TRUE(Serves());
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::heartbeat_).config_generation() == "c2"; }));
}

TEST_F(AgentTest, ABoxThatWasUnboundBindsAnewAndKnowsItsNewName) {
  AgentOptions options = Options();
  options.config_poll = absl::Milliseconds(200);
  StartAgent(options);
  ASSERT_TRUE(WaitFor([this] { return !plane_.Get(&FakeControlPlane::hellos_).empty(); }));
  plane_.Rebind("appliances/box-2", "credential-2");
  EXPECT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::hellos_).back().appliance() == "appliances/box-2"; }));
}

TEST_F(AgentTest, ARefusedBindingIsFatalAndSaysWhy) {
  AgentOptions options = Options();
  options.enrollment_token = "wrong";
  absl::Mutex mu;
  absl::Status fatal;
  options.on_fatal = [&](const absl::Status& status) {
    absl::MutexLock lock(&mu);
    fatal = status;
  };
  StartAgent(options);
  EXPECT_TRUE(WaitFor([&] {
    absl::MutexLock lock(&mu);
    return !fatal.ok();
  }));
  agent_.reset();
  EXPECT_THAT(std::string(fatal.message()), HasSubstr("not the one that was issued"));
}

TEST_F(AgentTest, MissingProgramsAndTwoAgentsInOneFolderAreRefusedByName) {
  AgentOptions options = Options();
  options.nginx = "/usr/sbin/no-nginx";
  EXPECT_THAT(std::string(Agent::Start(options, clock_, metrics_).status().message()), HasSubstr("/usr/sbin/no-nginx"));
  StartAgent(Options());
  EXPECT_THAT(std::string(Agent::Start(Options(), clock_, metrics_).status().message()), HasSubstr("in use by another ocad"));
}

TEST_F(AgentTest, AnOriginServesFillTokensAloneAndReportsNoHoldings) {
  AgentOptions options = Options();
  options.role = AgentRole::kOrigin;
  options.disk_dir = temp_.path() + "/origin/disk";
  StartAgent(options);
  ASSERT_TRUE(
      WaitFor([this] { return plane_.Get(&FakeControlPlane::heartbeat_).nginx().state() == ingest::v1::NginxStatus::STATE_RUNNING; }));
  EXPECT_EQ(Play().status, 403);
  const HttpAnswer answer =
      Fetch({.url = absl::StrCat("http://", box_, ":", port_, MakeSignedPath(Token(TokenScope::kFill), "big-film/v1/video/media.mp4"))});
  EXPECT_EQ(answer.body, content_);
  EXPECT_EQ(plane_.Get(&FakeControlPlane::full_holdings_), 0);
}

TEST_F(AgentTest, ACollectorTapsRoutesAndServesNothing) {
  StartNeighbour();
  AgentOptions options = Options();
  options.role = AgentRole::kCollector;
  options.disk_dir.clear();
  StartAgent(options);
  ASSERT_TRUE(WaitFor([this] { return plane_.Get(&FakeControlPlane::routes_)["bgpSessions/isp-1"].size() == 2; }));
  EXPECT_FALSE(plane_.Get(&FakeControlPlane::heartbeat_).has_nginx());
  EXPECT_EQ(Play().status, 0);
}

// Processes whose command line names the state folder.
int ProcessesOf(const std::string& folder) {
  const auto found = RunCommand({"/usr/bin/pgrep", "-c", "-f", folder + "/state"}, absl::Seconds(5));
  return found.ok() ? atoi(found->output.c_str()) : -1;
}

TEST_F(AgentTest, AKilledAgentLeavesNothingRunningAndATerminatedOneEndsSoon) {
  ChildOptions options{.argv = {"services/agent/ocad", "--state_dir=" + temp_.path() + "/state", "--registry=" + target_, "--serial=SN-1",
                                "--enrollment_token_file=" + temp_.Write("token", "token-1\n"), "--disk_dir=" + temp_.path() + "/disk"},
                       .output = temp_.path() + "/ocad.log"};
  auto ocad = ChildProcess::Start(options);
  ASSERT_TRUE(ocad.ok()) << ocad.status();
  ASSERT_TRUE(Serves()) << ReadFile(temp_.path() + "/ocad.log").value_or("")
                        << ReadFile(temp_.path() + "/state/nginx/logs/error.log").value_or("")
                        << ReadFile(temp_.path() + "/state/bird/bird.log").value_or("");
  kill((*ocad)->pid(), SIGKILL);
  EXPECT_TRUE(WaitFor([this] { return ProcessesOf(temp_.path()) == 0; }));
  EXPECT_EQ(Play().status, 0);

  ocad = ChildProcess::Start(options);
  ASSERT_TRUE(ocad.ok()) << ocad.status();
  ASSERT_TRUE(Serves()) << ReadFile(temp_.path() + "/ocad.log").value_or("");
  const absl::Time start = absl::Now();
  (*ocad)->Signal(SIGTERM);
  ASSERT_TRUE(WaitFor([&] { return !(*ocad)->Running(); }));
  EXPECT_LT(absl::Now() - start, absl::Seconds(6));
  EXPECT_EQ((*ocad)->end_reason(), "exit status 0");
  EXPECT_TRUE(WaitFor([this] { return ProcessesOf(temp_.path()) == 0; }));
}

TEST(AgentStateTest, IncarnationsRiseThoughTheClockGoesBack) {
  EXPECT_EQ(NextIncarnation(0, absl::FromUnixMillis(5000)), 5000u);
  EXPECT_EQ(NextIncarnation(9000, absl::FromUnixMillis(5000)), 9001u);
}

TEST(AgentStateTest, ALongStateFolderStillHasAShortRunFolder) {
  TempFolder temp;
  const std::string folder = temp.path() + "/" + std::string(150, 'x');
  auto state = AgentState::Open(folder, absl::Now());
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_LT((*state)->run_folder().size(), 90u);
  const std::string id = (*state)->installation_id();
  const std::string run = (*state)->run_folder();
  state->reset();
  EXPECT_EQ(AgentState::Open(folder, absl::Now()).value()->installation_id(), id);
  rmdir(run.c_str());
}

}  // namespace
}  // namespace fairlead::agent
