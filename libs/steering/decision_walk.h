// One walk down a ladder for one file, and many of them in turns: the decision itself, made of a kernel of rung_judge.h. A file that
// compiles it says for which processors (FAIRLEAD_WALK_FOR_AVX512, _AVX2), and leaves an engine (decider.h). Private to libs/steering.
//
// First the rungs are looked at until there are enough fit boxes over two sites; then the best are picked, of all ranks at once. How far
// the first goes depends on who is fit and not on who draws what; on a draw depends only whether another site must be sought, and whether
// two draws are too near to be told apart: so the processor guesses where the decision goes while it still works on what it will be. What a
// decision costs is mostly instructions and wrong guesses (PERFORMANCE.md).
#ifndef FAIRLEAD_LIBS_STEERING_DECISION_WALK_H_
#define FAIRLEAD_LIBS_STEERING_DECISION_WALK_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "libs/steering/decider.h"
#include "libs/steering/holder_rows.h"
#include "libs/steering/rung.h"
#include "libs/steering/rung_judge.h"
#include "libs/steering/spread.h"
#include "libs/steering/target.h"

namespace fairlead {

// For one kind of request: UsableFamilies by a box's endpoints.
struct RequestFamilies {
  std::array<uint8_t, BoxState::kEndpoints + 1> of = {};
  uint32_t usable = 0;  // The endpoints that lead to any family: each does or doesn't, whatever else there is.
  AddressFamily preferred = AddressFamily::kUnspecified;  // Comes first.
};
const RequestFamilies& FamiliesFor(const DecisionQuery& query);

}  // namespace fairlead

#define FAIRLEAD_INLINE [[gnu::always_inline]] inline
#if defined(FAIRLEAD_WALK_FOR_AVX512)
FAIRLEAD_BEGIN_AVX512
#elif defined(FAIRLEAD_WALK_FOR_AVX2)
FAIRLEAD_BEGIN_AVX2
#endif
namespace fairlead {

// To be told what to do in this order: Begin, Look, Pick, Answer.
template <typename Kernel>
class DecisionWalk {
 public:
  // What it is given must outlive it; `scratch` is its own meanwhile.
  FAIRLEAD_INLINE void Begin(const Decider& decider, const LadderRef& ladder, const DecisionQuery& query, const HeadHolders& found,
                             DecisionScratch& scratch) {
    decider_ = &decider;
    condition_ = &decider.condition();
    ladder_ = ladder;
    query_ = &query;
    scratch_ = &scratch;
    families_ = &FamiliesFor(query);
    row_ = decider.holdings().RowOf(query.file);
    count_ = static_cast<uint32_t>(std::clamp(query.max_urls, 1, SteeringRequest::kMaxUrls));
    picked_ = 0;
    over_two_ = has_elsewhere_ = false;
    found_ = &found;
  }

  FAIRLEAD_INLINE void Look(bool to_the_end) {
    Seen seen;
    scratch_->packed.count = 0;
    bool more = true;
    for (uint32_t any = found_->any; any != 0 && more; any &= any - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(any));
      more = LookAt(ladder_.head[i], found_->of[i], to_the_end, seen);
    }
    if (more && (to_the_end || !Enough(seen) || RankGoesOn(seen))) LookFurther(to_the_end, seen);
    seen_ = seen;
  }

  // The best of the fit ones, and behind them the best of another site than the first, if all are of one; and those that aren't fit, if
  // there weren't enough.
  FAIRLEAD_INLINE void Pick() {
    Picks picks;
    PickFit(picks);
    for (uint32_t i = 0; i < picks.count; ++i) SetCandidate(scratch_->packed.who[picks.at[i]], scratch_->picked[i]);
    picked_ = picks.count;
    over_two_ = picks.over_two;
    has_elsewhere_ = picks.has_elsewhere;
    if (has_elsewhere_) SetCandidate(scratch_->packed.who[picks.at[picks.count]], elsewhere_);
    if (!Enough(seen_)) PickUnfit();
  }

