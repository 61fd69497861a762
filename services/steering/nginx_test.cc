// steerd behind a real NGINX, rendered from deploy/nginx/steering.conf.in.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "services/steering/fake_sources.h"
#include "services/steering/server.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::StartsWith;

constexpr absl::Duration kPatience = absl::Seconds(20);
constexpr char kInside[] = "198.51.100.7";
constexpr char kTrusted[] = "127.0.0.1";   // As the template is rendered here.
constexpr char kStranger[] = "127.0.0.9";  // Also this machine, but not on the list.

bool Eventually(const std::function<bool()>& done) {
  for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end; absl::SleepFor(absl::Milliseconds(10))) {
    if (done()) return true;
  }
  return done();
}

// A free port; somebody else may take it before NGINX does, which the test would see as NGINX not starting.
int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size), 0);
  close(fd);
  return ntohs(address.sin_port);
}

// One HTTP request from a local address of choice; the whole answer, empty if there is none.
std::string Fetch(const std::string& from, int port, const std::string& request) {
  const int fd = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, from.c_str(), &address.sin_addr);
  std::string answer;
  bool connected = bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  connected = connected && connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  if (connected && send(fd, request.data(), request.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(request.size())) {
    char bytes[8192];
    pollfd waiting = {fd, POLLIN, 0};
    while (poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(kPatience))) == 1) {
      const ssize_t count = recv(fd, bytes, sizeof(bytes), 0);
      if (count <= 0) break;
      answer.append(bytes, static_cast<size_t>(count));
    }
  }
  close(fd);
  return answer;
}

class NginxTest : public ::testing::Test {
 protected:
  // How often one address may ask, a second; far more than any test does unless it wants to be limited.
  explicit NginxTest(const std::string& requests_a_second = "10000") : requests_a_second_(requests_a_second) {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    const std::string keys = folder_ + "/keys";
    std::filesystem::create_directory(keys);
    std::ofstream(keys + "/k-1.pem") << GenerateEcKeyPair()->private_pem;
    EXPECT_EQ(chmod((keys + "/k-1.pem").c_str(), 0600), 0);
    sources_.SetUpWorld("k-1");
    SteeringServerOptions options;
    options.sources.registry = sources_.registry_target();
    options.sources.fill = sources_.fill_target();
    options.signing_key_dir = keys;
    options.trusted_proxies = "127.0.0.1";  // Where NGINX connects from.
    options.build_interval = absl::Milliseconds(5);
    auto server = SteeringServer::Start(options, metrics_, clock_);
    EXPECT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    StartNginx();
  }
  ~NginxTest() override {
    if (nginx_ > 0) {
      kill(nginx_, SIGTERM);
      waitpid(nginx_, nullptr, 0);
    }
    server_.reset();
    std::filesystem::remove_all(folder_);
  }

  // A port that was free may be taken before NGINX has it, by whoever connects from anywhere; then it ends, and others are tried.
  void StartNginx() {
    bool serves = false;
    for (int attempt = 0; attempt < 5 && !serves && nginx_ == -1; ++attempt) {
      LaunchNginx();
      EXPECT_TRUE(Eventually([&] { return (serves = Serves()) || HasEnded(); })) << Get(kTrusted, Query(kInside));
    }
    EXPECT_TRUE(serves);
  }

  bool Serves() const {
    return absl::StrContains(Get(kTrusted, "/healthz"), "SERVING") &&
           absl::StrContains(Get(kTrusted, Query(kInside), "X-Fairlead-Principal: service/playback\r\n"), "sites/emb");
  }

  bool HasEnded() {
    if (waitpid(nginx_, nullptr, WNOHANG) != nginx_) return false;
    nginx_ = -1;
    return true;
  }

  void LaunchNginx() {
    http_port_ = FreePort();
    grpc_port_ = FreePort();
    std::stringstream text;
    text << std::ifstream("deploy/nginx/steering.conf.in").rdbuf();
    ASSERT_FALSE(text.str().empty()) << "the template isn't among the test's data";
    const std::string rendered =
        absl::StrReplaceAll(text.str(), {{"@USER_LINE@", geteuid() == 0 ? "user root root;" : ""},
                                         {"@WORK@", folder_},
                                         {"@LISTEN_HTTP@", absl::StrCat("127.0.0.1:", http_port_)},
                                         {"@LISTEN_GRPC@", absl::StrCat("127.0.0.1:", grpc_port_)},
                                         {"@STEERD_HTTP@", absl::StrCat("server 127.0.0.1:", server_->http_port(), ";")},
                                         {"@STEERD_GRPC@", absl::StrCat("server ", server_->grpc_target(), ";")},
                                         {"@TRUSTED_CALLERS@", absl::StrCat(kTrusted, "/32 1;")},
                                         {"@REQUESTS_A_SECOND@", requests_a_second_}});
    const std::string path = folder_ + "/nginx.conf";
    std::ofstream(path) << rendered;
    nginx_ = fork();
    if (nginx_ == 0) {
      prctl(PR_SET_PDEATHSIG, SIGTERM);  // Nothing is left behind if the test dies.
      execl("/usr/sbin/nginx", "nginx", "-e", "stderr", "-c", path.c_str(), nullptr);
      _exit(127);
    }
  }

