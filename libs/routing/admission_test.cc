#include "libs/routing/admission.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/routing/bogons.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;
using Kind = AsPathSegment::Kind;

Prefix P(absl::string_view text) {
  return Prefix::Parse(text).value();
}

RawRoute Route(absl::string_view prefix, std::vector<uint32_t> path = {3320, 64500}) {
  return {.key = {P(prefix)}, .as_path = SequencePath(std::move(path))};
}

std::shared_ptr<const PrefixSet> Allow(std::vector<std::string> prefixes) {
  auto set = std::make_shared<PrefixSet>();
  for (const std::string& prefix : prefixes) set->Insert(P(prefix), {});
  return set;
}

SessionRecord Embedded() {
  return {.id = BgpSessionId("s1"),
          .partner = PartnerId("dtag"),
          .transport = TransportClass::kEmbedded,
          .local_asn = 40027,
          .partner_asns = {3320},
          .allowed = Allow({"80.128.0.0/11", "2003::/19"})};
}

DropReason ReasonOf(const RawRoute& route, const SessionRecord& session = Embedded(), const VrpTable* vrps = nullptr) {
  const Admission admission = Admit(route, session, vrps);
  EXPECT_EQ(admission.admitted(), admission.sentence.empty()) << admission.sentence;
  return admission.reason;
}

TEST(Admission, APartnersOwnRouteIsAdmitted) {
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11")), DropReason::kAdmitted);
  EXPECT_EQ(ReasonOf(Route("80.130.7.0/24", {3320})), DropReason::kAdmitted);
  EXPECT_EQ(ReasonOf(Route("2003:40::/32")), DropReason::kAdmitted);
}

TEST(Admission, EveryBogonIsRefusedItselfAndInParts) {
  SessionRecord open = Embedded();
  open.transport = TransportClass::kTransit;
  open.allowed = nullptr;
  open.v4 = {0, 32};
  open.v6 = {0, 128};
  for (const Bogon& bogon : Bogons()) {
    EXPECT_EQ(ReasonOf(Route(bogon.prefix.ToString()), open), DropReason::kBogon) << bogon.prefix;
    EXPECT_EQ(ReasonOf(Route(Prefix::Of(bogon.prefix.last(), bogon.prefix.length() + 1).ToString()), open), DropReason::kBogon)
        << bogon.prefix;
    EXPECT_EQ(ReasonOf(Route(Prefix::Host(bogon.prefix.last()).ToString()), open), DropReason::kBogon) << bogon.prefix;
  }
  EXPECT_EQ(ReasonOf(Route("192.0.0.0/16"), open), DropReason::kBogon) << "a block around a bogon is a leak";
  for (const char* real : {"9.0.0.0/8", "11.0.0.0/8", "100.0.0.0/10", "100.128.0.0/9", "172.32.0.0/11", "198.20.0.0/14", "223.0.0.0/8",
                           "2001:200::/32", "2001:db9::/32", "2600::/24", "3ffd::/32", "3fff:1000::/36"}) {
    EXPECT_EQ(ReasonOf(Route(real), open), DropReason::kAdmitted) << real;
  }
}

TEST(Admission, TheDefaultRouteIsRefusedWhateverTheBounds) {
  SessionRecord session = Embedded();
  session.v4 = {0, 32};
  session.v6 = {0, 128};
  EXPECT_EQ(ReasonOf(Route("0.0.0.0/0"), session), DropReason::kDefaultRoute);
  EXPECT_EQ(ReasonOf(Route("::/0"), session), DropReason::kDefaultRoute);
}

