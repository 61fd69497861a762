#include "services/steering/byte_buffers.h"

#include <algorithm>
#include <array>

#include "grpc/support/alloc.h"
#include "grpcpp/support/proto_buffer_reader.h"

namespace fairlead {
namespace {

// The blocks that a thread keeps.
class Blocks {
 public:
  static void* Take() { return closed || kept.count_ == 0 ? gpr_malloc(SliceChain::kBlock) : kept.at_[--kept.count_]; }
  static void Give(void* block) {
    if (closed || kept.count_ == kept.at_.size()) {
      gpr_free(block);
    } else {
      kept.at_[kept.count_++] = block;
    }
  }
  ~Blocks() {
    closed = true;
    while (count_ > 0) gpr_free(at_[--count_]);
  }

 private:
  static thread_local Blocks kept;
  static thread_local bool closed;  // The thread ends.

  std::array<void*, 256> at_;
  size_t count_ = 0;
};
thread_local Blocks Blocks::kept;
thread_local bool Blocks::closed = false;

grpc_slice NewSlice(size_t size) {
  if (size > SliceChain::kBlock || size < SliceChain::kBlock / 4) return grpc_slice_malloc(size);
  void* const block = Blocks::Take();
  return grpc_slice_new_with_user_data(block, size, &Blocks::Give, block);
}

}  // namespace

bool ReadMessage(const grpc::ByteBuffer& bytes, google::protobuf::MessageLite& message) {
  grpc::Slice slice;
  if (bytes.TrySingleSlice(&slice).ok()) return message.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
  grpc::ByteBuffer shared = bytes;  // A reader wants it mutable; the slices are counted, not copied.
  grpc::ProtoBufferReader reader(&shared);
  return reader.status().ok() && message.ParseFromZeroCopyStream(&reader);
}

grpc::ByteBuffer MakeByteBuffer(absl::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

SliceChain::~SliceChain() {
  if (has_open_) grpc_slice_unref(open_);
}

void SliceChain::Close() {
  if (!has_open_) return;
  GRPC_SLICE_SET_LENGTH(open_, used_);
  done_.emplace_back(open_, grpc::Slice::STEAL_REF);
  has_open_ = false;
}

char* SliceChain::Room(size_t size) {
  if (!has_open_ || GRPC_SLICE_LENGTH(open_) - used_ < size) {
    Close();
    open_ = NewSlice(std::max(piece_, size));
    has_open_ = true;
    used_ = 0;
  }
  char* const room = reinterpret_cast<char*>(GRPC_SLICE_START_PTR(open_)) + used_;
  used_ += size;
  return room;
}

grpc::ByteBuffer SliceChain::Take() {
  Close();
  return grpc::ByteBuffer(done_.data(), done_.size());
}

}  // namespace fairlead
