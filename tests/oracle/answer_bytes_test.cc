// The bytes that steerd writes from a decision in numbers say what the decision in words says: on a generated fleet a hundred thousand
// answers are rendered once more, naively, field by field from the words, and compared byte by byte.
#include <sys/stat.h>

#include <cstdint>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "gtest/gtest.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_cache.h"
#include "libs/signing/token_signer.h"
#include "libs/steering/choose.h"
#include "libs/steering/decide.h"
#include "services/steering/answer_writer.h"
#include "services/steering/serving_state.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'007);

class AnswerBytesTest : public testing::Test {
 protected:
  AnswerBytesTest() : world_(Options()), demand_(world_, 17) {}

  static WorldOptions Options() {
    WorldOptions options = WorldOptions::Scaled(0.002);
    options.sites = 60;
    options.boxes = 300;
    options.files = 600;
    options.files_a_box = 40;
    options.files_a_title = 4;
    return options;
  }

  void SetUp() override {
    std::string folder = absl::StrCat(testing::TempDir(), "/keysXXXXXX");
    ASSERT_NE(mkdtemp(folder.data()), nullptr);
    const std::string key = folder + "/k-1.pem";
    std::ofstream(key) << GenerateEcKeyPair().value().private_pem;
    ASSERT_EQ(chmod(key.c_str(), 0600), 0);
    signer_ = TokenSigner::Open(folder).value();
    tokens_ = std::make_unique<TokenCache>(*signer_);

    SteeringInputs inputs = world_.Inputs();
    inputs.version = 3;
    // A file of most titles that nobody holds.
    for (HoldingsView& view : inputs.holdings) {
      std::vector<uint32_t> files = view.files->numbers();
      std::erase_if(files, [](uint32_t file) { return file % 7 == 0; });
      view.files = std::make_shared<const FileSet>(FileSet::Of(std::move(files)));
    }
    // Ports of all kinds, and IPv6 literals.
    for (size_t i = 0; i < inputs.appliances.size(); ++i) {
      for (Endpoint& endpoint : inputs.appliances[i].endpoints) {
        endpoint.scheme = i % 3 == 0 ? "http" : "https";
        endpoint.port = static_cast<uint16_t>(i % 4 == 0 ? 443 : i % 4 == 1 ? 80 : 8'000 + i);
        if (endpoint.family == AddressFamily::kIpv6 && i % 5 == 0) endpoint.host = absl::StrCat("2001:db8::", i % 10);
      }
    }
    for (TitleView& title : inputs.titles) {
      for (FileView& file : title.versions.front().files) {
        if (const auto unusual = unusual_playlists_.find(file.number); unusual != unusual_playlists_.end()) file.playlist = unusual->second;
      }
    }
    state_.table = BuildSteeringTable(std::move(inputs)).value();
    state_.key_id = "k-1";
    state_.texts = AnswerTexts::Make(*state_.table->fleet);
    state_.sources.resize(2);
    state_.sources[0].source = "registry";
    state_.sources[0].position = {7, 300};
    state_.sources[0].heard_at = absl::Seconds(90);
    state_.sources[1].source = "cells/a";
    state_.sources[1].from_disk = true;
  }

  SteeringRequest Request(int number) {
    SeededRandom& random = demand_.random();
    const AddressFamily family = random.OneIn(2) ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
    SteeringRequest request = {
        .client = random.OneIn(10) ? RouteGenerator(random.Next()).Address(family) : demand_.ClientInPrefix(family),
        .title = world_.NameOfTitle(random.OneIn(2) ? demand_.Title() : static_cast<uint32_t>(random.Below(world_.titles())))};
    if (random.OneIn(3)) request.renditions = {absl::StrCat("r00", random.Below(4))};
    if (random.OneIn(100)) request.title = TitleId("no-such-title");
    request.max_urls = static_cast<int>(1 + random.Below(8));
    request.max_pathways = 0;
    if (random.OneIn(2)) request.session_key = absl::StrCat("session-", number);
    if (random.OneIn(9)) request.reported_throughput_bps = random.Below(10'000'000);
    if (random.OneIn(9)) request.family_preference = static_cast<FamilyPreference>(random.Below(5));
    return request;
  }

  RenderContext Context() { return {.state = state_, .tokens = *tokens_, .now = kNow, .monotonic = absl::Seconds(100)}; }

  std::string Written(const SteeringRequest& request, WalkTo walk_to) {
    Choose(*state_.table, request, walk_to, choice_);
    EXPECT_TRUE(writer_.List(choice_, Context()).ok());
    writer_.FetchTokens(Context());
    const absl::StatusOr<size_t> size = writer_.Measure(request, choice_, Context());
    EXPECT_TRUE(size.ok()) << size.status();
    std::string bytes(size.value_or(0) + 8, '#');
    writer_.Write(bytes.data());
    EXPECT_EQ(bytes.substr(bytes.size() - 8), "########") << "more was written than measured";
    bytes.resize(bytes.size() - 8);
    return bytes;
  }

  std::string PlaylistOf(const FileAnswer& file) const {
    if (const auto unusual = unusual_playlists_.find(file.file); unusual != unusual_playlists_.end()) return unusual->second;
    return absl::StrCat(file.path.substr(0, file.path.rfind('/')), "/media.m3u8");
  }

  void RenderUrl(const FileAnswer& file, const Candidate& candidate, const Catalogue::FileRef& ref, sv1::RankedUrl& url) {
    const TokenRequest token = {.title = ref.title->id(),
                                .version = ref.version->version(),
                                .rank = candidate.rank,
                                .position = candidate.position,
                                .cause = candidate.cause};
    const Endpoint& endpoint = candidate.endpoint;
    const std::string host = absl::StrContains(endpoint.host, ':') ? absl::StrCat("[", endpoint.host, "]") : endpoint.host;
    const bool own = (endpoint.scheme == "http" && endpoint.port == 80) || (endpoint.scheme == "https" && endpoint.port == 443);
    const std::string lead = absl::StrCat(endpoint.scheme, "://", host, own ? "" : absl::StrCat(":", endpoint.port),
                                          "/URISigningPackage=", tokens_->Get(token, "k-1", kNow).value(), "/");
    url.set_url(lead + file.path);
    if (const std::string playlist = PlaylistOf(file); !playlist.empty()) url.set_playlist_url(lead + playlist);
    url.set_appliance(candidate.appliance.name());
    url.set_site(candidate.site.name());
    url.set_family(static_cast<common::v1::AddressFamily>(endpoint.family));
    url.set_rank(static_cast<int32_t>(candidate.rank));
    url.set_position(static_cast<int32_t>(candidate.position));
    url.set_cause(static_cast<common::v1::MissCause>(candidate.cause));
    url.mutable_expire_time()->set_seconds(absl::ToUnixSeconds(TokenCache::ClaimsOf(token, absl::Minutes(10), kNow).expires));
  }

  sv1::SteerResponse Rendered(const SteeringAnswer& answer) {
    sv1::SteerResponse response;
    response.set_verdict(sv1::SteerResponse::VERDICT_OK);
    response.mutable_ttl()->set_seconds(60);
    if (answer.matched_prefix.has_value()) response.set_matched_prefix(answer.matched_prefix->ToString());
    if (answer.quality_cap.has_value()) response.set_quality_cap_bps(static_cast<int64_t>(answer.quality_cap->bps));
    for (const FileAnswer& file : answer.files) {
      if (file.not_servable != NotServable::kServable && response.verdict() == sv1::SteerResponse::VERDICT_OK) {
        response.set_verdict(sv1::SteerResponse::VERDICT_NOT_SERVABLE);
        response.mutable_ttl()->set_seconds(5);
        response.set_reason(std::string(ToString(file.not_servable)));
        response.set_reason_detail(file.sentence);
      }
      const Catalogue::FileRef ref = state_.table->catalogue->FindFile(file.file);
      sv1::FileAnswer& out = *response.add_files();
      out.set_file_number(file.file);
      out.set_path(file.path);
      out.set_rendition(std::string(ref.file->rendition()));
      out.set_size_bytes(static_cast<int64_t>(ref.file->size_bytes()));
      out.set_bandwidth_bps(static_cast<int64_t>(ref.file->bitrate_bps()));
      for (const Candidate& candidate : file.candidates) RenderUrl(file, candidate, ref, *out.add_urls());
    }
    sv1::SourceAge& registry = *response.add_sources();
    registry.set_source("registry");
    registry.mutable_position()->set_epoch(7);
    registry.mutable_position()->set_version(300);
    registry.mutable_age()->set_seconds(10);
    sv1::SourceAge& cell = *response.add_sources();
    cell.set_source("cells/a");
    cell.set_from_disk(true);
    return response;
  }

  // A file whose playlist has another name, and one that has none.
  const std::map<uint32_t, std::string> unusual_playlists_ = {{4, "elsewhere/v1/r000/index.m3u8"}, {9, ""}};
  const World world_;
  Demand demand_;
  std::unique_ptr<TokenSigner> signer_;
  std::unique_ptr<TokenCache> tokens_;
  ServingState state_;
  AnswerWriter writer_;
  RequestChoice choice_;
};

TEST_F(AnswerBytesTest, AHundredThousandAnswersAreWrittenAsTheirWordsSay) {
  size_t unservable = 0, empty = 0, partly = 0, capped = 0;
  for (int number = 0; number < 100'000; ++number) {
    const SteeringRequest request = Request(number);
    const SteeringAnswer answer = Decide(*state_.table, request);
    const std::string bytes = Written(request, WalkTo::kEnough);
    const sv1::SteerResponse expected = Rendered(answer);
    if (bytes != expected.SerializeAsString()) {
      sv1::SteerResponse written;
      ASSERT_TRUE(written.ParseFromString(bytes)) << "request " << number;
      ASSERT_EQ(written.DebugString(), expected.DebugString()) << "request " << number;
      FAIL() << "request " << number << ": other bytes for the same message";
    }
    unservable += answer.servable() ? 0 : 1;
    empty += answer.files.empty() ? 1 : 0;
    partly += answer.servable() && expected.verdict() != sv1::SteerResponse::VERDICT_OK ? 1 : 0;
    capped += answer.quality_cap.has_value() ? 1 : 0;
  }
  // Every kind of answer was among them.
  EXPECT_GT(unservable, 500u);
  EXPECT_GT(empty, 500u);
  EXPECT_GT(partly, 500u);
  EXPECT_GT(capped, 500u);
}

// Explain writes from a walk to the end.
TEST_F(AnswerBytesTest, HowFarTheLadderIsWalkedChangesNoByte) {
  for (int number = 0; number < 20'000; ++number) {
    const SteeringRequest request = Request(number);
    const std::string bytes = Written(request, WalkTo::kEnough);
    ASSERT_EQ(bytes, Written(request, WalkTo::kTheEnd)) << "request " << number;
  }
}

}  // namespace
}  // namespace fairlead
