#include "tests/lab/supervisor.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/lab/proc.h"
#include "tests/lab/text_file.h"
#include "tests/testing/eventually.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

bool Runs(pid_t pid) {
  const absl::StatusOr<ProcessInfo> info = ReadProcess(pid);
  return info.ok() && !info->zombie;
}

pid_t ReadPid(const std::string& path) {
  pid_t pid = 0;
  return absl::SimpleAtoi(ReadText(path), &pid) ? pid : 0;
}

ProcessSpec Shell(const std::string& name, const std::string& script) {
  ProcessSpec spec;
  spec.name = name;
  spec.argv = {"/bin/sh", "-c", script};
  return spec;
}

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() {
    std::string path = "/tmp/lab-test-XXXXXX";
    path_ = mkdtemp(path.data());
  }
  ~SupervisorTest() override { std::filesystem::remove_all(path_); }

  std::unique_ptr<RunFolder> Acquire() {
    absl::StatusOr<std::unique_ptr<RunFolder>> folder = RunFolder::Acquire(path_);
    EXPECT_TRUE(folder.ok()) << folder.status();
    return folder.ok() ? *std::move(folder) : nullptr;
  }
  pid_t PidOf(const Supervisor& supervisor, const std::string& name) {
    for (const ProcessStatus& status : supervisor.List()) {
      if (status.name == name) return status.pid;
    }
    return 0;
  }
  std::string Path(const std::string& name) const { return path_ + "/" + name; }

  std::string path_;
};

TEST_F(SupervisorTest, AKilledProcessComesBackAndNothingItForkedOutlivesIt) {
  const auto folder = Acquire();
  Supervisor supervisor(*folder);
  ASSERT_TRUE(supervisor.Start(Shell("box", absl::StrCat("sleep 1000 & echo $! > ", Path("worker"), "; wait"))).ok());
  ASSERT_TRUE(Eventually([&] { return ReadPid(Path("worker")) != 0; }));
  const pid_t leader = PidOf(supervisor, "box");
  const pid_t worker = ReadPid(Path("worker"));
  ASSERT_EQ(kill(leader, SIGKILL), 0);
  EXPECT_TRUE(Eventually([&] { return PidOf(supervisor, "box") != leader && PidOf(supervisor, "box") != 0; }));
  EXPECT_TRUE(Eventually([&] { return !Runs(worker); }));
  ASSERT_EQ(supervisor.List().size(), 1);
  EXPECT_EQ(supervisor.List()[0].restarts, 1);
  EXPECT_EQ(supervisor.List()[0].last_exit, "signal 9");
}

TEST_F(SupervisorTest, StopAllEndsEvenWhatIgnoresSignalsOrLeftItsGroup) {
  const auto folder = Acquire();
  Supervisor supervisor(*folder);
  ProcessSpec deaf =
      Shell("deaf", absl::StrCat("trap '' TERM; setsid sleep 1000 & echo $! > ", Path("escaped"), "; while :; do sleep 1; done"));
  deaf.stop_patience = absl::Milliseconds(100);
  ASSERT_TRUE(supervisor.Start(deaf).ok());
  ASSERT_TRUE(Eventually([&] { return ReadPid(Path("escaped")) != 0; }));
  const pid_t leader = PidOf(supervisor, "deaf");
  const pid_t escaped = ReadPid(Path("escaped"));
  supervisor.StopAll();
  EXPECT_FALSE(Runs(leader));
  EXPECT_FALSE(Runs(escaped));
  EXPECT_TRUE(supervisor.List().empty());
  EXPECT_EQ(supervisor.Start(Shell("late", "sleep 1")).code(), absl::StatusCode::kCancelled);
}

TEST_F(SupervisorTest, HigherStagesStopFirst) {
  const auto folder = Acquire();
  Supervisor supervisor(*folder);
  for (const int stage : {0, 2, 1}) {
    const std::string name = absl::StrCat("stage", stage);
    ProcessSpec spec = Shell(name, absl::StrCat("trap 'echo ", stage, " >> ", Path("order"), "; exit' TERM; touch ", Path(name),
                                                "; while :; do sleep 0.01; done"));
    spec.stage = stage;
    ASSERT_TRUE(supervisor.Start(spec).ok());
    ASSERT_TRUE(Eventually([&] { return std::filesystem::exists(Path(name)); }));
  }
  supervisor.StopAll();
  EXPECT_EQ(ReadText(Path("order")), "2\n1\n0\n");
}

