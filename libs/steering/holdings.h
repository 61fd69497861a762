// Who verifiably holds which file. Steering believes holdings only, never manifests. Immutable values; any thread.
//
//   const auto set = std::make_shared<const FileSet>(FileSet::Of({3, 5, 8}));
//   const auto holdings = Holdings::Build(fleet, {{ApplianceId("oca-1"), set}});
//   holdings->Holds(fleet.FindBox(ApplianceId("oca-1")), 5);  // true
#ifndef FAIRLEAD_LIBS_STEERING_HOLDINGS_H_
#define FAIRLEAD_LIBS_STEERING_HOLDINGS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "libs/base/ids.h"
#include "libs/steering/fleet.h"

namespace fairlead {

// A set of file numbers; 4 bytes a file, O(log n) to ask.
class FileSet {
 public:
  FileSet() = default;
  // Any order, repeats allowed.
  static FileSet Of(std::vector<uint32_t> numbers);

  bool Contains(uint32_t number) const;
  size_t size() const { return numbers_.size(); }
  const std::vector<uint32_t>& numbers() const { return numbers_; }  // Ascending.

 private:
  std::vector<uint32_t> numbers_;
};

struct HoldingsView {
  ApplianceId appliance;
  std::shared_ptr<const FileSet> files;  // Shared, not copied, from table to table.
};

class Holdings {
 public:
  // Boxes without a view hold nothing; views of unknown boxes are ignored; of two views of one box the last counts.
  static std::shared_ptr<const Holdings> Build(const Fleet& fleet, const std::vector<HoldingsView>& views);

  bool Holds(uint32_t box, uint32_t file) const { return sets_[box] != nullptr && sets_[box]->Contains(file); }
  // Of the fleet that it was built for.
  uint64_t fingerprint() const { return fingerprint_; }

 private:
  Holdings() = default;

  std::vector<std::shared_ptr<const FileSet>> sets_;  // By the fleet's box number.
  uint64_t fingerprint_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_HOLDINGS_H_
