// Who verifiably holds which file. Steering believes holdings only, never manifests. Values are immutable; any thread.
//
//   const auto set = std::make_shared<const FileSet>(FileSet::Of({3, 5, 8}));
//   const auto holdings = Holdings::Build(fleet, {{ApplianceId("oca-1"), set}});
//   holdings->Holds(fleet.FindBox(ApplianceId("oca-1")), 5);          // true
//   holdings->MaskFrom(holdings->RowOf(5), block.first_slot);         // Which boxes of a block hold file 5, as one mask.
//
// By file: a directory of one word a file in pages of 512, each word a compressed row of slots (holder_rows.h). To ask for a block costs
// two or three cache lines, whoever else holds the file. Memory: 8 bytes a file, and 1 to 2.5 bytes a (box, file) pair; nobody's
// files cost nothing.
//
// HoldingsBook keeps them current: a change copies the pages and rows that it touches, and shares all others with the values that
// readers still have. O(changed files × holders of each); one thread.
#ifndef FAIRLEAD_LIBS_STEERING_HOLDINGS_H_
#define FAIRLEAD_LIBS_STEERING_HOLDINGS_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/types/span.h"
#include "libs/base/ids.h"
#include "libs/steering/file_set.h"
#include "libs/steering/fleet.h"
#include "libs/steering/holder_rows.h"

namespace fairlead {

struct HoldingsView {
  ApplianceId appliance;
  std::shared_ptr<const FileSet> files;  // Shared, not copied, from table to table.
};

class Holdings {
 public:
  using Row = holder_rows::Row;

  // Boxes without a view hold nothing; views of unknown boxes are ignored; of two views of one box the last counts.
  static std::shared_ptr<const Holdings> Build(const Fleet& fleet, const std::vector<HoldingsView>& views);

  // A word that stands for the file's holders; only for use with this value.
  Row RowOf(uint32_t file) const {
    const size_t page = file / kPage;
    return page < pages_.size() ? pages_[page][file % kPage] : 0;
  }
  // Where that word stands, for a prefetch.
  const void* AddressOf(uint32_t file) const {
    const size_t page = file / kPage;
    return page < pages_.size() ? &pages_[page][file % kPage] : nullptr;
  }
  // Bit i: the box in slot `first_slot` + i holds the file, for i < 16.
  static uint32_t MaskFrom(Row row, uint32_t first_slot) { return holder_rows::MaskFrom(row, first_slot); }
  bool Holds(uint32_t box, uint32_t file) const {
    const uint32_t slot = slot_of_box_[box];
    return slot != Fleet::kNone && (MaskFrom(RowOf(file), slot) & 1) != 0;
  }
  // Of the fleet that it was built for.
  uint64_t fingerprint() const { return fingerprint_; }
  // How many slots its bitmaps have room for: at least the fleet's.
  uint32_t row_slots() const { return row_slots_; }

 private:
  friend class HoldingsBook;
  friend struct ImageParts;
  static constexpr size_t kPage = 512;  // Words: 4 KiB.
  using Page = const Row*;
  Holdings() = default;

  std::vector<Page> pages_;
  std::vector<uint32_t> slot_of_box_;  // Fleet::kNone: it serves nobody.
  uint64_t fingerprint_ = 0;
  uint32_t row_slots_ = 0;              // That bitmaps have room for.
  std::shared_ptr<const void> memory_;  // What pages and rows lie in.
};

class HoldingsBook {
 public:
  // `slots`: how many the fleets will have, if that is known; the book starts anew when they have more than it has room for.
  explicit HoldingsBook(uint32_t slots = 0);

  // Brings it to what `views` say, by the rules of Holdings::Build. Only boxes whose set is another object than last time are looked at,
  // and of those only the files that differ: file by file for all boxes, in one pass over the files. Where `out_of_time` says so between
  // two ranges of files, the pass stops, and the next Update goes on with it; what is said meanwhile waits for its end. A box then counts
  // as holding some files as it says now, and others as it said before; never as another one that had its slot. The first pass of all, and
  // one in which slots change hands, goes to its end.
  std::shared_ptr<const Holdings> Update(const Fleet& fleet, const std::vector<HoldingsView>& views,
                                         absl::FunctionRef<bool()> out_of_time = Never);
  // Whether there is more to do than the last Update had time for.
  bool behind() const { return behind_; }

