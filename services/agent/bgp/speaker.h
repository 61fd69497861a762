// The receiving end of one BGP session as a value-in, value-out machine: bytes received go in, bytes to send and what was learned
// come out. It asks for both families, four-octet ASNs and several paths a prefix, announces nothing, and ends the session on anything
// that doesn't parse. Holds no socket and no clock; not thread-safe.
//
//   Speaker speaker({.asn = 40027, .router_id = 0x7f000001});
//   socket.Send(speaker.Start(now));
//   RETURN_IF_ERROR(speaker.Receive(bytes, now, [&](const Update& update) { … }));   // An error: send TakeOutput(), then close.
//   RETURN_IF_ERROR(speaker.Tick(now));
//   socket.Send(speaker.TakeOutput());
#ifndef FAIRLEAD_SERVICES_AGENT_BGP_SPEAKER_H_
#define FAIRLEAD_SERVICES_AGENT_BGP_SPEAKER_H_

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "services/agent/bgp/message.h"

namespace fairlead::agent::bgp {

struct SpeakerOptions {
  uint32_t asn = 0;  // Of both ends: the session is iBGP.
  uint32_t router_id = 0;
  absl::Duration hold_time = absl::Seconds(90);
};

class Speaker {
 public:
  explicit Speaker(const SpeakerOptions& options) : options_(options) {}

  // The first bytes to send. Times are monotonic.
  std::string Start(absl::Duration now);
  // Takes in bytes in pieces of any size and calls `on_update` for each UPDATE. After an error the session is over.
  absl::Status Receive(absl::string_view bytes, absl::Duration now, const std::function<void(const Update&)>& on_update);
  // Queues keepalives; DEADLINE_EXCEEDED when the other side has been silent for the hold time. Call once a second or so.
  absl::Status Tick(absl::Duration now);
  // What is to be sent.
  std::string TakeOutput();

  bool established() const { return state_ == State::kEstablished; }

 private:
  enum class State { kOpenSent, kOpenConfirm, kEstablished };
  absl::Status Handle(MessageType type, absl::string_view body, const std::function<void(const Update&)>& on_update);
  absl::Status HandleOpen(absl::string_view body);
  absl::Status Fail(const Notification& notification, absl::Status status);

  SpeakerOptions options_;
  State state_ = State::kOpenSent;
  Encoding encoding_;
  absl::Duration hold_time_ = absl::ZeroDuration();
  absl::Duration last_received_ = absl::ZeroDuration();
  absl::Duration last_sent_ = absl::ZeroDuration();
  std::string input_;  // Less than one message after each Receive.
  std::string output_;
};

}  // namespace fairlead::agent::bgp

#endif  // FAIRLEAD_SERVICES_AGENT_BGP_SPEAKER_H_
