// Viewers that go on playing while things break: each asks once, as a client app does, and then plays its title again and again in real
// time from the URLs that it got, taking the next one where one fails, until its session is over and a new one begins. So a session that
// runs through a fault shows what its viewer saw of it, and a new one whether a play could be started.
//
// A player holds a few seconds ahead, as real ones do; what it lacks when a segment is due is counted as stalled. Only when no URL works
// any more does it ask again. Every byte is compared with what was imported.
//
// One thread a player, from construction to destruction. Thread-safe.
//
//   Players players(installation, titles, {});
//   const PlayerTotals before = players.Totals();
//   … something breaks …
//   const PlayerTotals seen = players.Totals() - before;
#ifndef FAIRLEAD_TESTS_LAB_PLAYERS_H_
#define FAIRLEAD_TESTS_LAB_PLAYERS_H_

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "libs/content/hls_playlist.h"
#include "tests/lab/control_plane.h"
#include "tests/lab/http_client.h"
#include "tests/lab/layout.h"
#include "tests/lab/routes.h"

namespace fairlead {

struct PlayerTotals {
  int64_t sessions = 0;           // Begun.
  int64_t unserved = 0;           // Tries to begin one, or to go on with one, that got no URL.
  int64_t segments = 0;           // Played.
  int64_t bytes = 0;              // Of them.
  int64_t failed_requests = 0;    // For a segment: refused, broken off, too slow. The next URL was taken.
  int64_t asked_again = 0;        // In the middle of a session, because no URL worked.
  int64_t wrong_segments = 0;     // Bytes that aren't the imported ones.
  absl::Duration stalled;         // Sum over all players.
  std::string last_problem = {};  // Of a failed request or an unserved session.
};
PlayerTotals operator-(const PlayerTotals& now, const PlayerTotals& before);

struct PlayerOptions {
  absl::Duration session = absl::Seconds(60);
  absl::Duration ahead = absl::Seconds(8);
  // After which a request for a segment is given up.
  HttpPatience patience = {.connect = absl::Seconds(1), .total = absl::Seconds(3)};
};

class Players {
 public:
  // One for each viewer. `plane` must outlive it.
  Players(const Layout& layout, const std::vector<LabViewer>& viewers, const std::vector<content::v1::Title>& titles, ControlPlane& plane,
          const PlayerOptions& options);
  ~Players();
  Players(const Players&) = delete;
  Players& operator=(const Players&) = delete;

  PlayerTotals Totals() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Media {
    std::string bytes;
    HlsPlaylist playlist;
  };
  class Player;

  void Load(const std::string& media_dir, const std::string& path);
  template <typename Change>
  void Count(Change&& change) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    change(totals_);
  }

  const PlayerOptions options_;
  ControlPlane& plane_;
  std::map<std::string, Media> media_;  // By path; complete before the threads start.
  mutable absl::Mutex mu_;
  PlayerTotals totals_ ABSL_GUARDED_BY(mu_);
  absl::Notification stop_;
  std::vector<std::thread> threads_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_PLAYERS_H_
