#include "services/steering/config_views.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/steering/codec.h"
#include "services/steering/fake_sources.h"
#include "services/steering/fleet_condition.h"

namespace fairlead {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

template <typename Entry>
HeldFeed<Entry> Held(const std::vector<std::string>& texts) {
  HeldFeed<Entry> held{.position = {1, 1}, .entries = {}};
  for (const std::string& text : texts) held.entries.push_back(std::make_shared<const Entry>(FromText<Entry>(text)));
  return held;
}
ConfigViews Config(const std::vector<std::string>& texts) {
  return ReadConfig(Held<registry::v1::ConfigEntry>(texts));
}

constexpr char kPartner[] = "key: 'partners/isp' partner { name: 'partners/isp' allowed_prefixes: '198.51.0.0/16' }";
constexpr char kCarrier[] = "key: 'partners/carrier' partner { name: 'partners/carrier' }";
constexpr char kSite[] = "key: 'sites/emb' site { name: 'sites/emb' }";
constexpr char kBox[] = "key: 'appliances/oca-1' appliance { name: 'appliances/oca-1' site: 'sites/emb' kind: APPLIANCE_KIND_FLASH }";
constexpr char kCollector[] =
    "key: 'appliances/rc-1' appliance { name: 'appliances/rc-1' site: 'sites/ix' kind: APPLIANCE_KIND_COLLECTOR }";

std::string Session(const std::string& id, const std::string& fields) {
  return "key: 'bgpSessions/" + id + "' bgp_session { name: 'bgpSessions/" + id + "' " + fields + " }";
}

TEST(ReadConfig, ASessionTakesItsAllowListFromItsPartnerAndFailsClosed) {
  const ConfigViews views =
      Config({kPartner, kCarrier, kBox,
              Session("a", "appliance: 'appliances/oca-1' partner: 'partners/isp' transport_class: TRANSPORT_CLASS_EMBEDDED"),
              Session("b", "appliance: 'appliances/oca-1' partner: 'partners/carrier' transport_class: TRANSPORT_CLASS_PRIVATE_PEERING"),
              Session("c", "appliance: 'appliances/oca-1' partner: 'partners/carrier' transport_class: TRANSPORT_CLASS_TRANSIT")});
  EXPECT_THAT(views.issues, IsEmpty());
  ASSERT_THAT(views.sessions, SizeIs(3));
  EXPECT_EQ(views.sessions[0].allowed->size(), 1u);
  EXPECT_TRUE(views.sessions[1].allowed->empty());  // Nothing registered: nothing let through.
  EXPECT_EQ(views.sessions[2].allowed, nullptr);    // Transit: everything.
  EXPECT_EQ(views.session_index.at(BgpSessionId("b")).index, 1u);
}

TEST(ReadConfig, ACollectorHearsForItsWholeSiteAndARouterFeedHasNoRoutes) {
  const ConfigViews views = Config({kPartner, kCollector,
                                    Session("via",
                                            "appliance: 'appliances/rc-1' partner: 'partners/isp' role: ROLE_VIA_ROUTER link: 'links/port' "
                                            "transport_class: TRANSPORT_CLASS_PUBLIC_PEERING"),
                                    Session("feed", "appliance: 'appliances/rc-1' role: ROLE_ROUTER_FEED")});
  ASSERT_THAT(views.sessions, SizeIs(1));
  EXPECT_EQ(views.sessions[0].site, SiteId("ix"));
  EXPECT_FALSE(views.sessions[0].appliance.has_value());
  EXPECT_EQ(*views.sessions[0].link, LinkId("port"));
  EXPECT_EQ(views.session_index.at(BgpSessionId("via")).appliance, ApplianceId("rc-1"));
}

TEST(ReadConfig, TheRulesOfLaddersAreTheSameWhateverBefallsBoxesKeysNamesAndCapacities) {
  const auto rules = [](const std::string& partner, const std::string& session = "", const std::string& more = "") {
    return Config({"key: 'partners/isp' partner { name: 'partners/isp' " + partner + " }", kBox,
                   Session("a", "appliance: 'appliances/oca-1' partner: 'partners/isp' " + session), kSite,
                   "key: 'links/port' link { name: 'links/port' " + more + " }"})
        .ladder_rules;
  };
  const uint64_t before = rules("allowed_prefixes: '198.51.100.0/24'");
  EXPECT_EQ(rules("allowed_prefixes: '198.51.100.0/24' display_name: 'The ISP'"), before);
  EXPECT_EQ(rules("allowed_prefixes: '198.51.100.0/24'", "", "capacity_bps: 5"), before);
  EXPECT_NE(rules("allowed_prefixes: '198.51.100.0/25'"), before);
  EXPECT_NE(rules("allowed_prefixes: '198.51.100.0/24' allowed_prefixes: '203.0.113.0/24'"), before);
  EXPECT_NE(rules("allowed_prefixes: '198.51.100.0/24'", "transport_class: TRANSPORT_CLASS_TRANSIT"), before);
  EXPECT_NE(rules("allowed_prefixes: '198.51.100.0/24'", "link: 'links/port'"), before);
}

TEST(KeepTopology, OldPlacesWithNewestStatesAndNothingForWhoeverIsWithdrawn) {
  const std::string drained =
      "key: 'appliances/oca-1' appliance { name: 'appliances/oca-1' site: 'sites/emb' kind: APPLIANCE_KIND_FLASH "
      "admin_state: ADMIN_STATE_DRAINING }";
  const std::string session =
      Session("a", "appliance: 'appliances/oca-1' partner: 'partners/isp' transport_class: TRANSPORT_CLASS_EMBEDDED");
  const ConfigViews old = Config({kPartner, kSite, kBox, session});
  const ConfigViews drains = KeepTopology(old, Config({kPartner, kSite, drained, session}));
  ASSERT_THAT(drains.appliances, SizeIs(1));
  EXPECT_EQ(drains.appliances[0].admin, AdminState::kDraining);
  EXPECT_FALSE(drains.sessions[0].allowed->empty());
  const ConfigViews gone = KeepTopology(old, Config({kPartner, kSite}));
  ASSERT_THAT(gone.appliances, SizeIs(1));
  EXPECT_EQ(gone.appliances[0].admin, AdminState::kUnspecified);
  ASSERT_THAT(gone.sessions, SizeIs(1));
  EXPECT_TRUE(gone.sessions[0].allowed->empty()) << "nothing may be announced";
  const ConfigViews other = KeepTopology(
      old, Config({kPartner, kSite, kBox,
                   Session("a", "appliance: 'appliances/oca-1' partner: 'partners/isp' transport_class: TRANSPORT_CLASS_TRANSIT")}));
  EXPECT_TRUE(other.sessions[0].allowed->empty()) << "it is another session now";
  EXPECT_EQ(other.sessions[0].transport, TransportClass::kEmbedded);
}

TEST(ReadConfig, ABoxInADrainSaysWhichAndHowFar) {
  const ConfigViews views =
      Config({"key: 'appliances/oca-1' appliance { name: 'appliances/oca-1' site: 'sites/emb' kind: "
              "APPLIANCE_KIND_FLASH admin_state: ADMIN_STATE_DRAINING drain { drain: 'drains/d-1' phase: PHASE_LAME_DUCK } }"});
  ASSERT_THAT(views.appliances, SizeIs(1));
  EXPECT_EQ(views.appliances[0].drain, "drains/d-1, LAME_DUCK");
  EXPECT_EQ(Config({kBox}).appliances[0].drain, "");
}

// Of all that a record of a box can change.
std::string Told(const ConfigViews& views) {
  std::string told = absl::StrCat(views.topology, " ", views.ladder_rules, " ", views.sessions.size(), " ", views.issues.size());
  for (const ApplianceView& box : views.appliances) {
    absl::StrAppend(&told, "\n", box.id.value(), " ", box.site.value(), " ", static_cast<int>(box.kind), " ", static_cast<int>(box.admin),
                    " ", static_cast<int>(box.drain_stage), " ", box.drain, " ", box.capacity_bps);
    for (const Endpoint& endpoint : box.endpoints) absl::StrAppend(&told, " ", endpoint.scheme, "://", endpoint.host, ":", endpoint.port);
  }
  return told;
}

TEST(FollowBoxes, SaysWhatReadingAllWouldSayOrNothing) {
  using Entry = registry::v1::ConfigEntry;
  const std::vector<std::string> others = {
      kPartner, kSite, Session("a", "appliance: 'appliances/oca-1' partner: 'partners/isp' transport_class: TRANSPORT_CLASS_EMBEDDED")};
  const auto box = [](int i, const std::string& fields) {
    return absl::StrCat("key: 'appliances/oca-", i, "' appliance { name: 'appliances/oca-", i, "' ", fields, " }");
  };
  const std::string usual = "site: 'sites/emb' kind: APPLIANCE_KIND_FLASH";
  struct Case {
    std::vector<std::string> changed;
    bool followed;
  };
  const std::vector<Case> cases = {
      {{}, true},
      {{box(1, usual + " admin_state: ADMIN_STATE_DRAINING drain { drain: 'drains/d' phase: PHASE_EVACUATING }")}, true},
      {{box(0, usual + " capacity_bps: 7"),
        box(2, usual + " endpoints { family: ADDRESS_FAMILY_IPV6 scheme: 'https' host: 'h' port: 443 }")},
       true},
      {{box(1, "site: 'sites/ix' kind: APPLIANCE_KIND_FLASH")}, false},     // Elsewhere.
      {{box(1, "site: 'sites/emb' kind: APPLIANCE_KIND_STORAGE")}, false},  // As something else.
      {{box(7, usual)}, false},                                             // New.
      {{box(1, usual + " endpoints { scheme: 'ftp' }")}, false},            // With an issue.
      {{box(1, "site: 'Bad Site'")}, false},
      {{"key: 'appliances/oca-1' appliance { name: 'appliances/oca-2' " + usual + " }"}, false},
      {{"key: 'sites/emb' site { name: 'sites/emb' country: 'NL' }"}, false},
      {{box(1, usual + " capacity_bps: 9"), "key: 'links/l' link { name: 'links/l' site: 'sites/emb' }"}, false},
  };
  std::vector<std::string> before = others;
  for (int i = 0; i < 3; ++i) before.push_back(box(i, usual));
  const ConfigViews views = Config(before);
  ASSERT_THAT(views.issues, IsEmpty());
  for (const Case& one : cases) {
    std::vector<std::string> after = before;
    std::vector<std::shared_ptr<const Entry>> changed = Held<Entry>(one.changed).entries;
    for (const auto& entry : changed) {
      const auto at =
          std::find_if(after.begin(), after.end(), [&](const std::string& text) { return FromText<Entry>(text).key() == entry->key(); });
      (at == after.end() ? after.emplace_back() : *at) = entry->ShortDebugString();
    }
    const std::optional<ConfigViews> followed = FollowBoxes(views, changed);
    ASSERT_EQ(followed.has_value(), one.followed) << absl::StrJoin(one.changed, "; ");
    if (followed.has_value()) {
      EXPECT_EQ(Told(*followed), Told(Config(after)));
    }
  }
  EXPECT_FALSE(FollowBoxes(views, {nullptr}).has_value()) << "a box that is gone";
}

TEST(FollowBoxes, ReadsAllWhileAnythingIsWrong) {
  const std::vector<std::string> wrong = {kSite, kBox, "key: 'cells/c' cell { name: 'cells/c' }"};
  const auto entry = std::make_shared<const registry::v1::ConfigEntry>(FromText<registry::v1::ConfigEntry>(kBox));
  EXPECT_FALSE(FollowBoxes(Config(wrong), {entry}).has_value());
  EXPECT_TRUE(FollowBoxes(Config({kSite, kBox}), {entry}).has_value());
}

TEST(ReadConfig, OneBadRecordIsNamedAndTheOthersCount) {
  const ConfigViews views =
      Config({"key: 'partners/isp' partner { name: 'partners/isp' allowed_prefixes: '198.51.0.1/16' allowed_prefixes: '203.0.113.0/24' }",
              kBox, "key: 'appliances/bad' appliance { name: 'Bad Name' site: 'sites/emb' }",
              "key: 'appliances/odd' appliance { name: 'appliances/odd' site: 'sites/emb' endpoints { scheme: 'ftp' } }",
              "key: 'cells/c' cell { name: 'cells/c' }", Session("a", "appliance: 'appliances/none' partner: 'partners/isp'"),
              Session("b", "appliance: 'appliances/oca-1' partner: 'partners/isp' transport_class: TRANSPORT_CLASS_EMBEDDED")});
  EXPECT_THAT(views.issues, SizeIs(5));
  EXPECT_THAT(views.issues, ::testing::Contains(HasSubstr("Bad Name")));
  EXPECT_THAT(views.appliances, SizeIs(2));
  ASSERT_THAT(views.sessions, SizeIs(1));
  EXPECT_EQ(views.sessions[0].allowed->size(), 1u);  // The readable prefix stays.
}

TEST(ReadConfig, PolicyFallsBackToTheDocumentedDefaults) {
  const ConfigViews none = Config({});
  EXPECT_EQ(none.policy.full_permille, 950u);
  EXPECT_EQ(none.settings.default_max_urls, 3);
  EXPECT_EQ(none.settings.token_lifetime, absl::Hours(4));
  const ConfigViews some =
      Config({"key: 'policies/steering' policy { steering { max_urls: 5 full_at: 0.5 steps: STEP_DISTANCE med_scope: MED_SCOPE_ALWAYS "
              "token_lifetime { seconds: 60 } } }"});
  EXPECT_EQ(some.policy.full_permille, 500u);
  EXPECT_EQ(some.policy.congested_permille, 500u);
  EXPECT_THAT(some.policy.steps, ElementsAre(ProximityStep::kDistance));
  EXPECT_EQ(some.policy.med_scope, MedScope::kAlways);
  EXPECT_EQ(some.settings.default_max_urls, 5);
  EXPECT_EQ(some.settings.token_lifetime, absl::Minutes(1));
  const ConfigViews refused = Config({"key: 'policies/steering' policy { steering { max_urls: 5 steps: STEP_MED steps: STEP_MED } }"});
  EXPECT_THAT(refused.issues, SizeIs(1));
  EXPECT_EQ(refused.settings.default_max_urls, 3);  // Whole or not at all.
}

TEST(ReadConfig, AClassMayHaveStepsOfItsOwn) {
  const ConfigViews some =
      Config({"key: 'policies/steering' policy { steering { class_steps { transport_class: TRANSPORT_CLASS_TRANSIT steps: STEP_DISTANCE "
              "steps: STEP_MED } class_steps { transport_class: TRANSPORT_CLASS_PUBLIC_PEERING partner: 'partners/isp' } } }"});
  EXPECT_THAT(some.issues, IsEmpty());
  ASSERT_THAT(some.policy.class_steps, SizeIs(2));
  EXPECT_EQ(some.policy.class_steps[0],
            (ClassSteps{.transport = TransportClass::kTransit, .partner = {}, .steps = {ProximityStep::kDistance, ProximityStep::kMed}}));
  EXPECT_EQ(some.policy.class_steps[1],
            (ClassSteps{.transport = TransportClass::kPublicPeering, .partner = PartnerId("isp"), .steps = {}}));
  const ConfigViews refused =
      Config({"key: 'policies/steering' policy { steering { class_steps { transport_class: TRANSPORT_CLASS_TRANSIT steps: "
              "STEP_PREFIX_LENGTH } } }"});
  ASSERT_THAT(refused.issues, SizeIs(1));
  EXPECT_THAT(refused.issues[0], HasSubstr("'PREFIX_LENGTH' has been taken already"));
}

TEST(ReadConfig, TheGuardsFiguresComeFromThePolicyAndTheirDefaultsFromTheGuard) {
  EXPECT_EQ(Config({}).policy.guard, GuardPolicy());
  EXPECT_EQ(Config({"key: 'policies/steering' policy { steering { guard { removable_boxes: 4 } } }"}).policy.guard,
            (GuardPolicy{.removable_boxes = 4}));
  const ConfigViews all =
      Config({"key: 'policies/steering' policy { steering { guard { mode: MODE_BELIEVE_ALL removable_share: 0.1 removable_boxes: 3 "
              "window { seconds: 30 } wave_sites: 4 thaw_after { seconds: 5 } cell_stale_after { seconds: 6 } corroborated_sites: 7 "
              "answering_lease { seconds: 8 } failing_networks: 9 } } }",
              "key: 'policies/health' policy { health { lost_after { seconds: 21 } } }"});
  EXPECT_THAT(all.issues, IsEmpty());
  EXPECT_EQ(all.policy.guard, (GuardPolicy{.mode = GuardMode::kBelieveAll,
                                           .removable_permille = 100,
                                           .removable_boxes = 3,
                                           .window = absl::Seconds(30),
                                           .wave_sites = 4,
                                           .thaw_after = absl::Seconds(5),
                                           .cell_stale_after = absl::Seconds(6),
                                           .corroborated_sites = 7,
                                           .answering_lease = absl::Seconds(8),
                                           .failing_networks = 9}));
  EXPECT_EQ(all.lost_after, absl::Seconds(21));
  const ConfigViews refused = Config({"key: 'policies/steering' policy { steering { guard { removable_share: 1.5 } } }"});
  ASSERT_THAT(refused.issues, SizeIs(1));
  EXPECT_THAT(refused.issues[0], HasSubstr("guard.removable_permille"));
  EXPECT_EQ(refused.policy.guard, GuardPolicy());
}

TEST(ReadConfig, ActiveKeysComeNewestFirst) {
  const auto key = [](const std::string& id, const std::string& state, int seconds) {
    return "key: 'signingKeys/" + id + "' signing_key { name: 'signingKeys/" + id + "' state: " + state +
           " create_time { seconds: " + std::to_string(seconds) + " } }";
  };
  const ConfigViews views = Config({key("old", "STATE_ACTIVE", 1), key("verify", "STATE_VERIFY_ONLY", 9), key("new", "STATE_ACTIVE", 5),
                                    key("bad", "STATE_REVOKED", 10)});
  EXPECT_THAT(views.settings.active_key_ids, ElementsAre("new", "old"));
}

class FleetConditionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    fleet_ = Fleet::Build(views_.sites, views_.appliances, views_.links);
    condition_.Follow(std::make_shared<const ConfigViews>(views_), *fleet_);
  }
  void Apply(const FleetCondition::Reports& reports, const FleetCondition::Words& words = {}) {
    fleet_ = condition_.Apply(fleet_, reports, words);
  }
  const ApplianceView& Box(const std::string& id) const { return fleet_->boxes()[fleet_->FindBox(ApplianceId(id))].view; }
  uint64_t Use(const std::string& id) const { return fleet_->links()[fleet_->FindLink(LinkId(id))].use_bps; }

  const ConfigViews views_ =
      Config({kBox, "key: 'appliances/oca-2' appliance { name: 'appliances/oca-2' site: 'sites/emb' capacity_bps: 100 }",
              "key: 'sites/emb' site { name: 'sites/emb' kind: SITE_KIND_EMBEDDED }",
              "key: 'links/up' link { name: 'links/up' site: 'sites/emb' kind: KIND_SITE_UPLINK capacity_bps: 1000 }",
              "key: 'links/port' link { name: 'links/port' site: 'sites/emb' kind: KIND_PEERING_PORT capacity_bps: 1000 }"});
  std::shared_ptr<const Fleet> fleet_;
  FleetCondition condition_;
};

