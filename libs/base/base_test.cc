#include <memory>
#include <string>

#include "absl/container/flat_hash_set.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/base/backoff.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/published.h"
#include "libs/base/vocabulary.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

TEST(Ids, ANameIsItsCollectionAndItsId) {
  const absl::StatusOr<SiteId> site = SiteId::ParseName("sites/lhr001");
  ASSERT_TRUE(site.ok()) << site.status();
  EXPECT_EQ(site->value(), "lhr001");
  EXPECT_EQ(site->name(), "sites/lhr001");
}

TEST(Ids, ABadIdIsRefusedWithFieldAndValue) {
  for (const char* bad : {"", "LHR", "a b", "a/b", "a_b", "ä"}) {
    const absl::StatusOr<SiteId> site = SiteId::Parse(bad, "site.id");
    ASSERT_FALSE(site.ok()) << bad;
    EXPECT_THAT(std::string(site.status().message()), HasSubstr("site.id")) << bad;
    EXPECT_THAT(std::string(site.status().message()), HasSubstr(bad));
  }
  EXPECT_TRUE(SiteId::Parse(std::string(63, 'a')).ok());
  EXPECT_FALSE(SiteId::Parse(std::string(64, 'a')).ok());
}

TEST(Ids, AHugeValueIsQuotedInPartOnly) {
  EXPECT_LT(SiteId::Parse(std::string(1 << 20, 'x')).status().message().size(), 300u);
}

TEST(Ids, ANameOfAnotherCollectionIsRefused) {
  EXPECT_FALSE(SiteId::ParseName("appliances/oca-1").ok());
  EXPECT_FALSE(SiteId::ParseName("sites").ok());
  EXPECT_FALSE(SiteId::ParseName("sites/").ok());
  EXPECT_FALSE(SiteId::ParseName("sites/a/b").ok());
}

TEST(Errors, AFieldErrorSaysFieldValueAndWhy) {
  const absl::Status status = InvalidField("site.country", "Germany", "must be two letters");
  EXPECT_EQ(status.message(), "site.country 'Germany': must be two letters");
  EXPECT_EQ(FieldOf(status), "site.country");
  EXPECT_EQ(ValueOf(status), "Germany");
}

TEST(Errors, APrefixSaysWhichElement) {
  const absl::Status status = WithFieldPrefix(InvalidField("country", "x", "too short"), "sites[3].");
  EXPECT_EQ(status.message(), "sites[3].country 'x': too short");
  EXPECT_EQ(FieldOf(status), "sites[3].country");
  EXPECT_EQ(WithFieldPrefix(absl::NotFoundError("gone"), "sites[3]: ").message(), "sites[3]: gone");
  EXPECT_TRUE(WithFieldPrefix(absl::OkStatus(), "x").ok());
}

TEST(Vocabulary, EveryWordReadsBackAsItself) {
  for (int i = 1; i <= 6; ++i) {
    AdminState state = AdminState::kUnspecified;
    ASSERT_TRUE(FromString(ToString(static_cast<AdminState>(i)), state));
    EXPECT_EQ(static_cast<int>(state), i);
  }
  TransportClass transport = TransportClass::kTransit;
  EXPECT_FALSE(FromString("UNSPECIFIED", transport));
  EXPECT_FALSE(FromString("embedded", transport));
  EXPECT_EQ(transport, TransportClass::kTransit);
  EXPECT_EQ(ToString(static_cast<Tier>(200)), "UNSPECIFIED");
}

TEST(Published, AReaderKeepsTheSnapshotItTook) {
  Published<int> published(std::make_shared<const int>(1));
  const std::shared_ptr<const int> held = published.Get();
  published.Set(std::make_shared<const int>(2));
  EXPECT_EQ(*held, 1);
  EXPECT_EQ(*published.Get(), 2);
}

TEST(Backoff, DelaysGrowToTheirCeilingAndStayInBounds) {
  const BackoffPolicy policy = {.first = absl::Milliseconds(100), .most = absl::Seconds(2)};
  Backoff backoff(policy, 7);
  absl::Duration ceiling = policy.first;
  for (int i = 0; i < 50; ++i) {
    const absl::Duration delay = backoff.Next();
    EXPECT_GE(delay, policy.first / 2);
    EXPECT_LE(delay, ceiling);
    ceiling = std::min(ceiling * 2, policy.most);
  }
  backoff.Reset();
  EXPECT_LE(backoff.Next(), policy.first);
}

TEST(Backoff, TwoSeedsWaitDifferently) {
  absl::flat_hash_set<absl::Duration> delays;
  for (uint64_t seed = 0; seed < 100; ++seed) delays.insert(Backoff({}, seed).Next());
  EXPECT_GT(delays.size(), 90u);
}

}  // namespace
}  // namespace fairlead
