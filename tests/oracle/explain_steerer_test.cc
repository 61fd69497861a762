// At steerd's door, too, Explain is Steer with the recorder on: a million different requests of the API, on ten bad evenings, go through
// the code that both calls run (steerer.h), as messages. Explain's answer is Steer's byte for byte, tokens and all; what one refuses the
// other refuses in the same words; and the explanation tells of that answer. The decision itself: explain_oracle_test.
#include <sys/stat.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "gtest/gtest.h"
#include "libs/base/published.h"
#include "libs/clock/fake_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_cache.h"
#include "libs/signing/token_signer.h"
#include "services/steering/batch_request.h"
#include "services/steering/byte_buffers.h"
#include "services/steering/metrics.h"
#include "services/steering/overload_gate.h"
#include "services/steering/serving_state.h"
#include "services/steering/steerer.h"
#include "tests/oracle/troubled_evening.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

constexpr uint32_t kEvenings = 10;
constexpr int kRequestsAnEvening = 100'000;
static_assert(kEvenings * kRequestsAnEvening == 1'000'000 && kEvenings <= TroubledEvening::kSeeds);

sv1::SteerRequest MessageOf(const SteeringRequest& request) {
  sv1::SteerRequest message;
  message.set_client_address(request.client.ToString());
  message.set_title(request.title.name());
  message.set_version(request.version);
  for (const std::string& rendition : request.renditions) message.add_renditions(rendition);
  message.set_max_urls(request.max_urls);
  message.set_session_id(request.session_key);
  return message;
}

// ---- What the explanation says of the answer ----

int FirstPositionOf(const std::string& appliance, const sv1::FileAnswer& answer) {
  for (const sv1::RankedUrl& url : answer.urls()) {
    if (url.appliance() == appliance) return url.position();
  }
  return -1;
}

bool IsRuledOut(const sv1::CandidateVerdicts& candidate) {
  return std::any_of(candidate.layers().begin(), candidate.layers().end(), [](const sv1::LayerVerdict& verdict) {
    return !verdict.passed() && verdict.layer() != "health" && verdict.layer() != "link";  // These only put it behind others.
  });
}

void ExpectExplanationOfFile(const sv1::FileExplanation& said, const sv1::FileAnswer& answer) {
  ASSERT_EQ(said.file_number(), answer.file_number());
  ASSERT_EQ(said.path(), answer.path());
  int found = 0;
  for (const sv1::CandidateVerdicts& candidate : said.candidates()) {
    ASSERT_FALSE(candidate.layers().empty()) << candidate.appliance();
    ASSERT_EQ(candidate.position(), FirstPositionOf(candidate.appliance(), answer)) << candidate.appliance();
    ASSERT_FALSE(candidate.position() >= 0 && IsRuledOut(candidate)) << candidate.appliance();
    for (const sv1::RankedUrl& url : answer.urls()) {
      if (url.appliance() != candidate.appliance()) continue;
      ++found;
      ASSERT_EQ(url.site(), candidate.site());
      ASSERT_EQ(url.rank(), candidate.rank());
    }
  }
  ASSERT_EQ(found, answer.urls_size()) << "a box of the answer isn't among the candidates";
  if (answer.urls().empty()) return;
  ASSERT_TRUE(absl::StartsWith(said.winner(), absl::StrCat(answer.urls(0).appliance(), ": "))) << said.winner();
}

void ExpectExplanation(const sv1::ExplainResponse& said, const sv1::SteerRequest& request) {
  ASSERT_EQ(said.client_address(), request.client_address());
  const sv1::SteerResponse& answer = said.answer();
  ASSERT_EQ(answer.matched_prefix(), said.covering_prefixes().empty() ? "" : said.covering_prefixes().rbegin()->prefix());
  ASSERT_EQ(said.files_size(), answer.files_size());
  for (int i = 0; i < said.files_size(); ++i) {
    ExpectExplanationOfFile(said.files(i), answer.files(i));
    if (testing::Test::HasFatalFailure()) return;
  }
}

// ---- A million ----

class ExplainSteerer : public testing::TestWithParam<uint32_t> {
 protected:
  ExplainSteerer() : evening_(GetParam(), TroubledEvening::Asking::kByApi), serving_(nullptr) {}

