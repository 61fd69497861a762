// The lab's network between processes and services, as far as it can be cut without root: every service is reached through a relay,
// which knows whose connection it carries (by its socket, from /proc) and stops carrying it when the two are partitioned: nothing is
// closed, no byte passes, as when a cable is pulled. New connections are taken and stay silent. Healed, everything flows on.
//
// One thread of its own. Thread-safe. At most kMostConnections; beyond it new ones are refused.
//
//   Relay relay([&] { return Named(supervisor.List()); });
//   RETURN_IF_ERROR(relay.Carry("ingestd", /*listen=*/"127.42.0.2:7002", /*to=*/"127.42.0.1:7002"));
//   RETURN_IF_ERROR(relay.Partition("ocad-ix-1-storage-1", "ingestd"));
#ifndef FAIRLEAD_TESTS_LAB_RELAY_H_
#define FAIRLEAD_TESTS_LAB_RELAY_H_

#include <netinet/in.h>
#include <poll.h>
#include <sys/types.h>

#include <functional>
#include <list>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"

namespace fairlead {

class Relay {
 public:
  static constexpr size_t kMostConnections = 500;

  // Who there is: names and pids, asked at each new connection.
  using Processes = std::function<std::vector<std::pair<std::string, pid_t>>()>;
  explicit Relay(Processes processes);
  ~Relay();
  Relay(const Relay&) = delete;
  Relay& operator=(const Relay&) = delete;

  // From now on connections to `listen` go to the service at `to`; both "a.b.c.d:port". INTERNAL if the address can't be bound.
  absl::Status Carry(const std::string& service, const std::string& listen, const std::string& to) ABSL_LOCKS_EXCLUDED(mu_);
  // NOT_FOUND if no service of that name is carried; the process need not run. `process` may be "*": everybody.
  absl::Status Partition(const std::string& process, const std::string& service) ABSL_LOCKS_EXCLUDED(mu_);
  // NOT_FOUND if they aren't partitioned.
  absl::Status Heal(const std::string& process, const std::string& service) ABSL_LOCKS_EXCLUDED(mu_);
  void HealAll() ABSL_LOCKS_EXCLUDED(mu_);
  std::vector<std::pair<std::string, std::string>> Partitions() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Service {
    std::string name;
    int listener = -1;
    sockaddr_in to = {};
  };
  // One direction's bytes on their way.
  struct Flow {
    std::string waiting;
    bool ended = false;  // No more will come.
  };
  struct Connection {
    std::string process;
    std::string service;
    int client = -1;
    int server = -1;
    Flow to_server = {};
    Flow to_client = {};
    bool broken = false;
  };

  void Loop();
  void Accept(const Service& service) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::string OwnerOf(const sockaddr_in& client) const;
  bool Cut(const Connection& connection) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::vector<pollfd> Wanted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Move(const std::vector<pollfd>& events) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const Processes processes_;
  mutable absl::Mutex mu_;
  std::vector<Service> services_ ABSL_GUARDED_BY(mu_);
  std::list<Connection> connections_ ABSL_GUARDED_BY(mu_);
  std::set<std::pair<std::string, std::string>> partitions_ ABSL_GUARDED_BY(mu_);
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_RELAY_H_