TEST(Admission, LengthsAreHeldToTheSessionsBounds) {
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/25")), DropReason::kLengthOutOfBounds);
  EXPECT_EQ(ReasonOf(Route("80.0.0.0/7")), DropReason::kLengthOutOfBounds);
  EXPECT_EQ(ReasonOf(Route("2003::/49")), DropReason::kLengthOutOfBounds);
  EXPECT_EQ(ReasonOf(Route("2003::/48")), DropReason::kAdmitted);
  EXPECT_EQ(ReasonOf(Route("2002::/18")), DropReason::kBogon);
  SessionRecord wider = Embedded();
  wider.v4.most = 25;
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/25"), wider), DropReason::kAdmitted);
  EXPECT_THAT(Admit(Route("80.128.0.0/25"), Embedded(), nullptr).sentence,
              HasSubstr("80.128.0.0/25 is outside the session's lengths /8 to /24"));
}

TEST(Admission, OnlyTheRegisteredPrefixesOfThePartnerPass) {
  EXPECT_EQ(ReasonOf(Route("81.0.0.0/16")), DropReason::kNotInAllowList);
  EXPECT_EQ(ReasonOf(Route("80.0.0.0/8")), DropReason::kNotInAllowList) << "wider than what is registered";
  EXPECT_THAT(Admit(Route("81.0.0.0/16"), Embedded(), nullptr).sentence, HasSubstr("none of the 2 prefixes registered for partner dtag"));
}

TEST(Admission, AMissingAllowListAdmitsNothingExceptOnTransit) {
  SessionRecord session = Embedded();
  session.allowed = nullptr;
  for (const TransportClass transport :
       {TransportClass::kUnspecified, TransportClass::kEmbedded, TransportClass::kPrivatePeering, TransportClass::kPublicPeering}) {
    session.transport = transport;
    EXPECT_EQ(ReasonOf(Route("80.128.0.0/11"), session), DropReason::kNotInAllowList) << transport;
  }
  session.transport = TransportClass::kTransit;
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11"), session), DropReason::kAdmitted);
  session.allowed = Allow({"81.0.0.0/8"});
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11"), session), DropReason::kNotInAllowList);
}

TEST(Admission, LoopsAreRefusedAndPrependingIsNot) {
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", {3320, 40027, 64500})), DropReason::kAsLoop);
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", {3320, 64500, 3320})), DropReason::kAsLoop);
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", {3320, 3320, 3320, 64500, 64500})), DropReason::kAdmitted);
  RawRoute with_set = Route("80.128.0.0/11");
  with_set.as_path.push_back({Kind::kSet, {64501, 40027}});
  EXPECT_EQ(ReasonOf(with_set), DropReason::kAsLoop);
}

TEST(Admission, PathsAreNeitherEmptyNorEndless) {
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", {})), DropReason::kEmptyAsPath);
  std::vector<uint32_t> path(50, 3320);
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", path)), DropReason::kAdmitted);
  path.push_back(3320);
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", path)), DropReason::kPathTooLong);
  EXPECT_THAT(Admit(Route("80.128.0.0/11", path), Embedded(), nullptr).sentence, HasSubstr("51 hops, more than 50"));
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", {3320, 0})), DropReason::kInvalidAs);
}

TEST(Admission, ThePathBeginsWithThePartner) {
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", {174, 3320})), DropReason::kWrongFirstAs);
  RawRoute set_first = Route("80.128.0.0/11");
  set_first.as_path = {{Kind::kSet, {3320}}};
  EXPECT_EQ(ReasonOf(set_first), DropReason::kWrongFirstAs);
  SessionRecord route_server = Embedded();
  route_server.partner_asns.clear();
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11", {174, 3320}), route_server), DropReason::kAdmitted);
}

TEST(Admission, TheFamilyMustBeOneTheSessionCarries) {
  SessionRecord v4_only = Embedded();
  v4_only.family = AddressFamily::kIpv4;
  EXPECT_EQ(ReasonOf(Route("2003::/32"), v4_only), DropReason::kFamilyMismatch);
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/11"), v4_only), DropReason::kAdmitted);
}

