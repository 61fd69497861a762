// The few pieces of protobuf wire format that a feed writes and reads by hand, so that an entry is encoded once and shared.
// Source: protobuf.dev, "Encoding".
#ifndef FAIRLEAD_LIBS_FEED_WIRE_H_
#define FAIRLEAD_LIBS_FEED_WIRE_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "libs/feed/position.h"

namespace fairlead {

// FeedFrame.Kind of common/v1/feed.proto.
enum class FrameKind : uint8_t { kSnapshot = 1, kDelta = 2, kHeartbeat = 3 };

void AppendVarint(uint64_t value, std::string& out);
// False, with `in` moved on by an unknown amount, if there is no varint at its start.
bool ConsumeVarint(absl::string_view& in, uint64_t& value);
// A length-delimited field: a string, bytes or a message.
void AppendDelimited(uint32_t field, absl::string_view bytes, std::string& out);
size_t DelimitedSize(uint32_t field, size_t length);

// A FeedFrame message.
std::string EncodeFrame(FrameKind kind, FeedPosition base, FeedPosition position, bool more);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FEED_WIRE_H_
