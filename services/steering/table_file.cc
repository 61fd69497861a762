#include "services/steering/table_file.h"

#include <array>
#include <thread>
#include <utility>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/whole_file.h"
#include "libs/feed/feed_client.h"
#include "libs/steering/image_codec.h"

namespace fairlead {
namespace {

// The section beside those of the image, whose ids are ImagePart's.
constexpr uint32_t kExtras = 100;

std::string EncodeExtras(const TableExtras& extras) {
  ImageWriter out;
  out.Signed(absl::ToUnixMillis(extras.saved_at));
  out.Number(extras.sources.size());
  for (const TableExtras::Source& source : extras.sources) {
    out.Text(source.name);
    out.Number(source.position.epoch);
    out.Number(source.position.version);
    out.Signed(absl::ToInt64Milliseconds(source.age));
  }
  out.Signed(extras.default_max_urls);
  out.Signed(absl::ToInt64Milliseconds(extras.token_lifetime));
  out.Number(extras.active_key_ids.size());
  for (const std::string& id : extras.active_key_ids) out.Text(id);
  out.Number(extras.shrunken ? 1 : 0);
  return out.bytes();
}

absl::StatusOr<TableExtras> DecodeExtras(absl::string_view bytes) {
  ImageReader in(bytes);
  TableExtras extras;
  extras.saved_at = absl::FromUnixMillis(in.Signed());
  for (size_t count = in.Count(4); count > 0; --count) {
    TableExtras::Source& source = extras.sources.emplace_back();
    source.name = in.String();
    source.position = {.epoch = in.Number(), .version = in.Number()};
    source.age = absl::Milliseconds(in.Signed());
  }
  extras.default_max_urls = in.Signed32();
  extras.token_lifetime = absl::Milliseconds(in.Signed());
  for (size_t count = in.Count(1); count > 0; --count) extras.active_key_ids.push_back(in.String());
  extras.shrunken = in.Flag();
  if (!in.Done()) return absl::DataLossError("section of extras: it is cut, or something follows it");
  if (extras.default_max_urls < 1 || extras.token_lifetime <= absl::ZeroDuration()) {
    return absl::DataLossError("section of extras: its settings can't be");
  }
  return extras;
}

// Remembers the first error: a sink's caller doesn't look.
class FileSink final : public ImageSink {
 public:
  explicit FileSink(SectionFileWriter& writer) : writer_(writer) {}
  void Begin(ImagePart part) override { Note(writer_.Begin(static_cast<uint32_t>(part))); }
  void Append(absl::string_view bytes) override {
    if (status_.ok()) Note(writer_.Append(bytes));
  }
  const absl::Status& status() const { return status_; }

