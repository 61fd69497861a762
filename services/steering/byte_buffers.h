// gRPC's byte buffers ↔ messages and pieces of bytes, with the one copy that is needed.
#ifndef FAIRLEAD_SERVICES_STEERING_BYTE_BUFFERS_H_
#define FAIRLEAD_SERVICES_STEERING_BYTE_BUFFERS_H_

#include <cstddef>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message_lite.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"

namespace fairlead {

// Reads the message, keeping the memory that it has; false if the bytes are none.
bool ReadMessage(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message);

grpc::ByteBuffer MakeByteBuffer(absl::string_view bytes);

// A long message in pieces of 64 KiB, which malloc gives and takes back without the kernel.
class SliceChain {
 public:
  static constexpr size_t kPiece = 64 * 1024;

  ~SliceChain();
  SliceChain() = default;
  SliceChain(const SliceChain&) = delete;
  SliceChain& operator=(const SliceChain&) = delete;

  void Append(absl::string_view bytes);
  grpc::ByteBuffer Take();

 private:
  void Close();

  std::vector<grpc::Slice> done_;
  grpc_slice open_ = {};
  bool has_open_ = false;
  size_t used_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_BYTE_BUFFERS_H_
