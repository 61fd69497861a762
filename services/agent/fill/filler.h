// Makes the box hold what its manifest says: what is missing is fetched in the manifest's order, a few files at a time, from ranked
// sources, verified against SHA-256 and only then renamed into the folder that NGINX serves.
//
// Partial files are in "<tier folder>/.partial" (no URL leads there), named by content, and survive a restart. A source that fails for a
// file is left for the next and not tried again for that file for a while; a file that no source gave waits with back-off while others go
// on. A full disk pauses filling and nothing else. Files that the manifest doesn't name are kept. Thread-safe. Threads: `workers` of its
// own.
//
//   Filler filler({.folders = {{Tier::kDisk, "/data/disk"}}}, index, resolver, clock);
//   filler.Start();
//   filler.SetManifest("17", wanted);
#ifndef FAIRLEAD_SERVICES_AGENT_FILL_FILLER_H_
#define FAIRLEAD_SERVICES_AGENT_FILL_FILLER_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/clock.h"
#include "services/agent/fill/fetch.h"
#include "services/agent/fill/rate_limiter.h"
#include "services/agent/holdings/holdings_index.h"

namespace fairlead::agent {

struct FillSource {
  std::string source_class;  // "PEER", "TIER" or "ORIGIN".
  std::string appliance;     // "appliances/x"
  std::string base_url;      // What is below the version is appended.
  absl::Duration wait;       // How long the file must have been wanted first.
};
// Best first, by file number.
using FillSources = std::map<uint32_t, std::vector<FillSource>>;

class SourceResolver {
 public:
  virtual ~SourceResolver() = default;
  // At most 100 numbers. Called by the workers, one at a time.
  virtual absl::StatusOr<FillSources> Resolve(const std::vector<uint32_t>& numbers) = 0;
};

struct FileProgress {
  enum class State { kRunning, kDone, kFailed };
  uint32_t number = 0;
  State state = State::kRunning;
  int64_t bytes_done = 0;
  std::string source;
  std::string source_class;
  std::string detail;
};

struct FillerStatus {
  std::string manifest_generation;
  bool active = false;
  int files_wanted = 0;
  int files_held = 0;
  int64_t bytes_missing = 0;
  int64_t bytes_fetched = 0;  // Since the start.
  std::string detail;
};

struct FillerOptions {
  TierFolders folders = {};
  int workers = 2;
  absl::Duration retry_first = absl::Seconds(2);
  absl::Duration retry_most = absl::Minutes(1);
  // A file that nobody has yet, or only sources that are to be waited for, is no failure: asked for again after this, without doubling.
  absl::Duration retry_waiting = absl::Seconds(5);
  absl::Duration bad_source_time = absl::Minutes(5);     // After wrong bytes,
  absl::Duration failed_source_time = absl::Seconds(5);  // after any other failure.
  absl::Duration full_disk_pause = absl::Seconds(30);
  absl::Duration sources_valid = absl::Seconds(30);
  // Always left free on a file system.
  int64_t reserve_bytes = 64 << 20;
};

class Filler {
 public:
  Filler(FillerOptions options, HoldingsIndex& index, SourceResolver& resolver, const Clock& clock);
  ~Filler();

  absl::Status Start();
  // Interrupts downloads; what they have stays for the next time.
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);
  // In the order to fetch. Modification times are not read.
  void SetManifest(const std::string& generation, std::vector<HeldFile> wanted) ABSL_LOCKS_EXCLUDED(mu_);
  // bit/s, and how many bytes each tier may be filled with (absent = what the disk has).
  void SetLimits(int64_t rate_bps, std::map<Tier, int64_t> capacities) ABSL_LOCKS_EXCLUDED(mu_);
  // Something may be missing that was held.
  void Recheck() ABSL_LOCKS_EXCLUDED(mu_);

  FillerStatus Status() const ABSL_LOCKS_EXCLUDED(mu_);
  // What changed since the last call, at most kMaxProgress files.
  static constexpr size_t kMaxProgress = 1000;
  std::vector<FileProgress> TakeProgress() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct Attempt {
    absl::Duration first_try = absl::InfiniteDuration();
    absl::Duration retry_at = absl::ZeroDuration();
    absl::Duration delay = absl::ZeroDuration();
    std::map<std::string, absl::Duration> bad_until;  // By appliance.
    std::string source;                               // Asked last.
    std::string source_class;
  };
  struct KnownSources {
    std::vector<FillSource> sources;
    absl::Duration until;
  };

  void Work();
  // The next file to work on, or false after a short wait.
  bool Next(HeldFile& file) ABSL_LOCKS_EXCLUDED(mu_);
  void Finish(const HeldFile& file, const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Obtain(const HeldFile& file);
  absl::Status FetchFromSources(const HeldFile& file, const std::vector<StoredFile>& missing);
  absl::Status FetchFrom(const HeldFile& file, const std::vector<StoredFile>& missing, const FillSource& source);
  absl::Status FetchOne(const StoredFile& stored, const std::string& folder, const FillSource& source, const HeldFile& file);
  // `fetched` in the order of Missing().
  absl::Status Publish(const HeldFile& file, const std::vector<StoredFile>& fetched);
  // The media file before the playlist.
  absl::StatusOr<std::vector<StoredFile>> Missing(const HeldFile& file) const;
  absl::Status CheckRoom(const HeldFile& file) ABSL_LOCKS_EXCLUDED(mu_);
  absl::StatusOr<std::vector<FillSource>> SourcesOf(const HeldFile& file) ABSL_LOCKS_EXCLUDED(mu_);
  void Note(FileProgress progress) ABSL_LOCKS_EXCLUDED(mu_);
  std::string PartPath(const std::string& folder, uint32_t number, const StoredFile& stored) const;

  const FillerOptions options_;
  HoldingsIndex& index_;
  SourceResolver& resolver_;
  const Clock& clock_;
  RateLimiter limiter_;
  std::atomic<bool> stop_ = false;
  std::vector<std::thread> threads_;

  absl::Mutex resolve_mu_;  // One call at a time.
  mutable absl::Mutex mu_;
  std::string generation_ ABSL_GUARDED_BY(mu_);
  std::vector<HeldFile> wanted_ ABSL_GUARDED_BY(mu_);
  size_t first_missing_ ABSL_GUARDED_BY(mu_) = 0;  // All before are held.
  std::set<uint32_t> running_ ABSL_GUARDED_BY(mu_);
  std::map<uint32_t, Attempt> attempts_ ABSL_GUARDED_BY(mu_);
  std::map<uint32_t, KnownSources> sources_ ABSL_GUARDED_BY(mu_);
  std::map<uint32_t, FileProgress> progress_ ABSL_GUARDED_BY(mu_);
  std::map<Tier, int64_t> capacities_ ABSL_GUARDED_BY(mu_);
  std::map<Tier, int64_t> reserved_ ABSL_GUARDED_BY(mu_);  // For files under way.
  absl::Duration paused_until_ ABSL_GUARDED_BY(mu_) = absl::ZeroDuration();
  std::string detail_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILL_FILLER_H_
