// Budgets, classes, session-bound URLs and the bytes that go out, through the front door; the order of work by itself.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fairlead/common/v1/error_details.pb.h"
#include "grpcpp/completion_queue.h"
#include "libs/base/retry_after.h"
#include "libs/content/paths.h"
#include "libs/rpc/status.h"
#include "services/steering/server_fixture.h"
#include "services/steering/work_queue.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(SteeringServerTest, TheBytesOfAnAnswerAreThoseThatProtobufWouldWrite) {
  StartWithWorld();
  SteeringMetrics metrics(*metrics_);
  AnswerScratch scratch(metrics);
  const Caller caller{.principal = ParsePrincipal("service/playback"), .peer = *IpAddress::Parse("127.0.0.1"), .forwarded_for = ""};
  for (const char* client : {kInside, kOutside, "2001:db8:100::1"}) {
    for (int urls = 1; urls <= 8; ++urls) {
      sv1::SteerRequest request = Request(client);
      request.set_max_urls(urls);
      WireBuffer bytes;
      ASSERT_TRUE(server_->steerer().Steer(caller, request, scratch, bytes).ok());
      sv1::SteerResponse read;
      ASSERT_TRUE(read.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.size())));
      EXPECT_EQ(read.SerializeAsString(), std::string(bytes.view())) << read.ShortDebugString();
      EXPECT_EQ(read.files_size(), 3);
    }
  }
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

class Noted final : public AsyncEvent {
 public:
  Noted(std::string name, std::vector<std::string>& log) : name_(std::move(name)), log_(log) {}
  void Proceed(bool, WorkQueue&) override {}
  void Work(const absl::Status& refusal) override { log_.push_back(absl::StrCat(name_, refusal.ok() ? "" : " refused")); }

 private:
  const std::string name_;
  std::vector<std::string>& log_;
};

TEST(WorkQueueTest, TheMostUrgentIsWorkedOnFirstAndWhatFindsNoRoomIsRefused) {
  Metrics registry;
  SteeringMetrics metrics(registry);
  OverloadGate gate({.max_backlog = 3}, 1, metrics);
  WorkQueue work(gate, 0);
  std::vector<std::string> log;
  Noted prefetch("prefetch", log), late("late prefetch", log), background("background", log), first("first", log), second("second", log);
  work.Offer(&prefetch, RequestClass::kPrefetch, 0);
  work.Offer(&background, RequestClass::kBackground, 0);
  work.Offer(&first, RequestClass::kPlaybackStart, 0);
  work.Offer(&late, RequestClass::kPrefetch, 0);
  work.Offer(&second, RequestClass::kPlaybackStart, 0);
  grpc::CompletionQueue queue;
  queue.Shutdown();
  work.Drain(queue);
  EXPECT_THAT(log, ElementsAre("late prefetch refused", "prefetch refused", "first", "second", "background"));
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
