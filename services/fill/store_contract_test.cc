// The contract of Store, run on every implementation.
#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/fill/fake_store.h"
#include "services/fill/pg_store.h"
#include "services/fill/store.h"
#include "services/fill/test_values.h"
#include "tests/testing/postgres.h"

namespace fairlead::fill {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000) + absl::Microseconds(123'456);

std::unique_ptr<Store> MakeFake() {
  return std::make_unique<FakeStore>();
}
std::unique_ptr<Store> MakePg() {
  const absl::StatusOr<std::string> uri = SharedPostgres({"fill"}).NewDatabase();
  EXPECT_TRUE(uri.ok()) << uri.status();
  absl::StatusOr<std::unique_ptr<PgStore>> store = PgStore::Create(*uri);
  EXPECT_TRUE(store.ok()) << store.status();
  return *std::move(store);
}

class StoreContract : public ::testing::TestWithParam<std::function<std::unique_ptr<Store>()>> {
 protected:
  StoreContract() : store_(GetParam()()) {}

  ImportResult MustImport(const TitleImport& import) {
    absl::StatusOr<ImportResult> result = store_->Import(import, {}, kNow);
    EXPECT_TRUE(result.ok()) << result.status();
    return result.value_or(ImportResult());
  }
  StoreChanges MustLoad(FeedPosition since = {}, uint64_t known_plan = 0) {
    absl::StatusOr<StoreChanges> changes = store_->Load(since, known_plan);
    EXPECT_TRUE(changes.ok()) << changes.status();
    return changes.value_or(StoreChanges());
  }
  std::vector<uint32_t> NumbersOf(const Title& title) {
    std::vector<uint32_t> numbers;
    for (const TitleVersion& version : title.versions) {
      for (const Rendition& rendition : version.renditions) numbers.push_back(rendition.file.number);
    }
    return numbers;
  }

  std::unique_ptr<Store> store_;
};

TEST_P(StoreContract, AnEmptyStoreHasAPositionAndNothingElse) {
  const StoreChanges changes = MustLoad();
  EXPECT_GT(changes.position.epoch, 0u);
  EXPECT_TRUE(changes.whole);
  EXPECT_THAT(changes.titles, IsEmpty());
  EXPECT_FALSE(changes.plan.has_value());
}

TEST_P(StoreContract, AnImportedTitleReadsBackAsItWas) {
  TitleImport import = MakeImport("big-film", "v1", 3);
  import.popularity = 0.1;
  import.display_name = "Größe 'quoted' \\ \"film\"";
  import.version.renditions[0].file.sha256 = std::string(31, '\0') + '\xff';
  import.version.renditions[0].file.duration_seconds = 5400.123456789;
  const ImportResult result = MustImport(import);
  EXPECT_TRUE(result.created);
  EXPECT_THAT(NumbersOf(result.title), UnorderedElementsAre(1u, 2u, 3u));
  const StoreChanges changes = MustLoad();
  ASSERT_EQ(changes.titles.size(), 1u);
  EXPECT_EQ(changes.titles[0], result.title);
  EXPECT_EQ(changes.titles[0].display_name, import.display_name);
  EXPECT_EQ(changes.titles[0].create_time, kNow);
}

TEST_P(StoreContract, NumbersAreDenseOverTitlesAndARefusedImportUsesNone) {
  MustImport(MakeImport("a", "v1", 2));
  TitleImport changed = MakeImport("a", "v1", 2);
  changed.version.renditions[1].file.sha256 = std::string(32, 'x');
  const absl::Status refused = store_->Import(changed, {}, kNow).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(refused.message()), HasSubstr(changed.version.renditions[1].file.path));
  EXPECT_THAT(NumbersOf(MustImport(MakeImport("b", "v1", 2)).title), UnorderedElementsAre(3u, 4u));
}

TEST_P(StoreContract, ConfirmingATitleChangesNeitherNumbersNorVersion) {
  const ImportResult first = MustImport(MakeImport("a", "v1", 2));
  const FeedPosition before = MustLoad().position;
  const ImportResult again = MustImport(MakeImport("a", "v1", 2));
  EXPECT_FALSE(again.created);
  EXPECT_EQ(again.title, first.title);
  EXPECT_EQ(MustLoad().position, before);
}

