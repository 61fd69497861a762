#include "services/agent/fill/filler.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"
#include "libs/log/log.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

constexpr absl::Duration kIdle = absl::Milliseconds(100);
constexpr size_t kResolveAhead = 20;
// Of what a source did wrong, in bytes: filld takes 200 a fault.
constexpr size_t kMaxWhy = 200;
constexpr size_t kMaxLeft = 800;

std::string FolderOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// "<rendition>/<file>" of "<title>/<version>/<rendition>/<file>".
std::string BelowVersion(const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(path, absl::MaxSplits('/', 2));
  return parts.back();
}

ApplianceId IdOf(const std::string& appliance) {
  return ApplianceId::ParseName(appliance).value_or(ApplianceId(appliance));
}

int64_t SizeOf(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0 ? info.st_size : 0;
}

bool IsOurDiskFull(const absl::Status& status) {
  return absl::IsResourceExhausted(status);
}

absl::Status SyncFile(const std::string& path) {
  const Fd fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return SystemError("open", path);
  return fsync(fd.get()) == 0 ? absl::OkStatus() : SystemError("sync", path);
}

}  // namespace

Filler::Filler(FillerOptions options, HoldingsIndex& index, SourceResolver& resolver, const Clock& clock)
    : options_(std::move(options)), index_(index), resolver_(resolver), clock_(clock), limiter_(clock, 0), memory_(options_.sources) {}

Filler::~Filler() {
  Stop();
}

absl::Status Filler::Start() {
  for (const auto& [tier, folder] : options_.folders) RETURN_IF_ERROR(MakeFolder(folder + "/.partial"));
  for (int i = 0; i < options_.workers; ++i) threads_.emplace_back([this] { Work(); });
  return absl::OkStatus();
}

void Filler::Stop() {
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Filler::SetManifest(const std::string& generation, std::vector<HeldFile> wanted) {
  absl::MutexLock lock(&mu_);
  generation_ = generation;
  wanted_ = std::move(wanted);
  first_missing_ = 0;
  attempts_.clear();
  sources_.clear();
  detail_.clear();
  full_until_.clear();
  memory_.ForgetFiles();
  RemoveStrayParts();
}

// What an older manifest wanted would lie on the disk for ever.
void Filler::RemoveStrayParts() {
  std::set<std::string> kept;
  std::set<std::string> running;
  for (const HeldFile& file : wanted_) {
    const auto folder = options_.folders.find(file.tier);
    if (folder == options_.folders.end()) continue;
    for (const StoredFile* stored : {&file.media, &file.playlist}) kept.insert(PartPath(folder->second, file.number, *stored));
  }
  for (const uint32_t number : running_) running.insert(absl::StrCat(number));
  for (const auto& [tier, folder] : options_.folders) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder + "/.partial", error), end; !error && entry != end; entry.increment(error)) {
      const std::string name = entry->path().filename().string();
      if (kept.contains(entry->path().string()) || running.contains(name.substr(0, name.find('-')))) continue;
      std::error_code ignored;
      std::filesystem::remove(entry->path(), ignored);
    }
  }
}

void Filler::SetLimits(int64_t rate_bps, std::map<Tier, int64_t> capacities) {
  limiter_.SetRate(rate_bps);
  absl::MutexLock lock(&mu_);
  capacities_ = std::move(capacities);
}

void Filler::Recheck() {
  absl::MutexLock lock(&mu_);
  first_missing_ = 0;
}

FillerStatus Filler::Status() const {
  FillerStatus status;
  absl::MutexLock lock(&mu_);
  status.manifest_generation = generation_;
  status.active = !running_.empty();
  status.files_wanted = static_cast<int>(wanted_.size());
  for (const HeldFile& file : wanted_) {
    if (index_.Holds(file.number, file.media.sha256)) {
      ++status.files_held;
    } else {
      status.bytes_missing += file.stored_bytes();
    }
  }
  status.bytes_fetched = limiter_.taken();
  status.disk_full = !full_until_.empty();
  status.source_faults = memory_.counts();
  status.detail = detail_;
  return status;
}

