// Which processes of a running NGINX take connections. After a reload its new workers answer first and the old ones go on accepting for
// a while (the master waits 100 ms before it tells them), so an answer of the new configuration doesn't mean that the old one is gone.
// From /proc, hence of the own user's processes only. Linux only; stateless; any thread.
//
//   const std::vector<pid_t> old = WorkersListeningOn(NginxStatusSocket(run), master);
//   kill(master, SIGHUP);
//   ... until none of `old` is in WorkersListeningOn(NginxStatusSocket(run), master)
#ifndef FAIRLEAD_SERVICES_AGENT_NGINX_WORKERS_H_
#define FAIRLEAD_SERVICES_AGENT_NGINX_WORKERS_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace fairlead::agent {

// The children of `master` that hold the socket which listens at the path `socket`, in no order. A worker that was told to go closes its
// listening sockets in the order of the configuration: without the last of them it has none. What can't be read holds nothing.
std::vector<pid_t> WorkersListeningOn(const std::string& socket, pid_t master);

// Those of `workers` that `master` still has: a worker that was told to go ends what it is sending first.
std::vector<pid_t> WorkersAlive(std::vector<pid_t> workers, pid_t master);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_NGINX_WORKERS_H_
