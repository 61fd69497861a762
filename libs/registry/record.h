// A resource as it is kept, and a change of one.
#ifndef FAIRLEAD_LIBS_REGISTRY_RECORD_H_
#define FAIRLEAD_LIBS_REGISTRY_RECORD_H_

#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "libs/registry/resources.h"

namespace fairlead::registry {

struct Metadata {
  // Tells a resource from a deleted one; made where the change is written.
  std::string uid;
  // 1 when created, raised by each change.
  int64_t generation = 0;
  absl::Time create_time;
  absl::Time update_time;

  friend bool operator==(const Metadata&, const Metadata&) = default;
};

template <typename T>
struct Record {
  T value;
  Metadata meta;

  // "sites/lhr001"
  std::string name() const { return value.id.name(); }
  // "\"3\"": the quoted generation.
  std::string etag() const { return absl::StrCat("\"", meta.generation, "\""); }
  friend bool operator==(const Record&, const Record&) = default;
};

// Immutable and shared between fleets.
template <typename T>
using RecordPtr = std::shared_ptr<const Record<T>>;

// Null `before` = created, null `after` = deleted; never both.
template <typename T>
struct Write {
  RecordPtr<T> before;
  RecordPtr<T> after;

  bool creates() const { return before == nullptr; }
  bool deletes() const { return after == nullptr; }
  const Record<T>& either() const { return after == nullptr ? *before : *after; }
  std::string name() const { return either().name(); }
};

using AnyWrite = AllKinds::Variant<Write>;

inline std::string NameOf(const AnyWrite& write) {
  return std::visit([](const auto& typed) { return typed.name(); }, write);
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_RECORD_H_
