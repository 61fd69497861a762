#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/nginx/access_log.h"
#include "services/agent/nginx/config.h"
#include "services/agent/nginx/status.h"

namespace fairlead::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

NginxConfigInput Input() {
  NginxConfigInput input;
  input.listens = {{AddressFamily::kIpv4, "http", "127.0.9.1", 8080}, {AddressFamily::kIpv6, "http", "::1", 8081}};
  input.keys = {{"k-1", "-----BEGIN PUBLIC KEY-----\nMFkw\nAbc=\n-----END PUBLIC KEY-----\n"}};
  input.work_folder = "/var/lib/ocad/nginx";
  input.run_folder = "/run/ocad";
  input.disk_folder = "/data/disk";
  input.flash_folder = "/data/flash";
  input.modules_folder = "/usr/lib/nginx/modules";
  return input;
}

TEST(NginxConfigTest, TheTextFollowsFromTheInputsAlone) {
  const auto config = RenderNginxConfig(Input());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(*config, *RenderNginxConfig(Input()));
  EXPECT_THAT(config->nginx_conf,
              AllOf(HasSubstr("    listen 127.0.9.1:8080;\n    listen [::1]:8081 ipv6only=on;\n    server_name _;\n"),
                    HasSubstr("try_files /data/flash/$title/$version/$file /data/disk/$title/$version/$file =404;"),
                    HasSubstr("access_log syslog:server=unix:/run/ocad/log.sock,"), Not(HasSubstr("@")), Not(HasSubstr("\nuser "))));
  EXPECT_THAT(config->keys_js, HasSubstr("    \"k-1\": \"MFkwAbc=\",\n"));
}

TEST(NginxConfigTest, WorkersMayHaveTheOpenFilesThatTheInputSaysAndOtherwiseTheSystems) {
  NginxConfigInput input = Input();
  EXPECT_THAT(RenderNginxConfig(input)->nginx_conf, Not(HasSubstr("worker_rlimit_nofile")));
  input.open_files = 16'384;
  EXPECT_THAT(RenderNginxConfig(input)->nginx_conf, HasSubstr("\nworker_rlimit_nofile 16384;\n"));
}

TEST(NginxConfigTest, EachModeIsAConfigurationOfItsOwn) {
  NginxConfigInput input = Input();
  const std::string open = RenderNginxConfig(input)->nginx_conf;
  EXPECT_THAT(open, AllOf(HasSubstr("keepalive_timeout 65s;"), HasSubstr("try_files"), Not(HasSubstr("return 410;"))));
  input.mode = ServingMode::kEvacuating;
  const std::string evacuating = RenderNginxConfig(input)->nginx_conf;
  EXPECT_THAT(evacuating, AllOf(HasSubstr("keepalive_timeout 0;"), HasSubstr("try_files"), Not(HasSubstr("return 410;"))));
  input.mode = ServingMode::kRefusing;
  const std::string refusing = RenderNginxConfig(input)->nginx_conf;
  EXPECT_THAT(refusing, AllOf(HasSubstr("keepalive_timeout 0;"), HasSubstr("return 410;"), Not(HasSubstr("try_files")),
                              Not(HasSubstr("/data/")), Not(HasSubstr("@"))));
}

TEST(NginxConfigTest, TheOrderOfKeysIsNoReasonToReloadButAnotherKeyIs) {
  NginxConfigInput input = Input();
  input.keys.push_back({"k-0", input.keys[0].public_key_pem});
  const std::string both = RenderNginxConfig(input)->fingerprint;
  std::swap(input.keys[0], input.keys[1]);
  EXPECT_EQ(RenderNginxConfig(input)->fingerprint, both);
  EXPECT_NE(RenderNginxConfig(Input())->fingerprint, both);
}

TEST(NginxConfigTest, ANameIsServedOnEveryAddressOfItsFamily) {
  NginxConfigInput input = Input();
  input.listens = {{AddressFamily::kIpv6, "http", "oca.example.net", 80}, {AddressFamily::kIpv4, "http", "oca.example.net", 80}};
  EXPECT_THAT(RenderNginxConfig(input)->nginx_conf, HasSubstr("    listen [::]:80 ipv6only=on;\n    listen 0.0.0.0:80;\n"));
}

