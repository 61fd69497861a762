// URLs that a box must refuse, made from a good one.
#ifndef FAIRLEAD_TESTS_LAB_REFUSALS_H_
#define FAIRLEAD_TESTS_LAB_REFUSALS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/lab/layout.h"

namespace fairlead {

struct BadUrl {
  std::string what;
  std::string url;
};

// `good` is a signed URL of a box; `other_title` is the id of a title that its token doesn't open. Reads the lab's signing keys.
absl::StatusOr<std::vector<BadUrl>> MakeBadUrls(const Layout& layout, const std::string& good, const std::string& other_title);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_REFUSALS_H_
