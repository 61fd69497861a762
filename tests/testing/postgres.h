// A private PostgreSQL 15 for tests and demonstrations: a cluster in a short folder under /tmp, stopped and removed at the end.
//
// As root the server runs as user postgres, because initdb refuses root; so Bazel tests need tags = ["no-sandbox"]. Durability is
// off (fsync) unless asked for: what is tested with it survives kill -9 of the server, not of the machine. Not thread-safe.
//
//   ASSIGN_OR_RETURN(auto postgres, TestPostgres::Start({.projects = {"registry"}}));
//   ASSIGN_OR_RETURN(const std::string uri, postgres->NewDatabase());
#ifndef FAIRLEAD_TESTS_TESTING_POSTGRES_H_
#define FAIRLEAD_TESTS_TESTING_POSTGRES_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace fairlead {

class TestPostgres {
 public:
  struct Options {
    // Folders of migrations/ to apply to the template of every new database.
    std::vector<std::string> projects = {};
    // Also listen on 127.0.0.1, on a free port; without it only on the unix socket.
    bool listen_tcp = false;
    // Where migrations/ is; found by itself in Bazel tests and in the source tree's root.
    std::string migrations = "";
  };

  // initdb, start, migrate: about two seconds.
  static absl::StatusOr<std::unique_ptr<TestPostgres>> Start(const Options& options);
  ~TestPostgres();
  TestPostgres(const TestPostgres&) = delete;
  TestPostgres& operator=(const TestPostgres&) = delete;

  // A new database with the projects' schemas, as a postgresql:// URI of a superuser.
  absl::StatusOr<std::string> NewDatabase();
  // A URI of an existing database, "postgres" for example.
  std::string Uri(const std::string& database) const;

  // kill -9 of the server and all its processes.
  absl::Status Kill();
  // Stops the server from answering without closing anything (SIGSTOP), and lets it go on (SIGCONT).
  absl::Status Pause();
  absl::Status Resume();
  // Starts it again after Kill, with the same data, socket and port.
  absl::Status Restart();

  // Runs one SQL command with psql in a database made by NewDatabase; its output.
  absl::StatusOr<std::string> Sql(const std::string& uri, const std::string& command);
  // Runs migrations/deploy.sh with these arguments.
  absl::Status Migrate(const std::vector<std::string>& arguments);

  const std::string& folder() const { return folder_; }
  // The TCP port, or the number in the socket's name.
  int port() const { return port_; }
  // Of the server's first process; -1 while it doesn't run.
  pid_t pid() const { return postmaster_; }

 private:
  TestPostgres() = default;
  absl::Status Initialise();
  absl::Status Launch();
  absl::Status WaitUntilReady();
  void Signal(int signal) const;

  Options options_;
  std::string folder_;
  int port_ = 0;
  pid_t postmaster_ = -1;
  int databases_ = 0;
};

// One cluster for a whole test binary, started on first use and stopped at exit; ends the test program if it can't be started.
// Every call must name the same projects.
TestPostgres& SharedPostgres(const std::vector<std::string>& projects);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_TESTING_POSTGRES_H_
