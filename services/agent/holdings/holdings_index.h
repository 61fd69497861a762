// What the box verifiably holds: every file in it was checked against its SHA-256 before it was put into a visible folder.
//
// Kept as a log of lines in one file (added, removed), each durable before the call returns, rewritten at start. At start every file is
// looked at: equal size and modification time are believed, anything else is hashed anew, and what is gone or wrong is dropped (a wrong
// one is deleted). Thread-safe; at most kMaxFiles.
//
//   ASSIGN_OR_RETURN(auto index, HoldingsIndex::Open(state_dir + "/holdings", {{Tier::kDisk, "/data/disk"}}));
//   RETURN_IF_ERROR(index->Add(file));
//   report.set_bitmap(index->Bitmap());
#ifndef FAIRLEAD_SERVICES_AGENT_HOLDINGS_HOLDINGS_INDEX_H_
#define FAIRLEAD_SERVICES_AGENT_HOLDINGS_HOLDINGS_INDEX_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "libs/base/vocabulary.h"
#include "services/agent/files.h"

namespace fairlead::agent {

struct StoredFile {
  std::string path;  // "<title>/<version>/<rendition>/<file>"
  int64_t size_bytes = 0;
  std::string sha256;  // 32 bytes.
  int64_t mtime_nanos = 0;

  friend bool operator==(const StoredFile&, const StoredFile&) = default;
};

struct HeldFile {
  uint32_t number = 0;
  Tier tier = Tier::kDisk;
  StoredFile media;
  StoredFile playlist;  // An empty path: none.

  int64_t stored_bytes() const { return media.size_bytes + playlist.size_bytes; }
  friend bool operator==(const HeldFile&, const HeldFile&) = default;
};

using TierFolders = std::map<Tier, std::string>;

class HoldingsIndex {
 public:
  static constexpr size_t kMaxFiles = 1'000'000;

  static absl::StatusOr<std::unique_ptr<HoldingsIndex>> Open(std::string log_path, TierFolders tiers);

  // The files are in their places and verified; their modification times are filled in. Durable when it returns.
  absl::Status Add(HeldFile file) ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Remove(uint32_t number) ABSL_LOCKS_EXCLUDED(mu_);
  // Drops files that are gone or were changed behind our back; returns their numbers.
  std::vector<uint32_t> Sweep() ABSL_LOCKS_EXCLUDED(mu_);

  // Whether the number is held with this content.
  bool Holds(uint32_t number, const std::string& sha256) const ABSL_LOCKS_EXCLUDED(mu_);
  size_t size() const ABSL_LOCKS_EXCLUDED(mu_);
  int64_t used_bytes(Tier tier) const ABSL_LOCKS_EXCLUDED(mu_);
  // Rises with each change.
  uint64_t version() const ABSL_LOCKS_EXCLUDED(mu_);
  // All numbers, as a roaring bitmap in portable format.
  std::string Bitmap() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  HoldingsIndex(std::string log_path, TierFolders tiers) : log_path_(std::move(log_path)), tiers_(std::move(tiers)) {}
  absl::Status Load() ABSL_LOCKS_EXCLUDED(mu_);
  absl::Status Rewrite() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  absl::Status Append(const std::string& line) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  bool VerifyAtStart(HeldFile& file) const;

  const std::string log_path_;
  const TierFolders tiers_;
  mutable absl::Mutex mu_;
  Fd log_ ABSL_GUARDED_BY(mu_);
  std::map<uint32_t, HeldFile> files_ ABSL_GUARDED_BY(mu_);
  std::map<Tier, int64_t> used_ ABSL_GUARDED_BY(mu_);
  uint64_t version_ ABSL_GUARDED_BY(mu_) = 0;
};

// The SHA-256 of a file's content, 32 bytes.
absl::StatusOr<std::string> HashFile(const std::string& path);

// Whether the file is there with its content, by its hash. What has another one is taken away, so that it is never served; a file that
// can't be read stays, and the error says why.
absl::StatusOr<bool> IsInPlace(const StoredFile& file, const std::string& folder);

// The log's line for a file, without the line feed; and back. Pure.
std::string FormatHeldFile(const HeldFile& file);
absl::StatusOr<HeldFile> ParseHeldFile(absl::string_view line);

// Two sets of file numbers in portable format, so that applying them to `before` gives `after`.
struct BitmapChange {
  std::string added;
  std::string removed;
};
absl::StatusOr<BitmapChange> DiffBitmaps(const std::string& before, const std::string& after);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_HOLDINGS_HOLDINGS_INDEX_H_
