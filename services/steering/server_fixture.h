// A steerd over fake sources, and what its tests ask it. For tests.
#ifndef FAIRLEAD_SERVICES_STEERING_SERVER_FIXTURE_H_
#define FAIRLEAD_SERVICES_STEERING_SERVER_FIXTURE_H_

#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/clock.h"
#include "libs/clock/system_clock.h"
#include "libs/http/message.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_verifier.h"
#include "services/steering/fake_sources.h"
#include "services/steering/http_front.h"
#include "services/steering/server.h"

namespace fairlead {

namespace sv1 = steering::v1;

inline constexpr absl::Duration kPatience = absl::Seconds(20);
inline constexpr char kInside[] = "198.51.100.7";
inline constexpr char kOutside[] = "203.0.113.9";

inline bool Eventually(const std::function<bool()>& done) {
  for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end; absl::SleepFor(absl::Milliseconds(5))) {
    if (done()) return true;
  }
  return done();
}

// Wall time stands still, so that no token bucket ends in the middle of a test.
class StillClock final : public Clock {
 public:
  absl::Time Now() const override { return now_; }
  absl::Duration Monotonic() const override { return system_.Monotonic(); }

 private:
  const absl::Time now_ = absl::Now();
  SystemClock system_;
};

inline std::string MakeFolder() {
  std::string folder = "/tmp/steerd-test-XXXXXX";
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  return folder;
}

class SteeringServerTest : public ::testing::Test {
 protected:
  SteeringServerTest() : folder_(MakeFolder()), keys_(*GenerateEcKeyPair()) {
    std::filesystem::create_directory(key_dir());
    WriteKey("k-1");
    EXPECT_TRUE(verifier_.AddKey("k-1", keys_.public_pem).ok());
    sources_ = std::make_unique<FakeSources>();
  }
  ~SteeringServerTest() override {
    server_.reset();
    sources_.reset();
    std::filesystem::remove_all(folder_);
  }

  std::string key_dir() const { return folder_ + "/keys"; }
  std::string state_dir() const { return folder_ + "/state"; }
  void WriteKey(const std::string& id) {
    const std::string path = absl::StrCat(key_dir(), "/", id, ".pem");
    std::ofstream(path) << keys_.private_pem;
    EXPECT_EQ(chmod(path.c_str(), 0600), 0);
  }

  SteeringServerOptions Options() const {
    SteeringServerOptions options;
    options.sources.registry = sources_->registry_target();
    options.sources.fill = sources_->fill_target();
    options.sources.heartbeat_interval = absl::Milliseconds(200);
    options.sources.backoff = {.first = absl::Milliseconds(10), .most = absl::Milliseconds(100)};
    options.state_dir = state_dir();
    options.signing_key_dir = key_dir();
    options.trusted_proxies = "127.0.0.0/8";
    options.build_interval = absl::Milliseconds(5);
    options.save_interval = absl::Hours(1);  // Tests save by hand.
    options.builder.rescan_keys_every = absl::Milliseconds(20);
    return options;
  }

  void StartServer(const SteeringServerOptions& options) {
    server_.reset();  // Before the next, and its metrics.
    metrics_ = std::make_unique<Metrics>();
    auto server = SteeringServer::Start(options, *metrics_, clock_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    stub_ = sv1::SteeringService::NewStub(MakeChannel(server_->grpc_target()));
  }
  void StartServer() { StartServer(Options()); }

  // A world, and a server that serves it.
  void StartWithWorld() {
    sources_->SetUpWorld("k-1");
    StartServer();
    ASSERT_TRUE(Eventually([&] { return Answers(kInside) && Answers(kOutside) && First(kInside) == "sites/emb"; })) << LastError(kInside);
  }

  static sv1::SteerRequest Request(const std::string& client, const std::string& title = "titles/movie") {
    sv1::SteerRequest request;
    request.set_client_address(client);
    request.set_title(title);
    return request;
  }

  grpc::Status Steer(const sv1::SteerRequest& request, sv1::SteerResponse& response, const std::string& principal = "service/playback") {
    grpc::ClientContext context;
    SetTimeout(context, kPatience);
    if (!principal.empty()) SetPrincipal(context, principal);
    response.Clear();
    return stub_->Steer(&context, request, &response);
  }
  grpc::Status Explain(const sv1::SteerRequest& request, sv1::ExplainResponse& response) {
    grpc::ClientContext context;
    SetTimeout(context, kPatience);
    SetPrincipal(context, "operator/jane");
    sv1::ExplainRequest explain;
    *explain.mutable_request() = request;
    response.Clear();
    return stub_->Explain(&context, explain, &response);
  }

  sv1::SteerResponse MustSteer(const sv1::SteerRequest& request) {
    sv1::SteerResponse response;
    const grpc::Status status = Steer(request, response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  bool Answers(const std::string& client) {
    sv1::SteerResponse response;
    return Steer(Request(client), response).ok() && response.verdict() == sv1::SteerResponse::VERDICT_OK;
  }
  std::string LastError(const std::string& client) {
    sv1::SteerResponse response;
    return absl::StrCat(Steer(Request(client), response).error_message(), response.ShortDebugString());
  }
  // The site, or the appliances, of the first file's URLs.
  std::string First(const std::string& client) {
    sv1::SteerResponse response;
    if (!Steer(Request(client), response).ok() || response.files().empty() || response.files(0).urls().empty()) return "";
    return response.files(0).urls(0).site();
  }
  std::vector<std::string> Boxes(const std::string& client) {
    sv1::SteerRequest request = Request(client);
    request.set_max_urls(8);
    sv1::SteerResponse response;
    std::vector<std::string> boxes;
    if (!Steer(request, response).ok() || response.files().empty()) return boxes;
    for (const sv1::RankedUrl& url : response.files(0).urls()) {
      if (std::find(boxes.begin(), boxes.end(), url.appliance()) == boxes.end()) boxes.push_back(url.appliance());
    }
    std::sort(boxes.begin(), boxes.end());
    return boxes;
  }

  HttpResponse Http(const std::string& method, const std::string& target, const std::string& body = "",
                    const std::string& principal = "service/playback") {
    // The handler by itself: HttpServer has tests of its own, and the NGINX test goes over real sockets.
    HttpRequest request;
    request.method = method;
    request.target = *ParseTarget(target);
    request.body = body;
    request.peer = *IpAddress::Parse("127.0.0.1");
    request.headers.emplace_back("Host", "steering.example.net:8443");
    if (!principal.empty()) request.headers.emplace_back("X-Fairlead-Principal", principal);
    return server_->AnswerRequest(request);
  }

  const std::string folder_;
  const EcKeyPair keys_;
  TokenVerifier verifier_;
  StillClock clock_;
  std::unique_ptr<FakeSources> sources_;
  std::unique_ptr<Metrics> metrics_;
  std::unique_ptr<SteeringServer> server_;
  std::unique_ptr<sv1::SteeringService::Stub> stub_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SERVER_FIXTURE_H_
