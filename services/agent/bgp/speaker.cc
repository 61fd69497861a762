#include "services/agent/bgp/speaker.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"

namespace fairlead::agent::bgp {

std::string Speaker::Start(absl::Duration now) {
  last_received_ = last_sent_ = now;
  hold_time_ = options_.hold_time;
  Open open;
  open.asn = options_.asn;
  open.hold_time_seconds = static_cast<uint16_t>(absl::ToInt64Seconds(options_.hold_time));
  open.router_id = options_.router_id;
  open.four_octet_asn = open.multiprotocol_v4 = open.multiprotocol_v6 = true;
  open.add_path_receive_v4 = open.add_path_receive_v6 = true;
  return EncodeOpen(open);
}

absl::Status Speaker::Receive(absl::string_view bytes, absl::Duration now, const std::function<void(const Update&)>& on_update) {
  if (!bytes.empty()) last_received_ = now;
  input_.append(bytes.data(), bytes.size());
  absl::string_view rest = input_;
  while (rest.size() >= kHeaderSize) {
    const auto header = DecodeHeader(rest);
    if (!header.ok()) return Fail(kHeaderError, header.status());
    if (rest.size() < header->length) break;
    RETURN_IF_ERROR(Handle(header->type, rest.substr(kHeaderSize, header->length - kHeaderSize), on_update));
    rest.remove_prefix(header->length);
  }
  input_.erase(0, input_.size() - rest.size());
  return absl::OkStatus();
}

absl::Status Speaker::Handle(MessageType type, absl::string_view body, const std::function<void(const Update&)>& on_update) {
  if (type == MessageType::kNotification) {
    return absl::AbortedError(absl::StrCat("BGP peer closed the session: ", ToString(DecodeNotification(body))));
  }
  if (state_ == State::kOpenSent) {
    if (type != MessageType::kOpen) return Fail(kOpenMessageError, absl::InvalidArgumentError("BGP peer's first message is not OPEN"));
    return HandleOpen(body);
  }
  if (state_ == State::kOpenConfirm) {
    if (type != MessageType::kKeepalive) return Fail({5, 0}, absl::InvalidArgumentError("BGP peer didn't confirm OPEN with KEEPALIVE"));
    state_ = State::kEstablished;
    return absl::OkStatus();
  }
  switch (type) {
    case MessageType::kUpdate: {
      const auto update = DecodeUpdate(body, encoding_);
      if (!update.ok()) return Fail(kUpdateMessageError, update.status());
      on_update(*update);
      return absl::OkStatus();
    }
    case MessageType::kOpen:
      return Fail({5, 0}, absl::InvalidArgumentError("BGP peer sent OPEN again"));
    default:
      return absl::OkStatus();  // KEEPALIVE; route refresh is meaningless to one who announces nothing.
  }
}

absl::Status Speaker::HandleOpen(absl::string_view body) {
  const auto open = DecodeOpen(body);
  if (!open.ok()) return Fail(kOpenMessageError, open.status());
  if (open->asn != options_.asn) {
    return Fail({2, 2}, absl::FailedPreconditionError(absl::StrCat("BGP peer's ASN ", open->asn, " is not ", options_.asn)));
  }
  if (!open->four_octet_asn) return Fail({2, 7}, absl::FailedPreconditionError("BGP peer has no four-octet ASNs"));
  encoding_ = {open->add_path_send_v4, open->add_path_send_v6};
  hold_time_ = std::min(options_.hold_time, absl::Seconds(open->hold_time_seconds));
  output_ += EncodeKeepalive();
  state_ = State::kOpenConfirm;
  return absl::OkStatus();
}

absl::Status Speaker::Tick(absl::Duration now) {
  if (hold_time_ == absl::ZeroDuration()) return absl::OkStatus();  // RFC 4271: zero switches both timers off.
  if (now - last_received_ > hold_time_) return Fail(kHoldTimerExpired, absl::DeadlineExceededError("BGP hold timer expired"));
  if (state_ == State::kEstablished && now - last_sent_ >= hold_time_ / 3) {
    output_ += EncodeKeepalive();
    last_sent_ = now;
  }
  return absl::OkStatus();
}

std::string Speaker::TakeOutput() {
  return std::exchange(output_, {});
}

absl::Status Speaker::Fail(const Notification& notification, absl::Status status) {
  output_ += EncodeNotification(notification);
  return status;
}

}  // namespace fairlead::agent::bgp
