#include "tests/oracle/full_table.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/generator/routes.h"

namespace fairlead {

std::vector<Prefix> LoadFullTable() {
  const char* folder = std::getenv("FAIRLEAD_DATA");
  const std::string path = absl::StrCat(folder == nullptr ? "" : folder, "/bart-prefixes.txt.gz");
  absl::StatusOr<std::vector<Prefix>> real = ReadPrefixes(path);
  if (real.ok()) {
    std::cout << "TABLE real: " << real->size() << " prefixes of " << path << "\n";
    std::sort(real->begin(), real->end());
    return *std::move(real);
  }
  EXPECT_EQ(real.status().code(), absl::StatusCode::kNotFound) << real.status();
  std::cout << "TABLE generated (" << real.status().message() << "): 901899 + 160147 prefixes\n";
  return RouteGenerator(20240101).Table(901'899, 160'147);
}

}  // namespace fairlead
