// steerd's copy of the feeds on disk: whatever stands there, all of it is taken or nothing, and the run goes on from there: what it saves,
// the next one finds.
//
// The first byte says what the rest is: 'r' records, honest and nearly honest ones among them; 'c' bases and logs of arbitrary blocks, with
// lines and checksums made right, so that what lies behind them is reached; 'd' damage to the files of an honest copy (bits, cuts, holes,
// parts of another), of which an earlier whole state must be left.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "fairlead/content/v1/catalog_service.pb.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "fairlead/steering/v1/checkpoint.pb.h"
#include "libs/checkpoint/change_batch.h"
#include "libs/checkpoint/checkpoint.h"
#include "libs/checkpoint/file.h"
#include "libs/checkpoint/record_file.h"
#include "libs/feed/position.h"
#include "libs/log/log.h"
#include "services/steering/feed_checkpoint.h"
#include "services/steering/feed_checkpoint_run.h"
#include "services/steering/sources.h"
#include "tests/fuzz/byte_reader.h"
#include "tests/fuzz/require.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using FleetEntry = ingest::v1::FleetEntry;

constexpr int kMostDamage = 8;
constexpr int kMostRecords = 64;
constexpr char kNoFiles[] = "\x3a\x30\0\0\0\0\0";  // A Roaring bitmap of nothing; with the zero at its end.

