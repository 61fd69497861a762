// A plain HTTP client for viewers and probes: one request, the whole answer in memory. No redirects, no proxy, no cookies.
//
// Errors: UNAVAILABLE when no answer came (with curl's words), RESOURCE_EXHAUSTED beyond 64 MiB. Any HTTP status is an answer.
// Thread-safe: each HttpClient belongs to one thread and keeps its connections.
//
//   HttpClient client;
//   ASSIGN_OR_RETURN(const HttpReply reply, client.Get(url, {"Range: bytes=0-827"}));
#ifndef FAIRLEAD_TESTS_LAB_HTTP_CLIENT_H_
#define FAIRLEAD_TESTS_LAB_HTTP_CLIENT_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fairlead {

struct HttpReply {
  int status = 0;
  std::string body;
};

struct HttpPatience {
  absl::Duration connect = absl::Seconds(20);
  absl::Duration total = absl::Seconds(20);
};

class HttpClient {
 public:
  explicit HttpClient(HttpPatience patience = {});
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  absl::StatusOr<HttpReply> Get(const std::string& url, const std::vector<std::string>& headers = {});
  absl::StatusOr<HttpReply> Post(const std::string& url, const std::string& body, const std::vector<std::string>& headers);

 private:
  absl::StatusOr<HttpReply> Perform(const std::string& url, const std::vector<std::string>& headers, const std::string* body);

  const HttpPatience patience_;
  void* const curl_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_HTTP_CLIENT_H_
