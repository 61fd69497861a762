// steerd: answers which appliances a client should play from. See README.md.
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/clock/system_clock.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/stop_signal.h"
#include "services/steering/server.h"

ABSL_FLAG(std::string, listen, "127.0.0.1:7004", "Where to serve gRPC; a front NGINX stands before it");
ABSL_FLAG(std::string, http_listen, "127.0.0.1:7080", "Where to serve HTTP and JSON; a front NGINX stands before it");
ABSL_FLAG(std::string, metrics_listen, "127.0.0.1:7084", "Where to serve /metrics; empty: nowhere");
ABSL_FLAG(std::string, registry, "127.0.0.1:7001", "registryd, for the configuration");
ABSL_FLAG(std::string, fill, "127.0.0.1:7003", "filld, for the catalogue");
ABSL_FLAG(std::string, state_dir, "", "Folder of the last-known-good copy; empty: none is kept");
ABSL_FLAG(std::string, snapshot, "",
          "A table file (steering.table of a state_dir, or a generated one) to serve from alone, without any source");
ABSL_FLAG(std::string, signing_key_dir, "", "Folder of <key id>.pem, mode 0600; without it no URL can be signed");
ABSL_FLAG(std::string, trusted_proxies, "127.0.0.0/8,::1/128", "Addresses or prefixes of proxies whose word about the client is believed");
ABSL_FLAG(std::string, forwarded_header, "x-forwarded-for", "In which header they say it: x-forwarded-for, forwarded (RFC 7239) or none");
ABSL_FLAG(int, proxy_hops, fairlead::kMaxForwardedHops, "At most so many trusted proxies stand in a row; 0: the peer is the client");
ABSL_FLAG(std::string, address_setters, "operator/*,service/*", "Callers that may name a viewer's address; empty: nobody");
ABSL_FLAG(std::string, public_url, "",
          "Where players reach the front: 'https://steering.example.net'; empty: as each request says (X-Forwarded-Host, Host)");
ABSL_FLAG(absl::Duration, manifest_ttl, absl::Seconds(30),
          "How often running players ask for their steering manifest; shorter than a drain's "
          "EVACUATING, or nobody is moved in it");
