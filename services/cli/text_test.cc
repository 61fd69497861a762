// Tables, figures, names and descriptions: what commands are made of.
#include <string>

#include "absl/time/time.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "fairlead/registry/v1/resources.pb.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/cli/describe_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/names.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCellAndLinesEndWithTheLastOne) {
  Table table({{"NAME"}, {"SIZE", Align::kRight}, {"NOTE"}});
  table.Add({"oca-1", "4.0 TB", "x"});
  table.Add({"a-long-name", "12 GB"});
  EXPECT_EQ(table.Render(),
            "NAME           SIZE  NOTE\n"
            "oca-1        4.0 TB  x\n"
            "a-long-name   12 GB  –\n");
  EXPECT_EQ(table.Render(2).substr(0, 6), "  NAME");
}

TEST(TableTest, WidthIsCountedInTerminalCellsAndNotInBytes) {
  EXPECT_EQ(DisplayWidth("Zürich"), 6u);
  EXPECT_EQ(DisplayWidth("Zu\u0308rich"), 6u);
  EXPECT_EQ(DisplayWidth("東京"), 4u);
  EXPECT_EQ(DisplayWidth("–→"), 2u);
  EXPECT_EQ(DisplayWidth("\xff\xfe"), 2u);
  EXPECT_EQ(DisplayWidth("\xe6\x9d"), 2u);  // The start of a character, cut off.
  Table table({{"A"}, {"B"}});
  table.Add({"東京", "1"});
  table.Add({"Zürich", "2"});
  EXPECT_EQ(table.Render(),
            "A       B\n"
            "東京    1\n"
            "Zürich  2\n");
}