TEST(Admission, RpkiInvalidIsRefusedNotFoundIsNot) {
  VrpTable vrps;
  vrps.Add({P("80.128.0.0/11"), 16, 64500});
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/16"), Embedded(), &vrps), DropReason::kAdmitted);
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/17"), Embedded(), &vrps), DropReason::kRpkiInvalid) << "longer than the ROA allows";
  EXPECT_EQ(ReasonOf(Route("80.128.0.0/16", {3320, 64501}), Embedded(), &vrps), DropReason::kRpkiInvalid) << "another origin";
  EXPECT_EQ(ReasonOf(Route("2003::/32"), Embedded(), &vrps), DropReason::kAdmitted) << "no ROA";
  EXPECT_THAT(Admit(Route("80.128.0.0/17"), Embedded(), &vrps).sentence, HasSubstr("80.128.0.0/11-16 AS64500"));
}

TEST(Rpki, OneMatchingPayloadMakesTheRouteValid) {
  VrpTable vrps;
  vrps.Add({P("80.128.0.0/11"), 11, 1});
  vrps.Add({P("80.128.0.0/16"), 24, 2});
  EXPECT_EQ(vrps.Validate(P("80.128.0.0/20"), 2), RpkiState::kValid);
  EXPECT_EQ(vrps.Validate(P("80.128.0.0/20"), 1), RpkiState::kInvalid);
  EXPECT_EQ(vrps.Validate(P("80.128.0.0/11"), 1), RpkiState::kValid);
  EXPECT_EQ(vrps.Validate(P("81.128.0.0/16"), 1), RpkiState::kNotFound);
  EXPECT_EQ(vrps.Validate(P("80.128.0.0/20"), std::nullopt), RpkiState::kInvalid) << "a path that ends in a set has no origin";
  vrps.Add({P("90.0.0.0/8"), 24, 0});
  EXPECT_EQ(vrps.Validate(P("90.0.0.0/8"), 0), RpkiState::kInvalid) << "AS 0 authorises nobody";
}

TEST(Admission, GracefulShutdownDemotesAndDoesNotDrop) {
  RawRoute route = Route("80.128.0.0/11");
  EXPECT_FALSE(IsDemoted(route));
  route.communities = {Community(3320, 1), kGracefulShutdown};
  EXPECT_TRUE(IsDemoted(route));
  EXPECT_EQ(ReasonOf(route), DropReason::kAdmitted);
}

// Millions of dropped routes may be kept, each with its sentence.
TEST(Admission, NoSentenceIsLongHoweverLongTheRoute) {
  RawRoute loop = Route("80.128.0.0/11", {3320, 64500, 3320});
  for (int i = 0; i < 40; ++i) loop.as_path.push_back({Kind::kSet, std::vector<uint32_t>(255, 4'000'000'000)});
  VrpTable vrps;
  for (uint32_t asn = 1; asn <= 1'000; ++asn) vrps.Add({P("80.128.0.0/11"), 11, asn});
  const std::string looped = Admit(loop, Embedded(), nullptr).sentence;
  EXPECT_THAT(looped, HasSubstr("AS3320 comes back in the AS path '3320 64500 3320 {4000000000"));
  EXPECT_LT(looped.size(), 400u);
  const std::string invalid = Admit(Route("80.128.0.0/16"), Embedded(), &vrps).sentence;
  EXPECT_THAT(invalid, HasSubstr("80.128.0.0/11-11 AS1, "));
  EXPECT_LT(invalid.size(), 400u);
}

TEST(Admission, EveryReasonHasItsWord) {
  for (int i = 0; i < kDropReasons; ++i) EXPECT_NE(ToString(static_cast<DropReason>(i)), "UNSPECIFIED");
  EXPECT_EQ(ToString(DropReason::kMaxPrefix), "MAX_PREFIX");
  EXPECT_EQ(ToString(static_cast<DropReason>(kDropReasons)), "UNSPECIFIED");
}

}  // namespace
}  // namespace fairlead
