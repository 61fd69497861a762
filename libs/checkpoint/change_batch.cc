#include "libs/checkpoint/change_batch.h"

#include <algorithm>

namespace fairlead {
namespace {

void PutNumber(size_t number, std::string& out) {
  for (; number >= 0x80; number >>= 7) out.push_back(static_cast<char>(number | 0x80));
  out.push_back(static_cast<char>(number));
}

bool TakeNumber(absl::string_view& bytes, size_t& number) {
  number = 0;
  for (int shift = 0; shift < 63 && !bytes.empty(); shift += 7) {
    const auto byte = static_cast<unsigned char>(bytes.front());
    bytes.remove_prefix(1);
    number |= static_cast<size_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

bool TakeBytes(absl::string_view& bytes, absl::string_view& taken) {
  size_t size = 0;
  if (!TakeNumber(bytes, size) || size > bytes.size()) return false;
  taken = bytes.substr(0, size);
  bytes.remove_prefix(size);
  return true;
}

// `key` holds the key before, and then this one.
bool TakeChange(absl::string_view& bytes, std::string& key, Change& change) {
  const auto kind = static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);
  if (kind < 1 || kind > 3) return false;
  change.kind = static_cast<Change::Kind>(kind);
  size_t shared = 0;
  absl::string_view rest;
  if (!TakeNumber(bytes, shared) || shared > key.size() || !TakeBytes(bytes, rest)) return false;
  key.resize(shared);
  key.append(rest.data(), rest.size());
  change.key = key;
  change.value = {};
  return change.kind != Change::Kind::kSet || TakeBytes(bytes, change.value);
}

}  // namespace

void ChangeBatch::Add(const Change& change) {
  if (blocks_.empty() || blocks_.back().size() >= kBlockBytes) {
    blocks_.emplace_back();
    last_key_.clear();
  }
  std::string& block = blocks_.back();
  const size_t before = block.size();
  const size_t most = std::min(change.key.size(), last_key_.size());
  const size_t shared =
      static_cast<size_t>(std::mismatch(change.key.begin(), change.key.begin() + most, last_key_.begin()).first - change.key.begin());
  const absl::string_view rest = change.key.substr(shared);
  block.push_back(static_cast<char>(change.kind));
  PutNumber(shared, block);
  PutNumber(rest.size(), block);
  block.append(rest.data(), rest.size());
  if (change.kind == Change::Kind::kSet) {
    PutNumber(change.value.size(), block);
    block.append(change.value.data(), change.value.size());
  }
  last_key_.resize(shared);
  last_key_.append(rest.data(), rest.size());
  bytes_ += block.size() - before;
  ++changes_;
}

void ChangeBatch::Clear() {
  blocks_.clear();
  last_key_.clear();
  bytes_ = changes_ = 0;
}

absl::Status ForEachChange(absl::string_view block, absl::FunctionRef<void(const Change&)> visit) {
  std::string key;
  Change change;
  while (!block.empty()) {
    if (!TakeChange(block, key, change)) return absl::DataLossError("a block of changes can't be read");
    visit(change);
  }
  return absl::OkStatus();
}

}  // namespace fairlead
