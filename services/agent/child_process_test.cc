#include "services/agent/child_process.h"

#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

using ::testing::HasSubstr;

class ChildProcessTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char path[] = "/tmp/ocadXXXXXX";
    ASSERT_NE(mkdtemp(path), nullptr);
    folder_ = path;
  }
  void TearDown() override { RunCommand({"/bin/rm", "-rf", folder_}, absl::Seconds(5)).IgnoreError(); }

  // The pid that a script wrote, once it has.
  pid_t PidFrom(const std::string& name) {
    pid_t pid = 0;
    for (const absl::Time deadline = absl::Now() + absl::Seconds(10); absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(10))) {
      const auto text = ReadFile(folder_ + "/" + name);
      if (text.ok() && absl::SimpleAtoi(absl::StripSuffix(*text, "\n"), &pid)) return pid;
    }
    return 0;
  }
  static bool Gone(pid_t pid) {
    for (const absl::Time deadline = absl::Now() + absl::Seconds(10); absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(10))) {
      const auto stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
      if (!stat.ok() || stat->find(") Z ") != std::string::npos) return true;
    }
    return false;
  }
  std::string Script() const { return absl::StrCat("sleep 60 & echo $! > ", folder_, "/inner; wait"); }

  std::string folder_;
};

TEST_F(ChildProcessTest, StoppingEndsWhatTheChildStartedToo) {
  auto child = ChildProcess::Start({.argv = {"/bin/sh", "-c", Script()}});
  ASSERT_TRUE(child.ok()) << child.status();
  const pid_t inner = PidFrom("inner");
  ASSERT_GT(inner, 0);
  (*child)->Stop(SIGTERM, absl::Milliseconds(100));
  EXPECT_FALSE((*child)->Running());
  EXPECT_TRUE(Gone(inner));
}

TEST_F(ChildProcessTest, TheEndOfAChildIsTold) {
  auto child = ChildProcess::Start({.argv = {"/bin/sh", "-c", "exit 3"}});
  ASSERT_TRUE(child.ok()) << child.status();
  while ((*child)->Running()) absl::SleepFor(absl::Milliseconds(5));
  EXPECT_EQ((*child)->end_reason(), "exit status 3");
}

TEST_F(ChildProcessTest, AMissingProgramIsNamed) {
  EXPECT_THAT(ChildProcess::Start({.argv = {"/usr/sbin/no-such-program"}}).status().message(), HasSubstr("/usr/sbin/no-such-program"));
}

TEST_F(ChildProcessTest, ACommandGivesItsOutputAndStatusAndIsKilledWhenLate) {
  const auto result = RunCommand({"/bin/sh", "-c", "echo out; echo err >&2; exit 2"}, absl::Seconds(10));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->exit_status, 2);
  EXPECT_EQ(result->output, "out\nerr\n");
  EXPECT_EQ(RunCommand({"/bin/sleep", "60"}, absl::Milliseconds(100)).status().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(ChildProcessTest, WhatAKilledAgentLeftIsEndedByItsRecordAndNothingElse) {
  const std::string record = folder_ + "/record";
  auto child = ChildProcess::Start({.argv = {"/bin/sleep", "60"}, .record = record});
  ASSERT_TRUE(child.ok()) << child.status();
  // A record of another start time or program fits no process.
  const std::string text = ReadFile(record).value();
  ASSERT_TRUE(WriteFileAtomically(record, absl::StrCat((*child)->pid(), " 99999999999 /bin/sleep")).ok());
  ASSERT_TRUE(EndLeftover(record).ok());
  ASSERT_TRUE(WriteFileAtomically(record, absl::StrCat((*child)->pid(), " 0 /usr/sbin/nginx")).ok());
  ASSERT_TRUE(EndLeftover(record).ok());
  EXPECT_TRUE((*child)->Running());
  ASSERT_TRUE(WriteFileAtomically(record, text).ok());
  ASSERT_TRUE(EndLeftover(record).ok());
  EXPECT_TRUE(Gone((*child)->pid()));
  EXPECT_TRUE(absl::IsNotFound(ReadFile(record).status()));
}

}  // namespace
}  // namespace fairlead::agent