std::vector<FileProgress> Filler::TakeProgress() {
  absl::MutexLock lock(&mu_);
  std::vector<FileProgress> out;
  while (!progress_.empty() && out.size() < kMaxProgress) {
    out.push_back(std::move(progress_.begin()->second));
    progress_.erase(progress_.begin());
  }
  return out;
}

void Filler::Note(FileProgress progress) {
  absl::MutexLock lock(&mu_);
  progress_[progress.number] = std::move(progress);
}

void Filler::Work() {
  HeldFile file;
  while (!stop_) {
    if (!Next(file)) {
      ReportFaults();
      absl::SleepFor(kIdle);
      continue;
    }
    Finish(file, Obtain(file));
  }
}

bool Filler::Next(HeldFile& file) {
  const absl::Duration now = clock_.Monotonic();
  absl::MutexLock lock(&mu_);
  bool all_before_held = true;
  for (size_t i = first_missing_; i < wanted_.size(); ++i) {
    const HeldFile& candidate = wanted_[i];
    if (index_.Holds(candidate.number, candidate.media.sha256)) {
      if (all_before_held) first_missing_ = i + 1;
      continue;
    }
    all_before_held = false;
    if (running_.contains(candidate.number)) continue;
    Attempt& attempt = attempts_[candidate.number];
    const auto full = full_until_.find(candidate.tier);
    if (now < attempt.retry_at || (full != full_until_.end() && now < full->second)) continue;
    attempt.first_try = std::min(attempt.first_try, now);
    running_.insert(candidate.number);
    file = candidate;
    return true;
  }
  return false;
}

void Filler::Finish(const HeldFile& file, const absl::Status& status) {
  const absl::Duration now = clock_.Monotonic();
  FileProgress progress;
  progress.number = file.number;
  if (status.ok()) {
    progress.state = FileProgress::State::kDone;
    progress.bytes_done = file.stored_bytes();
  } else {
    progress.state = FileProgress::State::kFailed;
    progress.detail = std::string(status.message());
    if (!stop_) LogWarning("file can't be filled now", {{"path", file.media.path}, {"error", status}});
  }
  absl::MutexLock lock(&mu_);
  running_.erase(file.number);
  const bool full = IsOurDiskFull(status);
  if (!full && !stop_) full_until_.erase(file.tier);
  if (status.ok()) {
    // Not from progress_, which may have been taken while the file was on its way.
    const auto attempt = attempts_.find(file.number);
    if (attempt != attempts_.end()) {
      progress.source = attempt->second.source;
      progress.source_class = attempt->second.source_class;
      progress.detail = attempt->second.left;
    }
    attempts_.erase(file.number);
    sources_.erase(file.number);
    memory_.Forget(file.number);
    if (running_.empty()) detail_.clear();
  } else if (!stop_) {
    Attempt& attempt = attempts_[file.number];
    if (full) full_until_[file.tier] = now + options_.full_disk_pause;
    const bool waiting = absl::IsNotFound(status) || full;
    if (!waiting) attempt.delay = std::clamp(attempt.delay * 2, options_.retry_first, options_.retry_most);
    attempt.retry_at = now + (full ? options_.full_disk_pause : waiting ? options_.retry_waiting : attempt.delay);
    detail_ = absl::StrCat(file.media.path, ": ", status.message());
  }
  progress_[file.number] = std::move(progress);
}

