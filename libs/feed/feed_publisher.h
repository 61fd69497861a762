// FeedPublisher: a FeedTable behind a server-streaming RPC. One object is one feed (one scope).
//
// The service takes the RPC raw, so that messages are encoded once and shared between subscribers:
//
//   class ConfigServiceImpl final : public
//   ConfigService::WithRawCallbackMethod_WatchConfig<ConfigService::WithCallbackMethod_GetApplianceConfig<
//                                       ConfigService::Service>> {
//     grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
//       const absl::StatusOr<v1::WatchConfigRequest> request = ParseFeedRequest<v1::WatchConfigRequest>(*raw);
//       if (!request.ok()) return RefuseFeed(ToGrpcStatus(request.status()));
//       return PublisherOf(request->scope()).Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
//     }
//   };
//
//   FeedPublisher publisher({.name = "config", .start = {epoch, 0}});
//   publisher.Publish(EncodeEntries(entries));           // Version + 1; nothing if nothing changed.
//   publisher.PublishWhole({epoch, version}, EncodeEntries(all));   // Where versions come from a database: the differences are found.
//
// A subscriber gets a delta from what it holds if the log reaches back so far, else a snapshot; then changes, or a heartbeat each
// `heartbeat_interval`. At most one message a subscriber is in flight and at most one change is prepared for it (shared with the
// others): one that reads slowly skips versions and, beyond the log, is resynchronised by a snapshot. One that takes no message
// for `write_timeout` is cut off. A subscriber that holds a newer position than the publisher gets heartbeats only, until the
// publisher has passed it.
// Before its first position (`start` is nothing) a publisher answers UNAVAILABLE.
//
// Thread-safe. Subscribe only while the server lives; call Shutdown before the server's.
#ifndef FAIRLEAD_LIBS_FEED_FEED_PUBLISHER_H_
#define FAIRLEAD_LIBS_FEED_FEED_PUBLISHER_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "fairlead/common/v1/feed.pb.h"
#include "libs/feed/feed_table.h"
#include "libs/feed/position.h"

namespace fairlead {

FeedPosition FeedPositionFromProto(const common::v1::FeedPosition& position);
common::v1::FeedPosition FeedPositionToProto(FeedPosition position);

// `Entry` is any feed's entry message: string key = 1, oneof value (unset = removal).
template <typename Entry>
EncodedEntry EncodeEntry(const Entry& entry) {
  static_assert(Entry::kKeyFieldNumber == 1, "a feed's entry has its key in field 1");
  if (entry.value_case() == Entry::VALUE_NOT_SET) return EncodedEntry::Removal(entry.key());
  absl::StatusOr<EncodedEntry> encoded = EncodedEntry::FromBytes(entry.SerializeAsString());
  // Only an entry without a key can fail, which is the caller's mistake; a removal of no key changes nothing.
  return encoded.ok() ? *std::move(encoded) : EncodedEntry::Removal("");
}

// `entries` is a vector or a repeated field of entries.
template <typename Entries>
std::vector<EncodedEntry> EncodeEntries(const Entries& entries) {
  std::vector<EncodedEntry> encoded;
  encoded.reserve(static_cast<size_t>(entries.size()));
  for (const auto& entry : entries) encoded.push_back(EncodeEntry(entry));
  return encoded;
}

using FeedReactor = grpc::ServerWriteReactor<grpc::ByteBuffer>;

// Answers a subscriber with an error.
FeedReactor* RefuseFeed(const grpc::Status& status);

// INVALID_ARGUMENT if the bytes are no such message.
template <typename Request>
absl::StatusOr<Request> ParseFeedRequest(const grpc::ByteBuffer& raw) {
  Request request;
  grpc::ByteBuffer copy(raw);  // Deserialize clears what it is given; the copy shares the bytes.
  if (!grpc::SerializationTraits<Request>::Deserialize(&copy, &request).ok()) {
    return absl::InvalidArgumentError("feed request: not a valid message");
  }
  return request;
}

struct FeedPublisherOptions {
  // For log lines: "config".
  std::string name = "feed";
  FeedPosition start = {};
  FeedTableLimits limits = {};
  absl::Duration heartbeat_interval = absl::Seconds(2);
  absl::Duration write_timeout = absl::Seconds(60);
  // More are answered RESOURCE_EXHAUSTED.
  int most_subscribers = 64;
};

// Totals since the start, but for the first four.
struct FeedPublisherStats {
  int subscribers = 0;
  FeedPosition position;
  size_t entries = 0;
  size_t entry_bytes = 0;
  uint64_t changes = 0;
  uint64_t snapshots = 0;  // Sent, by subscriber.
  uint64_t deltas = 0;
  uint64_t messages = 0;
  uint64_t refused_subscribers = 0;
  uint64_t cut_off_subscribers = 0;
};

class FeedPublisher {
 public:
  explicit FeedPublisher(FeedPublisherOptions options);
  ~FeedPublisher();
  FeedPublisher(const FeedPublisher&) = delete;
  FeedPublisher& operator=(const FeedPublisher&) = delete;

  // Goes to the next version, if anything changes. FAILED_PRECONDITION before the first position.
  absl::Status Publish(std::vector<EncodedEntry> changes);
  // Goes to `position` with these changes, even if there are none. Errors as FeedTable::Apply.
  absl::Status PublishAt(FeedPosition position, std::vector<EncodedEntry> changes);
  // Goes to `position`, at which the state is `whole`.
  absl::Status PublishWhole(FeedPosition position, std::vector<EncodedEntry> whole);

  FeedPosition position() const;
  FeedPublisherStats stats() const;

  // For the RPC method to return. The subscriber's name is cut to 100 bytes; it is for the log only.
  FeedReactor* Subscribe(grpc::CallbackServerContext* context, FeedPosition held, absl::string_view subscriber);

  // Ends all streams with UNAVAILABLE; later subscribers get the same.
  void Shutdown();

 private:
  class Hub;
  class Stream;

  std::shared_ptr<Hub> hub_;
  std::thread ticker_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_FEED_FEED_PUBLISHER_H_
