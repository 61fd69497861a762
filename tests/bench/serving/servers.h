// The two servers of the comparison, each in a process of its own: steerd with the table of a file, and an echo on the same machinery that
// answers with bytes of the same size without looking at the request. A process, so that its CPU time is its own and no thread of the load
// generator does its work.
//
//   ServerProcess steerd(&RunSteerd);   // Before anything of gRPC is used in this process.
//   steerd.Start("serve " + world.table_file());  steerd.target();  CpuSecondsOf(steerd.pid());
#ifndef FAIRLEAD_TESTS_BENCH_SERVING_SERVERS_H_
#define FAIRLEAD_TESTS_BENCH_SERVING_SERVERS_H_

#include <sys/types.h>

#include <string>

namespace fairlead {

class ServerProcess {
 public:
  // Forks. `run` gets what Tell sends as its first line, prints its target as a line to the descriptor once it is ready, and returns when
  // the other descriptor ends.
  using Main = void (*)(const std::string& told, int in, int out);
  explicit ServerProcess(Main run);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts it; returns once it is ready. False if it ended instead.
  bool Start(const std::string& told);
  pid_t pid() const { return pid_; }
  const std::string& target() const { return target_; }

 private:
  pid_t pid_ = -1;
  int to_ = -1;
  int from_ = -1;
  std::string target_;
};

// "serve" or "shed", and the table file: one completion queue, shedding off or on.
void RunSteerd(const std::string& told, int in, int out);
// "500 380 90000": bytes of an answer, of a stream's answer to one request, and to a batch.
void RunEcho(const std::string& told, int in, int out);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_SERVING_SERVERS_H_
