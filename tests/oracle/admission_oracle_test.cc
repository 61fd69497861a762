// Route admission under hostile feeds: a million updates, of many seeds, against an independent reading of the rules (naive_admission), and
// what the rules are for, end to end over admission and the steering decision: a partner moves only clients inside its allow-list.
#include <algorithm>
#include <array>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/routing/admission.h"
#include "libs/routing/session_table.h"
#include "libs/steering/decide.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/routes.h"
#include "tests/oracle/hostile_feed.h"
#include "tests/oracle/naive_admission.h"

namespace fairlead {
namespace {

constexpr uint32_t kOurAsn = 40027;
// Beside announcements and withdrawals a feed has losses, restarts, new rules and mere time: about one step in forty.
constexpr int kSeeds = 520;
constexpr int kStepsASeed = 2'000;
constexpr size_t kUpdates = 1'000'000;
constexpr int kCheckEvery = 250;
constexpr int kFamilies = 2;

Prefix P(const char* text) {
  return Prefix::Parse(text).value();
}

std::shared_ptr<const PrefixSet> SetOf(const std::vector<Prefix>& prefixes) {
  auto set = std::make_shared<PrefixSet>();
  for (const Prefix& prefix : prefixes) set->Insert(prefix, {});
  return set;
}

struct Partner {
  std::string name;
  uint32_t asn;
  std::vector<Prefix> allowed;
};

// The lists of the second and the third overlap (as an operator may approve); the fourth has registered the whole Internet, so that with
// it every rule but the allow-list stands alone.
std::vector<Partner> Partners() {
  return {{"a", 64601, {P("80.10.0.0/16"), P("2a00:a::/32")}},
          {"b", 64602, {P("80.11.0.0/16"), P("90.4.0.0/15"), P("2a00:b::/32")}},
          {"c", 64603, {P("80.11.128.0/17"), P("77.0.0.0/20"), P("2a00:b:8000::/33")}},
          {"d", 64604, {P("0.0.0.0/0"), P("::/0")}}};
}

// A session, the same twice: as the product has it, and as the oracle has it.
class Session {
 public:
  Session(const Partner& partner, TransportClass transport, const LossPolicy& loss, SeededRandom& random)
      : partner_(partner),
        transport_(transport),
        feed_(random.Next(), partner.allowed, Foreign(partner), partner.asn, kOurAsn),
        rules_(NewRules(random)),
        table_(RecordOf(rules_), VrpsOf(rules_), loss),
        naive_(rules_, loss) {}

  void Step(SeededRandom& random, absl::Time& now) {
    using Kind = HostileUpdate::Kind;
    const HostileUpdate update = feed_.Next();
    now += update.after;
    switch (update.kind) {
      case Kind::kAnnounce:
        ++updates_;
        naive_.Announce(update.route);
        return Mirror(table_.Announce(update.route));
      case Kind::kWithdraw:
        ++updates_;
        naive_.Withdraw(update.route.key);
        return Mirror(table_.Withdraw(update.route.key));
      case Kind::kUp:
        naive_.SessionUp(now);
        return Mirror(table_.SessionUp(now));
      case Kind::kLost:
      case Kind::kCeased: {
        const SessionLoss loss = update.kind == Kind::kLost ? SessionLoss::kLost : SessionLoss::kCeased;
        naive_.SessionDown(loss, now);
        return Mirror(table_.SessionDown(loss, now));
      }
      case Kind::kEndOfRib:
        naive_.EndOfRib(update.family);
        return Mirror(table_.EndOfRib(update.family));
      case Kind::kTick:
        naive_.Tick(now);
        return Mirror(table_.Tick(now));
      case Kind::kReconfigure:
        rules_ = NewRules(random);
        naive_.Reconfigure(rules_);
        return Mirror(table_.Reconfigure(RecordOf(rules_), VrpsOf(rules_)));
    }
  }

