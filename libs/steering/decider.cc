#include "libs/steering/decider.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "libs/steering/spread.h"

namespace fairlead {
namespace {

constexpr size_t kInTurn = 16;  // Queries whose memory is fetched at the same time.

bool ByOrder(const DecisionCandidate& a, const DecisionCandidate& b) {
  return std::tie(a.fitness, a.rank, a.spread, a.box) < std::tie(b.fitness, b.rank, b.spread, b.box);
}

// How near a rank-0 holder came to serving, and what the miss is called if it is the nearest.
enum Progress : uint8_t { kNoHolder = 0, kDeaf = 1, kNotLive = 2, kNoEndpoint = 3, kUnwell = 4, kNoRoom = 5, kServes = 6 };
constexpr std::array<MissCause, 7> kMissOf = {MissCause::kContent, MissCause::kRoute,    MissCause::kAdmin, MissCause::kRoute,
                                              MissCause::kHealth,  MissCause::kCapacity, MissCause::kRoute};

}  // namespace

uint64_t SpreadKey(absl::string_view session, absl::string_view title) {
  return Mix(HashBytes(session), HashBytes(title));
}

uint64_t SpreadKey(const IpAddress& client, absl::string_view title) {
  std::array<char, 16> bytes;
  const size_t size = client.is_v4() ? 4 : 16;
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i < 8 ? client.high() : client.low()) >> (56 - 8 * (i % 8)));
  return SpreadKey(absl::string_view(bytes.data(), size), title);
}

bool PrefersFamily(AddressFamily family, bool client_is_v6, FamilyPreference preference) {
  switch (preference) {
    case FamilyPreference::kOfClient:
      return (family == AddressFamily::kIpv6) == client_is_v6;
    case FamilyPreference::kIpv4Only:
    case FamilyPreference::kIpv4First:
      return family == AddressFamily::kIpv4;
    case FamilyPreference::kIpv6Only:
    case FamilyPreference::kIpv6First:
      return family == AddressFamily::kIpv6;
  }
  return false;
}

uint8_t UsableFamilies(uint8_t endpoints, bool client_is_v6, FamilyPreference preference) {
  bool v4 = (endpoints & BoxState::kV4Name) != 0 || ((endpoints & BoxState::kV4Literal) != 0 && !client_is_v6);
  bool v6 = (endpoints & BoxState::kV6) != 0;
  if (preference == FamilyPreference::kIpv6Only) v4 = false;
  if (preference == FamilyPreference::kIpv4Only) v6 = false;
  if (v4 && !client_is_v6 && preference == FamilyPreference::kOfClient) v6 = false;
  constexpr uint8_t kFour = static_cast<uint8_t>(AddressFamily::kIpv4);
  constexpr uint8_t kSix = static_cast<uint8_t>(AddressFamily::kIpv6);
  if (!v4 || !v6) return v4 ? kFour : v6 ? kSix : 0;
  const bool six_first = PrefersFamily(AddressFamily::kIpv6, client_is_v6, preference);
  return six_first ? kSix | kFour << 2 : kFour | kSix << 2;
}

namespace {

// UsableFamilies by endpoints, for each kind of request.
using Families = std::array<uint8_t, BoxState::kEndpoints + 1>;
constexpr size_t kPreferences = static_cast<size_t>(FamilyPreference::kIpv6First) + 1;
using AllFamilies = std::array<std::array<Families, kPreferences>, 2>;

const AllFamilies kFamilies = [] {
  AllFamilies all = {};
  for (size_t v6 = 0; v6 < 2; ++v6) {
    for (size_t preference = 0; preference < kPreferences; ++preference) {
      for (uint8_t endpoints = 0; endpoints <= BoxState::kEndpoints; ++endpoints) {
        all[v6][preference][endpoints] = UsableFamilies(endpoints, v6 == 1, static_cast<FamilyPreference>(preference));
      }
    }
  }
  return all;
}();

const Families& FamiliesFor(const DecisionQuery& query) {
  return kFamilies[query.client.is_v6() ? 1 : 0][std::min(static_cast<size_t>(query.family_preference), kPreferences - 1)];
}

// The endpoints that lead to any family: each does or doesn't, whatever else there is.
uint32_t UsableEndpoints(const Families& families) {
  uint32_t usable = 0;
  for (const uint32_t endpoint : {BoxState::kV4Name, BoxState::kV4Literal, BoxState::kV6}) usable |= families[endpoint] != 0 ? endpoint : 0;
  return usable;
}

}  // namespace

