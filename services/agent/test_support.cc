#include "services/agent/test_support.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <random>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "services/agent/child_process.h"

namespace fairlead::agent {
namespace {

size_t AppendBody(char* data, size_t size, size_t count, void* out) {
  static_cast<std::string*>(out)->append(data, size * count);
  return size * count;
}

size_t AddHeader(char* data, size_t size, size_t count, void* out) {
  const absl::string_view line(data, size * count);
  const size_t colon = line.find(':');
  if (colon != absl::string_view::npos) {
    (*static_cast<std::map<std::string, std::string>*>(out))[absl::AsciiStrToLower(line.substr(0, colon))] =
        std::string(absl::StripAsciiWhitespace(line.substr(colon + 1)));
  }
  return size * count;
}

int OfferedPort(const std::string& address) {
  const bool v6 = address.find(':') != std::string::npos;
  const Fd fd(socket(v6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage{};
  socklen_t size = v6 ? sizeof(sockaddr_in6) : sizeof(sockaddr_in);
  auto* v4_address = reinterpret_cast<sockaddr_in*>(&storage);
  auto* v6_address = reinterpret_cast<sockaddr_in6*>(&storage);
  storage.ss_family = v6 ? AF_INET6 : AF_INET;
  inet_pton(storage.ss_family, address.c_str(), v6 ? static_cast<void*>(&v6_address->sin6_addr) : &v4_address->sin_addr);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), size) != 0) return 0;
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&storage), &size);
  return ntohs(v6 ? v6_address->sin6_port : v4_address->sin_port);
}

}  // namespace

TempFolder::TempFolder() {
  char path[] = "/tmp/ocadXXXXXX";
  path_ = mkdtemp(path) == nullptr ? "" : path;
}

TempFolder::~TempFolder() {
  if (!path_.empty()) RunCommand({"/bin/rm", "-rf", path_}, absl::Seconds(20)).IgnoreError();
}

std::string TempFolder::Write(const std::string& name, const std::string& content) const {
  const std::string path = path_ + "/" + name;
  MakeFolder(path.substr(0, path.rfind('/'))).IgnoreError();
  WriteFileAtomically(path, content).IgnoreError();
  return path;
}

int FreePort(const std::string& address) {
  // The kernel may offer a port again that was given out and isn't bound yet.
  static std::set<int> given;
  for (int port = OfferedPort(address);; port = OfferedPort(address)) {
    if (port == 0 || given.insert(port).second) return port;
  }
}

bool WaitFor(const std::function<bool()>& done, absl::Duration timeout) {
  for (const absl::Time deadline = absl::Now() + timeout; absl::Now() < deadline; absl::SleepFor(absl::Milliseconds(10))) {
    if (done()) return true;
  }
  return done();
}

HttpAnswer Fetch(const HttpRequest& request) {
  HttpAnswer answer;
  CURL* curl = curl_easy_init();
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  if (request.method == "HEAD") curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  if (!request.range.empty()) curl_easy_setopt(curl, CURLOPT_RANGE, request.range.c_str());
  curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, 20L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &AppendBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &AddHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.headers);
  if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  curl_easy_cleanup(curl);
  return answer;
}

std::string RandomBytes(size_t count, unsigned seed) {
  std::mt19937_64 random(seed);
  std::string bytes(count, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::string Sha256(const std::string& bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

}  // namespace fairlead::agent
