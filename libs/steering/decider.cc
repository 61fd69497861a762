#include "libs/steering/decider.h"

#include <algorithm>
#include <bit>
#include <tuple>

#include "libs/steering/spread.h"

namespace fairlead {
namespace {

constexpr size_t kInTurn = 16;  // Queries whose memory is fetched at the same time.

bool BySpread(const DecisionCandidate& a, const DecisionCandidate& b) {
  return a.spread != b.spread ? a.spread < b.spread : a.box < b.box;
}

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
        families_(FamiliesFor(query)) {
    scratch.fit.clear();
    scratch.unfit.clear();
    scratch.picked.clear();
  }

  void Go(bool to_the_end) {
    LadderWalk walk(ladder_);
    Rung rung;
    bool more = walk.Next(rung);
    while (more) {
      const uint16_t rank = rung.rank;
      const size_t begin = scratch_.fit.size();
      rank_unfit_ = scratch_.unfit.size();
      do {
        Judge(rung, begin);
        more = walk.Next(rung);
      } while (more && rung.rank == rank);
      PickFit(begin);
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
    choice.best_permille = std::max<uint32_t>(picked.front().busiest_permille, condition_.LinkPermille(choice.best_link));
    if (count_ > 1 && picked.size() == count_ && !over_two_ && has_elsewhere_) picked.back() = elsewhere_;
    ListUrls(choice);
    if (choice.urls[0].rank != 0) choice.miss = choice.zero_miss;
  }

 private:
  void Judge(const Rung& rung, size_t rank_begin) {
    const uint32_t holders = Holdings::MaskFrom(row_, rung.first_slot);
    if (rung.rank == 0 && rung.Is(Rung::kDeaf) && nearest_ < kDeaf && HasDeafHolder(rung)) nearest_ = kDeaf;
    for (uint32_t mask = holders & rung.hears; mask != 0; mask &= mask - 1) {
      JudgeBox(rung, condition_.At(rung.first_slot + static_cast<uint32_t>(std::countr_zero(mask))), rank_begin);
    }
  }

  void JudgeBox(const Rung& rung, const BoxState& state, size_t rank_begin) {
    const uint8_t families = families_[state.flags & BoxState::kEndpoints];
    if ((state.flags & BoxState::kLive) == 0) return Note(rung, kNotLive);
    live_holder_ = true;
    if (families == 0) return Note(rung, kNoEndpoint);
    Fitness fitness = state.fitness;
    bool no_room = (state.flags & BoxState::kNoRoom) != 0;
    if (fitness == Fitness::kFit && !condition_.LinkHasRoom(rung.link)) {
      fitness = Fitness::kFull;
      no_room = true;
    }
    Note(rung, fitness == Fitness::kFit ? kServes : no_room ? kNoRoom : kUnwell);
    if (rung.Is(Rung::kTwice) && StandsAsWell(state.box, fitness, rank_begin)) return;
    std::vector<DecisionCandidate>& list = fitness == Fitness::kFit ? scratch_.fit : scratch_.unfit;
    list.push_back({.spread = SpreadCost(Mix(query_.spread_key, state.hash), state.weight),
                    .box = state.box,
                    .site = rung.site(),
                    .link = rung.link,
                    .rank = rung.rank,
                    .busiest_permille = state.busiest_permille,
                    .fitness = fitness,
                    .families = families});
  }

  void Note(const Rung& rung, Progress progress) {
    if (rung.rank == 0) nearest_ = std::max(nearest_, progress);
  }

  // A box stands twice where its routes tie over two links: the one with room counts, of equals the first.
  bool StandsAsWell(uint32_t box, Fitness fitness, size_t rank_begin) {
    const auto is_it = [&](const DecisionCandidate& c) { return c.box == box; };
    if (std::any_of(scratch_.fit.begin() + static_cast<ptrdiff_t>(rank_begin), scratch_.fit.end(), is_it)) return true;
    const auto at = std::find_if(scratch_.unfit.begin() + static_cast<ptrdiff_t>(rank_unfit_), scratch_.unfit.end(), is_it);
    if (at == scratch_.unfit.end()) return false;
    if (fitness >= at->fitness) return true;
    scratch_.unfit.erase(at);
    return false;
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
  void PickFit(size_t begin) {
    std::vector<DecisionCandidate>& fit = scratch_.fit;
    auto next = fit.begin() + static_cast<ptrdiff_t>(begin);
    for (; next != fit.end() && scratch_.picked.size() < count_; ++next) {
      std::iter_swap(next, std::min_element(next, fit.end(), BySpread));
      Pick(*next);
    }
    if (over_two_ || has_elsewhere_) return;
    for (; next != fit.end(); ++next) {
      if (next->site == scratch_.picked.front().site) continue;
      if (!has_elsewhere_ || BySpread(*next, elsewhere_)) elsewhere_ = *next;
      has_elsewhere_ = true;
    }
  }

  void PickUnfit() {
    if (Enough()) return;
    std::vector<DecisionCandidate>& unfit = scratch_.unfit;
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
    order.assign(scratch_.fit.begin(), scratch_.fit.end());
    order.insert(order.end(), scratch_.unfit.begin(), scratch_.unfit.end());
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
        if ((state.flags & BoxState::kLive) != 0) return NotServable::kNotHeld;
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
  DecisionCandidate elsewhere_ = {};  // The first in order that is of another site than the first of all, if no picked one is.
  bool has_elsewhere_ = false;
  bool live_holder_ = false;
  bool over_two_ = false;  // The picked ones are of two sites.
  size_t rank_unfit_ = 0;  // Where the unfit of the present rank begin.
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

void Decider::DecideMany(absl::Span<const DecisionQuery> queries, DecisionScratch& scratch, FileChoice* choices) const {
  for (size_t begin = 0; begin < queries.size(); begin += kInTurn) {
    const absl::Span<const DecisionQuery> turn = queries.subspan(begin, kInTurn);
    std::array<LadderRef, kInTurn> ladders;
    for (size_t i = 0; i < turn.size(); ++i) {
      __builtin_prefetch(holdings_.AddressOf(turn[i].file));
      choices[begin + i].leaf = ladders_.LeafOf(turn[i].client);
      __builtin_prefetch(ladders_.AddressOfLeaf(choices[begin + i].leaf));
    }
    for (size_t i = 0; i < turn.size(); ++i) {
      ladders[i] = ladders_.LadderOf(choices[begin + i].leaf);
      for (uint32_t rung = 0; rung < std::min<uint32_t>(ladders[i].head_size, 12); rung += 4) __builtin_prefetch(ladders[i].head + rung);
      holder_rows::PrefetchRow(holdings_.RowOf(turn[i].file));
    }
    for (size_t i = 0; i < turn.size(); ++i) {
      const Holdings::Row row = holdings_.RowOf(turn[i].file);
      const uint32_t ahead = std::min<uint32_t>(ladders[i].head_size, 8);
      for (uint32_t rung = 0; rung < ahead; ++rung) {
        const uint32_t slot = ladders[i].head[rung].first_slot;
        holder_rows::PrefetchAt(row, slot);
        __builtin_prefetch(&condition_.At(slot));
        if (ladders[i].head[rung].rank > 1) break;
      }
    }
    for (size_t i = 0; i < turn.size(); ++i) DecideOn(ladders[i], turn[i], false, scratch, choices[begin + i]);
  }
}

}  // namespace fairlead