  static std::string Query(const std::string& client) {
    return absl::StrCat("/v1/steer?title=titles/movie", client.empty() ? "" : "&client_address=", client);
  }
  std::string Get(const std::string& from, const std::string& target, const std::string& headers = "") const {
    return Fetch(from, http_port_, absl::StrCat("GET ", target, " HTTP/1.1\r\nHost: steering\r\nConnection: close\r\n", headers, "\r\n"));
  }
  std::string Post(const std::string& from, const std::string& target, const std::string& body, const std::string& headers = "") const {
    return Fetch(from, http_port_,
                 absl::StrCat("POST ", target, " HTTP/1.1\r\nHost: steering\r\nConnection: close\r\nContent-Length: ", body.size(), "\r\n",
                              headers, "\r\n", body));
  }
  std::unique_ptr<sv1::SteeringService::Stub> Stub() const {
    return sv1::SteeringService::NewStub(MakeChannel(absl::StrCat("127.0.0.1:", grpc_port_)));
  }

  const std::string requests_a_second_;
  std::string folder_ = "/tmp/steerd-nginx-XXXXXX";
  FakeSources sources_;
  Metrics metrics_;
  SystemClock clock_;
  std::unique_ptr<SteeringServer> server_;
  pid_t nginx_ = -1;
  int http_port_ = 0;
  int grpc_port_ = 0;
};

constexpr char kPlayback[] = "X-Fairlead-Principal: service/playback\r\n";

TEST_F(NginxTest, ATrustedCallerNamesItsViewerOverHttp) {
  const std::string answer = Post(kTrusted, "/v1/steer", R"({"title":"titles/movie","clientAddress":"198.51.100.7"})", kPlayback);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Cache-Control: no-store"));
  EXPECT_THAT(answer, HasSubstr(R"("matchedPrefix":"198.51.100.0/24")"));
  EXPECT_THAT(Get(kTrusted, "/v1/explain?title=titles/movie&client_address=198.51.100.7", kPlayback), HasSubstr("coveringPrefixes"));
}