  FAIRLEAD_INLINE void Answer(FileChoice& choice) const {
    choice.file = query_->file;
    choice.count = 0;
    choice.not_servable = NotServable::kServable;
    choice.miss = MissCause::kNone;
    choice.zero_miss = ZeroMiss();
    choice.best_box = choice.best_link = Fleet::kNone;
    choice.best_permille = 0;
    if (picked_ == 0) {
      choice.not_servable = WhyNot();
      return;
    }
    DecisionCandidate* const picked = scratch_->picked.data();
    choice.best_box = picked[0].box;
    choice.best_link = picked[0].link;
    choice.best_permille = std::max<uint32_t>(condition_->BusiestPermille(picked[0].slot), condition_->LinkPermille(choice.best_link));
    if (count_ > 1 && picked_ == count_ && !over_two_ && has_elsewhere_) picked[count_ - 1] = elsewhere_;
    ListUrls(choice);
    if (choice.urls[0].rank != 0) choice.miss = choice.zero_miss;
  }

  // Everybody, after a walk to the end.
  [[gnu::noinline]] void PutInOrder(std::vector<DecisionCandidate>& order) const {
    order.clear();
    for (uint32_t i = 0; i < seen_.standings; ++i) {
      Append(i, scratch_->standings[i].fit, true, order);
      Append(i, scratch_->standings[i].unfit, false, order);
    }
    std::sort(order.begin(), order.end(), ByOrder);
  }

 private:
  // What the rungs that were looked at say.
  struct Seen {
    uint32_t standings = 0;
    uint32_t rank_begin = 0;  // Where those of the present rank begin.
    uint32_t rank = 0;
    uint32_t place = 0;       // Of the present rank among those with packed boxes.
    uint32_t fits = 0;        // All of them,
    uint32_t first_site = 0;  // the first one's site,
    bool two_sites = false;   // and whether any is of another.
    uint32_t live = 0;        // Not 0: there is a live holder.
    // Of rank 0: not 0 in its sixteen bits if anybody is fit, lacks room, is able, is live; and whether anybody holds the file at all.
    uint64_t zero = 0;
    bool zero_holders = false;
  };

  bool Enough(const Seen& seen) const { return (seen.fits >= count_) & ((count_ < 2) | seen.two_sites); }

  // Whether rungs of the present rank follow those of found_. Those are near; the next one may be in another cache line.
  bool RankGoesOn(const Seen& seen) const {
    const uint32_t next = found_->rungs;
    return next > 0 && next < ladder_.head_size && ladder_.head[next - 1].rank == seen.rank && ladder_.head[next].rank == seen.rank;
  }

  [[gnu::noinline]] void LookFurther(bool to_the_end, Seen& seen) {
    for (uint32_t i = found_->rungs; i < ladder_.head_size; ++i) {
      if (!LookFor(ladder_.head[i], to_the_end, seen)) return;
    }
    TailWalk walk(ladder_);
    for (Rung rung; walk.Next(rung);) {
      if (!LookFor(rung, to_the_end, seen)) return;
    }
  }

  FAIRLEAD_INLINE bool LookFor(const Rung& rung, bool to_the_end, Seen& seen) {
    if (rung.rank != seen.rank && Enough(seen) && !to_the_end) return false;
    const uint32_t holders = Kernel::Holders(row_, rung.first_slot) & rung.hears;
    return holders == 0 || LookAt(rung, holders, to_the_end, seen);
  }

  // False: there were enough before it.
  FAIRLEAD_INLINE bool LookAt(const Rung& rung, uint32_t holders, bool to_the_end, Seen& seen) {
    const bool deeper = rung.rank != seen.rank;
    if (deeper & Enough(seen) & !to_the_end) return false;
    seen.rank = rung.rank;
    seen.place += deeper & (scratch_->packed.count != 0) ? 1 : 0;
    seen.rank_begin = deeper ? seen.standings : seen.rank_begin;
    const typename Kernel::Block block(&condition_->At(rung.first_slot), holders);
    const Verdict verdict = block.Judge(families_->usable, condition_->LinkHasRoom(rung.link));
    const uint64_t progress = uint64_t{verdict.fit} << 48 | uint64_t{verdict.no_room} << 32 | uint64_t{verdict.able} << 16 | verdict.live;
    seen.zero |= rung.rank == 0 ? progress : 0;
    seen.zero_holders |= rung.rank == 0;
    seen.live |= verdict.live;
    if (verdict.able == 0) return true;
    if (scratch_->standings.begin() + seen.standings == scratch_->standings.end()) MakeRoom();
    DecisionStanding& standing = scratch_->standings[seen.standings];
    standing.rung = rung;
    standing.fit = static_cast<uint16_t>(verdict.fit);
    standing.unfit = static_cast<uint16_t>(verdict.able & ~verdict.fit);
    if (rung.Is(Rung::kTwice)) StandOnce(standing, seen.rank_begin, seen.standings);
    Pack(block, standing, seen);
    ++seen.standings;
    seen.first_site = seen.fits == 0 ? rung.site() : seen.first_site;
    seen.two_sites |= standing.fit != 0 && rung.site() != seen.first_site;
    seen.fits += static_cast<uint32_t>(std::popcount(standing.fit));
    return true;
  }

