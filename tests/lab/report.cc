#include "tests/lab/report.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"

namespace fairlead {
namespace {

constexpr int kDurationColumn = 96;

bool Coloured() {
  static const bool is_terminal = isatty(STDOUT_FILENO) != 0;
  return is_terminal;
}

std::string Paint(absl::string_view code, absl::string_view text) {
  return Coloured() ? absl::StrCat("\033[", code, "m", text, "\033[0m") : std::string(text);
}

void Write(absl::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

// Columns on the screen: UTF-8 continuation bytes take none.
size_t Width(absl::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string Pad(absl::string_view text, size_t width, bool right) {
  const std::string space(width - std::min(width, Width(text)), ' ');
  return right ? absl::StrCat(space, text) : absl::StrCat(text, space);
}

bool IsFigure(absl::string_view text) {
  return !text.empty() && ((text[0] >= '0' && text[0] <= '9') || text == "–") && text.find('/') == text.npos &&
         text.find(':') == text.npos && std::count(text.begin(), text.end(), '.') <= 1;
}

}  // namespace

std::string FormatTable(const Table& table) {
  std::vector<size_t> widths(table.header.size(), 0);
  std::vector<bool> right(table.header.size(), !table.rows.empty());
  for (size_t column = 0; column < widths.size(); ++column) {
    widths[column] = Width(table.header[column]);
    for (const auto& row : table.rows) {
      widths[column] = std::max(widths[column], Width(row[column]));
      if (!IsFigure(row[column])) right[column] = false;
    }
  }
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string text = "  ";
    for (size_t column = 0; column < widths.size(); ++column)
      absl::StrAppend(&text, "  ", Pad(cells[column], widths[column], right[column]));
    text.erase(text.find_last_not_of(' ') + 1);
    return text;
  };
  std::string text = Paint("2", line(table.header));
  for (const auto& row : table.rows) absl::StrAppend(&text, "\n", line(row));
  return text;
}

std::string FormatBytes(double bytes) {
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  int unit = 0;
  for (; bytes >= 1000 && unit < 4; ++unit) bytes /= 1000;
  return unit == 0 ? absl::StrFormat("%.0f B", bytes) : absl::StrFormat("%.1f %s", bytes, units[unit]);
}

void Report::Section(absl::string_view title) {
  Write(absl::StrCat("\n", Paint("1", absl::StrCat(++sections_, "  ", title))));
}

absl::Status Report::Step(absl::string_view title, const std::function<absl::StatusOr<std::string>()>& work) {
  // What takes long is announced, so that a standstill has a name.
  if (Coloured()) {
    std::fputs(absl::StrCat("   … ", title, "\r").c_str(), stdout);
    std::fflush(stdout);
  }
  const absl::Time start = absl::Now();
  const absl::StatusOr<std::string> outcome = work();
  const std::string took = absl::StrFormat("%.1f s", absl::ToDoubleSeconds(absl::Now() - start));
  if (absl::IsCancelled(outcome.status())) {
    Write(absl::StrCat("   – ", title, ": stopped"));
    return outcome.status();
  }
  if (!outcome.ok()) {
    ++failures_;
    Write(absl::StrCat("   ", Paint("31", "✗"), " ", Pad(title, kDurationColumn, false), Pad(took, 7, true)));
    for (const absl::string_view line : absl::StrSplit(outcome.status().message(), '\n')) Write(absl::StrCat("     ", line));
    return outcome.status();
  }
  const std::string text = outcome->empty() ? std::string(title) : absl::StrCat(title, ": ", *outcome);
  Write(absl::StrCat("   ", Paint("32", "✓"), " ", Pad(text, kDurationColumn, false), Pad(took, 7, true)));
  return absl::OkStatus();
}

bool Report::Check(bool holds, absl::string_view fact) {
  if (!holds) ++failures_;
  Write(absl::StrCat("   ", holds ? Paint("32", "✓") : Paint("31", "✗"), " ", fact));
  return holds;
}

void Report::Line(absl::string_view text) {
  Write(text);
}

void Report::Print(const Table& table) {
  Write(FormatTable(table));
}

}  // namespace fairlead
