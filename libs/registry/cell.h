// A cell: one ingestd and the sites that report to it first.
#ifndef FAIRLEAD_LIBS_REGISTRY_CELL_H_
#define FAIRLEAD_LIBS_REGISTRY_CELL_H_

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

struct Cell {
  using IdType = CellId;
  // Names the table, and leads the fields in errors: "cell.display_name".
  static constexpr absl::string_view kKind = "cell";

  CellId id;
  std::string display_name;
  std::string address;
  std::vector<SiteId> sites;

  template <typename Visit>
  static void Fields(Visit&& visit) {
    visit(Field("display_name", &Cell::display_name));
    visit(Field("address", &Cell::address));
    visit(Field("sites", &Cell::sites));
  }
  friend bool operator==(const Cell&, const Cell&) = default;
};

// Fills in defaults and brings text to its canonical form; what is invalid is left for Validate.
void Normalize(Cell& cell);
// What can be said of the values alone.
absl::Status Validate(const Cell& cell);
// What depends on the resources that it refers to; all of them exist.
absl::Status CheckIn(const Fleet& fleet, const Cell& cell);
std::vector<UniqueKey> UniqueKeys(const Cell& cell);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_CELL_H_
