// The buffer, the writer, and the contract that both stores keep.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/clock/fake_clock.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "services/ingest/fake_traffic_store.h"
#include "services/ingest/pg_traffic_store.h"
#include "services/ingest/traffic_buffer.h"
#include "services/ingest/traffic_writer.h"
#include "tests/testing/eventually.h"
#include "tests/testing/postgres.h"

namespace fairlead::ingest {
namespace {

const absl::Time kHour = absl::FromUnixSeconds(1'800'000'000);

TrafficRow Row(const std::string& title, int64_t bytes) {
  TrafficRow row;
  row.key.title = title;
  row.key.version = "v1";
  row.key.cause = MissCause::kNone;
  row.key.family = AddressFamily::kIpv4;
  row.counts = {.requests = 1, .bytes = bytes, .refused_requests = 0};
  return row;
}
TrafficSum Sum(const std::string& box, const std::string& title, int64_t bytes, absl::Time hour = kHour) {
  const TrafficRow row = Row(title, bytes);
  return {ApplianceId(box), hour, row.key, row.counts};
}

TEST(TrafficBufferTest, SumsPerHourAndKey) {
  TrafficBuffer buffer;
  buffer.Add(ApplianceId("a"), {kHour + absl::Minutes(1), {Row("film", 1), Row("film", 2)}}, kHour);
  buffer.Add(ApplianceId("a"), {kHour + absl::Minutes(59), {Row("film", 4)}}, kHour);
  buffer.Add(ApplianceId("a"), {kHour + absl::Minutes(60), {Row("film", 8)}}, kHour + absl::Hours(1));
  buffer.Add(ApplianceId("b"), {kHour, {Row("film", 16)}}, kHour);
  const std::vector<TrafficSum> sums = buffer.Take(10);
  ASSERT_EQ(sums.size(), 3u);
  EXPECT_EQ(sums[0].counts.bytes, 7);
  EXPECT_EQ(sums[0].counts.requests, 3);
  EXPECT_EQ(sums[1].hour, kHour + absl::Hours(1));
  EXPECT_EQ(sums[2].appliance, ApplianceId("b"));
  EXPECT_EQ(buffer.size(), 0u);
}

TEST(TrafficBufferTest, WhenItIsFullNewTitlesBecomeTheRestAndNothingGrows) {
  TrafficBuffer buffer(2);
  buffer.Add(ApplianceId("a"), {kHour, {Row("one", 1), Row("", 0)}}, kHour);
  buffer.Add(ApplianceId("a"), {kHour, {Row("two", 2), Row("one", 4)}}, kHour);
  EXPECT_EQ(buffer.size(), 2u);
  EXPECT_EQ(buffer.dropped(), 1) << "the rest without a version has no place either";
  TrafficBuffer roomy(2);
  TrafficRow rest = Row("", 0);
  rest.key.version = "";
  roomy.Add(ApplianceId("a"), {kHour, {Row("one", 1), rest}}, kHour);
  roomy.Add(ApplianceId("a"), {kHour, {Row("two", 2), Row("three", 4)}}, kHour);
  EXPECT_EQ(roomy.folded(), 2);
  EXPECT_EQ(roomy.Take(1)[0].counts.bytes, 6);
}

TEST(TrafficBufferTest, TimesThatCantBeAreNotBelieved) {
  TrafficBuffer buffer;
  buffer.Add(ApplianceId("a"), {kHour - TrafficBuffer::kOldest - absl::Seconds(1), {Row("film", 1)}}, kHour);
  buffer.Add(ApplianceId("a"), {kHour + TrafficBuffer::kNewest + absl::Seconds(1), {Row("film", 1)}}, kHour);
  EXPECT_EQ(buffer.size(), 0u);
  EXPECT_EQ(buffer.mistimed(), 2);
  buffer.Add(ApplianceId("a"), {kHour - TrafficBuffer::kOldest, {Row("film", 1)}}, kHour);
  EXPECT_EQ(buffer.size(), 1u);
}

TEST(TrafficBufferTest, ASumStandsStillAtTheEndOfTheRange) {
  TrafficBuffer buffer;
  const int64_t most = std::numeric_limits<int64_t>::max();
  buffer.Add(ApplianceId("a"), {kHour, {Row("film", most), Row("film", most)}}, kHour);
  EXPECT_EQ(buffer.Take(1)[0].counts.bytes, most);
}

class TrafficWriterTest : public ::testing::Test {
 protected:
  FakeClock clock_{kHour};
  Metrics metrics_;
  IngestMetrics series_{metrics_};
  TrafficBuffer buffer_;
  FakeTrafficStore store_;
  TrafficWriter writer_{buffer_, store_, clock_, {.writer = "lhr", .epoch = 1, .batch_rows = 2}, series_};
};

TEST_F(TrafficWriterTest, KeepsABatchWhileTheStoreIsDownAndWritesItOnce) {
  for (const char* const title : {"one", "two", "three"}) buffer_.Add(ApplianceId("a"), {kHour, {Row(title, 1)}}, kHour);
  store_.Fail(absl::UnavailableError("down"));
  EXPECT_FALSE(writer_.Tick());
  EXPECT_FALSE(writer_.Tick());
  store_.Fail(absl::OkStatus());
  EXPECT_TRUE(writer_.Tick());
  const auto sums = store_.sums();
  ASSERT_EQ(sums.size(), 3u);
  for (const auto& [key, counts] : sums) EXPECT_EQ(counts.bytes, 1);
}

TEST_F(TrafficWriterTest, ABatchThatTheStoreRefusesForGoodIsDroppedAndTheNextOnesGoOn) {
  buffer_.Add(ApplianceId("a"), {kHour, {Row("one", 1), Row("two", 1)}}, kHour);
  store_.Fail(absl::InvalidArgumentError("no"));
  for (int i = 0; i < TrafficWriter::kMostRefusals; ++i) EXPECT_FALSE(writer_.Tick());
  store_.Fail(absl::OkStatus());
  buffer_.Add(ApplianceId("a"), {kHour, {Row("three", 1)}}, kHour);
  EXPECT_TRUE(writer_.Tick());
  EXPECT_EQ(store_.sums().size(), 1u);
  EXPECT_THAT(metrics_.Text(), ::testing::HasSubstr("fairlead_ingest_traffic_refused_rows_total 2"));
}

// The contract, on both stores.

class StoreUnderTest {
 public:
  virtual ~StoreUnderTest() = default;
  virtual TrafficStore& store() = 0;
  // Bytes of a box and title over all hours.
  virtual int64_t Bytes(const std::string& box, const std::string& title) = 0;
};

class FakeUnderTest final : public StoreUnderTest {
 public:
  TrafficStore& store() override { return store_; }
  int64_t Bytes(const std::string& box, const std::string& title) override {
    int64_t bytes = 0;
    for (const auto& [key, counts] : store_.sums()) {
      if (std::get<0>(key) == box && std::get<2>(key).title == title) bytes += counts.bytes;
    }
    return bytes;
  }

 private:
  FakeTrafficStore store_;
};

class PgUnderTest final : public StoreUnderTest {
 public:
  PgUnderTest()
      : uri_(SharedPostgres({"traffic"}).NewDatabase().value()), pool_(pg::ParseUri(uri_).value(), {.max_connections = 1}), store_(pool_) {}
  TrafficStore& store() override { return store_; }
  int64_t Bytes(const std::string& box, const std::string& title) override {
    return pool_
        .Read([&](pqxx::transaction_base& tx) -> absl::StatusOr<int64_t> {
          return tx
              .exec_params("SELECT coalesce(sum(bytes), 0)::bigint FROM traffic.hourly WHERE appliance = $1 AND title = $2", box,
                           title)[0][0]
              .as<int64_t>();
        })
        .value();
  }

 private:
  const std::string uri_;
  pg::Pool pool_;
  PgTrafficStore store_;
};

class TrafficStoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (std::string(GetParam()) == "Fake") {
      tested_ = std::make_unique<FakeUnderTest>();
    } else {
      tested_ = std::make_unique<PgUnderTest>();
    }
  }
  absl::Status Add(uint64_t epoch, uint64_t number, std::vector<TrafficSum> sums, const std::string& writer = "lhr") {
    return tested_->store().Add({.writer = writer, .epoch = epoch, .number = number, .sums = std::move(sums)});
  }
  std::unique_ptr<StoreUnderTest> tested_;
};

TEST_P(TrafficStoreTest, AddsToWhatIsThere) {
  ASSERT_TRUE(Add(1, 1, {Sum("a", "film", 1), Sum("a", "", 2), Sum("b", "film", 4)}).ok());
  ASSERT_TRUE(Add(1, 2, {Sum("a", "film", 8)}).ok());
  EXPECT_EQ(tested_->Bytes("a", "film"), 9);
  EXPECT_EQ(tested_->Bytes("a", ""), 2);
  EXPECT_EQ(tested_->Bytes("b", "film"), 4);
}

TEST_P(TrafficStoreTest, ABatchThatIsRepeatedCountsOnce) {
  ASSERT_TRUE(Add(1, 1, {Sum("a", "film", 1)}).ok());
  ASSERT_TRUE(Add(1, 1, {Sum("a", "film", 1)}).ok());
  EXPECT_EQ(tested_->Bytes("a", "film"), 1);
  ASSERT_TRUE(Add(2, 1, {Sum("a", "film", 2)}).ok()) << "a new epoch counts from 1 again";
  ASSERT_TRUE(Add(1, 9, {Sum("a", "film", 4)}).ok()) << "of a process that is no more";
  EXPECT_EQ(tested_->Bytes("a", "film"), 3);
  ASSERT_TRUE(Add(1, 1, {Sum("a", "film", 8)}, "fra").ok()) << "another cell has its own numbers";
  EXPECT_EQ(tested_->Bytes("a", "film"), 11);
}

TEST_P(TrafficStoreTest, ASumStandsStillAtTheEndOfTheRange) {
  const int64_t most = std::numeric_limits<int64_t>::max();
  ASSERT_TRUE(Add(1, 1, {Sum("a", "film", most)}).ok());
  ASSERT_TRUE(Add(1, 2, {Sum("a", "film", most)}).ok());
  EXPECT_EQ(tested_->Bytes("a", "film"), most);
}

TEST_P(TrafficStoreTest, TheLargestEpochIsKept) {
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  ASSERT_TRUE(Add(most, most, {Sum("a", "film", 1)}).ok());
  ASSERT_TRUE(Add(most, most, {Sum("a", "film", 1)}).ok());
  EXPECT_EQ(tested_->Bytes("a", "film"), 1);
}

TEST_P(TrafficStoreTest, PruneForgetsOldHoursUpToABound) {
  ASSERT_TRUE(
      Add(1, 1, {Sum("a", "one", 1, kHour - absl::Hours(2)), Sum("a", "two", 1, kHour - absl::Hours(1)), Sum("a", "three", 1)}).ok());
  EXPECT_EQ(tested_->store().Prune(kHour, 1).value(), 1);
  EXPECT_EQ(tested_->store().Prune(kHour, 10).value(), 1);
  EXPECT_EQ(tested_->store().Prune(kHour, 10).value(), 0);
  EXPECT_EQ(tested_->Bytes("a", "three"), 1);
}

INSTANTIATE_TEST_SUITE_P(Stores, TrafficStoreTest, ::testing::Values("Fake", "Postgres"),
                         [](const auto& tested) { return std::string(tested.param); });

TEST(PgTrafficStoreTest, ADatabaseThatIsNotThereIsUnavailableAndBackLater) {
  auto postgres = TestPostgres::Start({.projects = {"traffic"}});
  ASSERT_TRUE(postgres.ok()) << postgres.status();
  const std::string uri = (*postgres)->NewDatabase().value();
  ASSERT_TRUE((*postgres)->Kill().ok());
  pg::Pool pool(pg::ParseUri(uri).value(), {.max_connections = 1});
  PgTrafficStore store(pool);
  EXPECT_EQ(store.Add({.writer = "lhr", .epoch = 1, .number = 1, .sums = {Sum("a", "film", 1)}}).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE((*postgres)->Restart().ok());
  EXPECT_TRUE(store.Add({.writer = "lhr", .epoch = 1, .number = 1, .sums = {Sum("a", "film", 1)}}).ok());
}

TEST(PgTrafficStoreTest, EveryRowCountsOnceHoweverOftenTheDatabaseGoes) {
  auto postgres = TestPostgres::Start({.projects = {"traffic"}}).value();
  const std::string uri = postgres->NewDatabase().value();
  // Time inside commits, so that crashes fall into them.
  ASSERT_TRUE(postgres
                  ->Sql(uri,
                        "CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(random() * 0.05); RETURN NULL; "
                        "END'; CREATE CONSTRAINT TRIGGER nap AFTER INSERT OR UPDATE ON traffic.writer DEFERRABLE INITIALLY DEFERRED "
                        "FOR EACH ROW EXECUTE FUNCTION nap()")
                  .ok());
  pg::Pool pool(pg::ParseUri(uri).value(), {.max_connections = 1, .hang_timeout = absl::Seconds(1)});
  PgTrafficStore store(pool);
  Metrics metrics;
  IngestMetrics series(metrics);
  TrafficBuffer buffer;
  const SystemClock clock;
  const absl::Time now = clock.Now();
  TrafficWriter writer(buffer, store, clock,
                       {.writer = "lhr",
                        .epoch = 1,
                        .batch_rows = 10,
                        .interval = absl::Milliseconds(1),
                        .backoff = {.first = absl::Milliseconds(20), .most = absl::Milliseconds(200)}},
                       series);
  writer.Start();
  std::mt19937_64 random(1);
  int64_t bytes = 0, requests = 0;
  const auto report_until = [&](absl::Time until) {
    for (; absl::Now() < until; absl::SleepFor(absl::Milliseconds(1))) {
      const int64_t size = static_cast<int64_t>(random() % 1000);
      buffer.Add(ApplianceId("a"), {now, {Row(absl::StrCat("film-", random() % 50), size)}}, now);
      bytes += size;
      ++requests;
    }
  };
  for (int crash = 0; crash < 8; ++crash) {
    report_until(absl::Now() + absl::Milliseconds(100 + random() % 400));
    if (crash % 2 == 0) {
      ASSERT_TRUE(postgres->Kill().ok());
      report_until(absl::Now() + absl::Milliseconds(random() % 300));
      ASSERT_TRUE(postgres->Restart().ok());
    } else {
      ASSERT_TRUE(postgres->Pause().ok());
      report_until(absl::Now() + absl::Milliseconds(50 + random() % 2500));
      ASSERT_TRUE(postgres->Resume().ok());
    }
  }
  const auto stored = [&] { return postgres->Sql(uri, "SELECT sum(bytes), sum(requests) FROM traffic.hourly").value_or("down"); };
  EXPECT_TRUE(Eventually([&] { return stored() == absl::StrCat(bytes, "|", requests, "\n"); }))
      << stored() << " of " << bytes << "|" << requests;
  writer.Stop();
  EXPECT_EQ(stored(), absl::StrCat(bytes, "|", requests, "\n"));
  EXPECT_EQ(buffer.size(), 0u);
}

}  // namespace
}  // namespace fairlead::ingest