 private:
  void Note(absl::Status status) { status_.Update(std::move(status)); }
  SectionFileWriter& writer_;
  absl::Status status_;
};

void BesideEachOther(absl::FunctionRef<void()> one, absl::FunctionRef<void()> other) {
  std::thread helper(other);
  one();
  helper.join();
}

absl::StatusOr<TableFile> ReadSections(const SectionFile& sections, size_t threads) {
  TableImage image = {.parts = {}, .keeper = sections.keeper};
  for (size_t part = 0; part < kImageParts; ++part) image.parts[part] = sections.Find(static_cast<uint32_t>(part));
  TableFile file;
  ASSIGN_OR_RETURN(file.extras, DecodeExtras(sections.Find(kExtras)));
  ASSIGN_OR_RETURN(file.table, threads > 1 ? ReadImage(image, BesideEachOther) : ReadImage(image));
  return file;
}

std::string Dated(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

// What is small in a file, without mapping it.
struct Glance {
  TableExtras extras;
  ImageCounts counts;
};
absl::StatusOr<Glance> GlanceAt(const std::string& path) {
  ASSIGN_OR_RETURN(const std::string extras, ReadSection(path, TableFileKind(), kExtras));
  ASSIGN_OR_RETURN(const std::string head, ReadSection(path, TableFileKind(), static_cast<uint32_t>(ImagePart::kHead)));
  Glance glance;
  ASSIGN_OR_RETURN(glance.extras, DecodeExtras(extras));
  ASSIGN_OR_RETURN(glance.counts, ReadImageCounts(head));
  return glance;
}

// Why the current file isn't used before the previous one, though it may be whole; OK where that can't be said.
absl::Status CheckAgainstPrevious(const std::string& current, const std::string& previous) {
  const absl::StatusOr<Glance> now = GlanceAt(current);
  const absl::StatusOr<Glance> before = GlanceAt(previous);
  if (!now.ok() || !before.ok()) return absl::OkStatus();
  if (now->extras.saved_at < before->extras.saved_at) {
    return absl::FailedPreconditionError(absl::StrCat(current, ": held: it is of ", Dated(now->extras.saved_at),
                                                      ", older than the one before, which is of ", Dated(before->extras.saved_at)));
  }
  const std::optional<std::string> smaller = WhySharplySmaller(before->counts, now->counts);
  if (!smaller.has_value() || now->extras.shrunken) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(current, ": held: it has ", *smaller));
}

}  // namespace

SectionFileKind TableFileKind() {
  return {.kind = "fairlead-table", .format = kTableFormat};
}

absl::Status WriteTableFile(const std::string& path, const SteeringTable& table, const TableExtras& extras) {
  ASSIGN_OR_RETURN(SectionFileWriter writer, SectionFileWriter::Create(path, TableFileKind()));
  FileSink sink(writer);
  WriteImage(table, sink);
  RETURN_IF_ERROR(sink.status());
  RETURN_IF_ERROR(writer.Begin(kExtras));
  RETURN_IF_ERROR(writer.Append(EncodeExtras(extras)));
  return writer.Finish();
}

absl::StatusOr<TableFile> OpenTableFile(const std::string& path, size_t threads) {
  ASSIGN_OR_RETURN(const SectionFile sections, MapSectionFile(path, TableFileKind(), threads));
  auto file = ReadSections(sections, threads);
  if (!file.ok()) return absl::Status(file.status().code(), absl::StrCat(path, ": ", file.status().message()));
  file->path = path;
  return file;
}

absl::StatusOr<TableFile> ReadTableBytes(absl::string_view bytes, std::shared_ptr<const void> keeper) {
  SectionFile sections = {.sections = {}, .keeper = std::move(keeper)};
  ASSIGN_OR_RETURN(sections.sections, CheckSections(bytes, TableFileKind()));
  return ReadSections(sections, /*threads=*/1);
}

absl::Status SaveTableFile(const std::string& folder, const SteeringTable& table, const TableExtras& extras) {
  RETURN_IF_ERROR(WriteTableFile(absl::StrCat(folder, "/", TemporaryName(kTableFile)), table, extras));
  return PutInPlace(folder, kTableFile);
}

LoadedTable LoadTable(const std::string& folder, size_t threads) {
  LoadedTable loaded;
  const std::string current = absl::StrCat(folder, "/", kTableFile);
  const std::string previous = absl::StrCat(folder, "/", PreviousName(kTableFile));
  const auto open = [&](const std::string& path) {
    if (path == current) RETURN_IF_ERROR(CheckAgainstPrevious(current, previous));
    auto file = OpenTableFile(path, threads);
    if (file.ok()) loaded.file = *std::move(file);
    return file.status();
  };
  FindNewestFile(folder, kTableFile, open, loaded.refused);
  return loaded;
}

std::optional<ImageCounts> CountsOnDisk(const std::string& folder) {
  const absl::StatusOr<Glance> glance = GlanceAt(absl::StrCat(folder, "/", kTableFile));
  return glance.ok() ? std::optional(glance->counts) : std::nullopt;
}

std::optional<std::string> WhySharplySmaller(const ImageCounts& held, const ImageCounts& offered) {
  struct Compared {
    absl::string_view what;
    uint64_t held;
    uint64_t offered;
  };
  for (const Compared& count : {Compared{"boxes", held.boxes, offered.boxes}, Compared{"prefixes", held.prefixes, offered.prefixes},
                                Compared{"files", held.files, offered.files}}) {
    if (IsSharplySmaller(count.held, count.offered, ShrinkGuard())) {
      return absl::StrCat(count.offered, " ", count.what, " where there were ", count.held);
    }
  }
  return std::nullopt;
}

}  // namespace fairlead
