#include "libs/steering/holdings.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <iterator>
#include <utility>

namespace fairlead {
namespace {

constexpr uint32_t kSpareSlots = 2'048;  // For boxes to come, before bitmaps must grow.
// How many changes are put in order at once: 4 bytes each.
constexpr uint64_t kChangesAtOnce = 4 << 20;
// And in a pass that may stop: some milliseconds' worth.
constexpr uint64_t kChangesALook = 2'048;
constexpr uint64_t kChangesABox = 16;

}  // namespace

std::shared_ptr<const Holdings> Holdings::Build(const Fleet& fleet, const std::vector<HoldingsView>& views) {
  return HoldingsBook(static_cast<uint32_t>(fleet.slots().size())).Update(fleet, views);
}

HoldingsBook::HoldingsBook(uint32_t slots) {
  Reset(slots);
}

// What readers still have stays in the pool of before, which goes with them.
void HoldingsBook::Reset(uint32_t slots) {
  slots_ = std::min(slots + kSpareSlots, Fleet::kMaxSlots);
  pool_ = std::make_shared<RowPool>();
  pages_.clear();
  own_.clear();
  retired_.clear();
  retiring_.clear();
  held_.clear();
  before_pass_.clear();
  pass_.clear();
  pass_at_ = pass_end_ = 0;
  to_its_end_ = true;
  nobody_ = static_cast<Row*>(pool_->Take(Holdings::kPage * sizeof(Row)));
  std::memset(nobody_, 0, Holdings::kPage * sizeof(Row));
}

HoldingsBook::Row& HoldingsBook::Own(uint32_t file) {
  const size_t number = file / Holdings::kPage;
  if (number >= pages_.size()) {
    pages_.resize(number + 1, nullptr);
    own_.resize(number + 1, false);
  }
  if (!own_[number]) {
    Row* const page = static_cast<Row*>(pool_->Take(Holdings::kPage * sizeof(Row)));
    std::memcpy(page, pages_[number] == nullptr ? nobody_ : pages_[number], Holdings::kPage * sizeof(Row));
    if (pages_[number] != nullptr) retiring_.push_back({pages_[number], Holdings::kPage * sizeof(Row)});
    pages_[number] = page;
    own_[number] = true;
  }
  return pages_[number][file % Holdings::kPage];
}

void HoldingsBook::Replace(Row& word, absl::Span<const uint16_t> slots) {
  const size_t dense = holder_rows::DenseBytes(slots_);
  const size_t bytes = holder_rows::Bytes(word, dense);
  if (bytes > 0) retiring_.push_back({const_cast<uint16_t*>(holder_rows::SlotsOf(word)), bytes});
  word = holder_rows::Make(slots, dense, *pool_);
}

void HoldingsBook::SetHolders(uint32_t file, absl::Span<const uint16_t> slots) {
  Replace(Own(file), slots);
}

// A Change, list by list. A file in both is added.
class HoldingsBook::Listed {
 public:
  explicit Listed(const Change& change) : change_(change) {}
  uint32_t slot() const { return change_.slot; }

  template <typename Visit>
  void Until(uint64_t limit, Visit&& visit) {
    Take(change_.removed, removed_, limit, false, visit);
    Take(change_.added, added_, limit, true, visit);
  }

 private:
  template <typename Visit>
  static void Take(absl::Span<const uint32_t> files, size_t& at, uint64_t limit, bool added, Visit&& visit) {
    for (; at < files.size() && files[at] < limit; ++at) visit(files[at], uint64_t{files[at]} + 1, added);
  }

