// registryd through its front door: a real server and stubs, the store faked.
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
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kFleet[] = R"(
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

TEST_F(ServiceTest, AResourceIsCreatedReadUpdatedAndDeletedAndStaysDeleted) {
  v1::CreateSiteRequest create;
  create.set_site_id("ams-ix");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  create.mutable_site()->mutable_coordinates()->set_latitude(52.3);
  create.mutable_site()->set_uid("ignored");
  v1::Site site;
  absl::Status status = Do(&v1::RegistryService::Stub::CreateSite, create, site);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(site.name(), "sites/ams-ix");
  EXPECT_EQ(site.etag(), "\"1\"");
  EXPECT_THAT(site.uid(), SizeIs(32));
  EXPECT_EQ(site.fill_window().start(), "02:00");
  EXPECT_EQ(GetSite("sites/ams-ix")->SerializeAsString(), site.SerializeAsString());

  v1::UpdateSiteRequest update;
  update.mutable_site()->set_name("sites/ams-ix");
  update.mutable_site()->set_display_name("Amsterdam");
  update.mutable_site()->set_etag("\"1\"");
  update.mutable_site()->mutable_coordinates()->set_longitude(4.9);
  update.mutable_update_mask()->add_paths("display_name");
  update.mutable_update_mask()->add_paths("coordinates.longitude");
  status = Do(&v1::RegistryService::Stub::UpdateSite, update, site);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(site.display_name(), "Amsterdam");
  EXPECT_EQ(site.kind(), common::v1::SITE_KIND_IX) << "not in the mask";
  EXPECT_EQ(site.coordinates().latitude(), 52.3);
  EXPECT_EQ(site.coordinates().longitude(), 4.9);
  EXPECT_EQ(site.etag(), "\"2\"");

  status = Do(&v1::RegistryService::Stub::UpdateSite, update, site);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << "the etag is stale";
  EXPECT_EQ(FieldOf(status), "etag");

  v1::DeleteSiteRequest remove;
  remove.set_name("sites/ams-ix");
  remove.set_etag("\"2\"");
  google::protobuf::Empty empty;
  EXPECT_TRUE(Do(&v1::RegistryService::Stub::DeleteSite, remove, empty).ok());
  EXPECT_EQ(GetSite("sites/ams-ix").status().code(), absl::StatusCode::kNotFound);
  status = Do(&v1::RegistryService::Stub::CreateSite, create, site);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("never reused"));
}

TEST_F(ServiceTest, UnknownAndOutputOnlyMaskPathsAreRefused) {
  Fill();
  for (const char* path : {"nonsense", "uid", "name", "etag", "coordinates.nonsense"}) {
    v1::UpdateSiteRequest update;
    update.mutable_site()->set_name("sites/lhr001");
    update.mutable_update_mask()->add_paths(path);
    v1::Site site;
    const absl::Status status = Do(&v1::RegistryService::Stub::UpdateSite, update, site);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(ValueOf(status), path);
  }
  v1::UpdateApplianceRequest update;
  update.mutable_appliance()->set_name("appliances/oca-1");
  update.mutable_update_mask()->add_paths("admin_state");
  v1::Appliance appliance;
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::UpdateAppliance, update, appliance)), "update_mask");
}

TEST_F(ServiceTest, ErrorsCarryTheFieldAndTheValue) {
  v1::CreateLinkRequest create;
  create.set_link_id("l-1");
  create.mutable_link()->set_site("sites/nowhere");
  create.mutable_link()->set_kind(v1::Link::KIND_SITE_UPLINK);
  create.mutable_link()->set_capacity_bps(1);
  v1::Link link;
  absl::Status status = Do(&v1::RegistryService::Stub::CreateLink, create, link);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FieldOf(status), "link.site");
  EXPECT_EQ(ValueOf(status), "sites/nowhere");
  create.mutable_link()->set_site("nowhere");
  status = Do(&v1::RegistryService::Stub::CreateLink, create, link);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "link.site");
  create.mutable_link()->set_kind(static_cast<v1::Link::Kind>(77));
  create.mutable_link()->set_site("sites/nowhere");
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::CreateLink, create, link)), "link.kind");
  create.set_link_id("L 1");
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::CreateLink, create, link)), "link_id");
}

