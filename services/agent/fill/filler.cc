#include "services/agent/fill/filler.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
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

std::string FolderOf(const std::string& path) {
  return path.substr(0, path.rfind('/'));
}

// "<rendition>/<file>" of "<title>/<version>/<rendition>/<file>".
std::string BelowVersion(const std::string& path) {
  const std::vector<std::string> parts = absl::StrSplit(path, absl::MaxSplits('/', 2));
  return parts.back();
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
    : options_(std::move(options)), index_(index), resolver_(resolver), clock_(clock), limiter_(clock, 0) {}

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
  paused_until_ = absl::ZeroDuration();
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
      absl::SleepFor(kIdle);
      continue;
    }
    Finish(file, Obtain(file));
  }
}

bool Filler::Next(HeldFile& file) {
  const absl::Duration now = clock_.Monotonic();
  absl::MutexLock lock(&mu_);
  if (now < paused_until_) return false;
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
    if (now < attempt.retry_at) continue;
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
  if (status.ok()) {
    // Not from progress_, which may have been taken while the file was on its way.
    const auto attempt = attempts_.find(file.number);
    if (attempt != attempts_.end()) {
      progress.source = attempt->second.source;
      progress.source_class = attempt->second.source_class;
    }
    attempts_.erase(file.number);
    sources_.erase(file.number);
    if (running_.empty()) detail_.clear();
  } else if (!stop_) {
    Attempt& attempt = attempts_[file.number];
    const bool waiting = absl::IsNotFound(status);
    if (!waiting) attempt.delay = std::clamp(attempt.delay * 2, options_.retry_first, options_.retry_most);
    attempt.retry_at = now + (waiting ? options_.retry_waiting : attempt.delay);
    detail_ = absl::StrCat(file.media.path, ": ", status.message());
    if (IsOurDiskFull(status)) paused_until_ = now + options_.full_disk_pause;
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
  ASSIGN_OR_RETURN(FillSources found, resolver_.Resolve(numbers));
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

// NOT_FOUND: nobody to ask now; waiting helps.
absl::Status Filler::FetchFromSources(const HeldFile& file, const std::vector<StoredFile>& missing) {
  ASSIGN_OR_RETURN(const std::vector<FillSource> sources, SourcesOf(file));
  if (sources.empty()) return absl::NotFoundError("no source has it");
  std::string failures;
  for (const FillSource& source : sources) {
    {
      const absl::Duration now = clock_.Monotonic();
      absl::MutexLock lock(&mu_);
      Attempt& attempt = attempts_[file.number];
      const auto bad = attempt.bad_until.find(source.appliance);
      if (bad != attempt.bad_until.end() && now < bad->second) continue;
      if (now - attempt.first_try < source.wait) continue;
    }
    const absl::Status fetched = FetchFrom(file, missing, source);
    if (fetched.ok()) return fetched;
    if (stop_ || IsOurDiskFull(fetched)) return fetched;
    absl::StrAppend(&failures, failures.empty() ? "" : "; ", source.appliance, ": ", fetched.message());
    absl::MutexLock lock(&mu_);
    // A source with wrong bytes will have them again; another may be back in a moment, or have a fresh token.
    const absl::Duration bad_time = absl::IsDataLoss(fetched) ? options_.bad_source_time : options_.failed_source_time;
    attempts_[file.number].bad_until[source.appliance] = clock_.Monotonic() + bad_time;
    sources_.erase(file.number);
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
  }
  const std::string& folder = options_.folders.at(file.tier);
  for (const StoredFile& stored : missing) RETURN_IF_ERROR(FetchOne(stored, folder, source, file));
  return Publish(file, missing);
}

absl::Status Filler::FetchOne(const StoredFile& stored, const std::string& folder, const FillSource& source, const HeldFile& file) {
  FetchRequest request;
  request.url = source.base_url + (absl::EndsWith(source.base_url, "/") ? "" : "/") + BelowVersion(stored.path);
  request.part_path = PartPath(folder, file.number, stored);
  request.size_bytes = stored.size_bytes;
  // A cap far below the limit of slowness would make every source look slow.
  if (limiter_.rate() > 0) request.slow_bytes = std::min<int64_t>(request.slow_bytes, limiter_.rate() / 8 / 10);
  const bool is_media = stored.path == file.media.path;
  RETURN_IF_ERROR(Fetch(request, limiter_, stop_, [&](int64_t bytes) {
    if (!is_media) return;
    absl::MutexLock lock(&mu_);
    FileProgress& noted = progress_[file.number];
    noted.number = file.number;
    noted.source = source.appliance;
    noted.source_class = source.source_class;
    noted.bytes_done = bytes;
  }));
  ASSIGN_OR_RETURN(const std::string hash, HashFile(request.part_path));
  if (hash == stored.sha256) return absl::OkStatus();
  // Which of several sources gave the wrong byte can't be told: all of it goes.
  unlink(request.part_path.c_str());
  return absl::DataLossError(absl::StrCat("SHA-256 of '", stored.path, "' is wrong"));
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
