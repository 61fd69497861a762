// Lookup indexes that take turns: the newest table has one, tables that are still read have others, and one that nobody reads any more is
// brought up to date and published next. So what readers have never changes under them, and nothing is copied while they let go of it in
// time.
//
// Not thread-safe; what Publish returns is immutable as long as somebody else has it. To publish costs a microsecond for each change that
// the index whose turn it is lacks. The first time makes all of them, ~100 ns a prefix each; later one is made anew where all kTurns are
// being read (it is then given up, not kept), or where one lacks so much that it is cheaper.
#ifndef FAIRLEAD_LIBS_STEERING_INDEX_TURNS_H_
#define FAIRLEAD_LIBS_STEERING_INDEX_TURNS_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/leaf_index.h"

namespace fairlead {

class IndexTurns {
 public:
  // The newest table's, one that requests have begun on, and one to change.
  static constexpr size_t kTurns = 3;

  void Insert(const Prefix& prefix, uint32_t leaf) { log_.push_back({prefix, leaf}); }
  void Erase(const Prefix& prefix) { log_.push_back({prefix, 0}); }

  // An index with all changes so far; `leaves` is what they have led to. The same one again if there were none.
  std::shared_ptr<const LeafIndex> Publish(const PrefixTable<uint32_t>& leaves);

  // How often one was made of all prefixes.
  size_t made_anew() const { return made_anew_; }

 private:
  struct Change {
    Prefix prefix;
    uint32_t leaf = 0;  // 0: it went.
  };
  struct Turn {
    std::shared_ptr<LeafIndex> index;
    size_t has = 0;  // Of all changes ever.
  };
  bool BringUp(Turn& turn) const;
  Turn MakeAnew(const PrefixTable<uint32_t>& leaves, size_t all);
  void TrimLog();

  std::vector<Turn> turns_;  // The newest last.
  std::vector<Change> log_;  // From change number `trimmed_` on.
  size_t trimmed_ = 0;
  size_t made_anew_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_INDEX_TURNS_H_
