// The decision in numbers: one file for one client, and which boxes to fetch it from. Everything that answers requests comes through here;
// decide.h puts requests and answers into words.
//
//   const Decider decider(*table);                        // Cheap: pointers into the table, which must outlive it.
//   DecisionScratch scratch;                              // One a thread, kept for its memory.
//   FileChoice choice;
//   decider.Decide({.client = client, .file = 17, .spread_key = SpreadKey(session, title)}, scratch, choice);
//   for (const UrlChoice& url : choice.list()) Use(table->fleet->boxes()[url.box], url.family);
//
// The ladder is walked rank by rank, and only as far as it takes to have enough fit boxes over two sites (decision_walk.h). Of a rung the
// holders are asked for first, as one mask; only those of them that hear the route are judged. No allocation once `scratch` has grown.
// Time: O(boxes of the ranks that are walked). Cache lines: the match's, 1 of the leaf, 1 for four rungs, 1 of the file's word, 1 or 2 of
// its row (a line a site where nearly everybody holds it), 1 or 2 of each site whose holders are judged.
// Deterministic in (table, query). Pure; any thread.
#ifndef FAIRLEAD_LIBS_STEERING_DECIDER_H_
#define FAIRLEAD_LIBS_STEERING_DECIDER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/steering/decision.h"
#include "libs/steering/rung.h"
#include "libs/steering/rung_judge.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

struct DecisionQuery {
  IpAddress client = {};
  uint32_t file = 0;
  uint64_t spread_key = 0;  // SpreadKey(): equal keys go to the same box as far as its holdings allow.
  int max_urls = 3;         // Clamped to [1, SteeringRequest::kMaxUrls].
  FamilyPreference family_preference = FamilyPreference::kOfClient;
};

// Of who asks (a session, or an address) and for what (a title).
uint64_t SpreadKey(absl::string_view session, absl::string_view title);
uint64_t SpreadKey(const IpAddress& client, absl::string_view title);

struct UrlChoice {
  uint32_t box = 0;  // Number in the fleet.
  uint16_t rank = 0;
  Fitness fitness = Fitness::kFit;
  AddressFamily family = AddressFamily::kUnspecified;  // The first endpoint of it.

  friend bool operator==(const UrlChoice&, const UrlChoice&) = default;
};

struct FileChoice {
  uint32_t leaf = 0;  // Of the ladders: LadderTable::RoutedPrefixOf tells the prefix.
  uint32_t file = 0;
  uint32_t count = 0;
  NotServable not_servable = NotServable::kServable;
  MissCause miss = MissCause::kNone;       // Why the first isn't of rank 0. A URL of rank 0 has none.
  MissCause zero_miss = MissCause::kNone;  // What kept the rank-0 box that came nearest to serving, whether or not the first is of rank 0.
  uint32_t best_box = Fleet::kNone;        // The first in order, before the client's family was put first: its path decides on quality,
  uint32_t best_link = Fleet::kNone;       // with this port,
  uint32_t best_permille = 0;              // and this use of the busiest part of it.
  std::array<UrlChoice, SteeringRequest::kMaxUrls> urls = {};

  absl::Span<const UrlChoice> list() const { return {urls.data(), count}; }
  MissCause CauseOf(const UrlChoice& url) const { return url.rank == 0 ? MissCause::kNone : miss; }
  friend bool operator==(const FileChoice& a, const FileChoice& b) {
    return a.leaf == b.leaf && a.file == b.file && a.not_servable == b.not_servable && a.miss == b.miss && a.zero_miss == b.zero_miss &&
           a.best_box == b.best_box && a.best_link == b.best_link && a.best_permille == b.best_permille && a.list() == b.list();
  }
};

// A box that may serve the file, as the walk found it.
struct DecisionCandidate {
  uint64_t spread = 0;  // Only where it is compared: of the unfit, and in `order`.
  uint32_t box = 0;
  uint32_t site = 0;
  uint32_t link = Fleet::kNone;
  uint16_t rank = 0;
  uint16_t slot = 0;
  Fitness fitness = Fitness::kFit;
  uint8_t families = 0;  // The better usable family in the low two bits, the other above.