  // The table, what a subscriber to its changes knows, and its counts are what the oracle says. `seen`: how often each reason was met.
  void Check(absl::Time now, std::array<size_t, kDropReasons>& seen) {
    naive_.Tick(now);
    Mirror(table_.Tick(now));
    const std::map<RouteKey, NaiveSession::Held> expected = naive_.Verdicts();
    ASSERT_EQ(table_.routes().size(), expected.size());
    ASSERT_EQ(mirror_.size(), expected.size());
    std::array<size_t, kDropReasons> counts = {};
    for (const auto& [key, held] : expected) {
      const KeptRoute* kept = table_.Find(key);
      ASSERT_NE(kept, nullptr) << key;
      ASSERT_EQ(kept->admission.reason, held.reason) << key << " " << ToString(held.route.as_path) << ": "
                                                     << ToString(kept->admission.reason) << " instead of " << ToString(held.reason);
      ASSERT_EQ(kept->admission.admitted(), kept->admission.sentence.empty());
      ASSERT_EQ(kept->demoted, held.demoted) << key;
      ASSERT_EQ(kept->route, held.route) << key;
      const std::pair<DropReason, bool> told = mirror_[key];
      ASSERT_EQ(told, std::make_pair(held.reason, held.demoted)) << key << " changed and wasn't told";
      ++counts[static_cast<size_t>(held.reason)];
      ++seen[static_cast<size_t>(held.reason)];
    }
    for (int i = 0; i < kDropReasons; ++i) ASSERT_EQ(table_.count(static_cast<DropReason>(i)), counts[static_cast<size_t>(i)]);
    ASSERT_EQ(table_.admitted(), counts[0]);
    ASSERT_EQ(table_.dropped(), expected.size() - counts[0]);
  }

  const Partner& partner() const { return partner_; }
  TransportClass transport() const { return transport_; }
  const SessionTable& table() const { return table_; }
  // Announcements and withdrawals so far.
  size_t updates() const { return updates_; }

 private:
  static std::vector<Prefix> Foreign(const Partner& partner) {
    std::vector<Prefix> foreign;
    for (const Partner& other : Partners()) {
      if (other.name != partner.name && other.name != "d") foreign.insert(foreign.end(), other.allowed.begin(), other.allowed.end());
    }
    return foreign;
  }

  NaiveRules NewRules(SeededRandom& random) {
    NaiveRules rules;
    SessionRecord& record = rules.record;
    record = {.id = BgpSessionId("s"), .partner = PartnerId(partner_.name), .transport = transport_};
    record.local_asn = random.OneIn(5) ? 0 : kOurAsn;
    if (!random.OneIn(4)) record.partner_asns = {65550, partner_.asn};
    if (random.OneIn(8)) record.family = static_cast<AddressFamily>(1 + random.Below(kFamilies));
    if (random.OneIn(3)) record.v4 = {static_cast<int>(random.Below(17)), static_cast<int>(17 + random.Below(16))};
    if (random.OneIn(3)) record.v6 = {static_cast<int>(random.Below(33)), static_cast<int>(33 + random.Below(96))};
    if (random.OneIn(6)) record.max_path_length = static_cast<int>(1 + random.Below(5));
    if (!random.OneIn(3)) record.max_prefix = static_cast<uint32_t>(1 + random.Below(40));
    // A forgotten list; on a transit session that is the rule.
    rules.has_allow_list = transport_ == TransportClass::kTransit ? random.OneIn(2) : !random.OneIn(12);
    rules.allowed = partner_.allowed;
    if (random.OneIn(2)) rules.vrps = feed_.Vrps();
    return rules;
  }
  static SessionRecord RecordOf(const NaiveRules& rules) {
    SessionRecord record = rules.record;
    record.allowed = rules.has_allow_list ? SetOf(rules.allowed) : nullptr;
    return record;
  }
  static std::shared_ptr<const VrpTable> VrpsOf(const NaiveRules& rules) {
    if (rules.vrps.empty()) return nullptr;
    auto table = std::make_shared<VrpTable>();
    for (const Vrp& vrp : rules.vrps) table->Add(vrp);
    return table;
  }

  void Mirror(const std::vector<RouteKey>& changed) {
    for (const RouteKey& key : changed) {
      const KeptRoute* kept = table_.Find(key);
      if (kept == nullptr) {
        mirror_.erase(key);
      } else {
        mirror_[key] = {kept->admission.reason, kept->demoted};
      }
    }
  }

  Partner partner_;
  TransportClass transport_;
  HostileFeed feed_;
  NaiveRules rules_;
  SessionTable table_;
  NaiveSession naive_;
  std::map<RouteKey, std::pair<DropReason, bool>> mirror_;
  size_t updates_ = 0;
};

// The sessions of all partners: embedded, over both kinds of peering, and one transit.
class Hostility {
 public:
  explicit Hostility(uint64_t seed) : random_(seed) {
    const LossPolicy loss = {.forget_after = random_.OneIn(3) ? absl::Hours(1) : absl::InfiniteDuration()};
    for (const Partner& partner : Partners()) {
      for (const TransportClass transport : {TransportClass::kEmbedded, TransportClass::kPrivatePeering, TransportClass::kPublicPeering}) {
        sessions_.push_back(std::make_unique<Session>(partner, transport, loss, random_));
      }
    }
    sessions_.push_back(
        std::make_unique<Session>(Partner{"carrier", 64609, {P("80.0.0.0/4"), P("2a00::/16")}}, TransportClass::kTransit, loss, random_));
  }
  void Step() { sessions_[random_.Below(sessions_.size())]->Step(random_, now_); }
  void Check(std::array<size_t, kDropReasons>& seen) {
    for (const auto& session : sessions_) ASSERT_NO_FATAL_FAILURE(session->Check(now_, seen));
  }
  const std::vector<std::unique_ptr<Session>>& sessions() const { return sessions_; }
  size_t updates() const {
    size_t updates = 0;
    for (const auto& session : sessions_) updates += session->updates();
    return updates;
  }
  SeededRandom& random() { return random_; }

