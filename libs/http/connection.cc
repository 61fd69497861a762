#include "libs/http/connection.h"

#include <fcntl.h>

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "boost/asio/write.hpp"
#include "libs/http/error.h"

namespace fairlead::http_internal {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;

constexpr size_t kReadChunk = 4096;
constexpr size_t kMostLingeredBytes = 256 * 1024;
constexpr absl::Duration kLingerTimeout = absl::Seconds(2);

std::chrono::nanoseconds Chrono(absl::Duration duration) {
  return absl::ToChronoNanoseconds(duration);
}

absl::string_view View(boost::beast::string_view text) {
  return absl::string_view(text.data(), text.size());
}

}  // namespace

IpAddress ToIpAddress(const asio::ip::address& address) {
  if (address.is_v4()) return IpAddress::V4(address.to_v4().to_uint());
  uint64_t halves[2] = {0, 0};
  const asio::ip::address_v6::bytes_type bytes = address.to_v6().to_bytes();
  for (size_t i = 0; i < bytes.size(); ++i) halves[i / 8] = halves[i / 8] << 8 | bytes[i];
  return IpAddress::V6(halves[0], halves[1]);
}

bool ConnectionGate::TryEnter() {
  absl::MutexLock lock(&mu_);
  if (open_ >= limit_) {
    ++stats_.refused;
    return false;
  }
  ++open_;
  ++stats_.open_connections;
  return true;
}

void ConnectionGate::Leave() {
  absl::MutexLock lock(&mu_);
  --open_;
  --stats_.open_connections;
}

bool ConnectionGate::WaitEmpty(absl::Duration timeout) {
  absl::MutexLock lock(&mu_);
  return mu_.AwaitWithTimeout(absl::Condition(
                                  +[](size_t* open) { return *open == 0; }, &open_),
                              timeout);
}

Connection::Connection(asio::ip::tcp::socket socket, ServerContext& server, LoopState& loop)
    : server_(server), loop_(loop), stream_(std::move(socket)), buffer_(server.options.max_header_bytes + 64 * 1024) {
  loop_.connections.insert(this);
}

Connection::~Connection() {
  loop_.connections.erase(this);
  server_.gate.Leave();
}

void Connection::Start() {
  beast::error_code error;
  const asio::ip::tcp::endpoint remote = stream_.socket().remote_endpoint(error);
  if (error) return;  // Gone already.
  peer_ = ToIpAddress(remote.address());
  fcntl(stream_.socket().native_handle(), F_SETFD, FD_CLOEXEC);
  // Best effort: an answer is one small write, and waiting to merge it with a next one only delays it.
  stream_.socket().set_option(asio::ip::tcp::no_delay(true), error);
  AwaitRequest();
}

void Connection::Drain() {
  if (idle_) Abort();
}

void Connection::Abort() {
  stream_.close();
}

void Connection::AwaitRequest() {
  if (buffer_.size() > 0) return ReadHeader();  // Pipelined.
  if (loop_.draining) return;
  idle_ = true;
  stream_.expires_after(Chrono(server_.options.idle_timeout));
  stream_.async_read_some(buffer_.prepare(kReadChunk), [self = shared_from_this()](Error error, size_t bytes) {
    if (error) return;  // The client left, or stayed idle too long.
    self->buffer_.commit(bytes);
    self->ReadHeader();
  });
}

// One expiry for the whole request: a client that sends a byte now and then doesn't gain time by it.
void Connection::ReadHeader() {
  idle_ = false;
  parser_.emplace();
  parser_->header_limit(static_cast<uint32_t>(server_.options.max_header_bytes));
  parser_->body_limit(server_.options.max_body_bytes);
  stream_.expires_after(Chrono(server_.options.request_timeout));
  http::async_read_header(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, size_t) { self->OnHeader(error); });
}

void Connection::OnHeader(Error error) {
  if (error) return Refuse(error);
  if (parser_->get()[http::field::expect] == "100-continue" && !parser_->is_done()) return SendContinue();
  ReadBody();
}

void Connection::SendContinue() {
  static constexpr char kContinue[] = "HTTP/1.1 100 Continue\r\n\r\n";
  asio::async_write(stream_, asio::buffer(kContinue, sizeof(kContinue) - 1), [self = shared_from_this()](Error error, size_t) {
    if (error) return self->NoteFailure(error);
    self->ReadBody();
  });
}

