// The parts of a table image, one class for all that reads and writes the insides of tables. Private to libs/steering; see table_image.h.
#ifndef FAIRLEAD_LIBS_STEERING_IMAGE_PARTS_H_
#define FAIRLEAD_LIBS_STEERING_IMAGE_PARTS_H_

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "libs/steering/steering_table.h"
#include "libs/steering/table_image.h"

namespace fairlead {

// Arrays are read where they lie.
static_assert(std::endian::native == std::endian::little, "table images are little-endian");

inline absl::Status BrokenPart(absl::string_view part, absl::string_view why) {
  return absl::DataLossError(absl::StrCat("table image, ", part, ": ", why));
}

// An array that lies in a part. DATA_LOSS if the part isn't whole elements, or lies askew.
template <typename T>
absl::StatusOr<absl::Span<const T>> ArrayOf(const TableImage& image, ImagePart part, absl::string_view name) {
  const absl::string_view bytes = image.parts[static_cast<size_t>(part)];
  if (bytes.size() % sizeof(T) != 0) return BrokenPart(name, absl::StrCat(bytes.size(), " bytes are no whole elements of ", sizeof(T)));
  if (bytes.empty()) return absl::Span<const T>();
  if (reinterpret_cast<uintptr_t>(bytes.data()) % kImageAlignment != 0) return BrokenPart(name, "it lies askew in memory");
  return absl::MakeConstSpan(reinterpret_cast<const T*>(bytes.data()), bytes.size() / sizeof(T));
}

inline void AppendZeros(size_t count, ImageSink& sink) {
  static constexpr char kZeros[1'024] = {};
  for (; count > 0; count -= std::min(count, sizeof(kZeros))) sink.Append({kZeros, std::min(count, sizeof(kZeros))});
}

template <typename T>
void AppendArray(const T* data, size_t count, ImageSink& sink) {
  sink.Append({reinterpret_cast<const char*>(data), count * sizeof(T)});
}

struct ImageParts {
  static void WriteFleet(const Fleet& fleet, ImageSink& sink);
  static absl::StatusOr<std::shared_ptr<const Fleet>> ReadFleet(absl::string_view bytes);

  static void WriteLadders(const LadderTable& ladders, ImageSink& sink);
  // A table may be used only if CheckHeads passes too, which needs nothing of ReadLadders and may go on beside it.
  static absl::Status CheckHeads(const TableImage& image, const Fleet& fleet);
  static absl::StatusOr<std::shared_ptr<const LadderTable>> ReadLadders(const TableImage& image, const Fleet& fleet, size_t left_out,
                                                                        size_t distinct, DoBoth do_both);

  static void WriteHoldings(const Holdings& holdings, ImageSink& sink);
  static absl::StatusOr<std::shared_ptr<const Holdings>> ReadHoldings(const TableImage& image, const Fleet& fleet, uint64_t row_slots);

  static void WriteCatalogue(const Catalogue& catalogue, ImageSink& sink);
  static absl::StatusOr<std::shared_ptr<const Catalogue>> ReadCatalogue(const TableImage& image, size_t files);
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_IMAGE_PARTS_H_