TEST_F(FleetConditionTest, BoxesAreSilentUntilHeardAndUplinksCarryTheirSites) {
  EXPECT_THAT(views_.sites[0].uplinks, ElementsAre(LinkId("up")));
  Apply({{ApplianceId("oca-2"), {.health = HealthState::kOk, .weight_permille = 500, .use_bps = 70, .capacity_bps = 80}}});
  EXPECT_EQ(Box("oca-1").health, HealthState::kSilent);
  EXPECT_EQ(Box("oca-2").health, HealthState::kOk);
  EXPECT_EQ(Box("oca-2").weight_permille, 500u);
  EXPECT_EQ(Box("oca-2").capacity_bps, 80u);  // What it can serve now, where that is less.
  EXPECT_EQ(Use("up"), 70u);
  EXPECT_EQ(Use("port"), 0u);
  Apply({{ApplianceId("oca-2"), {.health = HealthState::kOk, .use_bps = 20, .capacity_bps = 300}}});
  EXPECT_EQ(Box("oca-2").capacity_bps, 100u) << "as configured again";
  EXPECT_EQ(Use("up"), 20u);
  Apply({});
  EXPECT_EQ(Box("oca-2").health, HealthState::kSilent) << "forgotten";
  EXPECT_EQ(Box("oca-2").weight_permille, 1000u);
  EXPECT_EQ(Use("up"), 0u);
}

