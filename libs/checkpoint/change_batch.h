// Changes of a keyed state, encoded as they are made: what one step of a checkpoint writes.
//
// Of each key only what differs from the key before is stored, so keys may be long as long as neighbours are alike. The bytes are in
// blocks of about kBlockBytes (one value may be larger), each readable by itself. Not thread-safe.
//
//   ChangeBatch batch;
//   batch.Set("box/oca-1/state", bytes);
//   batch.RemoveAll("box/oca-2/");
//   for (const std::string& block : batch.blocks()) …
#ifndef FAIRLEAD_LIBS_CHECKPOINT_CHANGE_BATCH_H_
#define FAIRLEAD_LIBS_CHECKPOINT_CHANGE_BATCH_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace fairlead {

struct Change {
  enum class Kind : uint8_t { kSet = 1, kRemove = 2, kRemoveAll = 3 };
  Kind kind = Kind::kSet;
  absl::string_view key;    // Of kRemoveAll: the beginning of all keys that go.
  absl::string_view value;  // Of kSet.
};

class ChangeBatch {
 public:
  static constexpr size_t kBlockBytes = size_t{128} << 10;

  void Set(absl::string_view key, absl::string_view value) { Add({Change::Kind::kSet, key, value}); }
  void Remove(absl::string_view key) { Add({Change::Kind::kRemove, key, ""}); }
  void RemoveAll(absl::string_view prefix) { Add({Change::Kind::kRemoveAll, prefix, ""}); }
  void Add(const Change& change);
  void Clear();

  bool empty() const { return blocks_.empty(); }
  size_t bytes() const { return bytes_; }
  size_t changes() const { return changes_; }
  const std::vector<std::string>& blocks() const { return blocks_; }

 private:
  std::vector<std::string> blocks_;
  std::string last_key_;
  size_t bytes_ = 0;
  size_t changes_ = 0;
};

// Reads a block. DATA_LOSS if it isn't one; what comes before the fault has then been visited.
absl::Status ForEachChange(absl::string_view block, absl::FunctionRef<void(const Change&)> visit);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CHECKPOINT_CHANGE_BATCH_H_
