#include "services/agent/nginx/status.h"

#include <curl/curl.h>

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"

namespace fairlead::agent {
namespace {

constexpr size_t kMaxPage = 65536;

size_t Append(char* data, size_t size, size_t count, void* out) {
  auto& page = *static_cast<std::string*>(out);
  if (page.size() + size * count > kMaxPage) return 0;
  page.append(data, size * count);
  return size * count;
}

}  // namespace

absl::StatusOr<NginxCounters> ParseStubStatus(absl::string_view page) {
  // "Active connections: 1 \nserver accepts handled requests\n 2 2 3 \nReading: 0 Writing: 1 Waiting: 0 \n"
  const std::vector<absl::string_view> words = absl::StrSplit(page, absl::ByAnyChar(" \n"), absl::SkipEmpty());
  NginxCounters counters;
  if (words.size() < 10 || words[0] != "Active" || !absl::SimpleAtoi(words[2], &counters.active_connections) ||
      !absl::SimpleAtoi(words[7], &counters.accepted) || !absl::SimpleAtoi(words[8], &counters.handled) ||
      !absl::SimpleAtoi(words[9], &counters.requests)) {
    return InvalidField("stub_status", page, "is not NGINX's status page");
  }
  return counters;
}

absl::StatusOr<std::string> HttpGetOverUnixSocket(const std::string& socket, const std::string& path, absl::Duration timeout) {
  CURL* curl = curl_easy_init();
  if (curl == nullptr) return absl::ResourceExhaustedError("curl_easy_init failed");
  std::string page;
  const std::string url = "http://localhost" + path;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket.c_str());
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(timeout)));
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_FAILONERROR, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &page);
  const CURLcode code = curl_easy_perform(curl);
  curl_easy_cleanup(curl);
  if (code != CURLE_OK) return absl::UnavailableError(absl::StrCat("'", socket, "' ", path, ": ", curl_easy_strerror(code)));
  return page;
}

}  // namespace fairlead::agent
