// What the agent keeps on its own disk, so that it starts and serves with the control plane gone: who it is, its credential, the last
// configuration and manifest that it was given. One agent a folder at a time (a lock is held). Thread-safe after Open.
//
//   ASSIGN_OR_RETURN(auto state, AgentState::Open("/var/lib/ocad"));
//   state->incarnation();   // Higher than at any start before.
#ifndef FAIRLEAD_SERVICES_AGENT_STATE_H_
#define FAIRLEAD_SERVICES_AGENT_STATE_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "services/agent/files.h"

namespace fairlead::agent {

struct Binding {
  std::string appliance;   // "appliances/x"
  std::string credential;  // Never logged.
};

class AgentState {
 public:
  // FAILED_PRECONDITION if another agent has the folder.
  static absl::StatusOr<std::unique_ptr<AgentState>> Open(const std::string& folder, absl::Time now);

  const std::string& folder() const { return folder_; }
  // Where sockets are: inside the folder if a socket's path fits into 107 bytes, else a folder of this user's below /tmp.
  const std::string& run_folder() const { return run_folder_; }
  const std::string& installation_id() const { return installation_id_; }
  uint64_t incarnation() const { return incarnation_; }

  // NOT_FOUND before the first Enroll.
  absl::StatusOr<Binding> ReadBinding() const;
  absl::Status WriteBinding(const Binding& binding) const;

  // Serialized messages; NOT_FOUND before the first.
  absl::StatusOr<std::string> ReadConfig() const { return ReadFile(folder_ + "/config.pb"); }
  absl::Status WriteConfig(const std::string& bytes) const { return WriteFileAtomically(folder_ + "/config.pb", bytes, 0600); }
  absl::StatusOr<std::string> ReadManifest() const { return ReadFile(folder_ + "/manifest.pb"); }
  absl::Status WriteManifest(const std::string& bytes) const { return WriteFileAtomically(folder_ + "/manifest.pb", bytes, 0600); }

 private:
  explicit AgentState(std::string folder) : folder_(std::move(folder)) {}
  absl::Status Prepare(absl::Time now);

  const std::string folder_;
  std::string run_folder_;
  std::string installation_id_;
  uint64_t incarnation_ = 0;
  Fd lock_;
};

// The incarnation after `last` at `now`. Pure.
uint64_t NextIncarnation(uint64_t last, absl::Time now);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_STATE_H_
