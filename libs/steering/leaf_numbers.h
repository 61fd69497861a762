// LeafNumbers: which leaf each prefix has. Shared by the LadderBooks that follow one another, so that what is large and the same for all of
// them, the numbers and the indexes for lookups, isn't made again with each.
//
//   auto numbers = std::make_shared<LeafNumbers>();
//   const uint32_t leaf = numbers->Take(prefix);       // Found or new.
//   const auto index = numbers->Publish();
//
// A number that one book gives has a leaf in each: what they don't know yet of each other stands in added(). Numbers are taken back only
// while there is one book (Share), for others may have something there. Not thread-safe. Memory: ~100 bytes a prefix and ~75 for each of
// the indexes.
#ifndef FAIRLEAD_LIBS_STEERING_LEAF_NUMBERS_H_
#define FAIRLEAD_LIBS_STEERING_LEAF_NUMBERS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/index_turns.h"

namespace fairlead {

class LeafNumbers {
 public:
  // One book's part in it.
  class Share {
   public:
    explicit Share(LeafNumbers& numbers) : numbers_(numbers), seen_(numbers.added_.size()) { ++numbers_.shares_; }
    ~Share() { --numbers_.shares_; }
    Share(const Share&) = delete;
    Share& operator=(const Share&) = delete;

    // True if no other book has a part.
    bool alone() const { return numbers_.shares_ == 1; }
    // Calls visit(const Prefix&) for what has a number since the last call, the caller's own included. Nothing while alone.
    template <typename Visit>
    void TakeAdded(Visit&& visit) {
      for (; seen_ < numbers_.added_.size(); ++seen_) visit(Prefix(numbers_.added_[seen_]));
      if (!alone()) return;
      numbers_.added_ = {};
      seen_ = 0;
    }

   private:
    LeafNumbers& numbers_;
    size_t seen_;
  };

  LeafNumbers() = default;
  LeafNumbers(const LeafNumbers&) = delete;
  LeafNumbers& operator=(const LeafNumbers&) = delete;

  // 0: it has none.
  uint32_t Find(const Prefix& prefix) const {
    const uint32_t* const leaf = leaves_.Find(prefix);
    return leaf == nullptr ? 0 : *leaf;
  }
  // From 1 on; those that were given back come first.
  uint32_t Take(const Prefix& prefix);
  void GiveBack(const Prefix& prefix);
  const PrefixTable<uint32_t>& leaves() const { return leaves_; }
  // For lookups, with all changes so far.
  std::shared_ptr<const LeafIndex> Publish() { return index_.Publish(leaves_); }

 private:
  PrefixTable<uint32_t> leaves_;  // For walks up and down.
  IndexTurns index_;              // The same for lookups.
  std::vector<uint32_t> free_;
  uint32_t last_ = 0;
  size_t shares_ = 0;
  std::vector<Prefix> added_;  // While there are several books.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_LEAF_NUMBERS_H_
