// Made-up titles and plans for the tests of filld.
#ifndef FAIRLEAD_SERVICES_FILL_TEST_VALUES_H_
#define FAIRLEAD_SERVICES_FILL_TEST_VALUES_H_

#include <string>

#include "absl/strings/str_cat.h"
#include "libs/content/catalogue_values.h"
#include "libs/fill/plan.h"

namespace fairlead::fill {

// A version with renditions "video-0", "video-1", …, of 1,000 bytes each with a playlist of 100.
inline TitleImport MakeImport(const std::string& title, const std::string& version, int renditions) {
  TitleImport import;
  import.title = TitleId(title);
  import.display_name = absl::StrCat("The ", title);
  import.popularity = 1;
  import.version.version = version;
  for (int i = 0; i < renditions; ++i) {
    Rendition rendition;
    rendition.id = absl::StrCat("video-", i);
    rendition.kind = RenditionKind::kVideo;
    rendition.bandwidth_bps = 1'000'000;
    rendition.file.path = absl::StrCat(title, "/", version, "/", rendition.id, "/media.mp4");
    rendition.file.size_bytes = 1000;
    rendition.file.sha256 = std::string(32, static_cast<char>('a' + i));
    rendition.file.duration_seconds = 60;
    rendition.file.segment_count = 30;
    rendition.file.playlist = {absl::StrCat(title, "/", version, "/", rendition.id, "/media.m3u8"), 100, std::string(32, 'p')};
    import.version.renditions.push_back(rendition);
  }
  return import;
}

// Two clusters; box-1 holds `files` files, box-2 none, and one file is short.
inline FillPlan MakeFillPlan(uint32_t files) {
  BoxManifest box;
  box.appliance = ApplianceId("box-1");
  box.bytes = 1100 * int64_t{files};
  box.capacity_bytes = 1'000'000;
  box.files_added = 2;
  box.files_removed = 1;
  for (uint32_t i = 0; i < files; ++i) box.files.push_back({.number = i * 70'000 + 1, .tier = i % 2 == 0 ? Tier::kFlash : Tier::kDisk});
  box.generation = ManifestGeneration(box.files);
  BoxManifest empty;
  empty.appliance = ApplianceId("box-2");
  empty.generation = ManifestGeneration({});
  empty.capacity_bytes = 5;
  ClusterFillPlan first{.cluster = ClusterId("c1"), .copies = 2, .boxes = {box, empty}, .short_files = {{7, 1, "no 'room'"}}};
  ClusterFillPlan second{.cluster = ClusterId("c2"), .copies = 1, .boxes = {}, .short_files = {}};
  return {.number = 0, .create_time = absl::UnixEpoch(), .clusters = {first, second}};
}

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_TEST_VALUES_H_
