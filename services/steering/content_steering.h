// HLS and DASH content steering over HTTP: how running players are moved (libs/contentsteering decides; here is the way in).
//
//   GET /v1/hls/main.m3u8?title=titles/x    the multivariant playlist of one client; parameters as /v1/steer
//   GET /v1/content-steering/…              the steering manifest; the URI is the one in the playlist, then the RELOAD-URI of the answer
//   before
//
// A player isn't to be told an error while it plays: 429, 404 and 410 stop some for good. Beyond `manifests_a_second`, and as long as
// there is no table, the order stays as it was and the TTL gets longer; only a URI that we didn't make is 400. Both answers are for any
// origin (CORS) and for no cache. Thread-safe; like Steerer, no disk, no database, no other service.
//
//   ContentSteering steering(serving, tokens, proxies, clock, metrics, {.public_url = "https://steering.example.net"});
//   if (ContentSteering::Handles(request)) return steering.Answer(request);
#ifndef FAIRLEAD_SERVICES_STEERING_CONTENT_STEERING_H_
#define FAIRLEAD_SERVICES_STEERING_CONTENT_STEERING_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "libs/base/clock.h"
#include "libs/base/published.h"
#include "libs/contentsteering/choice.h"
#include "libs/http/message.h"
#include "libs/overload/caller_budgets.h"
#include "libs/signing/token_cache.h"
#include "libs/steering/decision.h"
#include "services/steering/client_address.h"
#include "services/steering/client_failures.h"
#include "services/steering/metrics.h"
#include "services/steering/serving_state.h"

namespace fairlead {

struct ContentSteeringOptions {
  // Scheme and authority where players reach us, without a slash at the end. Empty: as the request says (X-Forwarded-Proto and -Host,
  // Host).
  std::string public_url;
  absl::Duration ttl = absl::Seconds(30);
  int64_t manifests_a_second = 10'000;
};

class ContentSteering {
 public:
  // Everything must outlive it. `tokens` may be null if no key will ever be chosen; `failures`, who is told which boxes players leave, too.
  ContentSteering(const Published<ServingState>& serving, TokenCache* tokens, ClientAddressPolicy addresses, const Clock& clock,
                  SteeringMetrics& metrics, ContentSteeringOptions options, ClientFailures* failures = nullptr);

  static bool Handles(const HttpRequest& request);
  HttpResponse Answer(const HttpRequest& request) const;

 private:
  absl::StatusOr<HttpResponse> Playlist(const HttpRequest& request) const;
  absl::StatusOr<HttpResponse> Manifest(const HttpRequest& request) const;
  // A player left these boxes, of which those count that there are.
  void NoteFailure(const SteeringTable& table, const IpAddress& client, const SessionPathway& left) const;
  absl::StatusOr<std::string> BaseUrl(const HttpRequest& request) const;
  // The signed URL of the companion playlist of each file that the pathway holds.
  absl::StatusOr<std::vector<std::string>> PlaylistUrls(const ServingState& state, const SteeringAnswer& answer,
                                                        const DeclaredPathway& pathway) const;

  const Published<ServingState>& serving_;
  TokenCache* const tokens_;
  const ClientAddressPolicy addresses_;
  const Clock& clock_;
  SteeringMetrics& metrics_;
  const ContentSteeringOptions options_;
  mutable CallerBudgets budget_;  // One for all players.
  ClientFailures* const failures_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CONTENT_STEERING_H_