// One walk down a ladder for one file.
class Decider::Walk {
 public:
  Walk(const Decider& decider, const LadderRef& ladder, const DecisionQuery& query, DecisionScratch& scratch)
      : decider_(decider),
        condition_(decider.condition_),
        ladder_(ladder),
        query_(query),
        row_(decider.holdings_.RowOf(query.file)),
        count_(static_cast<size_t>(std::clamp(query.max_urls, 1, SteeringRequest::kMaxUrls))),
        scratch_(scratch),
        families_(FamiliesFor(query)),
        kernel_(BestRungKernel()),
        task_({.boxes = &condition_.At(0), .row = row_, .spread_key = query.spread_key, .endpoints = UsableEndpoints(families_)}) {
    scratch.standings.clear();
    scratch.unfit.clear();
    scratch.picked.clear();
  }

  void Go(bool to_the_end) {
    LadderWalk walk(ladder_);
    Rung rung;
    bool more = walk.Next(rung);
    while (more) {
      const uint16_t rank = rung.rank;
      rank_begin_ = scratch_.standings.size();
      do {
        Judge(rung);
        more = walk.Next(rung);
      } while (more && rung.rank == rank);
      PickFit();
      if (!to_the_end && Enough()) return;
    }
    PickUnfit();
    if (to_the_end) PutInOrder();
  }

  void Answer(FileChoice& choice) {
    std::vector<DecisionCandidate>& picked = scratch_.picked;
    choice.file = query_.file;
    choice.count = 0;
    choice.not_servable = NotServable::kServable;
    choice.miss = MissCause::kNone;
    choice.zero_miss = kMissOf[nearest_];
    choice.best_box = choice.best_link = Fleet::kNone;
    choice.best_permille = 0;
    if (picked.empty()) {
      choice.not_servable = WhyNot();
      return;
    }
    choice.best_box = picked.front().box;
    choice.best_link = picked.front().link;
    choice.best_permille = std::max<uint32_t>(condition_.BusiestPermille(picked.front().slot), condition_.LinkPermille(choice.best_link));
    if (count_ > 1 && picked.size() == count_ && !over_two_ && has_elsewhere_) picked.back() = elsewhere_;
    ListUrls(choice);
    if (choice.urls[0].rank != 0) choice.miss = choice.zero_miss;
  }

 private:
  void Judge(const Rung& rung) {
    const size_t at = scratch_.standings.size() - rank_begin_;
    if (scratch_.draws.size() <= at) scratch_.draws.resize(2 * at + 8);
    Draws& draws = scratch_.draws[at];
    Verdict verdict;
    kernel_.judge(task_, rung, condition_.LinkHasRoom(rung.link), verdict, draws);
    if (rung.rank == 0) NoteNearest(rung, verdict);
    live_holder_ = live_holder_ || verdict.live != 0;
    if (verdict.able == 0) return;
    DecisionStanding standing = {.rung = rung, .fit = verdict.fit, .unfit = static_cast<uint16_t>(verdict.able & ~verdict.fit)};
    if (rung.Is(Rung::kTwice)) StandOnce(standing, draws);
    scratch_.standings.push_back(standing);
  }

  void NoteNearest(const Rung& rung, const Verdict& verdict) {
    const Progress progress = verdict.fit != 0                                                  ? kServes
                              : verdict.no_room != 0                                            ? kNoRoom
                              : verdict.able != 0                                               ? kUnwell
                              : verdict.live != 0                                               ? kNoEndpoint
                              : verdict.holders != 0                                            ? kNotLive
                              : rung.Is(Rung::kDeaf) && nearest_ < kDeaf && HasDeafHolder(rung) ? kDeaf
                                                                                                : kNoHolder;
    nearest_ = std::max(nearest_, progress);
  }