TEST_F(FleetConditionTest, TheLastFigureOfASilentBoxDoesNotFillItsUplink) {
  Apply({{ApplianceId("oca-2"), {.health = HealthState::kSilent, .weight_permille = 0, .use_bps = 70, .capacity_bps = 80}}});
  EXPECT_EQ(Use("up"), 0u);
}

TEST_F(FleetConditionTest, TheGuardsWordStandsBesideTheConditionThatItExplains) {
  Apply({}, {{ApplianceId("oca-1"), "held"}});
  EXPECT_EQ(Box("oca-1").guard_word, "held");
  EXPECT_EQ(Box("oca-2").guard_word, "");
  Apply({});
  EXPECT_EQ(Box("oca-1").guard_word, "");
}

TEST_F(FleetConditionTest, WhatTheConfigurationSaysOfABoxReplacesThatBoxAlone) {
  Apply({{ApplianceId("oca-2"), {.health = HealthState::kOk, .use_bps = 70}}});
  const auto before = fleet_;
  auto drained = std::make_shared<ConfigViews>(views_);
  drained->appliances[1].admin = AdminState::kDraining;
  condition_.Follow(drained, *fleet_);
  Apply({{ApplianceId("oca-2"), {.health = HealthState::kOk, .use_bps = 70}}});
  EXPECT_EQ(Box("oca-2").admin, AdminState::kDraining);
  EXPECT_EQ(Box("oca-2").use_bps, 70u);
  EXPECT_EQ(&fleet_->boxes()[0], &before->boxes()[0]);
}

