// Asks the ports that serve viewers of boxes whose reports stopped: is anybody there? What they say is evidence for the guard, and nothing
// else: a box that reports is never asked.
//
// One thread asks all watched boxes by turns, every endpoint of each, at most kMostAtOnce requests at a time. A box answers if any of its
// endpoints gives an HTTP answer below 500; else it refuses if any of them refuses connections or says that it doesn't serve (5xx). A name
// that can't be resolved, a time-out and a connection that breaks say nothing: the fault may be ours. A box whose process is frozen accepts
// connections and says nothing, and so counts as neither.
// Thread-safe. Bounds: the watched boxes are the guard's; one round takes at most boxes × endpoints ÷ kMostAtOnce × `patience`.
//
//   DataPorts ports({}, metrics);
//   ports.Watch({{ApplianceId("oca-1"), {"http://192.0.2.1:8080"}}});
//   ports.Found();  // {oca-1: kRefuses}, once it was asked.
#ifndef FAIRLEAD_SERVICES_STEERING_DATA_PORTS_H_
#define FAIRLEAD_SERVICES_STEERING_DATA_PORTS_H_

#include <cstddef>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/steering/guard.h"
#include "services/steering/metrics.h"

namespace fairlead {

struct DataPortsOptions {
  absl::Duration every = absl::Seconds(1);     // Between rounds.
  absl::Duration patience = absl::Seconds(2);  // With one request.
};

class DataPorts {
 public:
  static constexpr size_t kMostAtOnce = 128;

  struct Watched {
    ApplianceId id = {};
    std::vector<std::string> urls = {};  // Scheme and authority.
  };

  DataPorts(const DataPortsOptions& options, SteeringMetrics& metrics);
  ~DataPorts();
  DataPorts(const DataPorts&) = delete;
  DataPorts& operator=(const DataPorts&) = delete;

  // These are asked from now on, and no others: what was found of others is forgotten.
  void Watch(std::vector<Watched> boxes) ABSL_LOCKS_EXCLUDED(mu_);

  // What each watched box last said; those that weren't asked yet, or said nothing, are left out.
  absl::flat_hash_map<ApplianceId, DataPort> Found() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run();
  // The watched boxes, once there are any and it is time; none: it is being destroyed.
  std::vector<Watched> Next() ABSL_LOCKS_EXCLUDED(mu_);
  void Keep(const std::vector<std::pair<ApplianceId, DataPort>>& round) ABSL_LOCKS_EXCLUDED(mu_);

  const DataPortsOptions options_;
  SteeringMetrics& metrics_;
  mutable absl::Mutex mu_;
  std::vector<Watched> watched_ ABSL_GUARDED_BY(mu_);
  absl::flat_hash_map<ApplianceId, DataPort> found_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;  // Last: it uses all of the above.
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_DATA_PORTS_H_