  FAIRLEAD_INLINE void Pack(const typename Kernel::Block& block, const DecisionStanding& standing, Seen& seen) {
    const uint32_t count = scratch_->packed.count + static_cast<uint32_t>(std::popcount(standing.fit));
    if (count > PackedBoxes::kMost || seen.place >= PackedBoxes::kPlaces) KeepFirst(seen);
    block.Append(
        standing.fit,
        {.who = seen.standings << PackedBoxes::kSlotBits | standing.rung.first_slot, .site = standing.rung.site(), .place = seen.place},
        scratch_->packed);
  }

  // Leaves of the packed ones those that may be picked, whoever comes behind them: the first ones in order, and the first of another site
  // than the first of all.
  [[gnu::noinline]] void KeepFirst(Seen& seen) {
    PackedBoxes& packed = scratch_->packed;
    Picks picks;
    PickBy<PackedBoxes::kMost / 16>(picks);
    const PackedBoxes before = packed;
    packed.count = 0;
    uint32_t place = 0;
    for (uint32_t i = 0; i < picks.count + picks.has_elsewhere; ++i) {
      const uint32_t from = picks.at[i];
      place += i > 0 && before.place[from] != before.place[picks.at[i - 1]] ? 1 : 0;
      packed.hash[i] = before.hash[from];
      packed.traits[i] = before.traits[from];
      packed.who[i] = before.who[from];
      packed.site[i] = before.site[from];
      packed.place[i] = place;
      ++packed.count;
    }
    seen.place = place + (before.place[picks.at[packed.count - 1]] != seen.place ? 1 : 0);
  }

  [[gnu::noinline]] void MakeRoom() { scratch_->standings.resize(2 * scratch_->standings.size() + 16); }

  // A box stands twice where its routes tie over two links: the one with room counts, of equals the first.
  [[gnu::noinline]] void StandOnce(DecisionStanding& standing, uint32_t begin, uint32_t end) {
    for (uint32_t i = begin; i < end; ++i) {
      DecisionStanding& before = scratch_->standings[i];
      if (before.rung.first_slot != standing.rung.first_slot) continue;
      standing.fit = static_cast<uint16_t>(standing.fit & ~before.fit);
      standing.unfit = static_cast<uint16_t>(standing.unfit & ~(before.fit | before.unfit));
      before.unfit = static_cast<uint16_t>(before.unfit & ~standing.fit);
    }
  }

  // What kept the rank-0 holder that came nearest to serving.
  MissCause ZeroMiss() const {
    if (seen_.zero >> 48 != 0) return MissCause::kRoute;
    if (seen_.zero >> 32 != 0) return MissCause::kCapacity;
    if (seen_.zero >> 16 != 0) return MissCause::kHealth;
    if (seen_.zero != 0) return MissCause::kRoute;  // Without an endpoint for the client.
    if (seen_.zero_holders) return MissCause::kAdmin;
    return MayBeDeaf() && HasDeafHolder() ? MissCause::kRoute : MissCause::kContent;
  }

  // Whether a rung of rank 0 is kDeaf, or may be.
  bool MayBeDeaf() const {
    constexpr uint32_t kMost = HeadHolders::kMost;
    return found_->deaf != 0 || (ladder_.head_size > kMost && ladder_.head[kMost - 1].rank == 0);
  }

  [[gnu::noinline]] bool HasDeafHolder() const {
    LadderWalk walk(ladder_);
    for (Rung rung; walk.Next(rung) && rung.rank == 0;) {
      if (rung.Is(Rung::kDeaf) && HasDeafHolder(rung)) return true;
    }
    return false;
  }

  // Whether a box of the rung's site that is nowhere in the ladder holds the file. Rare: the boxes of a site should hear the same.
  bool HasDeafHolder(const Rung& rung) const {
    const Fleet::Site& site = decider_->fleet().sites()[rung.site()];
    if (site.view.kind == SiteKind::kIx && site.view.open_to_unrouted) return false;  // All of it is in the tail.
    for (const Fleet::Block& block : site.blocks) {
      uint32_t deaf = Kernel::Holders(row_, block.first_slot) & ((1u << block.size) - 1);
      for (uint32_t i = 0; i < ladder_.head_size; ++i) {
        if (ladder_.head[i].first_slot == block.first_slot) deaf &= ~uint32_t{ladder_.head[i].hears};
      }
      for (; deaf != 0; deaf &= deaf - 1) {
        if (condition_->At(block.first_slot + static_cast<uint32_t>(std::countr_zero(deaf))).box != Fleet::kNone) return true;
      }
    }
    return false;
  }

