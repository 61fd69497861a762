#include "libs/steering/catalogue_in_image.h"

#include <bit>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/steering/image_codec.h"

namespace fairlead {

std::string CatalogueFolder(absl::string_view title, absl::string_view version, absl::string_view rendition) {
  return absl::StrCat(title, "/", version, "/", rendition, "/");
}

namespace {

std::vector<TrackView> TakeTracks(ImageReader& in) {
  std::vector<TrackView> tracks(in.Count(5));
  for (TrackView& track : tracks) {
    track.kind = in.Word(RenditionKind::kText);
    track.codecs = in.String();
    track.width = in.Small<uint32_t>();
    track.height = in.Small<uint32_t>();
    track.language = in.String();
  }
  return tracks;
}

std::optional<TitleView> TakeTitle(absl::string_view record) {
  ImageReader in(record);
  TitleView title = {.id = TitleId(in.String()), .current_version = in.String(), .versions = {}};
  int64_t number = 0;
  for (size_t versions = in.Count(3); versions > 0; --versions) {
    VersionView& version = title.versions.emplace_back();
    version.version = in.String();
    const std::vector<TrackView> tracks = TakeTracks(in);
    const size_t files = in.Count(7);
    version.files.reserve(files);
    for (size_t i = 0; i < files; ++i) {
      FileView& file = version.files.emplace_back();
      const int64_t step = in.Signed();
      if (step < -int64_t{0xffffffff} || step > int64_t{0xffffffff} || number + step < 0 || number + step > int64_t{0xffffffff}) {
        return std::nullopt;
      }
      number += step;
      file.number = static_cast<uint32_t>(number);
      file.rendition = in.String();
      const uint64_t told = in.Number();
      file.path = (told & kUsualPath) != 0 ? absl::StrCat(CatalogueFolder(title.id.value(), version.version, file.rendition), in.Text())
                                           : in.String();
      file.size_bytes = in.Number();
      file.bitrate_bps = in.Number();
      const uint64_t track = in.Number();
      if (told > (kUsualPath | kUnusualPlaylist) || track >= tracks.size()) return std::nullopt;
      file.track = tracks[track];
      if ((told & kUnusualPlaylist) != 0) file.playlist = in.String();
    }
    for (size_t sets = in.Count(2); sets > 0; --sets) {
      PlayableSetView& set = version.playable_sets.emplace_back();
      set.name = in.String();
      for (size_t count = in.Count(1); count > 0; --count) set.files.push_back(in.Small<uint32_t>());
    }
  }
  if (!in.Done()) return std::nullopt;
  return title;
}

}  // namespace

Catalogue::InImage::InImage(absl::string_view records, absl::Span<const uint64_t> starts, absl::Span<const FileRun> runs,
                            std::shared_ptr<const void> keeper)
    : records_(records),
      starts_(starts),
      runs_(runs),
      keeper_(std::move(keeper)),
      made_(starts.size() - 1),
      found_(std::bit_ceil(2 * starts.size())) {}

Catalogue::InImage::~InImage() {
  for (const std::atomic<const CatalogueTitle*>& title : made_) CatalogueTitle::Owned(title.load(std::memory_order_relaxed));
}

const CatalogueTitle* Catalogue::InImage::TitleAt(size_t number) const {
  std::atomic<const CatalogueTitle*>& at = made_[number];
  if (const CatalogueTitle* title = at.load(std::memory_order_acquire); title != nullptr) return title;
  const std::optional<TitleView> view = TakeTitle(RecordAt(number));
  if (!view.has_value()) return nullptr;
  CatalogueTitle::Owned own = CatalogueTitle::Pack(*view);
  const CatalogueTitle* first = nullptr;  // If somebody else has made it meanwhile, that one counts.
  return at.compare_exchange_strong(first, own.get(), std::memory_order_acq_rel) ? own.release() : first;
}

void Catalogue::InImage::FetchTitle(uint32_t key) const {
  const CatalogueTitle* const title = found_[PlaceOf(key)].load(std::memory_order_acquire);
  if (title != nullptr) title->FetchFront();
}

const CatalogueTitle* Catalogue::InImage::FindTitle(absl::string_view id) const {
  size_t place = PlaceOf(KeyOf(id));
  const CatalogueTitle* there = nullptr;
  for (; (there = found_[place].load(std::memory_order_acquire)) != nullptr; place = (place + 1) & (found_.size() - 1)) {
    if (there->id() == id) return there;
  }
  const CatalogueTitle* const title = Search(id);
  if (title == nullptr) return nullptr;
  // Others may take this place, or the next ones, meanwhile: also for this title.
  while (!found_[place].compare_exchange_strong(there, title, std::memory_order_acq_rel) && there != title) {
    place = (place + 1) & (found_.size() - 1);
    there = nullptr;
  }
  return title;
}

const CatalogueTitle* Catalogue::InImage::Search(absl::string_view id) const {
  size_t begin = 0;
  for (size_t end = made_.size(); begin < end;) {
    const size_t middle = begin + (end - begin) / 2;
    if (ImageReader(RecordAt(middle)).Text() < id) {
      begin = middle + 1;
    } else {
      end = middle;
    }
  }
  const bool found = begin < made_.size() && ImageReader(RecordAt(begin)).Text() == id;
  return found ? TitleAt(begin) : nullptr;
}

Catalogue::FileRef Catalogue::InImage::FindFile(uint32_t number) const {
  const std::optional<uint32_t> of = TitleOfFile(runs_, number);
  const CatalogueTitle* const title = of.has_value() ? TitleAt(*of) : nullptr;
  return title == nullptr ? FileRef() : FileOf(*title, number);
}

}  // namespace fairlead
