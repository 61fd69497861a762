// Short titles for the demo, made by ffmpeg: a moving test picture and a tone, H.264 in three qualities and AAC, one fMP4 a rendition
// with a byte-range playlist beside it, in the folder layout that the catalogue imports (libs/content/README.md).
//
// Errors: those of ffmpeg with the end of its output.
//
//   for (const LabTitle& title : LabTitles()) RETURN_IF_ERROR(MakeTitle(supervisor, title, layout.Run("media")));
#ifndef FAIRLEAD_TESTS_LAB_MEDIA_H_
#define FAIRLEAD_TESTS_LAB_MEDIA_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "tests/lab/supervisor.h"

namespace fairlead {

struct LabTitle {
  std::string id;
  std::string display_name;
  double popularity = 0;
  int seconds = 0;
  std::string hue;  // Degrees, so that each title has a picture, and thus bytes, of its own.
};

// Most popular first.
std::vector<LabTitle> LabTitles();

// Makes folder/<title>/: title.yaml and v1/<rendition>/media.{mp4,m3u8}. About two seconds on one core.
absl::Status MakeTitle(Supervisor& supervisor, const LabTitle& title, const std::string& folder);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_MEDIA_H_