absl::Status Filler::Obtain(const HeldFile& file) {
  if (!options_.folders.contains(file.tier)) return InvalidField("tier", ToString(file.tier), "the box has no such folder");
  for (const StoredFile* stored : {&file.media, &file.playlist}) {
    if (stored == &file.playlist && stored->path.empty()) continue;
    RETURN_IF_ERROR(ContentPath::Parse(stored->path, "file.path").status());
    if (stored->sha256.size() != 32 || stored->size_bytes < 0) return InvalidField("file", stored->path, "has no SHA-256 or size");
  }
  ASSIGN_OR_RETURN(const std::vector<StoredFile> missing, Missing(file));
  if (missing.empty()) return index_.Add(file);
  RETURN_IF_ERROR(CheckRoom(file));
  const absl::Status fetched = FetchFromSources(file, missing);
  absl::MutexLock lock(&mu_);
  reserved_[file.tier] -= file.stored_bytes();
  return fetched;
}

// A box arrives pre-loaded: what is in its place and right needs no fetching. What is wrong there is taken away.
absl::StatusOr<std::vector<StoredFile>> Filler::Missing(const HeldFile& file) const {
  std::vector<StoredFile> missing;
  for (const StoredFile* stored : {&file.media, &file.playlist}) {
    if (stored->path.empty()) continue;
    ASSIGN_OR_RETURN(const bool in_place, IsInPlace(*stored, options_.folders.at(file.tier)));
    if (!in_place) missing.push_back(*stored);
  }
  return missing;
}

absl::Status Filler::CheckRoom(const HeldFile& file) {
  const std::string& folder = options_.folders.at(file.tier);
  struct statvfs info;
  if (statvfs(folder.c_str(), &info) != 0) return SystemError("statvfs", folder);
  const int64_t free = static_cast<int64_t>(info.f_bavail) * static_cast<int64_t>(info.f_frsize);
  const int64_t used = index_.used_bytes(file.tier);
  absl::MutexLock lock(&mu_);
  int64_t& reserved = reserved_[file.tier];
  if (free - reserved - file.stored_bytes() < options_.reserve_bytes) {
    return absl::ResourceExhaustedError(absl::StrCat("disk full: ", folder, " has ", free, " bytes free"));
  }
  const auto capacity = capacities_.find(file.tier);
  if (capacity != capacities_.end() && used + reserved + file.stored_bytes() > capacity->second) {
    return absl::OutOfRangeError(absl::StrCat("tier ", ToString(file.tier), " is full: ", used, " of ", capacity->second, " bytes used"));
  }
  reserved += file.stored_bytes();
  return absl::OkStatus();
}

absl::StatusOr<std::vector<FillSource>> Filler::SourcesOf(const HeldFile& file) {
  absl::MutexLock resolve_lock(&resolve_mu_);
  std::vector<uint32_t> numbers;
  {
    const absl::Duration now = clock_.Monotonic();
    absl::MutexLock lock(&mu_);
    const auto known = sources_.find(file.number);
    if (known != sources_.end() && now < known->second.until) return known->second.sources;
    // The next ones too, so that a thousand files are fifty calls.
    numbers.push_back(file.number);
    for (size_t i = first_missing_; i < wanted_.size() && numbers.size() < kResolveAhead; ++i) {
      if (wanted_[i].number != file.number && !index_.Holds(wanted_[i].number, wanted_[i].media.sha256))
        numbers.push_back(wanted_[i].number);
    }
  }
  ASSIGN_OR_RETURN(FillSources found, Ask(numbers));
  absl::MutexLock lock(&mu_);
  const absl::Duration now = clock_.Monotonic();
  for (const uint32_t number : numbers) {
    const std::vector<FillSource>& sources = found[number];
    // Where all are to be waited for, somebody nearer may get the file at any moment.
    const bool at_once = std::any_of(sources.begin(), sources.end(), [](const FillSource& s) { return s.wait <= absl::ZeroDuration(); });
    sources_[number] = {sources, now + (at_once ? options_.sources_valid : options_.retry_waiting)};
  }
  return found[file.number];
}

absl::StatusOr<FillSources> Filler::Ask(const std::vector<uint32_t>& numbers) {
  std::vector<SourceFault> faults;
  {
    absl::MutexLock lock(&mu_);
    faults = memory_.TakeReports();
  }
  absl::StatusOr<FillSources> found = resolver_.Resolve(numbers, faults);
  absl::MutexLock lock(&mu_);
  next_report_ = clock_.Monotonic() + options_.report_pause;
  if (!found.ok()) memory_.Return(std::move(faults));
  return found;
}

