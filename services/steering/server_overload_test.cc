// Budgets, classes, session-bound URLs and the bytes that go out, through the front door; the order of work by itself.
#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "fairlead/common/v1/error_details.pb.h"
#include "grpcpp/alarm.h"
#include "grpcpp/completion_queue.h"
#include "libs/base/retry_after.h"
#include "libs/content/paths.h"
#include "libs/rpc/status.h"
#include "services/steering/batch_request.h"
#include "services/steering/byte_buffers.h"
#include "services/steering/server_fixture.h"
#include "services/steering/work_queue.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

TEST_F(SteeringServerTest, TheBytesOfAnAnswerAreThoseThatProtobufWouldWrite) {
  StartWithWorld();
  SteeringMetrics metrics(*metrics_);
  AnswerScratch scratch(metrics);
  const Caller caller{.principal = ParsePrincipal("service/playback"), .peer = *IpAddress::Parse("127.0.0.1"), .forwarded_for = ""};
  for (const char* client : {kInside, kOutside, "2001:db8:100::1"}) {
    for (int urls = 1; urls <= 8; ++urls) {
      sv1::SteerRequest request = Request(client);
      request.set_max_urls(urls);
      std::string bytes;
      const auto room = [&](size_t size) {
        bytes.resize(size);
        return bytes.data();
      };
      ASSERT_TRUE(server_->steerer().Steer(caller, request, scratch, room).ok());
      sv1::SteerResponse read;
      ASSERT_TRUE(read.ParseFromString(bytes));
      EXPECT_EQ(read.SerializeAsString(), bytes) << read.ShortDebugString();
      EXPECT_EQ(read.files_size(), 3);
    }
  }
}

// More than a turn's worth, so that refused and spoilt ones lie within turns and between them.
TEST_F(SteeringServerTest, OfABatchTheRefusedAndTheSpoiltGetErrorsAndTheOthersAnswers) {
  constexpr size_t kRequests = 40;
  StartWithWorld();
  SteeringMetrics metrics(*metrics_);
  AnswerScratch scratch(metrics);
  const Caller caller{.principal = ParsePrincipal("service/playback"), .peer = *IpAddress::Parse("127.0.0.1"), .forwarded_for = ""};
  sv1::SteerStreamRequest message;
  message.set_id(7);
  std::vector<uint8_t> refused(kRequests, BatchRefusal::kAdmitted);
  for (size_t i = 0; i < kRequests; ++i) {
    *message.add_requests() = Request(kInside);
    if (i % 3 == 1) refused[i] = static_cast<uint8_t>(i % 2 == 0 ? RequestClass::kBackground : RequestClass::kPrefetch);
  }
  std::string bytes = message.SerializeAsString();
  // The title of the sixth: no UTF-8 any more, which protobuf doesn't take for a string.
  size_t at = 0;
  for (int i = 0; i <= 5; ++i) at = bytes.find("titles/movie", at + 1);
  bytes[at] = static_cast<char>(0xff);
  BatchRequest batch;
  ASSERT_TRUE(batch.Read(MakeByteBuffer(bytes)));
  std::string written(size_t{1} << 20, '\0');
  size_t used = 0;
  const auto room = [&](size_t size) { return written.data() + std::exchange(used, used + size); };
  ASSERT_TRUE(
      server_->steerer().SteerBatch(caller, batch, {.whole = {}, .some = refused, .retry_after = absl::Seconds(2)}, scratch, room).ok());
  sv1::SteerStreamResponse response;
  ASSERT_TRUE(response.ParseFromArray(written.data(), static_cast<int>(used)));
  EXPECT_EQ(response.id(), 7u);
  ASSERT_EQ(response.results_size(), static_cast<int>(kRequests));
  for (size_t i = 0; i < kRequests; ++i) {
    const sv1::SteerResult& result = response.results(static_cast<int>(i));
    if (i == 5) {
      EXPECT_EQ(result.error().code(), grpc::StatusCode::INVALID_ARGUMENT);
      EXPECT_THAT(result.error().message(), HasSubstr("no message of its type"));
    } else if (i % 3 == 1) {
      EXPECT_EQ(result.error().code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << i;
      EXPECT_THAT(result.error().message(), HasSubstr(i % 2 == 0 ? "of class BACKGROUND" : "of class PREFETCH"));
      EXPECT_THAT(result.error().message(), HasSubstr("try again in 2s"));
    } else {
      EXPECT_EQ(result.response().files_size(), 3) << i << ": " << result.error().message();
    }
  }
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_shed_total{class=\"background\",why=\"overload\"} 6\n"));
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_shed_total{class=\"prefetch\",why=\"overload\"} 7\n"));
}

