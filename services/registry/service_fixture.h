// A real registryd over a fake store, with stubs, for the tests of its front door.
#ifndef FAIRLEAD_SERVICES_REGISTRY_SERVICE_FIXTURE_H_
#define FAIRLEAD_SERVICES_REGISTRY_SERVICE_FIXTURE_H_

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/clock/fake_clock.h"
#include "libs/registry/test_fleet.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/registry/fake_store.h"
#include "services/registry/server.h"

namespace fairlead::registry {

inline constexpr char kFleet[] = R"(
partners:
  - {id: isp, asns: [64500], allowed_prefixes: [198.51.100.0/24]}
sites:
  - {id: lhr001, kind: EMBEDDED, partner: isp}
  - {id: ams-ix, kind: IX}
links:
  - {id: lhr001-uplink, site: lhr001, kind: SITE_UPLINK, capacity_bps: 100Gbps}
clusters:
  - {id: lhr001-a, site: lhr001, content_region: emea, popularity_feed: emea, copies: 2}
appliances:
  - id: oca-1
    serial: SN-1
    site: lhr001
    cluster: lhr001-a
    kind: STORAGE
    tiers: [{tier: DISK, capacity_bytes: 200TB}]
    capacity_bps: 36Gbps
    bgp: {address: 198.51.100.10, port: 179, asn: 64496}
  - id: oca-2
    serial: SN-2
    site: lhr001
    cluster: lhr001-a
    kind: STORAGE
    tiers: [{tier: DISK, capacity_bytes: 200TB}]
    capacity_bps: 36Gbps
bgpSessions:
  - id: oca-1-isp
    appliance: oca-1
    role: DIRECT
    families: [IPV4]
    peer_address: 198.51.100.1
    peer_asn: 64500
    partner: isp
    transport_class: EMBEDDED
cells:
  - {id: cell-1, address: "127.0.0.1:7002", sites: [lhr001]}
  - {id: cell-2, address: "127.0.0.1:7003", sites: [ams-ix]}
)";

class ServiceTest : public ::testing::Test {
 protected:
  ServiceTest() {
    char folder[] = "/tmp/flkeys-XXXXXX";
    keys_ = mkdtemp(folder);
    ServerOptions options;
    options.signing_key_dir = keys_;
    options.fill_addresses = "127.0.0.1:7003,[::1]:7003";
    options.config_poll_interval = absl::Milliseconds(10);
    server_ = Server::Start(options, store_, clock_, metrics_).value();
    channel_ = MakeChannel(server_->target());
    stub_ = v1::RegistryService::NewStub(channel_);
    config_ = v1::ConfigService::NewStub(channel_);
    // The first tick writes the settings; what follows then has predictable versions.
    EXPECT_TRUE(Eventually([&] { return server_->metrics().config_version.Value() >= 2; }));
  }
  ~ServiceTest() override {
    server_->Shutdown(absl::ZeroDuration());
    std::filesystem::remove_all(keys_);
  }

