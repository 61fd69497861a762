#include "libs/steering/decide.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/steering/decider.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

// An embedded site (emb-1, emb-2) that hears 80.0.0.0/16 and 2a00::/32, and two open IX sites in London (lon-1) and Paris (par-1). The
// title t1 has the files 1 (video), 2 (audio); everybody holds both. Clients: 80.0.0.9 and 2a00::9.
class DecideTest : public testing::Test {
 protected:
  DecideTest() {
    in_.version = 17;
    AddSite("emb", SiteKind::kEmbedded, false);
    AddSite("lon", SiteKind::kIx, true);
    AddSite("par", SiteKind::kIx, true);
    in_.sites[2].at = Coordinates::FromDegrees(48.9, 2.4);
    for (const auto& [box, site] :
         std::vector<std::pair<std::string, std::string>>{{"emb-1", "emb"}, {"emb-2", "emb"}, {"lon-1", "lon"}, {"par-1", "par"}})
      AddBox(box, site);
    allowed_->Insert(Prefix::Parse("80.0.0.0/16").value(), {});
    allowed_->Insert(Prefix::Parse("2a00::/32").value(), {});
    for (const std::string box : {"emb-1", "emb-2"}) {
      in_.sessions.push_back({.id = BgpSessionId(absl::StrCat("s-", box)),
                              .partner = PartnerId("p"),
                              .transport = TransportClass::kEmbedded,
                              .site = SiteId("emb"),
                              .appliance = ApplianceId(box),
                              .allowed = allowed_});
      const uint32_t session = static_cast<uint32_t>(in_.sessions.size() - 1);
      in_.routes.push_back({.prefix = Prefix::Parse("80.0.0.0/16").value(), .session = session, .as_path_length = 1});
      in_.routes.push_back({.prefix = Prefix::Parse("2a00::/32").value(), .session = session, .as_path_length = 1});
    }
    TitleView title = {.id = TitleId("t1")};
    title.versions = {{.version = "v1",
                       .files = {{.number = 1, .path = "t1/v1/video/v.mp4", .rendition = "video"},
                                 {.number = 2, .path = "t1/v1/audio/a.mp4", .rendition = "audio"}},
                       .playable_sets = {{.name = "sound", .files = {2}}}}};
    in_.titles = {title};
    in_.ages = {{.source = "config", .version = "(1, 2)", .received_at = absl::Seconds(3)}};
  }

