#include "tests/lab/http_client.h"

#include <curl/curl.h>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

constexpr size_t kMostBytes = size_t{64} << 20;

size_t Append(char* data, size_t size, size_t count, void* target) {
  std::string& body = *static_cast<std::string*>(target);
  if (body.size() + size * count > kMostBytes) return 0;
  body.append(data, size * count);
  return size * count;
}

}  // namespace

HttpClient::HttpClient(HttpPatience patience) : patience_(patience), curl_(curl_easy_init()) {}

HttpClient::~HttpClient() {
  curl_easy_cleanup(static_cast<CURL*>(curl_));
}

absl::StatusOr<HttpReply> HttpClient::Get(const std::string& url, const std::vector<std::string>& headers) {
  return Perform(url, headers, nullptr);
}

absl::StatusOr<HttpReply> HttpClient::Post(const std::string& url, const std::string& body, const std::vector<std::string>& headers) {
  return Perform(url, headers, &body);
}

absl::StatusOr<HttpReply> HttpClient::Perform(const std::string& url, const std::vector<std::string>& headers, const std::string* body) {
  CURL* curl = static_cast<CURL*>(curl_);
  curl_easy_reset(curl);  // Keeps the connections.
  HttpReply reply;
  curl_slist* list = nullptr;
  for (const std::string& header : headers) list = curl_slist_append(list, header.c_str());
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list);
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(patience_.connect)));
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, static_cast<long>(absl::ToInt64Milliseconds(patience_.total)));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &Append);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  if (body != nullptr) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
  }
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(list);
  // The message must not carry a token.
  const std::string place = url.substr(0, url.find('/', 8));
  if (code == CURLE_WRITE_ERROR)
    return absl::ResourceExhaustedError(absl::StrCat(place, ": the answer is longer than ", kMostBytes, " bytes"));
  if (code != CURLE_OK) return absl::UnavailableError(absl::StrCat(place, ": ", curl_easy_strerror(code)));
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  return reply;
}

}  // namespace fairlead
