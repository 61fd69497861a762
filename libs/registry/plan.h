// From a wish to the changes that fulfil it: one function a standard method, for every kind. Pure: the caller writes the result.
//
//   ASSIGN_OR_RETURN(const Write<Site> write, PlanCreate(fleet, site, rules));
#ifndef FAIRLEAD_LIBS_REGISTRY_PLAN_H_
#define FAIRLEAD_LIBS_REGISTRY_PLAN_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/registry/check_changes.h"
#include "libs/registry/fleet.h"

namespace fairlead::registry {

// What planning needs from outside.
struct Rules {
  absl::Time now;
  // Whether this IANA zone exists; null = every well-formed one does.
  bool (*zone_exists)(absl::string_view zone) = nullptr;
};

// Normalised and checked for itself.
template <typename T>
absl::StatusOr<T> Canonical(T value, const Rules& rules) {
  Normalize(value);
  RETURN_IF_ERROR(ValidateId(value.id.value(), absl::StrCat(T::kKind, ".id")));
  RETURN_IF_ERROR(Validate(value));
  if constexpr (std::is_same_v<T, Site>) {
    if (rules.zone_exists != nullptr && !rules.zone_exists(value.time_zone)) {
      return InvalidField("site.time_zone", value.time_zone, "there is no such IANA time zone");
    }
  }
  return value;
}

// The record of the id; NOT_FOUND, telling a deleted one from one that never was, if there is none.
template <typename T>
absl::StatusOr<RecordPtr<T>> Require(const Fleet& fleet, const typename T::IdType& id, absl::string_view field = "name") {
  RecordPtr<T> record = fleet.Find<T>(id);
  if (record != nullptr) return record;
  return FieldError(absl::StatusCode::kNotFound, field, id.name(), fleet.WasDeleted<T>(id) ? "was deleted" : "does not exist");
}

// OK if `etag` is empty or the record's; else ABORTED naming both.
template <typename T>
absl::Status CheckEtag(const Record<T>& record, absl::string_view etag) {
  if (etag.empty() || etag == record.etag()) return absl::OkStatus();
  return FieldError(absl::StatusCode::kAborted, "etag", etag,
                    absl::StrCat(record.name(), " was changed meanwhile: its etag is now ", record.etag(), "; read it again"));
}

// The two halves of a change without any check of the fleet.
template <typename T>
Write<T> MakeCreate(T value, absl::Time now) {
  Metadata meta{.uid = "", .generation = 1, .create_time = now, .update_time = now};
  return {nullptr, std::make_shared<const Record<T>>(Record<T>{std::move(value), std::move(meta)})};
}
template <typename T>
Write<T> MakeUpdate(RecordPtr<T> before, T value, absl::Time now) {
  Metadata meta = before->meta;
  ++meta.generation;
  meta.update_time = now;
  return {std::move(before), std::make_shared<const Record<T>>(Record<T>{std::move(value), std::move(meta)})};
}

// ALREADY_EXISTS if the id is or was in use.
template <typename T>
absl::Status CheckFresh(const Fleet& fleet, const typename T::IdType& id) {
  const std::string field = absl::StrCat(T::kKind, ".id");
  if (fleet.WasDeleted<T>(id)) {
    return FieldError(absl::StatusCode::kAlreadyExists, field, id.value(), absl::StrCat(id.name(), " was deleted; ids are never reused"));
  }
  if (fleet.Find<T>(id) == nullptr) return absl::OkStatus();
  return FieldError(absl::StatusCode::kAlreadyExists, field, id.value(), absl::StrCat(id.name(), " exists"));
}

// The first problem of these changes.
inline absl::Status CheckConsistent(const Fleet& fleet, const std::vector<AnyWrite>& writes) {
  Fleet next = fleet;
  for (const AnyWrite& write : writes) next.Apply(write);
  const std::vector<Problem> problems = CheckChanges(next, writes);
  return problems.empty() ? absl::OkStatus() : problems.front().status;
}

template <typename T>
absl::StatusOr<Write<T>> PlanCreate(const Fleet& fleet, T wish, const Rules& rules) {
  CopyOutputOnly(T(), wish);
  ASSIGN_OR_RETURN(T value, Canonical(std::move(wish), rules));
  RETURN_IF_ERROR(CheckFresh<T>(fleet, value.id));
  Write<T> write = MakeCreate(std::move(value), rules.now);
  RETURN_IF_ERROR(CheckConsistent(fleet, {write}));
  return write;
}

// `wish` is the whole value; its output-only fields are ignored. A wish that changes nothing gives a write whose `after` is `before`.
template <typename T>
absl::StatusOr<Write<T>> PlanUpdate(const Fleet& fleet, T wish, absl::string_view etag, const Rules& rules) {
  ASSIGN_OR_RETURN(RecordPtr<T> before, Require<T>(fleet, wish.id, absl::StrCat(T::kKind, ".name")));
  RETURN_IF_ERROR(CheckEtag(*before, etag));
  CopyOutputOnly(before->value, wish);
  ASSIGN_OR_RETURN(T value, Canonical(std::move(wish), rules));
  if (value == before->value) return Write<T>{before, before};
  Write<T> write = MakeUpdate(std::move(before), std::move(value), rules.now);
  RETURN_IF_ERROR(CheckConsistent(fleet, {write}));
  return write;
}

template <typename T>
absl::StatusOr<Write<T>> PlanDelete(const Fleet& fleet, const typename T::IdType& id, absl::string_view etag) {
  ASSIGN_OR_RETURN(RecordPtr<T> before, Require<T>(fleet, id));
  RETURN_IF_ERROR(CheckEtag(*before, etag));
  Write<T> write{std::move(before), nullptr};
  RETURN_IF_ERROR(CheckConsistent(fleet, {write}));
  return write;
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_PLAN_H_