void Filler::ReportFaults() {
  {
    absl::MutexLock lock(&mu_);
    if (!memory_.has_reports() || clock_.Monotonic() < next_report_) return;
  }
  absl::MutexLock resolve_lock(&resolve_mu_);
  Ask({}).status().IgnoreError();  // What can't be told is kept.
}

// Those who did wrong lately come last, also while filld doesn't know of it yet.
std::vector<FillSource> Filler::MayAsk(const HeldFile& file, const std::vector<FillSource>& sources) {
  const absl::Duration now = clock_.Monotonic();
  absl::MutexLock lock(&mu_);
  const absl::Duration wanted_for = now - attempts_[file.number].first_try;
  std::vector<FillSource> may;
  for (const FillSource& source : sources) {
    if (wanted_for >= source.wait && memory_.MayAsk(file.number, IdOf(source.appliance), now)) may.push_back(source);
  }
  std::stable_partition(may.begin(), may.end(), [&](const FillSource& source) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return !memory_.IsBehind(file.number, IdOf(source.appliance), now);
  });
  return may;
}

void Filler::Blame(const HeldFile& file, const std::string& source, SourceFaultReason reason, absl::string_view why) {
  LogWarning("a source is left", {{"path", file.media.path}, {"source", source}, {"reason", ToString(reason)}, {"why", why}});
  absl::MutexLock lock(&mu_);
  memory_.Blame({.source = IdOf(source), .file = file.number, .reason = reason, .detail = std::string(why.substr(0, kMaxWhy))},
                clock_.Monotonic());
  sources_.erase(file.number);
  std::string& left = attempts_[file.number].left;
  if (left.size() < kMaxLeft)
    absl::StrAppend(&left, left.empty() ? "" : "; ", source, ": ", ToString(reason), ", ", why.substr(0, kMaxWhy));
}

// NOT_FOUND: nobody to ask now; waiting helps.
absl::Status Filler::FetchFromSources(const HeldFile& file, const std::vector<StoredFile>& missing) {
  ASSIGN_OR_RETURN(const std::vector<FillSource> sources, SourcesOf(file));
  if (sources.empty()) return absl::NotFoundError("no source has it");
  std::string failures;
  for (const FillSource& source : MayAsk(file, sources)) {
    const absl::Status fetched = FetchFrom(file, missing, source);
    if (fetched.ok() || stop_) return fetched;
    const std::optional<SourceFaultReason> reason = SourceFaultOf(fetched);
    if (!reason.has_value()) return fetched;  // Our own trouble: the next source would meet it too.
    absl::StrAppend(&failures, failures.empty() ? "" : "; ", source.appliance, ": ", fetched.message());
    Blame(file, source.appliance, *reason, fetched.message());
  }
  if (failures.empty()) return absl::NotFoundError("all sources failed lately or are to be waited for");
  return absl::UnavailableError(failures);
}

absl::Status Filler::FetchFrom(const HeldFile& file, const std::vector<StoredFile>& missing, const FillSource& source) {
  FileProgress progress;
  progress.number = file.number;
  progress.source = source.appliance;
  progress.source_class = source.source_class;
  Note(progress);
  {
    absl::MutexLock lock(&mu_);
    Attempt& attempt = attempts_[file.number];
    attempt.source = source.appliance;
    attempt.source_class = source.source_class;
    progress_[file.number].detail = attempt.left;
  }
  const std::string& folder = options_.folders.at(file.tier);
  for (const StoredFile& stored : missing) RETURN_IF_ERROR(FetchOne(stored, folder, source, file));
  return Publish(file, missing);
}

