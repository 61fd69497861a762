#include "services/steering/feed_checkpoint.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "fairlead/steering/v1/checkpoint.pb.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/net/ip_address.h"

namespace fairlead {
namespace {

namespace cv1 = content::v1;
namespace iv1 = ingest::v1;
namespace sv1 = steering::v1;

constexpr char kCatalogue[] = "c/";
constexpr char kHead[] = "p/";
constexpr char kSpeakers[] = "a/";
constexpr char kHoldingsKeys[] = "h/";
constexpr char kRoutes[] = "r/";
constexpr char kHoldings[] = "holdings/";  // Of the entries' keys.
constexpr char kCatalogueSource[] = "catalog";
// Numbers are never given twice; what goes beyond wasn't given by Save.
constexpr uint32_t kMostSpeakers = uint32_t{1} << 31;
// A group, and what may wait in memory while the disk fails.
constexpr size_t kMostGroupBytes = size_t{32} << 20;
// A base soon, which a spoilt log can be done without; and compaction holds the log's changes in memory.
constexpr size_t kLeastLogBytes = size_t{1} << 20;
constexpr size_t kMostLogBytes = size_t{256} << 20;
constexpr absl::Duration kCompactionCheck = absl::Seconds(1);
constexpr absl::Duration kCompactionPause = absl::Seconds(30);

std::string FolderOf(absl::string_view cell) {
  return absl::StrCat("f/", absl::StripPrefix(cell, "cells/"), "/");
}

// In the order of prefixes of a family.
std::string KeyOf(const Prefix& prefix) {
  return absl::StrCat(prefix.address().ToBytes(), std::string(1, static_cast<char>(prefix.length())));
}

absl::StatusOr<Prefix> PrefixOf(absl::string_view key) {
  if (key.empty()) return absl::InvalidArgumentError("a prefix of no bytes");
  ASSIGN_OR_RETURN(const IpAddress address, IpAddress::FromBytes(key.substr(0, key.size() - 1)));
  ASSIGN_OR_RETURN(const Prefix prefix, Prefix::Make(address, static_cast<uint8_t>(key.back())));
  if (KeyOf(prefix) != key) return absl::InvalidArgumentError("an IPv4-mapped prefix");
  return prefix;
}

absl::Status Unreadable(absl::string_view key) {
  return absl::DataLossError(absl::StrCat("the record of ", Quoted(key), " can't be read"));
}

// From the records of one checkpoint into the stores, in the order of their keys. Takes what Save writes and nothing else: a record that
// isn't kept as it stands (a removal, a key in another form) would count as on disk, and never be put right.
class Reader {
 public:
  explicit Reader(Sources& sources) : sources_(sources) {}

  absl::Status Take(absl::string_view key, absl::string_view value) { return Read(key, value) ? absl::OkStatus() : Unreadable(key); }

  // How far a source reaches, when that was saved, and how long it had then not been heard.
  struct Head {
    FeedPosition position;
    absl::Time saved_at;
    absl::Duration age;
  };
  struct Cell {
    std::shared_ptr<CellStore> store;
    absl::flat_hash_set<std::string> holdings;
    absl::flat_hash_set<Prefix> prefixes;
    absl::flat_hash_map<uint32_t, RouteSpeaker> speakers;
    absl::flat_hash_set<uint32_t> speaking;
  };
  std::map<std::string, Cell>& cells() { return cells_; }
  std::vector<cv1::CatalogEntry>& catalogue() { return catalogue_; }
  const std::map<std::string, Head>& heads() const { return heads_; }

 private:
  bool Read(absl::string_view key, absl::string_view value) {
    if (absl::ConsumePrefix(&key, kCatalogue)) return ReadCatalogue(key, value);
    if (absl::ConsumePrefix(&key, kHead)) return ReadHead(key, value);
    if (!absl::ConsumePrefix(&key, "f/")) return false;
    const size_t slash = key.find('/');
    if (slash == absl::string_view::npos || !TurnTo(key.substr(0, slash))) return false;
    key.remove_prefix(slash + 1);
    if (absl::ConsumePrefix(&key, kSpeakers)) return ReadSpeaker(key, value);
    if (absl::ConsumePrefix(&key, kHoldingsKeys)) return ReadHoldings(key, value);
    return absl::ConsumePrefix(&key, kRoutes) && ReadRoutes(key, value);
  }

