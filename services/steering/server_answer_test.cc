#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "libs/content/paths.h"
#include "services/steering/server_fixture.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

// ---- Answers ----

TEST_F(SteeringServerTest, AClientInsideAPartnerIsSentToItsEmbeddedBoxesFirstByUrlsThatOpenTheFiles) {
  StartWithWorld();
  const sv1::SteerResponse response = MustSteer(Request(kInside));
  EXPECT_EQ(response.matched_prefix(), "198.51.100.0/24");
  EXPECT_GT(response.ttl().seconds(), 0);
  ASSERT_THAT(response.files(), SizeIs(3));
  for (const sv1::FileAnswer& file : response.files()) {
    EXPECT_EQ(file.path(), absl::StrCat("movie/v1/", file.rendition(), "/media.mp4"));
    EXPECT_EQ(file.size_bytes(), 1000 * file.file_number());
    ASSERT_THAT(file.urls(), SizeIs(3));
    EXPECT_EQ(file.urls(0).site(), "sites/emb");
    EXPECT_EQ(file.urls(0).rank(), 0);
    EXPECT_EQ(file.urls(0).cause(), common::v1::MISS_CAUSE_NONE);
    EXPECT_EQ(file.urls(2).site(), "sites/ix");  // The second failure domain.
    for (int i = 0; i < 3; ++i) {
      const sv1::RankedUrl& url = file.urls(i);
      EXPECT_EQ(url.position(), i);
      EXPECT_THAT(url.url(), StartsWith("http://192.0.2."));
      const std::string path = url.url().substr(url.url().find('/', 8));
      const auto signed_path = ParseSignedPath(path);
      ASSERT_TRUE(signed_path.ok()) << signed_path.status();
      EXPECT_EQ(signed_path->path.ToString(), file.path());
      const TokenVerdict verdict = verifier_.Verify(signed_path->token, absl::Now());
      EXPECT_EQ(verdict.fault, TokenFault::kNone) << verdict.detail;
      EXPECT_TRUE(TokenCovers(verdict.claims, file.path()));
      EXPECT_EQ(verdict.claims.position, static_cast<uint32_t>(i));
      EXPECT_EQ(absl::ToUnixSeconds(verdict.claims.expires), url.expire_time().seconds());
      EXPECT_THAT(url.playlist_url(), HasSubstr(absl::StrCat("/movie/v1/", file.rendition(), "/media.m3u8")));
    }
  }
}

TEST_F(SteeringServerTest, WhoAsksForNoPlaylistsGetsTheSameAnswerWithoutThem) {
  StartWithWorld();
  sv1::SteerRequest request = Request(kInside);
  sv1::SteerResponse with = MustSteer(request);
  request.set_omit_playlist_urls(true);
  sv1::SteerResponse without = MustSteer(request);
  size_t urls = 0;
  for (sv1::FileAnswer& file : *with.mutable_files()) {
    for (sv1::RankedUrl& url : *file.mutable_urls()) {
      EXPECT_NE(url.playlist_url(), "");
      url.clear_playlist_url();
      ++urls;
    }
  }
  EXPECT_GT(urls, 0u);
  with.clear_sources();  // Their ages differ.
  without.clear_sources();
  EXPECT_EQ(with.DebugString(), without.DebugString());
  const HttpResponse http = Http("GET", "/v1/steer?title=titles/movie&client_address=198.51.100.7&omit_playlist_urls=true");
  EXPECT_EQ(http.status, 200) << http.body;
  EXPECT_THAT(http.body, ::testing::AllOf(HasSubstr("URISigningPackage"), Not(HasSubstr("media.m3u8"))));
  EXPECT_EQ(Http("GET", "/v1/steer?title=titles/movie&client_address=198.51.100.7&omit_playlist_urls=yes").status, 400);
}

