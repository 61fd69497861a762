#include "services/steering/batch_request.h"

#include <array>
#include <random>
#include <string>
#include <vector>

#include "fairlead/steering/v1/steering_service.pb.h"
#include "gtest/gtest.h"
#include "services/steering/byte_buffers.h"
#include "services/steering/codec.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

sv1::SteerRequest RandomRequest(std::mt19937_64& random) {
  sv1::SteerRequest request;
  if (random() % 4 > 0) request.set_client_address("192.0.2." + std::to_string(random() % 256));
  request.set_title("titles/t" + std::to_string(random() % 1'000'000));
  if (random() % 3 == 0) request.set_version("v1");
  for (uint64_t i = random() % 4; i > 0; --i) request.add_renditions("r" + std::to_string(i));
  if (random() % 2 == 0) request.set_session_id(std::string(random() % 200, 's'));
  request.set_request_class(static_cast<sv1::RequestClass>(random() % 6));
  request.set_max_urls(static_cast<int>(random() % 10) - 1);
  return request;
}

void ExpectGlanceOf(const sv1::SteerRequest& request, absl::string_view bytes) {
  const Glance glance = GlanceAt(bytes);
  EXPECT_EQ(glance.request_class, ClassOf(request)) << request.ShortDebugString();
  EXPECT_EQ(glance.client_address, request.client_address());
  EXPECT_EQ(glance.session_id, request.session_id());
}

// In one slice, and in several.
grpc::ByteBuffer InSlices(const std::string& bytes, size_t slices) {
  std::vector<grpc::Slice> parts;
  for (size_t i = 0; i < slices; ++i) {
    const size_t begin = bytes.size() * i / slices;
    parts.emplace_back(bytes.data() + begin, bytes.size() * (i + 1) / slices - begin);
  }
  return grpc::ByteBuffer(parts.data(), parts.size());
}

TEST(BatchRequest, ReadsWhatProtobufReads) {
  std::mt19937_64 random(1);
  BatchRequest batch;
  for (int round = 0; round < 2'000; ++round) {
    sv1::SteerStreamRequest message;
    message.set_id(random() >> (random() % 64));
    for (uint64_t i = random() % 20; i > 0; --i) *message.add_requests() = RandomRequest(random);
    ASSERT_TRUE(batch.Read(InSlices(message.SerializeAsString(), 1 + random() % 3)));
    EXPECT_EQ(batch.id(), message.id());
    ASSERT_EQ(batch.requests().size(), static_cast<size_t>(message.requests_size()));
    for (int i = 0; i < message.requests_size(); ++i) {
      const absl::string_view bytes = batch.requests()[static_cast<size_t>(i)];
      EXPECT_EQ(bytes, message.requests(i).SerializeAsString());
      ExpectGlanceOf(message.requests(i), bytes);
    }
  }
}

TEST(BatchRequest, TheLastOfAFieldThatComesTwiceCounts) {
  sv1::SteerRequest first, second;
  first.set_session_id("first");
  first.set_request_class(sv1::REQUEST_CLASS_PREFETCH);
  second.set_session_id("second");
  second.set_request_class(sv1::REQUEST_CLASS_BACKGROUND);
  const std::string bytes = first.SerializeAsString() + second.SerializeAsString();
  sv1::SteerRequest parsed;
  ASSERT_TRUE(parsed.ParseFromString(bytes));
  ExpectGlanceOf(parsed, bytes);
}

// Whatever comes, nothing outside of it is read; and what protobuf reads of it as a whole, this does too, the same.
TEST(BatchRequest, SpoiltBytesAreRefusedOrReadAsProtobufReadsThem) {
  std::mt19937_64 random(2);
  BatchRequest batch;
  int read = 0;
  int refused = 0;
  for (int round = 0; round < 200'000; ++round) {
    sv1::SteerStreamRequest message;
    message.set_id(random() % 1'000);
    for (int i = 0; i < 3; ++i) *message.add_requests() = RandomRequest(random);
    std::string bytes = message.SerializeAsString();
    for (uint64_t i = 1 + random() % 4; i > 0; --i) bytes[random() % bytes.size()] = static_cast<char>(random());
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    const bool good = batch.Read(InSlices(bytes, 1 + random() % 2));
    ++(good ? read : refused);
    for (const absl::string_view request : batch.requests()) {
      const Glance glance = GlanceAt(request);
      for (const absl::string_view field : {glance.client_address, glance.session_id}) {
        ASSERT_TRUE(field.empty() || (field.data() >= request.data() && field.data() + field.size() <= request.data() + request.size()));
      }
    }
    sv1::SteerStreamRequest parsed;
    if (!parsed.ParseFromString(bytes)) continue;
    ASSERT_TRUE(good) << parsed.ShortDebugString();
    EXPECT_EQ(batch.id(), parsed.id());
    ASSERT_EQ(batch.requests().size(), static_cast<size_t>(parsed.requests_size()));
    for (int i = 0; i < parsed.requests_size(); ++i) ExpectGlanceOf(parsed.requests(i), batch.requests()[static_cast<size_t>(i)]);
  }
  EXPECT_GT(read, 20'000);
  EXPECT_GT(refused, 20'000);
}

}  // namespace
}  // namespace fairlead