  void AddSite(std::string id, SiteKind kind, bool open) {
    in_.sites.push_back({.id = SiteId(id),
                         .kind = kind,
                         .at = Coordinates::FromDegrees(51.5, 0),
                         .open_to_unrouted = open,
                         .uplinks = {LinkId("up-" + id)}});
    in_.links.push_back({.id = LinkId("up-" + id), .capacity_bps = 1'000, .use_bps = 100});
  }
  void AddBox(const std::string& id, const std::string& site) {
    in_.appliances.push_back({.id = ApplianceId(id),
                              .site = SiteId(site),
                              .kind = ApplianceKind::kStorage,
                              .endpoints = {{AddressFamily::kIpv4, "https", id + ".example.net", 443},
                                            {AddressFamily::kIpv6, "https", id + ".six.example.net", 443}},
                              .capacity_bps = 20'000'000'000,
                              .admin = AdminState::kLive,
                              .health = HealthState::kOk});
    Hold(id, {1, 2});
  }
  void Hold(const std::string& id, std::vector<uint32_t> files) {
    in_.holdings.push_back({ApplianceId(id), std::make_shared<const FileSet>(FileSet::Of(std::move(files)))});
  }
  ApplianceView& Box(absl::string_view id) {
    return *std::find_if(in_.appliances.begin(), in_.appliances.end(), [&](const ApplianceView& view) { return view.id.value() == id; });
  }
  LinkView& Link(absl::string_view id) {
    return *std::find_if(in_.links.begin(), in_.links.end(), [&](const LinkView& view) { return view.id.value() == id; });
  }

  SteeringRequest Request(absl::string_view client = "80.0.0.9") {
    return {.client = IpAddress::Parse(client).value(), .title = TitleId("t1"), .renditions = {"video"}};
  }
  SteeringAnswer Ask(const SteeringRequest& request) {
    const auto table = BuildSteeringTable(in_).value();
    SteeringAnswer answer = Decide(*table, request);
    record_ = Explanation();
    const SteeringAnswer again = Decide(*table, request, &record_);
    EXPECT_EQ(Text(answer), Text(again)) << "recording must not change the answer";
    return answer;
  }
  // "emb-1/0/NONE lon-1/1/NONE": box, rank, cause of the first file's list, sites sorted within a rank so that the spread doesn't matter.
  static std::string Text(const SteeringAnswer& answer) {
    if (answer.files.empty()) return std::string(ToString(answer.not_servable));
    const FileAnswer& file = answer.files.front();
    if (file.candidates.empty()) return std::string(ToString(file.not_servable));
    return absl::StrJoin(file.candidates, " ", [](std::string* out, const Candidate& c) {
      absl::StrAppend(out, c.appliance.value(), "/", c.rank, "/", ToString(c.cause), c.fitness == Fitness::kFit ? "" : "/",
                      c.fitness == Fitness::kFit ? "" : ToString(c.fitness));
    });
  }
  std::string Ask(absl::string_view client = "80.0.0.9") { return Text(Ask(Request(client))); }
  // With emb-2 out of the way, so that rank 0 is one box.
  void OneEmbeddedBox() { Box("emb-2").admin = AdminState::kRetired; }

  std::shared_ptr<PrefixTable<std::monostate>> allowed_ = std::make_shared<PrefixTable<std::monostate>>();
  SteeringInputs in_;
  Explanation record_;
};

TEST_F(DecideTest, TheEmbeddedSiteServesItsClientsAndASecondSiteIsNamed) {
  const SteeringAnswer answer = Ask(Request());
  ASSERT_EQ(answer.files.size(), 1u);
  const std::vector<Candidate>& list = answer.files[0].candidates;
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].site, SiteId("emb"));
  EXPECT_EQ(list[1].site, SiteId("emb"));
  EXPECT_EQ(list[2].site, SiteId("lon"));
  EXPECT_EQ(answer.matched_prefix, Prefix::Parse("80.0.0.0/16").value());
  EXPECT_EQ(answer.table_version, 17u);
  EXPECT_FALSE(answer.quality_cap.has_value());
  for (uint32_t i = 0; i < 3; ++i) EXPECT_EQ(list[i].position, i);
}

TEST_F(DecideTest, AClientWithoutARouteGetsTheOpenSitesOnly) {
  const std::string answer = Ask("81.0.0.1");
  EXPECT_TRUE(answer == "lon-1/0/NONE par-1/0/NONE" || answer == "par-1/0/NONE lon-1/0/NONE") << answer;
}

TEST_F(DecideTest, NoUrlsBeyondTheNumberAskedFor) {
  SteeringRequest request = Request();
  for (const int max : {-5, 0, 1}) {
    request.max_urls = max;
    EXPECT_EQ(Ask(request).files[0].candidates.size(), 1u);
  }
  request.max_urls = 2;
  const std::vector<Candidate> two = Ask(request).files[0].candidates;
  ASSERT_EQ(two.size(), 2u);
  EXPECT_NE(two[0].site, two[1].site) << "two sites before two boxes";
  request.max_urls = 1'000'000;
  EXPECT_EQ(Ask(request).files[0].candidates.size(), 4u);
}

