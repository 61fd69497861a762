// What a benchmark found, a row a figure: printed as a table and, if asked for, written as JSON. Clocks for measuring.
//
//   Rows rows;
//   rows.Add({.name = "decide v4", .value = 310, .unit = "ns", .baseline = 250, .goal = 1.5});   // Ratio and verdict follow.
//   rows.Print(); rows.WriteJson(path);
#ifndef FAIRLEAD_TESTS_BENCH_ROWS_H_
#define FAIRLEAD_TESTS_BENCH_ROWS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <time.h>

namespace fairlead {

inline constexpr double kNothing = std::numeric_limits<double>::quiet_NaN();

struct BenchRow {
  enum class Goal { kNone, kRatioAtMost, kValueAtMost };

  std::string name;
  double value = kNothing;
  std::string unit = {};
  double baseline = kNothing;  // In the unit of value, from the same run.
  Goal kind = Goal::kNone;
  double goal = kNothing;
};

class Rows {
 public:
  void Add(BenchRow row);
  // False if the file can't be written.
  bool WriteJson(const std::string& path) const;

 private:
  std::vector<BenchRow> rows_;
};

// CPU time of this thread.
inline double CpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

template <typename T>
T Quantile(std::vector<T> values, double share) {
  const size_t at = std::min(values.size() - 1, static_cast<size_t>(share * static_cast<double>(values.size())));
  std::nth_element(values.begin(), values.begin() + static_cast<ptrdiff_t>(at), values.end());
  return values[at];
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
  return Quantile(std::move(took), 0.5);
}

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_ROWS_H_
