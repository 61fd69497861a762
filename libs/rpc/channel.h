// Client channels with the limits and keep-alives that every part of the system uses.
//
//   auto stub = registry::v1::ConfigService::NewStub(MakeChannel("127.0.0.1:7001"));
//   grpc::ClientContext context;
//   SetTimeout(context, absl::Seconds(5));
#ifndef FAIRLEAD_LIBS_RPC_CHANNEL_H_
#define FAIRLEAD_LIBS_RPC_CHANNEL_H_

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"

namespace fairlead {

// Largest message that a client or server of ours takes.
inline constexpr int kMaxMessageBytes = 8 << 20;

// How long one attempt to connect may take before the next is made.
inline constexpr absl::Duration kConnectPatience = absl::Seconds(5);

// Connects lazily; reconnects by itself: within 2 s of the return of a server that refused, within kConnectPatience of one that was silent.
// Thread-safe to share.
std::shared_ptr<grpc::Channel> MakeChannel(absl::string_view target);

// Every unary call has a deadline; a stream has none, but a watchdog of its own.
void SetTimeout(grpc::ClientContext& context, absl::Duration timeout);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_CHANNEL_H_