TEST_F(DecideTest, AFullBoxOrLinkGivesWayAndIsLabelledCapacity) {
  OneEmbeddedBox();
  Link("up-emb").use_bps = 949;
  EXPECT_EQ(Ask(), "emb-1/0/NONE lon-1/1/NONE par-1/2/NONE");
  Link("up-emb").use_bps = 950;
  EXPECT_EQ(Ask(), "lon-1/1/CAPACITY par-1/2/CAPACITY emb-1/0/NONE/FULL");
  Link("up-emb").use_bps = 100;
  Link("up-emb").contract_cap_bps = 100;
  EXPECT_EQ(Ask(), "lon-1/1/CAPACITY par-1/2/CAPACITY emb-1/0/NONE/FULL") << "the contract cap counts";
  Link("up-emb").contract_cap_bps = 0;
  Box("emb-1").use_bps = 19'000'000'000;
  EXPECT_EQ(Ask(), "lon-1/1/CAPACITY par-1/2/CAPACITY emb-1/0/NONE/FULL");
}

TEST_F(DecideTest, OverloadSicknessAndSilenceAreHealthMissesAndLastResorts) {
  OneEmbeddedBox();
  Box("emb-1").health = HealthState::kOverloaded;
  EXPECT_EQ(Ask(), "lon-1/1/HEALTH par-1/2/HEALTH emb-1/0/NONE/FULL");
  Box("emb-1").health = HealthState::kSick;
  EXPECT_EQ(Ask(), "lon-1/1/HEALTH par-1/2/HEALTH emb-1/0/NONE/SICK");
  Box("emb-1").health = HealthState::kSilent;
  EXPECT_EQ(Ask(), "lon-1/1/HEALTH par-1/2/HEALTH emb-1/0/NONE/SILENT");
  Box("emb-1").health = HealthState::kDegraded;
  EXPECT_EQ(Ask(), "emb-1/0/NONE lon-1/1/NONE par-1/2/NONE");
  Box("emb-1").weight_permille = 0;
  EXPECT_EQ(Ask(), "lon-1/1/HEALTH par-1/2/HEALTH emb-1/0/NONE/FULL");
}

TEST_F(DecideTest, SilenceEverywhereStillServes) {
  for (ApplianceView& box : in_.appliances) box.health = HealthState::kSilent;
  const SteeringAnswer answer = Ask(Request());
  EXPECT_TRUE(answer.servable());
  EXPECT_EQ(answer.files[0].candidates.size(), 3u);
  EXPECT_EQ(answer.files[0].candidates[0].cause, MissCause::kNone);
}

TEST_F(DecideTest, AlmostNothingIsBetterThanSilentAndSickComesLast) {
  OneEmbeddedBox();
  Box("emb-1").health = HealthState::kSick;
  Box("lon-1").health = HealthState::kSilent;
  Box("par-1").health = HealthState::kOverloaded;
  EXPECT_EQ(Ask(), "par-1/2/HEALTH/FULL lon-1/1/HEALTH/SILENT emb-1/0/NONE/SICK");
}

TEST_F(DecideTest, OnlyLiveBoxesServe) {
  for (const AdminState state : {AdminState::kUnspecified, AdminState::kProvisioning, AdminState::kDraining, AdminState::kDrained,
                                 AdminState::kDisabled, AdminState::kRetired}) {
    Box("emb-1").admin = state;
    Box("emb-2").admin = state;
    EXPECT_EQ(Ask(), "lon-1/1/ADMIN par-1/2/ADMIN") << state;
  }
  Box("lon-1").admin = AdminState::kDrained;
  Box("par-1").admin = AdminState::kDrained;
  EXPECT_EQ(Ask(), "NO_LIVE_APPLIANCE");
}

TEST_F(DecideTest, OnlyHoldersServe) {
  Hold("emb-1", {2});
  Hold("emb-2", {2});
  EXPECT_EQ(Ask(), "lon-1/1/CONTENT par-1/2/CONTENT");
  Hold("lon-1", {});
  Hold("par-1", {});
  EXPECT_EQ(Ask(), "NOT_HELD");
  EXPECT_THAT(Ask(Request()).sentence, HasSubstr("none of the 4 live boxes eligible for 80.0.0.9 holds t1/v1/video/v.mp4"));
}

