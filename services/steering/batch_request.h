// A SteerStreamRequest as it came: read piece by piece, so that who is refused costs no parsing, and who is answered is parsed just before
// into memory that is still at hand.
//
//   BatchRequest batch;
//   if (!batch.Read(bytes)) …it is no such message…
//   for (const absl::string_view request : batch.requests()) Glance glance = GlanceAt(request);
//
// The bytes live as long as the object, which isn't moved. Keeps its memory from message to message. One thread at a time.
#ifndef FAIRLEAD_SERVICES_STEERING_BATCH_REQUEST_H_
#define FAIRLEAD_SERVICES_STEERING_BATCH_REQUEST_H_

#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "grpcpp/support/byte_buffer.h"
#include "grpcpp/support/slice.h"
#include "libs/overload/request_class.h"

namespace fairlead {

class BatchRequest {
 public:
  BatchRequest() = default;
  BatchRequest(const BatchRequest&) = delete;
  BatchRequest& operator=(const BatchRequest&) = delete;

  // False if the bytes are no such message; it is empty then. Whether its requests are messages shows when they are parsed. What protobuf
  // reads as a whole is read here too, the same; a tag or size in more bytes than it can need, which protobuf refuses, is read as well.
  bool Read(const grpc::ByteBuffer& bytes);

  uint64_t id() const { return id_; }
  // A serialized SteerRequest each.
  absl::Span<const absl::string_view> requests() const { return requests_; }

 private:
  grpc::Slice bytes_;
  uint64_t id_ = 0;
  std::vector<absl::string_view> requests_;
};

// What overload control asks of a serialized SteerRequest. What can't be read is left as it is here: parsing will refuse it.
struct Glance {
  RequestClass request_class = RequestClass::kPlaybackStart;
  absl::string_view client_address = {};
  absl::string_view session_id = {};
};
Glance GlanceAt(absl::string_view request);

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_BATCH_REQUEST_H_
