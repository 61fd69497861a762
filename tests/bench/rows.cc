#include "tests/bench/rows.h"

#include <cmath>
#include <cstdio>
#include <fstream>
#include <utility>

#include "absl/strings/str_format.h"

namespace fairlead {
namespace {

double Ratio(const BenchRow& row) {
  return row.value / row.baseline;
}

std::string Verdict(const BenchRow& row) {
  if (row.kind == BenchRow::Goal::kNone) return "";
  const double measured = row.kind == BenchRow::Goal::kRatioAtMost ? Ratio(row) : row.value;
  return measured <= row.goal ? "met" : "NOT met";
}

std::string Number(double value) {
  return std::isnan(value) ? "" : absl::StrFormat(std::abs(value) >= 1'000 ? "%.0f" : "%.3g", value);
}

std::string GoalText(const BenchRow& row) {
  if (row.kind == BenchRow::Goal::kNone) return "";
  return row.kind == BenchRow::Goal::kRatioAtMost ? absl::StrFormat("<= %.2fx", row.goal) : absl::StrFormat("<= %s", Number(row.goal));
}

}  // namespace

void Rows::Add(BenchRow row) {
  if (rows_.empty()) std::printf("%-64s %10s %-8s %10s %7s %10s %s\n", "name", "value", "unit", "baseline", "ratio", "goal", "met");
  std::printf("%-64s %10s %-8s %10s %7s %10s %s\n", row.name.c_str(), Number(row.value).c_str(), row.unit.c_str(),
              Number(row.baseline).c_str(), std::isnan(row.baseline) ? "" : absl::StrFormat("%.2f", Ratio(row)).c_str(),
              GoalText(row).c_str(), Verdict(row).c_str());
  std::fflush(stdout);
  rows_.push_back(std::move(row));
}

bool Rows::WriteJson(const std::string& path) const {
  std::ofstream out(path);
  const auto number = [](double value) { return std::isnan(value) ? std::string("null") : absl::StrFormat("%.6g", value); };
  out << "[";
  for (size_t i = 0; i < rows_.size(); ++i) {
    const BenchRow& row = rows_[i];
    const std::string verdict = Verdict(row);
    out << (i == 0 ? "\n" : ",\n")
        << absl::StrFormat(R"(  {"name": "%s", "value": %s, "unit": "%s", "baseline": %s, "ratio": %s, "goal": "%s", "met": %s})", row.name,
                           number(row.value), row.unit, number(row.baseline), number(Ratio(row)), GoalText(row),
                           verdict.empty()    ? "null"
                           : verdict == "met" ? "true"
                                              : "false");
  }
  out << "\n]\n";
  return out.good();
}

}  // namespace fairlead
