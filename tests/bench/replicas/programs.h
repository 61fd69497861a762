// A control plane of the real programs on loopback: PostgreSQL with its schemas, registryd, ingestd, filld and two steerds, each a process
// of its own with a folder for its state, as the lab starts them but without the relay and the front.
//
// Whatever started is ended by its pid: in order by the destructor, and by the kernel if this process dies (StartSubprocess). Not
// thread-safe; make it on a thread that outlives it.
//
//   ASSIGN_OR_RETURN(auto programs, Programs::Start());
//   RETURN_IF_ERROR(programs->StartRegistry());            // Then the fleet, for what the others follow is in it.
//   RETURN_IF_ERROR(programs->StartRest());
//   programs->steerd(1); programs->processes();
#ifndef FAIRLEAD_TESTS_BENCH_REPLICAS_PROGRAMS_H_
#define FAIRLEAD_TESTS_BENCH_REPLICAS_PROGRAMS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/testing/postgres.h"

namespace fairlead {

inline constexpr int kReplicas = 2;

// What a process takes, with those that it forked or without.
struct ProcessUse {
  double megabytes = 0;       // Resident now, of anonymous memory: what is shared (code, buffers of PostgreSQL) counts once or not at all.
  double peak_megabytes = 0;  // Resident at most.
  double cpu_seconds = 0;     // Since it started.
};

class Programs {
 public:
  struct Process {
    std::string name;
    pid_t pid = -1;
  };

  // PostgreSQL, folders and free ports. The programs are looked for in the runfiles, so the current folder must be theirs.
  static absl::StatusOr<std::unique_ptr<Programs>> Start();
  ~Programs();
  Programs(const Programs&) = delete;
  Programs& operator=(const Programs&) = delete;

  // One SQL command in the installation's database.
  absl::Status Sql(const std::string& command);
  // UNAVAILABLE, with the end of its log, for a program that doesn't answer in time.
  absl::Status StartRegistry();
  absl::Status StartRest();

  const std::string& registryd() const { return registryd_; }
  const std::string& ingestd() const { return ingestd_; }
  const std::string& filld() const { return filld_; }
  const std::string& steerd(int replica) const { return steerds_[static_cast<size_t>(replica)]; }
  pid_t postgres_pid() const { return postgres_->pid(); }
  // The others, in the order of their start.
  const std::vector<Process>& processes() const { return processes_; }
  static ProcessUse UseOf(pid_t pid, bool with_children = false);

 private:
  Programs() = default;
  absl::Status StartProgram(const std::string& name, const std::string& program, const std::string& target,
                            const std::vector<std::string>& flags);
  // An empty folder for what it keeps, as a flag.
  std::string StateDir(const std::string& name) const;

  std::string folder_;
  std::string database_;
  std::unique_ptr<TestPostgres> postgres_;
  std::string registryd_;
  std::string ingestd_;
  std::string filld_;
  std::vector<std::string> steerds_;
  std::vector<Process> processes_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_REPLICAS_PROGRAMS_H_
