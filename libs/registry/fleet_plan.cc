#include "libs/registry/fleet_plan.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace fairlead::registry {
namespace {

class Planner {
 public:
  Planner(const Fleet& fleet, const DeclaredFleet& declared, bool prune, const Rules& rules)
      : fleet_(fleet), declared_(declared), prune_(prune), rules_(rules) {}

  FleetPlan Run() && {
    DeclaredKinds::ForEach([this]<typename T>() { Put<T>(); });
    DeclaredKinds::ForEachReversed([this]<typename T>() { Remove<T>(); });
    if (plan_.problems.empty()) {
      Fleet next = fleet_;
      for (const AnyWrite& write : plan_.writes) next.Apply(write);
      plan_.problems = CheckChanges(next, plan_.writes);
    }
    return std::move(plan_);
  }

 private:
  template <typename T>
  void Put() {
    for (const T& wish : declared_.Of<T>()) {
      if (!Names<T>().insert(wish.id.value()).second) {
        Blame(wish.id.name(), FieldError(absl::StatusCode::kInvalidArgument, "id", wish.id.value(), "is declared twice"));
        continue;
      }
      const absl::Status status = PutOne(wish);
      if (!status.ok()) Blame(wish.id.name(), status);
    }
  }

  template <typename T>
  absl::Status PutOne(T wish) {
    RecordPtr<T> before = fleet_.Find<T>(wish.id);
    CopyOutputOnly(before == nullptr ? T() : before->value, wish);
    ASSIGN_OR_RETURN(T value, Canonical(std::move(wish), rules_));
    if (before == nullptr) {
      RETURN_IF_ERROR(CheckFresh<T>(fleet_, value.id));
      plan_.writes.push_back(MakeCreate(std::move(value), rules_.now));
    } else if (value == before->value) {
      ++plan_.unchanged;
    } else {
      plan_.writes.push_back(MakeUpdate(std::move(before), std::move(value), rules_.now));
    }
    return absl::OkStatus();
  }

  template <typename T>
  void Remove() {
    for (const auto& [id, record] : fleet_.All<T>()) {
      if (Names<T>().contains(id.value())) continue;
      if (prune_) {
        plan_.writes.push_back(Write<T>{record, nullptr});
      } else {
        plan_.unlisted.push_back(id.name());
      }
    }
  }

  void Blame(std::string resource, absl::Status status) { plan_.problems.push_back({std::move(resource), std::move(status)}); }

  // The declared ids of a kind.
  template <typename T>
  absl::flat_hash_set<std::string>& Names() {
    return std::get<Ids<T>>(ids_).names;
  }

  template <typename T>
  struct Ids {
    absl::flat_hash_set<std::string> names;
  };

  const Fleet& fleet_;
  const DeclaredFleet& declared_;
  const bool prune_;
  const Rules& rules_;
  DeclaredKinds::Tuple<Ids> ids_;
  FleetPlan plan_;
};

}  // namespace

FleetPlan PlanFleet(const Fleet& fleet, const DeclaredFleet& declared, bool prune, const Rules& rules) {
  FleetPlan plan = Planner(fleet, declared, prune, rules).Run();
  std::sort(plan.unlisted.begin(), plan.unlisted.end());
  return plan;
}

std::vector<FieldChange> FieldChanges(const AnyWrite& write) {
  return std::visit(
      []<typename T>(const Write<T>& typed) -> std::vector<FieldChange> {
        if (typed.deletes()) return {};
        return Diff(typed.creates() ? T() : typed.before->value, typed.after->value);
      },
      write);
}

}  // namespace fairlead::registry
