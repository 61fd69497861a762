// The bulk of the feeds on disk (catalogue, routes, holdings), close behind what is held of it: a base and a log of what changed since
// (libs/checkpoint/checkpoint.h), so that a step costs what has changed and a start finds what the last step had.
//
// Keys: "c/<key>" an entry of the catalogue · "f/<cell>/a/<number>" who says routes · "f/<cell>/h/<key>" holdings · "f/<cell>/r/<prefix>"
// the routes of a prefix · "p/<source>" how far it reaches. A step writes in groups, each whole or not at all; the position of a source
// comes last, so that what is on disk is never older than it says, key by key: the feed goes on from there and brings the rest again. A
// number is given to one speaker and never to another.
//
// Nothing here stops steerd: a disk that is full or gone is an error of Save, and what changes meanwhile is remembered in the stores, key
// by key. Restore before StartRest and the first FollowCells of `sources`, which must outlive it. Not thread-safe.
//
//   FeedCheckpoint checkpoint(state_dir, sources, clock);
//   const absl::StatusOr<FeedCheckpoint::Restored> restored = checkpoint.Restore();
//   RETURN_IF_ERROR(checkpoint.Save());   // Each few seconds.
#ifndef FAIRLEAD_SERVICES_STEERING_FEED_CHECKPOINT_H_
#define FAIRLEAD_SERVICES_STEERING_FEED_CHECKPOINT_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "libs/checkpoint/change_batch.h"
#include "libs/checkpoint/checkpoint.h"
#include "libs/feed/position.h"
#include "libs/net/prefix.h"
#include "services/steering/cell_store.h"
#include "services/steering/route_store.h"
#include "services/steering/sources.h"

namespace fairlead {

class FeedCheckpoint {
 public:
  // Of the files: "feeds.base.<n>", "feeds.log.<n>", "feeds.lock".
  static constexpr char kName[] = "feeds";

  FeedCheckpoint(std::string folder, Sources& sources, const Clock& clock) : folder_(std::move(folder)), sources_(sources), clock_(clock) {}
  ~FeedCheckpoint() { Stop(); }

  struct Restored {
    size_t entries = 0;  // Of the catalogue and of holdings.
    size_t prefixes = 0;
    std::vector<absl::Status> faults;  // What was found broken, and done without.
    absl::Status cut;                  // What was cut off the log's end: normal after a crash; OK: nothing.

    bool empty() const { return entries == 0 && prefixes == 0; }
  };
  // FAILED_PRECONDITION if another process has it; UNAVAILABLE if the disk fails; DATA_LOSS if what is there can't be read, and then
  // nothing of it is taken over, and the next Save replaces it.
  absl::StatusOr<Restored> Restore();
  // What has changed since the last time. Does nothing before Restore. Where that couldn't open the files, it is tried again, and what is
  // there replaced. UNAVAILABLE if the disk fails; RESOURCE_EXHAUSTED if the log is full, as with the first step of very much: what is left
  // goes on once that has been compacted, which happens by itself. In both cases nothing is lost, and the next Save goes on.
  absl::Status Save();
  // Compaction ends; Save goes on to do what it does.
  void Stop();

  // Of all the files in the folder, without opening them.
  static uint64_t BytesOnDisk(const std::string& folder);
  // Of those in use.
  uint64_t bytes() const { return checkpoint_ == nullptr ? 0 : checkpoint_->bytes(); }

 private:
  // What is on disk of a feed, and what of it is still to be written.
  struct Entries {
    absl::flat_hash_set<std::string> on_disk;  // Keys.
    std::vector<std::string> to_do;
    size_t at = 0;
  };
  struct Cell {
    Entries holdings;
    absl::flat_hash_set<Prefix> on_disk;
    std::vector<Prefix> to_do;
    size_t at = 0;
    absl::flat_hash_map<RouteSpeaker, uint32_t> speakers;
    uint32_t next_speaker = 0;
  };

  absl::Status Open();
  absl::Status Read(Restored& restored);
  void RunCompaction();
  absl::Status Append();
  // Appends if much has come together.
  absl::Status MayAppend();
  template <typename Store>
  absl::Status SaveEntries(Store& store, Entries& entries, const std::string& folder, const std::string& within);
  absl::Status SaveRoutes(CellStore& store, Cell& cell, const std::string& folder);
  void SetRoutes(CellStore& store, Cell& cell, const std::string& folder, const Prefix& prefix);
  uint32_t NumberOf(const RouteSpeaker& speaker, Cell& cell, const std::string& folder);
  void SetHead(const SourceStatus& status);
  void ForgetGone(const std::vector<SourceStatus>& statuses);

  const std::string folder_;
  Sources& sources_;
  const Clock& clock_;
  std::unique_ptr<Checkpoint> checkpoint_;
  ChangeBatch pending_;  // Taken from the stores, not yet on disk.
  bool restored_ = false;
  bool void_on_disk_ = false;
  Entries catalogue_;
  std::map<std::string, Cell> cells_;                     // By source: "cells/x".
  absl::flat_hash_map<std::string, FeedPosition> heads_;  // As they are on disk.
  std::thread compaction_;
  absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_FEED_CHECKPOINT_H_
