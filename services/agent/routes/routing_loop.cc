#include "services/agent/routes/routing_loop.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/log/log.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kTurn = absl::Milliseconds(50);               // The longest wait in one turn of the loop.
constexpr absl::Duration kReopen = absl::Milliseconds(200);            // Between tries to open the tap.
constexpr absl::Duration kLook = absl::Seconds(1);                     // At sessions, when nothing else asks for it,
constexpr absl::Duration kLookWhileSyncing = absl::Milliseconds(100);  // and while a table comes in.
constexpr absl::Duration kAskTimeout = absl::Seconds(2);
constexpr size_t kMaxReadPerTurn = size_t{4} << 20;

socklen_t SocketAddress(const IpAddress& address, int port, sockaddr_storage& out) {
  out = {};
  const std::string bytes = address.ToBytes();
  if (address.is_v4()) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(static_cast<uint16_t>(port));
    memcpy(&v4.sin_addr, bytes.data(), bytes.size());
    return sizeof v4;
  }
  auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(port));
  memcpy(&v6.sin6_addr, bytes.data(), bytes.size());
  return sizeof v6;
}

}  // namespace

RoutingLoop::RoutingLoop(BirdDaemonOptions bird, const Clock& clock, RouteReporter::Sink sink)
    : clock_(clock), bird_(std::move(bird)), reporter_(std::move(sink)), pending_(static_cast<uint64_t>(getpid()) + 2) {}

RoutingLoop::~RoutingLoop() {
  Stop();
}

