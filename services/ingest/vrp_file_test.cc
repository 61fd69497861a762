#include "services/ingest/vrp_file.h"

#include <stdlib.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead::ingest {
namespace {

using ::testing::HasSubstr;

constexpr char kHeader[] = "ASN,IP Prefix,Max Length,Trust Anchor\n";

Prefix P(const char* text) {
  return Prefix::Parse(text).value();
}

TEST(ParseVrpCsv, WhatValidatorsExportIsRead) {
  const absl::StatusOr<VrpTable> table =
      ParseVrpCsv(absl::StrCat(kHeader, "AS64500,192.0.2.0/23,24,ripe\r\n64501,2001:db8::/32,48,apnic\n\nAS0,198.51.100.0/24,,arin\n"));
  ASSERT_TRUE(table.ok()) << table.status();
  EXPECT_EQ(table->size(), 3u);
  EXPECT_EQ(table->Validate(P("192.0.3.0/24"), 64500), RpkiState::kValid);
  EXPECT_EQ(table->Validate(P("192.0.3.0/25"), 64500), RpkiState::kInvalid);
  EXPECT_EQ(table->Validate(P("2001:db8:7::/48"), 64501), RpkiState::kValid);
  EXPECT_EQ(table->Validate(P("2001:db8:7::/48"), 64500), RpkiState::kInvalid);
  EXPECT_EQ(table->Validate(P("198.51.100.0/24"), 64500), RpkiState::kInvalid);
  EXPECT_EQ(table->Validate(P("203.0.113.0/24"), 64500), RpkiState::kNotFound);
  EXPECT_EQ(ParseVrpCsv(kHeader)->size(), 0u);
}

TEST(ParseVrpCsv, EveryBadLineIsNamed) {
  for (const char* line :
       {"AS64500,192.0.2.0/24", "ASX,192.0.2.0/24,24,ripe", "AS4294967296,192.0.2.0/24,24,ripe", "-1,192.0.2.0/24,24,ripe",
        "AS64500,192.0.2.1/24,24,ripe", "AS64500,nonsense,24,ripe", "AS64500,192.0.2.0/24,23,ripe", "AS64500,192.0.2.0/24,33,ripe",
        "AS64500,2001:db8::/32,129,ripe", "ASN,IP Prefix,Max Length,Trust Anchor"}) {
    const absl::Status status = ParseVrpCsv(absl::StrCat(kHeader, "AS1,10.0.0.0/8,8,x\n", line, "\n")).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << line;
    EXPECT_THAT(std::string(status.message()), HasSubstr("line 3: ")) << line;
  }
  const absl::Status cut = ParseVrpCsv(absl::StrCat(kHeader, "AS1,10.0.0.0/8,1")).status();
  EXPECT_THAT(std::string(cut.message()), HasSubstr("line 2: does not end"));
}

TEST(VrpFile, AFolderInItsPlaceIsAnErrorThatNamesIt) {
  VrpFile file("/proc/self");
  const absl::Status status = file.Poll().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("vrp_file '/proc/self': can't be read"));
}

TEST(VrpFile, ABadFileLeavesTheTableBeforeIt) {
  char folder[] = "/tmp/vrp-XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  const std::string path = absl::StrCat(folder, "/vrps.csv");
  const auto write = [&path](const std::string& text) {
    std::ofstream(path + ".new") << text;
    ASSERT_EQ(std::rename((path + ".new").c_str(), path.c_str()), 0);
  };
  VrpFile file(path);
  EXPECT_EQ(file.Poll().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(file.table(), nullptr);
  write(absl::StrCat(kHeader, "AS1,10.0.0.0/8,8,x\n"));
  EXPECT_TRUE(file.Poll().value());
  EXPECT_FALSE(file.Poll().value()) << "it is the same file";
  const std::shared_ptr<const VrpTable> first = file.table();
  write(absl::StrCat(kHeader, "AS1,10.0.0.0/8,7,x\n"));
  const absl::Status bad = file.Poll().status();
  EXPECT_EQ(bad.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.message()), HasSubstr("line 2: "));
  EXPECT_EQ(file.table(), first);
  EXPECT_FALSE(file.Poll().value()) << "told once";
  write(absl::StrCat(kHeader, "AS1,10.0.0.0/8,9,x\nAS2,10.0.0.0/8,9,x\n"));
  EXPECT_TRUE(file.Poll().value());
  EXPECT_EQ(file.table()->size(), 2u);
  std::remove(path.c_str());
  EXPECT_EQ(file.Poll().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(file.table()->size(), 2u);
  EXPECT_EQ(std::remove(folder), 0);
}

}  // namespace
}  // namespace fairlead::ingest
