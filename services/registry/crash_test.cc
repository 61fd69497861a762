// registryd while PostgreSQL is killed and stopped again and again: no acknowledged write is lost or doubled.
//
// Clients create and update sites through the real front door, each write with a request id that it repeats until the answer is certain.
// Meanwhile PostgreSQL is killed (kill -9 of all its processes, then started again) or stopped and let go on (SIGSTOP, SIGCONT), at moments
// and for times that the seed decides. What chance there is in the rest (threads) it can't decide.
//
// FAIRLEAD_CRASHES: how many times (default 16, which takes about half a minute); FAIRLEAD_SEED: another sequence.
//   ./run test //services/registry:crash_test --test_env=FAIRLEAD_CRASHES=200 --test_timeout=3600 --test_output=all
#include <atomic>
#include <cstdlib>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/clock/system_clock.h"
#include "libs/feed/feed_client.h"
#include "libs/pg/pool.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "services/registry/pg_store.h"
#include "services/registry/server.h"
#include "tests/testing/eventually.h"
#include "tests/testing/postgres.h"

namespace fairlead::registry {
namespace {

constexpr int kClients = 6;
constexpr int kSharedSites = 3;
// Far above what any answer may take: a call that meets it has hung.
constexpr absl::Duration kCallDeadline = absl::Seconds(40);
// Within this after each crash somebody's write must have been acknowledged.
constexpr absl::Duration kRecovery = absl::Seconds(30);
// Shorter than in production, so that more stops are found out in the same time.
constexpr absl::Duration kHangTimeout = absl::Seconds(1);

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

// A write that was acknowledged. Display names are used once, so each tells which write it came from.
struct Write {
  std::string site;
  std::string display_name;
  std::string request_id;
  absl::Time last_try;
};

struct Tally {
  std::atomic<uint64_t> acknowledged = 0;
  std::atomic<int> unavailable = 0;
  std::atomic<int> unknown = 0;
  std::atomic<int> other_retries = 0;
  std::atomic<int64_t> longest_call_ms = 0;
};

void Raise(std::atomic<int64_t>& most, int64_t value) {
  int64_t before = most;
  while (before < value && !most.compare_exchange_weak(before, value)) {
  }
}

// One client: a thread that writes, one write after the other.
class Client {
 public:
  Client(const std::string& target, int number, uint64_t seed, Tally& tally, const std::atomic<bool>& stop)
      : stub_(v1::RegistryService::NewStub(MakeChannel(target))), number_(number), random_(seed), tally_(tally), stop_(stop) {
    thread_ = std::thread([this] { Run(); });
  }
  ~Client() { Join(); }
  void Join() {
    if (thread_.joinable()) thread_.join();
  }
  const std::vector<Write>& writes() const { return writes_; }

 private:
  void Run() {
    for (int i = 0; !stop_; ++i) {
      Write write;
      write.display_name = absl::StrCat("write ", number_, ".", i);
      write.request_id = absl::StrCat("client-", number_, "-", i);
      const bool creates = sites_ == 0 || random_() % 3 == 0;
      if (creates) {
        write.site = absl::StrCat("site-", number_, "-", sites_);
      } else if (random_() % 2 == 0) {
        write.site = absl::StrCat("site-", number_, "-", random_() % static_cast<uint64_t>(sites_));
      } else {
        write.site = absl::StrCat("shared-", random_() % kSharedSites);
      }
      if (!Insist(write, creates)) return;
      if (creates) ++sites_;
      writes_.push_back(write);
    }
  }
  // Repeats the request until its fate is certain; false if it is refused, which fails the test.
  bool Insist(Write& write, bool creates) {
    for (;; absl::SleepFor(absl::Milliseconds(20))) {
      write.last_try = absl::Now();
      const absl::Status status = creates ? Create(write) : Update(write);
      Raise(tally_.longest_call_ms, absl::ToInt64Milliseconds(absl::Now() - write.last_try));
      switch (status.code()) {
        case absl::StatusCode::kOk:
          ++tally_.acknowledged;
          return true;
        case absl::StatusCode::kUnavailable:
          ++tally_.unavailable;
          break;
        case absl::StatusCode::kUnknown:
          ++tally_.unknown;
          break;
        case absl::StatusCode::kAborted:            // Lost against other writers too often.
        case absl::StatusCode::kResourceExhausted:  // Too many wait.
          ++tally_.other_retries;
          break;
        default:  // DEADLINE_EXCEEDED among them: a call must never hang.
          ADD_FAILURE() << write.request_id << " on " << write.site << ": " << status;
          return false;
      }
    }
  }
  absl::Status Create(const Write& write) {
    v1::CreateSiteRequest request;
    request.set_site_id(write.site);
    request.set_request_id(write.request_id);
    request.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
    request.mutable_site()->set_display_name(write.display_name);
    grpc::ClientContext context;
    SetTimeout(context, kCallDeadline);
    SetPrincipal(context, absl::StrCat("operator/client-", number_));
    v1::Site site;
    return FromGrpcStatus(stub_->CreateSite(&context, request, &site));
  }
  absl::Status Update(const Write& write) {
    v1::UpdateSiteRequest request;
    request.set_request_id(write.request_id);
    request.mutable_site()->set_name(absl::StrCat("sites/", write.site));
    request.mutable_site()->set_display_name(write.display_name);
    request.mutable_update_mask()->add_paths("display_name");
    grpc::ClientContext context;
    SetTimeout(context, kCallDeadline);
    SetPrincipal(context, absl::StrCat("operator/client-", number_));
    v1::Site site;
    return FromGrpcStatus(stub_->UpdateSite(&context, request, &site));
  }