void Connection::ReadBody() {
  http::async_read(stream_, buffer_, *parser_, [self = shared_from_this()](Error error, size_t) { self->OnRequest(error); });
}

void Connection::OnRequest(Error error) {
  if (error) return Refuse(error);
  ++server_.stats.requests;
  Handle();
}

void Connection::Handle() {
  const http::request<http::string_body>& message = parser_->get();
  const bool keep_alive = message.keep_alive() && !loop_.draining;
  if (message.version() >= 11 && message.count(http::field::host) != 1) {
    ++server_.stats.malformed;
    return Write(ErrorResponse(absl::InvalidArgumentError("an HTTP/1.1 request needs exactly one Host header")), false);
  }
  absl::StatusOr<HttpTarget> target = ParseTarget(View(message.target()));
  if (!target.ok()) {
    ++server_.stats.malformed;
    return Write(ErrorResponse(target.status()), keep_alive);
  }
  Write(server_.handler(TakeRequest(*std::move(target))), keep_alive);
}

HttpRequest Connection::TakeRequest(HttpTarget target) {
  http::request<http::string_body>& message = parser_->get();
  HttpRequest request;
  request.method = message.method() == http::verb::head ? "GET" : std::string(message.method_string());
  request.target = std::move(target);
  for (const auto& field : message) request.headers.emplace_back(field.name_string(), field.value());
  request.body = std::move(message.body());
  request.peer = peer_;
  return request;
}

// The client is told what was wrong where it can still listen; where the connection broke there is nobody to tell.
void Connection::Refuse(Error error) {
  const bool broken = error == http::error::end_of_stream || error == http::error::partial_message;
  if (broken || error.category() != http::make_error_code(http::error::bad_method).category()) return NoteFailure(error);
  ++server_.stats.malformed;
  const HttpServerOptions& options = server_.options;
  if (error == http::error::header_limit || error == http::error::buffer_overflow) {
    const std::string message = absl::StrCat("request header is larger than ", options.max_header_bytes, " bytes");
    return Write(ErrorResponse(431, absl::InvalidArgumentError(message)), false);
  }
  if (error == http::error::body_limit) {
    const std::string message = absl::StrCat("request body is larger than ", options.max_body_bytes, " bytes");
    return Write(ErrorResponse(413, absl::InvalidArgumentError(message)), false);
  }
  Write(ErrorResponse(absl::InvalidArgumentError(absl::StrCat("malformed HTTP request: ", error.message()))), false);
}

void Connection::Write(HttpResponse response, bool keep_alive) {
  const bool is_head = parser_->get().method() == http::verb::head;
  response_.emplace(static_cast<http::status>(response.status), parser_->get().version() == 10 ? 10 : 11);
  if (!response.content_type.empty()) response_->set(http::field::content_type, response.content_type);
  for (const auto& [name, value] : response.headers) response_->insert(name, value);
  response_->body() = std::move(response.body);
  response_->keep_alive(keep_alive);
  response_->prepare_payload();
  serializer_.emplace(*response_);
  stream_.expires_after(Chrono(server_.options.write_timeout));
  const auto done = [self = shared_from_this(), keep_alive](Error error, size_t) { self->OnWritten(error, keep_alive); };
  if (is_head) {
    http::async_write_header(stream_, *serializer_, done);
  } else {
    http::async_write(stream_, *serializer_, done);
  }
}

void Connection::OnWritten(Error error, bool keep_alive) {
  if (error) return NoteFailure(error);
  if (keep_alive && !loop_.draining) return AwaitRequest();
  stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
  if (error) return;
  stream_.expires_after(Chrono(kLingerTimeout));
  Linger();
}

void Connection::Linger() {
  stream_.async_read_some(asio::buffer(discarded_), [self = shared_from_this()](Error error, size_t bytes) {
    self->lingered_bytes_ += bytes;
    if (error || self->lingered_bytes_ > kMostLingeredBytes) return;
    self->Linger();
  });
}

void Connection::NoteFailure(Error error) {
  if (error == beast::error::timeout) ++server_.stats.timed_out;
}

}  // namespace fairlead::http_internal
