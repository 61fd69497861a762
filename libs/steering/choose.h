// A whole request, decided in numbers: all its files, for one client. Answers are written from it (services/steering), and put into words
// (decide.h); both see the same choice, so there is one way to a decision.
//
//   RequestChoice choice;                                   // One a thread, kept for its memory.
//   Choose(*table, request, WalkTo::kEnough, choice);
//   for (const ChosenFile& file : choice.files) for (const UrlChoice& url : file.choice.list()) …
//
// Deterministic in (table, request). Pure; any thread. No allocation once `choice` has grown, but for a place told by the request, for
// which the ladder is built anew. O(boxes of the ranks that are walked × files asked for); to the end: of the whole ladder.
#ifndef FAIRLEAD_LIBS_STEERING_CHOOSE_H_
#define FAIRLEAD_LIBS_STEERING_CHOOSE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "libs/steering/decider.h"
#include "libs/steering/decision.h"
#include "libs/steering/rung.h"
#include "libs/steering/steering_table.h"

namespace fairlead {

struct ChosenFile {
  Catalogue::FileRef ref = {};  // Null members: what was asked for isn't in the catalogue.
  FileChoice choice = {};
};

// Points into the table that it was chosen from, which must outlive it.
struct RequestChoice {
  uint32_t leaf = 0;
  LadderRef ladder = {};               // What all files were decided on.
  std::vector<ChosenFile> files = {};  // In the order of the catalogue, or of the paths; empty: the title, version or set isn't known.
  std::vector<std::vector<DecisionCandidate>> orders = {};  // Of each file all that may serve, best first; of walks to the end only.

  // Memory of Choose.
  std::vector<size_t> wanted = {};
  std::vector<Rung> rungs = {};
  DecisionScratch scratch = {};
};

// What a request asks for, in the catalogue; null where it isn't known.
struct Wanted {
  const CatalogueTitle* title = nullptr;
  const CatalogueVersion* version = nullptr;
};
Wanted FindWanted(const Catalogue& catalogue, const SteeringRequest& request);

// How far the ladder is walked. The choice is the same.
enum class WalkTo : uint8_t {
  kEnough,  // URLs.
  kTheEnd,  // For pathways and explanations: everybody who may serve.
};

void Choose(const SteeringTable& table, const SteeringRequest& request, WalkTo walk_to, RequestChoice& choice);
// For who has found what the request wants already.
void Choose(const SteeringTable& table, const SteeringRequest& request, const Wanted& wanted, WalkTo walk_to, RequestChoice& choice);

// Many requests at once, as far as URLs go: the same choices, but what each step reads is asked for by the one before, of all of them, so
// that the caller does other things meanwhile. In this order:
//
//   MatchMany(*table, many, scratch);     // Finds the clients' leaves.
//   FetchLadders(*table, many);
//   ChooseMany(*table, many, scratch);    // Those for one file each are decided together, others one after the other.
struct Choosing {
  const SteeringRequest* request = nullptr;
  Wanted wanted = {};  // Of ChooseMany only.
  RequestChoice* choice = nullptr;
};
struct ChoosingScratch {
  std::vector<IpAddress> clients;
  std::vector<uint32_t> leaves;
  std::vector<Choosing> single;  // Of one file each.
  std::vector<DecisionQuery> queries;
  std::vector<FileChoice> choices;
  DecisionScratch decision;
};
void MatchMany(const SteeringTable& table, absl::Span<const Choosing> many, ChoosingScratch& scratch);
void FetchLadders(const SteeringTable& table, absl::Span<const Choosing> many);
void ChooseMany(const SteeringTable& table, absl::Span<const Choosing> many, ChoosingScratch& scratch);

// Why the file with this index has no URL; empty if it has one.
std::string WhyNotServable(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice, size_t file);

// What the first choice's path allows: of the first file that says anything. Others are fall-backs.
struct CapChoice {
  uint64_t bps = 0;
  bool congested = false;  // Because of the path; else because of what the client reported.
  size_t file = 0;
};
std::optional<CapChoice> ChooseQualityCap(const SteeringTable& table, const SteeringRequest& request, const RequestChoice& choice);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_CHOOSE_H_