  // A box stands twice where its routes tie over two links: the one with room counts, of equals the first.
  void StandOnce(DecisionStanding& standing, Draws& draws) {
    for (size_t i = rank_begin_; i < scratch_.standings.size(); ++i) {
      DecisionStanding& before = scratch_.standings[i];
      if (before.rung.first_slot != standing.rung.first_slot) continue;
      standing.fit = static_cast<uint16_t>(standing.fit & ~before.fit);
      standing.unfit = static_cast<uint16_t>(standing.unfit & ~(before.fit | before.unfit));
      before.unfit = static_cast<uint16_t>(before.unfit & ~standing.fit);
    }
    draws.in = standing.fit;
  }

  // Whether a box of the rung's site that is nowhere in the ladder holds the file. Rare: the boxes of a site should hear the same.
  bool HasDeafHolder(const Rung& rung) const {
    const Fleet::Site& site = decider_.fleet_.sites()[rung.site()];
    if (site.view.kind == SiteKind::kIx && site.view.open_to_unrouted) return false;  // All of it is in the tail.
    for (const Fleet::Block& block : site.blocks) {
      uint32_t deaf = Holdings::MaskFrom(row_, block.first_slot) & ((1u << block.size) - 1);
      for (uint32_t i = 0; i < ladder_.head_size; ++i) {
        if (ladder_.head[i].first_slot == block.first_slot) deaf &= ~uint32_t{ladder_.head[i].hears};
      }
      for (; deaf != 0; deaf &= deaf - 1) {
        if (condition_.At(block.first_slot + static_cast<uint32_t>(std::countr_zero(deaf))).box != Fleet::kNone) return true;
      }
    }
    return false;
  }

  bool Enough() const { return scratch_.picked.size() == count_ && (count_ < 2 || over_two_ || has_elsewhere_); }

  void Pick(const DecisionCandidate& candidate) {
    scratch_.picked.push_back(candidate);
    over_two_ = over_two_ || candidate.site != scratch_.picked.front().site;
  }

  // The best of one rank's fit ones, as many as are missing, and behind them the best of another site than the first if all are of one.
  void PickFit() {
    const size_t rungs = scratch_.standings.size() - rank_begin_;
    if (rungs == 0) return;
    DecisionCandidate best;
    while (scratch_.picked.size() < count_) {
      if (!TakeBest(rungs, best)) return;
      Pick(best);
    }
    if (over_two_ || has_elsewhere_) return;
    for (size_t i = 0; i < rungs; ++i) {
      if (scratch_.standings[rank_begin_ + i].rung.site() == scratch_.picked.front().site) scratch_.draws[i].in = 0;
    }
    has_elsewhere_ = TakeBest(rungs, elsewhere_);
  }

  // Of the rank's fit ones who weren't taken yet; false if there is none.
  bool TakeBest(size_t rungs, DecisionCandidate& candidate) {
    const Lead lead = kernel_.find_lead(scratch_.draws.data(), rungs);
    if (lead.contenders == 0) return false;
    const size_t best = lead.contenders == 1 ? lead.at : BestOf(lead, rungs * Fleet::kBlock);
    const uint32_t offset = best % Fleet::kBlock;
    Draws& draws = scratch_.draws[best / Fleet::kBlock];
    draws.in = static_cast<uint16_t>(draws.in & ~(1u << offset));
    candidate = CandidateOf(scratch_.standings[rank_begin_ + best / Fleet::kBlock], offset, true);
    return true;
  }

  // Where bounds overlap, the exact cost tells.
  [[gnu::noinline]] size_t BestOf(const Lead& lead, size_t end) const {
    size_t best = lead.at;
    std::pair<uint64_t, uint32_t> least = {~uint64_t{0}, Fleet::kNone};
    for (size_t at = lead.at; at < end; ++at) {
      const Draws& draws = scratch_.draws[at / Fleet::kBlock];
      const uint32_t offset = at % Fleet::kBlock;
      if ((draws.in >> offset & 1) == 0 || draws.low[offset] > lead.limit) continue;
      const Rung& rung = scratch_.standings[rank_begin_ + at / Fleet::kBlock].rung;
      const BoxState& state = condition_.At(rung.first_slot + offset);
      const std::pair<uint64_t, uint32_t> cost = {CostOf(state), state.box};
      if (cost > least) continue;
      least = cost;
      best = at;
    }
    return best;
  }

