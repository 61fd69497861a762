#include "services/agent/fill/fetch.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "services/agent/files.h"

namespace fairlead::agent {
namespace {

constexpr absl::string_view kFaultPayload = "fairlead/source_fault";
constexpr absl::Duration kMaxNap = absl::Milliseconds(100);  // So that `stop` is seen soon.

// One transfer; libcurl calls back on the same thread.
class Transfer {
 public:
  Transfer(const FetchRequest& request, RateLimiter& limiter, const std::atomic<bool>& stop, const std::function<void(int64_t)>& on_bytes)
      : request_(request), limiter_(limiter), stop_(stop), on_bytes_(on_bytes) {}

  absl::Status Run() {
    const absl::Status opened = OpenPart();
    if (!opened.ok() || offset_ == request_.size_bytes) return opened;
    CURL* curl = curl_easy_init();
    if (curl == nullptr) return absl::UnavailableError("curl_easy_init failed");
    SetOptions(curl);
    const CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    return Judge(code, status);
  }

 private:
  absl::Status OpenPart() {
    fd_ = Fd(open(request_.part_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
    if (!fd_.valid()) return SystemError("open", request_.part_path);
    struct stat info;
    if (fstat(fd_.get(), &info) != 0) return SystemError("stat", request_.part_path);
    offset_ = info.st_size;
    return offset_ > request_.size_bytes ? Restart() : absl::OkStatus();
  }
  absl::Status Restart() {
    if (ftruncate(fd_.get(), 0) != 0) return SystemError("truncate", request_.part_path);
    offset_ = 0;
    return absl::OkStatus();
  }

  void SetOptions(CURL* curl) {
    curl_easy_setopt(curl, CURLOPT_URL, request_.url.c_str());
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, 3000L);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, static_cast<long>(kChunkBytes));
    if (offset_ > 0) {
      range_ = absl::StrCat(offset_, "-");
      curl_easy_setopt(curl, CURLOPT_RANGE, range_.c_str());
    }
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &Transfer::OnHeader);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, this);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Transfer::OnData);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, this);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &Transfer::OnProgress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, this);
    curl_ = curl;
    window_start_ = absl::Now();
  }

  static size_t OnHeader(char* data, size_t size, size_t count, void* self) {
    absl::string_view line(data, size * count);
    if (absl::StartsWithIgnoreCase(line, "content-range:")) {
      static_cast<Transfer*>(self)->content_range_ = std::string(absl::StripAsciiWhitespace(line.substr(14)));
    }
    return size * count;
  }
  static size_t OnData(char* data, size_t size, size_t count, void* self) {
    return static_cast<Transfer*>(self)->Take(absl::string_view(data, size * count)) ? size * count : 0;
  }
  // Called about once a second and with each piece of data.
  static int OnProgress(void* self, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
    return static_cast<Transfer*>(self)->MayGoOn() ? 0 : 1;
  }

  // What the first bytes of the body must follow from.
  absl::Status BeginBody() {
    long status = 0;
    curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
    if (status == 200) return Restart();  // A source that doesn't do ranges sends all.
    if (status != 206) return SourceError(SourceFaultReason::kRefused, "not a file");
    const std::string wanted = absl::StrCat("bytes ", offset_, "-", request_.size_bytes - 1, "/", request_.size_bytes);
    if (content_range_ != wanted) {
      return SourceError(SourceFaultReason::kTruncated,
                         absl::StrCat("Content-Range '", absl::CEscape(content_range_.substr(0, 60)), "' instead of '", wanted, "'"));
    }
    return absl::OkStatus();
  }

  bool Take(absl::string_view data) {
    if (!began_) {
      began_ = true;
      long status = 0;
      curl_easy_getinfo(curl_, CURLINFO_RESPONSE_CODE, &status);
      if (status != 200 && status != 206) return false;  // The body of an error is nothing to us.
      failure_ = BeginBody();
      if (!failure_.ok()) return false;
    }
    if (offset_ + static_cast<int64_t>(data.size()) > request_.size_bytes) {
      failure_ = SourceError(SourceFaultReason::kTruncated, absl::StrCat("longer than ", request_.size_bytes, " bytes"));
      return false;
    }
    window_bytes_ += data.size();
    const size_t total = data.size();
    while (!data.empty()) {
      const ssize_t written = pwrite(fd_.get(), data.data(), data.size(), offset_);
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) {
        failure_ = SystemError("write", request_.part_path);
        return false;
      }
      offset_ += written;
      data.remove_prefix(written);
    }
    on_bytes_(offset_);
    return Throttle(limiter_.Take(static_cast<int64_t>(total)));
  }

  bool Throttle(absl::Duration wait) {
    const absl::Time start = absl::Now();
    for (absl::Duration left = wait; left > absl::ZeroDuration() && !stop_; left -= kMaxNap) absl::SleepFor(std::min(left, kMaxNap));
    throttled_ += absl::Now() - start;
    return !stop_;
  }

  bool MayGoOn() {
    if (stop_) return false;
    const absl::Duration waited = absl::Now() - window_start_ - throttled_;
    if (waited < request_.slow_time) return true;
    if (window_bytes_ < request_.slow_bytes) {
      failure_ = SourceError(SourceFaultReason::kSlow, absl::StrCat("slow: ", window_bytes_, " bytes in ",
                                                                    absl::FormatDuration(absl::Trunc(waited, absl::Milliseconds(100)))));
      return false;
    }
    window_start_ = absl::Now();
    window_bytes_ = 0;
    throttled_ = absl::ZeroDuration();
    return true;
  }

  absl::Status Judge(CURLcode code, long status) {
    if (stop_) return absl::CancelledError("stopped");
    if (!failure_.ok()) return failure_;
    if (status == 404) return SourceError(SourceFaultReason::kMissing, "HTTP status 404");
    // It has less of the file than we do.
    if (status == 416) return SourceError(SourceFaultReason::kTruncated, "HTTP status 416");
    if (status != 0 && status != 200 && status != 206) {
      return SourceError(SourceFaultReason::kRefused, absl::StrCat("HTTP status ", status));
    }
    if (offset_ == request_.size_bytes) return absl::OkStatus();
    const std::string why = code == CURLE_OK ? "" : absl::StrCat(": ", curl_easy_strerror(code));
    if (!began_) return SourceError(SourceFaultReason::kUnreachable, absl::StrCat("no answer", why));
    return SourceError(SourceFaultReason::kTruncated, absl::StrCat("cut off at ", offset_, " of ", request_.size_bytes, " bytes", why));
  }

  const FetchRequest& request_;
  RateLimiter& limiter_;
  const std::atomic<bool>& stop_;
  const std::function<void(int64_t)>& on_bytes_;
  CURL* curl_ = nullptr;
  Fd fd_;
  std::string range_, content_range_;
  int64_t offset_ = 0;
  bool began_ = false;
  absl::Status failure_;
  absl::Time window_start_;
  absl::Duration throttled_ = absl::ZeroDuration();
  int64_t window_bytes_ = 0;
};

}  // namespace

absl::Status SourceError(SourceFaultReason reason, absl::string_view why) {
  absl::Status status = absl::UnavailableError(why);
  status.SetPayload(kFaultPayload, absl::Cord(absl::StrCat(static_cast<int>(reason))));
  return status;
}

std::optional<SourceFaultReason> SourceFaultOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kFaultPayload);
  int reason = 0;
  if (!payload.has_value() || !absl::SimpleAtoi(std::string(*payload), &reason)) return std::nullopt;
  return static_cast<SourceFaultReason>(reason);
}

absl::Status Fetch(const FetchRequest& request, RateLimiter& limiter, const std::atomic<bool>& stop,
                   const std::function<void(int64_t)>& on_bytes) {
  return Transfer(request, limiter, stop, on_bytes).Run();
}

}  // namespace fairlead::agent