  void SetUp() override {
    std::string folder = absl::StrCat(testing::TempDir(), "/keysXXXXXX");
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const std::string key = folder + "/k-1.pem";
    std::ofstream(key) << GenerateEcKeyPair().value().private_pem;
    ASSERT_EQ(chmod(key.c_str(), 0600), 0);
    signer_ = TokenSigner::Open(folder).value();
    tokens_ = std::make_unique<TokenCache>(*signer_);
    auto state = std::make_shared<ServingState>();
    state->table = evening_.table();
    state->key_id = "k-1";
    state->texts = AnswerTexts::Make(*state->table->fleet);
    serving_.Set(std::move(state));
    steerer_ = std::make_unique<Steerer>(serving_, tokens_.get(), ClientAddressPolicy(), clock_, gate_, metrics_);
  }

  absl::StatusOr<std::string> Steer(const sv1::SteerRequest& request) { return Steer(caller_, request); }
  absl::StatusOr<std::string> Steer(const Caller& caller, const sv1::SteerRequest& request) {
    std::string bytes;
    const absl::Status status = steerer_->Steer(caller, request, scratch_, [&](size_t size) {
      bytes.resize(size);
      return bytes.data();
    });
    if (!status.ok()) return status;
    return bytes;
  }

  // The bytes of the results, or the words of what was refused.
  std::vector<std::string> SteerBatch(const sv1::SteerStreamRequest& message) {
    BatchRequest batch;
    EXPECT_TRUE(batch.Read(MakeByteBuffer(message.SerializeAsString())));
    std::string bytes;
    size_t used = 0;
    bytes.resize(size_t{8} << 20);
    EXPECT_TRUE(steerer_
                    ->SteerBatch(caller_, batch, BatchRefusal(), scratch_,
                                 [&](size_t size) { return bytes.data() + std::exchange(used, used + size); })
                    .ok());
    sv1::SteerStreamResponse response;
    EXPECT_TRUE(response.ParseFromArray(bytes.data(), static_cast<int>(used)));
    return ResultsOf(response);
  }

  static std::vector<std::string> ResultsOf(const sv1::SteerStreamResponse& response) {
    std::vector<std::string> results;
    for (const sv1::SteerResult& result : response.results()) {
      results.push_back(result.has_error() ? result.error().message() : result.response().SerializeAsString());
    }
    return results;
  }

  // Of calls whose turn comes together: unary ones, and messages of streams with one request each.
  std::vector<std::string> SteerTogether(const std::vector<SingleCall>& calls) {
    std::vector<std::string> answers(calls.size());
    steerer_->SteerTurn(calls, scratch_, [&](size_t i, const Answering& one) {
      answers[i] = one.status.ok() ? std::string(one.size, '\0') : std::string(one.status.message());
      if (one.status.ok()) one.writer.Write(answers[i].data());
    });
    return answers;
  }
  std::vector<std::string> SteerStreams(const std::vector<SingleCall>& calls) {
    std::deque<BatchRequest> messages;
    std::vector<SingleBatch> batches;
    for (size_t i = 0; i < calls.size(); ++i) {
      sv1::SteerStreamRequest message;
      message.set_id(100 + i);
      *message.add_requests() = calls[i].request;
      EXPECT_TRUE(messages.emplace_back().Read(MakeByteBuffer(message.SerializeAsString())));
      batches.push_back({calls[i].caller, messages.back()});
    }
    std::vector<std::deque<std::string>> pieces(calls.size());
    steerer_->SteerSingles(batches, scratch_, [&](size_t i, size_t size) { return pieces[i].emplace_back(size, '\0').data(); });
    std::vector<std::string> answers;
    for (size_t i = 0; i < calls.size(); ++i) {
      sv1::SteerStreamResponse response;
      EXPECT_TRUE(response.ParseFromString(absl::StrJoin(pieces[i], "")));
      EXPECT_EQ(response.id(), 100 + i);
      EXPECT_EQ(response.results_size(), 1);
      answers.push_back(ResultsOf(response).front());
    }
    return answers;
  }

  TroubledEvening evening_;
  FakeClock clock_;
  Metrics registry_;
  SteeringMetrics metrics_{registry_};
  OverloadGate gate_{OverloadOptions(), 1, metrics_};
  Published<ServingState> serving_;
  const Caller caller_ = {.principal = ParsePrincipal("service/playback"), .peer = IpAddress::V4(0x7f000001), .forwarded_for = ""};
  AnswerScratch scratch_{metrics_};
  std::unique_ptr<TokenSigner> signer_;
  std::unique_ptr<TokenCache> tokens_;
  std::unique_ptr<Steerer> steerer_;
};

