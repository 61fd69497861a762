#include "libs/feed/feed_replica.h"

namespace fairlead {
namespace {

using common::v1::FeedFrame;

FeedPosition ToPosition(const common::v1::FeedPosition& position) {
  return {position.epoch(), position.version()};
}

}  // namespace

absl::Status FeedReplicaRules::Missed(absl::string_view what) {
  ask_ = {};
  return absl::DataLossError(absl::StrCat("feed: ", what));
}

absl::Status FeedReplicaRules::CheckHeartbeat(FeedPosition position) {
  if (assembling_.has_value()) return Missed("a heartbeat in the middle of a change");
  publisher_behind_ = position < held_;
  if (!held_.nothing() && position > held_) {
    return Missed(absl::StrCat("the publisher is at ", position.ToString(), ", held is ", held_.ToString(), ", and no change came"));
  }
  return absl::OkStatus();
}

absl::Status FeedReplicaRules::CheckFirst(const FeedFrame& frame) {
  const FeedPosition position = ToPosition(frame.position());
  if (position.nothing()) return absl::InvalidArgumentError("feed frame.position.epoch '0': must be above 0");
  if (position < held_) {
    publisher_behind_ = true;
    return absl::FailedPreconditionError(
        absl::StrCat("feed frame.position '", position.ToString(), "': goes back behind what is held, ", held_.ToString()));
  }
  if (frame.kind() == FeedFrame::KIND_DELTA) {
    const FeedPosition base = ToPosition(frame.base());
    if (base != held_ || position.epoch != base.epoch || position == base) {
      return Missed(absl::StrCat("a delta from ", base.ToString(), " to ", position.ToString(), ", held is ", held_.ToString()));
    }
  }
  publisher_behind_ = false;
  return absl::OkStatus();
}

absl::Status FeedReplicaRules::Check(const FeedFrame& frame, size_t bytes) {
  if (frame.kind() == FeedFrame::KIND_HEARTBEAT) return CheckHeartbeat(ToPosition(frame.position()));
  if (frame.kind() != FeedFrame::KIND_SNAPSHOT && frame.kind() != FeedFrame::KIND_DELTA) {
    return absl::InvalidArgumentError(absl::StrCat("feed frame.kind '", static_cast<int>(frame.kind()), "': unknown"));
  }
  if (!assembling_.has_value()) {
    absl::Status first = CheckFirst(frame);
    if (!first.ok()) return first;
    assembling_ = frame;
  } else if (assembling_->kind() != frame.kind() || ToPosition(assembling_->position()) != ToPosition(frame.position()) ||
             ToPosition(assembling_->base()) != ToPosition(frame.base())) {
    return Missed("a change was left before its end");
  }
  assembled_bytes_ += bytes;
  if (assembled_bytes_ > kMostFeedChangeBytes) {
    return absl::ResourceExhaustedError(absl::StrCat("feed: a change of more than ", kMostFeedChangeBytes, " bytes"));
  }
  return absl::OkStatus();
}

}  // namespace fairlead