TEST_F(DecideTest, ABoxThatHoldsButDoesNotHearIsARouteMissAndServesNobody) {
  Hold("emb-1", {});
  in_.routes.erase(std::remove_if(in_.routes.begin(), in_.routes.end(), [](const RouteView& route) { return route.session == 1; }),
                   in_.routes.end());
  EXPECT_EQ(Ask(), "lon-1/1/ROUTE par-1/2/ROUTE");
}

TEST_F(DecideTest, NobodyEligibleIsSaidSo) {
  in_.sites[1].open_to_unrouted = false;
  in_.sites[2].open_to_unrouted = false;
  EXPECT_EQ(Ask("81.0.0.1"), "NO_ELIGIBLE_SITE");
  EXPECT_THAT(Ask(Request("81.0.0.1")).sentence, HasSubstr("81.0.0.1"));
}

TEST_F(DecideTest, UnknownTitlesVersionsSetsAndPathsAreSaidSo) {
  SteeringRequest request = Request();
  request.title = TitleId("t9");
  EXPECT_EQ(Ask(request).not_servable, NotServable::kUnknownTitle);
  request = Request();
  request.version = "v9";
  EXPECT_EQ(Ask(request).not_servable, NotServable::kUnknownTitle);
  request = Request();
  request.playable_set = "nothing";
  EXPECT_EQ(Ask(request).not_servable, NotServable::kUnknownTitle);
  request = Request();
  request.renditions = {"smell"};
  EXPECT_EQ(Ask(request).not_servable, NotServable::kUnknownTitle);
  request = {.client = request.client, .paths = {"t1/v1/audio/a.mp4", "t1/v1/nope"}};
  const SteeringAnswer answer = Ask(request);
  EXPECT_TRUE(answer.servable());
  EXPECT_FALSE(answer.files[0].candidates.empty());
  EXPECT_EQ(answer.files[1].not_servable, NotServable::kUnknownTitle);
  EXPECT_TRUE(answer.pathways.empty()) << "no site has all of what was asked for";
  EXPECT_EQ(Ask(SteeringRequest{.client = request.client}).not_servable, NotServable::kUnknownTitle);
}

TEST_F(DecideTest, ASetOrRenditionsNarrowTheFiles) {
  SteeringRequest request = Request();
  request.renditions = {};
  EXPECT_EQ(Ask(request).files.size(), 2u);
  request.playable_set = "sound";
  ASSERT_EQ(Ask(request).files.size(), 1u);
  EXPECT_EQ(Ask(request).files[0].file, 2u);
}

TEST_F(DecideTest, AV6ClientGetsV6UrlsFirstThenV4) {
  OneEmbeddedBox();
  SteeringRequest request = Request("2a00::9");
  request.max_urls = 5;
  std::vector<std::string> hosts;
  const SteeringAnswer answer = Ask(request);
  for (const Candidate& c : answer.files[0].candidates) hosts.push_back(c.endpoint.host);
  EXPECT_THAT(hosts, testing::ElementsAre("emb-1.six.example.net", "lon-1.six.example.net", "par-1.six.example.net", "emb-1.example.net",
                                          "lon-1.example.net"));
}

TEST_F(DecideTest, AV6ClientNeverGetsAnIpv4Literal) {
  OneEmbeddedBox();
  Box("emb-1").endpoints = {{AddressFamily::kIpv4, "http", "127.0.0.1", 80}};
  EXPECT_EQ(Ask("2a00::9"), "lon-1/1/ROUTE par-1/2/ROUTE lon-1/1/ROUTE");
  EXPECT_EQ(Ask("80.0.0.9"), "emb-1/0/NONE lon-1/1/NONE par-1/2/NONE");
  for (ApplianceView& box : in_.appliances) box.endpoints = {{AddressFamily::kIpv4, "http", "127.0.0.1", 80}};
  EXPECT_EQ(Ask("2a00::9"), "NO_USABLE_ENDPOINT");
}