absl::Status RoutingLoop::Start() {
  const absl::Status opened = bird_.Open();
  if (!opened.ok()) return opened;
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void RoutingLoop::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void RoutingLoop::SetConfig(const BirdConfigInput& config) {
  absl::MutexLock lock(&mu_);
  next_config_ = config;
  config_in_force_ = false;
}

bool RoutingLoop::config_in_force() const {
  absl::MutexLock lock(&mu_);
  return config_in_force_;
}

void RoutingLoop::ReportAll() {
  absl::MutexLock lock(&mu_);
  report_all_ = true;
}

RoutingStatus RoutingLoop::Status() const {
  absl::MutexLock lock(&mu_);
  return status_;
}

void RoutingLoop::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mu_);
      if (stopping_) break;
    }
    TakeRequests();
    bird_.Tick(clock_.Monotonic());
    KeepTap();
    const absl::Duration now = clock_.Monotonic();
    if (reporter_.has_changes() || now >= next_look_) LookAtSessions();
    PublishStatus();
  }
  if (speaker_ != nullptr && !connecting_) {
    const std::string bytes = bgp::EncodeNotification(bgp::kCeaseAdministrativeShutdown);
    send(tap_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  tap_.Reset();
  bird_.Stop(absl::Seconds(2));
}

void RoutingLoop::TakeRequests() {
  bool report_all = false;
  {
    absl::MutexLock lock(&mu_);
    if (next_config_) pending_.Set(*std::exchange(next_config_, std::nullopt));
    report_all = std::exchange(report_all_, false);
  }
  if (report_all) reporter_.ReportAll();
  if (!pending_.Due(clock_.Monotonic())) return;
  const absl::Status applied = Apply(pending_.config());
  pending_.Settle(applied, clock_.Monotonic());
  absl::MutexLock lock(&mu_);
  config_in_force_ = applied.ok() && !next_config_;
}

absl::Status RoutingLoop::Apply(const BirdConfigInput& config) {
  const absl::Status applied = bird_.Apply(config);
  refused_ = applied.ok() ? "" : std::string(applied.message());
  if (!applied.ok()) {
    LogError("BIRD configuration refused; the one before stays in force", {{"error", applied}});
    return applied;
  }
  const bool moved = !config_ || config_->address != config.address || config_->port != config.port || config_->asn != config.asn;
  config_ = config;
  std::vector<BgpSessionId> ids;
  for (const BirdSession& session : config.sessions) ids.push_back(session.id);
  reporter_.SetSessions(ids);
  if (moved && speaker_ != nullptr) CloseTap(absl::CancelledError("BIRD's address changed"));
  next_look_ = absl::ZeroDuration();
  return absl::OkStatus();
}

void RoutingLoop::KeepTap() {
  if (speaker_ == nullptr) {
    if (bird_.running() && config_ && clock_.Monotonic() >= next_open_) OpenTap();
    if (speaker_ == nullptr) {
      absl::SleepFor(kTurn);
      return;
    }
  }
  pollfd wait{tap_.get(), static_cast<short>(connecting_ ? POLLOUT : POLLIN), 0};
  if (poll(&wait, 1, static_cast<int>(absl::ToInt64Milliseconds(kTurn))) > 0) ReadTap();
  if (speaker_ == nullptr || connecting_) return;
  const absl::Status alive = speaker_->Tick(clock_.Monotonic());
  const std::string output = speaker_->TakeOutput();
  if (!output.empty()) send(tap_.get(), output.data(), output.size(), MSG_NOSIGNAL);
  if (!alive.ok()) CloseTap(alive);
}

void RoutingLoop::OpenTap() {
  next_open_ = clock_.Monotonic() + kReopen;
  sockaddr_storage from, to;
  const socklen_t size = SocketAddress(TapAddress(config_->address), 0, from);
  SocketAddress(config_->address, config_->port, to);
  tap_ = Fd(socket(from.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!tap_.valid() || bind(tap_.get(), reinterpret_cast<sockaddr*>(&from), size) != 0) return;
  if (connect(tap_.get(), reinterpret_cast<sockaddr*>(&to), size) != 0 && errno != EINPROGRESS) return;
  connecting_ = true;
  speaker_ = std::make_unique<bgp::Speaker>(bgp::SpeakerOptions{.asn = config_->asn, .router_id = RouterId(config_->address) ^ 1});
}

void RoutingLoop::ReadTap() {
  if (connecting_) {
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(tap_.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return CloseTap(absl::UnavailableError(absl::StrCat("tap: ", strerror(error))));
    connecting_ = false;
    const std::string open = speaker_->Start(clock_.Monotonic());
    send(tap_.get(), open.data(), open.size(), MSG_NOSIGNAL);
    return;
  }
  std::string buffer(65536, '\0');
  for (size_t total = 0; total < kMaxReadPerTurn;) {
    const ssize_t count = recv(tap_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (count <= 0)
      return CloseTap(absl::UnavailableError(count == 0 ? "tap: BIRD closed the connection" : absl::StrCat("tap: ", strerror(errno))));
    const absl::Status received = speaker_->Receive(absl::string_view(buffer.data(), count), clock_.Monotonic(),
                                                    [this](const bgp::Update& update) { reporter_.OnUpdate(update); });
    if (!received.ok()) return CloseTap(received);
    total += count;
  }
}

void RoutingLoop::CloseTap(const absl::Status& why) {
  if (speaker_->established()) LogWarning("tap on BIRD lost", {{"reason", why}});
  if (!connecting_) {
    const std::string output = speaker_->TakeOutput();
    send(tap_.get(), output.data(), output.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  speaker_.reset();
  tap_.Reset();
  connecting_ = false;
  next_open_ = clock_.Monotonic() + kReopen;
  reporter_.OnTapLost();
}

void RoutingLoop::LookAtSessions() {
  const absl::Duration now = clock_.Monotonic();
  next_look_ = now + (reporter_.syncing() ? kLookWhileSyncing : kLook);
  if (!bird_.running()) {
    if (bird_was_running_) reporter_.OnBirdDown("BIRD is not running");
    bird_was_running_ = false;
    protocols_.clear();
    return;
  }
  bird_was_running_ = true;
  const auto answer = AskBird(bird_.control_socket(), "show protocols all", kAskTimeout);
  if (!answer.ok()) return;  // It starts, ends or is busy: changes wait.
  protocols_ = ParseProtocols(*answer);
  // Without the tap a table would look whole when it is empty on both sides.
  if (speaker_ != nullptr && speaker_->established()) reporter_.OnProtocols(protocols_, now);
}

void RoutingLoop::PublishStatus() {
  RoutingStatus status;
  status.bird_running = bird_.running();
  status.bird_restarts = bird_.restarts();
  status.tap_established = speaker_ != nullptr && speaker_->established();
  status.paths = reporter_.path_count();
  status.refused = !refused_.empty() ? refused_ : config_ ? bird_.stopped_reason() : "";
  for (const BirdSession& session : config_ ? config_->sessions : std::vector<BirdSession>()) {
    RoutingStatus::Session& entry = status.sessions.emplace_back();
    entry.id = session.id;
    for (const BirdProtocol& protocol : protocols_) {
      if (protocol.name == SessionProtocol(session.id)) entry.protocol = protocol;
    }
  }
  absl::MutexLock lock(&mu_);
  status_ = std::move(status);
}

}  // namespace fairlead::agent