TEST(TableTest, ControlCharactersInCellsCannotReachTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[31mb\nc\x7f\xc2\x9b"), "a?[31mb?c??");
  EXPECT_EQ(Printable("ü 東"), "ü 東");
  EXPECT_EQ(Printable("\xed\xa0\x80"), "???");  // A surrogate is no character.
  EXPECT_EQ(Printable("\xc0\x80\xf5"), "???");  // Overlong, and beyond Unicode.
  Table table({{"A"}});
  table.Add({"x\r\ny"});
  EXPECT_EQ(table.Render(), "A\nx??y\n");
}

TEST(UnitsTest, FiguresHaveTwoOrThreeDigits) {
  EXPECT_EQ(HumanBits(0), "0 bit/s");
  EXPECT_EQ(HumanBits(999), "999 bit/s");
  EXPECT_EQ(HumanBits(1'000), "1.0 kbit/s");
  EXPECT_EQ(HumanBits(1'200'000'000), "1.2 Gbit/s");
  EXPECT_EQ(HumanBits(10'000'000'000), "10 Gbit/s");
  EXPECT_EQ(HumanBits(12'500'000'000), "12.5 Gbit/s");
  EXPECT_EQ(HumanBytes(4'000'000'000'000), "4.0 TB");
  EXPECT_EQ(HumanBytes(350'000'000'000'000), "350 TB");
  EXPECT_EQ(HumanBytes(-1'500), "-1.5 kB");
  EXPECT_EQ(HumanBytes(9'223'372'036'854'775'807), "9.2 EB");
}

TEST(UnitsTest, RoundingNeverShowsAThousand) {
  EXPECT_EQ(HumanBits(999'499'999), "999 Mbit/s");
  EXPECT_EQ(HumanBits(999'600'000), "1.0 Gbit/s");
  EXPECT_EQ(HumanBits(9'960'000'000), "10 Gbit/s");
  EXPECT_EQ(HumanBits(99'970'000'000), "100 Gbit/s");
}

TEST(UnitsTest, AgesHaveAtMostTwoUnits) {
  EXPECT_EQ(HumanAge(absl::Milliseconds(300)), "0.3s");
  EXPECT_EQ(HumanAge(absl::Seconds(42)), "42s");
  EXPECT_EQ(HumanAge(absl::Seconds(93)), "1m33s");
  EXPECT_EQ(HumanAge(absl::Minutes(125)), "2h5m");
  EXPECT_EQ(HumanAge(absl::Hours(76)), "3d4h");
  EXPECT_EQ(HumanAge(-absl::Seconds(5)), "0s");
  google::protobuf::Timestamp unset;
  EXPECT_EQ(HumanTime(unset), "");
  unset.set_seconds(1'772'389'800);
  EXPECT_EQ(HumanTime(unset), "2026-03-01 18:30:00Z");
}

TEST(NamesTest, ShortAndFullNamesAreTheSameThing) {
  EXPECT_EQ(FullName("lhr001", "sites").value(), "sites/lhr001");
  EXPECT_EQ(FullName("sites/lhr001", "sites").value(), "sites/lhr001");
  EXPECT_EQ(ShortName("sites/lhr001"), "lhr001");
  EXPECT_EQ(ShortName("lhr001"), "lhr001");
}

TEST(NamesTest, ANameOfAnotherCollectionIsAUsageErrorThatQuotesIt) {
  for (const char* bad : {"links/x", "", "Sites/x", "a b", "x/y"}) {
    const absl::Status status = FullName(bad, "sites").status();
    EXPECT_EQ(ExitCodeOf(status), kExitUsage) << bad;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad));
  }
}

TEST(ExitCodeTest, TellsWhoIsToBlame) {
  EXPECT_EQ(ExitCodeOf(absl::OkStatus()), kExitOk);
  EXPECT_EQ(ExitCodeOf(absl::InvalidArgumentError("a server's")), kExitRefused);
  EXPECT_EQ(ExitCodeOf(UsageError("ours")), kExitUsage);
  EXPECT_EQ(ExitCodeOf(Unreachable(absl::UnavailableError("x"))), kExitUnreachable);
}

TEST(DescribeTextTest, EnumWordsLoseTheirPrefixAndUnknownNumbersStay) {
  EXPECT_EQ(Word(common::v1::TRANSPORT_CLASS_PUBLIC_PEERING), "PUBLIC_PEERING");
  EXPECT_EQ(Word(registry::v1::Link::KIND_SITE_UPLINK), "SITE_UPLINK");
  EXPECT_EQ(Word(common::v1::ADMIN_STATE_UNSPECIFIED), "");
  EXPECT_EQ(EnumWord(*common::v1::AdminState_descriptor(), 77), "77");
}

TEST(DescribeTextTest, FieldsComeInProtoOrderWithUnitsAndNestedOnesBelow) {
  registry::v1::Appliance appliance;
  appliance.set_name("appliances/oca-1");
  appliance.set_capacity_bps(10'000'000'000);
  appliance.set_admin_state(common::v1::ADMIN_STATE_LIVE);
  auto* tier = appliance.add_tiers();
  tier->set_tier(common::v1::TIER_FLASH);
  tier->set_capacity_bytes(4'000'000'000'000);
  appliance.mutable_create_time()->set_seconds(1'772'389'800);
  EXPECT_EQ(DescribeText(appliance, 2),
            "  name         appliances/oca-1\n"
            "  tiers 1\n"
            "    tier      FLASH\n"
            "    capacity  4.0 TB\n"
            "  capacity     10 Gbit/s\n"
            "  admin state  LIVE\n"
            "  create time  2026-03-01 18:30:00Z\n");
}

TEST(DescribeTextTest, TextFromOutsideIsPrintableAndKeepsItsLines) {
  registry::v1::SigningKey key;
  key.set_public_key_pem("line one\nline\x1btwo\n");
  EXPECT_EQ(DescribeText(key), "public key pem\n  line one\n  line?two\n");
}

TEST(DescribeTextTest, JsonHasZeroesSoThatScriptsFindTheirFields) {
  registry::v1::Link link;
  link.set_name("links/x");
  const std::string json = JsonText(link);
  EXPECT_THAT(json, HasSubstr("\"name\": \"links/x\""));
  EXPECT_THAT(json, HasSubstr("\"contractCapBps\": \"0\""));
  EXPECT_THAT(json, Not(HasSubstr("createTime")));
}

}  // namespace
}  // namespace fairlead::cli