TEST_F(DecideTest, AV4ClientGetsV6OnlyFromABoxThatHasNothingElse) {
  OneEmbeddedBox();
  Box("emb-1").endpoints = {{AddressFamily::kIpv6, "https", "emb-1.six.example.net", 443}};
  const SteeringAnswer answer = Ask(Request());
  EXPECT_EQ(Text(answer), "lon-1/1/ROUTE par-1/2/ROUTE emb-1/0/NONE");
  SteeringRequest only = Request();
  only.family_preference = FamilyPreference::kIpv4Only;
  EXPECT_EQ(Text(Ask(only)), "lon-1/1/ROUTE par-1/2/ROUTE");
  only.family_preference = FamilyPreference::kIpv6First;
  EXPECT_EQ(Ask(only).files[0].candidates[0].endpoint.family, AddressFamily::kIpv6);
}

TEST_F(DecideTest, SessionsSpreadByWeightAndEachStaysWhereItIs) {
  Box("emb-1").weight_permille = 250;
  int first = 0;
  const auto table = BuildSteeringTable(in_).value();
  for (int i = 0; i < 5'000; ++i) {
    SteeringRequest request = Request();
    request.session_key = absl::StrCat("session-", i);
    const SteeringAnswer answer = Decide(*table, request);
    EXPECT_EQ(Text(answer), Text(Decide(*table, request)));
    first += answer.files[0].candidates[0].appliance == ApplianceId("emb-1") ? 1 : 0;
  }
  EXPECT_NEAR(first / 5'000.0, 0.2, 0.02);
}

// Which of the boxes "box-0", "box-1", … of the only site a million sessions are sent to, by the decision that answers are made by.
std::vector<uint8_t> FirstBoxes(const SteeringTable& table, const DecisionEngine& engine) {
  constexpr size_t kSessions = 1'000'000;
  const Decider decider(table, engine);
  std::vector<uint8_t> numbers;
  for (const Fleet::Box& box : table.fleet->boxes()) {
    numbers.push_back(static_cast<uint8_t>(std::stoi(std::string(absl::StripPrefix(box.view.id.value(), "box-")))));
  }
  DecisionScratch scratch;
  std::vector<DecisionQuery> queries(1'000, {.client = IpAddress::V4(0x09090909), .file = 1, .max_urls = 1});
  std::vector<FileChoice> choices(queries.size());
  std::vector<uint8_t> boxes;
  while (boxes.size() < kSessions) {
    for (size_t i = 0; i < queries.size(); ++i) queries[i].spread_key = SpreadKey(absl::StrCat("session-", boxes.size() + i), "t1");
    decider.DecideMany(queries, scratch, choices.data());
    for (const FileChoice& choice : choices) boxes.push_back(choice.count == 0 ? 0xff : numbers[choice.urls[0].box]);
  }
  return boxes;
}

TEST_F(DecideTest, AMillionSessionsShareEqualBoxesAndWhenOneGoesOnlyItsShareMoves) {
  constexpr size_t kBoxes = 16;
  constexpr size_t kGone = 5;
  in_.appliances.clear();
  in_.holdings.clear();
  in_.sessions.clear();
  in_.routes.clear();
  for (size_t i = 0; i < kBoxes; ++i) AddBox(absl::StrCat("box-", i), "lon");
  const auto all = BuildSteeringTable(in_).value();
  in_.appliances.erase(in_.appliances.begin() + kGone);
  in_.holdings.erase(in_.holdings.begin() + kGone);
  const auto fewer = BuildSteeringTable(in_).value();
  std::vector<const DecisionEngine*> engines = {&kPortableEngine};
  if (HasAvx2ForDecisions()) engines.push_back(&kAvx2Engine);
  if (HasAvx512ForDecisions()) engines.push_back(&kAvx512Engine);
  for (const DecisionEngine* engine : engines) {
    const std::vector<uint8_t> before = FirstBoxes(*all, *engine);
    const std::vector<uint8_t> after = FirstBoxes(*fewer, *engine);
    const double share = static_cast<double>(before.size()) / kBoxes;
    std::array<size_t, kBoxes> load = {};
    size_t moved = 0;
    for (size_t i = 0; i < before.size(); ++i) {
      ++load.at(before[i]);
      ASSERT_LT(after[i], kBoxes);
      ASSERT_NE(after[i], kGone);
      moved += before[i] == after[i] ? 0 : 1;
    }
    EXPECT_LE(static_cast<double>(*std::max_element(load.begin(), load.end())), 1.02 * share);
    EXPECT_GE(static_cast<double>(*std::min_element(load.begin(), load.end())), 0.98 * share);
    EXPECT_LE(static_cast<double>(moved), 1.05 * share);
  }
}

TEST_F(DecideTest, APathwayIsASiteThatHasEveryFile) {
  Hold("emb-1", {1});
  Hold("emb-2", {2});
  Hold("lon-1", {1});
  SteeringRequest request = Request();
  request.renditions = {};
  SteeringAnswer answer = Ask(request);
  ASSERT_EQ(answer.pathways.size(), 2u);
  EXPECT_EQ(answer.pathways[0].site, SiteId("emb"));
  EXPECT_EQ(answer.pathways[0].holders[0].appliance, ApplianceId("emb-1"));
  EXPECT_EQ(answer.pathways[0].holders[1].appliance, ApplianceId("emb-2"));
  EXPECT_EQ(answer.pathways[1].site, SiteId("par"));
  request.max_pathways = 1;
  EXPECT_EQ(Ask(request).pathways.size(), 1u);
  Box("emb-1").admin = AdminState::kDraining;
  answer = Ask(request);
  EXPECT_EQ(answer.pathways[0].site, SiteId("par"));
  EXPECT_EQ(answer.pathways[0].cause, MissCause::kAdmin);
}

TEST_F(DecideTest, ACongestedPathOrASlowClientCapsTheQuality) {
  OneEmbeddedBox();
  Link("up-emb").use_bps = 899;
  EXPECT_FALSE(Ask(Request()).quality_cap.has_value());
  Link("up-emb").use_bps = 900;
  ASSERT_TRUE(Ask(Request()).quality_cap.has_value());
  EXPECT_EQ(Ask(Request()).quality_cap->bps, 5'000'000u);
  EXPECT_THAT(Ask(Request()).quality_cap->sentence, HasSubstr("links/up-emb is at 900"));
  SteeringRequest slow = Request();
  slow.reported_throughput_bps = 1'000'000;
  EXPECT_EQ(Ask(slow).quality_cap->bps, 800'000u);
}

TEST_F(DecideTest, APlaceTheCallerKnowsBetterOrdersTheOpenSites) {
  SteeringRequest request = Request("81.0.0.1");
  request.place = ClientPlace{.at = Coordinates::FromDegrees(48.9, 2.4), .country = "FR", .source = PlaceSource::kMmdb};
  EXPECT_EQ(Text(Ask(request)), "par-1/0/NONE lon-1/1/NONE");
  request.place->at = Coordinates::FromDegrees(51.5, 0);
  EXPECT_EQ(Text(Ask(request)), "lon-1/0/NONE par-1/1/NONE");
  EXPECT_EQ(record_.place.source, PlaceSource::kMmdb);
}

TEST_F(DecideTest, TheOriginIsNeverGivenToViewers) {
  in_.sites[1].kind = SiteKind::kOrigin;
  in_.sites[2].kind = SiteKind::kOrigin;
  EXPECT_EQ(Ask("81.0.0.1"), "NO_ELIGIBLE_SITE");
}

TEST_F(DecideTest, ExplainQuotesTheGuard) {
  Box("emb-1").guard_word = "silent for at least 14s, held OK by the guard: the limit of 1 box in 1m is reached";
  Ask(Request());
  EXPECT_EQ(record_.files[0].candidates[0].verdicts[2].sentence,
            "OK, weight 100.0 %; silent for at least 14s, held OK by the guard: the limit of 1 box in 1m is reached");
  EXPECT_EQ(record_.files[0].candidates[1].verdicts[2].sentence, "OK, weight 100.0 %");
}

TEST_F(DecideTest, ExplainNamesTheDrainOfABoxAndItsPhase) {
  Box("emb-1").admin = AdminState::kDraining;
  Box("emb-1").drain = "drains/d-1, EVACUATING";
  Ask(Request());
  std::string told;
  for (const CandidateRecord& candidate : record_.files.at(0).candidates) {
    for (const LayerVerdict& verdict : candidate.verdicts) {
      if (candidate.appliance == ApplianceId("emb-1") && !verdict.passed) told = verdict.sentence;
    }
  }
  EXPECT_EQ(told, "admin state DRAINING (drains/d-1, EVACUATING)");
}

TEST_F(DecideTest, ExplainTellsTheGroundEveryVerdictAndTheRunnerUp) {
  OneEmbeddedBox();
  Hold("par-1", {});
  Link("up-lon").use_bps = 990;
  Ask(Request());
  EXPECT_EQ(record_.table_version, 17u);
  ASSERT_EQ(record_.matched.size(), 1u);
  EXPECT_EQ(record_.matched[0].routes.size(), 2u);
  EXPECT_EQ(record_.sessions[record_.matched[0].routes[0].session].id, BgpSessionId("s-emb-1"));
  ASSERT_EQ(record_.ladder.size(), 3u);
  EXPECT_THAT(record_.ladder[0].sentence, HasSubstr("EMBEDDED route 80.0.0.0/16, AS path of 1"));
  EXPECT_THAT(record_.ladder[2].sentence, HasSubstr("open to unrouted clients, 3"));
  EXPECT_EQ(record_.ages.size(), 1u);
  ASSERT_EQ(record_.files.size(), 1u);
  std::vector<std::string> last;
  for (const CandidateRecord& candidate : record_.files[0].candidates) {
    std::string failed;
    for (const LayerVerdict& verdict : candidate.verdicts) {
      if (!verdict.passed) failed = absl::StrCat(ToString(verdict.layer), ":", ToString(verdict.cause), ":", verdict.sentence);
    }
    last.push_back(absl::StrCat(candidate.appliance.value(), " ", failed));
  }
  EXPECT_EQ(last, (std::vector<std::string>{"emb-1 ", "emb-2 admin:ADMIN:admin state RETIRED",
                                            "lon-1 capacity:CAPACITY:links/up-lon is the busiest on the path: 99.0 % (full at 95.0 %)",
                                            "par-1 holdings:CONTENT:does not hold file 1"}));
  EXPECT_THAT(record_.files[0].winner, HasSubstr("appliances/emb-1: FIT at rank 0"));
  EXPECT_THAT(record_.files[0].runner_up, HasSubstr("appliances/lon-1: FULL where the first is FIT"));
}

// The family moves URLs after the layers have spoken; the record tells of the list as it is answered.
TEST_F(DecideTest, TheWinnerIsTheFirstUrlsBoxWhereAFamilyComesFirst) {
  OneEmbeddedBox();
  Box("emb-1").endpoints = {{AddressFamily::kIpv6, "https", "emb-1.six.example.net", 443}};
  EXPECT_EQ(Ask(Request()).files[0].candidates[0].appliance, ApplianceId("lon-1"));
  EXPECT_EQ(record_.files[0].winner,
            "appliances/lon-1: FIT at rank 1, the first chosen one with IPV4, the family that comes first, of 3 that may serve");
  EXPECT_EQ(record_.files[0].runner_up, "appliances/emb-1: FIT at rank 0, but without IPV4");
}

}  // namespace
}  // namespace fairlead