TEST_F(ServiceTest, ValidateOnlyChecksEverythingAndChangesNothing) {
  Fill();
  const ConfigPosition before = store_.Position().value();
  v1::CreateClusterRequest create;
  create.set_cluster_id("lhr001-b");
  create.set_validate_only(true);
  create.mutable_cluster()->set_site("sites/lhr001");
  create.mutable_cluster()->set_content_region("emea");
  create.mutable_cluster()->set_popularity_feed("emea");
  create.mutable_cluster()->set_copies(1);
  v1::Cluster cluster;
  EXPECT_TRUE(Do(&v1::RegistryService::Stub::CreateCluster, create, cluster).ok());
  EXPECT_EQ(cluster.name(), "clusters/lhr001-b");
  EXPECT_EQ(*store_.Position(), before);
  create.mutable_cluster()->set_copies(99);
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::CreateCluster, create, cluster)), "cluster.copies");
}

TEST_F(ServiceTest, ARepeatedRequestGetsTheFirstResultAndChangesNothing) {
  v1::CreateSiteRequest create;
  create.set_site_id("ams-ix");
  create.set_request_id("6f1c");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  v1::Site first;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, first).ok());
  const ConfigPosition after = store_.Position().value();
  v1::Site second;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, second).ok());
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(*store_.Position(), after);
  create.mutable_site()->set_display_name("another body");
  const absl::Status status = Do(&v1::RegistryService::Stub::CreateSite, create, second);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(FieldOf(status), "request_id");
}

TEST_F(ServiceTest, AWriteThatLosesAgainstAnotherIsPlannedAgain) {
  store_.FailCommits(3, absl::AbortedError("somebody was faster"), /*but_write=*/false);
  Fill();
  EXPECT_TRUE(GetSite("sites/lhr001").ok());
}

TEST_F(ServiceTest, ACommitInDoubtIsUnknownAndTheRequestIdSettlesIt) {
  v1::CreateSiteRequest create;
  create.set_site_id("ams-ix");
  create.set_request_id("once");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  v1::Site site;
  store_.FailCommits(1, absl::UnknownError("the connection broke during commit"), /*but_write=*/true);
  EXPECT_EQ(Do(&v1::RegistryService::Stub::CreateSite, create, site).code(), absl::StatusCode::kUnknown);
  EXPECT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, site).ok());
  EXPECT_EQ(site.etag(), "\"1\"");
}

TEST_F(ServiceTest, PagesAreWholeDisjointAndBoundToTheirQuery) {
  std::string yaml = "sites:\n";
  for (int i = 10; i < 25; ++i) yaml += "  - {id: ix-" + std::to_string(i) + ", kind: IX}\n";
  ASSERT_TRUE(Apply(yaml).ok());
  std::vector<std::string> names;
  v1::ListSitesRequest request;
  request.set_page_size(4);
  do {
    v1::ListSitesResponse page;
    ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListSites, request, page).ok());
    for (const v1::Site& site : page.sites()) names.push_back(site.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, SizeIs(15));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));

  v1::ListSitesResponse page;
  request.set_page_size(2);
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListSites, request, page).ok());
  v1::ListLinksRequest other;
  other.set_page_token(page.next_page_token());
  v1::ListLinksResponse links;
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::ListLinks, other, links)), "page_token");
  request.set_page_token("nonsense");
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::ListSites, request, page)), "page_token");
  request.set_page_size(-1);
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::ListSites, request, page)), "page_size");
}

TEST_F(ServiceTest, ListsCanBeFilteredBySiteAndAppliance) {
  Fill();
  v1::ListAppliancesRequest request;
  request.set_site("sites/ams-ix");
  v1::ListAppliancesResponse appliances;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListAppliances, request, appliances).ok());
  EXPECT_THAT(appliances.appliances(), IsEmpty());
  v1::ListBgpSessionsRequest of_box;
  of_box.set_appliance("appliances/oca-1");
  v1::ListBgpSessionsResponse sessions;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListBgpSessions, of_box, sessions).ok());
  EXPECT_THAT(sessions.bgp_sessions(), SizeIs(1));
  EXPECT_EQ(sessions.bgp_sessions(0).peer_port(), 179);
}

