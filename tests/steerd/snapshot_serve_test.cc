// The real programs: a generated world is written to a table file, and steerd serves from it with nothing else there, again after it was
// killed.
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/checkpoint/file.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "tests/testing/eventually.h"
#include "tests/testing/subprocess.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using ::testing::HasSubstr;

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
    return RunSubprocess({.argv = {Program("tests/generator/write_snapshot"), "--out=" + File(), "--scale=0.001"}});
  }

  // Returns once it listens; its address stands in its log.
  void StartSteerd() {
    const std::string log = absl::StrCat(folder_, "/log", ++starts_);
    auto pid = StartSubprocess({.argv = Arguments()}, log);
    ASSERT_TRUE(pid.ok()) << pid.status();
    pid_ = *pid;
    std::string target;
    ASSERT_TRUE(Eventually([&] {
      const auto text = ReadFile(log, size_t{1} << 20);
      const size_t at = text.ok() ? text->find("\"grpc\":\"") : std::string::npos;
      if (at == std::string::npos) return false;
      target = text->substr(at + 8, text->find('"', at + 8) - at - 8);
      return true;
    })) << ReadFile(log, size_t{1} << 20).value_or("");
    stub_ = sv1::SteeringService::NewStub(MakeChannel(target));
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

}  // namespace
}  // namespace fairlead
