#include "libs/steering/leaf_index.h"

#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace fairlead {
namespace {

std::unique_ptr<LpmTable> MakeLookups(absl::Span<const LpmRoute> routes) {
  absl::StatusOr<std::unique_ptr<LpmTable>> table = LpmTable::Create();
  return table.ok() && (*table)->Build(routes).ok() ? *std::move(table) : nullptr;
}

std::unique_ptr<LpmTable> MakeLookups(const PrefixTable<uint32_t>& leaves) {
  std::vector<LpmRoute> routes;
  routes.reserve(leaves.size());
  leaves.ForEach([&](const Prefix& prefix, const uint32_t& leaf) { routes.push_back({prefix, leaf}); });
  return MakeLookups(routes);
}

}  // namespace

LeafIndex::LeafIndex(const LeafIndex& other)
    : leaves_(other.leaves_), lookups_(other.lookups_ == nullptr ? nullptr : MakeLookups(leaves_)) {}

std::shared_ptr<const LeafIndex> LeafIndex::ForLookups(absl::Span<const LpmRoute> routes) {
  auto index = std::make_shared<LeafIndex>();
  if (routes.size() >= kFew) index->lookups_ = MakeLookups(routes);
  if (index->lookups_ != nullptr) return index;
  for (const LpmRoute& route : routes) index->leaves_.Insert(route.prefix, route.leaf);
  return index;
}

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
