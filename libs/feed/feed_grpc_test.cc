// The feed through real gRPC: a publisher behind a server and clients that follow it, in one process.
#include <gmock/gmock.h>
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "libs/feed/feed_client.h"
#include "libs/feed/feed_publisher.h"
#include "libs/rpc/async_event.h"

namespace fairlead {
namespace {

using registry::v1::ConfigEntry;
using registry::v1::ConfigService;
using registry::v1::WatchConfigRequest;
using registry::v1::WatchConfigResponse;
using Client = FeedClient<WatchConfigRequest, WatchConfigResponse>;

constexpr absl::Duration kPatience = absl::Seconds(20);

bool Eventually(const std::function<bool()>& holds) {
  const absl::Time deadline = absl::Now() + kPatience;
  while (!holds()) {
    if (absl::Now() > deadline) return false;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

ConfigEntry Generation(const std::string& id, const std::string& generation) {
  ConfigEntry entry;
  entry.set_key(id);
  entry.mutable_generation()->set_generation(generation);
  return entry;
}

class Service final : public ConfigService::WithRawCallbackMethod_WatchConfig<ConfigService::Service> {
 public:
  explicit Service(FeedPublisher* publisher) : publisher_(publisher) {}
  FeedReactor* WatchConfig(grpc::CallbackServerContext* context, const grpc::ByteBuffer* raw) override {
    const absl::StatusOr<WatchConfigRequest> request = ParseFeedRequest<WatchConfigRequest>(*raw);
    if (!request.ok()) return RefuseFeed(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "malformed"));
    return publisher_->Subscribe(context, FeedPositionFromProto(request->held()), request->subscriber());
  }

 private:
  FeedPublisher* const publisher_;
};

// A publisher behind a server; `port` stays the same over restarts.
struct Publishing {
  explicit Publishing(FeedPublisherOptions options, int wanted_port = 0)
      : publisher(WithDefaults(std::move(options))), service(&publisher) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(absl::StrCat("127.0.0.1:", wanted_port), grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(&service);
    server = builder.BuildAndStart();
  }
  ~Publishing() {
    publisher.Shutdown();
    server->Shutdown();
  }
  static FeedPublisherOptions WithDefaults(FeedPublisherOptions options) {
    options.name = "test";
    options.heartbeat_interval = absl::Milliseconds(100);
    return options;
  }
  absl::Status Set(const std::string& id, const std::string& generation) {
    return publisher.Publish({EncodeEntry(Generation(id, generation))});
  }

  FeedPublisher publisher;
  Service service;
  int port = 0;
  std::unique_ptr<grpc::Server> server;
};

// A client with a table of its own, and a count of what came.
class Following {
 public:
  explicit Following(int port, ShrinkGuard guard = {}, FeedPosition held = {}, std::map<std::string, std::string> table = {},
                     grpc::CompletionQueue* shared = nullptr)
      : table_(std::move(table)),
        stub_(ConfigService::NewStub(grpc::CreateChannel(absl::StrCat("127.0.0.1:", port), grpc::InsecureChannelCredentials()))) {
    FeedClientOptions<WatchConfigRequest, WatchConfigResponse> options;
    options.name = "test";
    options.heartbeat_interval = absl::Milliseconds(200);
    options.backoff = {.first = absl::Milliseconds(10), .most = absl::Milliseconds(100)};
    options.shrink_guard = guard;
    options.held = held;
    options.queue = shared;
    for (const auto& [key, value] : table_) options.held_keys.Insert(key);
    options.start = [this](auto* context, const auto& request, auto* queue) {
      return stub_->PrepareAsyncWatchConfig(context, request, queue);
    };
    options.apply = [this](const FeedChange<ConfigEntry>& change) { return Apply(change); };
    client_ = std::make_unique<Client>(std::move(options));
    client_->Start();
  }

  absl::Status Apply(const FeedChange<ConfigEntry>& change) {
    absl::MutexLock lock(&mu_);
    if (refuse_ > 0) {
      --refuse_;
      return absl::InternalError("the owner refuses");
    }
    (change.snapshot ? snapshots_ : deltas_) += 1;
    if (change.snapshot) table_.clear();
    for (const ConfigEntry& entry : change.entries) {
      if (IsRemoval(entry)) {
        table_.erase(entry.key());
      } else {
        table_[entry.key()] = entry.generation().generation();
      }
    }
    sizes_.push_back(table_.size());
    return absl::OkStatus();
  }
  bool Holds(const std::map<std::string, std::string>& wanted) {
    return Eventually([&] {
      absl::MutexLock lock(&mu_);
      return table_ == wanted;
    });
  }
  int snapshots() {
    absl::MutexLock lock(&mu_);
    return snapshots_;
  }
  int deltas() {
    absl::MutexLock lock(&mu_);
    return deltas_;
  }
  std::vector<size_t> sizes() {
    absl::MutexLock lock(&mu_);
    return sizes_;
  }
  void RefuseNext(int changes) {
    absl::MutexLock lock(&mu_);
    refuse_ = changes;
  }
  Client& client() { return *client_; }

 private:
  absl::Mutex mu_;
  std::map<std::string, std::string> table_;
  std::vector<size_t> sizes_;
  int snapshots_ = 0;
  int deltas_ = 0;
  int refuse_ = 0;
  std::unique_ptr<ConfigService::Stub> stub_;
  std::unique_ptr<Client> client_;
};

TEST(FeedGrpcTest, ASubscriberGetsASnapshotAndThenDeltas) {
  Publishing feed({.start = {5, 0}});
  ASSERT_TRUE(feed.Set("a", "1").ok());
  Following follower(feed.port);
  ASSERT_TRUE(follower.Holds({{"a", "1"}}));
  ASSERT_TRUE(feed.Set("b", "1").ok());
  ASSERT_TRUE(feed.publisher.Publish({EncodedEntry::Removal("a")}).ok());
  ASSERT_TRUE(follower.Holds({{"b", "1"}}));
  EXPECT_EQ(follower.snapshots(), 1);
  EXPECT_GE(follower.deltas(), 1);
  EXPECT_TRUE(Eventually([&] { return follower.client().stats().held == FeedPosition{5, 3}; }));
}

// As a server's is: one thread hands its events over.
class SharedQueue {
 public:
  SharedQueue() : thread_([this] { Run(); }) {}
  ~SharedQueue() {
    queue_.Shutdown();
    thread_.join();
  }
  grpc::CompletionQueue* get() { return &queue_; }

 private:
  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) static_cast<AsyncEvent*>(tag)->Proceed(ok);
  }

