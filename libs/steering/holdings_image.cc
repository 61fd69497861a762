// Holdings in a table image: rows lie as they are in memory; a file's word has its row's place in their part in place of an address.
//
// Only words are checked. Whatever a row says, asking it never leads farther than kReach beyond its beginning, and so much stands behind
// the last one.
#include <cstring>
#include <utility>
#include <vector>

#include "libs/base/huge_memory.h"
#include "libs/base/status_macros.h"
#include "libs/steering/holder_rows.h"
#include "libs/steering/image_parts.h"

namespace fairlead {
namespace {

using holder_rows::Row;

// An index has 16 lines: so far a row with an index may lead.
constexpr size_t kReach = holder_rows::kIndexed * 64;

bool StandsInWord(Row row) {
  return holder_rows::TagOf(row) <= holder_rows::kMostInline;
}

size_t AlignmentOf(size_t bytes) {
  return bytes <= 16 ? 16 : bytes <= 32 ? 32 : 64;
}

// Whether asking for the row stays within `size` bytes.
bool Fits(Row row, size_t dense_bytes, size_t size) {
  const uint32_t tag = holder_rows::TagOf(row);
  if (tag > holder_rows::kMostSparse && tag != holder_rows::kDense) return false;
  const size_t needs = tag == holder_rows::kDense || tag <= holder_rows::kMostFlat ? holder_rows::Bytes(row, dense_bytes) : kReach;
  const uint64_t place = row >> 16;
  return needs <= size && place <= size - needs && place % AlignmentOf(holder_rows::Bytes(row, dense_bytes)) == 0;
}

}  // namespace

void ImageParts::WriteHoldings(const Holdings& holdings, ImageSink& sink) {
  const size_t dense = holder_rows::DenseBytes(holdings.row_slots_);
  std::vector<Row> words;
  words.reserve(holdings.pages_.size() * Holdings::kPage);
  size_t at = 0;
  sink.Begin(ImagePart::kRows);
  for (const Holdings::Page page : holdings.pages_) {
    for (const Row* word = page; word != page + Holdings::kPage; ++word) {
      if (StandsInWord(*word)) {
        words.push_back(*word);
        continue;
      }
      const size_t bytes = holder_rows::Bytes(*word, dense);
      const size_t place = (at + AlignmentOf(bytes) - 1) / AlignmentOf(bytes) * AlignmentOf(bytes);
      AppendZeros(place - at, sink);
      AppendArray(reinterpret_cast<const char*>(holder_rows::SlotsOf(*word)), bytes, sink);
      at = place + bytes;
      words.push_back(uint64_t{place} << 16 | holder_rows::TagOf(*word));
    }
  }
  AppendZeros(kReach, sink);
  sink.Begin(ImagePart::kDirectory);
  AppendArray(words.data(), words.size(), sink);
}

absl::StatusOr<std::shared_ptr<const Holdings>> ImageParts::ReadHoldings(const TableImage& image, const Fleet& fleet, uint64_t row_slots) {
  ASSIGN_OR_RETURN(const absl::Span<const Row> words, ArrayOf<Row>(image, ImagePart::kDirectory, "holders of files"));
  ASSIGN_OR_RETURN(const absl::Span<const char> rows, ArrayOf<char>(image, ImagePart::kRows, "rows of holders"));
  if (row_slots < fleet.slots().size() || row_slots > Fleet::kMaxSlots) {
    return BrokenPart("holders of files", absl::StrCat("bitmaps of ", row_slots, " slots for a fleet of ", fleet.slots().size()));
  }
  if (words.size() % Holdings::kPage != 0) return BrokenPart("holders of files", "it has no whole pages");
  const size_t dense = holder_rows::DenseBytes(static_cast<uint32_t>(row_slots));

  struct Memory {
    std::shared_ptr<const void> image;
    HugeMemory words;
  };
  const auto memory = std::make_shared<Memory>();
  memory->image = image.keeper;
  memory->words = AllocateHuge(std::max<size_t>(1, words.size() * sizeof(Row)));
  Row* const own = static_cast<Row*>(memory->words.get());
  for (size_t file = 0; file < words.size(); ++file) {
    Row word = words[file];
    if (!StandsInWord(word)) {
      if (!Fits(word, dense, rows.size())) return BrokenPart("holders of files", absl::StrCat("the row of file ", file, " isn't there"));
      word = reinterpret_cast<uint64_t>(rows.data() + (word >> 16)) << 16 | holder_rows::TagOf(word);
    }
    own[file] = word;
  }

  const std::shared_ptr<Holdings> holdings(new Holdings());
  for (size_t page = 0; page < words.size() / Holdings::kPage; ++page) holdings->pages_.push_back(own + page * Holdings::kPage);
  holdings->slot_of_box_.reserve(fleet.boxes().size());
  for (const Fleet::Box& box : fleet.boxes()) holdings->slot_of_box_.push_back(box.slot);
  holdings->fingerprint_ = fleet.fingerprint();
  holdings->row_slots_ = static_cast<uint32_t>(row_slots);
  holdings->memory_ = memory;
  return std::shared_ptr<const Holdings>(holdings);
}

}  // namespace fairlead
