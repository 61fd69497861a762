// One connection of HttpServer: reads a request, calls the handler, writes the answer, and again. Internal to libs/http.
//
// Everything of a connection runs on its loop's thread. It keeps itself alive through its pending operation: when there is none any
// more, it is gone.
#ifndef FAIRLEAD_LIBS_HTTP_CONNECTION_H_
#define FAIRLEAD_LIBS_HTTP_CONNECTION_H_

#include <array>
#include <cstddef>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/beast/core.hpp"
#include "boost/beast/http.hpp"
#include "libs/http/message.h"
#include "libs/http/server.h"

namespace fairlead::http_internal {

// Counts the open connections and knows when the last is gone. Thread-safe.
class ConnectionGate {
 public:
  ConnectionGate(size_t limit, HttpServerStats& stats) : limit_(limit), stats_(stats) {}

  // False, and counted as refused, if `limit` are open.
  bool TryEnter() ABSL_LOCKS_EXCLUDED(mu_);
  void Leave() ABSL_LOCKS_EXCLUDED(mu_);
  // False if some are still open after `timeout`.
  bool WaitEmpty(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  const size_t limit_;
  HttpServerStats& stats_;
  absl::Mutex mu_;
  size_t open_ ABSL_GUARDED_BY(mu_) = 0;
};

class Connection;

// What a connection needs of the thread it lives on; touched on that thread only.
struct LoopState {
  absl::flat_hash_set<Connection*> connections;
  bool draining = false;
};

// What all connections of a server share. Outlives them.
struct ServerContext {
  ServerContext(const HttpServerOptions& chosen, HttpHandler handle)
      : options(chosen), handler(std::move(handle)), gate(chosen.max_connections, stats) {}

  const HttpServerOptions options;
  const HttpHandler handler;
  HttpServerStats stats;
  ConnectionGate gate;
};

class Connection : public std::enable_shared_from_this<Connection> {
 public:
  // The gate has been entered for it; its destructor leaves.
  Connection(boost::asio::ip::tcp::socket socket, ServerContext& server, LoopState& loop);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void Start();
  // Closes it if it is idle; else the request at hand is its last.
  void Drain();
  // Closes it now.
  void Abort();

 private:
  using Error = boost::beast::error_code;

  void AwaitRequest();
  void ReadHeader();
  void OnHeader(Error error);
  void SendContinue();
  void ReadBody();
  void OnRequest(Error error);
  void Handle();
  void Refuse(Error error);
  void Write(HttpResponse response, bool keep_alive);
  void OnWritten(Error error, bool keep_alive);
  // Reads and forgets what the client still sends, for a short while, so that closing doesn't destroy an answer under way.
  void Linger();
  void NoteFailure(Error error);
  HttpRequest TakeRequest(HttpTarget target);

  ServerContext& server_;
  LoopState& loop_;
  boost::beast::tcp_stream stream_;
  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::optional<boost::beast::http::response<boost::beast::http::string_body>> response_;
  std::optional<boost::beast::http::response_serializer<boost::beast::http::string_body>> serializer_;
  std::array<char, 4096> discarded_;
  size_t lingered_bytes_ = 0;
  bool idle_ = true;
  IpAddress peer_;
};

// The asio endpoint's address as ours.
IpAddress ToIpAddress(const boost::asio::ip::address& address);

}  // namespace fairlead::http_internal

#endif  // FAIRLEAD_LIBS_HTTP_CONNECTION_H_