TEST_F(SteeringServerTest, UrlsAreBoundToASessionWhereThatIsAskedFor) {
  StartWithWorld();
  sv1::SteerRequest request = Request(kInside);
  request.set_session_id("Session_1");
  const auto session_of = [&](const sv1::SteerResponse& response) {
    const std::string& url = response.files(0).urls(0).url();
    const SignedPath path = ParseSignedPath(url.substr(url.find("/URI"))).value();
    const TokenVerdict verdict = verifier_.Verify(path.token, clock_.Now());
    EXPECT_EQ(verdict.fault, TokenFault::kNone);
    return verdict.claims.session;
  };
  EXPECT_EQ(session_of(MustSteer(request)), "");
  request.set_bind_session(true);
  EXPECT_EQ(session_of(MustSteer(request)), "Session_1");
  request.set_session_id("not a session");
  sv1::SteerResponse response;
  const grpc::Status status = Steer(request, response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_THAT(status.error_message(), HasSubstr("session_id 'not a session'"));
}

TEST_F(SteeringServerTest, AnUnknownClassIsRefusedByName) {
  StartWithWorld();
  sv1::SteerRequest request = Request(kInside);
  request.set_request_class(static_cast<sv1::RequestClass>(9));
  sv1::SteerResponse response;
  EXPECT_THAT(Steer(request, response).error_message(), HasSubstr("request_class '9'"));
  EXPECT_EQ(
      Http("GET", absl::StrCat("/v1/steer?title=titles/movie&client_address=", kInside, "&request_class=REQUEST_CLASS_PREFETCH")).status,
      200);
  const HttpResponse bad = Http("GET", absl::StrCat("/v1/steer?title=titles/movie&client_address=", kInside, "&request_class=urgent"));
  EXPECT_EQ(bad.status, 400);
  EXPECT_THAT(bad.body, HasSubstr("request_class 'urgent'"));
}

TEST_F(SteeringServerTest, ACallerBeyondItsBudgetIsToldWhenToComeAgainAndOthersAreAnswered) {
  sources_->SetUpWorld("k-1");
  SteeringServerOptions options = Options();
  options.overload.callers = {.rate = 0.01, .burst = 3};  // One more after 100 s.
  StartServer(options);
  // Other callers wait until it serves.
  int asked = 0;
  sv1::SteerResponse response;
  ASSERT_TRUE(Eventually([&] { return Steer(Request(kInside), response, absl::StrCat("service/waits-", ++asked)).ok(); }));

  for (int i = 0; i < 3; ++i) EXPECT_TRUE(Steer(Request(kInside), response, "service/eager").ok()) << i;
  const grpc::Status refused = Steer(Request(kInside), response, "service/eager");
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_THAT(refused.error_message(), HasSubstr("budget"));
  EXPECT_GT(RetryAfterOf(FromGrpcStatus(refused)), absl::Seconds(50));
  EXPECT_TRUE(Steer(Request(kInside), response, "service/patient").ok());

  const std::string target = absl::StrCat("/v1/steer?title=titles/movie&client_address=", kInside);
  const HttpResponse http = Http("GET", target, "", "service/eager");
  EXPECT_EQ(http.status, 429);
  const auto retry = std::find_if(http.headers.begin(), http.headers.end(), [](const auto& field) { return field.first == "Retry-After"; });
  ASSERT_NE(retry, http.headers.end());
  EXPECT_THAT(metrics_->Text(), HasSubstr("fairlead_steering_shed_total{class=\"playback_start\",why=\"budget\"} 2"));
}

TEST_F(SteeringServerTest, AStreamOutlivesARefusal) {
  sources_->SetUpWorld("k-1");
  SteeringServerOptions options = Options();
  options.overload.callers = {.rate = 0.01, .burst = 2};
  StartServer(options);
  int asked = 0;
  sv1::SteerResponse response;
  ASSERT_TRUE(Eventually([&] { return Steer(Request(kInside), response, absl::StrCat("service/waits-", ++asked)).ok(); }));
  grpc::ClientContext context;
  SetTimeout(context, kPatience);
  SetPrincipal(context, "service/eager");
  const auto stream = stub_->SteerStream(&context);
  const auto ask = [&](int requests) {
    sv1::SteerStreamRequest batch;
    batch.set_id(static_cast<uint64_t>(requests));
    for (int i = 0; i < requests; ++i) *batch.add_requests() = Request(kInside);
    sv1::SteerStreamResponse answer;
    EXPECT_TRUE(stream->Write(batch));
    EXPECT_TRUE(stream->Read(&answer));
    EXPECT_EQ(answer.id(), static_cast<uint64_t>(requests));
    EXPECT_EQ(answer.results_size(), requests);
    return answer;
  };
  const sv1::SteerStreamResponse refused = ask(3);
  for (const sv1::SteerResult& result : refused.results()) EXPECT_EQ(result.error().code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  const sv1::SteerStreamResponse answered = ask(2);
  for (const sv1::SteerResult& result : answered.results()) EXPECT_EQ(result.response().files_size(), 3);
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

// Streams without a pause on one thread that takes any wait for overload: soon it admits some of the viewers and nothing else.
TEST_F(SteeringServerTest, InABatchOfAllClassesTheLowestAreRefusedAndTheOthersAnswered) {
  constexpr sv1::RequestClass kByUrgency[] = {sv1::REQUEST_CLASS_PLAYBACK_START, sv1::REQUEST_CLASS_BACKGROUND,
                                              sv1::REQUEST_CLASS_PREFETCH};
  constexpr int kSessions = 32;
  sources_->SetUpWorld("k-1");
  SteeringServerOptions options = Options();
  options.threads = 1;
  options.overload.admission = {.target = absl::Nanoseconds(1), .interval = absl::Milliseconds(10), .most = absl::Seconds(10)};
  StartServer(options);
  sv1::SteerResponse response;
  ASSERT_TRUE(Eventually([&] { return Steer(Request(kInside), response).ok(); }));
  sv1::SteerStreamRequest batch;
  for (int session = 0; session < kSessions; ++session) {
    for (const sv1::RequestClass request_class : kByUrgency) {
      sv1::SteerRequest& request = *batch.add_requests();
      request = Request(kInside);
      request.set_session_id(absl::StrCat("s", session));
      request.set_request_class(request_class);
    }
  }
  std::atomic<int> some_refused = 0;
  std::atomic<int> wrong = 0;
  const absl::Time end = absl::Now() + kPatience;
  std::vector<std::thread> callers;
  for (int caller = 0; caller < 8; ++caller) {
    callers.emplace_back([&] {
      grpc::ClientContext context;
      SetTimeout(context, 2 * kPatience);
      SetPrincipal(context, "service/front");
      const auto stream = stub_->SteerStream(&context);
      while (some_refused < 20 && absl::Now() < end) {
        sv1::SteerStreamResponse answer;
        if (!stream->Write(batch) || !stream->Read(&answer) || answer.results_size() != batch.requests_size()) {
          ++wrong;
          break;
        }
        int refused = 0;
        for (int i = 0; i < answer.results_size(); ++i) {
          const bool error = answer.results(i).has_error();
          refused += error ? 1 : 0;
          if (error && answer.results(i).error().code() != grpc::StatusCode::RESOURCE_EXHAUSTED) ++wrong;
          if (!error && answer.results(i).response().files_size() != 3) ++wrong;
          // Of one session the less urgent is never answered where the more urgent one isn't.
          if (i % 3 > 0 && !error && answer.results(i - 1).has_error()) ++wrong;
        }
        if (refused > 0 && refused < answer.results_size()) ++some_refused;
      }
      stream->WritesDone();
      if (!stream->Finish().ok()) ++wrong;
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(wrong, 0);
  EXPECT_GE(some_refused, 20);
  EXPECT_THAT(metrics_->Text(), Not(HasSubstr("fairlead_steering_shed_total{class=\"prefetch\",why=\"overload\"} 0\n")));
}

TEST_F(SteeringServerTest, BadKnobsAreNamed) {
  const auto error = [this](auto change) {
    SteeringServerOptions options = Options();
    change(options);
    Metrics metrics;
    return std::string(SteeringServer::Start(options, metrics, clock_).status().message());
  };
  EXPECT_THAT(error([](auto& o) { o.overload.admission.target = absl::ZeroDuration(); }), HasSubstr("overload_target '0'"));
  EXPECT_THAT(error([](auto& o) { o.overload.callers.rate = -1; }), HasSubstr("caller_rate '-1'"));
  EXPECT_THAT(error([](auto& o) { o.overload.max_backlog = 0; }), HasSubstr("max_backlog '0'"));
  EXPECT_THAT(error([](auto& o) { o.threads = 0; }), HasSubstr("threads '0'"));
  EXPECT_THAT(error([](auto& o) { o.token_cache_entries = 1; }), HasSubstr("token_cache_entries '1'"));
}

class Noted final : public WorkItem {
 public:
  // Of no kind: one of its own.
  Noted(std::string name, std::vector<std::string>& log, const void* kind = nullptr)
      : name_(std::move(name)), log_(log), kind_(kind == nullptr ? this : kind) {}
  void Proceed(bool) override {}
  void Work(absl::Span<WorkItem* const> turn, const absl::Status& refusal) override {
    std::vector<std::string> names;
    for (WorkItem* const item : turn) names.push_back(static_cast<Noted*>(item)->name_);
    log_.push_back(absl::StrCat(absl::StrJoin(names, " + "), refusal.ok() ? "" : " refused"));
  }
  const void* kind() const override { return kind_; }

 private:
  const std::string name_;
  std::vector<std::string>& log_;
  const void* const kind_;
};

TEST(WorkQueueTest, TheMostUrgentIsWorkedOnFirstAndWhatFindsNoRoomIsRefused) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  OverloadGate gate({.max_backlog = 3}, 1, metrics);
  WorkQueue work(gate, 0);
  std::vector<std::string> log;
  Noted prefetch("prefetch", log), late("late prefetch", log), background("background", log), first("first", log), second("second", log);
  work.Offer(&prefetch, {.request_class = RequestClass::kPrefetch});
  work.Offer(&background, {.request_class = RequestClass::kBackground});
  work.Offer(&first, {.request_class = RequestClass::kPlaybackStart});
  work.Offer(&late, {.request_class = RequestClass::kPrefetch});
  work.Offer(&second, {.request_class = RequestClass::kPlaybackStart});
  grpc::CompletionQueue queue;
  queue.Shutdown();
  work.Drain(queue);
  EXPECT_THAT(log, ElementsAre("late prefetch refused", "prefetch refused", "first", "second", "background"));
}

TEST(WorkQueueTest, SingleRequestsOfOneKindThatFollowEachOtherAreWorkedOnTogether) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  OverloadGate gate({}, 1, metrics);
  WorkQueue work(gate, 0);
  std::vector<std::string> log;
  const int kind = 0, other = 0;
  std::deque<Noted> items;
  const auto offer = [&](const std::string& name, const void* of_kind, RequestClass request_class, size_t requests) {
    work.Offer(&items.emplace_back(name, log, of_kind), {.request_class = request_class, .requests = requests});
  };
  offer("low", &kind, RequestClass::kPrefetch, 1);
  offer("a", &kind, RequestClass::kPlaybackStart, 1);
  offer("b", &kind, RequestClass::kPlaybackStart, 1);
  offer("many", &kind, RequestClass::kPlaybackStart, 2);
  offer("c", &kind, RequestClass::kPlaybackStart, 1);
  offer("x", &other, RequestClass::kPlaybackStart, 1);
  offer("y", &other, RequestClass::kBackground, 1);
  for (int i = 0; i < 10; ++i) offer(absl::StrCat(i), &kind, RequestClass::kBackground, 1);
  grpc::CompletionQueue queue;
  queue.Shutdown();
  work.Drain(queue);
  EXPECT_THAT(log, ElementsAre("a + b", "many", "c", "x + y", "0 + 1 + 2 + 3 + 4 + 5 + 6 + 7", "8 + 9 + low"));
}

// What a flood came to.
struct Flood {
  int waiting = 0;
  int most_waiting = 0;
  std::array<int, kRequestClasses> answered{};
  std::array<int, kRequestClasses> refused{};
  int all(const std::array<int, kRequestClasses>& of) const { return of[0] + of[1] + of[2]; }
};

// A request that comes off a completion queue, as an alarm that is due at once.
class Coming final : public WorkItem {
 public:
  Coming(WorkQueue& work, grpc::CompletionQueue& queue, RequestClass request_class, Flood& flood)
      : work_(work), class_(request_class), flood_(flood) {
    alarm_.Set(&queue, std::chrono::system_clock::now(), static_cast<AsyncEvent*>(this));
  }
  void Proceed(bool) override {
    flood_.most_waiting = std::max(flood_.most_waiting, ++flood_.waiting);
    work_.Offer(this, {.request_class = class_, .admitted = work_.Admit(class_, 0)});
  }
  const void* kind() const override { return &flood_; }
  void Work(absl::Span<WorkItem* const> turn, const absl::Status& refusal) override {
    for (WorkItem* const item : turn) static_cast<Coming*>(item)->WorkAlone(refusal);
  }

 private:
  void WorkAlone(const absl::Status& refusal) {
    --flood_.waiting;
    ++(refusal.ok() ? flood_.answered : flood_.refused)[static_cast<size_t>(class_)];
    const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
    while (std::chrono::steady_clock::now() < until) {
    }
  }

  WorkQueue& work_;
  const RequestClass class_;
  Flood& flood_;
  grpc::Alarm alarm_;
};

Flood RunFlood(const std::vector<RequestClass>& classes) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  OverloadGate gate({.admission = {.target = absl::Seconds(100), .most = absl::Seconds(100)}, .max_backlog = 64}, 1, metrics);
  WorkQueue work(gate, 0);
  grpc::CompletionQueue queue;
  Flood flood;
  std::vector<std::unique_ptr<Coming>> requests;
  for (int i = 0; i < 3'000; ++i) {
    requests.push_back(std::make_unique<Coming>(work, queue, classes[static_cast<size_t>(i) % classes.size()], flood));
  }
  queue.Shutdown();
  work.Drain(queue);
  return flood;
}

TEST(WorkQueueTest, AFloodOfTheFirstClassWaitsWhereItIsAndNoneIsRefused) {
  const Flood flood = RunFlood({RequestClass::kPlaybackStart});
  EXPECT_EQ(flood.all(flood.refused), 0);
  EXPECT_EQ(flood.answered[0], 3'000);
  EXPECT_LE(flood.most_waiting, 64);
}

TEST(WorkQueueTest, AFloodOfAllClassesCostsTheLowestAndNoMoreThanWhatIsTakenAhead) {
  const Flood flood = RunFlood({RequestClass::kPlaybackStart, RequestClass::kBackground, RequestClass::kPrefetch});
  EXPECT_EQ(flood.refused[0], 0);
  EXPECT_EQ(flood.refused[1], 0);
  EXPECT_GE(flood.refused[2], 100);
  EXPECT_LE(flood.refused[2], WorkQueue::kAhead * flood.all(flood.answered) + WorkQueue::kMostAhead);
  EXPECT_EQ(flood.all(flood.answered) + flood.refused[2], 3'000);
  EXPECT_LE(flood.most_waiting, 64 + 1);  // The one that comes, and pushes another out.
}

TEST(OverloadGateTest, TheLowestLevelToldCountsAndIsForgottenWhenNobodyTellsIt) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  OverloadGate gate({}, 2, metrics);
  const absl::Duration now = absl::Seconds(1'000);
  EXPECT_TRUE(gate.AdmitByLevel(RequestClass::kPrefetch, 127, now).ok());
  gate.SetLevel(1, Admission::kSteps, now);  // Start of playback only.
  EXPECT_TRUE(gate.AdmitByLevel(RequestClass::kPlaybackStart, 127, now).ok());
  const absl::Status refused = gate.AdmitByLevel(RequestClass::kBackground, 0, now);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_GT(RetryAfterOf(refused), absl::ZeroDuration());
  EXPECT_TRUE(gate.AdmitByLevel(RequestClass::kBackground, 0, now + absl::Seconds(2)).ok());
}

}  // namespace
}  // namespace fairlead
