#include "tests/lab/faults.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lab/control.h"
#include "tests/lab/run_folder.h"
#include "tests/testing/eventually.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

// A lab of one process with a child, asked from outside as `lab kill …` does.
class FaultsTest : public ::testing::Test {
 protected:
  FaultsTest() {
    std::string path = "/tmp/lab-test-XXXXXX";
    path_ = mkdtemp(path.data());
    folder_ = RunFolder::Acquire(path_).value();
    supervisor_ = std::make_unique<Supervisor>(*folder_);
    relay_ = std::make_unique<Relay>([] { return std::vector<std::pair<std::string, pid_t>>(); });
    control_ = ControlServer::Open(path_, [this](const auto& words) { return Inflict(*supervisor_, *relay_, words); }).value();
    // A box with a child of another name, which it starts again when it ends.
    EXPECT_TRUE(
        supervisor_->Start({.name = "box", .argv = {"/bin/sh", "-c", "while :; do sleep 1000; echo again >> " + path_ + "/ends; done"}})
            .ok());
    EXPECT_TRUE(Eventually([&] { return Ask({"cont", "box/sleep"}) == "continued 1\n"; }));
  }
  ~FaultsTest() override {
    control_.reset();
    supervisor_.reset();
    std::filesystem::remove_all(path_);
  }

  std::string Ask(const std::vector<std::string>& words) {
    const absl::StatusOr<std::string> answer = AskLab(path_, words);
    return answer.ok() ? *answer
                       : absl::StrCat(absl::StatusCodeToString(answer.status().code()), ": ", std::string(answer.status().message()));
  }
  ProcessStatus Box() const { return supervisor_->List().at(0); }

  std::string path_;
  std::unique_ptr<RunFolder> folder_;
  std::unique_ptr<Supervisor> supervisor_;
  std::unique_ptr<Relay> relay_;
  std::unique_ptr<ControlServer> control_;
};

TEST_F(FaultsTest, AKilledProcessIsStartedAgainUnlessItIsHeld) {
  const pid_t first = Box().pid;
  EXPECT_EQ(Ask({"kill", "box"}), "killed 1\n");
  EXPECT_TRUE(Eventually([&] { return Box().pid != 0 && Box().pid != first; }));
  EXPECT_TRUE(Eventually([&] { return Ask({"cont", "box/sleep"}) == "continued 1\n"; }));
  EXPECT_EQ(Ask({"kill", "box/**", "--hold"}), "killed 2; held until released\n");
  EXPECT_TRUE(Eventually([&] { return Box().pid == 0; }));
  EXPECT_TRUE(Box().held);
  EXPECT_THAT(Ask({"status"}), HasSubstr("held"));
  EXPECT_EQ(Box().restarts, 1);
  EXPECT_THAT(Ask({"kill", "box"}), HasSubstr("NOT_FOUND"));
  EXPECT_EQ(Ask({"release", "box"}), "released\n");
  EXPECT_TRUE(Eventually([&] { return Box().pid != 0; }));
  EXPECT_FALSE(Box().held);
}

TEST_F(FaultsTest, AChildIsKilledByItsProgramAndTheParentLives) {
  const pid_t first = Box().pid;
  EXPECT_EQ(Ask({"kill", "box/sleep"}), "killed 1\n");
  EXPECT_TRUE(Eventually([&] { return std::filesystem::exists(path_ + "/ends"); }));
  EXPECT_EQ(Box().pid, first);
  EXPECT_THAT(Ask({"kill", "box/nginx"}), HasSubstr("NOT_FOUND: no process 'box/nginx' runs"));
}

TEST_F(FaultsTest, ARestartIsAnOrderlyEndAndAnotherStart) {
  const pid_t first = Box().pid;
  EXPECT_EQ(Ask({"restart", "box"}), "asked to end\n");
  EXPECT_TRUE(Eventually([&] { return Box().pid != 0 && Box().pid != first; }));
  EXPECT_EQ(Box().last_exit, "signal 15");
}

TEST_F(FaultsTest, WhatIsNotUnderstoodChangesNothing) {
  const pid_t first = Box().pid;
  for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
           {"kill"}, {"kill", "box", "--hard"}, {"explode", "box"}, {"partition", "box"}, {"status", "box"}, {"heal", "box"}}) {
    EXPECT_THAT(Ask(words), HasSubstr("INVALID_ARGUMENT"));
  }
  EXPECT_THAT(Ask({"hold", "nobody"}), HasSubstr("NOT_FOUND: no process 'nobody'"));
  EXPECT_THAT(Ask({"partition", "box", "steerd"}), HasSubstr("isn't reached through the relay"));
  EXPECT_EQ(Box().pid, first);
  EXPECT_FALSE(Box().held);
}

TEST_F(FaultsTest, WithoutALabTheFolderIsNamed) {
  control_.reset();
  EXPECT_THAT(Ask({"status"}), HasSubstr(absl::StrCat("UNAVAILABLE: no lab runs in '", path_, "'")));
}

}  // namespace
}  // namespace fairlead