  bool TurnTo(absl::string_view id) {
    if (at_ != nullptr && absl::StripPrefix(at_name_, "cells/") == id) return true;
    const absl::StatusOr<CellId> cell = CellId::Parse(id, "cell");
    if (!cell.ok()) return false;
    at_name_ = cell->name();
    at_ = &cells_[at_name_];
    at_->store = sources_.RestoredCell(*cell);
    return true;
  }

  bool ReadCatalogue(absl::string_view key, absl::string_view value) {
    cv1::CatalogEntry& entry = catalogue_.emplace_back();
    return entry.ParseFromString(std::string(value)) && entry.key() == key && !IsRemoval(entry);
  }

  bool ReadHead(absl::string_view source, absl::string_view value) {
    sv1::FeedHead head;
    if (!head.ParseFromString(std::string(value)) || head.age_ms() < 0) return false;
    const FeedPosition position = {head.position().epoch(), head.position().version()};
    heads_[std::string(source)] = {.position = position,
                                   .saved_at = absl::FromUnixMillis(head.saved_time_ms()),
                                   .age = head.has_age_ms() ? absl::Milliseconds(head.age_ms()) : absl::InfiniteDuration()};
    return !position.nothing() && (source == kCatalogueSource || CellId::ParseName(source, "source").ok());
  }

  bool ReadSpeaker(absl::string_view key, absl::string_view value) {
    sv1::SpeakerRecord record;
    uint32_t number = 0;
    if (!absl::SimpleAtoi(key, &number) || absl::StrCat(number) != key || number > kMostSpeakers) return false;
    if (!record.ParseFromString(std::string(value))) return false;
    absl::StatusOr<BgpSessionId> session = BgpSessionId::Parse(record.session(), "session");
    absl::StatusOr<ApplianceId> appliance = ApplianceId::Parse(record.appliance(), "appliance");
    if (!session.ok() || !appliance.ok()) return false;
    at_->speakers[number] = {.session = *std::move(session), .appliance = *std::move(appliance)};
    return true;
  }

  // One that the store leaves out as unreadable stays on disk as it came, as it does in the store.
  bool ReadHoldings(absl::string_view key, absl::string_view value) {
    iv1::FleetEntry entry;
    if (!entry.ParseFromString(std::string(value)) || entry.key() != key || IsRemoval(entry)) return false;
    if (!absl::StartsWith(key, kHoldings)) return false;
    at_->holdings.insert(entry.key());
    return at_->store->Apply({.snapshot = false, .base = {}, .position = {}, .entries = {std::move(entry)}, .held_entries = 0}).ok();
  }

  bool ReadRoutes(absl::string_view key, absl::string_view value) {
    const absl::StatusOr<Prefix> prefix = PrefixOf(key);
    sv1::PrefixRecord record;
    if (!prefix.ok() || !record.ParseFromString(std::string(value))) return false;
    const int count = record.speakers_size();
    for (const int other :
         {record.path_ids_size(), record.as_path_lengths_size(), record.neighbour_as_size(), record.meds_size(), record.demoted_size()}) {
      if (other != count) return false;
    }
    routes_.clear();
    for (int i = 0; i < count; ++i) {
      const auto speaker = at_->speakers.find(record.speakers(i));
      if (speaker == at_->speakers.end()) return false;
      at_->speaking.insert(record.speakers(i));
      routes_.push_back({.speaker = speaker->second,
                         .path_id = record.path_ids(i),
                         .attributes = {.neighbour_as = record.neighbour_as(i),
                                        .med = record.meds(i),
                                        .as_path_length = static_cast<uint16_t>(std::min<uint32_t>(record.as_path_lengths(i), 0xffff)),
                                        .demoted = record.demoted(i)}});
    }
    at_->prefixes.insert(*prefix);
    return count > 0 && at_->store->RestoreRoutes(*prefix, routes_) == routes_.size();
  }

