// What content steering remembers of a player, all of it in the URI that the player asks again with: the server keeps nothing, so any
// steerd may answer, and a restarted one goes on as before.
//
//   <base>/v1/content-steering/north-1/ix-1?title=titles/x&version=v1&at=north-1:box-a,box-b;ix-1:box-c&not=ix-1:7&stay=3&seed=1f&round=12
//
//   path      the pathways in the order last told: the first is the one that the player should be on
//   at        all pathways that its playlist declared, and the boxes that each one's URLs name
//   not       pathways that it was told and didn't play, and for how many more answers they aren't to come first
//   stay      for how many more answers a merely nearer pathway is no reason to move
//   seed      of the session, so that not all sessions do the same at the same time
//   round     answers so far
//
// It isn't signed, because a forged one harms nobody: it orders pathways for the one who asks with it, tells of boxes only what his own
// address may use, and opens nothing. Everything in it is bounded, and counted in answers rather than by a clock.
// Pure functions; any thread.
//
//   ASSIGN_OR_RETURN(const SteeringSession session, ParseSteeringSession(path, query));
//   const std::string uri = SteeringUri("https://steering.example.net", session);
#ifndef FAIRLEAD_LIBS_CONTENTSTEERING_SESSION_H_
#define FAIRLEAD_LIBS_CONTENTSTEERING_SESSION_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/ids.h"

namespace fairlead {

inline constexpr absl::string_view kSteeringPath = "/v1/content-steering/";

struct SessionPathway {
  static constexpr size_t kMaxBoxes = 32;  // The rest of a larger one isn't watched.

  std::string id = {};  // [a-z0-9.-]{1,70}
  std::vector<ApplianceId> boxes = {};
  bool listed = true;  // In the last answer.
  uint32_t avoid = 0;  // For so many more answers it isn't to come first.

  friend bool operator==(const SessionPathway&, const SessionPathway&) = default;
};

struct SteeringSession {
  static constexpr size_t kMaxPathways = 8;
  static constexpr uint32_t kMaxCount = 1'000'000;  // Of `avoid`, `stay`; `round` starts again at 0.

  TitleId title = {};
  std::string version = {};                   // Empty: the current one.
  std::vector<SessionPathway> pathways = {};  // Those listed in the order told, then the others. Never empty.
  uint32_t stay = 0;
  uint32_t seed = 0;
  uint32_t round = 0;

  friend bool operator==(const SteeringSession&, const SteeringSession&) = default;
};

// `base` has scheme and authority and no slash at its end.
std::string SteeringUri(absl::string_view base, const SteeringSession& session);

using QueryFields = std::vector<std::pair<std::string, std::string>>;  // Percent-decoded.

// Parameters that it doesn't know are the player's own. INVALID_ARGUMENT naming the part unless it is what SteeringUri makes.
absl::StatusOr<SteeringSession> ParseSteeringSession(absl::string_view path, const QueryFields& query);

// What a player says of itself; every part may be missing, and what can't be read counts as missing.
struct PlayerReport {
  static constexpr size_t kMaxItems = 16;  // Of a DASH list; more are ignored.

  std::vector<std::string> pathways = {};      // In use. HLS: one.
  std::vector<uint64_t> throughputs_bps = {};  // Of each of them.

  friend bool operator==(const PlayerReport&, const PlayerReport&) = default;
};
// _HLS_pathway, _HLS_throughput, _DASH_pathway, _DASH_throughput, quoted or not, with empty items. Of a repeated one the last counts.
PlayerReport ParsePlayerReport(const QueryFields& query);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENTSTEERING_SESSION_H_