  // ---- Picking ----

  // By index in the packed boxes.
  struct Picks {
    uint32_t count = 0;
    bool over_two = false;       // They are of two sites.
    bool has_elsewhere = false;  // Behind them stands the first that is of another site than the first of all; only if they are of one.
    std::array<uint32_t, SteeringRequest::kMaxUrls + 1> at;
  };

  // How many there are to look through is a branch, and nothing behind it is: so for each number its own code.
  FAIRLEAD_INLINE void PickFit(Picks& picks) {
    const uint32_t count = scratch_->packed.count;
    if (count == 0) return;
    if (count <= 16) return PickBy<1>(picks);
    if (count <= 32) return PickBy<2>(picks);
    PickBy<PackedBoxes::kMost / 16>(picks);
  }

  template <uint32_t N>
  FAIRLEAD_INLINE void PickBy(Picks& picks) {
    const PackedBoxes& packed = scratch_->packed;
    typename Kernel::template Ballot<N> ballot(query_->spread_key, &condition_->At(0), packed);
    picks.count = std::min(count_, packed.count);
    for (uint32_t i = 0; i < picks.count; ++i) picks.at[i] = ballot.TakeFirst();
    const uint32_t site = packed.site[picks.at[0]];
    for (uint32_t i = 1; i < picks.count; ++i) picks.over_two |= packed.site[picks.at[i]] != site;
    if (picks.over_two || picks.count < count_ || count_ < 2 || !ballot.LeaveSite(site)) return;
    picks.at[picks.count] = ballot.TakeFirst();
    picks.has_elsewhere = true;
  }

  uint64_t CostOf(const BoxState& state) const { return SpreadCost(Mix(query_->spread_key, state.hash), state.weight()); }

  FAIRLEAD_INLINE void SetCandidate(uint32_t who, DecisionCandidate& candidate) const {
    const Rung& rung = scratch_->standings[who >> PackedBoxes::kSlotBits].rung;
    const uint32_t slot = who & PackedBoxes::kSlotMask;
    const BoxState& state = condition_->At(slot);
    candidate.box = state.box;
    candidate.site = rung.site();
    candidate.link = rung.link;
    candidate.rank = rung.rank;
    candidate.slot = static_cast<uint16_t>(slot);
    candidate.fitness = Fitness::kFit;
    candidate.families = families_->of[state.endpoints()];
  }

  // With what they draw, unordered.
  void Append(uint32_t standing, uint32_t mask, bool fit, std::vector<DecisionCandidate>& out) const {
    const uint32_t first_slot = scratch_->standings[standing].rung.first_slot;
    for (; mask != 0; mask &= mask - 1) {
      const uint32_t slot = first_slot + static_cast<uint32_t>(std::countr_zero(mask));
      const BoxState& state = condition_->At(slot);
      DecisionCandidate& candidate = out.emplace_back();
      SetCandidate(standing << PackedBoxes::kSlotBits | slot, candidate);
      if (!fit) candidate.fitness = std::max(state.fitness(), Fitness::kFull);  // One that is well lacks room on its link.
      candidate.spread = CostOf(state);
    }
  }

  static bool ByOrder(const DecisionCandidate& a, const DecisionCandidate& b) {
    return std::tie(a.fitness, a.rank, a.spread, a.box) < std::tie(b.fitness, b.rank, b.spread, b.box);
  }

  [[gnu::noinline]] void PickUnfit() {
    std::vector<DecisionCandidate>& unfit = scratch_->unfit;
    unfit.clear();
    for (uint32_t i = 0; i < seen_.standings; ++i) Append(i, scratch_->standings[i].unfit, false, unfit);
    std::sort(unfit.begin(), unfit.end(), ByOrder);
    for (const DecisionCandidate& candidate : unfit) {
      if (picked_ < count_) {
        scratch_->picked[picked_++] = candidate;
        over_two_ |= candidate.site != scratch_->picked[0].site;
      } else if (!has_elsewhere_ && candidate.site != scratch_->picked[0].site) {
        elsewhere_ = candidate;
        has_elsewhere_ = true;
      }
    }
  }

