// An operator who never rests: writes one link's display name again and again, each time with a number of its own and a request id, and
// repeats a write with the same id for as long as it isn't told how it ended. What was acknowledged can then be held against the
// registry's audit: each number once, in order.
//
// One thread, from construction to destruction. Thread-safe.
//
//   RegistryWriter writer(plane, "links/ix-1-west-mobile");
//   … faults …
//   EXPECT_EQ(writer.Verify(), "");
#ifndef FAIRLEAD_TESTS_LAB_REGISTRY_WRITER_H_
#define FAIRLEAD_TESTS_LAB_REGISTRY_WRITER_H_

#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "tests/lab/control_plane.h"

namespace fairlead {

class RegistryWriter {
 public:
  // `plane` must outlive it.
  RegistryWriter(ControlPlane& plane, std::string link);
  ~RegistryWriter();
  RegistryWriter(const RegistryWriter&) = delete;
  RegistryWriter& operator=(const RegistryWriter&) = delete;

  // Writes so far.
  int64_t acknowledged() const ABSL_LOCKS_EXCLUDED(mu_);
  // What the audit says against it: an acknowledged write that is missing or stands twice, or out of order; or that the registry doesn't
  // tell. "" if nothing.
  std::string Verify() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  void Run();

  ControlPlane& plane_;
  const std::string link_;
  mutable absl::Mutex mu_;
  int64_t acknowledged_ ABSL_GUARDED_BY(mu_) = 0;  // Numbers 1 … acknowledged_ are.
  absl::Notification stop_;
  std::thread thread_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_REGISTRY_WRITER_H_
