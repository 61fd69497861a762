#include "libs/http/ask_many.h"

#include <curl/curl.h>
#include <errno.h>

#include <memory>
#include <utility>

namespace fairlead {
namespace {

struct CloseEasy {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
};
struct CloseMulti {
  void operator()(CURLM* handle) const { curl_multi_cleanup(handle); }
};

Asked Read(CURL* handle, CURLcode code) {
  long error = 0;
  curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &error);
  if (code == CURLE_COULDNT_CONNECT && error == ECONNREFUSED) return {.presence = Asked::Presence::kRefused};
  if (code != CURLE_OK) return {};
  long status = 0;
  curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
  return {.presence = Asked::Presence::kAnswered, .status = static_cast<int>(status)};
}

class Round {
 public:
  Round(const std::vector<std::string>& urls, size_t most_at_once, absl::Duration patience)
      : urls_(urls), most_at_once_(most_at_once), patience_(patience), multi_(curl_multi_init()), open_(urls.size()), said_(urls.size()) {}
  Round(const Round&) = delete;
  Round& operator=(const Round&) = delete;
  ~Round() {
    for (Question& question : open_) Drop(question);
  }

  std::vector<Asked> Ask() {
    size_t next = 0;
    size_t open = 0;
    while (multi_ != nullptr && (open > 0 || next < urls_.size())) {
      for (; open < most_at_once_ && next < urls_.size(); ++next) open += Start(next) ? 1 : 0;
      int running = 0;
      curl_multi_perform(multi_.get(), &running);
      open -= Collect();
      constexpr int kPollMs = 100;
      if (open > 0) curl_multi_poll(multi_.get(), nullptr, 0, kPollMs, nullptr);
    }
    return std::move(said_);
  }

 private:
  struct Question {
    size_t at = 0;
    std::unique_ptr<CURL, CloseEasy> handle;
  };

  bool Start(size_t at) {
    Question& question = open_[at];
    question.at = at;
    question.handle.reset(curl_easy_init());
    CURL* handle = question.handle.get();
    if (handle == nullptr) return false;
    curl_easy_setopt(handle, CURLOPT_URL, urls_[at].c_str());
    curl_easy_setopt(handle, CURLOPT_NOBODY, 1L);
    curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(patience_)));
    curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
    curl_easy_setopt(handle, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(handle, CURLOPT_PRIVATE, &question);
    if (curl_multi_add_handle(multi_.get(), handle) == CURLM_OK) return true;
    question.handle.reset();
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
      said_[question->at] = Read(message->easy_handle, message->data.result);
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

  const std::vector<std::string>& urls_;
  const size_t most_at_once_;
  const absl::Duration patience_;
  std::unique_ptr<CURLM, CloseMulti> multi_;
  std::vector<Question> open_;
  std::vector<Asked> said_;
};

}  // namespace

std::vector<Asked> AskMany(const std::vector<std::string>& urls, size_t most_at_once, absl::Duration patience) {
  return Round(urls, most_at_once, patience).Ask();
}

}  // namespace fairlead