TEST_F(ServiceTest, ADryRunShowsExactlyWhatTheRealRunDoesAndTheSecondRunDoesNothing) {
  const auto shown = Apply(kFleet, /*dry_run=*/true);
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(GetSite("sites/lhr001").status().code(), absl::StatusCode::kNotFound);
  const auto done = Apply(kFleet);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(shown->SerializeAsString(), done->SerializeAsString());
  EXPECT_THAT(done->changes(), SizeIs(10));
  const auto again = Apply(kFleet);
  EXPECT_THAT(again->changes(), IsEmpty());
  EXPECT_EQ(again->unchanged_count(), 10);
}

TEST_F(ServiceTest, OnlyPruneDeletesAndAdminStateIsNeverTouched) {
  Fill();
  ASSERT_TRUE(SetState("oca-2", common::v1::ADMIN_STATE_LIVE).ok());
  std::string smaller = kFleet;
  smaller.replace(smaller.find("  - {id: cell-2"), std::string::npos, "");
  const auto kept = Apply(smaller);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_THAT(kept->unlisted(), ElementsAre("cells/cell-2"));
  EXPECT_THAT(kept->changes(), IsEmpty());
  const auto pruned = Apply(smaller, false, /*prune=*/true);
  ASSERT_THAT(pruned->changes(), SizeIs(1));
  EXPECT_EQ(pruned->changes(0).action(), v1::FleetChange::ACTION_DELETE);
  EXPECT_EQ(SetState("oca-2", common::v1::ADMIN_STATE_RETIRED).code(), absl::StatusCode::kFailedPrecondition) << "still LIVE";
}

TEST_F(ServiceTest, ABadFleetFileChangesNothingAtAll) {
  const absl::Status status = Apply("sites:\n  - {id: good, kind: IX}\n  - {id: bad, kind: EMBEDDED, partner: isp}\n").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("3:40: sites/bad"));
  EXPECT_EQ(GetSite("sites/good").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ServiceTest, AdminMovesFollowTheLifeOfABoxAndAreAuditedWithTheirReason) {
  Fill();
  EXPECT_EQ(SetState("oca-1", common::v1::ADMIN_STATE_DRAINED).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok());
  EXPECT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok()) << "again is fine";
  EXPECT_EQ(SetState("oca-1", common::v1::ADMIN_STATE_UNSPECIFIED).code(), absl::StatusCode::kInvalidArgument);
  v1::ListAuditRecordsRequest request;
  request.set_resource("appliances/oca-1");
  v1::ListAuditRecordsResponse audit;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListAuditRecords, request, audit).ok());
  ASSERT_THAT(audit.audit_records(), SizeIs(2));
  EXPECT_EQ(audit.audit_records(0).method(), "SetAdminState");
  EXPECT_EQ(audit.audit_records(0).principal(), "operator/jane");
  EXPECT_THAT(audit.audit_records(0).before_json(), HasSubstr("ADMIN_STATE_PROVISIONING"));
  EXPECT_THAT(audit.audit_records(0).after_json(), HasSubstr("burn-in passed"));
  EXPECT_EQ(audit.audit_records(1).method(), "ApplyFleet");
}