TEST_P(ExplainSteerer, AHundredThousandAnswersInExplanationsAreThoseOfSteerByteForByte) {
  size_t served = 0;
  size_t unservable = 0;
  size_t refused = 0;
  sv1::ExplainRequest explain;
  sv1::ExplainResponse said;  // Kept for its memory.
  for (int number = 0; number < kRequestsAnEvening; ++number) {
    said.Clear();
    *explain.mutable_request() = MessageOf(evening_.Next());
    const absl::StatusOr<std::string> bytes = Steer(explain.request());
    ASSERT_EQ(steerer_->Explain(caller_, explain, said), bytes.status()) << "request " << number << ": " << explain.ShortDebugString();
    if (!bytes.ok()) {
      ++refused;
      continue;
    }
    ASSERT_EQ(said.answer().SerializeAsString(), *bytes) << "request " << number << ": " << explain.ShortDebugString();
    ExpectExplanation(said, explain.request());
    if (HasFatalFailure()) FAIL() << "request " << number << ": " << explain.ShortDebugString();
    (said.answer().verdict() == sv1::SteerResponse::VERDICT_OK ? served : unservable) += 1;
  }
  EXPECT_GT(served, 50'000u);
  EXPECT_GT(unservable, 5'000u);
  EXPECT_GT(refused, 2'000u);
}

// Those of a batch are chosen together, in steps (choose.h).
TEST_P(ExplainSteerer, AnswersOfABatchAreThoseOfSteerByteForByte) {
  size_t answered = 0;
  for (int round = 0; round < 200; ++round) {
    sv1::SteerStreamRequest batch;
    std::vector<std::string> wanted;
    for (int i = 0; i < 1 + round % 40; ++i) {
      sv1::SteerRequest& request = *batch.add_requests();
      request = MessageOf(evening_.Next());
      const absl::StatusOr<std::string> bytes = Steer(request);
      wanted.push_back(bytes.ok() ? *bytes : std::string(bytes.status().message()));
      answered += bytes.ok() ? 1 : 0;
    }
    const std::vector<std::string> found = SteerBatch(batch);
    ASSERT_EQ(found.size(), wanted.size());
    for (size_t i = 0; i < wanted.size(); ++i) {
      ASSERT_EQ(found[i], wanted[i]) << "round " << round << ": " << batch.requests(static_cast<int>(i)).ShortDebugString();
    }
  }
  EXPECT_GT(answered, 3'000u);
}

// A viewer that names its own address or another's, and one that acts for viewers, in one turn.
TEST_P(ExplainSteerer, CallsAnsweredTogetherAreAnsweredAsAloneByteForByte) {
  const Caller viewer = {.principal = {}, .peer = IpAddress::V4(0x7f000001), .forwarded_for = ""};
  size_t answered = 0;
  size_t forbidden = 0;
  for (int round = 0; round < 1'000; ++round) {
    std::deque<sv1::SteerRequest> requests;
    std::vector<SingleCall> calls;
    std::vector<std::string> wanted;
    for (int i = 0; i < 1 + round % AnswerScratch::kInTurn; ++i) {
      const bool own = (round + i) % 3 == 0;
      calls.push_back({own ? viewer : caller_, requests.emplace_back(MessageOf(evening_.Next()))});
      const absl::StatusOr<std::string> bytes = Steer(calls.back().caller, requests.back());
      wanted.push_back(bytes.ok() ? *bytes : std::string(bytes.status().message()));
      answered += bytes.ok() ? 1 : 0;
      forbidden += absl::IsPermissionDenied(bytes.status()) ? 1 : 0;
    }
    ASSERT_EQ(SteerTogether(calls), wanted) << "round " << round;
    ASSERT_EQ(SteerStreams(calls), wanted) << "round " << round;
  }
  EXPECT_GT(answered, 2'000u);
  EXPECT_GT(forbidden, 1'000u);
}

INSTANTIATE_TEST_SUITE_P(Evenings, ExplainSteerer, testing::Range(0u, kEvenings));

}  // namespace
}  // namespace fairlead
