// A unary method of the callback API, in one line: parse, call and render happen in `work`, on the pool, as absl::Status.
//
//   grpc::ServerUnaryReactor* GetSite(grpc::CallbackServerContext* context, const GetSiteRequest* request, Site* response) override {
//     return RunUnary(*context, pool_, [=, this](const Principal& caller) { return DoGetSite(caller, *request, *response); });
//   }
#ifndef FAIRLEAD_LIBS_RPC_UNARY_H_
#define FAIRLEAD_LIBS_RPC_UNARY_H_

#include <utility>

#include "absl/status/status.h"
#include "grpcpp/support/server_callback.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "libs/rpc/worker_pool.h"

namespace fairlead {

// RESOURCE_EXHAUSTED if the pool's queue is full. A call whose client has gone or whose deadline has passed before its turn is not run.
template <typename Work>
grpc::ServerUnaryReactor* RunUnary(grpc::CallbackServerContext& context, WorkerPool& pool, Work work) {
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  const bool queued = pool.TryRun([&context, reactor, work = std::move(work)]() mutable {
    if (context.IsCancelled()) {
      reactor->Finish(grpc::Status::CANCELLED);
      return;
    }
    reactor->Finish(ToGrpcStatus(work(PrincipalOf(context))));
  });
  if (!queued) reactor->Finish(ToGrpcStatus(absl::ResourceExhaustedError("too many requests are waiting for the database; try again")));
  return reactor;
}

// For methods that only read memory: runs at once, on gRPC's thread.
template <typename Work>
grpc::ServerUnaryReactor* RunUnaryInline(grpc::CallbackServerContext& context, Work work) {
  grpc::ServerUnaryReactor* reactor = context.DefaultReactor();
  reactor->Finish(ToGrpcStatus(work(PrincipalOf(context))));
  return reactor;
}

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_UNARY_H_