TEST(NginxConfigTest, WhatCannotBeWrittenSafelyIsRefusedByName) {
  NginxConfigInput input = Input();
  input.disk_folder = "/data/a;b";
  EXPECT_THAT(RenderNginxConfig(input).status().message(), AllOf(HasSubstr("disk_dir"), HasSubstr("/data/a;b")));
  input = Input();
  input.listens[1].scheme = "https";
  EXPECT_THAT(RenderNginxConfig(input).status().message(), HasSubstr("appliance.endpoints[1].scheme 'https'"));
  input = Input();
  input.listens[0].host = "::1";
  EXPECT_THAT(RenderNginxConfig(input).status().message(), HasSubstr("endpoints[0].host '::1'"));
  input = Input();
  input.keys[0].public_key_pem = "-----BEGIN PUBLIC KEY-----\n\"};evil\n-----END PUBLIC KEY-----\n";
  EXPECT_THAT(RenderNginxConfig(input).status().message(), HasSubstr("signing_keys['k-1'].public_key_pem"));
  input = Input();
  input.listens.clear();
  EXPECT_THAT(RenderNginxConfig(input).status().message(), HasSubstr("appliance.endpoints"));
}

TEST(NginxStatusTest, TheStatusPageIsReadAndAnythingElseRefused) {
  const auto counters =
      ParseStubStatus("Active connections: 3 \nserver accepts handled requests\n 12 11 40 \nReading: 0 Writing: 1 Waiting: 2 \n");
  ASSERT_TRUE(counters.ok()) << counters.status();
  EXPECT_EQ(*counters, (NginxCounters{3, 12, 11, 40}));
  EXPECT_FALSE(ParseStubStatus("<html>").ok());
}

constexpr char kLine[] =
    R"(<190>Nov 22 12:42:52 nginx: {"status":206,"bytes":275,"title":"big-film","version":"v1","family":"6","rank":"1","position":"2","cause":"content","scope":"play","refused":""})";

TEST(AccessLogTest, ALineKeepsWhatTheTokenSaid) {
  const auto line = ParseAccessLine(kLine);
  ASSERT_TRUE(line.ok()) << line.status();
  EXPECT_EQ(line->key, (TrafficKey{"big-film", "v1", 1, 2, MissCause::kContent, AddressFamily::kIpv6, false}));
  EXPECT_EQ(line->bytes, 275);
}

TEST(AccessLogTest, WithoutAnAcceptedTokenAPathMakesNoRowOfItsOwn) {
  for (const auto& [from, to] : {std::pair<std::string, std::string>(R"("scope":"play")", R"("scope":"")"),
                                 std::pair<std::string, std::string>(R"("refused":"")", R"("refused":"expired")")}) {
    std::string text = kLine;
    text.replace(text.find(from), from.size(), to);
    const auto line = ParseAccessLine(text);
    ASSERT_TRUE(line.ok()) << line.status();
    EXPECT_EQ(line->key, (TrafficKey{"", "", 0, 0, MissCause::kContent, AddressFamily::kIpv6, false})) << text;
    EXPECT_EQ(line->bytes, 275);
  }
}

TEST(AccessLogTest, WhatIsNoLineIsRefused) {
  for (const char* text : {"", "nginx: ", "{", "{\"status\":\"x\"}", "[1]"}) EXPECT_FALSE(ParseAccessLine(text).ok()) << text;
}

TEST(AccessLogTest, SumsAreByKeyAndBounded) {
  TrafficAggregator sums;
  AccessLine line = *ParseAccessLine(kLine);
  sums.Add(line);
  line.status = 403;
  sums.Add(line);
  auto rows = sums.Take();
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows.begin()->second, (TrafficSums{2, 550, 1}));
  EXPECT_TRUE(sums.empty());
  for (int i = 0; i < 12'000; ++i) {
    line.key.title = "t" + std::to_string(i);
    sums.Add(line);
  }
  rows = sums.Take();
  EXPECT_EQ(rows.size(), TrafficAggregator::kMaxRows);
  EXPECT_EQ(rows.begin()->first.title, "");
  EXPECT_EQ(rows.begin()->second.requests, 12'000 - (10'000 - 1));
  EXPECT_EQ(sums.total_bytes(), 275 * 12'002);
}

}  // namespace
}  // namespace fairlead::agent