 private:
  SeededRandom random_;
  absl::Time now_ = absl::UnixEpoch();
  std::vector<std::unique_ptr<Session>> sessions_;
};

// Which routes reach steering, and what steering itself believes of the allow-lists.
enum class Defence {
  kAdmissionAlone,  // Only admitted routes; steering lets everything through.
  kSteeringAlone,   // Whatever was announced, as if admission had let it pass; steering has the lists.
};

// What steerd would make of the sessions: a site in each partner's network, one at an exchange where all peer, one far away that is open to
// those whom nobody announces. Without the routes of `silenced` (empty: of nobody).
std::shared_ptr<const SteeringTable> TableOf(const Hostility& hostility, Defence defence, const std::string& silenced) {
  SteeringInputs in;
  const auto add_site = [&in](const std::string& id, SiteKind kind, double latitude) {
    in.sites.push_back({.id = SiteId(id), .kind = kind, .at = Coordinates::FromDegrees(latitude, 8), .open_to_unrouted = id == "far"});
    for (const char* box : {"1", "2"}) {
      in.appliances.push_back({.id = ApplianceId(absl::StrCat(id, "-", box)), .site = SiteId(id), .kind = ApplianceKind::kStorage});
      ApplianceView& view = in.appliances.back();
      for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
        view.endpoints.push_back({family, "https", absl::StrCat(id, "-", box, ".example.net"), 443});
      }
      view.capacity_bps = 10'000'000'000;
      view.admin = AdminState::kLive;
      view.health = HealthState::kOk;
      in.holdings.push_back({view.id, std::make_shared<const FileSet>(FileSet::Of({1}))});
    }
  };
  for (const Partner& partner : Partners()) add_site(partner.name, SiteKind::kEmbedded, 50);
  add_site("ix", SiteKind::kIx, 51);
  add_site("far", SiteKind::kIx, 10);
  const std::shared_ptr<const PrefixSet> everything = SetOf({P("0.0.0.0/0"), P("::/0")});
  for (const auto& session : hostility.sessions()) {
    SessionView view = {.id = BgpSessionId(absl::StrCat("s", in.sessions.size())), .partner = PartnerId(session->partner().name)};
    view.transport = session->transport();
    view.site = SiteId(view.transport == TransportClass::kEmbedded ? session->partner().name : "ix");
    view.allowed = defence == Defence::kAdmissionAlone ? everything : SetOf(session->partner().allowed);
    for (const auto& [key, kept] : session->table().routes()) {
      if (session->partner().name == silenced) break;
      if (defence == Defence::kAdmissionAlone && !kept.admission.admitted()) continue;
      in.routes.push_back({.prefix = key.prefix,
                           .session = static_cast<uint32_t>(in.sessions.size()),
                           .neighbour_as = FirstAs(kept.route.as_path).value_or(0),
                           .med = kept.route.med.value_or(0),
                           .as_path_length = static_cast<uint16_t>(PathLength(kept.route.as_path)),
                           .demoted = kept.demoted});
    }
    in.sessions.push_back(std::move(view));
  }
  in.titles = {{.id = TitleId("t"), .versions = {{.version = "v1", .files = {{.number = 1, .path = "t/v1/r/f.mp4", .rendition = "r"}}}}}};
  return BuildSteeringTable(std::move(in)).value();
}

std::string AnswerFor(const SteeringTable& table, const IpAddress& client) {
  const SteeringAnswer answer = Decide(table, {.client = client, .title = TitleId("t"), .max_urls = 8});
  std::string text = answer.matched_prefix.has_value() ? answer.matched_prefix->ToString() : "none";
  for (const FileAnswer& file : answer.files) {
    absl::StrAppend(&text, " ", ToString(file.not_servable));
    for (const Candidate& one : file.candidates) {
      absl::StrAppend(&text, " ", one.appliance.value(), "/", static_cast<int>(one.endpoint.family), "/", one.rank, "/",
                      static_cast<int>(one.cause));
    }
  }
  return text;
}

// Inside the lists, just outside of them, in what was announced, and anywhere.
std::vector<IpAddress> Clients(const Hostility& hostility, SeededRandom& random) {
  std::vector<IpAddress> clients;
  RouteGenerator addresses(random.Next());
  for (const Partner& partner : Partners()) {
    for (const Prefix& prefix : partner.allowed) {
      clients.push_back(prefix.address());
      clients.push_back(prefix.last());
      const IpAddress& base = prefix.address();
      clients.push_back(base.is_v4() ? IpAddress::V4(base.v4() - 1) : IpAddress::V6(base.high() - 1, ~uint64_t{0}));
      clients.push_back(base.is_v4() ? IpAddress::V4(prefix.last().v4() + 1) : IpAddress::V6(prefix.last().high() + 1, 0));
      for (int i = 0; i < 3; ++i) clients.push_back(addresses.AddressIn(prefix));
    }
  }
  for (const auto& session : hostility.sessions()) {
    for (const auto& [key, kept] : session->table().routes()) {
      if (random.OneIn(16)) clients.push_back(addresses.AddressIn(key.prefix));
    }
  }
  return clients;
}

// Takes each partner's announcements away, all of them: that changes no answer of a client outside its list. Counts the clients compared,
// and those inside whose answer did change.
void CheckNobodyMovesAnothersClients(Hostility& hostility, Defence defence, size_t& outside, size_t& moved) {
  const std::vector<IpAddress> clients = Clients(hostility, hostility.random());
  const auto with_all = TableOf(hostility, defence, "");
  for (const Partner& partner : Partners()) {
    const auto without = TableOf(hostility, defence, partner.name);
    for (const IpAddress& client : clients) {
      const std::string with = AnswerFor(*with_all, client);
      const std::string alone = AnswerFor(*without, client);
      if (NaiveCovered(Prefix::Host(client), partner.allowed)) {
        moved += with != alone ? 1 : 0;
        continue;
      }
      ++outside;
      ASSERT_EQ(with, alone) << partner.name << " moved " << client << ", which is outside its allow-list";
    }
  }
}

TEST(AdmissionOracle, AMillionHostileUpdatesAreJudgedAsTheRulesSayAndMoveOnlyTheirOwnClients) {
  std::array<size_t, kDropReasons> seen = {};
  size_t outside[2] = {};
  size_t moved[2] = {};
  size_t updates = 0;
  for (int seed = 1; seed <= kSeeds; ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Hostility hostility(static_cast<uint64_t>(seed));
    for (int step = 1; step <= kStepsASeed; ++step) {
      hostility.Step();
      if (step % kCheckEvery != 0) continue;
      ASSERT_NO_FATAL_FAILURE(hostility.Check(seen)) << "step " << step;
    }
    updates += hostility.updates();
    const int half = seed % 2;
    const Defence defence = half == 0 ? Defence::kAdmissionAlone : Defence::kSteeringAlone;
    ASSERT_NO_FATAL_FAILURE(CheckNobodyMovesAnothersClients(hostility, defence, outside[half], moved[half]));
  }
  EXPECT_GE(updates, kUpdates);
  // None of it is empty talk: every reason was met often, and partners did move clients of their own.
  for (int reason = 0; reason < kDropReasons; ++reason) {
    EXPECT_GT(seen[static_cast<size_t>(reason)], 1'000u) << ToString(static_cast<DropReason>(reason));
  }
  for (const int half : {0, 1}) {
    EXPECT_GT(outside[half], 50'000u);
    EXPECT_GT(moved[half], 5'000u);
  }
}

// A session may not put itself above another of the same partner by what it is not registered for, nor may a forgotten list open it.
TEST(AdmissionOracle, AForgottenAllowListMovesNobody) {
  for (const TransportClass transport : {TransportClass::kEmbedded, TransportClass::kPrivatePeering, TransportClass::kPublicPeering}) {
    SessionTable table({.id = BgpSessionId("s"), .partner = PartnerId("a"), .transport = transport});
    HostileFeed feed(7, {P("80.10.0.0/16")}, {P("90.4.0.0/15")}, 64601, kOurAsn);
    for (int i = 0; i < 5'000; ++i) {
      const HostileUpdate update = feed.Next();
      if (update.kind == HostileUpdate::Kind::kAnnounce) table.Announce(update.route);
    }
    EXPECT_GT(table.routes().size(), 100u);
    EXPECT_EQ(table.admitted(), 0u) << transport;
  }
}

}  // namespace
}  // namespace fairlead
