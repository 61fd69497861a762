// Explain is Steer with the recorder on: a million different requests on ten bad evenings are answered by the two as steerd does it (Steer
// from a walk that ends when it has enough; Explain from a walk to the end, put into words with every candidate's verdicts recorded), and
// the answers are the same in every part. And the record tells of that answer: who is in it, and who isn't, is what the verdicts say.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/choose.h"
#include "libs/steering/decide.h"
#include "libs/steering/decision.h"
#include "tests/oracle/troubled_evening.h"

namespace fairlead {
namespace {

constexpr uint32_t kEvenings = 10;
constexpr int kRequestsAnEvening = 100'000;
static_assert(kEvenings * kRequestsAnEvening == 1'000'000 && kEvenings <= TroubledEvening::kSeeds);

std::string Text(const SteeringRequest& r) {
  std::string text = absl::StrCat(r.client.ToString(), " title '", r.title.value(), "' version '", r.version, "' set '", r.playable_set,
                                  "' session '", r.session_key, "' urls ", r.max_urls, " family ", static_cast<int>(r.family_preference),
                                  r.place.has_value() ? " with a place" : "");
  for (const std::string& rendition : r.renditions) absl::StrAppend(&text, " ", rendition);
  for (const std::string& path : r.paths) absl::StrAppend(&text, " ", path);
  return text;
}

// ---- The same answer ----

bool SameUrl(const SteeringTable& table, const FileChoice& choice, uint32_t position, const Candidate& said) {
  const UrlChoice& url = choice.urls[position];
  const ApplianceView& box = table.fleet->boxes()[url.box].view;
  // The endpoint that the URL is made of: the box's first of its family.
  const auto endpoint =
      std::find_if(box.endpoints.begin(), box.endpoints.end(), [&](const Endpoint& candidate) { return candidate.family == url.family; });
  return endpoint != box.endpoints.end() && said.appliance == box.id && said.site == box.site && said.endpoint == *endpoint &&
         said.rank == url.rank && said.position == position && said.cause == choice.CauseOf(url) && said.fitness == url.fitness;
}

void ExpectSameFile(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& steer, size_t index,
                    const FileAnswer& said) {
  const ChosenFile& file = steer.files[index];
  ASSERT_EQ(said.file, file.ref.file == nullptr ? 0 : file.ref.file->number());
  ASSERT_EQ(said.path, file.ref.file == nullptr ? request.paths[index] : file.ref.path().Join());
  ASSERT_EQ(said.not_servable, file.choice.not_servable);
  ASSERT_EQ(said.sentence, WhyNotServable(table, request, steer, index));
  ASSERT_EQ(said.candidates.size(), file.choice.count);
  ASSERT_EQ(said.candidates.empty(), said.not_servable != NotServable::kServable);
  for (uint32_t position = 0; position < file.choice.count; ++position) {
    ASSERT_TRUE(SameUrl(table, file.choice, position, said.candidates[position])) << "URL " << position << " of " << said.path;
  }
}

// What the bytes of Explain's answer are written from is what those of Steer's are; `said` is what its record was made with.
void ExpectSameAnswer(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& steer, const RequestChoice& explain,
                      const SteeringAnswer& said) {
  ASSERT_EQ(explain.leaf, steer.leaf);
  ASSERT_TRUE(std::equal(explain.files.begin(), explain.files.end(), steer.files.begin(), steer.files.end(),
                         [](const ChosenFile& a, const ChosenFile& b) { return a.ref.file == b.ref.file && a.choice == b.choice; }));
  ASSERT_EQ(said.table_version, table.version);
  ASSERT_EQ(said.matched_prefix, table.ladders->RoutedPrefixOf(steer.leaf));
  ASSERT_EQ(said.files.size(), steer.files.size());
  for (size_t i = 0; i < said.files.size(); ++i) {
    ExpectSameFile(table, request, steer, i, said.files[i]);
    if (testing::Test::HasFatalFailure()) return;
  }
  const std::optional<CapChoice> cap = ChooseQualityCap(table, request, steer);
  ASSERT_EQ(said.quality_cap.has_value(), cap.has_value());
  if (cap.has_value()) {
    ASSERT_EQ(said.quality_cap->bps, cap->bps);
  }
}

// ---- The record of it ----

// What the verdicts of one candidate come to.
struct Heard {
  bool may_serve = true;  // Proximity, admin and holdings are final.
  bool fit = true;        // Health and capacity only put it behind others.
  bool placed = false;    // It has a place in the order.
};

Heard Hear(const CandidateRecord& candidate) {
  Heard heard;
  for (const LayerVerdict& verdict : candidate.verdicts) {
    const bool only_puts_behind = verdict.layer == SteeringLayer::kHealth || verdict.layer == SteeringLayer::kCapacity;
    if (verdict.layer == SteeringLayer::kSpread) heard.placed = true;
    if (verdict.passed) continue;
    (only_puts_behind ? heard.fit : heard.may_serve) = false;
  }
  return heard;
}

// In the order of the layers, each at most once, and none behind one that is final: up to the one that decided.
void ExpectVerdictsInOrder(const CandidateRecord& candidate) {
  ASSERT_FALSE(candidate.verdicts.empty()) << candidate.appliance;
  for (size_t i = 0; i < candidate.verdicts.size(); ++i) {
    const LayerVerdict& verdict = candidate.verdicts[i];
    ASSERT_FALSE(verdict.sentence.empty()) << candidate.appliance;
    ASSERT_EQ(verdict.passed, verdict.cause == MissCause::kNone) << candidate.appliance << ": " << verdict.sentence;
    if (i > 0) {
      ASSERT_LT(candidate.verdicts[i - 1].layer, verdict.layer) << candidate.appliance;
    }
  }
  const SteeringLayer last = candidate.verdicts.back().layer;
  const Heard heard = Hear(candidate);
  ASSERT_EQ(heard.may_serve, heard.placed) << candidate.appliance << " has a place exactly if no layer rules it out";
  ASSERT_EQ(heard.may_serve, last == SteeringLayer::kSpread) << candidate.appliance;
}

// Everybody of the ladder's sites was recorded, once.
void ExpectWholeLadder(const SteeringTable& table, const Explanation& record, const FileRecord& file) {
  std::vector<ApplianceId> recorded;
  for (const CandidateRecord& candidate : file.candidates) recorded.push_back(candidate.appliance);
  std::vector<uint32_t> sites;
  for (const ExplainedEntry& entry : record.ladder) sites.push_back(entry.entry.site);
  std::sort(sites.begin(), sites.end());
  sites.erase(std::unique(sites.begin(), sites.end()), sites.end());
  std::vector<ApplianceId> expected;
  for (const uint32_t site : sites) {
    for (const uint32_t box : table.fleet->sites()[site].boxes) expected.push_back(table.fleet->boxes()[box].view.id);
  }
  std::sort(expected.begin(), expected.end());
  std::sort(recorded.begin(), recorded.end());
  ASSERT_EQ(recorded, expected);
}

void ExpectWinner(const FileRecord& file, const FileAnswer& answer, size_t may_serve) {
  if (answer.candidates.empty()) {
    ASSERT_EQ(may_serve, 0u) << "nobody is answered, but somebody may serve";
    ASSERT_EQ(file.winner, answer.sentence);
    ASSERT_EQ(file.runner_up, "");
    return;
  }
  const std::string first = absl::StrCat(answer.candidates.front().appliance.name(), ": ");
  ASSERT_TRUE(absl::StartsWith(file.winner, first)) << file.winner;
  ASSERT_TRUE(absl::EndsWith(file.winner, absl::StrCat("of ", may_serve, " that may serve"))) << file.winner;
  ASSERT_EQ(file.runner_up.empty(), may_serve < 2) << file.runner_up;
  ASSERT_FALSE(absl::StartsWith(file.runner_up, first)) << file.runner_up;
}

// A last resort is in the answer only where fit ones are missing, or as its only box of another site.
void ExpectLastResortsLast(const std::vector<const CandidateRecord*>& fit_left_out, const FileAnswer& answer) {
  std::vector<ApplianceId> unfit;
  for (const Candidate& url : answer.candidates) {
    if (url.fitness != Fitness::kFit) unfit.push_back(url.appliance);
  }
  if (unfit.empty() || fit_left_out.empty()) return;
  for (const ApplianceId& box : unfit) ASSERT_EQ(box, unfit.front()) << "in place of " << fit_left_out.front()->appliance;
  for (const CandidateRecord* const left_out : fit_left_out) {
    for (const Candidate& url : answer.candidates) ASSERT_EQ(url.site == left_out->site, url.appliance != unfit.front()) << url.appliance;
  }
}

void ExpectRecordOfFile(const SteeringTable& table, const Explanation& record, const FileRecord& file, const FileAnswer& answer) {
  ASSERT_EQ(file.file, answer.file);
  ASSERT_EQ(file.path, answer.path);
  size_t may_serve = 0;
  size_t urls_found = 0;
  std::vector<const CandidateRecord*> fit_left_out;
  for (const CandidateRecord& candidate : file.candidates) {
    ExpectVerdictsInOrder(candidate);
    if (testing::Test::HasFatalFailure()) return;
    const Heard heard = Hear(candidate);
    may_serve += heard.may_serve ? 1 : 0;
    bool in_answer = false;
    for (const Candidate& url : answer.candidates) {  // A box may stand there twice, over both families.
      if (url.appliance != candidate.appliance) continue;
      in_answer = true;
      ++urls_found;
      ASSERT_TRUE(heard.may_serve) << candidate.appliance << " is in the answer, and a verdict says no";
      ASSERT_EQ(heard.fit, url.fitness == Fitness::kFit) << candidate.appliance;
      ASSERT_EQ(candidate.rank, url.rank) << candidate.appliance;
      ASSERT_EQ(candidate.site, url.site) << candidate.appliance;
    }
    if (!in_answer && heard.may_serve && heard.fit) fit_left_out.push_back(&candidate);
  }
  ASSERT_EQ(urls_found, answer.candidates.size()) << "a box of the answer isn't in the record";
  ExpectWholeLadder(table, record, file);
  ExpectWinner(file, answer, may_serve);
  ExpectLastResortsLast(fit_left_out, answer);
}

void ExpectRecordOf(const SteeringTable& table, const SteeringRequest& request, const SteeringAnswer& answer, const Explanation& record) {
  ASSERT_EQ(record.table_version, answer.table_version);
  ASSERT_EQ(record.client, request.client);
  if (request.place.has_value()) {
    ASSERT_EQ(record.place, *request.place);
  }
  ASSERT_EQ(answer.matched_prefix.has_value(), !record.matched.empty());
  if (answer.matched_prefix.has_value()) {
    ASSERT_EQ(*answer.matched_prefix, record.matched.back().prefix);
  }
  size_t next = 0;
  for (const FileAnswer& file : answer.files) {
    if (file.not_servable == NotServable::kUnknownTitle) continue;  // There is nothing to judge anybody by.
    ASSERT_LT(next, record.files.size());
    ExpectRecordOfFile(table, record, record.files[next++], file);
    if (testing::Test::HasFatalFailure()) return;
  }
  ASSERT_EQ(next, record.files.size());
}

// ---- A million ----

// What came up, so that the test knows that it has seen everything.
struct Seen {
  size_t served = 0;
  size_t misses = 0;
  size_t last_resorts = 0;
  size_t moved = 0;  // The family put another first than the best.
  size_t caps = 0;
  size_t candidates = 0;
  std::array<size_t, 6> reasons = {};  // By NotServable.

