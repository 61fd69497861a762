#include "tests/lab/prober.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

namespace fairlead {
namespace {

using steering::v1::FileAnswer;
using steering::v1::SteerResponse;

constexpr absl::Duration kPatience = absl::Seconds(1);
constexpr absl::Duration kPause = absl::Milliseconds(5);

}  // namespace

ProbeTotals operator-(const ProbeTotals& now, const ProbeTotals& before) {
  ProbeTotals difference = now;
  difference.answers -= before.answers;
  difference.unanswered -= before.unanswered;
  difference.not_servable -= before.not_servable;
  difference.went_back -= before.went_back;
  if (difference.unanswered == 0 && difference.not_servable == 0 && difference.went_back == 0) difference.last_problem.clear();
  return difference;
}

Prober::Prober(std::vector<LabViewer> viewers, const std::vector<content::v1::Title>& titles, ControlPlane& plane)
    : viewers_(std::move(viewers)), plane_(plane) {
  for (const content::v1::Title& title : titles) titles_.push_back(title.name());
  thread_ = std::thread([this] { Run(); });
}

Prober::~Prober() {
  stop_.Notify();
  thread_.join();
}

ProbeTotals Prober::Totals() const {
  absl::MutexLock lock(&mu_);
  return totals_;
}

void Prober::Run() {
  while (!stop_.HasBeenNotified()) {
    const absl::Time began = absl::Now();
    const int64_t unanswered = Totals().unanswered;
    for (const LabViewer& viewer : viewers_) {
      for (const std::string& title : titles_) {
        Ask(viewer, title);
        if (stop_.WaitForNotificationWithTimeout(kPause)) return;
      }
    }
    absl::MutexLock lock(&mu_);
    if (totals_.unanswered == unanswered) answered_round_ = began;
  }
}

void Prober::Ask(const LabViewer& viewer, const std::string& title) {
  steering::v1::SteerRequest request;
  request.set_client_address(viewer.address.ToString());
  request.set_title(title);
  const absl::Time asked = absl::Now();
  const absl::StatusOr<SteerResponse> answer = plane_.Steer(request, kPatience);
  absl::MutexLock lock(&mu_);
  if (answer.ok()) {
    Note(viewer, *answer, asked);
  } else {
    ++totals_.unanswered;
    totals_.last_problem = std::string(answer.status().message());
  }
}

void Prober::Note(const LabViewer& viewer, const SteerResponse& answer, absl::Time asked) {
  ++totals_.answers;
  if (answer.verdict() != SteerResponse::VERDICT_OK) {
    ++totals_.not_servable;
    totals_.last_problem = absl::StrCat(viewer.label, ": ", answer.reason(), ", ", answer.reason_detail());
  }
  for (const FileAnswer& file : answer.files()) {
    for (int i = 0; i < file.urls_size(); ++i) {
      for (const std::string& name : {file.urls(i).appliance(), file.urls(i).site()}) {
        Named& named = named_[{name, viewer.address.ToString()}];
        named.at_all = asked;
        if (i == 0) named.first = asked;
      }
    }
  }
  for (const steering::v1::SourceAge& source : answer.sources()) {
    if (source.from_disk()) continue;  // A restarted steerd begins with its copy, and says so.
    const std::pair<uint64_t, uint64_t> position = {source.position().epoch(), source.position().version()};
    std::pair<uint64_t, uint64_t>& held = positions_[source.source()];
    if (position < held) {
      ++totals_.went_back;
      totals_.last_problem =
          absl::StrCat(source.source(), " went back from ", held.first, ":", held.second, " to ", position.first, ":", position.second);
    }
    held = std::max(held, position);
  }
}

absl::Time Prober::LastNamed(const Who& who) const {
  absl::Time last = absl::InfinitePast();
  for (const auto& [key, named] : named_) {
    if (key.first != who.name || (!who.viewer.empty() && key.second != who.viewer)) continue;
    last = std::max(last, who.first ? named.first : named.at_all);
  }
  return last;
}

absl::StatusOr<absl::Time> Prober::AwaitGone(const Who& who, absl::Duration patience) const {
  const absl::Time since = absl::Now();
  absl::MutexLock lock(&mu_);
  const auto gone = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return answered_round_ > since && answered_round_ > LastNamed(who); };
  if (mu_.AwaitWithTimeout(absl::Condition(&gone), patience)) return LastNamed(who);
  return absl::DeadlineExceededError(absl::StrCat(who.name, " is still named", who.first ? " first" : "", " after ",
                                                  absl::FormatDuration(patience), who.viewer.empty() ? "" : " for ", who.viewer));
}

}  // namespace fairlead