TEST_F(SteeringServerTest, AnIpv6ClientGetsBracketedIpv6UrlsFirst) {
  StartWithWorld();
  const sv1::SteerResponse response = MustSteer(Request("2001:db8:100::5"));
  EXPECT_EQ(response.matched_prefix(), "2001:db8:100::/40");
  ASSERT_FALSE(response.files().empty());
  EXPECT_EQ(response.files(0).urls(0).family(), common::v1::ADDRESS_FAMILY_IPV6);
  EXPECT_THAT(response.files(0).urls(0).url(), StartsWith("https://[2001:db8::1]/URISigningPackage="));
}

TEST_F(SteeringServerTest, AClientThatNoRouteCoversGoesToTheOpenExchangeSite) {
  StartWithWorld();
  const sv1::SteerResponse response = MustSteer(Request(kOutside));
  EXPECT_EQ(response.matched_prefix(), "");
  EXPECT_THAT(Boxes(kOutside), ElementsAre("appliances/oca-3", "appliances/oca-4"));
}

TEST_F(SteeringServerTest, RenditionsAndMaxUrlsNarrowTheAnswer) {
  StartWithWorld();
  sv1::SteerRequest request = Request(kInside);
  request.add_renditions("audio-en");
  request.set_max_urls(1);
  const sv1::SteerResponse response = MustSteer(request);
  ASSERT_THAT(response.files(), SizeIs(1));
  EXPECT_EQ(response.files(0).rendition(), "audio-en");
  EXPECT_THAT(response.files(0).urls(), SizeIs(1));
}

TEST_F(SteeringServerTest, DrainingHoldingsAndHealthAreReflected) {
  StartWithWorld();
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DRAINING", "192.0.2.1");
  EXPECT_TRUE(Eventually([&] {
    return Boxes(kInside) == std::vector<std::string>{"appliances/oca-2", "appliances/oca-3", "appliances/oca-4"};
  }));
  sources_->PutHoldings(0, "oca-3", 1, 2, {2, 3});
  EXPECT_TRUE(Eventually([&] { return Boxes(kInside) == std::vector<std::string>{"appliances/oca-2", "appliances/oca-4"}; }));
  sources_->PutState(0, "oca-2", 1, 2, "HEALTH_STATE_SICK");
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/ix"; }));
  const sv1::SteerResponse response = MustSteer(Request(kInside));
  EXPECT_EQ(response.files(0).urls(0).cause(), common::v1::MISS_CAUSE_HEALTH);
  EXPECT_THAT(metrics_->Text(), HasSubstr(R"(fairlead_steering_decisions_total{cause="health",verdict="ok"})"));
}