  void Add(const SteeringAnswer& answer, const Explanation& record) {
    caps += answer.quality_cap.has_value() ? 1 : 0;
    for (const FileAnswer& file : answer.files) {
      ++reasons[static_cast<size_t>(file.not_servable)];
      if (file.candidates.empty()) continue;
      ++served;
      misses += file.candidates.front().cause != MissCause::kNone ? 1 : 0;
      last_resorts += file.candidates.back().fitness != Fitness::kFit ? 1 : 0;
    }
    for (const FileRecord& file : record.files) {
      candidates += file.candidates.size();
      moved += absl::StrContains(file.winner, "the family that comes first") ? 1 : 0;
    }
  }
};

class ExplainOracle : public testing::TestWithParam<uint32_t> {};

TEST_P(ExplainOracle, AHundredThousandAnswersOfExplainAreThoseOfSteerAndItsRecordTellsOfThem) {
  TroubledEvening evening(GetParam());
  const SteeringTable& table = *evening.table();
  RequestChoice steer;
  RequestChoice explain;
  Explanation record;
  Seen seen;
  for (int number = 0; number < kRequestsAnEvening; ++number) {
    const SteeringRequest request = evening.Next();
    Choose(table, request, WalkTo::kEnough, steer);
    Choose(table, request, WalkTo::kTheEnd, explain);
    const SteeringAnswer answer = PutInWords(table, request, explain, &record);
    ExpectSameAnswer(table, request, steer, explain, answer);
    if (!HasFatalFailure()) ExpectRecordOf(table, request, answer, record);
    if (HasFatalFailure()) FAIL() << "request " << number << ": " << Text(request);
    seen.Add(answer, record);
  }
  EXPECT_GT(seen.served, 100'000u);
  EXPECT_GT(seen.misses, 50'000u);
  EXPECT_GT(seen.last_resorts, 10'000u);
  EXPECT_GT(seen.moved, 1'000u);
  EXPECT_GT(seen.caps, 10'000u);
  EXPECT_GT(seen.candidates, 2'000'000u);
  for (const NotServable reason : {NotServable::kUnknownTitle, NotServable::kNotHeld, NotServable::kNoUsableEndpoint}) {
    EXPECT_GT(seen.reasons[static_cast<size_t>(reason)], 500u) << ToString(reason);
  }
  EXPECT_EQ(seen.reasons[static_cast<size_t>(NotServable::kNoEligibleSite)] > 500, !evening.open_to_unrouted());
}

INSTANTIATE_TEST_SUITE_P(Evenings, ExplainOracle, testing::Range(0u, kEvenings));

}  // namespace
}  // namespace fairlead