// In memory where there is such a place: each step is synced.
class Folder {
 public:
  Folder() : path_(std::filesystem::is_directory("/dev/shm") ? "/dev/shm/feeds-fuzz-XXXXXX" : "/tmp/feeds-fuzz-XXXXXX") {
    FUZZ_REQUIRE(mkdtemp(path_.data()) != nullptr, path_);
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  const std::string& path() const { return path_; }
  void Write(const std::string& name, absl::string_view bytes) const { std::ofstream(path_ + "/" + name, std::ios::binary) << bytes; }

 private:
  std::string path_;
};

std::unique_ptr<Checkpoint> Open(const std::string& folder) {
  auto checkpoint = Checkpoint::Open({.folder = folder, .name = FeedCheckpoint::kName});
  FUZZ_REQUIRE(checkpoint.ok(), checkpoint.status().ToString());
  return *std::move(checkpoint);
}

// ---- What must hold ----

// How much there is.
struct Tally {
  size_t entries = 0;
  size_t prefixes = 0;
  size_t routes = 0;
  friend bool operator==(const Tally&, const Tally&) = default;
  std::string ToString() const { return absl::StrCat(entries, " entries, ", prefixes, " prefixes, ", routes, " routes"); }
};

// Of the records that can be read; a catalogue counts with its position.
Tally OnDisk(const std::string& folder) {
  Tally tally;
  size_t catalogue = 0;
  bool has_catalogue = false;
  Open(folder)
      ->ForEach([&](absl::string_view key, absl::string_view value) {
        if (absl::StartsWith(key, "c/")) ++catalogue;
        has_catalogue = has_catalogue || key == "p/catalog";
        if (!absl::ConsumePrefix(&key, "f/")) return;
        key.remove_prefix(std::min(key.find('/'), key.size() - 1) + 1);
        if (absl::StartsWith(key, "h/")) ++tally.entries;
        sv1::PrefixRecord record;
        if (!absl::StartsWith(key, "r/") || !record.ParseFromString(std::string(value))) return;
        ++tally.prefixes;
        tally.routes += static_cast<size_t>(record.speakers_size());
      })
      .IgnoreError();
  if (has_catalogue) tally.entries += catalogue;
  return tally;
}

Tally Held(FeedCheckpointRun& run) {
  Tally tally = {.entries = run.sources().catalog().Keys().size()};
  for (const auto& store : run.sources().cells()) {
    tally.entries += store->entries().Keys().size();
    tally.prefixes += store->RoutedPrefixes().size();
    tally.routes += store->routes();
  }
  return tally;
}

void CheckTaken(FeedCheckpointRun& run, const FeedCheckpoint::Restored& restored, const Tally& on_disk) {
  const Tally held = Held(run);
  FUZZ_REQUIRE(held == on_disk, "held: ", held.ToString(), "; on disk: ", on_disk.ToString());
  FUZZ_REQUIRE(restored.entries == held.entries && restored.prefixes == held.prefixes, restored.entries, " ", restored.prefixes);
  const absl::Duration now = run.clock().Monotonic();
  for (const SourceStatus& status : run.sources().Statuses()) FUZZ_REQUIRE(status.heard_at <= now, status.source, " comes of the future");
}

void CheckRefused(FeedCheckpointRun& run, const absl::Status& why) {
  FUZZ_REQUIRE(why.code() == absl::StatusCode::kDataLoss, why.ToString());
  FUZZ_REQUIRE(!why.message().empty() && why.message().size() < 1'500, why.message().size());
  FUZZ_REQUIRE(Held(run) == Tally(), "refused, and yet there are ", Held(run).ToString());
  for (const SourceStatus& status : run.sources().Statuses()) {
    FUZZ_REQUIRE(status.position.nothing() && !status.from_disk, status.source, " was refused, and yet it is known");
  }
}

// What the feeds say next: a route of a new session, holdings, a title.
void GoOn(FeedCheckpointRun& run, uint64_t version, bool snapshot) {
  FleetEntry route;
  route.set_key("route/new/192.0.2.0/24/7");
  route.mutable_route()->set_session("bgpSessions/new");
  route.mutable_route()->set_appliance("appliances/new");
  route.mutable_route()->mutable_prefix()->set_address("\xc0\0\x02\0", 4);
  route.mutable_route()->mutable_prefix()->set_length(24);
  route.mutable_route()->set_path_id(7);
  route.mutable_route()->set_med(static_cast<uint32_t>(version));
  FleetEntry holdings;
  holdings.set_key("holdings/new");
  holdings.mutable_holdings()->set_appliance("appliances/new");
  holdings.mutable_holdings()->set_bitmap(kNoFiles, sizeof(kNoFiles));
  content::v1::CatalogEntry title;
  title.set_key("titles/new");
  title.mutable_title()->set_name(absl::StrCat("titles/v", version));
  const FeedPosition position = {9, version};
  run.cell("one")
      .Apply({.snapshot = snapshot, .base = {}, .position = position, .entries = {route, holdings}, .held_entries = 0})
      .IgnoreError();
  run.sources()
      .catalog()
      .Apply({.snapshot = snapshot, .base = {}, .position = position, .entries = {title}, .held_entries = 0})
      .IgnoreError();
}

BulkPicture Saved(FeedCheckpointRun& run) {
  const absl::Status saved = run.checkpoint().Save();
  FUZZ_REQUIRE(saved.ok(), saved.ToString());
  return run.picture();
}

void CheckNextRun(const std::string& folder, const BulkPicture& saved) {
  FeedCheckpointRun run(folder);
  const auto restored = run.checkpoint().Restore();
  FUZZ_REQUIRE(restored.ok(), "what was saved is refused: ", restored.status().ToString());
  FUZZ_REQUIRE(restored->faults.empty(), restored->faults[0].ToString());
  FUZZ_REQUIRE(run.picture() == saved, "another state than the one saved");
}

void CheckFolder(const std::string& folder) {
  const Tally on_disk = OnDisk(folder);
  BulkPicture saved;
  {
    FeedCheckpointRun run(folder);
    const auto restored = run.checkpoint().Restore();
    if (restored.ok()) {
      CheckTaken(run, *restored, on_disk);
    } else {
      CheckRefused(run, restored.status());
    }
    GoOn(run, 1, !restored.ok());
    saved = Saved(run);
  }
  CheckNextRun(folder, saved);
  Open(folder)->Compact().IgnoreError();
  CheckNextRun(folder, saved);
}

// ---- Records ----

std::string Name(ByteReader& reader) {
  const uint8_t number = reader.Byte();
  return number < 8 ? absl::StrCat("x", number) : number < 16 ? std::string(reader.Take(number)) : "one";
}

std::string PrefixKey(ByteReader& reader) {
  const uint8_t length = reader.Byte();
  std::string key(reader.Take(length % 4 == 0 ? 16 : 4));
  key.resize(length % 4 == 0 ? 16 : 4);
  key.push_back(static_cast<char>(reader.Byte()));
  return key;
}

std::string Routes(ByteReader& reader) {
  sv1::PrefixRecord record;
  for (int routes = reader.Byte() % 5; routes > 0; --routes) {
    record.add_speakers(reader.Byte());
    record.add_path_ids(reader.Byte());
    record.add_as_path_lengths(reader.Byte());
    record.add_neighbour_as(reader.Byte());
    record.add_meds(reader.Byte());
    if (reader.Byte() < 0xf0) record.add_demoted(routes % 2 == 0);
  }
  return record.SerializeAsString();
}

std::string Head(ByteReader& reader) {
  sv1::FeedHead head;
  head.mutable_position()->set_epoch(reader.Byte());
  head.mutable_position()->set_version(reader.Byte());
  head.set_saved_time_ms(1'800'000'000'000 * (reader.Byte() % 3));
  const int age = reader.Byte() - 64;
  if (age < 128) head.set_age_ms(age);
  return head.SerializeAsString();
}

void AddRecord(ByteReader& reader, ChangeBatch& batch) {
  const uint8_t kind = reader.Byte();
  const std::string folder = absl::StrCat("f/", Name(reader), "/");
  switch (kind % 8) {
    case 0: {
      content::v1::CatalogEntry entry;
      entry.set_key("titles/" + Name(reader));
      if (reader.Byte() < 0xf0) entry.mutable_title()->set_name(entry.key());
      return batch.Set("c/" + entry.key(), entry.SerializeAsString());
    }
    case 1: {
      FleetEntry entry;
      const std::string box = Name(reader);
      const uint8_t what = reader.Byte();
      entry.set_key(absl::StrCat(what < 0xf0 ? "holdings/" : "state/", box));
      if (what < 0xf8) entry.mutable_holdings()->set_appliance("appliances/" + box);
      if (what < 0x80) entry.mutable_holdings()->set_bitmap(kNoFiles, sizeof(kNoFiles));
      return batch.Set(absl::StrCat(folder, "h/", entry.key()), entry.SerializeAsString());
    }
    case 2: {
      sv1::SpeakerRecord record;
      record.set_session(Name(reader));
      record.set_appliance(Name(reader));
      const uint8_t number = reader.Byte();
      const std::string text = number < 0xf0 ? absl::StrCat(number) : number < 0xf8 ? "4294967295" : std::string(reader.Take(number % 8));
      return batch.Set(absl::StrCat(folder, "a/", text), record.SerializeAsString());
    }
    case 3: {
      const std::string prefix = PrefixKey(reader);
      return batch.Set(absl::StrCat(folder, "r/", prefix), Routes(reader));
    }
    case 4: {
      const std::string source = kind < 128 ? "catalog" : absl::StrCat("cells/", Name(reader));
      return batch.Set("p/" + source, Head(reader));
    }
    case 5:
      return batch.RemoveAll(reader.Take(reader.Byte() % 8));
    case 6:
      return batch.Remove(reader.Take(reader.Byte()));
    default:
      const absl::string_view key = reader.Take(reader.Byte());
      return batch.Set(key, reader.Take(reader.Word()));
  }
}

void CheckRecords(ByteReader reader) {
  const Folder folder;
  ChangeBatch batch;
  for (int i = 0; i < kMostRecords && !reader.empty(); ++i) AddRecord(reader, batch);
  const absl::Status appended = Open(folder.path())->Append(batch);
  FUZZ_REQUIRE(appended.ok(), appended.ToString());
  CheckFolder(folder.path());
}

// ---- Files with right checksums ----

std::string Block(ByteReader& reader) {
  const uint8_t records = reader.Byte();
  if (records >= 0xc0) return std::string(reader.Take(reader.Word()));
  ChangeBatch batch;
  for (int i = records % 8; i > 0; --i) AddRecord(reader, batch);
  return batch.empty() ? "" : batch.blocks()[0];
}

void WriteFile(ByteReader& reader, const Folder& folder, size_t before) {
  const uint8_t what = reader.Byte();
  const uint64_t serial = what % 4;
  const bool is_base = what >= 128;
  const std::string tail = what % 8 < 4 ? absl::StrCat(" ", before) : absl::StrCat(" ", std::numeric_limits<uint64_t>::max());
  std::string bytes =
      FrameLine(absl::StrCat("fairlead checkpoint 1 ", is_base ? "base" : "log", " feeds ", serial, is_base ? std::string() : tail));
  for (int records = reader.Byte() % 8; records > 0; --records) {
    const auto kind = static_cast<RecordKind>(reader.Byte() % 5);
    FrameRecord(Block(reader), kind, serial, bytes.size(), bytes);
  }
  if (is_base) FrameRecord("", RecordKind::kEnd, serial, bytes.size(), bytes);
  folder.Write(absl::StrCat("feeds.", is_base ? "base." : "log.", serial), bytes);
}

void CheckFiles(ByteReader reader) {
  const Folder folder;
  for (int files = 0; files < 4 && !reader.empty(); ++files) WriteFile(reader, folder, reader.Byte());
  CheckFolder(folder.path());
}

// ---- Damage ----

using Files = std::map<std::string, std::string>;

struct Honest {
  Files files;  // Of two saves, with a base between them.
  std::vector<BulkPicture> states;
};

const Honest& TheHonest() {
  static const Honest* const honest = [] {
    auto* const made = new Honest();
    const Folder folder;
    made->states.push_back(FeedCheckpointRun(folder.path()).picture());
    for (const uint64_t version : {1, 2}) {
      {
        FeedCheckpointRun run(folder.path());
        FUZZ_REQUIRE(run.checkpoint().Restore().ok(), version);
        GoOn(run, version, false);
        made->states.push_back(Saved(run));
      }
      if (version == 1) FUZZ_REQUIRE(Open(folder.path())->Compact().ok(), "no base");
    }
    std::error_code error;
    for (std::filesystem::directory_iterator file(folder.path(), error), end; !error && file != end; file.increment(error)) {
      made->files[file->path().filename()] = *ReadFile(file->path(), size_t{1} << 20);
    }
    FUZZ_REQUIRE(made->files.size() > 3, made->files.size());
    return made;
  }();
  return *honest;
}

void Damage(ByteReader& reader, absl::string_view other, std::string& bytes) {
  const size_t at = reader.Word() % (bytes.size() + 1);
  switch (reader.Byte() % 6) {
    case 0:
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << reader.Byte() % 8));
      return;
    case 1:
      return bytes.resize(at);
    case 2:
      bytes.erase(at, reader.Byte());
      return;
    case 3:
      bytes.insert(at, std::string(reader.Take(reader.Byte())));
      return;
    case 4:  // As a torn write leaves it.
      bytes.replace(at, reader.Word(), std::string(other.substr(std::min(at, other.size()))));
      return;
    default:
      bytes = std::string(other);
      return;
  }
}