TEST_F(ServiceTest, ABoxBindsOnceAndARetryGetsTheSameCredential) {
  Fill();
  const std::string token = IssueToken("oca-1");
  EXPECT_EQ(Enroll("SN-1", "wrong", "install-a").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Enroll("SN-2", token, "install-a").status().code(), absl::StatusCode::kUnauthenticated) << "another box's token";
  const auto credential = Enroll("SN-1", token, "install-a");
  ASSERT_TRUE(credential.ok()) << credential.status();
  const ConfigPosition bound = store_.Position().value();
  EXPECT_EQ(*Enroll("SN-1", token, "install-a"), *credential);
  EXPECT_EQ(*store_.Position(), bound) << "a retry writes nothing";
  EXPECT_EQ(Enroll("SN-1", token, "install-b").status().code(), absl::StatusCode::kFailedPrecondition);

  EXPECT_TRUE(GetConfig("appliances/oca-1", "", *credential).ok());
  EXPECT_EQ(GetConfig("appliances/oca-2", "", *credential).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(GetConfig("appliances/oca-1", "", "forged").status().code(), absl::StatusCode::kUnauthenticated);

  const std::string second = IssueToken("oca-1");
  EXPECT_EQ(GetConfig("appliances/oca-1", "", *credential).status().code(), absl::StatusCode::kUnauthenticated) << "unbound";
  EXPECT_EQ(Enroll("SN-1", token, "install-a").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(Enroll("SN-1", second, "install-b").ok());
}

TEST_F(ServiceTest, NoSecretIsInTheAudit) {
  Fill();
  const std::string token = IssueToken("oca-1");
  const std::string credential = Enroll("SN-1", token, "install-a").value();
  ASSERT_TRUE(CreateKey().ok());
  const std::vector<AuditEntry> entries = store_.ListAudit("", 0, 1000).value();
  EXPECT_EQ(entries[1].principal, "appliance/oca-1");
  for (const AuditEntry& entry : entries) {
    for (const std::string& text : {entry.before_json, entry.after_json, entry.principal, entry.resource}) {
      EXPECT_EQ(text.find(token), std::string::npos);
      EXPECT_EQ(text.find(credential), std::string::npos);
      EXPECT_EQ(text.find("PRIVATE"), std::string::npos);
    }
  }
}

TEST_F(ServiceTest, TheNewestKeySignsTheOlderOnlyVerifiesAndTwoLiveKeysAreTheMost) {
  const auto first = CreateKey();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->state(), v1::SigningKey::STATE_ACTIVE);
  EXPECT_THAT(first->public_key_pem(), HasSubstr("BEGIN PUBLIC KEY"));
  const std::string file = keys_ + "/" + first->name().substr(std::string("signingKeys/").size()) + ".pem";
  struct stat status {};
  ASSERT_EQ(stat(file.c_str(), &status), 0) << file;
  EXPECT_EQ(status.st_mode & 0777, 0600U);

  const auto second = CreateKey("k2");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(CreateKey("k2")->name(), second->name()) << "a retry makes no third key";
  std::vector<std::string> states = KeyStates();
  std::sort(states.begin(), states.end());
  EXPECT_THAT(states, ElementsAre("STATE_ACTIVE", "STATE_VERIFY_ONLY"));
  EXPECT_EQ(CreateKey().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(keys_), {}), 2) << "a refused key leaves no file";

  v1::RevokeSigningKeyRequest revoke;
  revoke.set_name(second->name());
  v1::SigningKey revoked;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::RevokeSigningKey, revoke, revoked).ok());
  EXPECT_EQ(revoked.state(), v1::SigningKey::STATE_REVOKED);
  states = KeyStates();
  EXPECT_THAT(states, Contains("STATE_ACTIVE")) << "the other takes over";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(keys_), {}), 1);
  EXPECT_TRUE(CreateKey().ok());
}

TEST_F(ServiceTest, AKeyWhoseCommitFailsLeavesNoFileButOneInDoubtKeepsIt) {
  store_.FailCommits(1, absl::UnavailableError("PostgreSQL can't be reached"), false);
  EXPECT_EQ(CreateKey().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(std::filesystem::is_empty(keys_));
  store_.FailCommits(1, absl::UnknownError("in doubt"), true);
  EXPECT_EQ(CreateKey().status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(keys_), {}), 1);
}

