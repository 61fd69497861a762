// Which sources did wrong lately, and are therefore asked last.
//
// A box that meets a fault remembers it here for itself, and tells filld, which remembers it here for all boxes. A fault counts against its
// source for the box that met it; for everybody once `believed_by_all` boxes say so, because one box may merely have a bad path. A fault
// never takes a source out: being last costs a sound source little, and a box that lies can do no more than that.
// A missing file concerns that file alone, every other fault all files of the source.
//
// Pure; not thread-safe. Bounded: kMaxEntries in all and kMaxEntriesASource of one source; beyond it new ones are dropped and counted.
//
//   book.Record(asker, {.source = ApplianceId("oca-7"), .file = 12, .reason = SourceFaultReason::kSlow, .detail = "…"}, now);
//   if (book.IsBehind(ApplianceId("oca-7"), asker, 13, now)) …
#ifndef FAIRLEAD_LIBS_FILL_SOURCE_FAULTS_H_
#define FAIRLEAD_LIBS_FILL_SOURCE_FAULTS_H_

#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"

namespace fairlead {

// The numbers are those of the proto.
enum class SourceFaultReason : uint8_t {
  kUnspecified = 0,
  kMissing = 1,      // 404: it doesn't have what it is said to hold.
  kUnreachable = 2,  // No connection.
  kRefused = 3,      // Any other answer than the file.
  kSlow = 4,         // Below the floor of a rate.
  kTruncated = 5,    // Ended early, or sent another range or length than asked for.
  kCorrupt = 6,      // The bytes don't have the file's SHA-256.
};
inline constexpr size_t kSourceFaultReasons = 7;
absl::string_view ToString(SourceFaultReason reason);  // "MISSING", …
std::ostream& operator<<(std::ostream& out, SourceFaultReason reason);

struct SourceFault {
  ApplianceId source;
  uint32_t file = 0;
  SourceFaultReason reason = SourceFaultReason::kUnspecified;
  std::string detail;

  friend bool operator==(const SourceFault&, const SourceFault&) = default;
};

struct SourceFaultLimits {
  // How long a fault counts. Wrong bytes on a disk stay wrong; most other causes pass.
  absl::Duration corrupt_for = absl::Minutes(10);
  absl::Duration other_for = absl::Minutes(1);
  int believed_by_all = 2;
};

class SourceFaultBook {
 public:
  static constexpr size_t kMaxEntries = 100'000;
  static constexpr size_t kMaxEntriesASource = 256;

  struct Met {
    SourceFault fault;
    absl::Duration age;
  };

  explicit SourceFaultBook(SourceFaultLimits limits = {}) : limits_(limits) {}

  // `now` is the time since any start, never back.
  void Record(const ApplianceId& asker, SourceFault fault, absl::Duration now);
  bool IsBehind(const ApplianceId& source, const ApplianceId& asker, uint32_t file, absl::Duration now) const;
  // What `asker` met and still counts, at most `most`, by source.
  std::vector<Met> MetBy(const ApplianceId& asker, absl::Duration now, size_t most) const;
  // Forgets what no longer counts.
  void Expire(absl::Duration now);

  size_t size() const { return size_; }
  // Sources against which anything is held.
  size_t sources() const { return sources_.size(); }
  int64_t dropped() const { return dropped_; }

 private:
  // Who met it, and for which file: 0 = all.
  using Key = std::pair<ApplianceId, uint32_t>;
  struct Entry {
    SourceFault fault;
    absl::Duration met;
    absl::Duration until;
  };
  using Entries = absl::btree_map<Key, Entry>;

  const SourceFaultLimits limits_;
  absl::btree_map<ApplianceId, Entries> sources_;
  size_t size_ = 0;
  int64_t dropped_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FILL_SOURCE_FAULTS_H_
