// There is one path to a decision: a million requests on a generated fleet are answered alike one at a time, many at once and with the
// recorder on, in numbers and in words.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <set>
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
void* operator new(size_t size, const std::nothrow_t&) noexcept {
  ++allocations;
  return std::malloc(size == 0 ? 1 : size);
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

// Those that this processor can run.
std::vector<DecisionEngine> Engines() {
  std::vector<DecisionEngine> engines = {kPortableEngine};
  if (HasAvx2ForDecisions()) engines.push_back(kAvx2Engine);
  if (HasAvx512ForDecisions()) engines.push_back(kAvx512Engine);
  return engines;
}

TEST_F(DecisionPathsTest, AMillionRequestsAreAnsweredAlikeOneAtATimeManyAtOnceToTheEndAndByEachKernel) {
  const Decider decider(*table_);
  std::vector<Decider> by_each;
  const std::vector<DecisionEngine> engines = Engines();
  for (const DecisionEngine& engine : engines) by_each.emplace_back(*table_, engine);
  DecisionScratch scratch;
  std::vector<DecisionQuery> queries(1'000);
  std::vector<FileChoice> many(queries.size());
  std::vector<FileChoice> others(queries.size());
  FileChoice one;
  FileChoice whole;
  size_t served = 0;
  size_t missed = 0;
  for (int round = 0; round < 1'000; ++round) {
    for (DecisionQuery& query : queries) query = Query();
    decider.DecideMany(queries, scratch, many.data());
    for (size_t kernel = 0; kernel < by_each.size(); ++kernel) {
      by_each[kernel].DecideMany(queries, scratch, others.data());
      for (size_t i = 0; i < queries.size(); ++i)
        ASSERT_EQ(others[i], many[i]) << "round " << round << " request " << i << " kernel " << kernel;
    }
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

// Rungs of all the fleet's boxes in random order, some of one box and some of a whole block, on up to as many ranks.
std::vector<Rung> RandomLadder(const Fleet& fleet, SeededRandom& random) {
  std::vector<Rung> rungs;
  for (uint32_t site = 0; site < fleet.sites().size(); ++site) {
    for (const Fleet::Block& block : fleet.sites()[site].blocks) {
      const uint64_t alone = random.Below(4);
      uint32_t together = 0;
      for (uint32_t i = 0; i < block.size; ++i) {
        const auto bit = static_cast<uint16_t>(1u << i);
        if (random.Below(3) >= alone) {
          together |= bit;
        } else {
          rungs.push_back({.first_slot = block.first_slot, .hears = bit, .site_and_flags = site});
        }
      }
      if (together != 0)
        rungs.push_back({.first_slot = block.first_slot, .hears = static_cast<uint16_t>(together), .site_and_flags = site});
    }
  }
  for (size_t i = rungs.size(); i > 1; --i) std::swap(rungs[i - 1], rungs[random.Below(i)]);
  const uint64_t steps = 1 + random.Below(10);
  uint16_t rank = 0;
  for (size_t i = 1; i < rungs.size(); ++i) rungs[i].rank = rank = static_cast<uint16_t>(rank + (random.Below(10) < steps ? 1 : 0));
  return rungs;
}

// Who of all in order is to be picked: the first ones, but the first of another site instead of the last, if all of them are of one.
std::set<uint32_t> FirstOf(std::vector<DecisionCandidate> order, size_t count) {
  const auto elsewhere = std::find_if(order.begin(), order.end(), [&](const auto& candidate) { return candidate.site != order[0].site; });
  const bool too_late = elsewhere - order.begin() >= static_cast<ptrdiff_t>(count);
  if (count > 1 && too_late && elsewhere != order.end()) order[count - 1] = *elsewhere;
  std::set<uint32_t> boxes;
  for (size_t i = 0; i < std::min(count, order.size()); ++i) boxes.insert(order[i].box);
  return boxes;
}

TEST_F(DecisionPathsTest, OfLongLaddersThoseArePickedWhoComeFirst) {
  const std::vector<Rung> nothing;
  const std::vector<DecisionEngine> engines = Engines();
  size_t longest = 0;
  size_t most_ranks = 0;
  for (int round = 0; round < 4'000; ++round) {
    const std::vector<Rung> rungs = RandomLadder(*table_->fleet, demand_.random());
    const LadderRef ladder = {.head = rungs.data(), .tail = &nothing, .head_size = static_cast<uint32_t>(rungs.size())};
    DecisionQuery query = Query();
    query.file = demand_.File();
    query.max_urls = static_cast<int>(1 + demand_.random().Below(16));
    for (const DecisionEngine& engine : engines) {
      const Decider decider(*table_, engine);
      DecisionScratch scratch;
      FileChoice whole;
      FileChoice choice;
      decider.DecideOn(ladder, query, true, scratch, whole);
      decider.DecideOn(ladder, query, false, scratch, choice);
      whole.leaf = choice.leaf;
      ASSERT_EQ(choice, whole) << round;
      std::set<uint32_t> boxes;
      for (const UrlChoice& url : choice.list()) boxes.insert(url.box);
      ASSERT_EQ(boxes, FirstOf(scratch.order, static_cast<size_t>(query.max_urls))) << round;
      if (scratch.order.empty()) continue;
      ASSERT_EQ(choice.best_box, scratch.order.front().box) << round;
      longest = std::max(longest, scratch.order.size());
      most_ranks = std::max<size_t>(most_ranks, scratch.order.back().rank);
    }
  }
  EXPECT_GT(longest, PackedBoxes::kMost);
  EXPECT_GT(most_ranks, 2 * PackedBoxes::kPlaces);
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