  // What one slot has more and less than before. To add what is held or remove what isn't changes nothing.
  struct Change {
    uint32_t slot = 0;
    absl::Span<const uint32_t> added = {};  // Ascending.
    absl::Span<const uint32_t> removed = {};
  };
  void Apply(absl::Span<const Change> changes);
  // All holders of one file at once, ascending: for loading in the order of files.
  void SetHolders(uint32_t file, absl::Span<const uint16_t> slots);
  // The present state, for boxes of `fleet`.
  std::shared_ptr<const Holdings> Publish(const Fleet& fleet);

  // Of pages and rows, those that wait for readers included.
  size_t bytes() const { return pool_->bytes(); }

 private:
  using Row = Holdings::Row;
  struct Memory {
    void* at;
    size_t bytes;
  };
  // What is no part of the next value any more, and goes when nobody reads this one or an older one.
  struct Retired {
    std::weak_ptr<const Holdings> last;
    std::vector<Memory> memory;
  };

  // Sources of changes: of one slot, whose next ones Until tells. A Change, list by list; and from what a box held to what it holds.
  class Listed;
  class Differing {
   public:
    Differing(uint32_t slot, const FileSet& before, const FileSet& after) : slot_(slot), difference_(before, after) {}
    uint32_t slot() const { return slot_; }

    template <typename Visit>
    void Until(uint64_t limit, Visit&& visit) {
      difference_.Until(limit, visit);
    }

   private:
    uint32_t slot_;
    FileSetDifference difference_;
  };

  void Reset(uint32_t slots);
  void FreeUnread();
  // The word to be written, in a page of our own.
  Row& Own(uint32_t file);
  void Replace(Row& word, absl::Span<const uint16_t> slots);
  static bool Never() { return false; }
  // How wide the ranges are that `count` changes of files in [first, end) are applied in, so many at once.
  static uint64_t WidthOf(uint64_t count, uint64_t at_once, uint64_t first, uint64_t end);
  template <typename Source>
  void ApplyRange(std::vector<Source>& sources, uint64_t begin, uint64_t end);

  uint32_t slots_ = 0;  // That bitmaps have room for.
  std::shared_ptr<RowPool> pool_;
  std::vector<Row*> pages_;  // Null: nobody holds any file of it.
  std::vector<bool> own_;    // The page was made since the last Publish.
  std::deque<Retired> retired_;
  std::vector<Memory> retiring_;
  Row* nobody_ = nullptr;  // A page of zeros.
  // By slot: which box of the fleet has it, and what it was last brought to.
  struct Held {
    ApplianceId appliance;  // Empty: none.
    std::shared_ptr<const FileSet> files;
  };
  static std::vector<Held> HeldBy(const Fleet& fleet, const std::vector<HoldingsView>& views, size_t slots);
  static bool SameOwners(const std::vector<Held>& a, const std::vector<Held>& b);
  // False: there is nothing to do.
  bool BeginPass(std::vector<Held> wanted);
  void GoOn(absl::FunctionRef<bool()> out_of_time);

  std::vector<Held> held_;  // What the pass leads to.
  // A pass that is under way, or at its end: from what it leads, and where it is.
  std::vector<Held> before_pass_;
  std::vector<Differing> pass_;
  uint64_t pass_at_ = 0;
  uint64_t pass_end_ = 0;
  uint64_t pass_width_ = 0;
  bool to_its_end_ = true;  // The pass doesn't stop.
  bool behind_ = false;

  struct Item {  // Of ApplyRange, kept for its memory.
    uint16_t slot;
    bool added;
  };
  std::vector<uint32_t> starts_;
  std::vector<Item> items_;
  std::vector<uint16_t> before_;
  std::vector<uint16_t> after_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_HOLDINGS_H_