  Sources& sources_;
  std::map<std::string, Cell> cells_;
  Cell* at_ = nullptr;
  std::string at_name_;
  std::vector<cv1::CatalogEntry> catalogue_;
  std::map<std::string, Head> heads_;
  std::vector<StoredRoute> routes_;
};

}  // namespace

uint64_t FeedCheckpoint::BytesOnDisk(const std::string& folder) {
  uint64_t bytes = 0;
  std::error_code error;
  std::filesystem::directory_iterator file(folder, error);
  while (!error && file != std::filesystem::directory_iterator()) {
    std::error_code gone;  // By a compaction: then it counts for nothing.
    const uint64_t size = file->file_size(gone);
    if (!gone && absl::StartsWith(file->path().filename().string(), absl::StrCat(kName, "."))) bytes += size;
    file.increment(error);
  }
  return bytes;
}

// ---- Restore ----

absl::StatusOr<FeedCheckpoint::Restored> FeedCheckpoint::Restore() {
  Restored restored;
  restored_ = true;
  RETURN_IF_ERROR(Open());
  restored.faults = checkpoint_->faults();
  restored.cut = checkpoint_->cut();
  if (const absl::Status read = Read(restored); !read.ok()) {
    sources_.ForgetBulk();
    catalogue_ = Entries();
    cells_.clear();
    heads_.clear();
    pending_.Clear();
    void_on_disk_ = true;
    return read;
  }
  return restored;
}

absl::Status FeedCheckpoint::Open() {
  ASSIGN_OR_RETURN(
      checkpoint_,
      Checkpoint::Open({.folder = folder_, .name = kName, .least_log_bytes = kLeastLogBytes, .most_log_bytes = kMostLogBytes}));
  compaction_ = std::thread([this] { RunCompaction(); });
  return absl::OkStatus();
}

absl::Status FeedCheckpoint::Read(Restored& restored) {
  Reader reader(sources_);
  absl::Status taken;
  RETURN_IF_ERROR(checkpoint_->ForEach([&](absl::string_view key, absl::string_view value) {
    if (taken.ok()) taken = reader.Take(key, value);
  }));
  RETURN_IF_ERROR(taken);
  for (const cv1::CatalogEntry& entry : reader.catalogue()) catalogue_.on_disk.insert(entry.key());
  for (auto& [name, read] : reader.cells()) {
    Cell& cell = cells_[name];
    restored.entries += read.holdings.size();
    restored.prefixes += read.prefixes.size();
    cell.holdings.on_disk = std::move(read.holdings);
    cell.on_disk = std::move(read.prefixes);
    for (auto& [number, speaker] : read.speakers) {
      cell.next_speaker = std::max(cell.next_speaker, number + 1);
      // One that says nothing any more would stay for ever.
      if (read.speaking.contains(number)) {
        cell.speakers[std::move(speaker)] = number;
      } else {
        pending_.Remove(absl::StrCat(FolderOf(name), kSpeakers, number));
      }
    }
  }
  for (const auto& [source, head] : reader.heads()) {
    heads_[source] = head.position;
    if (source == kCatalogueSource) {
      restored.entries += reader.catalogue().size();
      sources_.catalog().Restore(head.position, std::move(reader.catalogue()));
    } else {
      // One of which nothing but the position is known has told that there is nothing.
      ASSIGN_OR_RETURN(const CellId cell, CellId::ParseName(source, "source"));
      RETURN_IF_ERROR(
          sources_.RestoredCell(cell)->Apply({.snapshot = false, .base = {}, .position = head.position, .entries = {}, .held_entries = 0}));
    }
    sources_.NoteRestored(source, head.saved_at, head.age);
  }
  // What is held is what is on disk.
  if (heads_.contains(kCatalogueSource)) sources_.catalog().TakeChanges();
  for (auto& [name, read] : reader.cells()) {
    read.store->entries().TakeChanges();
    read.store->TakeUnsavedRoutes();
  }
  return absl::OkStatus();
}

// ---- Save ----

absl::Status FeedCheckpoint::Save() {
  if (!restored_) return absl::OkStatus();
  if (checkpoint_ == nullptr) {
    RETURN_IF_ERROR(Open());
    void_on_disk_ = true;  // What is there isn't what this run began with.
  }
  if (std::exchange(void_on_disk_, false)) pending_.RemoveAll("");
  RETURN_IF_ERROR(Append());
  // Positions before what they are of.
  const auto cells = sources_.CellsWithStatus();
  const std::vector<SourceStatus> statuses = sources_.Statuses();
  RETURN_IF_ERROR(SaveEntries(sources_.catalog(), catalogue_, kCatalogue, ""));
  SetHead(statuses[1]);
  for (const auto& [status, store] : cells) {
    Cell& cell = cells_[status.source];
    const std::string folder = FolderOf(status.source);
    RETURN_IF_ERROR(SaveEntries(store->entries(), cell.holdings, absl::StrCat(folder, kHoldingsKeys), kHoldings));
    RETURN_IF_ERROR(SaveRoutes(*store, cell, folder));
    SetHead(status);
  }
  ForgetGone(statuses);
  return Append();
}

absl::Status FeedCheckpoint::Append() {
  if (pending_.empty()) return absl::OkStatus();
  RETURN_IF_ERROR(checkpoint_->Append(pending_));
  pending_.Clear();
  return absl::OkStatus();
}

absl::Status FeedCheckpoint::MayAppend() {
  return pending_.bytes() < kMostGroupBytes ? absl::OkStatus() : Append();
}

template <typename Store>
absl::Status FeedCheckpoint::SaveEntries(Store& store, Entries& entries, const std::string& folder, const std::string& within) {
  const auto write = [&]() -> absl::Status {
    for (; entries.at < entries.to_do.size(); ++entries.at) {
      RETURN_IF_ERROR(MayAppend());
      const std::string& key = entries.to_do[entries.at];
      if (const auto entry = store.Find(key); entry != nullptr) {
        pending_.Set(folder + key, entry->SerializeAsString());
        entries.on_disk.insert(key);
      } else if (entries.on_disk.erase(key) > 0) {
        pending_.Remove(folder + key);
      }
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(write());  // What an earlier Save left when the disk failed.
  KeyChanges changes = store.TakeChanges();
  entries.to_do = std::move(changes.keys);
  if (changes.all) {
    entries.to_do = store.Keys();
    entries.to_do.insert(entries.to_do.end(), entries.on_disk.begin(), entries.on_disk.end());
  }
  std::erase_if(entries.to_do, [&](const std::string& key) { return !absl::StartsWith(key, within); });
  std::sort(entries.to_do.begin(), entries.to_do.end());
  entries.to_do.erase(std::unique(entries.to_do.begin(), entries.to_do.end()), entries.to_do.end());
  entries.at = 0;
  return write();
}

absl::Status FeedCheckpoint::SaveRoutes(CellStore& store, Cell& cell, const std::string& folder) {
  const auto write = [&]() -> absl::Status {
    for (; cell.at < cell.to_do.size(); ++cell.at) {
      RETURN_IF_ERROR(MayAppend());
      SetRoutes(store, cell, folder, cell.to_do[cell.at]);
    }
    return absl::OkStatus();
  };
  RETURN_IF_ERROR(write());
  RouteChanges changes = store.TakeUnsavedRoutes();
  cell.to_do = std::move(changes.prefixes);
  if (changes.all) {
    cell.to_do = store.RoutedPrefixes();
    cell.to_do.insert(cell.to_do.end(), cell.on_disk.begin(), cell.on_disk.end());
  }
  std::sort(cell.to_do.begin(), cell.to_do.end());
  cell.to_do.erase(std::unique(cell.to_do.begin(), cell.to_do.end()), cell.to_do.end());
  cell.at = 0;
  return write();
}

void FeedCheckpoint::SetRoutes(CellStore& store, Cell& cell, const std::string& folder, const Prefix& prefix) {
  const std::string key = absl::StrCat(folder, kRoutes, KeyOf(prefix));
  const std::vector<StoredRoute> routes = store.RoutesAt(prefix);
  if (routes.empty()) {
    if (cell.on_disk.erase(prefix) > 0) pending_.Remove(key);
    return;
  }
  sv1::PrefixRecord record;
  for (const StoredRoute& route : routes) {
    record.add_speakers(NumberOf(route.speaker, cell, folder));
    record.add_path_ids(route.path_id);
    record.add_as_path_lengths(route.attributes.as_path_length);
    record.add_neighbour_as(route.attributes.neighbour_as);
    record.add_meds(route.attributes.med);
    record.add_demoted(route.attributes.demoted);
  }
  cell.on_disk.insert(prefix);
  pending_.Set(key, record.SerializeAsString());
}

// In the same group as the first route that it says, or an earlier one.
uint32_t FeedCheckpoint::NumberOf(const RouteSpeaker& speaker, Cell& cell, const std::string& folder) {
  const auto [at, is_new] = cell.speakers.try_emplace(speaker, cell.next_speaker);
  if (!is_new) return at->second;
  sv1::SpeakerRecord record;
  record.set_session(speaker.session.value());
  record.set_appliance(speaker.appliance.value());
  pending_.Set(absl::StrCat(folder, kSpeakers, cell.next_speaker), record.SerializeAsString());
  return cell.next_speaker++;
}

void FeedCheckpoint::SetHead(const SourceStatus& status) {
  if (status.position.nothing() || heads_[status.source] == status.position) return;
  heads_[status.source] = status.position;
  sv1::FeedHead head;
  head.mutable_position()->set_epoch(status.position.epoch);
  head.mutable_position()->set_version(status.position.version);
  head.set_saved_time_ms(absl::ToUnixMillis(clock_.Now()));
  if (status.heard_at > -absl::InfiniteDuration()) {
    head.set_age_ms(absl::ToInt64Milliseconds(std::max(absl::ZeroDuration(), clock_.Monotonic() - status.heard_at)));
  }
  pending_.Set(absl::StrCat(kHead, status.source), head.SerializeAsString());
}

void FeedCheckpoint::ForgetGone(const std::vector<SourceStatus>& statuses) {
  std::erase_if(cells_, [&](const auto& cell) {
    const std::string& name = cell.first;
    if (std::any_of(statuses.begin(), statuses.end(), [&](const SourceStatus& status) { return status.source == name; })) return false;
    pending_.RemoveAll(FolderOf(name));
    pending_.Remove(absl::StrCat(kHead, name));
    heads_.erase(name);
    return true;
  });
}

// ---- Compaction ----

void FeedCheckpoint::RunCompaction() {
  absl::Duration pause = kCompactionCheck;
  const auto wait = [&] {
    absl::MutexLock lock(&mu_);
    return !mu_.AwaitWithTimeout(absl::Condition(&stopping_), pause);
  };
  while (wait()) {
    pause = kCompactionCheck;
    if (!checkpoint_->wants_compaction()) continue;
    const absl::Status compacted = checkpoint_->Compact();
    if (compacted.ok() || absl::IsCancelled(compacted)) continue;
    LogError("the copy of the feeds on disk can't be compacted; it is tried again", {{"why", compacted}});
    pause = kCompactionPause;
  }
}

void FeedCheckpoint::Stop() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  if (checkpoint_ != nullptr) checkpoint_->Cancel();
  if (compaction_.joinable()) compaction_.join();
}

}  // namespace fairlead