  Change change_;
  size_t added_ = 0;
  size_t removed_ = 0;
};

// Puts the changes of the files in [begin, end) in the order of files, by counting, and rewrites each file's row once.
template <typename Source>
void HoldingsBook::ApplyRange(std::vector<Source>& sources, uint64_t begin, uint64_t end) {
  starts_.assign(end - begin + 1, 0);
  for (Source counted : sources) {
    counted.Until(end, [&](uint64_t first, uint64_t stop, bool) {
      for (uint64_t file = first; file < stop; ++file) ++starts_[file - begin + 1];
    });
  }
  for (size_t i = 1; i < starts_.size(); ++i) starts_[i] += starts_[i - 1];
  items_.resize(starts_.back());
  std::vector<uint32_t>& next = starts_;  // Each moves on to the start of the next file.
  for (Source& source : sources) {
    source.Until(end, [&, slot = static_cast<uint16_t>(source.slot())](uint64_t first, uint64_t stop, bool added) {
      for (uint64_t file = first; file < stop; ++file) items_[next[file - begin]++] = {slot, added};
    });
  }
  const size_t dense = holder_rows::DenseBytes(slots_);
  uint32_t first = 0;
  for (uint64_t file = begin; file < end; first = next[file - begin], ++file) {
    const auto from = items_.begin() + first;
    const auto to = items_.begin() + next[file - begin];
    if (from == to) continue;
    const auto before = [](const Item& a, const Item& b) { return a.slot < b.slot; };
    if (!std::is_sorted(from, to, before)) std::stable_sort(from, to, before);
    Row& word = Own(static_cast<uint32_t>(file));
    before_.clear();
    after_.clear();
    holder_rows::List(word, dense, before_);
    auto at = before_.begin();
    for (auto item = from; item != to; ++item) {
      if (std::next(item) != to && std::next(item)->slot == item->slot) continue;  // The last word counts.
      const auto stop = std::lower_bound(at, before_.end(), item->slot);
      after_.insert(after_.end(), at, stop);
      at = stop != before_.end() && *stop == item->slot ? std::next(stop) : stop;
      if (item->added) after_.push_back(item->slot);
    }
    after_.insert(after_.end(), at, before_.end());
    if (after_ != before_) Replace(word, after_);
  }
}

uint64_t HoldingsBook::WidthOf(uint64_t count, uint64_t at_once, uint64_t first, uint64_t end) {
  const uint64_t parts = std::max((count + at_once - 1) / at_once, (end - first) / kChangesAtOnce + 1);
  return (end - first + parts - 1) / parts;
}

void HoldingsBook::Apply(absl::Span<const Change> changes) {
  std::vector<Listed> sources;
  uint64_t count = 0;
  uint64_t first = FileSet::kBehind;
  uint64_t end = 0;
  for (const Change& change : changes) {
    sources.emplace_back(change);
    for (const absl::Span<const uint32_t> files : {change.added, change.removed}) {
      if (files.empty()) continue;
      count += files.size();
      first = std::min<uint64_t>(first, files.front());
      end = std::max<uint64_t>(end, uint64_t{files.back()} + 1);
    }
  }
  if (count == 0) return;
  const uint64_t width = WidthOf(count, kChangesAtOnce, first, end);
  for (uint64_t begin = first; begin < end; begin += width) ApplyRange(sources, begin, std::min(begin + width, end));
}

void HoldingsBook::FreeUnread() {
  while (!retired_.empty() && retired_.front().last.expired()) {
    std::atomic_thread_fence(std::memory_order_acquire);  // What its last reader read, it read before.
    for (const Memory& memory : retired_.front().memory) pool_->Give(memory.at, memory.bytes);
    retired_.pop_front();
  }
}

std::shared_ptr<const Holdings> HoldingsBook::Publish(const Fleet& fleet) {
  const std::shared_ptr<Holdings> holdings(new Holdings());
  holdings->pages_.reserve(pages_.size());
  for (const Row* page : pages_) holdings->pages_.push_back(page == nullptr ? nobody_ : page);
  holdings->slot_of_box_.reserve(fleet.boxes().size());
  for (const Fleet::Box& box : fleet.boxes()) holdings->slot_of_box_.push_back(box.slot);
  holdings->fingerprint_ = fleet.fingerprint();
  holdings->row_slots_ = slots_;
  holdings->memory_ = pool_;
  // What this value no longer has, the one before may still show: it goes with that one. Where nobody reads any, at once.
  if (!retired_.empty()) {
    std::vector<Memory>& last = retired_.back().memory;
    last.insert(last.end(), retiring_.begin(), retiring_.end());
  } else {
    for (const Memory& memory : retiring_) pool_->Give(memory.at, memory.bytes);
  }
  retiring_.clear();
  retired_.push_back({holdings, {}});
  FreeUnread();
  own_.assign(pages_.size(), false);
  return holdings;
}

std::vector<HoldingsBook::Held> HoldingsBook::HeldBy(const Fleet& fleet, const std::vector<HoldingsView>& views, size_t slots) {
  std::vector<Held> held(slots);
  for (const Fleet::Box& box : fleet.boxes()) {
    if (box.slot != Fleet::kNone) held[box.slot].appliance = box.view.id;
  }
  for (const HoldingsView& view : views) {
    const uint32_t box = fleet.FindBox(view.appliance);
    if (box != Fleet::kNone && fleet.boxes()[box].slot != Fleet::kNone) held[fleet.boxes()[box].slot].files = view.files;
  }
  return held;
}

bool HoldingsBook::SameOwners(const std::vector<Held>& a, const std::vector<Held>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](const Held& one, const Held& other) { return one.appliance == other.appliance; });
}

