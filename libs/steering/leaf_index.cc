#include "libs/steering/leaf_index.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace fairlead {
namespace {

std::unique_ptr<LpmTable> MakeLookups(const PrefixTable<uint32_t>& leaves) {
  absl::StatusOr<std::unique_ptr<LpmTable>> table = LpmTable::Create();
  if (!table.ok()) return nullptr;
  std::vector<LpmRoute> routes;
  routes.reserve(leaves.size());
  leaves.ForEach([&](const Prefix& prefix, const uint32_t& leaf) { routes.push_back({prefix, leaf}); });
  return (*table)->Build(routes).ok() ? *std::move(table) : nullptr;
}

}  // namespace

LeafIndex::LeafIndex(const PrefixTable<uint32_t>& leaves) {
  tried_ = leaves.size() >= kFew;
  if (tried_) lookups_ = MakeLookups(leaves);
  if (lookups_ == nullptr) few_ = leaves;
}

bool LeafIndex::Change(const Prefix& prefix, uint32_t leaf) {
  if (lookups_ != nullptr) return leaf == 0 ? lookups_->Erase(prefix).ok() : lookups_->Insert(prefix, leaf).ok();
  if (leaf == 0) {
    few_.Erase(prefix);
  } else {
    few_.Insert(prefix, leaf);
  }
  return tried_ || few_.size() < kFew;
}

}  // namespace fairlead