TEST_F(SteeringServerTest, AFullUplinkMovesNewSessionsAway) {
  StartWithWorld();
  for (const char* box : {"oca-1", "oca-2"}) sources_->PutState(0, box, 1, 2, "HEALTH_STATE_OK", 9'900'000'000);
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/ix"; }));
  EXPECT_EQ(MustSteer(Request(kInside)).files(0).urls(0).cause(), common::v1::MISS_CAUSE_CAPACITY);
}

TEST_F(SteeringServerTest, AWithdrawnRouteTakesItsClientsAway) {
  StartWithWorld();
  sources_->RemoveFleet(0, "route/s-1/198.51.100.0/24/0");
  EXPECT_TRUE(Eventually([&] {
    return Boxes(kInside) == std::vector<std::string>{"appliances/oca-2", "appliances/oca-3", "appliances/oca-4"};
  }));
  sources_->RemoveFleet(0, "route/s-2/198.51.100.0/24/0");
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/ix"; }));
}

TEST_F(SteeringServerTest, ARouteOutsideThePartnersAllowListMovesNobody) {
  StartWithWorld();
  sources_->PutRoute(0, "s-1", "oca-1", "203.0.113.0/24");
  sources_->PutRoute(0, "s-1", "oca-1", "198.51.101.0/24");  // Allowed; when it counts, the other has been seen too.
  ASSERT_TRUE(Eventually([&] { return First("198.51.101.1") == "sites/emb"; }));
  EXPECT_EQ(First(kOutside), "sites/ix");
}

TEST_F(SteeringServerTest, NotServableSaysWhy) {
  StartWithWorld();
  for (const char* box : {"oca-1", "oca-2", "oca-3", "oca-4"}) sources_->PutHoldings(0, box, 1, 2, {2, 3});
  ASSERT_TRUE(Eventually([&] { return !Answers(kInside); }));
  const sv1::SteerResponse response = MustSteer(Request(kInside));
  EXPECT_EQ(response.verdict(), sv1::SteerResponse::VERDICT_NOT_SERVABLE);
  EXPECT_EQ(response.reason(), "NOT_HELD");
  EXPECT_THAT(response.reason_detail(), HasSubstr("movie/v1/video-720p/media.mp4"));
  ASSERT_THAT(response.files(), SizeIs(3));
  EXPECT_THAT(response.files(0).urls(), IsEmpty());
  EXPECT_THAT(response.files(1).urls(), Not(IsEmpty()));  // The others keep theirs.
}

TEST_F(SteeringServerTest, OfTwoCellsTheNewestReportCounts) {
  StartWithWorld();
  sources_->PutState(1, "oca-1", 2, 1, "HEALTH_STATE_SICK");  // A later incarnation, in another cell.
  sources_->PutHoldings(1, "oca-2", 2, 1, {});
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/ix"; }));
  // Whatever the old cell still says of the old incarnation.
  sources_->PutState(0, "oca-1", 1, 99);
  sources_->PutHoldings(0, "oca-2", 1, 99, {1, 2, 3});
  sources_->PutState(0, "oca-4", 1, 2, "HEALTH_STATE_SICK");
  ASSERT_TRUE(Eventually([&] {
    sv1::ExplainResponse explain;
    return Explain(Request(kInside), explain).ok() && absl::StrContains(explain.DebugString(), "SICK") && First(kInside) == "sites/ix";
  }));
  // The routes of a box that moved are the new cell's as soon as that knows the session.
  sources_->PutState(1, "oca-1", 2, 2, "HEALTH_STATE_OK");
  ASSERT_TRUE(Eventually([&] { return First(kInside) == "sites/emb"; }));
  sources_->PutSession(1, "s-1", "oca-1");
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/ix"; }));
  sources_->PutRoute(1, "s-1", "oca-1", "198.51.100.0/24");
  EXPECT_TRUE(Eventually([&] { return First(kInside) == "sites/emb"; }));
}

// ---- Explain, streams and JSON give the same answer ----

TEST_F(SteeringServerTest, ExplainAnswersExactlyAsSteerDoes) {
  StartWithWorld();
  sources_->PutState(0, "oca-2", 1, 2, "HEALTH_STATE_DEGRADED");
  sources_->PutHoldings(0, "oca-1", 1, 2, {1, 3});
  ASSERT_TRUE(Eventually([&] { return Boxes(kInside).size() == 4; }));
  // The last change has to be in the table, or it would come between an answer and its explanation.
  ASSERT_TRUE(Eventually([&] {
    sv1::SteerRequest all = Request(kInside);
    all.set_max_urls(8);
    const sv1::SteerResponse answer = MustSteer(all);
    for (const sv1::FileAnswer& file : answer.files()) {
      const bool named =
          std::any_of(file.urls().begin(), file.urls().end(), [](const auto& url) { return url.appliance() == "appliances/oca-1"; });
      if (named != (file.file_number() != 2)) return false;
    }
    return true;
  }));
  std::mt19937_64 random(20260131);
  google::protobuf::util::MessageDifferencer differencer;
  differencer.IgnoreField(sv1::SteerResponse::descriptor()->FindFieldByName("sources"));  // Ages go on.
  for (int i = 0; i < 2000; ++i) {
    sv1::SteerRequest request = Request(absl::StrCat("198.51.", 100 + random() % 2, ".", random() % 256));
    if (random() % 3 == 0) request.set_client_address(absl::StrCat("2001:db8:", 100 + random() % 2, "::", random() % 1000));
    request.set_max_urls(static_cast<int>(random() % 9));
    if (random() % 2 == 0) request.set_session_id(absl::StrCat("s", random() % 100));
    if (random() % 2 == 0) request.add_renditions(random() % 2 == 0 ? "video-480p" : "audio-en");
    const sv1::SteerResponse steered = MustSteer(request);
    sv1::ExplainResponse explained;
    ASSERT_TRUE(Explain(request, explained).ok());
    ASSERT_TRUE(differencer.Compare(steered, explained.answer())) << request.ShortDebugString();
    // Of one moment, once written as bytes and once by messages.
    ASSERT_GT(explained.sources_size(), 0);
    ASSERT_EQ(explained.answer().sources_size(), explained.sources_size());
    for (int source = 0; source < explained.sources_size(); ++source) {
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(explained.answer().sources(source), explained.sources(source)))
          << explained.sources(source).ShortDebugString();
    }
  }
}

