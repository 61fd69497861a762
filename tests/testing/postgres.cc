#include "tests/testing/postgres.h"

#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"
#include "tests/testing/free_port.h"
#include "tests/testing/subprocess.h"

namespace fairlead {
namespace {

constexpr char kBin[] = "/usr/lib/postgresql/15/bin/";
constexpr char kUser[] = "postgres";
constexpr absl::Duration kStartTimeout = absl::Seconds(30);

std::string Binary(const std::string& name) {
  return absl::StrCat(kBin, name);
}

std::string ReadFile(const std::string& path) {
  std::ifstream in(path);
  std::ostringstream text;
  text << in.rdbuf();
  return text.str();
}

}  // namespace

absl::StatusOr<std::unique_ptr<TestPostgres>> TestPostgres::Start(const Options& options) {
  std::unique_ptr<TestPostgres> postgres(new TestPostgres());
  postgres->options_ = options;
  if (options.migrations.empty()) postgres->options_.migrations = "migrations";  // In runfiles and in the source tree alike.
  RETURN_IF_ERROR(postgres->Initialise());
  RETURN_IF_ERROR(postgres->Launch());
  ASSIGN_OR_RETURN(const std::string created, postgres->Sql(postgres->Uri("postgres"), "CREATE DATABASE migrated"));
  if (!options.projects.empty()) {
    std::vector<std::string> arguments = {postgres->Uri("migrated")};
    arguments.insert(arguments.end(), options.projects.begin(), options.projects.end());
    RETURN_IF_ERROR(postgres->Migrate(arguments));
  }
  return postgres;
}

TestPostgres::~TestPostgres() {
  if (postmaster_ > 0) {
    Signal(SIGCONT);
    kill(postmaster_, SIGQUIT);  // Immediate shutdown: the data is thrown away anyway.
    waitpid(postmaster_, nullptr, 0);
  }
  std::error_code ignored;
  if (!folder_.empty()) std::filesystem::remove_all(folder_, ignored);
}

absl::Status TestPostgres::Initialise() {
  char folder[] = "/tmp/flpg-XXXXXX";  // Short: a unix socket's path has at most 107 bytes.
  if (mkdtemp(folder) == nullptr) return absl::InternalError(absl::StrCat("mkdtemp: ", std::strerror(errno)));
  folder_ = folder;
  chmod(folder, 0777);
  // initdb runs as the server's user and makes the folder itself, so that the owner is right.
  return RunSubprocess({.argv = {Binary("initdb"), "-D", absl::StrCat(folder_, "/data"), "-U", kUser, "-A", "trust", "-E", "UTF8",
                                 "--locale=C", "--no-sync", "--no-instructions"},
                        .user = kUser})
      .status();
}

absl::Status TestPostgres::Launch() {
  absl::Status status;
  for (int attempt = 0; attempt < 5; ++attempt) {
    if (port_ == 0) {  // Tried again if somebody else was faster.
      ASSIGN_OR_RETURN(port_, FreeLoopbackPort());
    }
    ASSIGN_OR_RETURN(postmaster_, StartSubprocess({.argv = {Binary("postgres"), "-D", absl::StrCat(folder_, "/data"), "-k", folder_, "-p",
                                                            absl::StrCat(port_), "-c",
                                                            absl::StrCat("listen_addresses=", options_.listen_tcp ? "127.0.0.1" : ""), "-c",
                                                            "fsync=off", "-c", "full_page_writes=off", "-c", "max_connections=100"},
                                                   .user = kUser},
                                                  absl::StrCat(folder_, "/log")));
    status = WaitUntilReady();
    if (status.ok() || databases_ > 0) return status;
    port_ = 0;
  }
  return status;
}

absl::Status TestPostgres::WaitUntilReady() {
  const absl::Time deadline = absl::Now() + kStartTimeout;
  while (absl::Now() < deadline) {
    if (waitpid(postmaster_, nullptr, WNOHANG) == postmaster_) {
      postmaster_ = -1;
      return absl::InternalError(absl::StrCat("PostgreSQL did not start:\n", ReadFile(absl::StrCat(folder_, "/log"))));
    }
    if (RunSubprocess({.argv = {Binary("pg_isready"), "-q", "-h", folder_, "-p", absl::StrCat(port_)}}).ok()) {
      return absl::OkStatus();
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
  return absl::DeadlineExceededError(absl::StrCat("PostgreSQL is not ready after ", absl::FormatDuration(kStartTimeout)));
}

std::string TestPostgres::Uri(const std::string& database) const {
  return absl::StrCat("postgresql://", kUser, "@/", database, "?host=", folder_, "&port=", port_);
}

absl::StatusOr<std::string> TestPostgres::NewDatabase() {
  const std::string name = absl::StrCat("test_", ++databases_);
  ASSIGN_OR_RETURN(const std::string created, Sql(Uri("postgres"), absl::StrCat("CREATE DATABASE ", name, " TEMPLATE migrated")));
  return Uri(name);
}

absl::StatusOr<std::string> TestPostgres::Sql(const std::string& uri, const std::string& command) {
  return RunSubprocess({.argv = {Binary("psql"), "--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-c", command, uri}});
}

absl::Status TestPostgres::Migrate(const std::vector<std::string>& arguments) {
  std::error_code error;
  const std::string script = std::filesystem::canonical(absl::StrCat(options_.migrations, "/deploy.sh"), error).string();
  if (error) return absl::NotFoundError(absl::StrCat("'", options_.migrations, "/deploy.sh': ", error.message()));
  std::vector<std::string> argv = {script};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  return RunSubprocess({.argv = std::move(argv), .environment = {absl::StrCat("HOME=", folder_)}}).status();
}

void TestPostgres::Signal(int signal) const {
  // The postmaster's children lead process groups of their own, so each is named.
  std::error_code ignored;
  for (std::filesystem::directory_iterator entry("/proc", ignored), end; !ignored && entry != end; entry.increment(ignored)) {
    const pid_t pid = std::atoi(entry->path().filename().c_str());
    if (pid <= 0) continue;
    const std::string stat = ReadFile(absl::StrCat("/proc/", pid, "/stat"));
    const size_t after_name = stat.rfind(')');
    if (after_name == std::string::npos) continue;
    char state = 0;
    int parent = 0;
    if (std::sscanf(stat.c_str() + after_name + 1, " %c %d", &state, &parent) == 2 && parent == postmaster_) kill(pid, signal);
  }
  kill(postmaster_, signal);
}

absl::Status TestPostgres::Kill() {
  if (postmaster_ <= 0) return absl::FailedPreconditionError("PostgreSQL is not running");
  kill(postmaster_, SIGSTOP);  // So that it can't start new children or notice.
  Signal(SIGKILL);
  waitpid(postmaster_, nullptr, 0);
  postmaster_ = -1;
  return absl::OkStatus();
}

absl::Status TestPostgres::Pause() {
  if (postmaster_ <= 0) return absl::FailedPreconditionError("PostgreSQL is not running");
  kill(postmaster_, SIGSTOP);  // First, so that it can't start new children meanwhile.
  Signal(SIGSTOP);
  return absl::OkStatus();
}

absl::Status TestPostgres::Resume() {
  if (postmaster_ <= 0) return absl::FailedPreconditionError("PostgreSQL is not running");
  Signal(SIGCONT);
  return absl::OkStatus();
}

absl::Status TestPostgres::Restart() {
  if (postmaster_ > 0) return absl::FailedPreconditionError("PostgreSQL is running");
  const int port = port_;
  // The dead server's shared memory and children may take a moment to go.
  absl::Status status;
  for (const absl::Time deadline = absl::Now() + kStartTimeout; absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(50))) {
    port_ = port;
    status = Launch();
    if (status.ok() && port_ == port) return status;
  }
  return status;
}

TestPostgres& SharedPostgres(const std::vector<std::string>& projects) {
  static const std::unique_ptr<TestPostgres> shared = [&projects] {
    absl::StatusOr<std::unique_ptr<TestPostgres>> started = TestPostgres::Start({.projects = projects});
    if (!started.ok()) {
      std::fprintf(stderr, "PostgreSQL for this test: %s\n", started.status().ToString().c_str());
      std::_Exit(1);
    }
    return *std::move(started);
  }();
  return *shared;
}

}  // namespace fairlead
