// A value that one writer replaces whole and any number of readers use without waiting for it.
//
//   Published<SteeringTable> tables(std::make_shared<const SteeringTable>());
//   tables.Set(next);                                              // The writer.
//   const std::shared_ptr<const SteeringTable> table = tables.Get();   // A reader: a consistent snapshot for as long as it is held.
#ifndef FAIRLEAD_LIBS_BASE_PUBLISHED_H_
#define FAIRLEAD_LIBS_BASE_PUBLISHED_H_

#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace fairlead {

// Thread-safe. Get copies a shared pointer under a lock held for that copy only; the old value is destroyed by whoever lets go of
// it last, never under the lock.
template <typename T>
class Published {
 public:
  explicit Published(std::shared_ptr<const T> initial) : current_(std::move(initial)) {}
  Published(const Published&) = delete;
  Published& operator=(const Published&) = delete;

  std::shared_ptr<const T> Get() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::ReaderMutexLock lock(&mu_);
    return current_;
  }
  void Set(std::shared_ptr<const T> next) ABSL_LOCKS_EXCLUDED(mu_) {
    {
      absl::MutexLock lock(&mu_);
      current_.swap(next);
    }
  }

 private:
  mutable absl::Mutex mu_;
  std::shared_ptr<const T> current_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_PUBLISHED_H_
