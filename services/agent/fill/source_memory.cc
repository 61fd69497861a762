#include "services/agent/fill/source_memory.h"

#include <algorithm>
#include <iterator>

namespace fairlead::agent {
namespace {

// In the box's own book it is the only one that asks.
const ApplianceId& Self() {
  static const ApplianceId* const self = new ApplianceId();
  return *self;
}

}  // namespace

void SourceMemory::Blame(SourceFault fault, absl::Duration now) {
  const bool corrupt = fault.reason == SourceFaultReason::kCorrupt;
  absl::Duration& not_before = not_before_[fault.file][fault.source];
  not_before = std::max(not_before, now + (corrupt ? options_.corrupt_for : options_.other_for));
  ++counts_[static_cast<size_t>(fault.reason)];
  book_.Expire(now);
  book_.Record(Self(), fault, now);
  reports_.push_back(std::move(fault));
  if (reports_.size() > kMaxReports) reports_.pop_front();
}

bool SourceMemory::MayAsk(uint32_t file, const ApplianceId& source, absl::Duration now) const {
  const auto of_file = not_before_.find(file);
  if (of_file == not_before_.end()) return true;
  const auto found = of_file->second.find(source);
  return found == of_file->second.end() || now >= found->second;
}

bool SourceMemory::IsBehind(uint32_t file, const ApplianceId& source, absl::Duration now) const {
  return book_.IsBehind(source, Self(), file, now);
}

std::vector<SourceFault> SourceMemory::TakeReports() {
  std::vector<SourceFault> reports(std::make_move_iterator(reports_.begin()), std::make_move_iterator(reports_.end()));
  reports_.clear();
  return reports;
}

void SourceMemory::Return(std::vector<SourceFault> reports) {
  // They are older than what came meanwhile.
  reports_.insert(reports_.begin(), std::make_move_iterator(reports.begin()), std::make_move_iterator(reports.end()));
  while (reports_.size() > kMaxReports) reports_.pop_front();
}

}  // namespace fairlead::agent