  AddressFamily family(int choice) const { return static_cast<AddressFamily>(families >> (2 * choice) & 3); }
};

// Of a rung, who may serve the file.
struct DecisionStanding {
  Rung rung;
  uint16_t fit = 0;  // Bit i: the box in slot first_slot + i.
  uint16_t unfit = 0;
};

struct DecisionScratch {
  std::vector<DecisionStanding> standings;  // Of the rungs that were walked, those with anybody, and room for more.
  PackedBoxes packed;                       // Of these the fit ones.
  std::vector<DecisionCandidate> unfit;     // Best first.
  std::array<DecisionCandidate, SteeringRequest::kMaxUrls> picked;
  std::vector<DecisionCandidate> order;  // All that may serve, best first; only after a walk to the end.
};

class Decider;

// The walk as it is compiled for a kind of processor (decision_walk.h): all of them decide alike.
struct DecisionEngine {
  void (*decide)(const Decider& decider, const LadderRef& ladder, const DecisionQuery& query, bool to_the_end, DecisionScratch& scratch,
                 FileChoice& choice);
  void (*decide_many)(const Decider& decider, absl::Span<const DecisionQuery> queries, DecisionScratch& scratch, FileChoice* choices);
  void (*decide_many_on_leaves)(const Decider& decider, absl::Span<const DecisionQuery> queries, DecisionScratch& scratch,
                                FileChoice* choices);
};
extern const DecisionEngine kPortableEngine;
// For processors that have what HasAvx512ForDecisions() asks for.
extern const DecisionEngine kAvx512Engine;
bool HasAvx512ForDecisions();
extern const DecisionEngine kAvx2Engine;
bool HasAvx2ForDecisions();
const DecisionEngine& BestDecisionEngine();

class Decider {
 public:
  explicit Decider(const SteeringTable& table, const DecisionEngine& engine = BestDecisionEngine())
      : engine_(engine), ladders_(*table.ladders), holdings_(*table.holdings), condition_(*table.condition), fleet_(*table.fleet) {}

  void Decide(const DecisionQuery& query, DecisionScratch& scratch, FileChoice& choice) const {
    choice.leaf = ladders_.LeafOf(query.client);
    DecideOn(ladders_.LadderOf(choice.leaf), query, false, scratch, choice);
  }
  // The same for many, whose memory is fetched in turns: several times as fast. Any number; `choices` must have room for all.
  void DecideMany(absl::Span<const DecisionQuery> queries, DecisionScratch& scratch, FileChoice* choices) const {
    engine_.decide_many(*this, queries, scratch, choices);
  }

  // The same for clients that have been matched: choices[i].leaf says where.
  void DecideManyOnLeaves(absl::Span<const DecisionQuery> queries, DecisionScratch& scratch, FileChoice* choices) const {
    engine_.decide_many_on_leaves(*this, queries, scratch, choices);
  }

  // The walk itself, on a ladder at hand. With `to_the_end` it looks at every rung, and leaves everybody in scratch.order: for pathways and
  // explanations. The choice is the same.
  void DecideOn(const LadderRef& ladder, const DecisionQuery& query, bool to_the_end, DecisionScratch& scratch, FileChoice& choice) const {
    engine_.decide(*this, ladder, query, to_the_end, scratch, choice);
  }

  const LadderTable& ladders() const { return ladders_; }
  const Holdings& holdings() const { return holdings_; }
  const Condition& condition() const { return condition_; }
  const Fleet& fleet() const { return fleet_; }

 private:
  const DecisionEngine& engine_;
  const LadderTable& ladders_;
  const Holdings& holdings_;
  const Condition& condition_;
  const Fleet& fleet_;
};

// The usable families of a box with these endpoints (BoxState's bits), as in DecisionCandidate. A client with an IPv6 address may have
// nothing else: IPv4 then works for it by name only (NAT64 with DNS64), never by address. A client with an IPv4 address gets IPv6 only
// from a box that has nothing else.
uint8_t UsableFamilies(uint8_t endpoints, bool client_is_v6, FamilyPreference preference);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_DECIDER_H_