  grpc::CompletionQueue queue_;
  std::thread thread_;
};

TEST(FeedGrpcTest, ClientsOnAQueueOfSomebodyElsesFollowReconnectAndStopAlike) {
  SharedQueue queue;
  auto feed = std::make_unique<Publishing>(FeedPublisherOptions{.start = {5, 0}});
  const int port = feed->port;
  Following follower(port, {}, {}, {}, queue.get());
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(feed->Set("a", absl::StrCat(i)).ok());
    const Following passer_by(port, {}, {}, {}, queue.get());  // Stopped wherever it is.
  }
  ASSERT_TRUE(follower.Holds({{"a", "19"}}));
  feed.reset();
  EXPECT_TRUE(Eventually([&] { return !follower.client().stats().connected; }));
  feed = std::make_unique<Publishing>(FeedPublisherOptions{.start = {6, 0}}, port);
  ASSERT_TRUE(feed->Set("a", "new").ok());
  ASSERT_TRUE(follower.Holds({{"a", "new"}}));
}

TEST(FeedGrpcTest, PublishingWhatIsAlreadyThereIsNoNewVersion) {
  Publishing feed({.start = {5, 0}});
  ASSERT_TRUE(feed.Set("a", "1").ok());
  ASSERT_TRUE(feed.Set("a", "1").ok());
  EXPECT_EQ(feed.publisher.position(), (FeedPosition{5, 1}));
}

TEST(FeedGrpcTest, AReturningSubscriberResumesByDelta) {
  Publishing feed({.start = {5, 0}});
  ASSERT_TRUE(feed.Set("a", "1").ok());
  ASSERT_TRUE(feed.Set("b", "1").ok());
  Following follower(feed.port, {}, {5, 1}, {{"a", "1"}});
  ASSERT_TRUE(follower.Holds({{"a", "1"}, {"b", "1"}}));
  EXPECT_EQ(follower.snapshots(), 0);
  EXPECT_EQ(follower.deltas(), 1);
}

