// A table from its image decides, and explains, exactly as the one that was written: a quarter of a million requests, by numbers, and
// thousands in words, of both families, on a table with more prefixes than fit the small index.
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/decide.h"
#include "libs/steering/decider.h"
#include "libs/steering/image_buffer.h"
#include "libs/steering/leaf_index.h"
#include "libs/steering/table_image.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"
#include "tests/oracle/random_fleet.h"

namespace fairlead {
namespace {

std::shared_ptr<const SteeringTable> ThroughItsImage(const SteeringTable& table) {
  ImageBuffer buffer;
  WriteImage(table, buffer);
  auto read = ReadImage(buffer.Image());
  EXPECT_TRUE(read.ok()) << read.status();
  return read.ok() ? *std::move(read) : nullptr;
}

void Tell(const std::vector<Candidate>& candidates, std::string& text) {
  for (const Candidate& c : candidates) {
    absl::StrAppend(&text, " ", c.appliance.value(), "@", c.site.value(), " ", c.rank, " ", c.position, " ", ToString(c.cause), " ",
                    ToString(c.fitness), " ", c.endpoint.host, ":", c.endpoint.port, "\n");
  }
}

std::string Tell(const SteeringAnswer& answer) {
  std::string text = absl::StrCat(answer.table_version, " ", answer.matched_prefix.has_value() ? answer.matched_prefix->ToString() : "",
                                  " ", ToString(answer.not_servable), answer.sentence, "\n");
  for (const FileAnswer& file : answer.files) {
    absl::StrAppend(&text, file.file, " ", file.path, " ", ToString(file.not_servable), file.sentence, "\n");
    Tell(file.candidates, text);
  }
  for (const Pathway& pathway : answer.pathways) {
    absl::StrAppend(&text, "pathway ", pathway.site.value(), " ", pathway.rank, "\n");
    Tell(pathway.holders, text);
  }
  if (answer.quality_cap.has_value()) absl::StrAppend(&text, answer.quality_cap->bps, answer.quality_cap->sentence);
  return text;
}

std::string Tell(const Explanation& record) {
  std::string text = absl::StrCat(record.table_version, " ", record.client.ToString(), " ", record.place.country, " ",
                                  ToString(record.place.source), " ", record.place.at.latitude_microdegrees, "\n");
  for (const MatchedPrefix& matched : record.matched) {
    absl::StrAppend(&text, matched.prefix.ToString(), ":");
    for (const RouteView& route : matched.routes) {
      const SessionView& session = record.sessions[route.session];
      absl::StrAppend(&text, " ", session.id.value(), "/", session.partner.value(), "/", ToString(session.transport), "/",
                      session.site.value(), "/", session.appliance.has_value() ? session.appliance->value() : "", "/",
                      session.link.has_value() ? session.link->value() : "", " ", route.neighbour_as, " ", route.med, " ",
                      route.as_path_length, route.demoted ? " demoted" : "");
    }
  }
  for (const ExplainedEntry& entry : record.ladder) {
    absl::StrAppend(&text, "\n", entry.entry.rank, " ", entry.site.value(), " ", entry.sentence, " ", entry.boxes.size(), " ",
                    entry.link.has_value() ? entry.link->value() : "", " ", entry.session.has_value() ? entry.session->value() : "");
  }
  for (const FileRecord& file : record.files) {
    absl::StrAppend(&text, "\n", file.path, " ", file.winner, " | ", file.runner_up);
    for (const CandidateRecord& candidate : file.candidates) {
      absl::StrAppend(&text, "\n ", candidate.appliance.value(), " ", candidate.rank);
      for (const LayerVerdict& verdict : candidate.verdicts) absl::StrAppend(&text, " ", ToString(verdict.layer), ": ", verdict.sentence);
    }
  }
  return text;
}

class TableImageOracleTest : public testing::Test {
 protected:
  TableImageOracleTest() : world_(Options()), demand_(world_, 9), built_(BuildSteeringTable(world_.Inputs()).value()) {}

  static WorldOptions Options() {
    WorldOptions options = WorldOptions::Scaled(0.004);
    options.prefixes_v4 = 4'000;
    options.prefixes_v6 = 1'500;
    options.sites = 60;
    options.boxes = 900;
    options.files = 4'000;
    options.files_a_box = 300;
    return options;
  }