  uint64_t CostOf(const BoxState& state) const { return SpreadCost(Mix(query_.spread_key, state.hash), state.weight()); }

  DecisionCandidate CandidateOf(const DecisionStanding& standing, uint32_t offset, bool fit) const {
    const Rung& rung = standing.rung;
    const BoxState& state = condition_.At(rung.first_slot + offset);
    return {
        .box = state.box,
        .site = rung.site(),
        .link = rung.link,
        .rank = rung.rank,
        .slot = static_cast<uint16_t>(rung.first_slot + offset),
        .fitness = fit ? Fitness::kFit : std::max(state.fitness(), Fitness::kFull),  // An unfit one that is well lacks room on its link.
        .families = families_[state.endpoints()]};
  }

  // With what they draw, unordered.
  void AppendAll(uint16_t DecisionStanding::*which, std::vector<DecisionCandidate>& out) const {
    for (const DecisionStanding& standing : scratch_.standings) {
      for (uint32_t mask = standing.*which; mask != 0; mask &= mask - 1) {
        const auto offset = static_cast<uint32_t>(std::countr_zero(mask));
        out.push_back(CandidateOf(standing, offset, which == &DecisionStanding::fit));
        out.back().spread = CostOf(condition_.At(standing.rung.first_slot + offset));
      }
    }
  }

  void PickUnfit() {
    if (Enough()) return;
    std::vector<DecisionCandidate>& unfit = scratch_.unfit;
    AppendAll(&DecisionStanding::unfit, unfit);
    std::sort(unfit.begin(), unfit.end(), ByOrder);
    for (const DecisionCandidate& candidate : unfit) {
      if (scratch_.picked.size() < count_) {
        Pick(candidate);
      } else if (!has_elsewhere_ && candidate.site != scratch_.picked.front().site) {
        elsewhere_ = candidate;
        has_elsewhere_ = true;
      }
    }
  }

  void PutInOrder() {
    std::vector<DecisionCandidate>& order = scratch_.order;
    order.clear();
    AppendAll(&DecisionStanding::fit, order);
    AppendAll(&DecisionStanding::unfit, order);
    std::sort(order.begin(), order.end(), ByOrder);
  }

  // Boxes become (box, family) pairs: each box over its better family, then, while there is room, over the other; the client's own
  // family first of all.
  void ListUrls(FileChoice& choice) const {
    const std::vector<DecisionCandidate>& picked = scratch_.picked;
    const bool v6 = query_.client.is_v6();
    for (const bool preferred : {true, false}) {
      size_t listed = 0;  // In the order before the client's family is put first.
      for (const int which : {0, 1}) {
        for (size_t i = 0; i < picked.size() && listed < count_; ++i) {
          const AddressFamily family = picked[i].family(which);
          if (family == AddressFamily::kUnspecified) continue;
          ++listed;
          if (PrefersFamily(family, v6, query_.family_preference) != preferred) continue;
          choice.urls[choice.count++] = {.box = picked[i].box, .rank = picked[i].rank, .fitness = picked[i].fitness, .family = family};
        }
      }
      if (choice.count == listed) return;
    }
  }

  // Of a walk that went to the end and found nobody.
  NotServable WhyNot() const {
    if (live_holder_) return NotServable::kNoUsableEndpoint;
    NotServable why = NotServable::kNoEligibleSite;
    LadderWalk walk(ladder_);
    for (Rung rung; walk.Next(rung);) {
      why = NotServable::kNoLiveAppliance;
      for (uint32_t mask = rung.hears; mask != 0; mask &= mask - 1) {
        const BoxState& state = condition_.At(rung.first_slot + static_cast<uint32_t>(std::countr_zero(mask)));
        if (state.Is(BoxState::kLive)) return NotServable::kNotHeld;
      }
    }
    return why;
  }

