#include "tests/bench/rows.h"

#include <errno.h>

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

namespace fairlead {
namespace {

using Goal = BenchRow::Goal;

double Ratio(const BenchRow& row) {
  return row.value / row.baseline;
}

bool OfRatio(const BenchRow& row) {
  return row.kind == Goal::kRatioAtMost || row.kind == Goal::kRatioAtLeast;
}

bool AtLeast(const BenchRow& row) {
  return row.kind == Goal::kRatioAtLeast || row.kind == Goal::kValueAtLeast;
}

std::string Verdict(const BenchRow& row) {
  if (row.kind == Goal::kNone) return "";
  const double measured = OfRatio(row) ? Ratio(row) : row.value;
  const bool reached = AtLeast(row) ? measured >= row.goal : measured <= row.goal;
  if (reached && row.easier) return "not judged";
  return reached ? "met" : "NOT met";
}

std::string Number(double value) {
  return std::isnan(value) ? "" : absl::StrFormat(std::abs(value) >= 1'000 ? "%.0f" : "%.3g", value);
}

std::string ValueText(const BenchRow& row) {
  return std::isnan(row.value) && !std::isnan(row.watched) ? absl::StrCat("not in ", Number(row.watched)) : Number(row.value);
}

std::string GoalText(const BenchRow& row) {
  if (row.kind == Goal::kNone) return "";
  return absl::StrCat(AtLeast(row) ? ">= " : "<= ", OfRatio(row) ? absl::StrFormat("%.2fx", row.goal) : Number(row.goal));
}

}  // namespace

void Rows::Add(BenchRow row) {
  if (rows_.empty()) std::printf("%-64s %10s %-8s %10s %7s %10s %s\n", "name", "value", "unit", "baseline", "ratio", "goal", "met");
  std::printf("%-64s %10s %-8s %10s %7s %10s %s\n", row.name.c_str(), ValueText(row).c_str(), row.unit.c_str(),
              Number(row.baseline).c_str(), std::isnan(row.baseline) ? "" : absl::StrFormat("%.2f", Ratio(row)).c_str(),
              GoalText(row).c_str(), Verdict(row).c_str());
  std::fflush(stdout);
  rows_.push_back(std::move(row));
}

bool Rows::WriteJson(const std::string& path) const {
  if (path.empty()) return true;
  std::ofstream out(path);
  const auto number = [](double value) { return std::isnan(value) ? std::string("null") : absl::StrFormat("%.6g", value); };
  out << "[";
  for (size_t i = 0; i < rows_.size(); ++i) {
    const BenchRow& row = rows_[i];
    const std::string verdict = Verdict(row);
    out << (i == 0 ? "\n" : ",\n")
        << absl::StrFormat(
               R"(  {"benchmark": "%s", "name": "%s", "value": %s, "unit": "%s", "baseline": %s, "ratio": %s, "goal": "%s", "met": %s})",
               program_invocation_short_name, row.name, number(row.value), row.unit, number(row.baseline), number(Ratio(row)),
               GoalText(row),
               verdict == "met"       ? "true"
               : verdict == "NOT met" ? "false"
                                      : "null");
  }
  out << "\n]\n";
  if (!out.good()) std::fprintf(stderr, "%s can't be written\n", path.c_str());
  return out.good();
}

std::string JsonFileOf(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    absl::string_view argument = argv[i];
    if (absl::ConsumePrefix(&argument, "--benchmark_out=")) return std::string(argument);
  }
  return "";
}

double ScaleOf(int argc, char** argv) {
  const absl::string_view last = argc > 1 ? argv[argc - 1] : "";
  absl::string_view told = last == "--scale" ? "nothing" : "1";
  for (int i = 1; i + 1 < argc; ++i) {
    if (absl::string_view(argv[i]) == "--scale") told = argv[i + 1];
  }
  double scale = 0;
  if (absl::SimpleAtod(told, &scale) && scale > 0 && scale <= 1) return scale;
  std::fprintf(stderr, "--scale: '%s' is no number in (0, 1]\n", std::string(told).c_str());
  std::exit(2);
}

}  // namespace fairlead
