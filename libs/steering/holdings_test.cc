#include "libs/steering/holdings.h"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

// Sites of one to forty boxes, so that some need several blocks.
std::shared_ptr<const Fleet> MakeFleet(size_t boxes, const Fleet* previous = nullptr, size_t first = 0) {
  std::vector<SiteView> sites;
  std::vector<ApplianceView> appliances;
  for (size_t box = first; box < boxes; ++box) {
    const std::string site = absl::StrCat("s", 1'000 + box / (1 + box % 3 * 17 + 20));
    if (std::none_of(sites.begin(), sites.end(), [&](const SiteView& s) { return s.id == SiteId(site); })) {
      sites.push_back({.id = SiteId(site), .kind = SiteKind::kIx});
    }
    appliances.push_back({.id = ApplianceId(absl::StrCat("b", 100'000 + box)), .site = SiteId(site), .kind = ApplianceKind::kStorage});
  }
  return Fleet::Build(std::move(sites), std::move(appliances), {}, previous);
}

std::shared_ptr<const FileSet> Files(std::vector<uint32_t> numbers) {
  return std::make_shared<const FileSet>(FileSet::Of(std::move(numbers)));
}

// Of the drawn files: most side by side, and some far off.
uint32_t NumberOf(uint32_t file) {
  return file % 7 == 0 ? file * 1'000 : file;
}

// Files with every number of holders there is a form for, drawn for each box by itself.
std::vector<HoldingsView> Draw(const Fleet& fleet, uint64_t seed) {
  std::vector<HoldingsView> views;
  for (const Fleet::Box& box : fleet.boxes()) {
    std::vector<uint32_t> held;
    for (uint32_t file = 0; file < 3'000; ++file) {
      const uint64_t share = file % 30 == 29 ? 1'000 : file % 30 * (file % 30);  // Per mille.
      if (Mix(Mix(seed, file), box.hash) % 1'000 < share) held.push_back(NumberOf(file));
    }
    views.push_back({box.view.id, Files(std::move(held))});
  }
  return views;
}

void ExpectEqual(const Fleet& fleet, const std::vector<HoldingsView>& views, const Holdings& holdings) {
  for (const HoldingsView& view : views) {
    const uint32_t box = fleet.FindBox(view.appliance);
    if (box == Fleet::kNone) continue;
    const std::vector<uint32_t> held = view.files->numbers();
    for (uint32_t file = 0; file < 3'000; ++file) {
      const uint32_t number = NumberOf(file);
      ASSERT_EQ(holdings.Holds(box, number), std::binary_search(held.begin(), held.end(), number)) << view.appliance << " file " << number;
    }
  }
}

TEST(Holdings, EveryFormOfARowTellsExactlyWhoHoldsTheFile) {
  for (const size_t boxes : {3, 60, 1'200}) {
    const auto fleet = MakeFleet(boxes);
    const std::vector<HoldingsView> views = Draw(*fleet, boxes);
    ExpectEqual(*fleet, views, *Holdings::Build(*fleet, views));
  }
}

TEST(Holdings, AMaskTellsSixteenSlotsAtOnceFromAnySlotOn) {
  const auto fleet = MakeFleet(700);
  const auto holdings = Holdings::Build(*fleet, Draw(*fleet, 3));
  for (uint32_t file = 0; file < 3'000; file += 13) {
    const Holdings::Row row = holdings->RowOf(file);
    for (uint32_t first = 0; first < fleet->slots().size(); first += 5) {
      uint32_t expected = 0;
      for (uint32_t i = 0; i < 16 && first + i < fleet->slots().size(); ++i) {
        expected |= holdings->Holds(fleet->slots()[first + i], file) ? 1u << i : 0;
      }
      ASSERT_EQ(Holdings::MaskFrom(row, first), expected) << "file " << file << " from slot " << first;
    }
  }
  EXPECT_EQ(holdings->RowOf(0xffffffff), 0u);
}

TEST(HoldingsBook, AnUpdateShowsInTheNextValueAndNeverInAnOlderOne) {
  const auto fleet = MakeFleet(300);
  HoldingsBook book;
  std::vector<HoldingsView> views = Draw(*fleet, 1);
  std::vector<std::pair<std::vector<HoldingsView>, std::shared_ptr<const Holdings>>> kept;
  const std::vector<HoldingsView> other = Draw(*fleet, 2);
  for (size_t round = 0; round < 40; ++round) {
    const auto now = book.Update(*fleet, views);
    kept.emplace_back(views, now);
    if (kept.size() > 3) kept.erase(kept.begin() + static_cast<ptrdiff_t>(round % 3));  // Readers let go in any order.
    for (size_t i = 0; i < 5; ++i) {
      const size_t box = Mix(round, i) % views.size();
      views[box].files = round % 4 == 3 ? Files({}) : round % 2 == 0 ? other[box].files : Files({5, static_cast<uint32_t>(round)});
    }
  }
  for (const auto& [said, holdings] : kept) ExpectEqual(*fleet, said, *holdings);
  const auto last = book.Update(*fleet, views);
  ExpectEqual(*fleet, views, *last);
}

TEST(HoldingsBook, BoxesThatComeGoAndMoveKeepTheirOwnFilesAndNobodyElses) {
  HoldingsBook book;
  std::shared_ptr<const Fleet> fleet = MakeFleet(200);
  ExpectEqual(*fleet, Draw(*fleet, 1), *book.Update(*fleet, Draw(*fleet, 1)));
  for (const auto& [boxes, first] : std::vector<std::pair<size_t, size_t>>{{260, 0}, {260, 90}, {230, 10}, {3'000, 0}}) {
    fleet = MakeFleet(boxes, fleet.get(), first);
    std::set<uint32_t> taken;
    for (const Fleet::Box& box : fleet->boxes()) {
      ASSERT_TRUE(taken.insert(box.slot).second);
      ASSERT_EQ(fleet->boxes()[fleet->slots()[box.slot]].view.id, box.view.id);
    }
    const std::vector<HoldingsView> views = Draw(*fleet, boxes);
    const auto holdings = book.Update(*fleet, views);
    EXPECT_EQ(holdings->fingerprint(), fleet->fingerprint());
    ExpectEqual(*fleet, views, *holdings);
  }
}

bool Always() {
  return true;
}

TEST(HoldingsBook, APassInPiecesShowsOfABoxOnlyWhatItHadOrHas) {
  const auto fleet = MakeFleet(300);
  HoldingsBook book;
  const std::vector<HoldingsView> one = Draw(*fleet, 1);
  const std::vector<HoldingsView> two = Draw(*fleet, 2);
  const std::vector<HoldingsView> three = Draw(*fleet, 3);
  book.Update(*fleet, one, Always);
  ExpectEqual(*fleet, one, *book.Update(*fleet, one, Always));  // The first of all isn't in pieces.
  EXPECT_FALSE(book.behind());
  size_t pieces = 0;
  size_t of_two = 0;
  do {
    // What is said while a pass is under way waits for its end.
    const auto now = book.Update(*fleet, pieces < 3 ? two : three, Always);
    ++pieces;
    for (size_t i = 0; i < one.size(); i += 37) {
      const uint32_t box = fleet->FindBox(one[i].appliance);
      for (uint32_t file = 0; file < 3'000; file += 11) {
        const uint32_t number = NumberOf(file);
        const bool holds = now->Holds(box, number);
        const bool said[] = {one[i].files->Contains(number), two[i].files->Contains(number), three[i].files->Contains(number)};
        ASSERT_TRUE(holds == said[0] || holds == said[1] || holds == said[2]) << "piece " << pieces << ", file " << number;
        of_two += holds == said[1] && said[0] != said[1] && said[2] != said[1] ? 1 : 0;
      }
    }
  } while (book.behind());
  EXPECT_GT(pieces, 20u);
  EXPECT_GT(of_two, 0u) << "the second word was followed before the third";
  ExpectEqual(*fleet, three, *book.Update(*fleet, three, Always));
  EXPECT_FALSE(book.behind());
}

TEST(HoldingsBook, ASlotThatChangesHandsInTheMiddleOfAPassIsNotBelievedToHoldTheOthersFiles) {
  const auto before = MakeFleet(200);
  HoldingsBook book;
  book.Update(*before, Draw(*before, 1));
  for (size_t pieces = 0; pieces < 3; ++pieces) book.Update(*before, Draw(*before, 2), Always);
  ASSERT_TRUE(book.behind());
  const auto after = MakeFleet(260, before.get(), 90);
  const std::vector<HoldingsView> views = Draw(*after, 3);
  ExpectEqual(*after, views, *book.Update(*after, views, Always));
}

TEST(HoldingsBook, ABoxWithoutAWordInASlotThatChangedHandsHoldsNothing) {
  const auto before = MakeFleet(200);
  HoldingsBook book;
  book.Update(*before, Draw(*before, 1));
  const auto after = MakeFleet(260, before.get(), 90);
  const auto holdings = book.Update(*after, {}, Always);
  for (uint32_t box = 0; box < after->boxes().size(); ++box) {
    for (uint32_t file = 0; file < 3'000; ++file) ASSERT_FALSE(holdings->Holds(box, NumberOf(file)));
  }
}

TEST(HoldingsBook, MemoryIsGivenBackAsReadersLetGo) {
  const auto fleet = MakeFleet(300);
  HoldingsBook book;
  const std::vector<HoldingsView> one = Draw(*fleet, 1);
  const std::vector<HoldingsView> two = Draw(*fleet, 2);
  size_t settled = 0;
  for (int round = 0; round < 60; ++round) {
    book.Update(*fleet, round % 2 == 0 ? one : two);
    if (round == 10) settled = book.bytes();
  }
  EXPECT_LE(book.bytes(), settled + (size_t{4} << 20));
}

TEST(Fleet, BoxesKeepTheirSlotsAndASiteItsBlocks) {
  const auto before = MakeFleet(100);
  const auto after = MakeFleet(140, before.get());
  for (const Fleet::Box& box : before->boxes()) EXPECT_EQ(after->boxes()[after->FindBox(box.view.id)].slot, box.slot);
  for (uint32_t number = 0; number < after->sites().size(); ++number) {
    const Fleet::Site& site = after->sites()[number];
    for (const uint32_t box : site.boxes) {
      const uint32_t slot = after->boxes()[box].slot;
      EXPECT_TRUE(std::any_of(site.blocks.begin(), site.blocks.end(), [&](const Fleet::Block& block) {
        return slot - block.first_slot < block.size && block.size <= Fleet::kBlock;
      }));
    }
  }
  EXPECT_NE(before->fingerprint(), after->fingerprint());
}

TEST(Fleet, BuiltAgainOfTheSameBoxesItIsTheSameHoweverManySlotsStandEmpty) {
  const auto build = [](uint32_t first, uint32_t end, const Fleet* previous) {
    std::vector<SiteView> sites;
    std::vector<ApplianceView> boxes;
    for (uint32_t i = first; i < end; ++i) {
      sites.push_back({.id = SiteId(absl::StrCat("s", i)), .kind = SiteKind::kEmbedded});
      boxes.push_back({.id = ApplianceId(absl::StrCat("b", i)), .site = sites.back().id, .kind = ApplianceKind::kFlash});
    }
    return Fleet::Build(sites, boxes, {}, previous);
  };
  const auto many = build(0, 3'000, nullptr);
  const auto few = build(2'060, 3'050, many.get());  // Most of them went, and 50 came: just not so many went that all are numbered afresh.
  ASSERT_EQ(few->slots().size(), 3'050u);
  EXPECT_EQ(build(2'060, 3'050, few.get())->fingerprint(), few->fingerprint());
  EXPECT_LT(build(2'900, 3'050, few.get())->slots().size(), 200u) << "numbered afresh";
}

}  // namespace
}  // namespace fairlead
