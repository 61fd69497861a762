// The files that a box holds: a set of file numbers. An immutable value; any thread.
//
// Kept as the runs of numbers that follow each other, two or three bytes a run, for there are as many such sets as boxes and each has
// tens of thousands of numbers. The files of a title are numbered in one go and boxes hold them by the title, so that is a fifth of a byte
// a file; where no two follow each other, two bytes. It is read from its beginning, O(runs): who wants to know which boxes hold a file
// asks Holdings.
//
//   const FileSet set = FileSet::Of({3, 5, 4, 8});       // [3, 6) and [8, 9).
//   FileSetDifference difference(before, set);
//   difference.Until(1'000, [](uint64_t begin, uint64_t end, bool added) { … });
//   difference.Until(2'000, …);                           // Goes on from there.
#ifndef FAIRLEAD_LIBS_STEERING_FILE_SET_H_
#define FAIRLEAD_LIBS_STEERING_FILE_SET_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace fairlead {

class FileSet {
 public:
  FileSet() = default;
  // Any order, repeats allowed.
  static FileSet Of(std::vector<uint32_t> numbers);

  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  bool Contains(uint32_t number) const;
  std::vector<uint32_t> numbers() const;  // Ascending.
  // That it takes, beside the object itself.
  size_t bytes() const { return runs_.capacity(); }

  friend bool operator==(const FileSet&, const FileSet&) = default;

  // Its runs, from the first on. The set must outlive it.
  class Reader {
   public:
    explicit Reader(const FileSet& set) : at_(set.runs_.data()), stop_(at_ + set.runs_.size()) { Next(); }
    // [begin, end); both kBehind behind the last.
    uint64_t begin() const { return begin_; }
    uint64_t end() const { return end_; }
    // The run goes on from `number`, which lies in it or is its end.
    void SkipTo(uint64_t number) {
      begin_ = number;
      if (begin_ == end_) Next();
    }

   private:
    void Next() {
      begin_ = at_ == stop_ ? kBehind : end_ + Number();
      end_ = begin_ == kBehind ? kBehind : begin_ + 1 + Number();
    }
    // As ImageReader, but of bytes that are ours: this is read a billion times while a world is loaded.
    uint64_t Number() {
      uint64_t number = 0;
      int shift = 0;
      for (; (*at_ & 0x80) != 0; ++at_, shift += 7) number |= static_cast<uint64_t>(*at_ & 0x7f) << shift;
      return number | static_cast<uint64_t>(*at_++) << shift;
    }

    const char* at_;
    const char* stop_;
    uint64_t begin_ = 0;
    uint64_t end_ = 0;
  };
  static constexpr uint64_t kBehind = uint64_t{1} << 32;  // No number.

 private:
  // Of each run the numbers left out before it and its length but one, seven bits a byte, the low ones first.
  std::string runs_;
  size_t size_ = 0;
};

// What one set has more and less than another, in pieces, the numbers rising. Both must outlive it. A copy goes on from where it was made.
class FileSetDifference {
 public:
  FileSetDifference(const FileSet& before, const FileSet& after) : before_(before), after_(after) {}

  // visit(begin, end, added) for each run below `limit` that only one has: added, if that is `after`.
  template <typename Visit>
  void Until(uint64_t limit, Visit&& visit) {
    limit = std::min(limit, FileSet::kBehind);
    while (std::min(before_.begin(), after_.begin()) < limit) {
      if (before_.begin() == after_.begin()) {
        const uint64_t end = std::min(before_.end(), after_.end());
        before_.SkipTo(end);
        after_.SkipTo(end);
        continue;
      }
      const bool added = after_.begin() < before_.begin();
      FileSet::Reader& has = added ? after_ : before_;
      const uint64_t begin = has.begin();
      const uint64_t end = std::min({has.end(), (added ? before_ : after_).begin(), limit});
      has.SkipTo(end);
      visit(begin, end, added);
    }
  }

 private:
  FileSet::Reader before_;
  FileSet::Reader after_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_FILE_SET_H_
