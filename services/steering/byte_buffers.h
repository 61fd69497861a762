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

// A message that is written where it is sent from: a long one in pieces of 64 KiB, which malloc gives and takes back without the kernel;
// with pieces of 0 bytes each in one of its own size. The memory of pieces of a quarter of kBlock up to kBlock, as usual answers are, is
// kept by the thread that lets go of it: malloc would take it apart and put it together each time.
class SliceChain {
 public:
  static constexpr size_t kBlock = 4 * 1024;
  static constexpr size_t kPiece = 64 * 1024;

  explicit SliceChain(size_t piece = kPiece) : piece_(piece) {}
  ~SliceChain();
  SliceChain(const SliceChain&) = delete;
  SliceChain& operator=(const SliceChain&) = delete;

  // Memory for so many bytes, all of which must be written before Take.
  char* Room(size_t size);
  grpc::ByteBuffer Take();

 private:
  void Close();

  const size_t piece_;
  std::vector<grpc::Slice> done_;
  grpc_slice open_ = {};
  bool has_open_ = false;
  size_t used_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_BYTE_BUFFERS_H_
