#include "libs/steering/leaf_index.h"

#include <array>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

// To build a table touches all of its 60 MB, 0.1 s, which one by one so many prefixes don't.
constexpr size_t kFewToBuild = 65'536;

enum class Changes { kMany, kNone };

absl::Status Fill(absl::Span<const LpmRoute> routes, Changes changes, LpmTable& table) {
  if (routes.size() > kFewToBuild) return changes == Changes::kNone ? table.BuildForGood(routes) : table.Build(routes);
  for (const LpmRoute& route : routes) RETURN_IF_ERROR(table.Insert(route.prefix, route.leaf));
  return absl::OkStatus();
}

std::unique_ptr<LpmTable> MakeLookups(absl::Span<const LpmRoute> routes, Changes changes) {
  absl::StatusOr<std::unique_ptr<LpmTable>> table = LpmTable::Create();
  return table.ok() && Fill(routes, changes, **table).ok() ? *std::move(table) : nullptr;
}

std::unique_ptr<LpmTable> MakeLookups(const PrefixTable<uint32_t>& leaves) {
  std::vector<LpmRoute> routes;
  routes.reserve(leaves.size());
  leaves.ForEach([&](const Prefix& prefix, const uint32_t& leaf) { routes.push_back({prefix, leaf}); });
  return MakeLookups(routes, Changes::kMany);
}

}  // namespace

LeafIndex::LeafIndex(const PrefixTable<uint32_t>& leaves) {
  tried_ = leaves.size() >= kFew;
  if (tried_) lookups_ = MakeLookups(leaves);
  if (lookups_ == nullptr) few_ = leaves;
}

LeafIndex::LeafIndex(absl::Span<const LpmRoute> routes) {
  tried_ = routes.size() >= kFew;
  if (tried_) lookups_ = MakeLookups(routes, Changes::kNone);
  if (lookups_ != nullptr) return;
  for (const LpmRoute& route : routes) few_.Insert(route.prefix, route.leaf);
}

void LeafIndex::FindMany(absl::Span<const IpAddress> clients, uint32_t* leaves) const {
  if (lookups_ == nullptr) {
    for (size_t i = 0; i < clients.size(); ++i) leaves[i] = Find(clients[i]);
    return;
  }
  constexpr size_t kBatch = 32;
  std::array<LpmMatch, kBatch> matches;
  for (size_t first = 0; first < clients.size(); first += kBatch) {
    const absl::Span<const IpAddress> batch = clients.subspan(first, kBatch);
    lookups_->LongestMatchesAtRest(batch, matches.data());
    for (size_t i = 0; i < batch.size(); ++i) leaves[first + i] = matches[i].leaf();
  }
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