TEST_F(ServiceTest, StrangersAndBoxesMayNotUseTheRegistry) {
  v1::ListSitesRequest request;
  v1::ListSitesResponse response;
  EXPECT_EQ(Call(*stub_, &v1::RegistryService::Stub::ListSites, request, response, "").code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Call(*stub_, &v1::RegistryService::Stub::ListSites, request, response, "", "credential").code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(Call(*stub_, &v1::RegistryService::Stub::ListSites, request, response, "service/steerd").ok());
}

TEST_F(ServiceTest, DrainsAreNotOfferedYet) {
  v1::Drain drain;
  EXPECT_EQ(Do(&v1::RegistryService::Stub::CreateDrain, v1::CreateDrainRequest(), drain).code(), absl::StatusCode::kUnimplemented);
}

TEST_F(ServiceTest, ABoxIsToldItsOwnPartWithItsOwnCellFirst) {
  Fill();
  ASSERT_TRUE(CreateKey().ok());
  const auto config = GetConfig("appliances/oca-1");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->appliance().name(), "appliances/oca-1");
  EXPECT_EQ(config->site().name(), "sites/lhr001");
  ASSERT_THAT(config->bgp_sessions(), SizeIs(1));
  ASSERT_THAT(config->cells(), SizeIs(2));
  EXPECT_EQ(config->cells(0).name(), "cells/cell-1");
  EXPECT_THAT(config->fill_addresses(), ElementsAre("127.0.0.1:7003", "[::1]:7003"));
  EXPECT_THAT(config->signing_keys(), SizeIs(1));
  const auto unchanged = GetConfig("appliances/oca-1", config->generation());
  EXPECT_TRUE(unchanged->unchanged());
  EXPECT_FALSE(unchanged->has_appliance());
  EXPECT_EQ(GetConfig("appliances/none").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ServiceTest, AGenerationChangesExactlyWithTheBoxesOwnPart) {
  Fill();
  const std::string one = Generation("oca-1");
  const std::string two = Generation("oca-2");
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok());
  EXPECT_NE(Generation("oca-1"), one);
  EXPECT_EQ(Generation("oca-2"), two);

  // Another site joining a cell, or another partner, concerns no box here.
  std::string more = kFleet;
  more += "  - {id: cell-9, address: \"127.0.0.1:7009\"}\n";
  const std::string one_live = Generation("oca-1");
  ASSERT_TRUE(Apply("partners:\n  - {id: other, asns: [64501]}\n").ok());
  ASSERT_TRUE(Apply("cells:\n  - {id: cell-2, address: \"127.0.0.1:7003\", sites: []}\n").ok());
  EXPECT_EQ(Generation("oca-1"), one_live);
  // A new cell concerns all.
  ASSERT_TRUE(Apply(more).ok());
  EXPECT_NE(Generation("oca-1"), one_live);
  EXPECT_NE(Generation("oca-2"), two);
  // A session moved from one box to another concerns both. oca-2 has no speaker yet.
  const std::string one_before = Generation("oca-1");
  const std::string two_before = Generation("oca-2");
  v1::DeleteBgpSessionRequest remove;
  remove.set_name("bgpSessions/oca-1-isp");
  google::protobuf::Empty empty;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::DeleteBgpSession, remove, empty).ok());
  EXPECT_NE(Generation("oca-1"), one_before);
  EXPECT_EQ(Generation("oca-2"), two_before);
}

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

TEST_F(ServiceTest, AFeedGivesEverythingInItsScopeThenChanges) {
  Fill();
  ASSERT_TRUE(CreateKey().ok());
  FeedHolder cell;
  Watch cells(*config_, v1::CONFIG_SCOPE_CELL);
  ASSERT_TRUE(cells.Until(cell, [&] { return cell.entries.contains("sites/lhr001"); }));
  EXPECT_TRUE(cell.entries.contains("generations/oca-1"));
  EXPECT_FALSE(cell.entries.contains("clusters/lhr001-a"));
  for (const auto& [key, entry] : cell.entries) {
    EXPECT_NE(entry.value_case(), v1::ConfigEntry::kSigningKey) << key;
    EXPECT_EQ(key.find("settings/"), std::string::npos) << key;
  }
  FeedHolder steering;
  Watch steerd(*config_, v1::CONFIG_SCOPE_STEERING);
  ASSERT_TRUE(steerd.Until(steering, [&] { return steering.entries.contains("clusters/lhr001-a"); }));
  EXPECT_FALSE(steering.entries.contains("generations/oca-1"));

  const std::string before = cell.entries["generations/oca-1"].generation().generation();
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok());
  ASSERT_TRUE(
      cells.Until(cell, [&] { return cell.entries["appliances/oca-1"].appliance().admin_state() == common::v1::ADMIN_STATE_LIVE; }));
  EXPECT_NE(cell.entries["generations/oca-1"].generation().generation(), before) << "in the same change";
  EXPECT_EQ(cell.kinds.back(), common::v1::FeedFrame::KIND_DELTA);
  EXPECT_EQ(cell.position.version(), store_.Position()->version);

  v1::DeleteBgpSessionRequest remove;
  remove.set_name("bgpSessions/oca-1-isp");
  google::protobuf::Empty empty;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::DeleteBgpSession, remove, empty).ok());
  EXPECT_TRUE(steerd.Until(steering, [&] { return !steering.entries.contains("bgpSessions/oca-1-isp"); }));
}

