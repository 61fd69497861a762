// Malformed and absurd requests to a whole steerd, by gRPC and as JSON: each gets a canonical error that names the field and quotes the
// value, and the next good one is answered as ever.
#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "grpcpp/generic/generic_stub.h"
#include "gtest/gtest.h"
#include "libs/base/errors.h"
#include "libs/base/utf8.h"
#include "libs/rpc/status.h"
#include "nlohmann/json.hpp"
#include "services/steering/server_fixture.h"

namespace fairlead {
namespace {

using ::testing::HasSubstr;

struct Bad {
  std::string what;
  std::string body;  // JSON of a SteerRequest; as protobuf too, where it can be read as one.
  int http = 400;
  std::string field;
  std::string value;
};

// A good request with one field as given.
std::string With(const std::string& field, const std::string& json) {
  std::vector<std::string> fields;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{{"client_address", "\"198.51.100.7\""}, {"title", "\"titles/movie\""}}) {
    if (name != field) fields.push_back(absl::StrCat("\"", name, "\":", value));
  }
  fields.push_back(absl::StrCat("\"", field, "\":", json));
  return absl::StrCat("{", absl::StrJoin(fields, ","), "}");
}
std::string WithText(const std::string& field, const std::string& text) {
  return With(field, nlohmann::json(text).dump());
}

// Wrong in what they say: both ways in find the same.
std::vector<Bad> WrongValues() {
  std::vector<Bad> all = {
      {"nothing", "{}", 400, "client_address", ""},
      {"no title", R"({"client_address":"198.51.100.7"})", 400, "title", ""},
      {"a title without its collection", WithText("title", "movie"), 400, "title", "movie"},
      {"an unknown title", WithText("title", "titles/unheard"), 404, "title", "titles/unheard"},
      {"another collection", WithText("title", "sites/ix"), 400, "title", "sites/ix"},
      {"a path as a title", WithText("title", "titles/../../etc/passwd"), 400, "title", "../../etc/passwd"},
      {"a huge title", WithText("title", "titles/" + std::string(50'000, 'a')), 400, "title", "aaa"},
      {"a title of half characters", WithText("title", "titles/" + std::string(40, 'x') + "€€€€€€€€€€€€€€€€€€€€€€€€€"), 400, "title",
       "xxx"},
      {"a title with NUL", WithText("title", std::string("titles/movie\0x", 14)), 400, "title", "movie"},
      {"an unknown version", WithText("version", "v9"), 404, "version", "v9"},
      {"a version that is none", WithText("version", "V 9"), 400, "version", "V 9"},
      {"an unknown rendition", With("renditions", R"(["video-8k"])"), 404, "renditions", "video-8k"},
      {"a rendition that is none", With("renditions", R"(["Video"])"), 400, "renditions", "Video"},
      {"an empty rendition", With("renditions", R"([""])"), 400, "renditions", ""},
      {"URLs beyond the most", With("max_urls", "9"), 400, "max_urls", "9"},
      {"URLs below nothing", With("max_urls", "-2147483648"), 400, "max_urls", "-2147483648"},
      {"a huge session id", WithText("session_id", std::string(50'000, 's')), 400, "session_id", "sss"},
  };
  std::string many = "[";
  for (int i = 0; i < 2'000; ++i) absl::StrAppend(&many, i == 0 ? "" : ",", "\"video-720p\"");
  all.push_back({"thousands of renditions", With("renditions", many + "]"), 400, "renditions", "2000 of them"});
  for (const char* address :
       {"198.51.100.07", "0x7f.0.0.1", "127.1", "2130706433", "198.51.100.7:80", "[2001:db8::7]", "fe80::1%eth0", "198.51.100.7/32",
        " 198.51.100.7", "198.51.100.7.", "localhost", "0.0.0.0", "::", "198.51.100.256", "1.2.3.4.5"}) {
    all.push_back({"an odd address", WithText("client_address", address), 400, "client_address", address});
  }
  all.push_back(
      {"an address with NUL", WithText("client_address", std::string("198.51.100.7\0", 13)), 400, "client_address", "198.51.100.7"});
  all.push_back({"a huge address", WithText("client_address", std::string(50'000, '1')), 400, "client_address", "1111"});
  return all;
}

// Wrong in how they say it: JSON alone.
std::vector<Bad> WrongShapes() {
  return {
      {"nothing at all", "", 400, "request body", ""},
      {"no JSON", "title=titles/movie", 400, "request body", "ti"},
      {"cut", R"({"title":"titles/mo)", 400, "request body", "titles/mo"},
      {"two of them", "{} {}", 400, "request body", ""},
      {"a list", "[]", 400, "request body", "[]"},
      {"a number that is none", With("max_urls", "NaN"), 400, "request body", "N"},
      {"infinity", With("max_urls", "1e999"), 400, "request body", "1e999"},
      {"not UTF-8", "{\"title\":\"caf\xe9\"}", 400, "request body", "caf"},
      {"an unknown field", R"({"titel":"titles/movie"})", 400, "titel", "titles/movie"},
      {"an unknown huge field", absl::StrCat("{\"", std::string(30'000, 'f'), "\":1}"), 400, "ffff", "1"},
      {"coordinates, which nobody asked for", R"({"latitude":1e308})", 400, "latitude", "1e+308"},
      {"a title that is a number", With("title", "7"), 400, "title", "7"},
      {"a title that is a list", With("title", R"(["titles/movie"])"), 400, "title", R"(["titles/movie"])"},
      {"a title that is an object", With("title", R"({"name":"x"})"), 400, "title", R"({"name":"x"})"},
      {"renditions that are a text", With("renditions", R"("video-720p")"), 400, "renditions", R"("video-720p")"},
      {"a rendition that is a number", With("renditions", R"(["video-720p",7])"), 400, "renditions[1]", "7"},
      {"URLs that are a word", With("max_urls", R"("many")"), 400, "max_urls", "many"},
      {"URLs that are half", With("max_urls", "2.5"), 400, "max_urls", "2.5"},
      {"URLs beyond 32 bits", With("max_urls", "2147483648"), 400, "max_urls", "2147483648"},
      {"URLs beyond 64 bits", With("max_urls", "99999999999999999999999"), 400, "max_urls", "e+22"},
      {"a field twice", R"({"title":"titles/a","title":"titles/b"})", 400, "title", ""},
      {"a field twice in two spellings", R"({"maxUrls":1,"max_urls":2})", 400, "max_urls", "2"},
      {"lists in lists", std::string(60'000, '['), 400, "request body", "depth 9"},
      {"objects in objects",
       With("title",
            [] {
              std::string deep;
              for (int i = 0; i < 5'000; ++i) deep += R"({"a":)";
              return deep;
            }()),
       400, "request body", "depth 9"},
  };
}

class BadRequestTest : public SteeringServerTest {
 protected:
  // As a stub's caller sees it.
  absl::Status SteerStatus(const sv1::SteerRequest& request) {
    sv1::SteerResponse response;
    return FromGrpcStatus(Steer(request, response));
  }

  void ExpectNamed(const HttpResponse& response, const Bad& bad) {
    EXPECT_EQ(response.status, bad.http) << response.body;
    EXPECT_LT(response.body.size(), 2'000u);
    const nlohmann::json body = nlohmann::json::parse(response.body, nullptr, false);
    ASSERT_FALSE(body.is_discarded()) << response.body;
    const nlohmann::json& error = body["error"];
    EXPECT_EQ(error["status"], bad.http == 404 ? "NOT_FOUND" : "INVALID_ARGUMENT");
    EXPECT_THAT(error["details"][0]["metadata"]["field"].get<std::string>(), HasSubstr(bad.field));
    EXPECT_THAT(error["details"][0]["metadata"]["value"].get<std::string>(), HasSubstr(bad.value));
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(bad.field));
  }
};

TEST_F(BadRequestTest, EachIsRefusedByFieldAndValueAndTheNextGoodOneIsAnswered) {
  StartWithWorld();
  for (const Bad& bad : WrongValues()) {
    SCOPED_TRACE(bad.what);
    ExpectNamed(Http("POST", "/v1/steer", bad.body), bad);
    ExpectNamed(Http("POST", "/v1/explain", absl::StrCat("{\"request\":", bad.body, "}")), bad);
    sv1::SteerRequest request;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(bad.body, &request).ok());
    const absl::Status status = SteerStatus(request);
    EXPECT_EQ(status.code(), bad.http == 404 ? absl::StatusCode::kNotFound : absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.field));
    EXPECT_THAT(std::string(status.message()), HasSubstr(bad.value.substr(0, bad.value.find('\0'))));
    EXPECT_TRUE(IsUtf8(status.message()));
    EXPECT_LT(status.message().size(), 1'000u);
    ASSERT_TRUE(Answers(kInside));
  }
  for (const Bad& bad : WrongShapes()) {
    SCOPED_TRACE(bad.what);
    ExpectNamed(Http("POST", "/v1/steer", bad.body), bad);
  }
  for (const auto& [query, field] : std::vector<std::pair<std::string, std::string>>{{"titel=x", "titel"},
                                                                                     {"title=a&title=b", "title"},
                                                                                     {"max_urls=1e1", "max_urls"},
                                                                                     {"max_urls=99999999999", "max_urls"},
                                                                                     {"session_id=%ff", "session_id"}}) {
    const HttpResponse response = Http("GET", "/v1/steer?" + query);
    EXPECT_EQ(response.status, 400) << query;
    EXPECT_THAT(response.body, HasSubstr(absl::StrCat("\"field\":\"", field, "\""))) << query;
  }
  EXPECT_TRUE(Answers(kInside));
}

TEST_F(BadRequestTest, AHundredThousandRequestsInOneMessageAreRefusedWhole) {
  StartWithWorld();
  grpc::ClientContext context;
  SetTimeout(context, kPatience);
  SetPrincipal(context, "service/playback");
  const auto stream = stub_->SteerStream(&context);
  sv1::SteerStreamRequest request;
  for (int i = 0; i < 100'000; ++i) *request.add_requests() = Request(kInside);
  stream->Write(request);
  sv1::SteerStreamResponse response;
  EXPECT_FALSE(stream->Read(&response));
  const absl::Status status = FromGrpcStatus(stream->Finish());
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("requests '100000 of them': at most 256"));
  EXPECT_TRUE(Answers(kInside));
}

// gRPC itself refuses these, before our code: not with our words, but with an error, and it goes on.
TEST_F(BadRequestTest, BytesThatAreNoMessageAndMessagesBeyondAllBoundsEndTheirOwnCallOnly) {
  StartWithWorld();
  const auto channel = MakeChannel(server_->grpc_target());
  grpc::GenericStub generic(channel);
  for (const std::string& bytes : {std::string("\xff\xff\xff\xff"), std::string("\x12\x05title"), std::string("\x12\x04\xff\xfe\xfd\xfc"),
                                   std::string(9 << 20, '\0')}) {
    grpc::ClientContext context;
    SetTimeout(context, kPatience);
    SetPrincipal(context, "service/playback");
    grpc::CompletionQueue queue;
    const grpc::Slice slice(bytes);
    const grpc::ByteBuffer message(&slice, 1);
    const auto call = generic.PrepareUnaryCall(&context, "/fairlead.steering.v1.SteeringService/Steer", message, &queue);
    call->StartCall();
    grpc::ByteBuffer answer;
    grpc::Status status;
    int tag = 0;
    call->Finish(&answer, &status, &tag);
    void* got = nullptr;
    bool ok = false;
    ASSERT_TRUE(queue.Next(&got, &ok));
    EXPECT_FALSE(status.ok()) << bytes.size() << " bytes";
    EXPECT_NE(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED) << bytes.size() << " bytes";
    queue.Shutdown();
    ASSERT_TRUE(Answers(kInside));
  }
}

// Over a real socket: what the HTTP server refuses before the front sees it.
TEST_F(BadRequestTest, HttpThatIsTooLargeOrNoneIsRefusedWithACanonicalError) {
  StartWithWorld();
  const auto exchange = [this](const std::string& bytes) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(server_->http_port()));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    timeval patience = {.tv_sec = 20, .tv_usec = 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    for (size_t sent = 0; sent < bytes.size();) {
      const ssize_t count = send(fd, bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    shutdown(fd, SHUT_WR);
    std::string answer;
    char buffer[4096];
    for (ssize_t count = 0; (count = recv(fd, buffer, sizeof(buffer), 0)) > 0;) answer.append(buffer, static_cast<size_t>(count));
    close(fd);
    return answer;
  };
  const std::string head = "POST /v1/steer HTTP/1.1\r\nHost: x\r\nConnection: close\r\n";
  const std::string large(100'000, 'x');
  EXPECT_THAT(exchange(absl::StrCat(head, "Content-Length: 100000\r\n\r\n", large)), HasSubstr("HTTP/1.1 413"));
  EXPECT_THAT(exchange(absl::StrCat(head, "X-Large: ", large, "\r\n\r\n")), HasSubstr("HTTP/1.1 431"));
  EXPECT_THAT(exchange(absl::StrCat("GET /v1/steer?title=", large, " HTTP/1.1\r\nHost: x\r\n\r\n")), HasSubstr("HTTP/1.1 4"));
  EXPECT_THAT(exchange("\r\n\x16\x03\x01\x02\r\n\r\n"), HasSubstr("HTTP/1.1 400"));
  EXPECT_THAT(exchange(absl::StrCat(head, "Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}")), HasSubstr("HTTP/1.1 400"));
  const std::string bad = R"({"title":"titles/movie","max_urls":"many"})";
  const std::string answer = exchange(absl::StrCat(head, "Content-Length: ", bad.size(), "\r\n\r\n", bad));
  EXPECT_THAT(answer, HasSubstr("HTTP/1.1 400"));
  EXPECT_THAT(answer, HasSubstr("\"field\":\"max_urls\""));
  EXPECT_TRUE(Answers(kInside));
}

}  // namespace
}  // namespace fairlead
