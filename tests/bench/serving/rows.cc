#include "tests/bench/serving/rows.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "nlohmann/json.hpp"

namespace fairlead {

std::optional<double> Row::ratio() const {
  if (!baseline.has_value() || *baseline == 0) return std::nullopt;
  return value / *baseline;
}

void Rows::Print() const {
  std::printf("%-44s %14s %-8s %14s %7s  %-28s %s\n", "NAME", "VALUE", "UNIT", "BASELINE", "RATIO", "GOAL", "MET");
  for (const Row& row : rows_) {
    char baseline[32] = "", ratio[32] = "";
    if (row.baseline.has_value()) std::snprintf(baseline, sizeof(baseline), "%.1f", *row.baseline);
    if (row.ratio().has_value()) std::snprintf(ratio, sizeof(ratio), "%.3f", *row.ratio());
    std::printf("%-44s %14.1f %-8s %14s %7s  %-28s %s\n", row.name.c_str(), row.value, row.unit.c_str(), baseline, ratio, row.goal.c_str(),
                row.met.has_value() ? (*row.met ? "yes" : "NO") : "");
  }
  std::fflush(stdout);
}

bool Rows::WriteJson(const std::string& file) const {
  if (file.empty()) return true;
  nlohmann::ordered_json all = nlohmann::ordered_json::array();
  for (const Row& row : rows_) {
    nlohmann::ordered_json one;
    one["name"] = row.name;
    one["value"] = row.value;
    one["unit"] = row.unit;
    if (row.baseline.has_value()) one["baseline"] = *row.baseline;
    if (row.ratio().has_value()) one["ratio"] = *row.ratio();
    if (!row.goal.empty()) one["goal"] = row.goal;
    if (row.met.has_value()) one["met"] = *row.met;
    all.push_back(std::move(one));
  }
  std::ofstream out(file);
  out << all.dump(2) << "\n";
  if (!out.good()) std::fprintf(stderr, "%s can't be written\n", file.c_str());
  return out.good();
}

std::string JsonFileOf(int argc, char** argv) {
  constexpr char kFlag[] = "--benchmark_out=";
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], kFlag, sizeof(kFlag) - 1) == 0) return argv[i] + sizeof(kFlag) - 1;
  }
  return "";
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

double Quantile(std::vector<float>& values, double q) {
  if (values.empty()) return 0;
  const size_t at = std::min(values.size() - 1, static_cast<size_t>(q * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
}

}  // namespace fairlead
