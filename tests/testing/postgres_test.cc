#include "tests/testing/postgres.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

TEST(MigrationsTest, RegistryGoesUpDownAndUpAgain) {
  TestPostgres& postgres = SharedPostgres({"registry"});
  const absl::StatusOr<std::string> uri = postgres.NewDatabase();
  ASSERT_TRUE(uri.ok()) << uri.status();
  EXPECT_EQ(*postgres.Sql(*uri, "SELECT version FROM registry.config_version"), "1\n");
  EXPECT_TRUE(postgres.Migrate({"--verify", *uri, "registry"}).ok());

  const absl::Status down = postgres.Migrate({"--revert", *uri, "registry"});
  ASSERT_TRUE(down.ok()) << down;
  EXPECT_EQ(*postgres.Sql(*uri, "SELECT count(*) FROM pg_namespace WHERE nspname = 'registry'"), "0\n");

  const absl::Status up = postgres.Migrate({*uri, "registry"});
  ASSERT_TRUE(up.ok()) << up;
  EXPECT_EQ(*postgres.Sql(*uri, "SELECT count(*) FROM registry.site"), "0\n");
  EXPECT_TRUE(postgres.Migrate({*uri, "registry"}).ok()) << "deploying twice changes nothing";
}

TEST(MigrationsTest, AnUnknownProjectIsNamed) {
  TestPostgres& postgres = SharedPostgres({"registry"});
  const absl::Status status = postgres.Migrate({postgres.Uri("postgres"), "nonsense"});
  EXPECT_THAT(std::string(status.message()), HasSubstr("no project 'nonsense'"));
}

TEST(MigrationsTest, AServerRoleHasRowsButNoSchemaChanges) {
  TestPostgres& postgres = SharedPostgres({"registry"});
  const absl::StatusOr<std::string> uri = postgres.NewDatabase();
  ASSERT_TRUE(uri.ok()) << uri.status();
  EXPECT_TRUE(postgres.Sql(*uri, "SET ROLE fairlead_registry; DELETE FROM registry.site").ok());
  const auto drop = postgres.Sql(*uri, "SET ROLE fairlead_registry; DROP TABLE registry.site");
  EXPECT_THAT(std::string(drop.status().message()), HasSubstr("must be owner"));
}

TEST(TestPostgresTest, DataSurvivesKillAndRestart) {
  TestPostgres& postgres = SharedPostgres({"registry"});
  const absl::StatusOr<std::string> uri = postgres.NewDatabase();
  ASSERT_TRUE(uri.ok()) << uri.status();
  ASSERT_TRUE(postgres.Sql(*uri, "CREATE TABLE kept AS SELECT 42 AS answer").ok());
  ASSERT_TRUE(postgres.Kill().ok());
  EXPECT_FALSE(postgres.Sql(*uri, "SELECT 1").ok());
  const absl::Status restarted = postgres.Restart();
  ASSERT_TRUE(restarted.ok()) << restarted;
  EXPECT_EQ(*postgres.Sql(*uri, "SELECT answer FROM kept"), "42\n");
}

}  // namespace
}  // namespace fairlead
