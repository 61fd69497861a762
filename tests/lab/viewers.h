// Viewers of the lab: they ask for a title as a playback service would, through JSON and gRPC, fetch what they are sent to, byte range
// by byte range, and compare every byte with what was imported.
//
// Not thread-safe. Errors say which viewer and which URL (without its token).
//
//   Viewers viewers(layout, plane, titles);
//   ASSIGN_OR_RETURN(const Playback playback, viewers.Play(viewer, titles[0]));
#ifndef FAIRLEAD_TESTS_LAB_VIEWERS_H_
#define FAIRLEAD_TESTS_LAB_VIEWERS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "tests/lab/control_plane.h"
#include "tests/lab/http_client.h"
#include "tests/lab/layout.h"
#include "tests/lab/report.h"
#include "tests/lab/routes.h"

namespace fairlead {

// What one viewer got.
struct Playback {
  std::string matched_prefix;
  int rank = 0;                      // Of the first URL.
  std::string site;                  // Of the first URL of every file.
  std::set<std::string> appliances;  // That served.
  std::string cause;
  int files = 0;
  int ranges = 0;
  int64_t bytes = 0;
};

class Viewers {
 public:
  // `layout` and `plane` must outlive it.
  Viewers(const Layout& layout, ControlPlane& plane) : layout_(layout), plane_(plane) {}

  // Asks both ways, which must agree; follows the first URL of every file; verifies. INTERNAL, naming what differs, if anything does.
  absl::StatusOr<Playback> Play(const LabViewer& viewer, const content::v1::Title& title);

  // URLs that must be refused: each adds a check to the report.
  absl::Status CheckRefusals(const LabViewer& viewer, const std::vector<content::v1::Title>& titles, Report& report);

 private:
  // The answer by gRPC, after it was found right and the one by JSON the same.
  absl::StatusOr<steering::v1::SteerResponse> Ask(const LabViewer& viewer, const content::v1::Title& title);
  absl::StatusOr<steering::v1::SteerResponse> AskJson(const steering::v1::SteerRequest& request);
  absl::Status Verify(const LabViewer& viewer, const steering::v1::SteerResponse& answer) const;
  // Fetches one file whole, by the ranges of its playlist.
  absl::Status Fetch(const steering::v1::FileAnswer& answer, const content::v1::File& file, Playback& playback);

  const Layout& layout_;
  ControlPlane& plane_;
  HttpClient http_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_VIEWERS_H_
