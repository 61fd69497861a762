// The files that a box holds, as a set of file numbers kept as a roaring bitmap; and the reading of such bitmaps from boxes.
//
// What a box sends is not trusted: CRoaring's safe reader only keeps within the buffer, and a bitmap that breaks the format's
// invariants (order, cardinalities) can make later operations write out of bounds. So the bytes are checked here first, completely.
// Format: https://github.com/RoaringBitmap/RoaringFormatSpec.
// Value type; not thread-safe.
//
//   ASSIGN_OR_RETURN(Holdings holdings, Holdings::Parse(update.bitmap(), "report.holdings_update.bitmap"));
#ifndef FAIRLEAD_SERVICES_INGEST_HOLDINGS_H_
#define FAIRLEAD_SERVICES_INGEST_HOLDINGS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "roaring/roaring.hh"

namespace fairlead::ingest {

// OK if `bytes` are exactly one well-formed bitmap of the portable format; INVALID_ARGUMENT naming `field` and the fault else.
// O(size), no allocation.
absl::Status CheckRoaring(absl::string_view bytes, absl::string_view field);

class Holdings {
 public:
  // A box holds at most 10^6 files; the bitmap of this many is below the feed's limit on an entry.
  static constexpr uint64_t kMostFiles = 1'200'000;

  Holdings() = default;
  // Empty bytes are the empty set. INVALID_ARGUMENT as CheckRoaring, RESOURCE_EXHAUSTED for more than kMostFiles.
  static absl::StatusOr<Holdings> Parse(absl::string_view bytes, absl::string_view field);

  // RESOURCE_EXHAUSTED, with nothing changed, if the result had more than kMostFiles.
  absl::Status Change(const Holdings& added, const Holdings& removed);

  bool Contains(uint32_t file) const { return files_.contains(file); }
  uint64_t size() const { return files_.cardinality(); }
  // Portable format.
  std::string Serialize() const;

  friend bool operator==(const Holdings& a, const Holdings& b) { return a.files_ == b.files_; }

 private:
  Roaring files_;
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_HOLDINGS_H_