TEST_P(StoreContract, OnlyWhatChangedIsLoaded) {
  MustImport(MakeImport("a", "v1", 1));
  const FeedPosition position = MustLoad().position;
  MustImport(MakeImport("b", "v1", 1));
  TitleImport second = MakeImport("a", "v2", 1);
  MustImport(second);
  const StoreChanges changes = MustLoad(position);
  EXPECT_FALSE(changes.whole);
  EXPECT_GT(changes.position, position);
  ASSERT_EQ(changes.titles.size(), 2u);
  EXPECT_EQ(changes.titles[0].versions.size(), 2u);
  EXPECT_EQ(changes.titles[0].current_version, "v2");
  EXPECT_THAT(MustLoad(changes.position).titles, IsEmpty());
}

TEST_P(StoreContract, APositionOfAnotherEpochGetsEverything) {
  MustImport(MakeImport("a", "v1", 1));
  FeedPosition position = MustLoad().position;
  ++position.epoch;
  const StoreChanges changes = MustLoad(position, 7);
  EXPECT_TRUE(changes.whole);
  EXPECT_EQ(changes.titles.size(), 1u);
}

TEST_P(StoreContract, NewMetadataIsLoadedWithTheOldNumbers) {
  const ImportResult first = MustImport(MakeImport("a", "v1", 2));
  const FeedPosition position = MustLoad().position;
  TitleImport renamed = MakeImport("a", "v1", 2);
  renamed.popularity = 77;
  renamed.version.renditions[0].codecs = "av01";
  EXPECT_FALSE(MustImport(renamed).created);
  const StoreChanges changes = MustLoad(position);
  ASSERT_EQ(changes.titles.size(), 1u);
  EXPECT_EQ(changes.titles[0].popularity, 77);
  EXPECT_EQ(NumbersOf(changes.titles[0]), NumbersOf(first.title));
  const std::vector<Rendition>& renditions = changes.titles[0].versions[0].renditions;
  EXPECT_TRUE(std::any_of(renditions.begin(), renditions.end(), [](const Rendition& r) { return r.codecs == "av01"; }));
}

TEST_P(StoreContract, ARepeatedImportRequestGetsTheFirstAnswer) {
  const TitleImport import = MakeImport("a", "v1", 1);
  ASSERT_TRUE(store_->Import(import, {"req-1", "f"}, kNow)->created);
  const absl::StatusOr<ImportResult> again = store_->Import(import, {"req-1", "f"}, kNow);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_TRUE(again->created);
  const absl::Status other = store_->Import(MakeImport("b", "v1", 1), {"req-1", "g"}, kNow).status();
  EXPECT_EQ(other.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(other.message()), HasSubstr("req-1"));
  EXPECT_EQ(MustLoad().titles.size(), 1u);
}

TEST_P(StoreContract, ImportsAtTheSameTimeGetDistinctDenseNumbers) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 5; ++i) EXPECT_TRUE(store_->Import(MakeImport(absl::StrCat("t-", t, "-", i), "v1", 2), {}, kNow).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<uint32_t> numbers;
  for (const Title& title : MustLoad().titles) {
    for (const uint32_t number : NumbersOf(title)) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  ASSERT_EQ(numbers.size(), 40u);
  EXPECT_EQ(numbers.front(), 1u);
  EXPECT_EQ(numbers.back(), 40u);
}

TEST_P(StoreContract, APlanReadsBackWithItsEntries) {
  const FeedPosition before = MustLoad().position;
  const FillPlan plan = MakeFillPlan(3);
  const absl::StatusOr<PlanSummary> saved = store_->SavePlan(plan, 0, {}, kNow);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(saved->number, 1u);
  EXPECT_EQ(saved->create_time, kNow);
  const StoreChanges changes = MustLoad(before);
  ASSERT_TRUE(changes.plan.has_value());
  FillPlan expected = plan;
  expected.number = 1;
  expected.create_time = kNow;
  EXPECT_EQ(*changes.plan, expected);
  EXPECT_EQ(store_->GetPlan(1).value(), Summarise(expected));
  EXPECT_FALSE(MustLoad(changes.position, 1).plan.has_value()) << "it is known";
}

TEST_P(StoreContract, APlanMadeOnAnOldOneIsRefused) {
  ASSERT_TRUE(store_->SavePlan(MakeFillPlan(1), 0, {}, kNow).ok());
  const absl::Status late = store_->SavePlan(MakeFillPlan(2), 0, {}, kNow).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kAborted);
  EXPECT_THAT(std::string(late.message()), HasSubstr("plans/1"));
  EXPECT_EQ(store_->SavePlan(MakeFillPlan(2), 1, {}, kNow)->number, 2u);
}

