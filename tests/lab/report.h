// What a person sees of a lab: numbered steps with figures and durations, and tables. Writes to standard output, a line at a time.
//
// A step that fails ends the demo, but a check that fails is only remembered: one run shows everything that is wrong.
// Not thread-safe.
//
//   Report report;
//   report.Section("The control plane");
//   RETURN_IF_ERROR(report.Step("PostgreSQL with its schemas", [&] { return StartDatabase(); }));
//   report.Check(bytes == wanted, "every byte arrived");
//   return report.failures() == 0 ? 0 : 1;
#ifndef FAIRLEAD_TESTS_LAB_REPORT_H_
#define FAIRLEAD_TESTS_LAB_REPORT_H_

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace fairlead {

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};

// Columns padded to their widest cell; a column of figures is set to the right.
std::string FormatTable(const Table& table);
// "1.2 MB", "843 B".
std::string FormatBytes(double bytes);

class Report {
 public:
  Report() : start_(absl::Now()) {}

  // The next numbered heading.
  void Section(absl::string_view title);
  // Runs `work` and prints a line with its outcome and duration. The text that it returns stands behind the title.
  absl::Status Step(absl::string_view title, const std::function<absl::StatusOr<std::string>()>& work);
  // A fact that must hold. Prints it, and remembers it if it doesn't.
  bool Check(bool holds, absl::string_view fact);
  void Line(absl::string_view text);
  void Print(const Table& table);

  int failures() const { return failures_; }
  absl::Duration elapsed() const { return absl::Now() - start_; }

 private:
  const absl::Time start_;
  int sections_ = 0;
  int failures_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_REPORT_H_
