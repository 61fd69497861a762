// A real NGINX with the rendered configuration: which requests it serves and which it refuses.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/signing/base64url.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token.h"
#include "services/agent/nginx/access_log.h"
#include "services/agent/nginx/daemon.h"
#include "services/agent/test_support.h"

namespace fairlead::agent {
namespace {

using ::testing::HasSubstr;

class NginxIntegrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    disk_file_ = RandomBytes(100'000, 1);
    temp_.Write("disk/big-film/v1/video/a.mp4", disk_file_);
    temp_.Write("disk/big-film/v1/video/media.m3u8", "#EXTM3U\n");
    temp_.Write("disk/big-film/v1/video/.hidden", "secret");
    temp_.Write("disk/.partial/x.part", "half");
    temp_.Write("flash/big-film/v1/hot/a.mp4", "flash copy");
    temp_.Write("disk/big-film/v1/hot/a.mp4", "disk copy");
    temp_.Write("outside/secret", "secret");
    key_ = std::make_unique<EcKeyPair>(GenerateEcKeyPair().value());
    port_ = FreePort();
    v6_port_ = FreePort("::1");
    daemon_ =
        std::make_unique<NginxDaemon>(NginxDaemonOptions{.work_folder = temp_.path() + "/nginx", .run_folder = temp_.path() + "/run"});
    const absl::Status opened = daemon_->Open();
    ASSERT_TRUE(opened.ok()) << opened;
    log_ = Fd(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    strncpy(address.sun_path, NginxLogSocket(temp_.path() + "/run").c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(bind(log_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  NginxConfigInput Input() const {
    NginxConfigInput input;
    input.listens = {{AddressFamily::kIpv4, "http", "127.0.0.1", port_}, {AddressFamily::kIpv6, "http", "::1", v6_port_}};
    input.keys = {{"k-1", key_->public_pem}};
    input.disk_folder = temp_.path() + "/disk";
    input.flash_folder = temp_.path() + "/flash";
    return input;
  }
  void Run(const NginxConfigInput& input) {
    const absl::Status applied = daemon_->Apply(input);
    ASSERT_TRUE(applied.ok()) << applied;
    daemon_->Tick(absl::ZeroDuration());
    ASSERT_TRUE(WaitFor([this] { return daemon_->Report().state == NginxReport::State::kRunning; })) << daemon_->Report().detail;
  }
  TokenClaims Claims() const {
    TokenClaims claims;
    claims.title = "big-film";
    claims.version = "v1";
    claims.rank = 1;
    claims.position = 2;
    claims.cause = MissCause::kCapacity;
    claims.not_before = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) - 10);
    claims.expires = claims.not_before + absl::Minutes(10);
    return claims;
  }
  static std::string SignText(const std::string& input, const EcKeyPair& key) {
    return absl::StrCat(input, ".", Base64UrlEncode(EcPrivateKey::FromPem(key.private_pem)->Sign(input).value()));
  }
  std::string Sign(const TokenClaims& claims) const { return SignText(EncodeSigningInput("k-1", claims).value(), *key_); }
  std::string Url(const std::string& token, const std::string& path) const {
    return absl::StrCat("http://127.0.0.1:", port_, "/URISigningPackage=", token, "/", path);
  }
  HttpAnswer Get(const std::string& token, const std::string& path = "big-film/v1/video/a.mp4") const {
    return Fetch({.url = Url(token, path)});
  }
  std::string Refusal(const std::string& token, const std::string& path = "big-film/v1/video/a.mp4") const {
    HttpAnswer answer = Get(token, path);
    return answer.status == 403 ? answer.headers["x-fairlead-refused"] : absl::StrCat("status ", answer.status);
  }
  AccessLine NextLogLine() const {
    char buffer[4096];
    timeval timeout{10, 0};
    setsockopt(log_.get(), SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    const ssize_t size = recv(log_.get(), buffer, sizeof buffer, 0);
    const auto line = ParseAccessLine(absl::string_view(buffer, size < 0 ? 0 : size));
    EXPECT_TRUE(line.ok()) << line.status();
    return line.ok() ? *line : AccessLine();
  }

  TempFolder temp_;
  std::string disk_file_;
  std::unique_ptr<EcKeyPair> key_;
  int port_ = 0, v6_port_ = 0;
  Fd log_;
  std::unique_ptr<NginxDaemon> daemon_;
};

TEST_F(NginxIntegrationTest, AGoodTokenOpensItsTitleWithRangesTypesAndCors) {
  Run(Input());
  const std::string token = Sign(Claims());
  HttpAnswer whole = Get(token);
  EXPECT_EQ(whole.status, 200);
  EXPECT_EQ(whole.body, disk_file_);
  EXPECT_EQ(whole.headers["content-type"], "video/mp4");
  EXPECT_EQ(whole.headers["access-control-allow-origin"], "*");
  const AccessLine line = NextLogLine();
  EXPECT_EQ(line.key, (TrafficKey{"big-film", "v1", 1, 2, MissCause::kCapacity, AddressFamily::kIpv4, false}));
  EXPECT_GT(line.bytes, 100'000);

  HttpAnswer part = Fetch({.url = Url(token, "big-film/v1/video/a.mp4"), .range = "1000-1999"});
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, disk_file_.substr(1000, 1000));
  EXPECT_EQ(NextLogLine().key.rank, 1);  // From a cached verdict the facts are the same.
  EXPECT_EQ(Get(token, "big-film/v1/video/media.m3u8").headers["content-type"], "application/vnd.apple.mpegurl");
  EXPECT_EQ(Get(token, "big-film/v1/hot/a.mp4").body, "flash copy");
  EXPECT_EQ(Fetch({.url = Url(token, "big-film/v1/video/a.mp4"), .method = "HEAD"}).status, 200);
  HttpAnswer preflight = Fetch({.url = Url(token, "big-film/v1/video/a.mp4"), .method = "OPTIONS"});
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers["access-control-allow-headers"], "Range");
  EXPECT_EQ(Fetch({.url = absl::StrReplaceAll(Url(token, "big-film/v1/hot/a.mp4"),
                                              {{absl::StrCat("127.0.0.1:", port_), absl::StrCat("[::1]:", v6_port_)}})})
                .body,
            "flash copy");
}

TEST_F(NginxIntegrationTest, EveryOtherTokenIsRefusedWithItsReason) {
  Run(Input());
  const std::string token = Sign(Claims());
  std::string tampered = token;
  tampered[tampered.find('.') + 20] ^= 1;
  EXPECT_EQ(Refusal(tampered), "BAD_SIGNATURE");
  TokenClaims expired = Claims();
  expired.not_before -= absl::Hours(2);
  expired.expires = absl::FromUnixSeconds(absl::ToUnixSeconds(absl::Now()) - 62);
  EXPECT_EQ(Refusal(Sign(expired)), "EXPIRED");
  TokenClaims early = Claims();
  early.not_before += absl::Minutes(5);
  EXPECT_EQ(Refusal(Sign(early)), "NOT_YET_VALID");
  TokenClaims just_expired = expired;
  just_expired.expires += absl::Seconds(32);
  EXPECT_EQ(Get(Sign(just_expired)).status, 200) << "a clock may be off by a minute";
  TokenClaims other = Claims();
  other.title = "other-film";
  EXPECT_EQ(Refusal(Sign(other)), "OTHER_PATH");
  EXPECT_EQ(Refusal(token, "big-film/v2/video/a.mp4"), "OTHER_PATH");
  EXPECT_EQ(Refusal(SignText(EncodeSigningInput("k-1", Claims()).value(), GenerateEcKeyPair().value())), "BAD_SIGNATURE");
  EXPECT_EQ(Refusal(SignText(EncodeSigningInput("k-9", Claims()).value(), *key_)), "UNKNOWN_KEY");
  EXPECT_EQ(Refusal(SignText(absl::StrCat(Base64UrlEncode(R"({"alg":"none","kid":"k-1"})"), ".", Base64UrlEncode("{}")), *key_)),
            "BAD_ALGORITHM");
  EXPECT_EQ(Refusal(SignText(absl::StrCat(Base64UrlEncode(R"({"alg":"ES256","kid":"__proto__"})"), ".", Base64UrlEncode("{}")), *key_)),
            "UNKNOWN_KEY");
  EXPECT_EQ(Refusal(SignText(absl::StrCat(Base64UrlEncode(R"({"alg":"ES256","kid":"k-1"})"), ".", Base64UrlEncode("{}")), *key_)),
            "BAD_CLAIMS");
  EXPECT_EQ(Refusal("garbage"), "MALFORMED");
  EXPECT_EQ(Refusal("gar%0d%0aX-Title:%20x"), "MALFORMED");
  EXPECT_EQ(Refusal(token + "="), "MALFORMED");
  EXPECT_EQ(Fetch({.url = absl::StrCat("http://127.0.0.1:", port_, "/big-film/v1/video/a.mp4")}).status, 403);
  EXPECT_EQ(Refusal(tampered), "BAD_SIGNATURE") << "a refusal is never cached as anything else";
}

TEST_F(NginxIntegrationTest, NothingOutsideTheContentIsReachable) {
  Run(Input());
  const std::string token = Sign(Claims());
  for (const char* path :
       {"big-film/v1/../../../outside/secret", "big-film/v1/%2e%2e/%2e%2e/%2e%2e/outside/secret", "big-film/v1/video/.hidden",
        ".partial/x.part", "big-film/v1/video/", "big-film/v1/video", "big-film/v1/video/a.mp4/", "big-film/v1/video/none.mp4",
        "big-film/v1/video/%2e%2e%2f%2e%2e%2fsecret", "../../_verdict"}) {
    const HttpAnswer answer = Get(token, path);
    EXPECT_THAT(answer.status, ::testing::AnyOf(400, 403, 404)) << path;
    EXPECT_EQ(answer.body.find("secret"), std::string::npos) << path;
  }
  EXPECT_EQ(Get(token, "big-film/v1/video/none.mp4").status, 404);
  for (const char* method : {"POST", "PUT", "DELETE", "TRACE"}) {
    EXPECT_EQ(Fetch({.url = Url(token, "big-film/v1/video/a.mp4"), .method = method}).status, 405) << method;
  }
}

TEST_F(NginxIntegrationTest, OriginTakesFillTokensOnly) {
  NginxConfigInput input = Input();
  input.fill_only = true;
  Run(input);
  EXPECT_EQ(Refusal(Sign(Claims())), "OTHER_SCOPE");
  TokenClaims fill = Claims();
  fill.scope = TokenScope::kFill;
  EXPECT_EQ(Get(Sign(fill)).status, 200);
  NextLogLine();
  EXPECT_TRUE(NextLogLine().key.fill);
}

TEST_F(NginxIntegrationTest, AnEvacuatingBoxServesOnAndEndsEachConnection) {
  Run(Input());
  const std::string token = Sign(Claims());
  EXPECT_EQ(Get(token).headers["connection"], "keep-alive");
  NginxConfigInput input = Input();
  input.mode = ServingMode::kEvacuating;
  ASSERT_TRUE(daemon_->Apply(input).ok());
  HttpAnswer answer = Get(token);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, disk_file_);
  EXPECT_EQ(answer.headers["connection"], "close");
  EXPECT_EQ(Refusal("garbage"), "MALFORMED");
  EXPECT_EQ(daemon_->Report().reloads, 1);
}

TEST_F(NginxIntegrationTest, ALameDuckRefusesEverybodySoThatPlayersMoveAtOnce) {
  Run(Input());
  const std::string token = Sign(Claims());
  TokenClaims fill = Claims();
  fill.scope = TokenScope::kFill;
  ASSERT_EQ(Get(token).status, 200);
  NextLogLine();
  NginxConfigInput input = Input();
  input.mode = ServingMode::kRefusing;
  ASSERT_TRUE(daemon_->Apply(input).ok());
  for (const std::string& one : {token, Sign(fill), std::string("garbage")}) {
    HttpAnswer answer = Get(one);
    EXPECT_EQ(answer.status, 410);
    EXPECT_EQ(answer.headers["x-fairlead-refused"], "DRAINED");
    EXPECT_EQ(answer.headers["access-control-allow-origin"], "*");
    EXPECT_THAT(answer.headers["access-control-expose-headers"], HasSubstr("X-Fairlead-Refused"));
    EXPECT_EQ(answer.headers["cache-control"], "no-store") << "the box will be back";
    EXPECT_EQ(answer.headers["connection"], "close");
  }
  const AccessLine line = NextLogLine();
  EXPECT_EQ(line.status, 410);
  EXPECT_EQ(line.refused, "DRAINED");
  EXPECT_EQ(Fetch({.url = Url(token, "big-film/v1/video/a.mp4"), .method = "HEAD"}).status, 410);
  EXPECT_EQ(Fetch({.url = absl::StrCat("http://[::1]:", v6_port_, "/")}).status, 410);
  EXPECT_EQ(Fetch({.url = Url(token, "big-film/v1/video/a.mp4"), .method = "OPTIONS"}).status, 204) << "else a page can't see the 410";
  ASSERT_TRUE(daemon_->Apply(input).ok());
  EXPECT_EQ(daemon_->Report().reloads, 1);
  ASSERT_TRUE(daemon_->Apply(Input()).ok());
  EXPECT_EQ(Get(token).status, 200) << "back in service";
}

// Its line in the access log comes at its end, so a long answer would look like silence.
TEST_F(NginxIntegrationTest, WhoStillGetsAnAnswerOfTheOldConfigurationIsKnown) {
  temp_.Write("disk/big-film/v1/video/large.mp4", std::string(size_t{64} << 20, 'x'));
  Run(Input());
  const Fd viewer(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port_);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ASSERT_EQ(connect(viewer.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  const std::string request =
      absl::StrCat("GET /URISigningPackage=", Sign(Claims()), "/big-film/v1/video/large.mp4 HTTP/1.1\r\nHost: x\r\n\r\n");
  ASSERT_EQ(write(viewer.get(), request.data(), request.size()), static_cast<ssize_t>(request.size()));
  char first[64];
  ASSERT_GT(read(viewer.get(), first, sizeof first), 0);  // The rest waits in full buffers.
  NginxConfigInput input = Input();
  input.mode = ServingMode::kRefusing;
  ASSERT_TRUE(daemon_->Apply(input).ok());
  EXPECT_EQ(Get(Sign(Claims())).status, 410);
  daemon_->Tick(absl::Seconds(1));
  EXPECT_TRUE(daemon_->old_workers_left());
  shutdown(viewer.get(), SHUT_RDWR);
  const absl::Duration now = absl::Seconds(2);
  EXPECT_TRUE(WaitFor([&] {
    while (read(viewer.get(), first, sizeof first) > 0) {
    }
    daemon_->Tick(now);
    return !daemon_->old_workers_left();
  }));
}

TEST_F(NginxIntegrationTest, ARevokedKeyClosesWhatItOpenedBefore) {
  Run(Input());
  const std::string token = Sign(Claims());
  ASSERT_EQ(Get(token).status, 200);
  NginxConfigInput input = Input();
  input.keys = {{"k-2", GenerateEcKeyPair()->public_pem}};
  ASSERT_TRUE(daemon_->Apply(input).ok());
  EXPECT_EQ(Refusal(token), "UNKNOWN_KEY");
  EXPECT_EQ(daemon_->Report().reloads, 1);
  ASSERT_TRUE(daemon_->Apply(input).ok());
  EXPECT_EQ(daemon_->Report().reloads, 1) << "an equal text is no reason to reload";
}

// The old workers accept for another 100 ms and more after the new ones answer.
TEST_F(NginxIntegrationTest, AConfigurationInForceIsTheOnlyOneThatTakesConnections) {
  Run(Input());
  const std::string token = Sign(Claims());
  ASSERT_EQ(Get(token).status, 200);
  NginxConfigInput revoked = Input();
  revoked.keys = {{"k-2", GenerateEcKeyPair()->public_pem}};
  for (int round = 0; round < 5; ++round) {
    ASSERT_TRUE(daemon_->Apply(revoked).ok());
    for (int i = 0; i < 20; ++i) ASSERT_EQ(Refusal(token), "UNKNOWN_KEY") << "round " << round << ", request " << i;
    ASSERT_TRUE(daemon_->Apply(Input()).ok());
    for (int i = 0; i < 20; ++i) ASSERT_EQ(Get(token).status, 200) << "round " << round << ", request " << i;
  }
}

TEST_F(NginxIntegrationTest, ARefusedConfigurationIsReportedAndTheOneBeforeServesOn) {
  Run(Input());
  NginxConfigInput input = Input();
  input.listens[0].host = "192.0.2.1";  // No address of this machine.
  const absl::Status refused = daemon_->Apply(input);
  EXPECT_FALSE(refused.ok());
  EXPECT_THAT(refused.message(), HasSubstr("192.0.2.1"));
  EXPECT_THAT(refused.message(), HasSubstr("nginx"));
  EXPECT_EQ(daemon_->Report().state, NginxReport::State::kConfigRefused);
  EXPECT_EQ(Get(Sign(Claims())).status, 200);
  ASSERT_TRUE(daemon_->Apply(Input()).ok());
  EXPECT_EQ(daemon_->Report().state, NginxReport::State::kRunning);
}

TEST_F(NginxIntegrationTest, AKilledMasterIsReplacedAlthoughItsWorkersHoldThePort) {
  Run(Input());
  const std::string token = Sign(Claims());
  ASSERT_EQ(Get(token).status, 200);
  const pid_t master = atoi(ReadFile(temp_.path() + "/run/nginx.pid")->c_str());
  ASSERT_GT(master, 1);
  kill(master, SIGKILL);
  absl::Duration now = absl::Seconds(1);
  EXPECT_TRUE(WaitFor([&] {
    daemon_->Tick(now += absl::Seconds(1));
    return daemon_->Report().restarts == 1 && daemon_->Report().state == NginxReport::State::kRunning;
  })) << daemon_->Report().detail;
  EXPECT_EQ(Get(token).status, 200);
}

TEST(NginxDaemonTest, AMissingBinaryIsNamed) {
  TempFolder temp;
  NginxDaemon daemon({.binary = "/usr/sbin/no-nginx", .work_folder = temp.path() + "/n", .run_folder = temp.path()});
  EXPECT_THAT(daemon.Open().message(), HasSubstr("/usr/sbin/no-nginx"));
}

}  // namespace
}  // namespace fairlead::agent
