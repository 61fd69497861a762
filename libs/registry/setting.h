// A setting: what replicas of registryd must agree on but no API shows, like the addresses of filld.
#ifndef FAIRLEAD_LIBS_REGISTRY_SETTING_H_
#define FAIRLEAD_LIBS_REGISTRY_SETTING_H_

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

struct SettingTag {
  static constexpr absl::string_view kCollection = "settings";
};
using SettingId = Id<SettingTag>;

struct Setting {
  using IdType = SettingId;
  // Names the table, and leads the fields in errors: "setting.value".
  static constexpr absl::string_view kKind = "setting";

  SettingId id;
  std::string value;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("value", &Setting::value));
  }
  friend bool operator==(const Setting&, const Setting&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Setting& setting);
// What can be said of the values alone.
absl::Status Validate(const Setting& setting);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Setting& setting);
std::vector<UniqueKey> UniqueKeys(const Setting& setting);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_SETTING_H_