void CheckDamage(ByteReader reader) {
  const Honest& honest = TheHonest();
  Files files = honest.files;
  const auto any = [&]() -> std::string& { return std::next(files.begin(), reader.Byte() % static_cast<int>(files.size()))->second; };
  for (int step = 0; step == 0 || (step < kMostDamage && !reader.empty()); ++step) {
    const std::string other = any();
    Damage(reader, other, any());
  }
  const Folder folder;
  for (const auto& [name, bytes] : files) folder.Write(name, bytes);
  FeedCheckpointRun run(folder.path());
  const auto restored = run.checkpoint().Restore();
  FUZZ_REQUIRE(restored.ok(), restored.status().ToString());
  const BulkPicture found = run.picture();
  FUZZ_REQUIRE(std::find(honest.states.begin(), honest.states.end(), found) != honest.states.end(), "a state that never was");
}

}  // namespace
}  // namespace fairlead

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // Of entries that a cell leaves out it tells each.
  static const bool quiet = (fairlead::InitLog("feed_checkpoint_fuzz", fairlead::LogLevel::kError), true);
  static_cast<void>(quiet);
  fairlead::ByteReader reader(data, size);
  switch (reader.Byte()) {
    case 'r':
      fairlead::CheckRecords(reader);
      break;
    case 'c':
      fairlead::CheckFiles(reader);
      break;
    case 'd':
      fairlead::CheckDamage(reader);
      break;
    default:
      break;
  }
  return 0;
}