bool HoldingsBook::BeginPass(std::vector<Held> wanted) {
  static const FileSet nothing;
  held_.resize(wanted.size());
  before_pass_ = std::exchange(held_, std::move(wanted));
  pass_.clear();
  uint64_t count = 0;
  uint64_t first = FileSet::kBehind;
  uint64_t end = 0;
  for (uint32_t slot = 0; slot < held_.size(); ++slot) {
    if (held_[slot].files == before_pass_[slot].files) continue;
    const FileSet& before = before_pass_[slot].files == nullptr ? nothing : *before_pass_[slot].files;
    const FileSet& after = held_[slot].files == nullptr ? nothing : *held_[slot].files;
    FileSetDifference whole(before, after);
    whole.Until(FileSet::kBehind, [&](uint64_t from, uint64_t to, bool) {
      count += to - from;
      first = std::min(first, from);
      end = std::max(end, to);
    });
    pass_.emplace_back(slot, before, after);
  }
  to_its_end_ = to_its_end_ || !SameOwners(before_pass_, held_);
  pass_at_ = first;
  pass_end_ = count == 0 ? first : end;
  // Each range asks all boxes of the pass: there must be something to do for most of them.
  const uint64_t at_once = to_its_end_ ? kChangesAtOnce : std::max<uint64_t>(kChangesALook, kChangesABox * pass_.size());
  pass_width_ = count == 0 ? 0 : WidthOf(count, at_once, first, end);
  return count > 0;
}

// At least one range.
void HoldingsBook::GoOn(absl::FunctionRef<bool()> out_of_time) {
  do {
    const uint64_t stop = std::min(pass_at_ + pass_width_, pass_end_);
    ApplyRange(pass_, pass_at_, stop);
    pass_at_ = stop;
  } while (pass_at_ < pass_end_ && (to_its_end_ || !out_of_time()));
}

std::shared_ptr<const Holdings> HoldingsBook::Update(const Fleet& fleet, const std::vector<HoldingsView>& views,
                                                     absl::FunctionRef<bool()> out_of_time) {
  if (fleet.slots().size() > slots_) Reset(static_cast<uint32_t>(fleet.slots().size()));
  std::vector<Held> wanted = HeldBy(fleet, views, std::max(held_.size(), fleet.slots().size()));
  if (pass_at_ < pass_end_ && !SameOwners(held_, wanted)) GoOn(Never);
  behind_ = true;
  do {
    if (pass_at_ < pass_end_ || BeginPass(wanted)) {
      GoOn(out_of_time);
    } else {
      behind_ = false;
    }
    if (pass_at_ == pass_end_) to_its_end_ = false;
  } while (behind_ && !out_of_time());
  return Publish(fleet);
}

}  // namespace fairlead
