#include "services/steering/client_failures.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kWindow = absl::Minutes(1);
constexpr absl::Duration kNow = absl::Hours(1);

IpAddress Client(const std::string& text) {
  return *IpAddress::Parse(text);
}

class ClientFailuresTest : public ::testing::Test {
 protected:
  const ApplianceId a_ = ApplianceId("a");
  const ApplianceId b_ = ApplianceId("b");
  ClientFailures failures_;
};

TEST_F(ClientFailuresTest, NetworksAreCountedAndNotPlayers) {
  for (const char* client : {"192.0.2.1", "192.0.2.200", "192.0.3.1", "2001:db8:1:2::1", "2001:db8:1:ffff::1", "2001:db8:2::1"}) {
    failures_.Note(Client(client), {a_}, kNow);
  }
  failures_.Note(Client("192.0.2.1"), {b_}, kNow);
  EXPECT_THAT(failures_.Networks(kWindow, kNow), UnorderedElementsAre(Pair(a_, 4), Pair(b_, 1)));
}

TEST_F(ClientFailuresTest, WhatIsOlderThanTheWindowIsForgottenAndWhatIsHeardAgainIsNot) {
  failures_.Note(Client("192.0.2.1"), {a_, b_}, kNow);
  failures_.Note(Client("192.0.3.1"), {a_}, kNow + absl::Seconds(30));
  failures_.Note(Client("192.0.2.1"), {a_}, kNow + absl::Seconds(45));
  EXPECT_THAT(failures_.Networks(kWindow, kNow + kWindow - absl::Nanoseconds(1)), UnorderedElementsAre(Pair(a_, 2), Pair(b_, 1)));
  EXPECT_THAT(failures_.Networks(kWindow, kNow + kWindow), UnorderedElementsAre(Pair(a_, 2)));
  EXPECT_THAT(failures_.Networks(kWindow, kNow + absl::Seconds(90)), UnorderedElementsAre(Pair(a_, 1)));
  EXPECT_THAT(failures_.Networks(kWindow, kNow + absl::Seconds(105)), IsEmpty());
}

TEST_F(ClientFailuresTest, OfOneBoxTheNetworksHeardLastAreKept) {
  for (int i = 0; i < 20; ++i) failures_.Note(Client(absl::StrCat("192.0.", i, ".1")), {a_}, kNow + absl::Seconds(i));
  EXPECT_THAT(failures_.Networks(kWindow, kNow + absl::Seconds(20)), UnorderedElementsAre(Pair(a_, ClientFailures::kMostNetworks)));
  // The oldest four went: at the end of the window of the fifth there are still fifteen.
  EXPECT_THAT(failures_.Networks(kWindow, kNow + absl::Seconds(4) + kWindow), UnorderedElementsAre(Pair(a_, 15)));
}

TEST_F(ClientFailuresTest, MoreBoxesThanThereIsRoomForAreNotKept) {
  for (size_t i = 0; i <= ClientFailures::kMostBoxes; ++i)
    failures_.Note(Client("192.0.2.1"), {ApplianceId(absl::StrCat("box-", i))}, kNow);
  EXPECT_EQ(failures_.Networks(kWindow, kNow).size(), ClientFailures::kMostBoxes);
  EXPECT_THAT(failures_.Networks(kWindow, kNow + kWindow), IsEmpty());
  failures_.Note(Client("192.0.2.1"), {a_}, kNow + kWindow);
  EXPECT_THAT(failures_.Networks(kWindow, kNow + kWindow), UnorderedElementsAre(Pair(a_, 1)));
}

}  // namespace
}  // namespace fairlead
