// Turns what the tap hears and what BIRD says of its sessions into the reports of each session. Pure: no socket, clock or lock.
//
// On the tap a lost session, an administrative shutdown and a withdrawal all look like withdrawals. So changes wait until BIRD's session
// states, asked for *after* the changes were read, are at hand: BIRD leaves "Established" before it withdraws, so a withdrawal from a
// session that is still the same established one was sent by the neighbour. Otherwise the session's end is reported, with BIRD's last
// error, and its withdrawals with it are void.
//
// A session that comes up (or whose tap was lost) is silent until its table is whole: until the tap has told as many paths as BIRD says
// that it imported, for a moment. Then all goes out at once, so that the receiver's old table is replaced without a gap.
//
//   reporter.OnUpdate(update);                    // As it comes.
//   reporter.OnProtocols(protocols, now);         // Then this; the sink gets the reports.
//
// Memory: one table entry a path, attributes shared between the paths of one UPDATE. Not thread-safe.
#ifndef FAIRLEAD_SERVICES_AGENT_ROUTES_ROUTE_REPORTER_H_
#define FAIRLEAD_SERVICES_AGENT_ROUTES_ROUTE_REPORTER_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/routing/route.h"
#include "services/agent/bgp/message.h"
#include "services/agent/bird/control.h"

namespace fairlead::agent {

struct SessionChange {
  enum class Kind { kUp, kLost, kClosed };
  Kind kind = Kind::kUp;
  std::string reason;

  friend bool operator==(const SessionChange&, const SessionChange&) = default;
};

struct ReportedRoute {
  RouteKey key;
  std::shared_ptr<const bgp::PathAttributes> attributes;
};

// One message: at most RouteReporter::kMaxRoutes routes and withdrawals together.
struct SessionReport {
  BgpSessionId session;
  bool restart = false;
  std::vector<ReportedRoute> announced;
  std::vector<RouteKey> withdrawn;
  std::vector<AddressFamily> end_of_rib;
  std::optional<SessionChange> change;
};

class RouteReporter {
 public:
  static constexpr size_t kMaxRoutes = 1000;
  // How long counts must agree before a table counts as whole: a table that begins to arrive soon is waited for.
  static constexpr absl::Duration kSettleWithRoutes = absl::Milliseconds(300);
  static constexpr absl::Duration kSettleEmpty = absl::Seconds(2);
  // A table that never agrees is sent as it is.
  static constexpr absl::Duration kMaxSync = absl::Seconds(120);

  using Sink = std::function<void(SessionReport)>;
  explicit RouteReporter(Sink sink) : sink_(std::move(sink)) {}

  // Sessions that are no longer there are reported as closed.
  void SetSessions(const std::vector<BgpSessionId>& sessions);
  // The tap was lost: what it told is void, and the sessions' tables are awaited anew.
  void OnTapLost();
  void OnUpdate(const bgp::Update& update);
  // `protocols` were asked for after the last OnUpdate. `now` is monotonic.
  void OnProtocols(const std::vector<BirdProtocol>& protocols, absl::Duration now);
  // BIRD itself is gone, and all its sessions with it.
  void OnBirdDown(const std::string& reason);
  // Everything is reported again, as to a receiver that knows nothing.
  void ReportAll();

  // Whether OnProtocols is awaited: soon for changes, now and then for tables that aren't whole.
  bool has_changes() const;
  bool syncing() const;
  size_t path_count() const;

 private:
  enum class Phase { kUnknown, kDown, kSyncing, kLive };
  struct Session {
    BgpSessionId id;
    std::string protocol;
    Phase phase = Phase::kUnknown;
    SessionChange last_change{SessionChange::Kind::kLost, "not up yet"};
    std::string since;
    absl::Duration sync_start, agreed_since = absl::InfiniteDuration();
    int64_t agreed_count = 0;
    int64_t count_v4 = 0, count_v6 = 0;
    absl::flat_hash_map<RouteKey, std::shared_ptr<const bgp::PathAttributes>> table;
    absl::flat_hash_set<RouteKey> changed;  // Only in kLive.
  };

  void Remove(const RouteKey& key, const Session* except);
  void Put(Session& session, const RouteKey& key, const std::shared_ptr<const bgp::PathAttributes>& attributes);
  void Judge(Session& session, const BirdProtocol* protocol, absl::Duration now);
  void Leave(Session& session, SessionChange change);
  void JudgeSync(Session& session, const BirdProtocol& protocol, absl::Duration now);
  void SendAll(Session& session);
  void SendChanges(Session& session);

  const Sink sink_;
  std::map<uint64_t, Session> sessions_;  // By mark.
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_ROUTES_ROUTE_REPORTER_H_