TEST_F(ServiceTest, ASubscriberGoesOnFromWhatItHoldsAndANewEpochIsASnapshot) {
  Fill();
  FeedHolder held;
  {
    Watch first(*config_, v1::CONFIG_SCOPE_FILL);
    ASSERT_TRUE(first.Until(held, [&] { return held.entries.contains("sites/lhr001"); }));
  }
  ASSERT_TRUE(Apply("sites:\n  - {id: fra-ix, kind: IX}\n").ok());
  {
    Watch second(*config_, v1::CONFIG_SCOPE_FILL, held.position);
    ASSERT_TRUE(second.Until(held, [&] { return held.entries.contains("sites/fra-ix"); }));
    EXPECT_EQ(held.kinds.back(), common::v1::FeedFrame::KIND_DELTA);
    store_.RaiseEpoch();
    const uint64_t epoch = held.position.epoch();
    ASSERT_TRUE(second.Until(held, [&] { return held.position.epoch() > epoch; }));
    EXPECT_EQ(held.kinds.back(), common::v1::FeedFrame::KIND_SNAPSHOT);
    EXPECT_TRUE(held.entries.contains("sites/fra-ix"));
  }
}

TEST_F(ServiceTest, AChangeByAnotherReplicaReachesTheFeed) {
  Fill();
  Metrics other_metrics;
  ServerOptions options;
  options.fill_addresses = "127.0.0.1:7003,[::1]:7003";
  const std::unique_ptr<Server> other = Server::Start(options, store_, clock_, other_metrics).value();
  const auto other_stub = v1::RegistryService::NewStub(MakeChannel(other->target()));
  v1::CreateSiteRequest create;
  create.set_site_id("fra-ix");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  v1::Site site;
  ASSERT_TRUE(Call(*other_stub, &v1::RegistryService::Stub::CreateSite, create, site).ok());
  EXPECT_TRUE(GetSite("sites/fra-ix").ok()) << "a read sees what any replica has written";
  FeedHolder held;
  Watch watch(*config_, v1::CONFIG_SCOPE_CELL);
  EXPECT_TRUE(watch.Until(held, [&] { return held.entries.contains("sites/fra-ix"); }));
}

TEST_F(ServiceTest, AFeedWithoutAScopeIsRefused) {
  Watch watch(*config_, v1::CONFIG_SCOPE_UNSPECIFIED);
  EXPECT_EQ(watch.Finish().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(ServiceTest, WithTheStoreDownWritesFailClearlyAndFeedsAndConfigsGoOn) {
  Fill();
  store_.FailWith(absl::UnavailableError("PostgreSQL can't be reached: test"));
  const absl::Status status = GetSite("sites/lhr001").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("PostgreSQL can't be reached"));
  EXPECT_EQ(Apply(kFleet).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(GetConfig("appliances/oca-1").ok());
  FeedHolder held;
  Watch watch(*config_, v1::CONFIG_SCOPE_STEERING);
  EXPECT_TRUE(watch.Until(held, [&] { return held.entries.contains("sites/lhr001"); })) << "even for a new subscriber";
  EXPECT_TRUE(Eventually([&] { return server_->metrics().store_up.Value() == 0; }));
  store_.FailWith(absl::OkStatus());
  EXPECT_TRUE(Eventually([&] { return server_->metrics().store_up.Value() == 1; }));
  EXPECT_TRUE(GetSite("sites/lhr001").ok());
}

TEST_F(ServiceTest, ARestoreWithoutANewEpochIsRefusedAndWithOneIsFollowed) {
  Fill();
  store_.GoBack(1);
  const absl::Status status = GetSite("sites/lhr001").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("raise_epoch"));
  store_.RaiseEpoch();
  EXPECT_TRUE(GetSite("sites/lhr001").ok());
}

}  // namespace
}  // namespace fairlead::registry