  // Boxes become (box, family) pairs: each box over its better family, then, while there is room, over the other; the client's own
  // family first of all.
  FAIRLEAD_INLINE void ListUrls(FileChoice& choice) const {
    const DecisionCandidate* const picked = scratch_->picked.data();
    if (picked_ == count_ && ListPreferred(choice)) return;
    choice.count = 0;
    for (const bool preferred : {true, false}) {
      uint32_t listed = 0;  // In the order before the client's family is put first.
      for (const int which : {0, 1}) {
        for (uint32_t i = 0; i < picked_ && listed < count_; ++i) {
          const AddressFamily family = picked[i].family(which);
          if (family == AddressFamily::kUnspecified) continue;
          ++listed;
          if ((family == families_->preferred) != preferred) continue;
          choice.urls[choice.count++] = UrlOf(picked[i], family);
        }
      }
      if (choice.count == listed) return;
    }
  }

  // The usual case: a box for each URL, and all of them over the client's own family. False: it isn't.
  FAIRLEAD_INLINE bool ListPreferred(FileChoice& choice) const {
    bool preferred = true;
    for (uint32_t i = 0; i < count_; ++i) {
      const DecisionCandidate& candidate = scratch_->picked[i];
      preferred &= candidate.family(0) == families_->preferred;
      choice.urls[i] = UrlOf(candidate, families_->preferred);
    }
    choice.count = count_;
    return preferred;
  }

  static UrlChoice UrlOf(const DecisionCandidate& candidate, AddressFamily family) {
    return {.box = candidate.box, .rank = candidate.rank, .fitness = candidate.fitness, .family = family};
  }

  // Of a walk that went to the end and found nobody.
  [[gnu::noinline]] NotServable WhyNot() const {
    if (seen_.live != 0) return NotServable::kNoUsableEndpoint;
    NotServable why = NotServable::kNoEligibleSite;
    LadderWalk walk(ladder_);
    for (Rung rung; walk.Next(rung);) {
      why = NotServable::kNoLiveAppliance;
      for (uint32_t mask = rung.hears; mask != 0; mask &= mask - 1) {
        const BoxState& state = condition_->At(rung.first_slot + static_cast<uint32_t>(std::countr_zero(mask)));
        if (state.Is(BoxState::kLive)) return NotServable::kNotHeld;
      }
    }
    return why;
  }

  const Decider* decider_;
  const Condition* condition_;
  LadderRef ladder_;
  const DecisionQuery* query_;
  const HeadHolders* found_;
  DecisionScratch* scratch_;
  const RequestFamilies* families_;
  holder_rows::Row row_;
  uint32_t count_;
  Seen seen_;
  uint32_t picked_;  // Of scratch_->picked.
  bool over_two_;    // They are of two sites.
  bool has_elsewhere_;
  DecisionCandidate elsewhere_;  // The first in order that is of another site than the first of all, if no picked one is.
};

// Sixteen queries at a time: what all of them read first is asked for, then what all read next, and at last they are decided.
template <typename Kernel>
class DecisionBatch {
 public:
  static void DecideOn(const Decider& decider, const LadderRef& ladder, const DecisionQuery& query, bool to_the_end,
                       DecisionScratch& scratch, FileChoice& choice) {
    HeadHolders found;
    FindHolders(decider, ladder, query, found);
    DecisionWalk<Kernel> walk;
    walk.Begin(decider, ladder, query, found, scratch);
    walk.Look(to_the_end);
    walk.Pick();
    if (to_the_end) walk.PutInOrder(scratch.order);
    walk.Answer(choice);
  }

  static void DecideMany(const Decider& decider, absl::Span<const DecisionQuery> queries, DecisionScratch& scratch, FileChoice* choices) {
    for (size_t begin = 0; begin < queries.size(); begin += kInTurn) {
      const size_t count = std::min(kInTurn, queries.size() - begin);
      MatchTurn(decider, queries.data() + begin, count, choices + begin);
      DecideTurn(decider, queries.data() + begin, count, scratch, choices + begin);
    }
  }

  static void DecideManyOnLeaves(const Decider& decider, absl::Span<const DecisionQuery> queries, DecisionScratch& scratch,
                                 FileChoice* choices) {
    for (size_t begin = 0; begin < queries.size(); begin += kInTurn) {
      const size_t count = std::min(kInTurn, queries.size() - begin);
      FetchLeaves(decider, queries.data() + begin, count, choices + begin);
      DecideTurn(decider, queries.data() + begin, count, scratch, choices + begin);
    }
  }

