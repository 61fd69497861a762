// Viewers that go on playing while things break, as players with HLS content steering do: each fetches the multivariant playlist of its
// title through the front, and then plays the title again and again in real time from the pathway that comes first, asks for its steering
// manifest when the one before has ended (TTL, RELOAD-URI), goes where it is told, and where a request fails takes the next pathway by
// itself and leaves the failed one alone for a while; until its session is over and a new one begins. So a session that runs through a
// fault shows what its viewer saw of it, and a new one whether a play could be started.
//
// A player holds a few seconds ahead, as real ones do; what it lacks when a segment is due is counted as stalled. Only when no pathway
// works any more does it ask for a new playlist. Every byte is compared with what was imported.
//
// One thread a player, from construction to destruction. Thread-safe.
//
//   Players players(layout, viewers, titles, {});
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
#include "fairlead/content/v1/catalog_service.pb.h"
#include "libs/content/hls_playlist.h"
#include "tests/lab/http_client.h"
#include "tests/lab/layout.h"
#include "tests/lab/routes.h"

namespace fairlead {

struct PlayerTotals {
  int64_t sessions = 0;           // Begun.
  int64_t unserved = 0;           // Tries to begin one, or to go on with one, that got no URL.
  int64_t segments = 0;           // Played.
  int64_t bytes = 0;              // Of them.
  int64_t failed_requests = 0;    // For a segment: refused, broken off, too slow. The next pathway was taken.
  int64_t asked_again = 0;        // In the middle of a session, because no pathway worked.
  int64_t steered = 0;            // Steering manifests got.
  int64_t moved = 0;              // To another pathway, because such a manifest said so.
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
  // How long a pathway that failed is left alone.
  absl::Duration penalty = absl::Seconds(10);
};

class Players {
 public:
  // One for each viewer.
  Players(const Layout& layout, const std::vector<LabViewer>& viewers, const std::vector<content::v1::Title>& titles,
          const PlayerOptions& options);
  ~Players();
  Players(const Players&) = delete;
  Players& operator=(const Players&) = delete;

  PlayerTotals Totals() const ABSL_LOCKS_EXCLUDED(mu_);
  // "127.42.1.11:8080": from where the viewer's last segment came; "" if there was none.
  std::string ServerOf(const LabViewer& viewer) const ABSL_LOCKS_EXCLUDED(mu_);
  // When the last segment came from there; infinite past: never.
  absl::Time LastFrom(const std::string& server) const ABSL_LOCKS_EXCLUDED(mu_);

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

  void NoteServer(const LabViewer& viewer, const std::string& server) ABSL_LOCKS_EXCLUDED(mu_);

  const PlayerOptions options_;
  const std::string front_;             // "http://host:port"
  std::map<std::string, Media> media_;  // By path; complete before the threads start.
  mutable absl::Mutex mu_;
  PlayerTotals totals_ ABSL_GUARDED_BY(mu_);
  std::map<std::string, std::string> servers_ ABSL_GUARDED_BY(mu_);   // By the viewer's address.
  std::map<std::string, absl::Time> last_from_ ABSL_GUARDED_BY(mu_);  // By server.
  absl::Notification stop_;
  std::vector<std::thread> threads_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_PLAYERS_H_
