#include "libs/steering/leaf_numbers.h"

namespace fairlead {

uint32_t LeafNumbers::Take(const Prefix& prefix) {
  if (const uint32_t* const leaf = leaves_.Find(prefix)) return *leaf;
  uint32_t leaf = 0;
  if (free_.empty()) {
    leaf = ++last_;
  } else {
    leaf = free_.back();
    free_.pop_back();
  }
  leaves_.Insert(prefix, leaf);
  index_.Insert(prefix, leaf);
  if (shares_ > 1) added_.push_back(prefix);
  return leaf;
}

void LeafNumbers::GiveBack(const Prefix& prefix) {
  const uint32_t* const leaf = leaves_.Find(prefix);
  if (leaf == nullptr) return;
  free_.push_back(*leaf);
  leaves_.Erase(prefix);
  index_.Erase(prefix);
}

}  // namespace fairlead