TEST_F(NginxTest, AStrangersWordForItselfIsDropped) {
  // Neither a principal nor a forwarded address of its own making gets through.
  EXPECT_THAT(Get(kStranger, Query(kInside), kPlayback), StartsWith("HTTP/1.1 403"));
  const std::string own = Get(kStranger, Query(""), absl::StrCat("X-Forwarded-For: ", kInside, "\r\n", kPlayback));
  EXPECT_THAT(own, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(own, HasSubstr(R"("matchedPrefix":"")"));
  EXPECT_THAT(Get(kStranger, Query(kStranger)), StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(Get(kStranger, "/v1/explain?title=titles/movie"), StartsWith("HTTP/1.1 403"));
}

TEST_F(NginxTest, ErrorsOfTheFrontAreCanonicalToo) {
  EXPECT_THAT(Get(kTrusted, "/elsewhere"), HasSubstr(R"("status":"NOT_FOUND")"));
  EXPECT_THAT(Post(kTrusted, "/v1/steer", std::string(100'000, ' '), kPlayback), HasSubstr(R"("code":413)"));
  EXPECT_THAT(Get(kTrusted, "/v1/steer?title=titles/unheard&client_address=1.1.1.1", kPlayback), HasSubstr("titles/unheard"));
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_THAT(Get(kTrusted, Query(kInside), kPlayback), HasSubstr("no steering server answers"));
}

TEST_F(NginxTest, ErrorsOfTheFrontAreErrorsOfGrpcToo) {
  const auto stub = Stub();
  sv1::SteerRequest request;
  request.set_title("titles/movie");
  request.set_client_address(kInside);
  const auto steer = [&] {
    grpc::ClientContext context;
    SetTimeout(context, kPatience);
    SetPrincipal(context, "service/playback");
    sv1::SteerResponse response;
    return stub->Steer(&context, request, &response);
  };
  EXPECT_TRUE(steer().ok());
  request.set_session_id(std::string(100'000, 's'));
  EXPECT_EQ(steer().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  request.clear_session_id();
  server_->Shutdown(absl::ZeroDuration());
  const grpc::Status dead = steer();
  EXPECT_EQ(dead.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(dead.error_message(), "no steering server answers");
}

constexpr char kSteering[] = "/v1/content-steering/emb/emb.2/ix?title=titles/movie&version=v1&at=emb:oca-1;emb.2:oca-2;ix:oca-3&round=4";
constexpr char kOrder[] = R"("PATHWAY-PRIORITY":["emb","emb.2","ix"])";

TEST_F(NginxTest, PlayersAreSteeredThroughTheFrontAndComeBackToItUnderTheNameThatTheyKnow) {
  const std::string playlist = Get(kTrusted, "/v1/hls/main.m3u8?title=titles/movie&client_address=198.51.100.7", kPlayback);
  EXPECT_THAT(playlist, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(playlist, HasSubstr("Content-Type: application/vnd.apple.mpegurl"));
  EXPECT_THAT(playlist, HasSubstr("SERVER-URI=\"http://steering/v1/content-steering/emb/emb.2/ix?"));
  const std::string manifest =
      Get(kTrusted, absl::StrCat(kSteering, "&client_address=198.51.100.7&_HLS_pathway=%22emb%22&_HLS_throughput=5000000"), kPlayback);
  EXPECT_THAT(manifest, HasSubstr("Content-Type: application/vnd.apple.steering-list"));
  EXPECT_THAT(manifest, HasSubstr("Access-Control-Allow-Origin: *"));
  EXPECT_THAT(manifest, HasSubstr("\"RELOAD-URI\":\"http://steering/v1/content-steering/emb/emb.2/ix?"));
  EXPECT_THAT(manifest, HasSubstr("&round=5"));
  EXPECT_THAT(manifest, HasSubstr(kOrder));
  // A stranger is answered for its own address, which may only use the exchange.
  EXPECT_THAT(Get(kStranger, absl::StrCat(kSteering, "&_HLS_pathway=emb")), HasSubstr(R"("PATHWAY-PRIORITY":["ix",)"));
}

TEST_F(NginxTest, WithoutASteerdPlayersStayWhereTheyAreAndWaitLonger) {
  server_->Shutdown(absl::ZeroDuration());
  const std::string answer = Get(kStranger, absl::StrCat(kSteering, "&_HLS_pathway=emb"));
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("Content-Type: application/vnd.apple.steering-list"));
  EXPECT_THAT(answer, HasSubstr("Cache-Control: no-store"));
  EXPECT_THAT(answer, HasSubstr(kOrder));
  EXPECT_THAT(answer, HasSubstr("\"RELOAD-URI\":\"http://steering/v1/content-steering/emb/emb.2/ix?title=titles/movie&version=v1&at="));
  EXPECT_THAT(answer, HasSubstr("at=emb:oca-1;emb.2:oca-2;ix:oca-3"));
  EXPECT_THAT(answer, ::testing::ContainsRegex("\"TTL\":(90|115|140|165),"));
}

class LimitedNginxTest : public NginxTest {
 protected:
  LimitedNginxTest() : NginxTest("1") {}
};

TEST_F(LimitedNginxTest, OneAddressCanNotTakeItAllAndTrustedCallersAreNotLimited) {
  bool limited = false;
  for (int i = 0; i < 100 && !limited; ++i) limited = absl::StrContains(Get(kStranger, Query("")), "RESOURCE_EXHAUSTED");
  EXPECT_TRUE(limited);
  for (int i = 0; i < 20; ++i) ASSERT_THAT(Get(kTrusted, Query(kInside), kPlayback), StartsWith("HTTP/1.1 200")) << i;
}

TEST_F(LimitedNginxTest, APlayerThatAsksTooOftenIsToldToWaitAndNotThatItAskedTooOften) {
  bool told = false;
  for (int i = 0; i < 100; ++i) {
    const std::string answer = Get(kStranger, kSteering);
    ASSERT_THAT(answer, StartsWith("HTTP/1.1 200")) << i;
    told |= !absl::StrContains(answer, "\"TTL\":30,");
  }
  EXPECT_TRUE(told);
}

TEST_F(NginxTest, GrpcPassesWithStreamsOfMoreThanAMegabyte) {
  const auto stub = Stub();
  grpc::ClientContext unary;
  SetTimeout(unary, kPatience);
  SetPrincipal(unary, "service/playback");
  sv1::SteerRequest request;
  request.set_title("titles/movie");
  request.set_client_address(kInside);
  sv1::SteerResponse response;
  const grpc::Status status = stub->Steer(&unary, request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.matched_prefix(), "198.51.100.0/24");

  grpc::ClientContext context;
  SetTimeout(context, kPatience);
  SetPrincipal(context, "service/playback");
  const auto stream = stub->SteerStream(&context);
  size_t sent = 0;
  for (uint64_t id = 0; sent < (2u << 20); ++id) {
    sv1::SteerStreamRequest batch;
    batch.set_id(id);
    for (int i = 0; i < 128; ++i) {
      request.set_session_id(absl::StrCat(std::string(50, 's'), i));
      *batch.add_requests() = request;
    }
    sent += batch.ByteSizeLong();
    ASSERT_TRUE(stream->Write(batch));
    sv1::SteerStreamResponse answer;
    ASSERT_TRUE(stream->Read(&answer));
    ASSERT_EQ(answer.id(), id);
    ASSERT_THAT(answer.results(), SizeIs(128));
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

}  // namespace
}  // namespace fairlead