TEST(FeedGrpcTest, ASubscriberBeyondTheLogIsResynchronisedBySnapshot) {
  Publishing feed({.start = {5, 0}, .limits = {.log_entries = 4}});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(feed.Set("a", absl::StrCat(i)).ok());
  Following follower(feed.port, {}, {5, 1}, {{"a", "0"}, {"vanished", "1"}});
  ASSERT_TRUE(follower.Holds({{"a", "9"}}));
  EXPECT_EQ(follower.snapshots(), 1);
}

TEST(FeedGrpcTest, APublisherThatRestartsWithAHigherEpochIsFollowed) {
  auto feed = std::make_unique<Publishing>(FeedPublisherOptions{.start = {5, 0}});
  ASSERT_TRUE(feed->Set("a", "1").ok());
  ASSERT_TRUE(feed->Set("a", "2").ok());
  const int port = feed->port;
  Following follower(port);
  ASSERT_TRUE(follower.Holds({{"a", "2"}}));
  feed.reset();
  EXPECT_TRUE(Eventually([&] { return !follower.client().stats().connected; }));
  EXPECT_TRUE(follower.Holds({{"a", "2"}})) << "what is held stays in force";
  feed = std::make_unique<Publishing>(FeedPublisherOptions{.start = {6, 0}}, port);
  ASSERT_EQ(feed->port, port);
  ASSERT_TRUE(feed->Set("a", "3").ok());
  ASSERT_TRUE(follower.Holds({{"a", "3"}}));
  EXPECT_EQ(follower.client().stats().held.epoch, 6u);
}

TEST(FeedGrpcTest, APublisherThatIsBehindIsWaitedForAndNeverFollowedBack) {
  Publishing feed({.start = {5, 7}});
  ASSERT_TRUE(feed.Set("a", "old").ok());
  Following follower(feed.port, {}, {5, 9}, {{"a", "new"}});
  EXPECT_TRUE(Eventually([&] { return follower.client().stats().publisher_behind; }));
  EXPECT_TRUE(follower.Holds({{"a", "new"}}));
  EXPECT_EQ(follower.client().stats().age, absl::InfiniteDuration()) << "a publisher that is behind confirms nothing";
  ASSERT_TRUE(feed.publisher.PublishAt({5, 12}, {EncodeEntry(Generation("a", "newest"))}).ok());
  EXPECT_TRUE(follower.Holds({{"a", "newest"}}));
  EXPECT_TRUE(Eventually([&] { return !follower.client().stats().publisher_behind; }));
}

TEST(FeedGrpcTest, APublisherOfALowerEpochIsNotFollowed) {
  Publishing feed({.start = {4, 0}});
  ASSERT_TRUE(feed.Set("a", "old").ok());
  Following follower(feed.port, {}, {5, 1}, {{"a", "new"}});
  EXPECT_TRUE(Eventually([&] { return follower.client().stats().publisher_behind; }));
  EXPECT_TRUE(follower.Holds({{"a", "new"}}));
  EXPECT_EQ(follower.snapshots() + follower.deltas(), 0);
}

TEST(FeedGrpcTest, ASnapshotInManyMessagesIsAppliedAtOnce) {
  Publishing feed({.start = {5, 0}, .limits = {.chunk_bytes = 2000}});
  std::vector<EncodedEntry> entries;
  for (int i = 0; i < 5000; ++i) entries.push_back(EncodeEntry(Generation(absl::StrCat("oca-", i), "1")));
  ASSERT_TRUE(feed.publisher.Publish(std::move(entries)).ok());
  Following follower(feed.port);
  ASSERT_TRUE(Eventually([&] { return follower.snapshots() == 1; }));
  EXPECT_THAT(follower.sizes(), ::testing::ElementsAre(5000));
  EXPECT_GT(feed.publisher.stats().messages, 20u);
}