  IpAddress Client() {
    const AddressFamily family = demand_.random().OneIn(2) ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
    return demand_.random().OneIn(10) ? RouteGenerator(demand_.random().Next()).Address(family) : demand_.ClientInPrefix(family);
  }

  const World world_;
  Demand demand_;
  const std::shared_ptr<const SteeringTable> built_;
};

TEST_F(TableImageOracleTest, NumbersAreTheSame) {
  ASSERT_GT(built_->ladders->prefixes(), LeafIndex::kFew);
  const auto read = ThroughItsImage(*built_);
  ASSERT_NE(read, nullptr);
  const Decider one(*built_);
  const Decider two(*read);
  DecisionScratch scratch;
  std::vector<DecisionQuery> queries(1'000);
  std::vector<FileChoice> first(queries.size());
  std::vector<FileChoice> second(queries.size());
  size_t served = 0;
  for (int round = 0; round < 250; ++round) {
    for (DecisionQuery& query : queries) {
      query = {.client = Client(),
               .file = demand_.random().OneIn(3) ? demand_.AnyFile() : demand_.File(),
               .spread_key = demand_.random().Next(),
               .max_urls = static_cast<int>(1 + demand_.random().Below(5)),
               .family_preference = static_cast<FamilyPreference>(demand_.random().Below(5))};
    }
    one.DecideMany(queries, scratch, first.data());
    two.DecideMany(queries, scratch, second.data());
    for (size_t i = 0; i < queries.size(); ++i) {
      first[i].leaf = second[i].leaf;  // Leaves are numbered anew.
      ASSERT_EQ(first[i], second[i]) << "round " << round << " request " << i << " of " << queries[i].client;
      served += first[i].count > 0 ? 1 : 0;
    }
  }
  EXPECT_GT(served, 100'000u);
}

TEST_F(TableImageOracleTest, AnswersAndExplanationsAreTheSame) {
  const auto read = ThroughItsImage(*built_);
  ASSERT_NE(read, nullptr);
  Explanation one;
  Explanation two;
  for (int i = 0; i < 3'000; ++i) {
    SteeringRequest request = {.client = Client(), .title = world_.NameOfTitle(demand_.Title()), .renditions = {"r001", "r007"}};
    if (demand_.random().OneIn(5)) request.place = ClientPlace{.at = {1'000'000, 2'000'000}, .source = PlaceSource::kMmdb};
    if (demand_.random().OneIn(9)) request.title = TitleId("nobodys");
    request.max_pathways = static_cast<int>(demand_.random().Below(4));
    ASSERT_EQ(Tell(Decide(*built_, request, &one)), Tell(Decide(*read, request, &two))) << request.client;
    ASSERT_EQ(Tell(one), Tell(two)) << request.client;
  }
}

TEST_F(TableImageOracleTest, RandomFleetsWithAnyPolicyComeBackAsTheyWere) {
  SeededRandom random(77);
  for (int world = 0; world < 200; ++world) {
    SteeringInputs inputs = RandomFleet(random, 1 + random.Below(12), random.Below(60));
    inputs.policy = RandomPolicy(random);
    const auto built = BuildSteeringTable(inputs).value();
    const auto read = ThroughItsImage(*built);
    ASSERT_NE(read, nullptr);
    for (int i = 0; i < 40; ++i) {
      RouteGenerator generator(random.Next());
      const std::vector<Prefix> blocks = PartnerBlocks();
      const SteeringRequest request = {.client = generator.AddressIn(blocks[random.Below(blocks.size())]), .title = inputs.titles[0].id};
      Explanation one;
      Explanation two;
      ASSERT_EQ(Tell(Decide(*built, request, &one)), Tell(Decide(*read, request, &two))) << "world " << world;
      ASSERT_EQ(Tell(one), Tell(two)) << "world " << world;
      const auto found = built->ladders->Find(request.client);
      ASSERT_EQ(*found.ladder, *read->ladders->Find(request.client).ladder);
    }
  }
}

}  // namespace
}  // namespace fairlead