  const std::unique_ptr<v1::RegistryService::Stub> stub_;
  const int number_;
  std::mt19937_64 random_;
  Tally& tally_;
  const std::atomic<bool>& stop_;
  int sites_ = 0;
  std::vector<Write> writes_;
  std::thread thread_;
};

// What a subscriber makes of the config feed: display names by site.
class Follower {
 public:
  explicit Follower(const std::string& target) : stub_(v1::ConfigService::NewStub(MakeChannel(target))) {
    FeedClientOptions<v1::WatchConfigRequest, v1::WatchConfigResponse> options;
    options.request.set_scope(v1::CONFIG_SCOPE_STEERING);
    options.request.set_subscriber("crash-test");
    options.start = [this](auto* context, const auto& request, auto* queue) {
      return stub_->PrepareAsyncWatchConfig(context, request, queue);
    };
    options.apply = [this](const FeedChange<v1::ConfigEntry>& change) { return Apply(change); };
    options.prepare = [](grpc::ClientContext& context) { SetPrincipal(context, "service/test"); };
    client_ = std::make_unique<Feed>(std::move(options));
    client_->Start();
  }
  ~Follower() { client_->Stop(); }

  std::map<std::string, std::string> sites() const {
    absl::MutexLock lock(&mu_);
    return sites_;
  }
  FeedClientStats stats() const { return client_->stats(); }

 private:
  using Feed = FeedClient<v1::WatchConfigRequest, v1::WatchConfigResponse>;

  absl::Status Apply(const FeedChange<v1::ConfigEntry>& change) {
    absl::MutexLock lock(&mu_);
    if (change.snapshot) sites_.clear();
    for (const v1::ConfigEntry& entry : change.entries) {
      if (entry.has_site()) sites_[entry.key()] = entry.site().display_name();
    }
    return absl::OkStatus();
  }

  const std::unique_ptr<v1::ConfigService::Stub> stub_;
  mutable absl::Mutex mu_;
  std::map<std::string, std::string> sites_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Feed> client_;
};

class CrashTest : public ::testing::Test {
 protected:
  CrashTest() {
    server_ = Server::Start({.config_poll_interval = absl::Milliseconds(50)}, store_, clock_, metrics_).value();
    stub_ = v1::RegistryService::NewStub(MakeChannel(server_->target()));
    follower_ = std::make_unique<Follower>(server_->target());
  }
  ~CrashTest() override {
    follower_.reset();
    server_->Shutdown(absl::ZeroDuration());
  }

