#include "libs/steering/holdings.h"

#include <algorithm>
#include <utility>

namespace fairlead {

FileSet FileSet::Of(std::vector<uint32_t> numbers) {
  FileSet set;
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  set.numbers_ = std::move(numbers);
  return set;
}

bool FileSet::Contains(uint32_t number) const {
  return std::binary_search(numbers_.begin(), numbers_.end(), number);
}

std::shared_ptr<const Holdings> Holdings::Build(const Fleet& fleet, const std::vector<HoldingsView>& views) {
  const std::shared_ptr<Holdings> holdings(new Holdings());
  holdings->fingerprint_ = fleet.fingerprint();
  holdings->sets_.resize(fleet.boxes().size());
  for (const HoldingsView& view : views) {
    const uint32_t box = fleet.FindBox(view.appliance);
    if (box != Fleet::kNone) holdings->sets_[box] = view.files;
  }
  return holdings;
}

}  // namespace fairlead
