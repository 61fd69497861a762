#include "libs/steering/catalogue.h"

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace fairlead {
namespace {

TitleView TitleOf(const std::string& id, const std::vector<uint32_t>& numbers) {
  VersionView version = {.version = "v1"};
  for (const uint32_t number : numbers) {
    version.files.push_back(
        {.number = number, .path = absl::StrCat(id, "/v1/r", number, "/f"), .rendition = absl::StrCat("r", number % 7)});
  }
  return {.id = TitleId(id), .current_version = "v1", .versions = {std::move(version)}};
}

TEST(Catalogue, TheNextOneSharesTitles) {
  const std::shared_ptr<const CatalogueTitle> a = CatalogueTitle::Pack(TitleOf("a", {1, 2}));
  const auto first = Catalogue::Of({a, CatalogueTitle::Pack(TitleOf("b", {3}))});
  const auto second = Catalogue::Of({a, CatalogueTitle::Pack(TitleOf("b", {3, 4}))});
  EXPECT_EQ(first->FindTitle(TitleId("a")), second->FindTitle(TitleId("a")));
  EXPECT_EQ(first->FindFile(4).file, nullptr);
  EXPECT_EQ(second->FindFile(4).title, second->FindTitle(TitleId("b")));
  EXPECT_EQ(second->file_count(), 4u);
}

TEST(Catalogue, OfTwoTitlesWithOneIdTheLastIsFound) {
  const auto catalogue = Catalogue::Build({TitleOf("a", {1}), TitleOf("a", {2})});
  EXPECT_EQ(catalogue->FindTitle(TitleId("a"))->versions()[0].files()[0].number(), 2u);
  EXPECT_EQ(catalogue->title_count(), 2u);
}

// Of so many ids some pairs have one key.
TEST(Catalogue, FindsTitlesWhoseKeysAreTheSame) {
  constexpr int kMany = 300'000;
  std::vector<std::shared_ptr<const CatalogueTitle>> titles;
  for (int i = 0; i < kMany; ++i) titles.push_back(CatalogueTitle::Pack({.id = TitleId(absl::StrCat("t", i))}));
  const auto catalogue = Catalogue::Of(titles);
  std::set<uint32_t> keys;
  for (int i = 0; i < kMany; ++i) {
    const std::string id = absl::StrCat("t", i);
    keys.insert(static_cast<uint32_t>(absl::HashOf(absl::string_view(id))));
    ASSERT_EQ(catalogue->FindTitle(TitleId(id)), titles[static_cast<size_t>(i)].get()) << id;
  }
  EXPECT_LT(keys.size(), static_cast<size_t>(kMany));
  EXPECT_EQ(catalogue->FindTitle(TitleId("t300000")), nullptr);
}

// Beside a map of numbers: titles in runs that are broken by others' numbers, and that claim each other's.
TEST(Catalogue, FindsEachNumberWhoeverClaimsIt) {
  std::mt19937 random(3);
  for (int round = 0; round < 300; ++round) {
    const bool clean = round % 2 == 0;  // No number is given twice.
    std::vector<std::vector<uint32_t>> numbers(1 + random() % 8);
    for (uint32_t number = 0; number < 200; ++number) {
      if (random() % 4 == 0) continue;
      const size_t title = number / 16 * 7 % numbers.size();
      numbers[title].push_back(number);
      if (!clean && random() % 8 == 0) numbers[random() % numbers.size()].push_back(number);
    }
    std::vector<TitleView> titles;
    std::map<uint32_t, std::string> wanted;
    for (size_t i = 0; i < numbers.size(); ++i) {
      std::shuffle(numbers[i].begin(), numbers[i].end(), random);
      const std::string id = absl::StrCat("t", i);
      for (const uint32_t number : numbers[i]) wanted[number] = id;
      titles.push_back(TitleOf(id, numbers[i]));
    }
    const auto catalogue = Catalogue::Build(std::move(titles));
    ASSERT_EQ(catalogue->file_count(), wanted.size());
    for (uint32_t number = 0; number < 210; ++number) {
      const Catalogue::FileRef found = catalogue->FindFile(number);
      const auto at = wanted.find(number);
      ASSERT_EQ(found.file != nullptr, at != wanted.end()) << "round " << round << ", file " << number;
      if (found.file == nullptr) continue;
      ASSERT_EQ(found.file->number(), number);
      ASSERT_EQ(found.title->id(), at->second) << "round " << round << ", file " << number;
    }
  }
}

}  // namespace
}  // namespace fairlead
