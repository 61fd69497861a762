#include "tests/lab/database.h"

#include <pwd.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

constexpr char kBin[] = "/usr/lib/postgresql/15/bin/";
// The longest path of a unix socket is 107 bytes, its name included.
constexpr size_t kLongestFolder = 80;

// The command as the user that PostgreSQL accepts.
std::vector<std::string> AsServerUser(std::vector<std::string> command) {
  if (geteuid() != 0) return command;
  std::vector<std::string> argv = {"/usr/bin/setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"};
  argv.insert(argv.end(), command.begin(), command.end());
  return argv;
}

absl::Status MakeFolder(const std::string& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (error) return absl::InternalError(absl::StrCat("can't make '", path, "': ", error.message()));
  fs::permissions(path, fs::perms::owner_all, error);
  if (geteuid() != 0) return absl::OkStatus();
  const passwd* user = getpwnam("postgres");
  if (user == nullptr) return absl::FailedPreconditionError("there is no user postgres: is the package postgresql-15 installed?");
  if (chown(path.c_str(), user->pw_uid, user->pw_gid) != 0) return absl::InternalError(absl::StrCat("can't give '", path, "' to postgres"));
  return absl::OkStatus();
}

absl::Status AwaitServer(Supervisor& supervisor, const std::string& folder) {
  const absl::Time deadline = absl::Now() + absl::Seconds(30);
  absl::Status ready;
  do {
    ready = supervisor.Run({.name = "pg-isready", .argv = {absl::StrCat(kBin, "pg_isready"), "-q", "-h", folder}}, absl::Seconds(5));
    if (ready.ok()) return ready;
    absl::SleepFor(absl::Milliseconds(50));
  } while (absl::Now() < deadline);
  return absl::DeadlineExceededError(absl::StrCat("PostgreSQL does not answer; see ", supervisor.LogPath("postgresql")));
}

// Every folder below migrations/ that has a plan, the registry's first: the others may refer to it.
std::vector<std::string> Projects(const std::string& migrations) {
  std::vector<std::string> projects;
  for (const char* name : {"registry", "fill", "traffic"}) {
    if (fs::exists(absl::StrCat(migrations, "/", name, "/sqitch.plan"))) projects.push_back(name);
  }
  return projects;
}

}  // namespace

absl::StatusOr<std::string> StartDatabase(Supervisor& supervisor, const Layout& layout) {
  const std::string folder = layout.Run("pg");
  if (folder.size() > kLongestFolder) {
    return absl::InvalidArgumentError(absl::StrCat("run folder '", layout.folders.run_dir, "' is too long for a unix socket"));
  }
  RETURN_IF_ERROR(MakeFolder(folder));
  const std::string data = folder + "/data";
  RETURN_IF_ERROR(supervisor.Run({.name = "initdb",
                                  .argv = AsServerUser({absl::StrCat(kBin, "initdb"), "-D", data, "-U", "fairlead", "-A", "trust", "-E",
                                                        "UTF8", "--locale=C.UTF-8", "--no-sync"}),
                                  .directory = folder},
                                 absl::Seconds(60)));
  RETURN_IF_ERROR(
      supervisor.Start({.name = "postgresql",
                        .argv = AsServerUser({absl::StrCat(kBin, "postgres"), "-D", data, "-k", folder, "-c", "listen_addresses="}),
                        .directory = folder,
                        .stop_signal = SIGINT}));  // A fast shutdown: sessions are cut, everything is flushed.
  RETURN_IF_ERROR(AwaitServer(supervisor, folder));
  RETURN_IF_ERROR(supervisor.Run({.name = "createdb", .argv = {absl::StrCat(kBin, "createdb"), "-h", folder, "-U", "fairlead", "fairlead"}},
                                 absl::Seconds(30)));
  const std::string uri = absl::StrCat("postgresql://fairlead@/fairlead?host=", absl::StrReplaceAll(folder, {{"/", "%2F"}}), "&port=5432");
  const std::string migrations = absl::StrCat(layout.folders.src_dir, "/migrations");
  ProcessSpec migrate = {.name = "migrate", .argv = {"/bin/sh", absl::StrCat(migrations, "/deploy.sh"), uri}};
  for (const std::string& project : Projects(migrations)) migrate.argv.push_back(project);
  RETURN_IF_ERROR(supervisor.Run(migrate, absl::Seconds(120)));
  return uri;
}

}  // namespace fairlead