TEST(FeedGrpcTest, ASharplySmallerSnapshotIsNotBelievedUntilThePublisherHasInsisted) {
  Publishing feed({.start = {6, 0}});
  ASSERT_TRUE(feed.Set("a", "1").ok());
  std::map<std::string, std::string> held;
  for (int i = 0; i < 100; ++i) held[absl::StrCat("oca-", i)] = "1";
  Following patient(feed.port, {.hold_for = absl::Hours(1)}, {5, 1}, held);
  EXPECT_TRUE(Eventually([&] { return patient.client().stats().refused_changes >= 2; }));
  EXPECT_TRUE(patient.Holds(held));
  Following hasty(feed.port, {.hold_for = absl::Milliseconds(50)}, {5, 1}, held);
  EXPECT_TRUE(hasty.Holds({{"a", "1"}}));
  EXPECT_GE(hasty.client().stats().refused_changes, 1u);
}

TEST(FeedGrpcTest, AnEmptySnapshotIsNeverSilentlyNewer) {
  EXPECT_TRUE(IsSharplySmaller(1, 0, {}));
  EXPECT_FALSE(IsSharplySmaller(0, 0, {}));
  EXPECT_FALSE(IsSharplySmaller(19, 1, {}));
  EXPECT_TRUE(IsSharplySmaller(20, 9, {}));
  EXPECT_FALSE(IsSharplySmaller(20, 10, {}));
}

TEST(FeedGrpcTest, AChangeThatTheOwnerRefusesIsOfferedAgain) {
  Publishing feed({.start = {5, 0}});
  ASSERT_TRUE(feed.Set("a", "1").ok());
  Following follower(feed.port);
  ASSERT_TRUE(follower.Holds({{"a", "1"}}));
  follower.RefuseNext(2);
  ASSERT_TRUE(feed.Set("a", "2").ok());
  EXPECT_TRUE(follower.Holds({{"a", "2"}}));
  EXPECT_GE(follower.client().stats().refused_changes, 2u);
}

