// One run of a steerd as far as the bulk of its feeds and the copy of that on disk go, without the feeds themselves: for tests.
#ifndef FAIRLEAD_SERVICES_STEERING_FEED_CHECKPOINT_RUN_H_
#define FAIRLEAD_SERVICES_STEERING_FEED_CHECKPOINT_RUN_H_

#include <map>
#include <string>

#include "libs/clock/system_clock.h"
#include "services/steering/cell_store.h"
#include "services/steering/feed_checkpoint.h"
#include "services/steering/sources.h"

namespace fairlead {

// All that the bulk of some sources is, as text.
using BulkPicture = std::map<std::string, std::string>;

class FeedCheckpointRun {
 public:
  explicit FeedCheckpointRun(const std::string& folder) : sources_({}, clock_), checkpoint_(folder, sources_, clock_) {}

  const Clock& clock() const { return clock_; }
  Sources& sources() { return sources_; }
  FeedCheckpoint& checkpoint() { return checkpoint_; }
  CellStore& cell(const std::string& id) { return *sources_.RestoredCell(CellId(id)); }
  BulkPicture picture();

 private:
  const SystemClock clock_;
  Sources sources_;
  FeedCheckpoint checkpoint_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_FEED_CHECKPOINT_RUN_H_
