// A whole filld for tests: its own gRPC server, registryd's and a cell's feeds over real gRPC, a fake store behind.
#ifndef FAIRLEAD_SERVICES_FILL_FILL_SERVER_FIXTURE_H_
#define FAIRLEAD_SERVICES_FILL_FILL_SERVER_FIXTURE_H_

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/fill/v1/fill_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "grpcpp/grpcpp.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_verifier.h"
#include "services/fill/codec.h"
#include "services/fill/fake_store.h"
#include "services/fill/server.h"
#include "services/fill/test_feeds.h"
#include "services/fill/test_fleet.h"
#include "services/fill/test_values.h"

namespace fairlead::fill {

inline constexpr char kOperator[] = "operator/jane";

// Polls until `done` or ten seconds.
inline testing::AssertionResult Eventually(const std::function<bool()>& done) {
  const absl::Time deadline = absl::Now() + absl::Seconds(10);
  while (absl::Now() < deadline) {
    if (done()) return testing::AssertionSuccess();
    absl::SleepFor(absl::Milliseconds(10));
  }
  return testing::AssertionFailure() << "not within ten seconds";
}

inline content::v1::ImportTitleVersionRequest ImportRequest(const TitleImport& import) {
  Title title;
  title.id = import.title;
  title.versions = {import.version};
  content::v1::ImportTitleVersionRequest request;
  request.set_title(import.title.name());
  request.set_display_name(import.display_name);
  request.set_popularity(import.popularity);
  *request.mutable_version() = TitleToProto(title).versions(0);
  return request;
}

class FillServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = absl::StrCat(::testing::TempDir(), "/keysXXXXXX");
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    key_dir_ = pattern;
    const EcKeyPair pair = GenerateEcKeyPair().value();
    WriteKey("k-1", pair.private_pem);
    ASSERT_TRUE(verifier_.AddKey("k-1", pair.public_pem).ok());
    options_.subscriptions.registry = registry_.target();
    options_.signing_key_dir = key_dir_;
    options_.fleet_interval = absl::Milliseconds(10);
    options_.store_interval = absl::Milliseconds(20);
    options_.key_scan_interval = absl::Milliseconds(20);
    options_.planner = {.interval = absl::Seconds(30), .quiet = absl::Milliseconds(50)};
  }

  void WriteKey(const std::string& id, const std::string& pem) {
    const std::string path = absl::StrCat(key_dir_, "/", id, ".pem");
    FILE* file = fopen((path + ".tmp").c_str(), "w");
    ASSERT_NE(file, nullptr);
    fputs(pem.c_str(), file);
    fclose(file);
    ASSERT_EQ(chmod((path + ".tmp").c_str(), 0600), 0);
    ASSERT_EQ(rename((path + ".tmp").c_str(), path.c_str()), 0);
  }

  void Start() {
    absl::StatusOr<std::unique_ptr<FillServer>> server = FillServer::Start(options_, store_, metrics_, clock_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    channel_ = MakeChannel(server_->target());
    catalog_ = content::v1::CatalogService::NewStub(channel_);
    fill_ = v1::FillService::NewStub(channel_);
  }

  // An embedded site of two boxes with two copies, an IX box, an origin, and the cell.
  void Configure() {
    registry_.Publish({SiteEntry("isp", common::v1::SITE_KIND_EMBEDDED), SiteEntry("ix", common::v1::SITE_KIND_IX),
                       SiteEntry("origin", common::v1::SITE_KIND_ORIGIN), ClusterEntry("c1", "isp", 2), ClusterEntry("c2", "ix", 1),
                       ApplianceEntry("a1", "isp", "c1"), ApplianceEntry("a2", "isp", "c1"), ApplianceEntry("x1", "ix", "c2"),
                       ApplianceEntry("o1", "origin", "", common::v1::APPLIANCE_KIND_ORIGIN), CellEntry("cell-1", cell_.target()),
                       KeyEntry("k-1", registry::v1::SigningKey::STATE_ACTIVE)});
  }
  void StartWithPlan() {
    Start();
    Configure();
    MustImport(MakeImport("big-film", "v1", 3));
    ASSERT_TRUE(Eventually([this] { return Manifest("a1").entries_size() == 3 && Manifest("x1").entries_size() == 3; }));
  }

  template <typename Request, typename Response, typename Stub>
  grpc::Status Call(grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), Stub& stub, const Request& request,
                    Response& response, const std::string& principal = kOperator, const std::string& bearer = "") {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(10));
    if (!principal.empty()) SetPrincipal(context, principal);
    if (!bearer.empty()) SetBearer(context, bearer);
    context.set_wait_for_ready(true);
    return (stub.*method)(&context, request, &response);
  }
  grpc::Status Import(const content::v1::ImportTitleVersionRequest& request, content::v1::ImportTitleVersionResponse& response,
                      const std::string& principal = kOperator) {
    return Call(&content::v1::CatalogService::Stub::ImportTitleVersion, *catalog_, request, response, principal);
  }
  content::v1::ImportTitleVersionResponse MustImport(const TitleImport& import) {
    content::v1::ImportTitleVersionResponse response;
    const grpc::Status status = Import(ImportRequest(import), response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  v1::Manifest Manifest(const std::string& id, const std::string& if_generation = "") {
    v1::GetManifestRequest request;
    request.set_appliance(absl::StrCat("appliances/", id));
    request.set_if_generation(if_generation);
    v1::Manifest manifest;
    manifest_status_ = Call(&v1::FillService::Stub::GetManifest, *fill_, request, manifest);
    return manifest;
  }
  v1::FileSources Sources(const std::string& id, uint32_t number) {
    v1::ResolveSourcesRequest request;
    request.set_appliance(absl::StrCat("appliances/", id));
    request.add_file_numbers(number);
    v1::ResolveSourcesResponse response;
    sources_status_ = Call(&v1::FillService::Stub::ResolveSources, *fill_, request, response);
    return response.files_size() == 1 ? response.files(0) : v1::FileSources();
  }
  std::vector<std::string> SourceNames(const std::string& id, uint32_t number) {
    std::vector<std::string> names;
    const v1::FileSources sources = Sources(id, number);
    for (const v1::Source& source : sources.sources())
      names.push_back(absl::StrCat(v1::Source::Class_Name(source.class_()), " ", source.appliance()));
    return names;
  }

  FakeStore store_;
  Metrics metrics_;
  SystemClock clock_;
  TestRegistry registry_;
  TestCell cell_;
  std::string key_dir_;
  TokenVerifier verifier_;
  FillServerOptions options_;
  std::unique_ptr<FillServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<content::v1::CatalogService::Stub> catalog_;
  std::unique_ptr<v1::FillService::Stub> fill_;
  grpc::Status manifest_status_;
  grpc::Status sources_status_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_FILL_SERVER_FIXTURE_H_
