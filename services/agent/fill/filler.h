// Makes the box hold what its manifest says: what is missing is fetched in the manifest's order, a few files at a time, from ranked
// sources, verified against SHA-256 and only then renamed into the folder that NGINX serves.
//
// Partial files are in "<tier folder>/.partial" (no URL leads there), named by content, and survive a restart and a kill; those that the
// manifest doesn't want are removed. A source that does wrong is left for the next, not asked again for that file for a while, asked last
// for others, and reported (source_memory.h); a file that no source gave waits with back-off while others go on. Only a whole file has a
// hash: if bytes of several sources don't fit together, the last of them is asked once for all of it, which shows who was wrong. A full
// disk stops the filling of its tier and nothing else; room is looked for every `full_disk_pause`. Files that the manifest doesn't name
// are kept. Thread-safe. Threads: `workers` of its own.
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
#include "services/agent/fill/source_memory.h"
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
  // At most 100 numbers, and at most 100 faults to be told: they count as told if the answer is OK. Called by the workers, one at a time.
  virtual absl::StatusOr<FillSources> Resolve(const std::vector<uint32_t>& numbers, const std::vector<SourceFault>& faults) = 0;
};

struct FileProgress {
  enum class State { kRunning, kDone, kFailed };
  uint32_t number = 0;
  State state = State::kRunning;
  int64_t bytes_done = 0;
  std::string source;
  std::string source_class;
  std::string detail;  // Why it failed; else which sources were left on the way, and why.
};

struct FillerStatus {
  std::string manifest_generation;
  bool active = false;
  int files_wanted = 0;
  int files_held = 0;
  int64_t bytes_missing = 0;
  int64_t bytes_fetched = 0;  // Since the start.
  bool disk_full = false;
  SourceMemory::Counts source_faults = {};  // Since the start, by reason.
  std::string detail;
};

struct FillerOptions {
  TierFolders folders = {};
  int workers = 2;
  absl::Duration retry_first = absl::Seconds(2);
  absl::Duration retry_most = absl::Minutes(1);
  // A file that nobody has yet, or only sources that are to be waited for, is no failure: asked for again after this, without doubling.
  absl::Duration retry_waiting = absl::Seconds(5);
  SourceMemoryOptions sources = {};
  // A source below this rate is left (fetch.h).
  int64_t slow_bytes = FetchRequest().slow_bytes;
  absl::Duration slow_time = FetchRequest().slow_time;
  absl::Duration full_disk_pause = absl::Seconds(5);
  absl::Duration sources_valid = absl::Seconds(30);
  // Between reports of faults for which nothing is asked.
  absl::Duration report_pause = absl::Seconds(5);
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
    std::string source;  // Asked last.
    std::string source_class;
    std::string left;  // Sources that were left, and why.
    // Who gave bytes of the partial files, by path. An empty name: somebody before this process.
    std::map<std::string, std::set<std::string>> gave;
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
  // Fetches and verifies; asks the source twice if that shows who was wrong.
  absl::Status FetchOne(const StoredFile& stored, const std::string& folder, const FillSource& source, const HeldFile& file);
  absl::Status Download(const StoredFile& stored, const std::string& part, const FillSource& source, const HeldFile& file);
  // Whoever else gave bytes of what there is of the file so far; `source` is now among the givers.
  std::set<std::string> AddGiver(const HeldFile& file, const StoredFile& stored, const std::string& part, const std::string& source)
      ABSL_LOCKS_EXCLUDED(mu_);
  void Blame(const HeldFile& file, const std::string& source, SourceFaultReason reason, absl::string_view why) ABSL_LOCKS_EXCLUDED(mu_);
  // Tells filld of faults though there is nothing to ask.
  void ReportFaults() ABSL_LOCKS_EXCLUDED(resolve_mu_, mu_);
  absl::StatusOr<FillSources> Ask(const std::vector<uint32_t>& numbers) ABSL_EXCLUSIVE_LOCKS_REQUIRED(resolve_mu_) ABSL_LOCKS_EXCLUDED(mu_);
  // `fetched` in the order of Missing().
  absl::Status Publish(const HeldFile& file, const std::vector<StoredFile>& fetched);
  // The media file before the playlist.
  absl::StatusOr<std::vector<StoredFile>> Missing(const HeldFile& file) const;
  absl::Status CheckRoom(const HeldFile& file) ABSL_LOCKS_EXCLUDED(mu_);
  // Those that may be asked now, best first.
  absl::StatusOr<std::vector<FillSource>> SourcesOf(const HeldFile& file) ABSL_LOCKS_EXCLUDED(resolve_mu_, mu_);
  std::vector<FillSource> MayAsk(const HeldFile& file, const std::vector<FillSource>& sources) ABSL_LOCKS_EXCLUDED(mu_);
  void Note(FileProgress progress) ABSL_LOCKS_EXCLUDED(mu_);
  std::string PartPath(const std::string& folder, uint32_t number, const StoredFile& stored) const;
  void RemoveStrayParts() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

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
  std::map<Tier, int64_t> reserved_ ABSL_GUARDED_BY(mu_);           // For files under way.
  std::map<Tier, absl::Duration> full_until_ ABSL_GUARDED_BY(mu_);  // When to look for room again.
  SourceMemory memory_ ABSL_GUARDED_BY(mu_);
  absl::Duration next_report_ ABSL_GUARDED_BY(mu_) = absl::ZeroDuration();
  std::string detail_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_FILL_FILLER_H_
