#include "libs/placement/placement.h"

#include <algorithm>
#include <functional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/placement/rendezvous.h"

namespace fairlead {
namespace {

// 1234567 → "1,234,567".
std::string WithCommas(int64_t number) {
  std::string text = absl::StrCat(number);
  for (int at = static_cast<int>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

// What is left of a box while it is being filled.
struct Room {
  int64_t flash = 0;
  int64_t disk = 0;

  // Rule 5; kUnspecified, and nothing taken, if there is no room.
  Tier Take(int64_t bytes) {
    if (bytes <= flash) {
      flash -= bytes;
      return Tier::kFlash;
    }
    if (bytes <= disk) {
      disk -= bytes;
      return Tier::kDisk;
    }
    return Tier::kUnspecified;
  }
};

// One run over a fixed group of boxes.
class Run {
 public:
  // `boxes` by id.
  Run(const std::vector<const PlacementBox*>& boxes, const std::vector<RankedSets::RankedSet>& sets, int copies)
      : sets_(sets), wanted_(std::min(static_cast<size_t>(std::max(copies, 1)), boxes.size())) {
    for (const PlacementBox* box : boxes) {
      boxes_.push_back({.box = box, .hash = KeyHash(box->id.value()), .room = {box->flash_bytes, box->disk_bytes}, .result = {}});
      boxes_.back().result.id = box->id;
      boxes_.back().result.capacity_bytes = box->capacity_bytes();
    }
  }

  Placement Go() {
    size_t head = HeadSets();
    for (const RankedSets::RankedSet& ranked : sets_) {
      PlaceSet(ranked.set, Order(ranked.hash, /*head=*/head > 0));
      if (head > 0) --head;
    }
    Placement placement;
    for (State& state : boxes_) placement.boxes.push_back(std::move(state.result));
    placement.short_files = std::move(short_files_);
    std::sort(placement.short_files.begin(), placement.short_files.end(),
              [](const ShortPlacement& a, const ShortPlacement& b) { return a.number < b.number; });
    return placement;
  }

 private:
  struct State {
    const PlacementBox* box;
    uint64_t hash;
    Room room;
    BoxPlacement result;
  };
  // By box, then by position in the set at hand: the tier of a file that the box has taken, else kUnspecified. Empty: took none.
  using Taken = std::vector<std::vector<Tier>>;

  // How many sets are the head (rule 3). None if there is no FLASH box; with FLASH boxes alone the order is the same for all.
  size_t HeadSets() const {
    int64_t flash_room = 0;
    int64_t flash_boxes = 0;
    for (const State& state : boxes_) {
      if (state.box->kind != ApplianceKind::kFlash) continue;
      flash_room += state.box->capacity_bytes();
      ++flash_boxes;
    }
    const int64_t copies = std::min<int64_t>(static_cast<int64_t>(wanted_), flash_boxes);
    size_t count = 0;
    while (copies > 0 && count < sets_.size() && sets_[count].bytes <= flash_room / copies) {
      flash_room -= sets_[count].bytes * copies;
      ++count;
    }
    return count;
  }

  // The indices of the boxes, best first (rule 3).
  std::vector<size_t> Order(uint64_t key, bool head) const {
    std::vector<std::tuple<bool, double, size_t>> ranked;
    for (size_t i = 0; i < boxes_.size(); ++i) {
      const PlacementBox& box = *boxes_[i].box;
      const bool flash = box.kind == ApplianceKind::kFlash;
      const double weight = static_cast<double>(flash ? box.capacity_bps : box.capacity_bytes());
      ranked.emplace_back(flash != head, RendezvousScore(key, boxes_[i].hash, weight), i);
    }
    std::sort(ranked.begin(), ranked.end());
    std::vector<size_t> order;
    for (const auto& entry : ranked) order.push_back(std::get<2>(entry));
    return order;
  }

  void PlaceSet(const PlacementSet& set, const std::vector<size_t>& order) {
    Taken taken(boxes_.size());
    size_t whole = 0;
    for (const size_t i : order) {
      if (whole == wanted_) break;
      if (!FitsWhole(set, boxes_[i].room)) continue;
      for (const PlacementFile& file : set.files) taken[i].push_back(boxes_[i].room.Take(file.bytes));
      ++whole;
    }
    if (whole < wanted_) PlaceSingly(set, order, whole, taken);
    Write(set, taken);
  }

  static bool FitsWhole(const PlacementSet& set, Room room) {
    return std::all_of(set.files.begin(), set.files.end(),
                       [&room](const PlacementFile& file) { return room.Take(file.bytes) != Tier::kUnspecified; });
  }

  void PlaceSingly(const PlacementSet& set, const std::vector<size_t>& order, size_t whole, Taken& taken) {
    std::vector<size_t> by_size(set.files.size());
    for (size_t f = 0; f < by_size.size(); ++f) by_size[f] = f;
    std::stable_sort(by_size.begin(), by_size.end(), [&set](size_t a, size_t b) { return set.files[a].bytes < set.files[b].bytes; });
    for (const size_t f : by_size) {
      const PlacementFile& file = set.files[f];
      size_t placed = whole;
      for (const size_t i : order) {
        if (placed == wanted_) break;
        if (!taken[i].empty() && taken[i][f] != Tier::kUnspecified) continue;
        const Tier tier = boxes_[i].room.Take(file.bytes);
        if (tier == Tier::kUnspecified) continue;
        taken[i].resize(set.files.size(), Tier::kUnspecified);
        taken[i][f] = tier;
        ++placed;
      }
      if (placed < wanted_) AddShort(file, placed);
    }
  }

  void AddShort(const PlacementFile& file, size_t placed) {
    const std::string left = absl::StrCat(WithCommas(file.bytes), " bytes left");
    short_files_.push_back(
        {.number = file.number,
         .copies_placed = static_cast<int>(placed),
         .reason = placed == 0 ? absl::StrCat("no box of the cluster has ", left)
                               : absl::StrCat("only ", placed, " of ", wanted_, " copies: no other box of the cluster has ", left)});
  }

  void Write(const PlacementSet& set, const Taken& taken) {
    for (size_t i = 0; i < boxes_.size(); ++i) {
      BoxPlacement& result = boxes_[i].result;
      for (size_t f = 0; f < taken[i].size(); ++f) {
        if (taken[i][f] == Tier::kUnspecified) continue;
        result.files.push_back({.number = set.files[f].number, .tier = taken[i][f]});
        result.bytes += set.files[f].bytes;
      }
    }
  }

  const std::vector<RankedSets::RankedSet>& sets_;
  const size_t wanted_;
  std::vector<State> boxes_;  // By id.
  std::vector<ShortPlacement> short_files_;
};

}  // namespace

RankedSets::RankedSets(std::vector<PlacementSet> sets) {
  std::sort(sets.begin(), sets.end(), [](const PlacementSet& a, const PlacementSet& b) {
    return std::make_tuple(!a.current, -a.popularity, std::cref(a.key)) < std::make_tuple(!b.current, -b.popularity, std::cref(b.key));
  });
  for (PlacementSet& set : sets) {
    std::sort(set.files.begin(), set.files.end(), [](const PlacementFile& a, const PlacementFile& b) { return a.number < b.number; });
    const uint64_t hash = KeyHash(set.key);
    int64_t bytes = 0;
    for (const PlacementFile& file : set.files) bytes += file.bytes;
    sets_.push_back({.set = std::move(set), .hash = hash, .bytes = bytes});
  }
}

Placement Place(std::vector<PlacementBox> boxes, const RankedSets& sets, int copies) {
  std::erase_if(boxes, [](const PlacementBox& box) { return box.kind != ApplianceKind::kStorage && box.kind != ApplianceKind::kFlash; });
  std::sort(boxes.begin(), boxes.end(), [](const PlacementBox& a, const PlacementBox& b) { return a.id < b.id; });
  std::vector<const PlacementBox*> all;
  std::vector<const PlacementBox*> in_service;
  for (const PlacementBox& box : boxes) {
    all.push_back(&box);
    if (!box.provisional) in_service.push_back(&box);
  }
  Placement placement = Run(in_service, sets.sets(), copies).Go();
  if (in_service.size() == all.size()) return placement;
  // Rule 7.
  Placement with_all = Run(all, sets.sets(), copies).Go();
  for (size_t i = 0; i < all.size(); ++i) {
    if (all[i]->provisional) placement.boxes.push_back(std::move(with_all.boxes[i]));
  }
  std::sort(placement.boxes.begin(), placement.boxes.end(), [](const BoxPlacement& a, const BoxPlacement& b) { return a.id < b.id; });
  return placement;
}

}  // namespace fairlead
