// Where the boxes' bytes came from, gathered while they are filled: a box reports each file once, when it is through, and the fleet query
// keeps only the last report.
//
// Polls in a thread of its own from construction to destruction. Thread-safe.
//
//   FillWatch watch(plane);
//   …
//   watch.BytesFrom("appliances/ix-1-storage-1", "ORIGIN");
#ifndef FAIRLEAD_TESTS_LAB_FILL_WATCH_H_
#define FAIRLEAD_TESTS_LAB_FILL_WATCH_H_

#include <cstdint>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/lab/control_plane.h"

namespace fairlead {

class FillWatch {
 public:
  // `plane` must outlive it.
  explicit FillWatch(ControlPlane& plane);
  ~FillWatch();

  // Files of a box that are through, and bytes of them that came from sources of one class ("PEER", "TIER", "ORIGIN").
  int FilesDone(const std::string& appliance) const ABSL_LOCKS_EXCLUDED(mu_);
  int64_t BytesFrom(const std::string& appliance, const std::string& source_class) const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Look() ABSL_LOCKS_EXCLUDED(mu_);

  ControlPlane& plane_;
  mutable absl::Mutex mu_;
  // By appliance and file number.
  std::map<std::string, std::map<uint32_t, ingest::v1::FileFill>> done_ ABSL_GUARDED_BY(mu_);
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_FILL_WATCH_H_
