#include "libs/registry/check_changes.h"

#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/net/prefix_table.h"
#include "libs/registry/admin_state.h"

namespace fairlead::registry {
namespace {

// An error that names every user would be of no use for a site with a thousand boxes.
constexpr size_t kMaxUsersNamed = 5;

template <typename Tag>
struct KindOfTrait;
#define FAIRLEAD_KIND_OF(T)       \
  template <>                     \
  struct KindOfTrait<T::IdType> { \
    using Kind = T;               \
  }
FAIRLEAD_KIND_OF(Partner);
FAIRLEAD_KIND_OF(Site);
FAIRLEAD_KIND_OF(Link);
FAIRLEAD_KIND_OF(Cluster);
FAIRLEAD_KIND_OF(Appliance);
FAIRLEAD_KIND_OF(BgpSession);
#undef FAIRLEAD_KIND_OF

template <typename T>
absl::Status CheckReferences(const Fleet& fleet, const T& value) {
  absl::Status status;
  ForEachReference(value, [&](absl::string_view field, const auto& id) {
    using Kind = typename KindOfTrait<std::decay_t<decltype(id)>>::Kind;
    if (!status.ok() || fleet.Find<Kind>(id) != nullptr) return;
    status = FieldError(absl::StatusCode::kNotFound, absl::StrCat(T::kKind, ".", field), id.name(), "does not exist");
  });
  return status;
}

absl::Status CheckDeletable(const Record<Appliance>& record) {
  if (!MayServe(record.value.admin_state)) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(record.name(), " is ", std::string(ToString(record.value.admin_state)),
                                                    ": viewers may be at it; drain or disable it before it is deleted"));
}
template <typename T>
absl::Status CheckDeletable(const Record<T>&) {
  return absl::OkStatus();
}

class Checker {
 public:
  Checker(const Fleet& next, const std::vector<AnyWrite>& writes) : next_(next) {
    statuses_.resize(writes.size());
    names_.reserve(writes.size());
    for (size_t i = 0; i < writes.size(); ++i) {
      names_.push_back(NameOf(writes[i]));
      changed_.emplace(names_.back(), i);
      std::visit([&](const auto& write) { CheckOne(i, write); }, writes[i]);
    }
    deleted_.resize(writes.size());
    for (size_t i = 0; i < writes.size(); ++i) {
      std::visit([&](const auto& write) { deleted_[i] = write.deletes(); }, writes[i]);
    }
  }

  std::vector<Problem> Run() {
    AllKinds::ForEach([&]<typename T>() { CheckUnique<T>(); });
    CheckOverlaps();
    if (!only_creates_) AllKinds::ForEach([&]<typename T>() { CheckUsers<T>(); });
    for (auto& [index, users] : users_of_deleted_) {
      std::string listed = absl::StrJoin(users.first, ", ");
      if (users.second > users.first.size()) absl::StrAppend(&listed, " and ", users.second - users.first.size(), " more");
      Blame(index, absl::FailedPreconditionError(absl::StrCat(names_[index], " can't be deleted: it is used by ", listed)));
    }
    std::vector<Problem> problems;
    for (size_t i = 0; i < names_.size(); ++i) {
      if (!statuses_[i].ok()) problems.push_back({names_[i], statuses_[i]});
    }
    return problems;
  }

 private:
  void Blame(size_t index, absl::Status status) { statuses_[index].Update(std::move(status)); }

  template <typename T>
  void CheckOne(size_t index, const Write<T>& write) {
    only_creates_ = only_creates_ && write.creates();
    if (write.deletes()) {
      Blame(index, CheckDeletable(*write.before));
      return;
    }
    changed_kinds_.insert(std::string(T::kKind));
    Blame(index, CheckReferences(next_, write.after->value));
    if (statuses_[index].ok()) Blame(index, CheckIn(next_, write.after->value));
  }

  // The change of the resource, if it is one of those checked; the number of changes if not.
  size_t ChangeOf(const std::string& name) const {
    const auto found = changed_.find(name);
    return found == changed_.end() ? names_.size() : found->second;
  }

