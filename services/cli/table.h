// Aligned columns for a terminal.
//
//   Table table({{"NAME"}, {"CAPACITY", Align::kRight}});
//   table.Add({"oca-1", "10 Gbit/s"});
//   out << table.Render();
//
// Widths are counted as a terminal counts them: a combining mark takes no cell, a CJK character two. Control characters in a cell (text
// that came from a router or another operator) are shown as '?', so that no answer can move the cursor or fake a line.
#ifndef FAIRLEAD_SERVICES_CLI_TABLE_H_
#define FAIRLEAD_SERVICES_CLI_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace fairlead::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string title;
  Align align = Align::kLeft;
};

using Row = std::vector<std::string>;

class Table {
 public:
  explicit Table(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Missing cells at the end, and empty ones, are shown as "–"; more cells than columns is a programming error.
  void Add(Row row);
  size_t size() const { return rows_.size(); }

  // One line for the titles and one a row, each after `indent` spaces; columns two spaces apart, nothing behind the last cell.
  std::string Render(int indent = 0) const;

 private:
  std::vector<Column> columns_;
  std::vector<Row> rows_;
};

// Cells that the text takes on a terminal. Malformed UTF-8 counts one a byte.
size_t DisplayWidth(absl::string_view text);

// Control characters (C0, DEL, C1) become '?'.
std::string Printable(absl::string_view text);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_TABLE_H_