ABSL_FLAG(int64_t, manifests_a_second, 10'000, "Steering manifests decided a second; beyond it players are told to wait longer");
ABSL_FLAG(int, threads, 0, "Completion queues; 0: one for each core");
ABSL_FLAG(bool, pin_threads, false, "Give each completion queue's thread a core of its own");
ABSL_FLAG(bool, shed, true, "Refuse requests, the lowest class first, while a queue stands");
ABSL_FLAG(absl::Duration, overload_target, fairlead::AdmissionOptions().target,
          "A class of which no request waited less in an interval is overload");
ABSL_FLAG(absl::Duration, overload_interval, fairlead::AdmissionOptions().interval, "How often it is judged");
ABSL_FLAG(absl::Duration, overload_most, fairlead::AdmissionOptions().most, "In overload a request that waited longer is refused");
ABSL_FLAG(double, caller_rate, 0, "Requests a second that a caller may make: a service or operator, else an address; 0: no budgets");
ABSL_FLAG(double, caller_burst, 0, "Requests at once within that; 0: those of two seconds");
ABSL_FLAG(int64_t, max_backlog, 128, "Requests that may wait at a completion queue; the others wait in gRPC");
ABSL_FLAG(int, max_streams_a_connection, 100, "Calls and streams that may be under way on a connection; more wait at the caller");
ABSL_FLAG(int64_t, token_cache_entries, 200'000, "Tokens that are kept, 640 bytes each");
ABSL_FLAG(int64_t, tail_tokens, 100'000, "Of them, how many are signed before anybody has asked, for the most popular titles; 0 = none");
ABSL_FLAG(absl::Duration, save_interval, absl::Seconds(5), "How often the last-known-good copy is written, if anything changed");
ABSL_FLAG(absl::Duration, table_save_interval, absl::Minutes(3),
          "How often the bulk of the feeds and the table made of them are written, if they changed");
ABSL_FLAG(absl::Duration, table_hold, absl::Hours(1),
          "For how long a table that is sharply smaller than the one on disk doesn't replace it");
ABSL_FLAG(absl::Duration, build_interval, absl::Milliseconds(100),
          "How often the table is rebuilt; up to five times as often while feeds bring something and that is quick");

namespace {

std::string HostName() {
  char name[256] = "unknown";
  gethostname(name, sizeof(name) - 1);
  return name;
}

fairlead::SteeringServerOptions OptionsFromFlags() {
  fairlead::SteeringServerOptions options;
  options.listen = absl::GetFlag(FLAGS_listen);
  options.http_listen = absl::GetFlag(FLAGS_http_listen);
  options.sources.registry = absl::GetFlag(FLAGS_registry);
  options.sources.fill = absl::GetFlag(FLAGS_fill);
  options.sources.subscriber = absl::StrCat("steerd@", HostName());
  options.state_dir = absl::GetFlag(FLAGS_state_dir);
  options.snapshot = absl::GetFlag(FLAGS_snapshot);
  options.signing_key_dir = absl::GetFlag(FLAGS_signing_key_dir);
  options.trusted_proxies = absl::GetFlag(FLAGS_trusted_proxies);
  options.forwarded_header = absl::GetFlag(FLAGS_forwarded_header);
  options.proxy_hops = absl::GetFlag(FLAGS_proxy_hops);
  options.address_setters = absl::GetFlag(FLAGS_address_setters);
  options.content_steering.public_url = absl::GetFlag(FLAGS_public_url);
  options.content_steering.ttl = std::max(absl::GetFlag(FLAGS_manifest_ttl), absl::Seconds(1));
  options.content_steering.manifests_a_second = std::max<int64_t>(1, absl::GetFlag(FLAGS_manifests_a_second));
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  options.threads = absl::GetFlag(FLAGS_threads) > 0 ? absl::GetFlag(FLAGS_threads) : cores;
  options.pin_threads = absl::GetFlag(FLAGS_pin_threads);
  options.overload.shed = absl::GetFlag(FLAGS_shed);
  options.overload.admission.target = absl::GetFlag(FLAGS_overload_target);
  options.overload.admission.interval = absl::GetFlag(FLAGS_overload_interval);
  options.overload.admission.most = absl::GetFlag(FLAGS_overload_most);
  options.overload.callers = {.rate = absl::GetFlag(FLAGS_caller_rate), .burst = absl::GetFlag(FLAGS_caller_burst)};
  options.max_streams_a_connection = absl::GetFlag(FLAGS_max_streams_a_connection);
  options.overload.max_backlog = static_cast<size_t>(std::max<int64_t>(0, absl::GetFlag(FLAGS_max_backlog)));
  options.token_cache_entries = static_cast<size_t>(std::max<int64_t>(0, absl::GetFlag(FLAGS_token_cache_entries)));
  options.tail_tokens = static_cast<size_t>(std::max<int64_t>(0, absl::GetFlag(FLAGS_tail_tokens)));
  options.save_interval = std::max(absl::GetFlag(FLAGS_save_interval), absl::Milliseconds(100));
  options.table_save_interval = std::max(absl::GetFlag(FLAGS_table_save_interval), absl::Milliseconds(100));
  options.table_hold = std::max(absl::GetFlag(FLAGS_table_hold), absl::ZeroDuration());
  options.build_interval = std::max(absl::GetFlag(FLAGS_build_interval), absl::Milliseconds(1));
  return options;
}

int Fail(const absl::Status& status) {
  fairlead::LogError("can't start", {{"why", status}});
  std::fprintf(stderr, "steerd: %s\n", std::string(status.message()).c_str());
  return 1;
}

}  // namespace

int main(int argc, char** argv) {
  // gRPC writes its own complaints about ports and connections to standard error; ours say the same in words. Not if someone asks for them.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  absl::SetProgramUsageMessage("steerd: the steering service of Fairlead");
  absl::ParseCommandLine(argc, argv);
  // Debian builds Abseil with the search for deadlocks on, which takes one lock of the process at every lock of gRPC's.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  fairlead::BlockStopSignals();
  fairlead::InitLog("steerd");

  fairlead::SystemClock clock;
  fairlead::SteeringServerOptions options = OptionsFromFlags();
  // Different in each process, so that a fleet of them doesn't come back to a lost source at one moment.
  options.sources.seed = static_cast<uint64_t>(absl::ToUnixNanos(clock.Now())) ^ (static_cast<uint64_t>(getpid()) << 40);

  fairlead::Metrics metrics;
  if (const std::string address = absl::GetFlag(FLAGS_metrics_listen); !address.empty()) {
    if (const auto port = metrics.Serve(address); !port.ok()) return Fail(port.status());
  }
  const auto server = fairlead::SteeringServer::Start(options, metrics, clock);
  if (!server.ok()) return Fail(server.status());
  fairlead::LogInfo("listening", {{"grpc", (*server)->grpc_target()}, {"http_port", (*server)->http_port()}});
  const int signal = fairlead::WaitForStopSignal();
  fairlead::LogInfo("stopping", {{"signal", signal}});
  (*server)->Shutdown(absl::Seconds(5));
  return 0;
}