  template <typename T>
  void CheckUnique() {
    if (!changed_kinds_.contains(T::kKind)) return;
    absl::flat_hash_map<std::string, const Record<T>*> owners;
    for (const auto& [id, record] : next_.All<T>()) {
      for (const UniqueKey& key : UniqueKeys(record->value)) {
        const auto [owner, is_new] = owners.try_emplace(absl::StrCat(key.field, "\n", key.value), record.get());
        if (is_new || owner->second == record.get()) continue;
        // Blame the one that changed; of two, the later.
        const Record<T>* other = owner->second;
        size_t index = ChangeOf(record->name());
        if (index == names_.size()) {
          index = ChangeOf(other->name());
          other = record.get();
        }
        if (index == names_.size()) continue;  // An old quarrel of two that stay as they are.
        Blame(index,
              FieldError(absl::StatusCode::kAlreadyExists, key.field, key.value, absl::StrCat("is used by ", other->name(), " already")));
      }
    }
  }

  // One partner's announcements must never move another's clients, so allow-lists may overlap by consent of both only.
  void CheckOverlaps() {
    if (!changed_kinds_.contains(Partner::kKind)) return;
    struct Owner {
      const Partner* partner;
      std::string text;
    };
    PrefixTable<std::vector<Owner>> table;
    for (const auto& [id, record] : next_.All<Partner>()) {
      for (const std::string& text : record->value.allowed_prefixes) {
        const absl::StatusOr<Prefix> prefix = Prefix::Parse(text);
        if (prefix.ok()) table[*prefix].push_back({&record->value, text});
      }
    }
    table.ForEach([&](const Prefix& prefix, const std::vector<Owner>& owners) {
      table.ForEachCovering(prefix, [&](const Prefix&, const std::vector<Owner>& covering) {
        for (const Owner& inner : owners) {
          for (const Owner& outer : covering) CheckPair(*inner.partner, inner.text, *outer.partner, outer.text);
        }
      });
    });
  }

  void CheckPair(const Partner& a, const std::string& a_text, const Partner& b, const std::string& b_text) {
    if (a.id == b.id || (a.allow_prefix_overlap && b.allow_prefix_overlap)) return;
    const size_t index_a = ChangeOf(a.id.name());
    const size_t index_b = ChangeOf(b.id.name());
    const bool blame_a = index_a != names_.size() && (index_b == names_.size() || index_a > index_b);
    if (!blame_a && index_b == names_.size()) return;
    const Partner& other = blame_a ? b : a;
    Blame(blame_a ? index_a : index_b,
          FieldError(absl::StatusCode::kFailedPrecondition, "partner.allowed_prefixes", blame_a ? a_text : b_text,
                     absl::StrCat("overlaps ", blame_a ? b_text : a_text, " of ", other.id.name(),
                                  "; allowed only if allow_prefix_overlap is set on both")));
  }

  // Those that stay as they are, but refer to something that changed.
  template <typename T>
  void CheckUsers() {
    for (const auto& entry : next_.All<T>()) {
      const auto& record = entry.second;  // Not a structured binding: clang 14 won't capture one.
      size_t updated = names_.size();
      bool dangling = false;
      ForEachReference(record->value, [&](absl::string_view, const auto& target) {
        const size_t index = ChangeOf(target.name());
        if (index == names_.size()) return;
        if (deleted_[index]) {
          dangling = true;
          NoteUser(index, record->name());
        } else {
          updated = index;
        }
      });
      if (dangling || updated == names_.size() || ChangeOf(record->name()) != names_.size()) continue;
      const absl::Status broken = CheckIn(next_, record->value);
      if (broken.ok()) continue;
      Blame(updated, absl::FailedPreconditionError(absl::StrCat(record->name(), " would no longer fit: ", broken.message())));
    }
  }

  void NoteUser(size_t index, std::string user) {
    auto& [named, count] = users_of_deleted_[index];
    ++count;
    if (named.size() < kMaxUsersNamed) named.push_back(std::move(user));
  }

  const Fleet& next_;
  std::vector<std::string> names_;
  std::vector<absl::Status> statuses_;
  std::vector<bool> deleted_;
  absl::flat_hash_map<std::string, size_t> changed_;
  absl::btree_set<std::string> changed_kinds_;
  // By change: the first few users' names, and how many there are.
  absl::btree_map<size_t, std::pair<std::vector<std::string>, size_t>> users_of_deleted_;
  bool only_creates_ = true;
};

}  // namespace

std::vector<Problem> CheckChanges(const Fleet& next, const std::vector<AnyWrite>& writes) {
  return Checker(next, writes).Run();
}

}  // namespace fairlead::registry
