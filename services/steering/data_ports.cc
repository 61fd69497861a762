#include "services/steering/data_ports.h"

#include <curl/curl.h>

#include <algorithm>
#include <memory>

#include "absl/container/flat_hash_set.h"

namespace fairlead {
namespace {

struct CloseEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CloseMulti {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

// What one endpoint says.
DataPort Read(CURL* handle, CURLcode code) {
  long error = 0;
  curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &error);
  if (code == CURLE_COULDNT_CONNECT) return error == ECONNREFUSED ? DataPort::kRefuses : DataPort::kUnknown;
  if (code != CURLE_OK) return DataPort::kUnknown;
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return status >= 500 ? DataPort::kRefuses : DataPort::kAnswers;
}

// All endpoints of one box.
DataPort Judge(const std::vector<DataPort>& endpoints) {
  const auto is = [](DataPort what) { return [what](DataPort each) { return each == what; }; };
  if (std::any_of(endpoints.begin(), endpoints.end(), is(DataPort::kAnswers))) return DataPort::kAnswers;
  return std::any_of(endpoints.begin(), endpoints.end(), is(DataPort::kRefuses)) ? DataPort::kRefuses : DataPort::kUnknown;
}

// One round over some boxes.
class Round {
 public:
  Round(const std::vector<DataPorts::Watched>& boxes, absl::Duration patience)
      : boxes_(boxes), patience_(patience), multi_(curl_multi_init()), said_(boxes.size()) {
    for (size_t box = 0; box < boxes.size(); ++box) {
      for (const std::string& url : boxes[box].urls) questions_.push_back({.box = box, .url = url + "/", .handle = nullptr});
    }
  }
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;
  ~Round() {
    for (Question& question : questions_) Drop(question);
  }

  std::vector<std::pair<ApplianceId, DataPort>> Ask() {
    size_t next = 0;
    size_t open = 0;
    while (multi_ != nullptr && (open > 0 || next < questions_.size())) {
      for (; open < DataPorts::kMostAtOnce && next < questions_.size(); ++next) open += Start(questions_[next]) ? 1 : 0;
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      open -= Collect();
      constexpr int kPollMs = 100;
      if (open > 0) curl_multi_poll(multi_.get(), nullptr, 0, kPollMs, nullptr);
    }
    std::vector<std::pair<ApplianceId, DataPort>> found;
    for (size_t box = 0; box < boxes_.size(); ++box) found.emplace_back(boxes_[box].id, Judge(said_[box]));
    return found;
  }

 private:
  struct Question {
    size_t box = 0;
    std::string url;
    std::unique_ptr<CURL, CloseEasy> handle;
  };

  bool Start(Question& question) {
    question.handle.reset(curl_easy_init());
    CURL* handle = question.handle.get();
    if (handle == nullptr) return Fail(question);
    curl_easy_setopt(handle, CURLOPT_URL, question.url.c_str());
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    // Who is there, not whether its certificate is good: players judge that themselves, and no secret is sent.
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(patience_)));
    curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(handle, CURLOPT_PRIVATE, &question);
    if (curl_multi_add_handle(multi_.get(), handle) == CURLM_OK) return true;
    return Fail(question);
  }

  bool Fail(Question& question) {
    question.handle.reset();
    said_[question.box].push_back(DataPort::kUnknown);
    return false;
  }

  // How many were answered.
  size_t Collect() {
    size_t done = 0;
    int left = 0;
    while (const CURLMsg* message = curl_multi_info_read(multi_.get(), &left)) {
      if (message->msg != CURLMSG_DONE) continue;
      Question* question = nullptr;
      curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &question);
      said_[question->box].push_back(Read(message->easy_handle, message->data.result));
      Drop(*question);
      ++done;
    }
    return done;
  }

  void Drop(Question& question) {
    if (question.handle == nullptr) return;
    curl_multi_remove_handle(multi_.get(), question.handle.get());
    question.handle.reset();
  }

  const std::vector<DataPorts::Watched>& boxes_;
  const absl::Duration patience_;
  std::unique_ptr<CURLM, CloseMulti> multi_;
  std::vector<Question> questions_;
  std::vector<std::vector<DataPort>> said_;  // By box.
};

}  // namespace

DataPorts::DataPorts(const DataPortsOptions& options, SteeringMetrics& metrics) : options_(options), metrics_(metrics) {
  thread_ = std::thread([this] { Run(); });
}

DataPorts::~DataPorts() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

void DataPorts::Watch(std::vector<Watched> boxes) {
  absl::flat_hash_set<ApplianceId> ids;
  for (const Watched& box : boxes) ids.insert(box.id);
  absl::MutexLock lock(&mu_);
  absl::erase_if(found_, [&](const auto& found) { return !ids.contains(found.first); });
  watched_ = std::move(boxes);
}

absl::flat_hash_map<ApplianceId, DataPort> DataPorts::Found() const {
  absl::MutexLock lock(&mu_);
  return found_;
}

std::vector<DataPorts::Watched> DataPorts::Next() {
  absl::MutexLock lock(&mu_);
  const auto any = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopping_ || !watched_.empty(); };
  mu_.Await(absl::Condition(&any));
  return stopping_ ? std::vector<Watched>() : watched_;
}

void DataPorts::Keep(const std::vector<std::pair<ApplianceId, DataPort>>& round) {
  absl::MutexLock lock(&mu_);
  absl::flat_hash_set<ApplianceId> watched;
  for (const Watched& box : watched_) watched.insert(box.id);
  for (const auto& [id, said] : round) {
    metrics_.data_ports_asked[static_cast<size_t>(said)]->Increment();
    if (said == DataPort::kUnknown || !watched.contains(id)) {
      found_.erase(id);
    } else {
      found_[id] = said;
    }
  }
}

void DataPorts::Run() {
  for (;;) {
    const std::vector<Watched> boxes = Next();
    if (boxes.empty()) return;
    Keep(Round(boxes, options_.patience).Ask());
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), options_.every)) return;
  }
}

}  // namespace fairlead