 private:
  static constexpr size_t kInTurn = 16;
  static constexpr uint32_t kRungsALine = 64 / sizeof(Rung);
  static constexpr uint32_t kBoxesAhead = (1u << 6) - 1;  // Of which rungs: the first ones.

  static void DecideTurn(const Decider& decider, const DecisionQuery* queries, size_t count, DecisionScratch& scratch,
                         FileChoice* choices) {
    std::array<LadderRef, kInTurn> ladders;
    std::array<HeadHolders, kInTurn> found;
    for (size_t i = 0; i < count; ++i) {
      ladders[i] = decider.ladders().LadderOf(choices[i].leaf);
      FetchLadderAndRow(decider, ladders[i], queries[i]);
    }
    for (size_t i = 0; i < count; ++i) FetchLines(decider, ladders[i], queries[i]);
    for (size_t i = 0; i < count; ++i) FindHolders(decider, ladders[i], queries[i], found[i]);
    for (size_t i = 0; i < count; ++i) {
      DecisionWalk<Kernel> walk;
      walk.Begin(decider, ladders[i], queries[i], found[i], scratch);
      walk.Look(false);
      walk.Pick();
      walk.Answer(choices[i]);
    }
  }

  static void MatchTurn(const Decider& decider, const DecisionQuery* queries, size_t count, FileChoice* choices) {
    std::array<IpAddress, kInTurn> clients;
    std::array<uint32_t, kInTurn> leaves;
    for (size_t i = 0; i < count; ++i) {
      clients[i] = queries[i].client;
      __builtin_prefetch(decider.holdings().AddressOf(queries[i].file));
    }
    decider.ladders().LeavesOf(absl::MakeConstSpan(clients.data(), count), leaves.data());
    for (size_t i = 0; i < count; ++i) {
      choices[i].leaf = leaves[i];
      __builtin_prefetch(decider.ladders().AddressOfLeaf(leaves[i]));
    }
  }

  static void FetchLeaves(const Decider& decider, const DecisionQuery* queries, size_t count, const FileChoice* choices) {
    for (size_t i = 0; i < count; ++i) {
      __builtin_prefetch(decider.holdings().AddressOf(queries[i].file));
      __builtin_prefetch(decider.ladders().AddressOfLeaf(choices[i].leaf));
    }
  }

  // Always inlined, as holder_rows' own.
  FAIRLEAD_INLINE static void FetchLadderAndRow(const Decider& decider, const LadderRef& ladder, const DecisionQuery& query) {
    for (uint32_t i = 0; i < std::min(ladder.head_size, HeadHolders::kMost); i += kRungsALine) __builtin_prefetch(ladder.head + i);
    holder_rows::PrefetchRow(decider.holdings().RowOf(query.file));
  }

  // Of a long row what the first rungs are asked for.
  FAIRLEAD_INLINE static void FetchLines(const Decider& decider, const LadderRef& ladder, const DecisionQuery& query) {
    const holder_rows::Row row = decider.holdings().RowOf(query.file);
    if (!holder_rows::IsLong(row)) return;
    for (uint32_t i = 0; i < std::min(ladder.head_size, HeadHolders::kOfLong); ++i) holder_rows::PrefetchAt(row, ladder.head[i].first_slot);
  }

  // And asks for the first and the last holder of each of the first rungs.
  FAIRLEAD_INLINE static void FindHolders(const Decider& decider, const LadderRef& ladder, const DecisionQuery& query, HeadHolders& found) {
    Kernel::FindHolders(decider.holdings().RowOf(query.file), ladder.head, ladder.head_size, found);
    for (uint32_t any = found.any & kBoxesAhead; any != 0; any &= any - 1) {
      const auto i = static_cast<uint32_t>(std::countr_zero(any));
      const BoxState* const boxes = &decider.condition().At(ladder.head[i].first_slot);
      __builtin_prefetch(boxes + std::countr_zero(found.of[i]));
      __builtin_prefetch(boxes + (15 - std::countl_zero(found.of[i])));
    }
  }
};

}  // namespace fairlead
#if defined(FAIRLEAD_WALK_FOR_AVX512)
FAIRLEAD_END_AVX512
#elif defined(FAIRLEAD_WALK_FOR_AVX2)
FAIRLEAD_END_AVX2
#endif
#undef FAIRLEAD_INLINE

#endif  // FAIRLEAD_LIBS_STEERING_DECISION_WALK_H_