TEST(FeedGrpcTest, APublisherWithNothingYetSaysUnavailableAndIsFollowedOnceItHasAPosition) {
  Publishing feed({.start = {}});
  Following follower(feed.port);
  EXPECT_TRUE(Eventually([&] { return follower.client().stats().last_error.code() == absl::StatusCode::kUnavailable; }));
  EXPECT_EQ(feed.publisher.Publish({}).code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(feed.publisher.PublishWhole({1, 17}, EncodeEntries(std::vector<ConfigEntry>{Generation("a", "1")})).ok());
  EXPECT_TRUE(follower.Holds({{"a", "1"}}));
}

TEST(FeedGrpcTest, SubscribersAreBounded) {
  Publishing feed({.start = {5, 0}, .most_subscribers = 1});
  Following first(feed.port);
  ASSERT_TRUE(Eventually([&] { return first.client().stats().connected; }));
  Following second(feed.port);
  EXPECT_TRUE(Eventually([&] { return second.client().stats().last_error.code() == absl::StatusCode::kResourceExhausted; }));
  EXPECT_GE(feed.publisher.stats().refused_subscribers, 1u);
}

TEST(FeedGrpcTest, AQuietPublisherIsToldFromADeadOneByItsHeartbeats) {
  Publishing feed({.start = {5, 0}});
  Following follower(feed.port);
  ASSERT_TRUE(Eventually([&] { return follower.client().stats().connected; }));
  const uint64_t before = feed.publisher.stats().messages;
  EXPECT_TRUE(Eventually([&] { return feed.publisher.stats().messages >= before + 8; }));
  EXPECT_EQ(follower.client().stats().streams, 1u) << "nothing changed, and yet the stream was kept for dead";
  EXPECT_LT(follower.client().stats().age, absl::Seconds(5));
}

// A server that accepts a stream and never says anything.
class Mute final : public ConfigService::WithCallbackMethod_WatchConfig<ConfigService::Service> {
 public:
  class Stream final : public grpc::ServerWriteReactor<WatchConfigResponse> {
   public:
    void OnCancel() override { Finish(grpc::Status::CANCELLED); }
    void OnDone() override { delete this; }
  };
  grpc::ServerWriteReactor<WatchConfigResponse>* WatchConfig(grpc::CallbackServerContext*, const WatchConfigRequest*) override {
    ++streams;
    return new Stream;
  }
  std::atomic<int> streams = 0;
};

TEST(FeedGrpcTest, AStreamThatIsQuietForThreeHeartbeatsIsTakenForDead) {
  Mute mute;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(&mute);
  const std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  {
    Following follower(port);
    EXPECT_TRUE(Eventually([&] { return mute.streams >= 2; }));
    EXPECT_EQ(follower.client().stats().last_error.code(), absl::StatusCode::kDeadlineExceeded);
    EXPECT_FALSE(follower.client().stats().connected);
  }
  server->Shutdown();
}

TEST(FeedGrpcTest, ASlowSubscriberIsSentAFewWholeVersionsAndNotEveryOne) {
  Publishing feed({.start = {5, 0}, .limits = {.log_entries = 100}});
  const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", feed.port), grpc::InsecureChannelCredentials());
  const auto stub = ConfigService::NewStub(channel);
  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReader<WatchConfigResponse>> reader = stub->WatchConfig(&context, WatchConfigRequest());
  const std::string large(100'000, 'x');
  constexpr int kVersions = 2000;  // 200 MB, if each was buffered.
  for (int i = 1; i <= kVersions; ++i) ASSERT_TRUE(feed.Set("a", absl::StrCat(i, large)).ok());
  EXPECT_LT(feed.publisher.stats().messages, 1000u) << "what the transport takes, not what was published";
  // Reading on, it arrives at the newest version, and never goes back.
  FeedReplica<WatchConfigResponse> replica;
  WatchConfigResponse message;
  std::string newest;
  while (newest != absl::StrCat(kVersions, large) && reader->Read(&message)) {
    auto offered = replica.Offer(std::move(message));
    ASSERT_TRUE(offered.ok()) << offered.status();
    if (!offered->has_value()) continue;
    replica.Commit(**offered);
    if (!(*offered)->entries.empty()) newest = (*offered)->entries.back().generation().generation();
  }
  EXPECT_EQ(newest, absl::StrCat(kVersions, large));
  context.TryCancel();
  (void)reader->Finish();
}

TEST(FeedGrpcTest, ASubscriberThatTakesNothingIsCutOff) {
  Publishing feed({.start = {5, 0}, .write_timeout = absl::Milliseconds(200)});
  const auto channel = grpc::CreateChannel(absl::StrCat("127.0.0.1:", feed.port), grpc::InsecureChannelCredentials());
  const auto stub = ConfigService::NewStub(channel);
  grpc::ClientContext context;
  const std::unique_ptr<grpc::ClientReader<WatchConfigResponse>> reader = stub->WatchConfig(&context, WatchConfigRequest());
  const std::string large(1'000'000, 'x');
  int version = 0;
  EXPECT_TRUE(Eventually([&] {
    EXPECT_TRUE(feed.Set("a", absl::StrCat(++version, large)).ok());
    return feed.publisher.stats().cut_off_subscribers == 1;
  }));
  EXPECT_TRUE(Eventually([&] { return feed.publisher.stats().subscribers == 0; }));
  context.TryCancel();
  (void)reader->Finish();
}

TEST(FeedGrpcTest, ManySubscribersAndPublishersEndWithTheSameTable) {
  Publishing feed({.start = {5, 0}, .limits = {.chunk_bytes = 300, .log_entries = 50}});
  std::vector<std::unique_ptr<Following>> followers;
  for (int i = 0; i < 8; ++i) followers.push_back(std::make_unique<Following>(feed.port));
  std::vector<std::thread> publishers;
  for (int p = 0; p < 4; ++p) {
    publishers.emplace_back([&feed, p] {
      for (int i = 0; i < 300; ++i) {
        std::vector<EncodedEntry> changes = {EncodeEntry(Generation(absl::StrCat("oca-", p, "-", i % 20), absl::StrCat(i)))};
        if (i % 7 == 0) changes.push_back(EncodedEntry::Removal(absl::StrCat("oca-", p, "-", i % 13)));
        EXPECT_TRUE(feed.publisher.Publish(std::move(changes)).ok());
      }
    });
  }
  for (std::thread& publisher : publishers) publisher.join();
  const FeedPosition last = feed.publisher.position();
  for (auto& follower : followers) {
    EXPECT_TRUE(Eventually([&] { return follower->client().stats().held == last; }));
    EXPECT_EQ(follower->client().stats().held_entries, feed.publisher.stats().entries);
    EXPECT_EQ(follower->client().stats().refused_changes, 0u);
  }
}

}  // namespace
}  // namespace fairlead
