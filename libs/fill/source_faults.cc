#include "libs/fill/source_faults.h"

#include <iterator>

namespace fairlead {

absl::string_view ToString(SourceFaultReason reason) {
  switch (reason) {
    case SourceFaultReason::kMissing:
      return "MISSING";
    case SourceFaultReason::kUnreachable:
      return "UNREACHABLE";
    case SourceFaultReason::kRefused:
      return "REFUSED";
    case SourceFaultReason::kSlow:
      return "SLOW";
    case SourceFaultReason::kTruncated:
      return "TRUNCATED";
    case SourceFaultReason::kCorrupt:
      return "CORRUPT";
    case SourceFaultReason::kUnspecified:
      break;
  }
  return "UNSPECIFIED";
}

std::ostream& operator<<(std::ostream& out, SourceFaultReason reason) {
  return out << ToString(reason);
}

void SourceFaultBook::Record(const ApplianceId& asker, SourceFault fault, absl::Duration now) {
  const Key key(asker, fault.reason == SourceFaultReason::kMissing ? fault.file : 0);
  const absl::Duration until = now + (fault.reason == SourceFaultReason::kCorrupt ? limits_.corrupt_for : limits_.other_for);
  const auto source = sources_.find(fault.source);
  if (source != sources_.end()) {
    const auto held = source->second.find(key);
    if (held != source->second.end()) {
      // A lesser fault doesn't shorten what a graver one has earned.
      if (until >= held->second.until) held->second = {std::move(fault), now, until};
      return;
    }
  }
  if (size_ >= kMaxEntries || (source != sources_.end() && source->second.size() >= kMaxEntriesASource)) {
    ++dropped_;
    return;
  }
  const ApplianceId id = fault.source;
  sources_[id].emplace(key, Entry{std::move(fault), now, until});
  ++size_;
}

bool SourceFaultBook::IsBehind(const ApplianceId& source, const ApplianceId& asker, uint32_t file, absl::Duration now) const {
  const auto found = sources_.find(source);
  if (found == sources_.end()) return false;
  int others = 0;
  const ApplianceId* last = nullptr;
  for (const auto& [key, entry] : found->second) {
    if (entry.until <= now || (key.second != 0 && key.second != file)) continue;
    if (key.first == asker) return true;
    // Entries of one box stand side by side: it counts once.
    if (last == nullptr || *last != key.first) ++others;
    last = &key.first;
  }
  return others >= limits_.believed_by_all;
}

std::vector<SourceFaultBook::Met> SourceFaultBook::MetBy(const ApplianceId& asker, absl::Duration now, size_t most) const {
  std::vector<Met> met;
  for (const auto& [source, entries] : sources_) {
    for (auto at = entries.lower_bound(Key(asker, 0)); at != entries.end() && at->first.first == asker; ++at) {
      if (met.size() == most) return met;
      if (at->second.until > now) met.push_back({at->second.fault, now - at->second.met});
    }
  }
  return met;
}

void SourceFaultBook::Expire(absl::Duration now) {
  for (auto source = sources_.begin(); source != sources_.end();) {
    Entries& entries = source->second;
    for (auto at = entries.begin(); at != entries.end();) {
      if (at->second.until > now) {
        ++at;
        continue;
      }
      at = entries.erase(at);
      --size_;
    }
    source = entries.empty() ? sources_.erase(source) : std::next(source);
  }
}

}  // namespace fairlead
