// A SteeringTable as flat runs of bytes, which can lie in a file, be mapped, and be decided from as they lie there: ladders, holdings and
// catalogue are read in place, only what is small (fleet, leaves, the word of each file) is made anew. How the file around it looks is
// services/steering/table_file.h's business.
//
// Parts follow each other in the order of ImagePart. Numbers are little-endian, places are offsets within a part, and whatever stands in a
// part is checked before use: a reader of a hostile image never leaves its parts, though it may answer nonsense. (Checksums are for decay;
// they belong to the file.)
//
//   WriteImage(*table, sink);                                        // O(table); any thread, `table` is immutable.
//   ASSIGN_OR_RETURN(const auto table, ReadImage(image));            // O(leaves + files + rungs); rows and titles aren't looked at.
//
// What a table from an image can't do that a built one can: its sessions have no allow-lists (no route is admitted by it), its ages are
// empty. Titles are made when they are first asked for, and kept. Any thread.
#ifndef FAIRLEAD_LIBS_STEERING_TABLE_IMAGE_H_
#define FAIRLEAD_LIBS_STEERING_TABLE_IMAGE_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

enum class ImagePart : uint32_t {
  kHead = 0,        // Counts, the policy and the fingerprint.
  kFleet = 1,       // Sites, boxes and links as they were, and where boxes stand in slots.
  kSessions = 2,    // BGP sessions.
  kRungs = 3,       // Of all distinct heads of ladders.
  kLeaves = 4,      // By prefix: where its head is, which tail.
  kFacts = 5,       // By prefix: the prefix, its own routes.
  kTails = 6,       // Places, and the open sites by distance from them.
  kRouteSets = 7,   // Where each set of routes begins.
  kRoutes = 8,      // Of all sets.
  kRows = 9,        // Of holders.
  kDirectory = 10,  // By file: its row.
  kTitles = 11,     // The catalogue's records.
  kTitleIndex = 12,
  kFileRuns = 13,  // Which title a file number is of.
};
inline constexpr size_t kImageParts = 14;

// Every part begins at a multiple of this.
inline constexpr size_t kImageAlignment = 64;

class ImageSink {
 public:
  virtual ~ImageSink() = default;
  virtual void Begin(ImagePart part) = 0;
  virtual void Append(absl::string_view bytes) = 0;
};

void WriteImage(const SteeringTable& table, ImageSink& sink);

struct TableImage {
  std::array<absl::string_view, kImageParts> parts;
  std::shared_ptr<const void> keeper;  // Of the bytes: as long as the table or a part of it lives.
};

// What the head says, before anything else is read: to tell a shrunken table.
struct ImageCounts {
  uint64_t version = 0;
  uint64_t boxes = 0;
  uint64_t prefixes = 0;
  uint64_t files = 0;  // Of the catalogue.
};
absl::StatusOr<ImageCounts> ReadImageCounts(absl::string_view head);
ImageCounts CountsOf(const SteeringTable& table);

// Does two things that need nothing of each other, and returns when both are done: one after the other, or, where an edge lends a thread,
// at the same time. Either may be called within either.
using DoBoth = absl::FunctionRef<void(absl::FunctionRef<void()> one, absl::FunctionRef<void()> other)>;
inline void OneAfterTheOther(absl::FunctionRef<void()> one, absl::FunctionRef<void()> other) {
  one();
  other();
}

// DATA_LOSS naming the part and what is wrong with it.
absl::StatusOr<std::shared_ptr<const SteeringTable>> ReadImage(const TableImage& image, DoBoth do_both = OneAfterTheOther);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_TABLE_IMAGE_H_
