// The real programs: a generated world is written to a table file, and steerd serves from it with nothing else there, again after it was
// killed; and `fairlead steer --clients` has a million clients answered by it.
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/checkpoint/file.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "nlohmann/json.hpp"
#include "tests/generator/routes.h"
#include "tests/generator/world.h"
#include "tests/oracle/tried_lengths.h"
#include "tests/testing/eventually.h"
#include "tests/testing/subprocess.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using ::testing::HasSubstr;

constexpr double kScale = 0.001;

// In the runfiles, where the test starts.
std::string Program(const char* path) {
  return std::filesystem::absolute(path).string();
}

class SnapshotServeTest : public ::testing::Test {
 protected:
  SnapshotServeTest() {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    std::filesystem::create_directory(folder_ + "/keys");
    std::ofstream(folder_ + "/keys/bench.pem") << GenerateEcKeyPair()->private_pem;
    EXPECT_EQ(chmod((folder_ + "/keys/bench.pem").c_str(), 0600), 0);
  }
  ~SnapshotServeTest() override {
    Kill();
    std::filesystem::remove_all(folder_);
  }

  std::string File() const { return folder_ + "/world.table"; }
  std::vector<std::string> Arguments() const {
    return {Program("services/steering/steerd"), "--snapshot=" + File(), "--signing_key_dir=" + folder_ + "/keys", "--listen=127.0.0.1:0",
            "--http_listen=127.0.0.1:0",         "--metrics_listen="};
  }
  absl::StatusOr<std::string> WriteWorld() const {
    return RunSubprocess({.argv = {Program("tests/generator/write_snapshot"), "--out=" + File(), absl::StrCat("--scale=", kScale)}});
  }

  // Returns once it listens; its address stands in its log.
  void StartSteerd() {
    const std::string log = absl::StrCat(folder_, "/log", ++starts_);
    auto pid = StartSubprocess({.argv = Arguments()}, log);
    ASSERT_TRUE(pid.ok()) << pid.status();
    pid_ = *pid;
    ASSERT_TRUE(Eventually([&] {
      const auto text = ReadFile(log, size_t{1} << 20);
      const size_t at = text.ok() ? text->find("\"grpc\":\"") : std::string::npos;
      if (at == std::string::npos) return false;
      target_ = text->substr(at + 8, text->find('"', at + 8) - at - 8);
      return true;
    })) << ReadFile(log, size_t{1} << 20).value_or("");
    stub_ = sv1::SteeringService::NewStub(MakeChannel(target_));
  }
  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

  sv1::SteerResponse Steer(const std::string& client) {
    grpc::ClientContext context;
    SetTimeout(context, absl::Seconds(20));
    SetPrincipal(context, "service/playback");
    sv1::SteerRequest request;
    request.set_client_address(client);
    request.set_title("titles/t0000000");
    request.add_renditions("r000");
    sv1::SteerResponse response;
    const grpc::Status status = stub_->Steer(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }

  std::string folder_ = "/tmp/snapshot-serve-XXXXXX";
  pid_t pid_ = 0;
  int starts_ = 0;
  std::string target_;
  std::unique_ptr<sv1::SteeringService::Stub> stub_;
};

TEST_F(SnapshotServeTest, AGeneratedWorldIsServedAlsoAfterAKill) {
  const auto written = WriteWorld();
  ASSERT_TRUE(written.ok()) << written.status();
  EXPECT_THAT(*written, HasSubstr("world.table: 1350 prefixes"));
  StartSteerd();
  for (const char* client : {"198.51.100.7", "2600::1"}) {
    const sv1::SteerResponse response = Steer(client);
    EXPECT_EQ(response.verdict(), sv1::SteerResponse::VERDICT_OK) << response.ShortDebugString();
    ASSERT_EQ(response.files_size(), 1);
    EXPECT_GE(response.files(0).urls_size(), 2);
    ASSERT_EQ(response.sources_size(), 1);
    EXPECT_EQ(response.sources(0).source(), "generator, in the table");
    EXPECT_TRUE(response.sources(0).from_disk());
  }
  const std::string before = Steer("198.51.100.7").files(0).urls(0).appliance();
  Kill();
  StartSteerd();
  EXPECT_EQ(Steer("198.51.100.7").files(0).urls(0).appliance(), before);
}

TEST_F(SnapshotServeTest, AFileThatIsCutEndsTheStartWithAReadableError) {
  ASSERT_TRUE(WriteWorld().ok());
  std::filesystem::resize_file(File(), std::filesystem::file_size(File()) / 2);
  const auto run = RunSubprocess({.argv = Arguments()});
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(std::string(run.status().message()), HasSubstr("world.table: not a whole file: it has "));
}

// The program `fairlead` with a file of clients.
class ClientsFileTest : public SnapshotServeTest {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteWorld().ok());
    StartSteerd();
  }

  std::string ClientsFile() const { return folder_ + "/clients"; }
  // Its exit code; `line` gets its answers one by one, for a million of them are hundreds of megabytes.
  int SteerClients(const std::string& more, absl::FunctionRef<void(const std::string&)> line) {
    const std::string command = absl::StrCat(Program("services/cli/fairlead"), " steer --clients ", ClientsFile(), " --steering ", target_,
                                             " --title t0000000 --renditions r000 ", more, " 2>", folder_, "/notes");
    FILE* const answers = popen(command.c_str(), "r");
    if (answers == nullptr) return -1;
    char* text = nullptr;
    size_t room = 0;
    for (ssize_t size; (size = getline(&text, &room, answers)) >= 0;) line(std::string(text, static_cast<size_t>(size)));
    std::free(text);
    const int status = pclose(answers);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string Notes() const { return ReadFile(folder_ + "/notes", size_t{1} << 20).value_or("can't be read"); }
};

