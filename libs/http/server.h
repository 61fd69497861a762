// A small asynchronous HTTP/1.1 server (Boost.Beast) for use behind a proxy: one event loop a thread, a connection stays on its loop.
//
// The handler runs on the loop and therefore must not wait: no disk, no lock held long, no other service. Requests of one connection
// (pipelined ones too) are answered in order. Every connection is bounded in number, size and time:
//   no first byte of a request for idle_timeout, a request not complete request_timeout after its first byte, or an answer not taken
//   within write_timeout  → closed;
//   a header or body that is too large → 431 or 413, a malformed request → 400, each with a canonical JSON error, then closed;
//   more than max_connections → the newcomer is closed at once and counted (a proxy then tries the next upstream).
//
//   ASSIGN_OR_RETURN(const auto server, HttpServer::Start({.address = "127.0.0.1:0"}, [](const HttpRequest& request) {
//     return HttpResponse{.body = "{}"};
//   }));
//   server->port();
//   server->Shutdown(absl::Seconds(5));
#ifndef FAIRLEAD_LIBS_HTTP_SERVER_H_
#define FAIRLEAD_LIBS_HTTP_SERVER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/http/message.h"

namespace fairlead {

struct HttpServerOptions {
  std::string address = "127.0.0.1:0";  // "host:port" with an address literal, IPv6 in brackets; port 0 = any free one.
  int threads = 1;
  size_t max_connections = 4096;
  size_t max_header_bytes = 16 * 1024;
  size_t max_body_bytes = 64 * 1024;
  absl::Duration idle_timeout = absl::Seconds(75);  // Longer than NGINX keeps an upstream connection (60 s), so that it closes first.
  absl::Duration request_timeout = absl::Seconds(10);
  absl::Duration write_timeout = absl::Seconds(10);
};

// Counts since the start, except `open_connections`. Read them at any time.
struct HttpServerStats {
  std::atomic<int64_t> open_connections = 0;
  std::atomic<uint64_t> accepted = 0;
  std::atomic<uint64_t> refused = 0;  // By max_connections.
  std::atomic<uint64_t> accept_errors = 0;
  std::atomic<uint64_t> requests = 0;
  std::atomic<uint64_t> malformed = 0;  // Answered 400, 413 or 431 by the server itself.
  std::atomic<uint64_t> timed_out = 0;  // Unfinished requests and answers not taken; idle connections don't count.
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;

// Thread-safe.
class HttpServer {
 public:
  // FAILED_PRECONDITION naming the address if it is in use, INVALID_ARGUMENT if it can't be read.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const HttpServerOptions& options, HttpHandler handler);
  // Shuts down with no grace if that hasn't been done.
  virtual ~HttpServer() = default;

  virtual int port() const = 0;
  virtual const HttpServerStats& stats() const = 0;
  // Stops accepting, closes idle connections, lets requests that have begun end, and after `grace` closes what is left. Returns when
  // all threads have ended; a second call does nothing.
  virtual void Shutdown(absl::Duration grace) = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_HTTP_SERVER_H_
