// An HTTP source that does wrong, for tests: what NGINX would never do. One thread a connection; serves one content for every path.
#ifndef FAIRLEAD_SERVICES_AGENT_FILL_TEST_SOURCE_H_
#define FAIRLEAD_SERVICES_AGENT_FILL_TEST_SOURCE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace fairlead::agent {

struct TestSourceBehaviour {
  int status = 0;              // Answer with this instead of the file; 0: the file.
  int64_t stop_after = -1;     // Close the connection after so many bytes of the body (the length that was told is the right one).
  int64_t corrupt_at = -1;     // This byte of the file is another.
  bool wrong_range = false;    // Tell, and send, a range that begins one byte later than asked for.
  bool silent = false;         // Accept, and answer nothing.
  int64_t bytes_a_second = 0;  // 0: as fast as it goes.
  int64_t piece = 16 * 1024;   // Bytes of one write.
  // Asked before each piece, with the number of bytes of the file that were sent so far (from the front); may block. False: close.
  std::function<bool(int64_t sent)> before_piece = nullptr;
};

class TestSource {
 public:
  TestSource(std::string content, TestSourceBehaviour behaviour);
  ~TestSource();

  int port() const { return port_; }
  std::string base_url() const;
  // Requests, and bytes of bodies that were sent.
  int requests() const { return requests_; }
  int64_t bytes() const { return bytes_; }
  // The offsets that were asked for, in order.
  std::vector<int64_t> offsets() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Accept();
  void Serve(int socket);
  void SendFile(int socket, int64_t offset, bool ranged);
  bool SendAll(int socket, const char* data, size_t size);

  const std::string content_;
  const TestSourceBehaviour behaviour_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stop_ = false;
  std::atomic<int> requests_ = 0;
  std::atomic<int64_t> bytes_ = 0;
  mutable absl::Mutex mu_;
  std::vector<int64_t> offsets_ ABSL_GUARDED_BY(mu_);
  std::vector<int> sockets_ ABSL_GUARDED_BY(mu_);
  std::vector<std::thread> connections_ ABSL_GUARDED_BY(mu_);
  std::thread acceptor_;
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILL_TEST_SOURCE_H_