TEST_P(StoreContract, ARepeatedPlanRequestMakesNoSecondPlan) {
  ASSERT_TRUE(store_->SavePlan(MakeFillPlan(1), 0, {"req-1", "plan"}, kNow).ok());
  const absl::StatusOr<PlanSummary> again = store_->SavePlan(MakeFillPlan(2), 1, {"req-1", "plan"}, kNow);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->number, 1u);
  EXPECT_EQ(store_->GetPlan(2).status().code(), absl::StatusCode::kNotFound);
}

TEST_P(StoreContract, ARequestThatKeptThePlanIsRememberedAndNobodyHearsOfIt) {
  ASSERT_TRUE(store_->SavePlan(MakeFillPlan(1), 0, {}, kNow).ok());
  const FeedPosition before = MustLoad().position;
  EXPECT_EQ(store_->KeepPlan(0, {"req-1", "plan"}, kNow).status().code(), absl::StatusCode::kAborted);
  const absl::StatusOr<PlanSummary> kept = store_->KeepPlan(1, {"req-1", "plan"}, kNow);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->number, 1u);
  EXPECT_EQ(MustLoad().position, before);
  EXPECT_TRUE(store_->KeepPlan(1, {"req-1", "plan"}, kNow).ok()) << "again";
  EXPECT_EQ(store_->SavePlan(MakeFillPlan(2), 1, {"req-1", "plan"}, kNow)->number, 1u);
  EXPECT_EQ(MustLoad().position, before);
}

TEST_P(StoreContract, PlansAreListedNewestFirstAndOldOnesAreForgotten) {
  constexpr int kPlans = Store::kMaxPlansKept + 3;
  for (uint64_t i = 0; i < kPlans; ++i) ASSERT_TRUE(store_->SavePlan(MakeFillPlan(1), i, {}, kNow).ok());
  const std::vector<PlanSummary> first = store_->ListPlans(0, 2).value();
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].number, static_cast<uint64_t>(kPlans));
  EXPECT_EQ(store_->ListPlans(first[1].number, 2).value()[0].number, static_cast<uint64_t>(kPlans - 2));
  EXPECT_EQ(store_->GetPlan(3).status().code(), absl::StatusCode::kNotFound);
  EXPECT_TRUE(store_->GetPlan(4).ok());
  EXPECT_EQ(store_->ListPlans(0, 1000)->size(), static_cast<size_t>(Store::kMaxPlansKept));
}

INSTANTIATE_TEST_SUITE_P(Fake, StoreContract, ::testing::Values(MakeFake));
INSTANTIATE_TEST_SUITE_P(Postgres, StoreContract, ::testing::Values(MakePg));

TEST(PgStore, AUriThatIsNoneIsRefused) {
  EXPECT_EQ(PgStore::Create("nonsense").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(PgStore, ADatabaseThatIsDownIsUnavailableSoon) {
  const absl::StatusOr<std::unique_ptr<PgStore>> store = PgStore::Create("postgresql://nobody@127.0.0.1:1/fairlead");
  ASSERT_TRUE(store.ok()) << store.status();
  const absl::Time start = absl::Now();
  EXPECT_EQ((*store)->Import(MakeImport("a", "v1", 1), {}, kNow).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(absl::Now() - start, absl::Seconds(10));
}

TEST(PgStore, ARaisedEpochJumpsOverNumbersThatBoxesMayHold) {
  const std::string uri = SharedPostgres({"fill"}).NewDatabase().value();
  const std::unique_ptr<PgStore> store = PgStore::Create(uri).value();
  ASSERT_TRUE(store->Import(MakeImport("a", "v1", 1), {}, kNow).ok());
  const FeedPosition before = store->Load({}, 0)->position;
  ASSERT_TRUE(SharedPostgres({"fill"}).Sql(uri, "SELECT fill.raise_epoch()").ok());
  EXPECT_GT(store->Load(before, 0)->position.epoch, before.epoch);
  EXPECT_GT(store->Import(MakeImport("b", "v1", 1), {}, kNow)->title.versions[0].renditions[0].file.number, 1'000'000u);
}

}  // namespace
}  // namespace fairlead::fill
