// A site: a place with appliances.
#ifndef FAIRLEAD_LIBS_REGISTRY_SITE_H_
#define FAIRLEAD_LIBS_REGISTRY_SITE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/registry/field.h"
#include "libs/registry/unique_key.h"
#include "libs/registry/words.h"

namespace fairlead::registry {

class Fleet;

struct Coordinates {
  double latitude = 0;
  double longitude = 0;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("latitude", &Coordinates::latitude));
    visit(Field("longitude", &Coordinates::longitude));
  }
  friend bool operator==(const Coordinates&, const Coordinates&) = default;
};

// Daily hours, local to the site; 24 h = always.
struct FillWindow {
  std::string start;
  absl::Duration length;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("start", &FillWindow::start));
    visit(Field("length", &FillWindow::length));
  }
  friend bool operator==(const FillWindow&, const FillWindow&) = default;
};

struct Site {
  using IdType = SiteId;
  // Names the table, and leads the fields in errors: "site.display_name".
  static constexpr absl::string_view kKind = "site";

  SiteId id;
  std::string display_name;
  SiteKind kind = SiteKind::kUnspecified;
  PartnerId partner;
  std::optional<Coordinates> coordinates;
  std::string country;
  std::string time_zone;
  std::optional<FillWindow> fill_window;
  bool open_to_unrouted = false;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &Site::display_name));
    visit(Field("kind", &Site::kind));
    visit(Field("partner", &Site::partner));
    visit(Field("coordinates", &Site::coordinates));
    visit(Field("country", &Site::country));
    visit(Field("time_zone", &Site::time_zone));
    visit(Field("fill_window", &Site::fill_window));
    visit(Field("open_to_unrouted", &Site::open_to_unrouted));
  }
  friend bool operator==(const Site&, const Site&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Site& site);
// What can be said of the values alone.
absl::Status Validate(const Site& site);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Site& site);
std::vector<UniqueKey> UniqueKeys(const Site& site);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_SITE_H_
