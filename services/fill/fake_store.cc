#include "services/fill/fake_store.h"

#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead::fill {

void FakeStore::Fail(absl::Status status) {
  absl::MutexLock lock(&mu_);
  failure_ = std::move(status);
}

void FakeStore::GoBack(FeedPosition position) {
  absl::MutexLock lock(&mu_);
  position_ = position;
}

void FakeStore::RaiseEpoch() {
  absl::MutexLock lock(&mu_);
  ++position_.epoch;
}

absl::StatusOr<const FakeStore::StoredRequest*> FakeStore::FindRequest(const RequestKey& request, const std::string& kind) const {
  const auto at = request.id.empty() ? requests_.end() : requests_.find(request.id);
  if (at == requests_.end()) return nullptr;
  if (at->second.kind == kind && at->second.fingerprint == request.fingerprint) return &at->second;
  return InvalidField("request_id", request.id, "was used for another request");
}

absl::StatusOr<StoreChanges> FakeStore::Load(FeedPosition since, uint64_t known_plan) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  StoreChanges changes;
  changes.position = position_;
  changes.whole = since.epoch != position_.epoch;
  for (const auto& [id, stored] : titles_) {
    if (changes.whole || stored.changed_version > since.version) changes.titles.push_back(stored.title);
  }
  if (!plans_.empty() && (changes.whole || CurrentPlan() != known_plan)) changes.plan = plans_.rbegin()->second;
  return changes;
}

absl::StatusOr<ImportResult> FakeStore::Import(const TitleImport& import, const RequestKey& request, absl::Time now) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  ASSIGN_OR_RETURN(const StoredRequest* repeated, FindRequest(request, "import"));
  const auto known = titles_.find(import.title);
  if (repeated != nullptr && known != titles_.end()) return ImportResult{known->second.title, repeated->created};
  const std::optional<Title> existing = known == titles_.end() ? std::nullopt : std::optional<Title>(known->second.title);
  ASSIGN_OR_RETURN(ImportOutcome outcome, ApplyImport(existing, import, next_file_number_, now));
  const bool created = !outcome.new_numbers.empty();
  if (!request.id.empty()) requests_[request.id] = {"import", request.fingerprint, created};
  if (outcome.changed) {
    ++position_.version;
    next_file_number_ = outcome.next_number;
    titles_[import.title] = {outcome.title, position_.version};
  }
  return ImportResult{std::move(outcome.title), created};
}

absl::StatusOr<PlanSummary> FakeStore::SavePlan(const FillPlan& plan, uint64_t expected_current, const RequestKey& request,
                                                absl::Time now) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  ASSIGN_OR_RETURN(const StoredRequest* repeated, FindRequest(request, "plan"));
  if (repeated != nullptr && !plans_.empty()) return Summarise(plans_.rbegin()->second);
  if (CurrentPlan() != expected_current) {
    return absl::AbortedError(absl::StrCat("the plan in force is plans/", CurrentPlan(), ", not plans/", expected_current));
  }
  FillPlan stored = plan;
  stored.number = CurrentPlan() + 1;
  stored.create_time = now;
  ++position_.version;
  if (!request.id.empty()) requests_[request.id] = {"plan", request.fingerprint, true};
  const PlanSummary summary = Summarise(stored);
  plans_[stored.number] = std::move(stored);
  while (plans_.size() > kMaxPlansKept) plans_.erase(plans_.begin());
  return summary;
}

absl::StatusOr<PlanSummary> FakeStore::KeepPlan(uint64_t expected_current, const RequestKey& request, absl::Time /*now*/) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  ASSIGN_OR_RETURN(const StoredRequest* repeated, FindRequest(request, "plan"));
  if (repeated == nullptr && CurrentPlan() != expected_current) {
    return absl::AbortedError(absl::StrCat("the plan in force is plans/", CurrentPlan(), ", not plans/", expected_current));
  }
  if (plans_.empty()) return absl::NotFoundError("there is no plan yet");
  if (repeated == nullptr && !request.id.empty()) requests_[request.id] = {"plan", request.fingerprint, false};
  return Summarise(plans_.rbegin()->second);
}

absl::StatusOr<PlanSummary> FakeStore::GetPlan(uint64_t number) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  const auto at = plans_.find(number);
  if (at == plans_.end()) return absl::NotFoundError(absl::StrCat("there is no plans/", number));
  return Summarise(at->second);
}

absl::StatusOr<std::vector<PlanSummary>> FakeStore::ListPlans(uint64_t before, int limit) {
  absl::MutexLock lock(&mu_);
  RETURN_IF_ERROR(failure_);
  std::vector<PlanSummary> summaries;
  auto at = before == 0 ? plans_.end() : plans_.lower_bound(before);
  while (at != plans_.begin() && static_cast<int>(summaries.size()) < limit) summaries.push_back(Summarise((--at)->second));
  return summaries;
}

}  // namespace fairlead::fill
