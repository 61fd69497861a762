// There is one path to a decision: a million requests on a generated fleet are answered alike one at a time, many at once and with the
// recorder on, in numbers and in words.
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/decide.h"
#include "libs/steering/decider.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"

namespace {
std::atomic<size_t> allocations = 0;
}  // namespace

// Every allocation of this program is counted.
void* operator new(size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}

namespace fairlead {
namespace {

class DecisionPathsTest : public testing::Test {
 protected:
  DecisionPathsTest() : world_(Options()), demand_(world_, 7), table_(BuildSteeringTable(world_.Inputs()).value()) {}

  static WorldOptions Options() {
    WorldOptions options = WorldOptions::Scaled(0.002);
    options.sites = 60;
    options.boxes = 300;
    options.files = 4'000;
    options.files_a_box = 200;
    return options;
  }

  IpAddress Client() {
    const AddressFamily family = demand_.random().OneIn(2) ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
    if (demand_.random().OneIn(10)) return RouteGenerator(demand_.random().Next()).Address(family);
    return demand_.ClientInPrefix(family);
  }
  DecisionQuery Query() {
    return {.client = Client(),
            .file = demand_.random().OneIn(3) ? demand_.AnyFile() : demand_.File(),
            .spread_key = demand_.random().Next(),
            .max_urls = static_cast<int>(1 + demand_.random().Below(5)),
            .family_preference = static_cast<FamilyPreference>(demand_.random().OneIn(3) ? demand_.random().Below(5) : 0)};
  }

  const World world_;
  Demand demand_;
  std::shared_ptr<const SteeringTable> table_;
};

TEST_F(DecisionPathsTest, AMillionRequestsAreAnsweredAlikeOneAtATimeManyAtOnceAndToTheEnd) {
  const Decider decider(*table_);
  DecisionScratch scratch;
  std::vector<DecisionQuery> queries(1'000);
  std::vector<FileChoice> many(queries.size());
  FileChoice one;
  FileChoice whole;
  size_t served = 0;
  size_t missed = 0;
  for (int round = 0; round < 1'000; ++round) {
    for (DecisionQuery& query : queries) query = Query();
    decider.DecideMany(queries, scratch, many.data());
    for (size_t i = 0; i < queries.size(); ++i) {
      decider.Decide(queries[i], scratch, one);
      ASSERT_EQ(one, many[i]) << "round " << round << " request " << i;
      whole.leaf = one.leaf;
      decider.DecideOn(table_->ladders->LadderOf(one.leaf), queries[i], true, scratch, whole);
      ASSERT_EQ(one, whole) << "round " << round << " request " << i;
      served += one.count > 0 ? 1 : 0;
      missed += one.miss != MissCause::kNone ? 1 : 0;
    }
  }
  EXPECT_GT(served, 500'000u);
  EXPECT_GT(missed, 50'000u);
}

TEST_F(DecisionPathsTest, DecidingAllocatesNothingOnceItsScratchHasGrown) {
  const Decider decider(*table_);
  DecisionScratch scratch;
  std::vector<DecisionQuery> queries(20'000);
  for (DecisionQuery& query : queries) query = Query();
  std::vector<FileChoice> choices(queries.size());
  decider.DecideMany(queries, scratch, choices.data());
  const size_t before = allocations;
  decider.DecideMany(queries, scratch, choices.data());
  for (size_t i = 0; i < queries.size(); ++i) decider.Decide(queries[i], scratch, choices[i]);
  EXPECT_EQ(allocations, before);
  EXPECT_GT(before, 0u);
}

std::string Words(const SteeringAnswer& answer) {
  std::string text = absl::StrCat(answer.matched_prefix.has_value() ? answer.matched_prefix->ToString() : "", " ",
                                  ToString(answer.not_servable), answer.sentence, "\n");
  for (const FileAnswer& file : answer.files) {
    absl::StrAppend(&text, file.path, " ", ToString(file.not_servable), file.sentence, "\n");
    for (const Candidate& c : file.candidates) {
      absl::StrAppend(&text, " ", c.appliance.value(), " ", c.rank, " ", c.position, " ", ToString(c.cause), " ", ToString(c.fitness), " ",
                      c.endpoint.host, "\n");
    }
  }
  if (answer.quality_cap.has_value()) absl::StrAppend(&text, answer.quality_cap->bps, answer.quality_cap->sentence);
  return text;
}

TEST_F(DecisionPathsTest, WordsSayWhatTheNumbersSayAndRecordingChangesNothing) {
  const Decider decider(*table_);
  DecisionScratch scratch;
  FileChoice choice;
  for (int i = 0; i < 5'000; ++i) {
    const uint32_t title = demand_.Title();
    SteeringRequest request = {.client = Client(), .title = world_.NameOfTitle(title), .renditions = {"r003"}, .max_pathways = 0};
    request.session_key = i % 2 == 0 ? "" : absl::StrCat("session-", i);
    const SteeringAnswer answer = Decide(*table_, request);
    Explanation record;
    ASSERT_EQ(Words(answer), Words(Decide(*table_, request, &record)));
    ASSERT_EQ(answer.files.size(), 1u);
    const uint64_t key = request.session_key.empty() ? SpreadKey(request.client, request.title.value())
                                                     : SpreadKey(absl::string_view(request.session_key), request.title.value());
    decider.Decide({.client = request.client, .file = answer.files[0].file, .spread_key = key}, scratch, choice);
    ASSERT_EQ(choice.count, answer.files[0].candidates.size());
    for (uint32_t url = 0; url < choice.count; ++url) {
      const Candidate& candidate = answer.files[0].candidates[url];
      ASSERT_EQ(table_->fleet->boxes()[choice.urls[url].box].view.id, candidate.appliance);
      ASSERT_EQ(choice.urls[url].family, candidate.endpoint.family);
      ASSERT_EQ(choice.urls[url].rank, candidate.rank);
      ASSERT_EQ(choice.CauseOf(choice.urls[url]), candidate.cause);
    }
    ASSERT_EQ(choice.not_servable, answer.files[0].not_servable);
  }
}

}  // namespace
}  // namespace fairlead