absl::Status Filler::FetchOne(const StoredFile& stored, const std::string& folder, const FillSource& source, const HeldFile& file) {
  const std::string part = PartPath(folder, file.number, stored);
  const std::set<std::string> others = AddGiver(file, stored, part, source.appliance);
  RETURN_IF_ERROR(Download(stored, part, source, file));
  ASSIGN_OR_RETURN(std::string hash, HashFile(part));
  if (hash == stored.sha256) return absl::OkStatus();
  unlink(part.c_str());
  const absl::Status wrong = SourceError(SourceFaultReason::kCorrupt, absl::StrCat("SHA-256 of '", stored.path, "' is wrong"));
  if (others.empty()) return wrong;
  // Somebody of several gave a wrong byte. All of it from this one alone shows whether it was this one.
  LogWarning("bytes of several sources don't fit together: once more from one", {{"path", stored.path}, {"source", source.appliance}});
  AddGiver(file, stored, part, source.appliance);
  RETURN_IF_ERROR(Download(stored, part, source, file));
  ASSIGN_OR_RETURN(hash, HashFile(part));
  if (hash != stored.sha256) {
    unlink(part.c_str());
    return wrong;
  }
  for (const std::string& other : others) {
    if (!other.empty()) Blame(file, other, SourceFaultReason::kCorrupt, absl::StrCat("its part of '", stored.path, "' was wrong"));
  }
  return absl::OkStatus();
}

std::set<std::string> Filler::AddGiver(const HeldFile& file, const StoredFile& stored, const std::string& part, const std::string& source) {
  const int64_t size = SizeOf(part);
  absl::MutexLock lock(&mu_);
  std::set<std::string>& gave = attempts_[file.number].gave[stored.path];
  if (size == 0) gave.clear();
  if (size > 0 && gave.empty()) gave.insert("");
  std::set<std::string> others = gave;
  others.erase(source);
  gave.insert(source);
  return others;
}

absl::Status Filler::Download(const StoredFile& stored, const std::string& part, const FillSource& source, const HeldFile& file) {
  FetchRequest request;
  request.url = source.base_url + (absl::EndsWith(source.base_url, "/") ? "" : "/") + BelowVersion(stored.path);
  request.part_path = part;
  request.size_bytes = stored.size_bytes;
  request.slow_bytes = options_.slow_bytes;
  request.slow_time = options_.slow_time;
  // A cap far below the limit of slowness would make every source look slow.
  if (limiter_.rate() > 0) request.slow_bytes = std::min<int64_t>(request.slow_bytes, limiter_.rate() / 8 / 10);
  const bool is_media = stored.path == file.media.path;
  return Fetch(request, limiter_, stop_, [&](int64_t bytes) {
    if (!is_media) return;
    absl::MutexLock lock(&mu_);
    FileProgress& noted = progress_[file.number];
    noted.number = file.number;
    noted.source = source.appliance;
    noted.source_class = source.source_class;
    noted.bytes_done = bytes;
    noted.detail = attempts_[file.number].left;
  });
}

absl::Status Filler::Publish(const HeldFile& file, const std::vector<StoredFile>& fetched) {
  const std::string& folder = options_.folders.at(file.tier);
  // The playlist first: who finds the file finds its playlist too.
  for (auto stored = fetched.rbegin(); stored != fetched.rend(); ++stored) {
    const std::string part = PartPath(folder, file.number, *stored);
    const std::string target = folder + "/" + stored->path;
    RETURN_IF_ERROR(MakeFolder(FolderOf(target)));
    RETURN_IF_ERROR(SyncFile(part));
    if (rename(part.c_str(), target.c_str()) != 0) return SystemError("rename", part);
    RETURN_IF_ERROR(SyncFolder(FolderOf(target)));
  }
  return index_.Add(file);
}

std::string Filler::PartPath(const std::string& folder, uint32_t number, const StoredFile& stored) const {
  return absl::StrCat(folder, "/.partial/", number, "-", absl::BytesToHexString(stored.sha256), ".part");
}

}  // namespace fairlead::agent
