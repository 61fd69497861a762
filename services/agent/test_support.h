// What the agent's tests share: a short temporary folder, free ports, HTTP requests, waiting with a deadline. Tests only.
#ifndef FAIRLEAD_SERVICES_AGENT_TEST_SUPPORT_H_
#define FAIRLEAD_SERVICES_AGENT_TEST_SUPPORT_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "services/agent/files.h"

namespace fairlead::agent {

// "/tmp/ocadXXXXXX", removed with all that is in it: short enough for unix sockets.
class TempFolder {
 public:
  TempFolder();
  ~TempFolder();
  const std::string& path() const { return path_; }
  // Writes a file, making its folders; returns its path.
  std::string Write(const std::string& name, const std::string& content) const;

 private:
  std::string path_;
};

// A TCP port that was free on `address` a moment ago.
int FreePort(const std::string& address = "127.0.0.1");

// Whether `done` became true within `timeout`.
bool WaitFor(const std::function<bool()>& done, absl::Duration timeout = absl::Seconds(20));

struct HttpAnswer {
  long status = 0;  // 0 = no connection.
  std::string body;
  std::map<std::string, std::string> headers;  // Names in lower case.
};

struct HttpRequest {
  std::string url;
  std::string method = "GET";
  std::string range = {};  // "0-9"
};
HttpAnswer Fetch(const HttpRequest& request);

// `count` bytes that look random, always the same for a seed.
std::string RandomBytes(size_t count, unsigned seed);
std::string Sha256(const std::string& bytes);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_TEST_SUPPORT_H_