constexpr size_t kClients = 1'000'000;
constexpr size_t kSample = 1'000;  // Of so many one is read whole.
constexpr char kNoAddress[] = "198.51.100.256";

// Families in turn, a third of each anywhere, the rest inside prefixes of the world; in the middle a line that is no address.
std::vector<std::string> MixedClients(const std::vector<Prefix>& prefixes) {
  std::vector<Prefix> of_family[2];
  for (const Prefix& prefix : prefixes) of_family[prefix.address().is_v6()].push_back(prefix);
  RouteGenerator generator(1);
  std::vector<std::string> clients;
  for (size_t i = 0; i < kClients; ++i) {
    if (i == kClients / 2) clients.push_back(kNoAddress);
    const std::vector<Prefix>& inside = of_family[i % 2];
    const IpAddress client = i % 3 == 0 ? generator.Address(i % 2 == 0 ? AddressFamily::kIpv4 : AddressFamily::kIpv6)
                                        : generator.AddressIn(inside[generator.random().Below(inside.size())]);
    clients.push_back(client.ToString());
  }
  return clients;
}

// Of an answer that was read whole: the prefix is the longest of the world's that holds the client, none if none does; the boxes are those
// of an answer to it alone, in their order. (The world's IX sites are open to clients whom no route reaches, so everybody has some.)
void CheckAnswer(const nlohmann::json& answer, const std::string& client, const TriedLengths& tried, const sv1::SteerResponse& alone) {
  ASSERT_EQ(answer.value("client", ""), client) << answer;
  EXPECT_EQ(answer.value("verdict", ""), "OK") << answer;
  const auto expected = tried.LongestMatch(*IpAddress::Parse(client));
  EXPECT_EQ(answer.value("matchedPrefix", "none"), expected.has_value() ? expected->prefix.ToString() : "") << answer;
  const auto boxes = answer.value("appliances", nlohmann::json::array());
  EXPECT_FALSE(boxes.empty()) << answer;
  ASSERT_EQ(alone.files_size(), 1) << answer;
  ASSERT_EQ(boxes.size(), static_cast<size_t>(alone.files(0).urls_size())) << answer;
  for (size_t i = 0; i < boxes.size(); ++i) {
    const sv1::RankedUrl& url = alone.files(0).urls(static_cast<int>(i));
    EXPECT_EQ(boxes[i].value("appliance", ""), url.appliance()) << answer;
    EXPECT_EQ(boxes[i].value("site", ""), url.site()) << answer;
    EXPECT_EQ(boxes[i].value("rank", -1), url.rank()) << answer;
  }
}

TEST_F(ClientsFileTest, AMillionClientsOfAFileAreAnsweredInItsOrder) {
  const World world(WorldOptions::Scaled(kScale));
  TriedLengths tried;
  for (const Prefix& prefix : world.prefixes()) tried.Set(prefix, 0);
  const std::vector<std::string> clients = MixedClients(world.prefixes());
  std::ofstream(ClientsFile()) << absl::StrJoin(clients, "\n") << "\n";
  std::vector<std::string> sample;
  size_t answered = 0;
  size_t strange = 0;
  const absl::Time start = absl::Now();
  const int code = SteerClients("", [&](const std::string& line) {
    const size_t at = answered++;
    if (at >= clients.size()) return;
    const bool refused = clients[at] == kNoAddress;
    const std::string head = absl::StrCat(R"({"line":)", at + 1, R"(,"client":")", clients[at], R"(",)", refused ? R"("error":{)" : "");
    if (!absl::StartsWith(line, head) || !absl::EndsWith(line, "}\n")) {
      EXPECT_GT(++strange, 3u) << line << " doesn't begin with " << head;  // Told of the first ones.
    } else if (refused) {
      EXPECT_THAT(line, HasSubstr(R"("error":{"code":"INVALID_ARGUMENT","message":"client: '198.51.100.256')"));
    } else if (at % kSample == 0) {
      sample.push_back(line);
    }
  });
  std::cout << "ANSWERED " << answered << " lines in " << absl::Now() - start << "\n";
  for (const std::string& line : sample) {
    const auto answer = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    ASSERT_TRUE(answer.is_object()) << line;
    const std::string& client = clients.at(answer.value("line", size_t{0}) - 1);
    ASSERT_NO_FATAL_FAILURE(CheckAnswer(answer, client, tried, Steer(client)));
  }
  EXPECT_EQ(code, 0) << Notes();
  EXPECT_EQ(answered, kClients + 1);
  EXPECT_EQ(strange, 0u);
  EXPECT_GE(sample.size(), kClients / kSample - 1);
  EXPECT_THAT(Notes(), HasSubstr(absl::StrCat("clients:", kClients / 2 + 1, ": client: '198.51.100.256'")));
}

TEST_F(ClientsFileTest, WithStrictALineThatIsNoAddressEndsItBehindTheAnswersBeforeIt) {
  std::ofstream(ClientsFile()) << "198.51.100.7\n2600::1\n" << kNoAddress << "\n198.51.100.9\n";
  std::vector<std::string> lines;
  EXPECT_EQ(SteerClients("--strict", [&](const std::string& line) { lines.push_back(line); }), 2);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_THAT(lines[0], HasSubstr(R"({"line":1,"client":"198.51.100.7","verdict":"OK")"));
  EXPECT_THAT(lines[1], HasSubstr(R"({"line":2,"client":"2600::1","verdict":"OK")"));
  EXPECT_THAT(Notes(), HasSubstr("clients:3: client: '198.51.100.256'"));
}

}  // namespace
}  // namespace fairlead
