// What a benchmark prints: a row a figure, with its baseline from the same run and the goal, as a table and as JSON.
//
//   Rows rows;
//   rows.Add({.name = "steer_requests_per_s", .value = 61e3, .unit = "1/s", .baseline = 64e3, .goal = "ratio ≥ 0.92", .met = true});
//   rows.Print(); rows.WriteJson(JsonFileOf(argc, argv));   // Of --benchmark_out, as ./run bench NAME --json FILE passes it.
#ifndef FAIRLEAD_TESTS_BENCH_SERVING_ROWS_H_
#define FAIRLEAD_TESTS_BENCH_SERVING_ROWS_H_

#include <optional>
#include <string>
#include <vector>

namespace fairlead {

struct Row {
  std::string name;
  double value = 0;
  std::string unit;
  std::optional<double> baseline = {};
  std::string goal = {};  // Empty: a figure without one.
  std::optional<bool> met = {};

  std::optional<double> ratio() const;
};

class Rows {
 public:
  void Add(Row row) { rows_.push_back(std::move(row)); }
  void Print() const;
  // False, with a line on standard error, if it can't be written. An empty name is no file.
  bool WriteJson(const std::string& file) const;

 private:
  std::vector<Row> rows_;
};

std::string JsonFileOf(int argc, char** argv);
double Median(std::vector<double> values);
// Of values in any order; 0 if there are none.
double Quantile(std::vector<float>& values, double q);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_SERVING_ROWS_H_
