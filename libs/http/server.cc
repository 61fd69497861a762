#include "libs/http/server.h"

#include <fcntl.h>

#include <chrono>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "boost/asio/executor_work_guard.hpp"
#include "boost/asio/io_context.hpp"
#include "boost/asio/ip/tcp.hpp"
#include "boost/asio/post.hpp"
#include "boost/asio/steady_timer.hpp"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/http/connection.h"

namespace fairlead {
namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using http_internal::Connection;
using http_internal::LoopState;
using http_internal::ServerContext;

// How long to leave the listener alone after a failed accept: with no file descriptor left it would fail again at once.
constexpr std::chrono::milliseconds kAcceptPause(50);

absl::StatusOr<tcp::endpoint> ParseListenAddress(absl::string_view text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  if (colon == absl::string_view::npos || !absl::SimpleAtoi(text.substr(colon + 1), &port) || port < 0 || port > 65535) {
    return InvalidField("http_listen", text, "isn't of the form 'address:port'");
  }
  absl::string_view host = text.substr(0, colon);
  const bool bracketed = host.size() >= 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (bracketed != (host.find(':') != absl::string_view::npos)) {
    return InvalidField("http_listen", text, "an IPv6 address, and nothing else, stands in brackets");
  }
  RETURN_IF_ERROR(IpAddress::Parse(host, "http_listen").status());
  return tcp::endpoint(asio::ip::make_address(std::string(host)), static_cast<uint16_t>(port));
}

// An event loop and its thread. `state` is declared first: connections that die with the context still use it.
struct Loop {
  LoopState state;
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work{context.get_executor()};
  std::thread thread;
};

class BeastServer : public HttpServer {
 public:
  BeastServer(const HttpServerOptions& options, HttpHandler handler) : server_(options, std::move(handler)) {
    const int threads = options.threads < 1 ? 1 : options.threads;
    for (int i = 0; i < threads; ++i) loops_.push_back(std::make_unique<Loop>());
    acceptor_ = std::make_unique<tcp::acceptor>(loops_[0]->context);
    pause_ = std::make_unique<asio::steady_timer>(loops_[0]->context);
  }
  ~BeastServer() override { Shutdown(absl::ZeroDuration()); }

  absl::Status Listen() {
    ASSIGN_OR_RETURN(const tcp::endpoint endpoint, ParseListenAddress(server_.options.address));
    boost::system::error_code error;
    acceptor_->open(endpoint.protocol(), error);
    if (!error) acceptor_->set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor_->bind(endpoint, error);
    if (!error) acceptor_->listen(asio::socket_base::max_listen_connections, error);
    if (error) {
      return FieldError(absl::StatusCode::kFailedPrecondition, "http_listen", server_.options.address,
                        absl::StrCat("can't listen there: ", error.message()));
    }
    // A program started by this process must not keep the port open.
    fcntl(acceptor_->native_handle(), F_SETFD, FD_CLOEXEC);
    port_ = acceptor_->local_endpoint().port();
    return absl::OkStatus();
  }

  void Run() {
    for (const std::unique_ptr<Loop>& loop : loops_) {
      loop->thread = std::thread([context = &loop->context] { context->run(); });
    }
    asio::post(loops_[0]->context, [this] { Accept(); });
  }

  int port() const override { return port_; }
  const HttpServerStats& stats() const override { return server_.stats; }

  void Shutdown(absl::Duration grace) override ABSL_LOCKS_EXCLUDED(shutdown_mu_) {
    absl::MutexLock lock(&shutdown_mu_);
    if (shut_down_) return;
    shut_down_ = true;
    if (!loops_[0]->thread.joinable()) return;  // Never ran.
    asio::post(loops_[0]->context, [this] {
      acceptor_->close();
      pause_->cancel();
    });
    OnEveryConnection([](Connection& connection) { connection.Drain(); });
    if (!server_.gate.WaitEmpty(grace)) {
      OnEveryConnection([](Connection& connection) { connection.Abort(); });
    }
    for (const std::unique_ptr<Loop>& loop : loops_) loop->work.reset();
    for (const std::unique_ptr<Loop>& loop : loops_) loop->thread.join();
  }

 private:
  void OnEveryConnection(void (*act)(Connection&)) {
    for (const std::unique_ptr<Loop>& loop : loops_) {
      asio::post(loop->context, [state = &loop->state, act] {
        state->draining = true;
        const std::vector<Connection*> connections(state->connections.begin(), state->connections.end());
        for (Connection* connection : connections) act(*connection);
      });
    }
  }

  void Accept() {
    if (!acceptor_->is_open()) return;
    Loop& loop = *loops_[next_loop_++ % loops_.size()];
    acceptor_->async_accept(loop.context, [this, &loop](boost::system::error_code error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || !acceptor_->is_open()) return;
      if (error) return PauseAndAccept();
      Admit(loop, std::move(socket));
      Accept();
    });
  }

  void PauseAndAccept() {
    ++server_.stats.accept_errors;
    pause_->expires_after(kAcceptPause);
    pause_->async_wait([this](boost::system::error_code) { Accept(); });
  }

  void Admit(Loop& loop, tcp::socket socket) {
    ++server_.stats.accepted;
    if (!server_.gate.TryEnter()) return;  // The socket closes here.
    asio::post(loop.context, [this, &loop, held = std::move(socket)]() mutable {
      const auto connection = std::make_shared<Connection>(std::move(held), server_, loop.state);
      if (!loop.state.draining) connection->Start();
    });
  }

  ServerContext server_;
  std::vector<std::unique_ptr<Loop>> loops_;
  std::unique_ptr<tcp::acceptor> acceptor_;    // Used on the first loop.
  std::unique_ptr<asio::steady_timer> pause_;  // Used on the first loop.
  size_t next_loop_ = 0;                       // Used on the first loop.
  int port_ = 0;
  absl::Mutex shutdown_mu_;
  bool shut_down_ ABSL_GUARDED_BY(shutdown_mu_) = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const HttpServerOptions& options, HttpHandler handler) {
  auto server = std::make_unique<BeastServer>(options, std::move(handler));
  RETURN_IF_ERROR(server->Listen());
  server->Run();
  return server;
}

}  // namespace fairlead
