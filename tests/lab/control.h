// The way into a running lab from another program: a unix socket in its run folder, run/lab.sock. One request a connection: words, each
// on a line, and an empty line; the answer is "ok" or an error's code on the first line and text behind it, until the end.
//
// Whoever may write to the socket's folder may ask: it is the user's own. One request at a time, at most 4 KiB; a caller that doesn't
// finish its request within a second is let go.
//
//   ControlServer server(*folder, [&](const std::vector<std::string>& words) { return Obey(supervisor, words); });
//   ASSIGN_OR_RETURN(const std::string answer, AskLab("/tmp/fairlead-1000", {"kill", "steerd"}));
#ifndef FAIRLEAD_TESTS_LAB_CONTROL_H_
#define FAIRLEAD_TESTS_LAB_CONTROL_H_

#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"

namespace fairlead {

class ControlServer {
 public:
  // Called on the server's thread.
  using Handler = std::function<absl::StatusOr<std::string>(const std::vector<std::string>& words)>;

  // INVALID_ARGUMENT if the folder's path is too long for a socket; INTERNAL with the system's reason.
  static absl::StatusOr<std::unique_ptr<ControlServer>> Open(const std::string& run_dir, Handler handler);
  ~ControlServer();
  ControlServer(const ControlServer&) = delete;
  ControlServer& operator=(const ControlServer&) = delete;

 private:
  ControlServer(int fd, Handler handler);
  void Serve();
  void Answer(int connection);

  const int fd_;
  const Handler handler_;
  absl::Notification stop_;
  std::thread thread_;
};

// The answer, or the handler's error. UNAVAILABLE if no lab listens there.
absl::StatusOr<std::string> AskLab(const std::string& run_dir, const std::vector<std::string>& words);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_CONTROL_H_
