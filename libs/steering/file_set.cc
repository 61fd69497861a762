#include "libs/steering/file_set.h"

#include "libs/steering/image_codec.h"

namespace fairlead {

FileSet FileSet::Of(std::vector<uint32_t> numbers) {
  if (!std::is_sorted(numbers.begin(), numbers.end())) std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  FileSet set;
  set.size_ = numbers.size();
  ImageWriter runs;
  uint64_t before = 0;
  for (size_t first = 0; first < numbers.size();) {
    size_t end = first + 1;
    while (end < numbers.size() && numbers[end] - numbers[first] == end - first) ++end;
    runs.Number(numbers[first] - before);
    runs.Number(end - first - 1);
    before = uint64_t{numbers[first]} + (end - first);
    first = end;
  }
  set.runs_ = runs.bytes();  // A copy has no room to spare.
  return set;
}

bool FileSet::Contains(uint32_t number) const {
  Reader run(*this);
  while (run.end() <= number) run.SkipTo(run.end());
  return run.begin() <= number;
}

std::vector<uint32_t> FileSet::numbers() const {
  std::vector<uint32_t> numbers;
  numbers.reserve(size_);
  for (Reader run(*this); run.begin() != kBehind; run.SkipTo(run.end())) {
    for (uint64_t number = run.begin(); number < run.end(); ++number) numbers.push_back(static_cast<uint32_t>(number));
  }
  return numbers;
}

}  // namespace fairlead
