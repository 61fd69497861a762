// What a benchmark found, a row a figure with its baseline from the same run and its goal: printed as a table and, if asked for, written as
// JSON, a line a row with the name of the benchmark in it (./run bench steering makes one list of many). Medians, and clocks for measuring.
//
//   Rows rows;
//   rows.Add({"decide v4", 310, "ns", 250, BenchRow::Goal::kRatioAtMost, 1.5});   // Ratio and verdict follow.
//   return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
#ifndef FAIRLEAD_TESTS_BENCH_ROWS_H_
#define FAIRLEAD_TESTS_BENCH_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <time.h>

namespace fairlead {

inline constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

struct BenchRow {
  enum class Goal { kNone, kRatioAtMost, kRatioAtLeast, kValueAtMost, kValueAtLeast };

  std::string name;
  double value = kNothing;
  std::string unit = {};
  double baseline = kNothing;  // In the unit of value, from the same run.
  Goal kind = Goal::kNone;
  double goal = kNothing;
  double watched = kNothing;  // With a value of nothing: it didn't happen while it was watched for so long; a goal is then not met.
  bool easier = false;        // This machine makes the goal easier than it is meant: it can be missed here, but not met.
};

class Rows {
 public:
  // Prints it, too.
  void Add(BenchRow row);
  // False, with a line on standard error, if the file can't be written. An empty path is no file.
  bool WriteJson(const std::string& path) const;

 private:
  std::vector<BenchRow> rows_;
};

// Of --benchmark_out, as `./run bench NAME --json FILE` passes it; empty: none.
std::string JsonFileOf(int argc, char** argv);
// Of --scale: the share of the whole world, in (0, 1]; not told: all of it. Ends the program, with a line on standard error, on anything
// else.
double ScaleOf(int argc, char** argv);

// CPU time of this thread.
inline double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// 0 of nothing.
template <typename T>
T Quantile(std::vector<T> values, double share) {
  if (values.empty()) return T();
  const size_t at = std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
}

template <typename T>
T Median(std::vector<T> values) {
  return Quantile(std::move(values), 0.5);
}

// Seconds of CPU that `run` takes: the median of `times`.
template <typename Run>
double MedianCpu(int times, Run&& run) {
  std::vector<double> took;
  for (int i = 0; i < times; ++i) {
    const double start = CpuSeconds();
    run();
    took.push_back(CpuSeconds() - start);
  }
  return Median(std::move(took));
}

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_ROWS_H_