  std::vector<std::vector<std::string>> Rows(const std::string& query) {
    std::vector<std::vector<std::string>> rows;
    const std::string text = postgres_.Sql(uri_, query).value();
    for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) rows.push_back(absl::StrSplit(line, '|'));
    return rows;
  }
  // Lets a random time pass and takes the server away for a random time; what was done.
  bool Crash() {
    const absl::Time when = absl::Now() + absl::Milliseconds(random_() % 1500);
    while (absl::Now() < when) absl::SleepFor(absl::Milliseconds(20));
    if (random_() % 2 == 0) {
      EXPECT_TRUE(postgres_.Kill().ok());
      const absl::Status restarted = postgres_.Restart();
      EXPECT_TRUE(restarted.ok()) << restarted;
      return true;
    }
    EXPECT_TRUE(postgres_.Pause().ok());
    // From what nobody notices to well beyond the hang timeout.
    const absl::Time until = absl::Now() + absl::Milliseconds(50 + random_() % 3500);
    while (absl::Now() < until) absl::SleepFor(absl::Milliseconds(20));
    EXPECT_TRUE(postgres_.Resume().ok());
    return false;
  }

  // Spends time inside commits, which are otherwise so short that few crashes fall into one.
  void LengthenCommits(const std::string& seconds) {
    for (const std::string& command :
         {absl::StrCat("CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(", seconds,
                       "); RETURN NULL; END'"),
          std::string("CREATE CONSTRAINT TRIGGER nap AFTER INSERT ON registry.audit DEFERRABLE INITIALLY DEFERRED "
                      "FOR EACH ROW EXECUTE FUNCTION nap()")}) {
      ASSERT_TRUE(postgres_.Sql(uri_, command).ok());
    }
  }
  absl::Status CreateSite(const std::string& id, const std::string& request_id) {
    v1::CreateSiteRequest request;
    request.set_site_id(id);
    request.set_request_id(request_id);
    request.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
    grpc::ClientContext context;
    SetTimeout(context, kCallDeadline);
    SetPrincipal(context, "operator/setup");
    v1::Site site;
    return FromGrpcStatus(stub_->CreateSite(&context, request, &site));
  }
  TestPostgres& postgres_ = SharedPostgres({"registry"});
  const std::string uri_ = postgres_.NewDatabase().value();
  const uint64_t seed_ = FromEnvironment("FAIRLEAD_SEED", 1);
  std::mt19937_64 random_{seed_};
  const SystemClock clock_{};
  Metrics metrics_;
  pg::Pool pool_{pg::ParseUri(uri_).value(), pg::PoolOptions{.hang_timeout = kHangTimeout}};
  PgStore store_{pool_};
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::RegistryService::Stub> stub_;
  std::unique_ptr<Follower> follower_;
};

TEST_F(CrashTest, NoAcknowledgedWriteIsLostOrDoubled) {
  const int crashes = static_cast<int>(FromEnvironment("FAIRLEAD_CRASHES", 16));
  ASSERT_TRUE(Eventually([&] { return server_->metrics().config_version.Value() >= 2; }));  // The settings of the start.
  for (int i = 0; i < kSharedSites; ++i) ASSERT_TRUE(CreateSite(absl::StrCat("shared-", i), "").ok());
  LengthenCommits("random() * 0.03");
  const auto before = Rows("SELECT version, audit_sequence FROM registry.config_version")[0];

  Tally tally;
  std::atomic<bool> stop = false;
  int kills = 0;
  absl::Duration longest_recovery;
  std::vector<std::unique_ptr<Client>> clients;
  for (int i = 0; i < kClients; ++i) clients.push_back(std::make_unique<Client>(server_->target(), i, seed_ * 100 + i, tally, stop));
  for (int i = 0; i < crashes && !HasFailure(); ++i) {
    kills += Crash() ? 1 : 0;
    const absl::Time back = absl::Now();
    const uint64_t acknowledged = tally.acknowledged;
    EXPECT_TRUE(Eventually([&] { return tally.acknowledged > acknowledged; }, kRecovery)) << "after crash " << i;
    longest_recovery = std::max(longest_recovery, absl::Now() - back);
  }
  stop = true;
  for (const auto& client : clients) client->Join();

  std::map<std::string, Write> writes;  // By display name.
  for (const auto& client : clients) {
    for (const Write& write : client->writes()) writes[write.display_name] = write;
  }
  // The result of a try whose answer was lost, found by a later one under its request id.
  int found_done = 0;
  for (const auto& row : Rows("SELECT after->>'display_name', (extract(epoch FROM time) * 1000000)::bigint FROM registry.audit "
                              "WHERE after->>'display_name' <> ''")) {
    const auto write = writes.find(row[0]);
    if (write != writes.end() && absl::FromUnixMicros(std::stoll(row[1])) + absl::Milliseconds(20) < write->second.last_try) ++found_done;
  }
  std::cout << "seed " << seed_ << ": " << kills << " kills and " << crashes - kills << " stops; " << writes.size()
            << " writes acknowledged, after " << tally.unavailable << " answers UNAVAILABLE, " << tally.unknown << " UNKNOWN, "
            << tally.other_retries << " others; " << found_done << " had been done by a try in doubt; longest call "
            << tally.longest_call_ms << " ms, longest recovery "
            << absl::FormatDuration(absl::Trunc(longest_recovery, absl::Milliseconds(1))) << ", " << pool_.stats().cut
            << " connections cut\n";
  EXPECT_GT(writes.size(), static_cast<size_t>(crashes));

  // One audit row and one version a write, none besides, and no gap.
  std::map<std::string, int> audited;
  std::map<std::string, std::string> last;  // Display names by site, as the audit has them.
  for (const auto& row : Rows(absl::StrCat("SELECT resource, after->>'display_name' FROM registry.audit WHERE sequence > ", before[1],
                                           " ORDER BY sequence"))) {
    ++audited[row[1]];
    last[row[0]] = row[1];
  }
  EXPECT_EQ(audited.size(), writes.size());
  for (const auto& [name, write] : writes) EXPECT_EQ(audited[name], 1) << write.request_id << " on " << write.site;
  const auto after = Rows("SELECT version, audit_sequence FROM registry.config_version")[0];
  EXPECT_EQ(std::stoull(after[0]) - std::stoull(before[0]), writes.size()) << "config versions";
  EXPECT_EQ(std::stoull(after[1]) - std::stoull(before[1]), writes.size()) << "audit sequence";
  EXPECT_EQ(Rows("SELECT count(*) = max(sequence), count(DISTINCT sequence) = count(*) FROM registry.audit")[0],
            (std::vector<std::string>{"t", "t"}));
  EXPECT_EQ(Rows("SELECT count(*) FROM registry.request")[0][0], absl::StrCat(writes.size())) << "request ids";

  // Each site as its last write left it, in the database and in the feed alike.
  std::map<std::string, std::string> stored;
  for (const auto& row : Rows("SELECT 'sites/' || id, display_name FROM registry.site")) stored[row[0]] = row[1];
  for (const auto& [site, name] : last) EXPECT_EQ(stored[site], name) << site;
  for (const auto& [name, write] : writes) EXPECT_TRUE(stored.contains(absl::StrCat("sites/", write.site))) << write.request_id;
  EXPECT_TRUE(Eventually([&] { return follower_->sites() == stored; })) << "who followed all the time";
  EXPECT_EQ(follower_->stats().refused_changes, 0u);
  const Follower late(server_->target());
  EXPECT_TRUE(Eventually([&] { return late.sites() == stored; })) << "who comes now";
}

TEST_F(CrashTest, ACommitInDoubtThatHappenedAfterAllIsAnsweredByItsRequestId) {
  ASSERT_TRUE(Eventually([&] { return server_->metrics().config_version.Value() >= 2; }));
  LengthenCommits("0.5");
  absl::Status in_doubt;
  std::thread client([&] { in_doubt = CreateSite("ix-1", "request-1"); });
  EXPECT_TRUE(
      Eventually([&] { return Rows("SELECT 1 FROM pg_stat_activity WHERE state = 'active' AND query ILIKE 'commit%'").size() == 1; }));
  EXPECT_TRUE(postgres_.Pause().ok());
  client.join();
  EXPECT_TRUE(postgres_.Resume().ok());
  EXPECT_EQ(in_doubt.code(), absl::StatusCode::kUnknown) << in_doubt;
  absl::Status repeated;
  EXPECT_TRUE(Eventually([&] { return (repeated = CreateSite("ix-1", "request-1")).code() != absl::StatusCode::kUnavailable; }));
  EXPECT_TRUE(repeated.ok()) << repeated;
  EXPECT_EQ(CreateSite("ix-1", "request-2").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Rows("SELECT count(*) FROM registry.audit WHERE resource = 'sites/ix-1'")[0][0], "1");
}

}  // namespace
}  // namespace fairlead::registry
