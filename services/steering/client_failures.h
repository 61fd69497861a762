// Which boxes players leave although they were told to use them: evidence for the guard that a silent box is gone. It comes from content
// steering, where a player says what it plays (libs/contentsteering/priority.h).
//
// What players say isn't signed, so it is counted by the networks they call from (/24, /48), corroborates only what its own reports already
// say by their absence, and never takes a box by itself. Thread-safe. Bounds: kMostBoxes boxes, of each the kMostNetworks that were heard
// last; of further boxes nothing is kept until others have been quiet for `window`.
//
//   ClientFailures failures;
//   failures.Note(client, {ApplianceId("oca-1")}, clock.Monotonic());
//   failures.Networks(absl::Minutes(1), clock.Monotonic());  // {oca-1: 1}
#ifndef FAIRLEAD_SERVICES_STEERING_CLIENT_FAILURES_H_
#define FAIRLEAD_SERVICES_STEERING_CLIENT_FAILURES_H_

#include <cstddef>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/ids.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"

namespace fairlead {

class ClientFailures {
 public:
  static constexpr size_t kMostBoxes = 20'000;
  static constexpr size_t kMostNetworks = 16;

  // A player at `client` was told to use these boxes, and plays elsewhere. `now` on one monotonic clock.
  void Note(const IpAddress& client, absl::Span<const ApplianceId> boxes, absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_);

  // Of each box that any left within `window` before `now`: how many networks' players did. What is older is forgotten.
  absl::flat_hash_map<ApplianceId, size_t> Networks(absl::Duration window, absl::Duration now) ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Heard {
    Prefix network;
    absl::Duration at;
  };

  absl::Mutex mu_;
  absl::flat_hash_map<ApplianceId, std::vector<Heard>> boxes_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_CLIENT_FAILURES_H_
