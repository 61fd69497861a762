#include "tests/testing/subprocess.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

struct User {
  uid_t uid = 0;
  gid_t gid = 0;
  bool change = false;
};

absl::StatusOr<User> FindUser(const std::string& name) {
  if (name.empty() || geteuid() != 0) return User();
  const passwd* entry = getpwnam(name.c_str());
  if (entry == nullptr) return absl::NotFoundError(absl::StrCat("user '", name, "' does not exist"));
  return User{.uid = entry->pw_uid, .gid = entry->pw_gid, .change = true};
}

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& text : strings) pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

// Everything that allocates is done before fork: the child may only use async-signal-safe calls.
struct Prepared {
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
  User user;
};

absl::StatusOr<Prepared> Prepare(const SubprocessOptions& options) {
  Prepared prepared;
  ASSIGN_OR_RETURN(prepared.user, FindUser(options.user));
  prepared.environment = options.environment;
  for (char** variable = environ; *variable != nullptr; ++variable) prepared.environment.push_back(*variable);
  prepared.argv = Pointers(options.argv);
  prepared.envp = Pointers(prepared.environment);
  return prepared;
}

// `death_signal` is what the program gets when the thread that started it ends; 0 = nothing.
[[noreturn]] void Become(const SubprocessOptions& options, const Prepared& prepared, int output, int death_signal) {
  const int null = open("/dev/null", O_RDONLY);
  sigset_t none;
  sigemptyset(&none);
  const bool ready =
      dup2(null, 0) >= 0 && dup2(output, 1) >= 0 && dup2(output, 2) >= 0 && sigprocmask(SIG_SETMASK, &none, nullptr) == 0 &&
      (!prepared.user.change || (setgroups(0, nullptr) == 0 && setgid(prepared.user.gid) == 0 && setuid(prepared.user.uid) == 0)) &&
      chdir(options.directory.c_str()) == 0;
  if (death_signal != 0) prctl(PR_SET_PDEATHSIG, death_signal);  // After setuid, which forgets it.
  if (ready) execve(prepared.argv[0], prepared.argv.data(), prepared.envp.data());
  _exit(127);
}

std::string ReadAll(int fd) {
  std::string output;
  char buffer[4096];
  while (true) {
    const ssize_t count = read(fd, buffer, sizeof(buffer));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return output;
    output.append(buffer, static_cast<size_t>(count));
  }
}

}  // namespace

absl::StatusOr<std::string> RunSubprocess(const SubprocessOptions& options) {
  ASSIGN_OR_RETURN(const Prepared prepared, Prepare(options));
  int pipes[2];
  if (pipe2(pipes, O_CLOEXEC) != 0) return absl::InternalError(absl::StrCat("pipe: ", std::strerror(errno)));
  const pid_t pid = fork();
  if (pid == 0) Become(options, prepared, pipes[1], 0);
  close(pipes[1]);
  if (pid < 0) {
    close(pipes[0]);
    return absl::InternalError(absl::StrCat("fork: ", std::strerror(errno)));
  }
  std::string output = ReadAll(pipes[0]);
  close(pipes[0]);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return output;
  return absl::InternalError(absl::StrCat(absl::StrJoin(options.argv, " "), ": ended with status ", status, ":\n", output));
}

absl::StatusOr<pid_t> StartSubprocess(const SubprocessOptions& options, const std::string& log) {
  ASSIGN_OR_RETURN(const Prepared prepared, Prepare(options));
  const int output = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (output < 0) return absl::InternalError(absl::StrCat("'", log, "': ", std::strerror(errno)));
  const pid_t pid = fork();
  if (pid == 0) {
    setpgid(0, 0);
    Become(options, prepared, output, SIGQUIT);
  }
  close(output);
  if (pid < 0) return absl::InternalError(absl::StrCat("fork: ", std::strerror(errno)));
  setpgid(pid, pid);
  return pid;
}

}  // namespace fairlead