TEST_F(FleetConditionTest, WhatHasNotChangedIsTheSameObject) {
  const FleetCondition::Reports reports = {{ApplianceId("oca-2"), {.health = HealthState::kOk, .use_bps = 70}}};
  const auto before = fleet_;
  Apply(reports);
  EXPECT_EQ(&fleet_->boxes()[0], &before->boxes()[0]);
  EXPECT_NE(&fleet_->boxes()[1], &before->boxes()[1]);
  EXPECT_EQ(before->boxes()[1].view.health, HealthState::kSilent) << "the fleet before stays what it was";
  EXPECT_EQ(fleet_->fingerprint(), before->fingerprint());
  EXPECT_EQ(&fleet_->sites(), &before->sites());
  const auto again = fleet_;
  Apply(reports);
  EXPECT_EQ(fleet_, again);
}

TEST(CheckInCatalogue, ATitleOfTooManyFilesNeedsItsRenditionsNamed) {
  VersionView version = {.version = "v1"};
  for (uint32_t i = 1; i <= kMaxFilesAnAnswer + 1; ++i) {
    version.files.push_back({.number = i, .path = absl::StrCat("big/v1/r", i, "/media.mp4"), .rendition = absl::StrCat("r", i)});
  }
  const auto catalogue = Catalogue::Build({{.id = TitleId("big"), .current_version = "v1", .versions = {version}}});
  SteeringRequest request = {.title = TitleId("big")};
  const absl::Status refused = CheckInCatalogue(FindWanted(*catalogue, request), request);
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("257 files"));
  request.renditions = {"r1", "r2"};
  EXPECT_TRUE(CheckInCatalogue(FindWanted(*catalogue, request), request).ok());
}

}  // namespace
}  // namespace fairlead
