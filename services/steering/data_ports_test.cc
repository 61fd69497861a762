#include "services/steering/data_ports.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "libs/http/server.h"
#include "libs/metrics/metrics.h"

namespace fairlead {
namespace {

using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

constexpr absl::Duration kPatience = absl::Seconds(20);

bool Eventually(const std::function<bool()>& done) {
  for (const absl::Time end = absl::Now() + kPatience; absl::Now() < end; absl::SleepFor(absl::Milliseconds(5))) {
    if (done()) return true;
  }
  return done();
}

// A port of 127.0.0.1 that is bound, so that nobody else gets it, and listens or not.
class Port {
 public:
  explicit Port(bool listens) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address);
    EXPECT_EQ(bind(socket_, reinterpret_cast<sockaddr*>(&address), size), 0);
    EXPECT_TRUE(!listens || listen(socket_, 16) == 0);
    EXPECT_EQ(getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size), 0);
    port_ = ntohs(address.sin_port);
  }
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;
  ~Port() { close(socket_); }
  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_); }

 private:
  const int socket_;
  int port_ = 0;
};

class DataPortsTest : public ::testing::Test {
 protected:
  std::unique_ptr<HttpServer> Serve(int status, const std::string& address = "127.0.0.1:0") {
    auto server = HttpServer::Start({.address = address}, [status](const HttpRequest&) {
      HttpResponse response;
      response.status = status;
      return response;
    });
    EXPECT_TRUE(server.ok()) << server.status();
    return server.ok() ? *std::move(server) : nullptr;
  }
  static std::string UrlOf(const HttpServer& server) { return absl::StrCat("http://127.0.0.1:", server.port()); }
  bool Shows(const std::string& series) { return metrics_.Text().find(series) != std::string::npos; }

  const ApplianceId a_ = ApplianceId("a");
  const ApplianceId b_ = ApplianceId("b");
  const ApplianceId c_ = ApplianceId("c");
  Metrics metrics_;
  SteeringMetrics series_{metrics_};
  DataPorts ports_{{.every = absl::Milliseconds(5), .patience = absl::Milliseconds(300)}, series_};
};

TEST_F(DataPortsTest, WhoAnswersWhoRefusesAndWhoSaysNothing) {
  const auto answers = Serve(404);
  const auto unwilling = Serve(503);
  const Port closed(/*listens=*/false);
  const Port frozen(/*listens=*/true);  // Its kernel accepts; nobody ever reads.
  ports_.Watch({{a_, {UrlOf(*answers)}},
                {b_, {UrlOf(*unwilling)}},
                {c_, {closed.url()}},
                {ApplianceId("frozen"), {frozen.url()}},
                {ApplianceId("unknown"), {"http://no-such-host.invalid:80"}},
                {ApplianceId("bare"), {}}});
  EXPECT_TRUE(Eventually([&] { return Shows("asked_total{said=\"nothing\"} 3"); }));
  EXPECT_THAT(ports_.Found(),
              UnorderedElementsAre(Pair(a_, DataPort::kAnswers), Pair(b_, DataPort::kRefuses), Pair(c_, DataPort::kRefuses)));
}

TEST_F(DataPortsTest, OneEndpointThatAnswersIsEnoughAndElseOneThatRefuses) {
  const auto answers = Serve(200);
  const Port closed(/*listens=*/false);
  const Port frozen(/*listens=*/true);
  ports_.Watch({{a_, {closed.url(), UrlOf(*answers)}}, {b_, {frozen.url(), closed.url()}}});
  EXPECT_TRUE(Eventually([&] { return ports_.Found().size() == 2; }));
  EXPECT_THAT(ports_.Found(), UnorderedElementsAre(Pair(a_, DataPort::kAnswers), Pair(b_, DataPort::kRefuses)));
}

TEST_F(DataPortsTest, ItIsAskedAgainAndTheLastWordCounts) {
  auto server = Serve(200);
  const std::string url = UrlOf(*server);
  ports_.Watch({{a_, {url}}});
  EXPECT_TRUE(Eventually([&] { return ports_.Found() == absl::flat_hash_map<ApplianceId, DataPort>{{a_, DataPort::kAnswers}}; }));
  server.reset();
  EXPECT_TRUE(Eventually([&] { return ports_.Found() == absl::flat_hash_map<ApplianceId, DataPort>{{a_, DataPort::kRefuses}}; }));
}

TEST_F(DataPortsTest, WhoIsNotWatchedAnyMoreIsForgotten) {
  const Port closed(/*listens=*/false);
  ports_.Watch({{a_, {closed.url()}}, {b_, {closed.url()}}});
  EXPECT_TRUE(Eventually([&] { return ports_.Found().size() == 2; }));
  ports_.Watch({{b_, {closed.url()}}});
  EXPECT_THAT(ports_.Found(), UnorderedElementsAre(Pair(b_, DataPort::kRefuses)));
  ports_.Watch({});
  EXPECT_THAT(ports_.Found(), IsEmpty());
}

TEST_F(DataPortsTest, MoreBoxesThanRequestsAtOnceAreAllAsked) {
  const Port closed(/*listens=*/false);
  std::vector<DataPorts::Watched> boxes;
  for (size_t i = 0; i < 3 * DataPorts::kMostAtOnce + 1; ++i) boxes.push_back({ApplianceId(absl::StrCat("box-", i)), {closed.url()}});
  const size_t count = boxes.size();
  ports_.Watch(std::move(boxes));
  EXPECT_TRUE(Eventually([&] { return ports_.Found().size() == count; }));
}

TEST_F(DataPortsTest, IPv6IsAskedAsWell) {
  const auto answers = Serve(200, "[::1]:0");
  ASSERT_NE(answers, nullptr);
  ports_.Watch({{a_, {absl::StrCat("http://[::1]:", answers->port())}}});
  EXPECT_TRUE(Eventually([&] { return ports_.Found() == absl::flat_hash_map<ApplianceId, DataPort>{{a_, DataPort::kAnswers}}; }));
}

}  // namespace
}  // namespace fairlead
