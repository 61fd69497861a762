// Fleet: everything in the registry at one config version, as a value. Planning a change and checking it is done on these, never on
// the database.
//
// A copy costs a few pointers: each kind's records are shared until one of the copies changes that kind (then O(records of the kind)).
// Not thread-safe; any number of threads may read one that nobody changes.
//
//   Fleet next = fleet;
//   next.Apply(write);
//   next.Find(SiteId("lhr001"));
#ifndef FAIRLEAD_LIBS_REGISTRY_FLEET_H_
#define FAIRLEAD_LIBS_REGISTRY_FLEET_H_

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "libs/registry/record.h"

namespace fairlead::registry {

// Which state of the registry: versions count within an epoch, and a higher epoch is newer.
struct ConfigPosition {
  uint64_t epoch = 0;
  uint64_t version = 0;

  friend auto operator<=>(const ConfigPosition&, const ConfigPosition&) = default;
  friend bool operator==(const ConfigPosition&, const ConfigPosition&) = default;
};

template <typename T>
using Records = absl::btree_map<typename T::IdType, RecordPtr<T>>;

class Fleet {
 public:
  const ConfigPosition& position() const { return position_; }
  void set_position(ConfigPosition position) { position_ = position; }

  // All of one kind, by id.
  template <typename T>
  const Records<T>& All() const {
    return *std::get<Slot<T>>(slots_).records;
  }
  // Null if there is none.
  template <typename T>
  RecordPtr<T> Find(const typename T::IdType& id) const {
    const auto found = All<T>().find(id);
    return found == All<T>().end() ? nullptr : found->second;
  }
  // Whether one of this id existed and was deleted; such an id is never used again.
  template <typename T>
  bool WasDeleted(const typename T::IdType& id) const {
    return std::get<Slot<T>>(slots_).retired->contains(id);
  }

  template <typename T>
  void Put(RecordPtr<T> record) {
    Records<T>& records = Own(std::get<Slot<T>>(slots_).records);
    const typename T::IdType& id = record->value.id;
    records.insert_or_assign(id, std::move(record));
  }
  // Also without a record: for what was deleted before this fleet was read.
  template <typename T>
  void Delete(const typename T::IdType& id) {
    Own(std::get<Slot<T>>(slots_).records).erase(id);
    Own(std::get<Slot<T>>(slots_).retired).insert(id);
  }
  template <typename T>
  void Apply(const Write<T>& write) {
    if (write.deletes()) {
      Delete<T>(write.before->value.id);
    } else {
      Put<T>(write.after);
    }
  }
  void Apply(const AnyWrite& write) {
    std::visit([this](const auto& typed) { Apply(typed); }, write);
  }

 private:
  template <typename T>
  struct Slot {
    std::shared_ptr<Records<T>> records = std::make_shared<Records<T>>();
    std::shared_ptr<absl::btree_set<typename T::IdType>> retired = std::make_shared<absl::btree_set<typename T::IdType>>();
  };

  // Copies what another fleet shares.
  template <typename V>
  static V& Own(std::shared_ptr<V>& shared) {
    if (shared.use_count() > 1) shared = std::make_shared<V>(*shared);
    return *shared;
  }

  ConfigPosition position_;
  AllKinds::Tuple<Slot> slots_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_FLEET_H_
