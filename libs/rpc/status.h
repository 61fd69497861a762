// absl::Status inside, grpc::Status at the edge. The two meet here only.
//
// A status that names a field (libs/base/errors.h) travels with google.rpc.ErrorInfo details: reason = the canonical code's name, domain
// "fairlead", metadata "field" and "value". One that says when to try again also has a google.rpc.RetryInfo.
#ifndef FAIRLEAD_LIBS_RPC_STATUS_H_
#define FAIRLEAD_LIBS_RPC_STATUS_H_

#include "absl/status/status.h"
#include "grpcpp/support/status.h"

namespace fairlead {

grpc::Status ToGrpcStatus(const absl::Status& status);

// The code and message, with field, value and time to try again restored where the server told them.
absl::Status FromGrpcStatus(const grpc::Status& status);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_STATUS_H_
