#include "libs/steering/file_set.h"

#include <utility>

namespace fairlead {
namespace {

void AppendNumber(uint64_t number, std::string& out) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<char>(number | 0x80));
  out.push_back(static_cast<char>(number));
}

}  // namespace

FileSet FileSet::Of(std::vector<uint32_t> numbers) {
  if (!std::is_sorted(numbers.begin(), numbers.end())) std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  FileSet set;
  set.size_ = numbers.size();
  uint64_t before = 0;
  for (size_t first = 0; first < numbers.size();) {
    size_t end = first + 1;
    while (end < numbers.size() && numbers[end] - numbers[first] == end - first) ++end;
    AppendNumber(numbers[first] - before, set.runs_);
    AppendNumber(end - first - 1, set.runs_);
    before = uint64_t{numbers[first]} + (end - first);
    first = end;
  }
  set.runs_.shrink_to_fit();
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