  static bool Eventually(const std::function<bool()>& condition) {
    for (const absl::Time deadline = absl::Now() + absl::Seconds(10); absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(5))) {
      if (condition()) return true;
    }
    return false;
  }

  // Calls a method of a stub as an operator.
  template <typename Stub, typename Request, typename Response>
  absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                    Response& response, const std::string& principal = "operator/jane", const std::string& bearer = "") {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    if (!principal.empty()) SetPrincipal(context, principal);
    if (!bearer.empty()) SetBearer(context, bearer);
    return FromGrpcStatus((stub.*method)(&context, request, &response));
  }
  template <typename Request, typename Response>
  absl::Status Do(grpc::Status (v1::RegistryService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response& response) {
    return Call(*stub_, method, request, response);
  }

  absl::StatusOr<v1::ApplyFleetResponse> Apply(const std::string& yaml, bool dry_run = false, bool prune = false) {
    v1::ApplyFleetRequest request;
    request.set_fleet_yaml(yaml);
    request.set_dry_run(dry_run);
    request.set_prune(prune);
    v1::ApplyFleetResponse response;
    const absl::Status status = Do(&v1::RegistryService::Stub::ApplyFleet, request, response);
    if (!status.ok()) return status;
    return response;
  }
  void Fill() { ASSERT_TRUE(Apply(kFleet).ok()) << Apply(kFleet).status(); }

  absl::StatusOr<v1::Site> GetSite(const std::string& name) {
    v1::GetSiteRequest request;
    request.set_name(name);
    v1::Site site;
    const absl::Status status = Do(&v1::RegistryService::Stub::GetSite, request, site);
    if (!status.ok()) return status;
    return site;
  }
  absl::StatusOr<v1::ApplianceConfig> GetConfig(const std::string& name, const std::string& if_generation = "",
                                                const std::string& bearer = "") {
    v1::GetApplianceConfigRequest request;
    request.set_name(name);
    request.set_if_generation(if_generation);
    v1::ApplianceConfig config;
    const absl::Status status =
        Call(*config_, &v1::ConfigService::Stub::GetApplianceConfig, request, config, bearer.empty() ? "operator/jane" : "", bearer);
    if (!status.ok()) return status;
    return config;
  }
  std::string Generation(const std::string& id) { return GetConfig("appliances/" + id).value().generation(); }

  absl::Status SetState(const std::string& id, common::v1::AdminState state) {
    v1::SetAdminStateRequest request;
    request.set_name("appliances/" + id);
    request.set_admin_state(state);
    request.set_reason("burn-in passed");
    v1::Appliance appliance;
    return Do(&v1::RegistryService::Stub::SetAdminState, request, appliance);
  }
  std::string IssueToken(const std::string& id) {
    v1::IssueEnrollmentTokenRequest request;
    request.set_appliance("appliances/" + id);
    v1::IssueEnrollmentTokenResponse response;
    EXPECT_TRUE(Do(&v1::RegistryService::Stub::IssueEnrollmentToken, request, response).ok());
    return response.token();
  }
  absl::StatusOr<std::string> Enroll(const std::string& serial, const std::string& token, const std::string& installation) {
    v1::EnrollRequest request;
    request.set_serial(serial);
    request.set_token(token);
    request.set_installation_id(installation);
    v1::EnrollResponse response;
    const absl::Status status = Call(*stub_, &v1::RegistryService::Stub::Enroll, request, response, "");
    if (!status.ok()) return status;
    return response.credential();
  }
  absl::StatusOr<v1::SigningKey> CreateKey(const std::string& request_id = "") {
    v1::CreateSigningKeyRequest request;
    request.set_request_id(request_id);
    v1::SigningKey key;
    const absl::Status status = Do(&v1::RegistryService::Stub::CreateSigningKey, request, key);
    if (!status.ok()) return status;
    return key;
  }
  std::vector<std::string> KeyStates() {
    v1::ListSigningKeysResponse response;
    EXPECT_TRUE(Do(&v1::RegistryService::Stub::ListSigningKeys, v1::ListSigningKeysRequest(), response).ok());
    std::vector<std::string> states;
    for (const v1::SigningKey& key : response.signing_keys()) states.push_back(v1::SigningKey::State_Name(key.state()));
    return states;
  }

  std::string keys_;
  FakeClock clock_;
  FakeStore store_;
  Metrics metrics_;
  std::unique_ptr<Server> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<v1::RegistryService::Stub> stub_;
  std::unique_ptr<v1::ConfigService::Stub> config_;
};

// What a subscriber of a config feed holds, kept by reading the stream by hand.
struct FeedHolder {
  std::map<std::string, v1::ConfigEntry> entries;
  common::v1::FeedPosition position;
  std::vector<common::v1::FeedFrame::Kind> kinds;

  void Take(const v1::WatchConfigResponse& message) {
    if (message.frame().kind() == common::v1::FeedFrame::KIND_HEARTBEAT) return;
    if (message.frame().kind() == common::v1::FeedFrame::KIND_SNAPSHOT && !in_change) entries.clear();
    if (!in_change) kinds.push_back(message.frame().kind());
    in_change = message.frame().more();
    for (const v1::ConfigEntry& entry : message.entries()) {
      if (entry.value_case() == v1::ConfigEntry::VALUE_NOT_SET) {
        entries.erase(entry.key());
      } else {
        entries[entry.key()] = entry;
      }
    }
    if (!in_change) position = message.frame().position();
  }
  bool in_change = false;
};

class Watch {
 public:
  Watch(v1::ConfigService::Stub& stub, v1::ConfigScope scope, const common::v1::FeedPosition& held = {}) {
    SetPrincipal(context_, "service/test");
    SetTimeout(context_, absl::Seconds(20));  // The stream ends by itself if what is waited for never comes.
    v1::WatchConfigRequest request;
    request.set_scope(scope);
    *request.mutable_held() = held;
    reader_ = stub.WatchConfig(&context_, request);
  }
  ~Watch() {
    if (finished_) return;
    context_.TryCancel();
    reader_->Finish();
  }
  bool Until(FeedHolder& holder, const std::function<bool()>& done) {
    v1::WatchConfigResponse message;
    while (!done()) {
      if (!reader_->Read(&message)) return false;
      holder.Take(message);
    }
    return true;
  }
  absl::Status Finish() {
    v1::WatchConfigResponse message;
    while (reader_->Read(&message)) {
    }
    finished_ = true;
    return FromGrpcStatus(reader_->Finish());
  }

 private:
  bool finished_ = false;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchConfigResponse>> reader_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_SERVICE_FIXTURE_H_