TEST_F(SteeringServerTest, ExplainTellsThePrefixTheLadderAndEveryLayersWord) {
  StartWithWorld();
  sources_->PutAppliance("oca-1", "emb", "ADMIN_STATE_DISABLED");
  ASSERT_TRUE(Eventually([&] { return Boxes(kInside).size() == 3; }));
  sv1::ExplainResponse response;
  ASSERT_TRUE(Explain(Request(kInside), response).ok());
  EXPECT_EQ(response.client_address(), kInside);
  ASSERT_THAT(response.covering_prefixes(), SizeIs(1));
  EXPECT_EQ(response.covering_prefixes(0).prefix(), "198.51.100.0/24");
  ASSERT_THAT(response.covering_prefixes(0).routes(), SizeIs(2));
  EXPECT_EQ(response.covering_prefixes(0).routes(0).transport_class(), common::v1::TRANSPORT_CLASS_EMBEDDED);
  ASSERT_THAT(response.ladder(), SizeIs(2));
  EXPECT_EQ(response.ladder(0).site(), "sites/emb");
  EXPECT_THAT(response.ladder(0).links(), ElementsAre("links/up"));
  EXPECT_EQ(response.ladder(1).prefix(), "");
  ASSERT_THAT(response.files(), SizeIs(3));
  for (const sv1::CandidateVerdicts& candidate : response.files(0).candidates()) {
    if (candidate.appliance() != "appliances/oca-1") continue;
    EXPECT_EQ(candidate.position(), -1);
    EXPECT_EQ(candidate.layers(1).layer(), "admin");
    EXPECT_FALSE(candidate.layers(1).passed());
    EXPECT_THAT(candidate.layers(1).detail(), HasSubstr("DISABLED"));
  }
  EXPECT_THAT(response.files(0).winner(), HasSubstr("oca-2"));
  ASSERT_THAT(response.sources(), SizeIs(4));
  EXPECT_EQ(response.sources(0).source(), "registry");
  EXPECT_EQ(response.sources(2).source(), "cells/c1");
}

