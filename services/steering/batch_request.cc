#include "services/steering/batch_request.h"

#include "fairlead/steering/v1/steering_service.pb.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/wire_format_lite.h"
#include "services/steering/codec.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr uint32_t BytesTag(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
}
constexpr uint32_t NumberTag(int field) {
  return static_cast<uint32_t>(field) << 3 | WireFormatLite::WIRETYPE_VARINT;
}

CodedInputStream Over(absl::string_view bytes) {
  return CodedInputStream(reinterpret_cast<const uint8_t*>(bytes.data()), static_cast<int>(bytes.size()));
}

// What follows a tag of BytesTag, where it lies in `bytes`.
bool ReadBytes(CodedInputStream& in, absl::string_view bytes, absl::string_view& field) {
  uint32_t size = 0;
  if (!in.ReadVarint32(&size) || size > bytes.size()) return false;
  field = bytes.substr(static_cast<size_t>(in.CurrentPosition()), size);
  return field.size() == size && in.Skip(static_cast<int>(size));
}

}  // namespace

bool BatchRequest::Read(const grpc::ByteBuffer& buffer) {
  id_ = 0;
  requests_.clear();
  if (!buffer.TrySingleSlice(&bytes_).ok() && !buffer.DumpToSingleSlice(&bytes_).ok()) return false;
  const absl::string_view bytes(reinterpret_cast<const char*>(bytes_.begin()), bytes_.size());
  CodedInputStream in = Over(bytes);
  bool good = true;
  uint32_t tag = 0;
  while (good && (tag = in.ReadTag()) != 0) {
    if (tag == BytesTag(sv1::SteerStreamRequest::kRequestsFieldNumber)) {
      good = ReadBytes(in, bytes, requests_.emplace_back());
    } else if (tag == NumberTag(sv1::SteerStreamRequest::kIdFieldNumber)) {
      good = in.ReadVarint64(&id_);
    } else {
      good = WireFormatLite::SkipField(&in, tag);
    }
  }
  good = good && in.ConsumedEntireMessage();
  if (!good) requests_.clear();
  return good;
}

Glance GlanceAt(absl::string_view request) {
  Glance glance;
  CodedInputStream in = Over(request);
  bool good = true;
  uint32_t tag = 0;
  while (good && (tag = in.ReadTag()) != 0) {
    uint64_t number = 0;
    switch (tag) {
      case BytesTag(sv1::SteerRequest::kClientAddressFieldNumber):
        good = ReadBytes(in, request, glance.client_address);
        break;
      case BytesTag(sv1::SteerRequest::kSessionIdFieldNumber):
        good = ReadBytes(in, request, glance.session_id);
        break;
      case NumberTag(sv1::SteerRequest::kRequestClassFieldNumber):
        good = in.ReadVarint64(&number);
        glance.request_class = ClassOf(static_cast<sv1::RequestClass>(static_cast<int32_t>(number)));
        break;
      default:
        good = WireFormatLite::SkipField(&in, tag);
    }
  }
  return glance;
}

}  // namespace fairlead
