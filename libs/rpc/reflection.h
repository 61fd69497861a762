// grpc.reflection.v1alpha: what a server serves, and the descriptors of it, for buf curl, grpcurl and the like. Answers from the
// descriptors that are linked in. Pure but for the pool; any thread.
#ifndef FAIRLEAD_LIBS_RPC_REFLECTION_H_
#define FAIRLEAD_LIBS_RPC_REFLECTION_H_

#include <string>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"

namespace fairlead {

// `services`: full names, in the order in which they are listed. What isn't known is answered with an error_response.
grpc::reflection::v1alpha::ServerReflectionResponse Reflect(const google::protobuf::DescriptorPool& pool,
                                                            const std::vector<std::string>& services,
                                                            const grpc::reflection::v1alpha::ServerReflectionRequest& request);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_RPC_REFLECTION_H_
