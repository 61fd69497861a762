// A number on disk that is raised at each start: a publisher's epoch where no database keeps it, and an agent's incarnation.
#ifndef FAIRLEAD_LIBS_FEED_EPOCH_FILE_H_
#define FAIRLEAD_LIBS_FEED_EPOCH_FILE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace fairlead {

// Raises the number in `path` to max(last + 1, Unix milliseconds of `now`), makes that durable (temporary file, fsync, rename,
// fsync of the folder), and returns it. So a lost file does no harm while the clock is right, and a wrong clock none while the
// file is there. The folder must exist: NOT_FOUND. A file that holds no number is DATA_LOSS: somebody should look at it.
absl::StatusOr<uint64_t> RaiseEpoch(const std::string& path, absl::Time now);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FEED_EPOCH_FILE_H_
