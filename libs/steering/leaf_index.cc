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

LeafIndex::LeafIndex(const LeafIndex& other)
    : leaves_(other.leaves_), lookups_(other.lookups_ == nullptr ? nullptr : MakeLookups(leaves_)) {}

void LeafIndex::Insert(const Prefix& prefix, uint32_t leaf) {
  leaves_.Insert(prefix, leaf);
  if (lookups_ != nullptr) {
    if (!lookups_->Insert(prefix, leaf).ok()) lookups_.reset();
  } else if (leaves_.size() == kFew) {
    lookups_ = MakeLookups(leaves_);
  }
}

void LeafIndex::Erase(const Prefix& prefix) {
  if (!leaves_.Erase(prefix)) return;
  if (lookups_ != nullptr && !lookups_->Erase(prefix).ok()) lookups_.reset();
}

}  // namespace fairlead