TEST_F(SupervisorTest, AStoppedProcessStaysStoppedAndItsNameIsFreeAgain) {
  const auto folder = Acquire();
  Supervisor supervisor(*folder);
  ASSERT_TRUE(supervisor.Start(Shell("a", "sleep 1000")).ok());
  EXPECT_EQ(supervisor.Start(Shell("a", "sleep 1000")).code(), absl::StatusCode::kAlreadyExists);
  ASSERT_TRUE(supervisor.Stop("a").ok());
  EXPECT_TRUE(supervisor.List().empty());
  EXPECT_EQ(supervisor.Stop("a").code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(supervisor.Start(Shell("a", "sleep 1000")).ok());
}

TEST_F(SupervisorTest, ACommandsFailureIsToldWithTheEndOfItsOutput) {
  const auto folder = Acquire();
  Supervisor supervisor(*folder);
  EXPECT_TRUE(supervisor.Run(Shell("fine", "exit 0"), absl::Seconds(20)).ok());
  const absl::Status failed = supervisor.Run(Shell("broken", "echo no such table >&2; exit 3"), absl::Seconds(20));
  EXPECT_EQ(failed.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(failed.message()), HasSubstr("exit 3"));
  EXPECT_THAT(std::string(failed.message()), HasSubstr("no such table"));
  EXPECT_EQ(supervisor.Run(Shell("slow", "sleep 1000"), absl::Milliseconds(50)).code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(supervisor.Start({.name = "missing", .argv = {"/no/such/program"}}).code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(supervisor.List().empty());
}

TEST_F(SupervisorTest, TheNextLabEndsWhatAKilledOneLeftAndNothingElse) {
  // A bystander: its pid stands in the state file, but with another start time, as after the pid was reused.
  const pid_t bystander = fork();
  if (bystander == 0) {
    execl("/bin/sleep", "sleep", "1000", nullptr);
    _exit(1);
  }
  const pid_t lab = fork();
  if (lab == 0) {
    const auto folder = RunFolder::Acquire(path_);
    if (!folder.ok()) _exit(1);
    Supervisor supervisor(**folder);
    const bool started =
        supervisor.Start(Shell("plain", absl::StrCat("echo $$ > ", Path("plain"), "; exec sleep 1000"))).ok() &&
        supervisor.Start(Shell("bare", absl::StrCat("exec env -i sh -c 'echo $$ > ", Path("bare"), "; exec sleep 1000'"))).ok() &&
        supervisor.Start(Shell("family", absl::StrCat("env -i sleep 1000 & echo $! > ", Path("child"), "; wait"))).ok();
    if (!started) _exit(1);
    while (true) pause();
  }
  ASSERT_TRUE(Eventually([&] { return ReadPid(Path("plain")) != 0 && ReadPid(Path("bare")) != 0 && ReadPid(Path("child")) != 0; }));
  EXPECT_EQ(RunFolder::Acquire(path_).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(RunningLab(path_).has_value());
  EXPECT_EQ(RunningLab(path_)->pid, lab);
  absl::StatusOr<RunState> state;
  ASSERT_TRUE(Eventually([&] {
    state = ReadState(path_);
    return state.ok() && state->processes.size() == 3;
  }));

  // The lab dies at once, and with it one leader, whose child stays behind alone.
  kill(lab, SIGKILL);
  waitpid(lab, nullptr, 0);
  kill(state->processes[2].pid, SIGKILL);
  ASSERT_TRUE(Eventually([&] { return !Runs(state->processes[2].pid); }));
  EXPECT_TRUE(Runs(ReadPid(Path("child"))));
  EXPECT_FALSE(RunningLab(path_).has_value());

  const auto folder = Acquire();
  state->processes.push_back({.name = "bystander", .pid = bystander, .start_time = 1, .restarts = 0});
  ASSERT_TRUE(folder->WriteState(*state).ok());
  const absl::StatusOr<int> ended = folder->KillLeftovers();
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_EQ(*ended, 3);
  EXPECT_FALSE(Runs(ReadPid(Path("plain"))));
  EXPECT_FALSE(Runs(ReadPid(Path("bare"))));
  EXPECT_FALSE(Runs(ReadPid(Path("child"))));
  EXPECT_TRUE(Runs(bystander));
  kill(bystander, SIGKILL);
  waitpid(bystander, nullptr, 0);
}

TEST_F(SupervisorTest, ClearKeepsTheFolderLocked) {
  const auto folder = Acquire();
  std::ofstream(Path("old")) << "x";
  ASSERT_TRUE(folder->Clear().ok());
  EXPECT_FALSE(std::filesystem::exists(Path("old")));
  EXPECT_EQ(RunFolder::Acquire(path_).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(RunFolder::Acquire("relative/path").status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace fairlead