TEST_F(SteeringServerTest, AStreamAnswersInOrderAndOneBadRequestDoesNotFailTheOthers) {
  StartWithWorld();
  grpc::ClientContext context;
  SetTimeout(context, kPatience);
  SetPrincipal(context, "service/playback");
  const auto stream = stub_->SteerStream(&context);
  for (uint64_t id = 1; id <= 20; ++id) {
    sv1::SteerStreamRequest request;
    request.set_id(id);
    for (int i = 0; i < 256; ++i) *request.add_requests() = Request(i % 2 == 0 ? kInside : kOutside);
    request.mutable_requests(3)->set_title("titles/nothing");
    request.mutable_requests(4)->set_client_address("nonsense");
    ASSERT_TRUE(stream->Write(request));
    sv1::SteerStreamResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.id(), id);
    ASSERT_THAT(response.results(), SizeIs(256));
    for (int i = 0; i < 256; ++i) {
      if (i == 3 || i == 4) continue;
      ASSERT_EQ(response.results(i).response().files(0).urls(0).site(), i % 2 == 0 ? "sites/emb" : "sites/ix") << i;
    }
    EXPECT_EQ(response.results(3).error().code(), grpc::StatusCode::NOT_FOUND);
    EXPECT_THAT(response.results(3).error().message(), HasSubstr("titles/nothing"));
    EXPECT_EQ(response.results(4).error().code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  stream->WritesDone();
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(SteeringServerTest, AStreamMessageOfTooManyRequestsIsRefused) {
  StartWithWorld();
  grpc::ClientContext context;
  SetTimeout(context, kPatience);
  SetPrincipal(context, "service/playback");
  const auto stream = stub_->SteerStream(&context);
  sv1::SteerStreamRequest request;
  for (int i = 0; i < 257; ++i) *request.add_requests() = Request(kInside);
  stream->Write(request);
  sv1::SteerStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(SteeringServerTest, JsonOverHttpIsTheSameAnswer) {
  StartWithWorld();
  google::protobuf::util::MessageDifferencer differencer;
  differencer.IgnoreField(sv1::SteerResponse::descriptor()->FindFieldByName("sources"));
  for (const std::string client : {kInside, kOutside, "2001:db8:100::5"}) {
    sv1::SteerRequest request = Request(client);
    request.set_max_urls(2);
    request.add_renditions("video-720p");
    std::string body;
    ASSERT_TRUE(google::protobuf::util::MessageToJsonString(request, &body).ok());
    const std::string query = absl::StrCat("/v1/steer?title=titles%2Fmovie&max_urls=2&renditions=video-720p&client_address=", client);
    for (const HttpResponse& http : {Http("POST", "/v1/steer", body), Http("GET", query)}) {
      ASSERT_EQ(http.status, 200) << http.body;
      sv1::SteerResponse parsed;
      ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(http.body, &parsed).ok()) << http.body;
      EXPECT_TRUE(differencer.Compare(parsed, MustSteer(request)));
      EXPECT_THAT(http.headers, ElementsAre(::testing::Pair("Cache-Control", "no-store")));
    }
  }
  const HttpResponse explained = Http("GET", "/v1/explain?title=titles/movie&client_address=198.51.100.7");
  ASSERT_EQ(explained.status, 200) << explained.body;
  sv1::ExplainResponse parsed;
  ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(explained.body, &parsed).ok());
  EXPECT_TRUE(differencer.Compare(parsed.answer(), MustSteer(Request(kInside))));
  EXPECT_EQ(Http("GET", "/healthz").status, 200);
}

// ---- Bad input ----

TEST_F(SteeringServerTest, BadInputIsRefusedByFieldAndValue) {
  StartWithWorld();
  struct Case {
    std::string text;
    grpc::StatusCode code;
    std::string field;
    std::string value;
  };
  const std::vector<Case> cases = {
      {"client_address: '198.51.100.7'", grpc::INVALID_ARGUMENT, "title", ""},
      {"client_address: '198.51.100.7' title: 'movie'", grpc::INVALID_ARGUMENT, "title", "movie"},
      {"client_address: '198.51.100.7' title: 'titles/unheard'", grpc::NOT_FOUND, "title", "titles/unheard"},
      {"client_address: '198.51.100.7' title: 'titles/movie' version: 'v9'", grpc::NOT_FOUND, "version", "v9"},
      {"client_address: '198.51.100.7' title: 'titles/movie' renditions: 'video-8k'", grpc::NOT_FOUND, "renditions", "video-8k"},
      {"client_address: '198.51.100.7' title: 'titles/movie' renditions: 'Video'", grpc::INVALID_ARGUMENT, "renditions", "Video"},
      {"client_address: '198.51.100.07' title: 'titles/movie'", grpc::INVALID_ARGUMENT, "client_address", "198.51.100.07"},
      {"client_address: 'fe80::1%eth0' title: 'titles/movie'", grpc::INVALID_ARGUMENT, "client_address", "fe80::1%eth0"},
      {"title: 'titles/movie'", grpc::INVALID_ARGUMENT, "client_address", ""},
      {"client_address: '198.51.100.7' title: 'titles/movie' max_urls: 9", grpc::INVALID_ARGUMENT, "max_urls", "9"},
      {"client_address: '198.51.100.7' title: 'titles/movie' max_urls: -1", grpc::INVALID_ARGUMENT, "max_urls", "-1"},
      {"client_address: '198.51.100.7' title: 'titles/movie' session_id: '" + std::string(65, 's') + "'", grpc::INVALID_ARGUMENT,
       "session_id", "sss"},
  };
  for (const Case& bad : cases) {
    sv1::SteerResponse response;
    const grpc::Status status = Steer(FromText<sv1::SteerRequest>(bad.text), response);
    EXPECT_EQ(status.error_code(), bad.code) << bad.text;
    EXPECT_THAT(status.error_message(), HasSubstr(bad.field)) << bad.text;
    EXPECT_THAT(status.error_message(), HasSubstr(bad.value)) << bad.text;
  }
  sv1::SteerRequest many = Request(kInside);
  for (int i = 0; i < 65; ++i) many.add_renditions("video-720p");
  sv1::SteerResponse response;
  EXPECT_EQ(Steer(many, response).error_code(), grpc::INVALID_ARGUMENT);
}

TEST_F(SteeringServerTest, AStrangerIsAnsweredForItsOwnAddressOnly) {
  StartWithWorld();
  sv1::SteerResponse response;
  EXPECT_EQ(Steer(Request(kInside), response, "").error_code(), grpc::PERMISSION_DENIED);
  EXPECT_TRUE(Steer(Request(""), response, "").ok());
  EXPECT_EQ(response.matched_prefix(), "");  // 127.0.0.1: nobody announces it.
  EXPECT_TRUE(Steer(Request("127.0.0.1"), response, "").ok());
  // Behind a trusted proxy it is the address that the proxy saw.
  grpc::ClientContext context;
  SetTimeout(context, kPatience);
  context.AddMetadata("x-forwarded-for", absl::StrCat("1.2.3.4, ", kInside));
  EXPECT_TRUE(stub_->Steer(&context, Request(""), &response).ok());
  EXPECT_EQ(response.matched_prefix(), "198.51.100.0/24");
  EXPECT_EQ(Http("GET", "/v1/steer?title=titles/movie&client_address=198.51.100.7", "", "").status, 403);
  EXPECT_EQ(Http("GET", "/v1/steer?title=titles/movie", "", "").status, 200);
}

TEST_F(SteeringServerTest, HttpErrorsAreCanonical) {
  StartWithWorld();
  EXPECT_EQ(Http("POST", "/v1/steer", "{").status, 400);
  EXPECT_THAT(Http("POST", "/v1/steer", R"({"titel":"titles/movie"})").body, HasSubstr("titel"));
  EXPECT_EQ(Http("GET", "/v1/steer?titel=x").status, 400);
  EXPECT_EQ(Http("GET", "/v1/steer?title=titles/movie&client_address=1.1.1.1&max_urls=many").status, 400);
  const HttpResponse missing = Http("GET", "/v1/steer?title=titles/unheard&client_address=1.1.1.1");
  EXPECT_EQ(missing.status, 404);
  EXPECT_THAT(missing.body, HasSubstr(R"("status":"NOT_FOUND")"));
  EXPECT_EQ(Http("GET", "/v2/steer").status, 404);
  EXPECT_EQ(Http("DELETE", "/v1/steer").status, 405);
}

}  // namespace
}  // namespace fairlead
