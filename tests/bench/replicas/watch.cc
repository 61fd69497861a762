#include "tests/bench/replicas/watch.h"

#include <algorithm>
#include <limits>
#include <thread>

#include "absl/time/time.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

constexpr absl::Duration kCallTimeout = absl::Seconds(5);

bool First(const Watch::Answer& answer, const std::string& appliance) {
  return answer.ok() && answer->files_size() > 0 && answer->files(0).urls_size() > 0 && answer->files(0).urls(0).appliance() == appliance;
}

}  // namespace

Watch::Watch(const std::vector<std::string>& steerds) {
  for (const std::string& target : steerds) stubs_.push_back(sv1::SteeringService::NewStub(MakeChannel(target)));
}

sv1::SteerRequest Watch::For(const std::string& client, const std::string& title) {
  sv1::SteerRequest request;
  request.set_client_address(client);
  request.set_title(title);
  request.set_max_urls(1);
  request.set_omit_playlist_urls(true);
  return request;
}

Watch::Sign Watch::NamesFirst(const std::string& appliance) {
  return [appliance](const Answer& answer) { return First(answer, appliance); };
}

Watch::Sign Watch::DoesNotNameFirst(const std::string& appliance) {
  return [appliance](const Answer& answer) { return answer.ok() && !First(answer, appliance); };
}

Watch::Sign Watch::KnowsTitle() {
  return [](const Answer& answer) { return answer.ok(); };
}

Watch::Answer Watch::Ask(size_t replica, const sv1::SteerRequest& request) {
  ++polls_;
  grpc::ClientContext context;
  SetTimeout(context, kCallTimeout);
  SetPrincipal(context, "service/bench");
  sv1::SteerResponse response;
  const absl::Status status = FromGrpcStatus(stubs_[replica]->Steer(&context, request, &response));
  if (!status.ok()) return status;
  return response;
}

std::optional<Watch::Time> Watch::Until(const sv1::SteerRequest& request, const Sign& sign, Duration patience) {
  std::vector<bool> shown(stubs_.size(), false);
  const Time start = std::chrono::steady_clock::now();
  for (Time next = start; next < start + patience; std::this_thread::sleep_until(next)) {
    for (size_t i = 0; i < stubs_.size(); ++i) shown[i] = shown[i] || sign(Ask(i, request));
    const Time now = std::chrono::steady_clock::now();
    if (std::count(shown.begin(), shown.end(), false) == 0) return now;
    next = std::max(next + kEvery, now);
  }
  return std::nullopt;
}

bool Watch::Shows(const sv1::SteerRequest& request, const Sign& sign) {
  for (size_t i = 0; i < stubs_.size(); ++i) {
    if (!sign(Ask(i, request))) return false;
  }
  return true;
}

size_t Watch::RoutesOf(const std::string& prefix, const std::string& client, const std::string& title) {
  size_t fewest = std::numeric_limits<size_t>::max();
  for (const auto& stub : stubs_) {
    grpc::ClientContext context;
    SetTimeout(context, kCallTimeout);
    SetPrincipal(context, "operator/bench");
    sv1::ExplainRequest request;
    *request.mutable_request() = For(client, title);
    sv1::ExplainResponse response;
    size_t routes = 0;
    if (stub->Explain(&context, request, &response).ok()) {
      for (const sv1::CoveringPrefix& covering : response.covering_prefixes()) {
        if (covering.prefix() == prefix) routes = static_cast<size_t>(covering.routes_size());
      }
    }
    fewest = std::min(fewest, routes);
  }
  return fewest;
}

}  // namespace fairlead