  const Decider& decider_;
  const Condition& condition_;
  const LadderRef& ladder_;
  const DecisionQuery& query_;
  const Holdings::Row row_;
  const size_t count_;
  DecisionScratch& scratch_;
  const Families& families_;
  const RungKernel& kernel_;
  const JudgeTask task_;
  DecisionCandidate elsewhere_ = {};  // The first in order that is of another site than the first of all, if no picked one is.
  bool has_elsewhere_ = false;
  bool live_holder_ = false;
  bool over_two_ = false;  // The picked ones are of two sites.
  size_t rank_begin_ = 0;  // Where the standings of the present rank begin.
  Progress nearest_ = kNoHolder;
};

void Decider::DecideOn(const LadderRef& ladder, const DecisionQuery& query, bool to_the_end, DecisionScratch& scratch,
                       FileChoice& choice) const {
  Walk walk(*this, ladder, query, scratch);
  walk.Go(to_the_end);
  walk.Answer(choice);
}

void Decider::Decide(const DecisionQuery& query, DecisionScratch& scratch, FileChoice& choice) const {
  choice.leaf = ladders_.LeafOf(query.client);
  DecideOn(ladders_.LadderOf(choice.leaf), query, false, scratch, choice);
}

void Decider::FetchLeaves(absl::Span<const DecisionQuery> queries, FileChoice* choices) const {
  std::array<IpAddress, kInTurn> clients;
  std::array<uint32_t, kInTurn> leaves;
  for (size_t i = 0; i < queries.size(); ++i) {
    clients[i] = queries[i].client;
    __builtin_prefetch(holdings_.AddressOf(queries[i].file));
  }
  ladders_.LeavesOf(absl::MakeConstSpan(clients.data(), queries.size()), leaves.data());
  for (size_t i = 0; i < queries.size(); ++i) {
    choices[i].leaf = leaves[i];
    __builtin_prefetch(ladders_.AddressOfLeaf(leaves[i]));
  }
}

// Always inlined, as holder_rows' own.
[[gnu::always_inline]] inline void Decider::FetchLadderAndRow(const DecisionQuery& query, const FileChoice& choice) const {
  const LadderRef ladder = ladders_.LadderOf(choice.leaf);
  for (uint32_t rung = 0; rung < std::min<uint32_t>(ladder.head_size, 12); rung += 4) __builtin_prefetch(ladder.head + rung);
  holder_rows::PrefetchRow(holdings_.RowOf(query.file));
}

[[gnu::always_inline]] inline void Decider::FetchBoxes(const DecisionQuery& query, const FileChoice& choice) const {
  const LadderRef ladder = ladders_.LadderOf(choice.leaf);
  const Holdings::Row row = holdings_.RowOf(query.file);
  const uint32_t ahead = std::min<uint32_t>(ladder.head_size, 8);
  for (uint32_t rung = 0; rung < ahead; ++rung) {
    const uint32_t slot = ladder.head[rung].first_slot;
    holder_rows::PrefetchAt(row, slot);
    __builtin_prefetch(&condition_.At(slot));
    if (ladder.head[rung].rank > 1) break;
  }
}

void Decider::DecideMany(absl::Span<const DecisionQuery> queries, DecisionScratch& scratch, FileChoice* choices) const {
  for (size_t begin = 0; begin < queries.size(); begin += kInTurn) {
    const absl::Span<const DecisionQuery> turn = queries.subspan(begin, kInTurn);
    FileChoice* const chosen = choices + begin;
    FetchLeaves(turn, chosen);
    for (size_t i = 0; i < turn.size(); ++i) FetchLadderAndRow(turn[i], chosen[i]);
    for (size_t i = 0; i < turn.size(); ++i) FetchBoxes(turn[i], chosen[i]);
    for (size_t i = 0; i < turn.size(); ++i) DecideOn(ladders_.LadderOf(chosen[i].leaf), turn[i], false, scratch, chosen[i]);
  }
}

}  // namespace fairlead
