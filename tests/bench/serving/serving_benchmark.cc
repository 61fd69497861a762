// What steerd's gRPC costs beside an empty echo on the same machinery with messages of the same sizes, A and B in turn; and what tokens
// cost.
//
//   ./run bench serving [--json FILE]
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_cache.h"
#include "services/steering/byte_buffers.h"
#include "tests/bench/serving/load.h"
#include "tests/bench/serving/rows.h"
#include "tests/bench/serving/servers.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

constexpr int kRounds = 5;
constexpr absl::Duration kRound = absl::Seconds(2);
constexpr int kBatch = 256;
constexpr int kMessages = 512;

double MicrosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

// Zipf's law over the titles: exp(u × ln n).
int ZipfTitle(SeededRandom& random) {
  const double u = static_cast<double>(random.Below(1'000'000)) / 1e6;
  return std::min(kServingTitles - 1, static_cast<int>(std::exp(u * std::log(kServingTitles + 1.0)) - 1));
}

sv1::SteerRequest Request(SeededRandom& random, int max_urls) {
  sv1::SteerRequest request;
  request.set_client_address(absl::StrCat("198.51.100.", 1 + random.Below(254)));
  request.set_title(ServingTitle(ZipfTitle(random)));
  request.set_session_id(absl::StrCat("session-", random.Below(1'000'000)));
  request.set_max_urls(max_urls);
  return request;
}

std::vector<LoadRequest> UnaryRequests() {
  SeededRandom random(7);
  std::vector<LoadRequest> requests(kMessages);
  for (LoadRequest& request : requests) request.message = MakeByteBuffer(Request(random, 3).SerializeAsString());
  return requests;
}

std::vector<LoadRequest> BatchRequests(int batch, int max_urls) {
  SeededRandom random(8);
  std::vector<LoadRequest> requests(batch == 1 ? kMessages : 32);
  for (LoadRequest& request : requests) {
    sv1::SteerStreamRequest message;
    message.set_id(1);
    for (int i = 0; i < batch; ++i) *message.add_requests() = Request(random, max_urls);
    request.message = MakeByteBuffer(message.SerializeAsString());
  }
  return requests;
}

// Bytes of typical answers: what the echo shall answer with.
std::string AnswerSizes(const std::string& target) {
  const auto stub = sv1::SteeringService::NewStub(MakeChannel(target));
  SeededRandom random(9);
  const sv1::SteerRequest request = Request(random, 3);
  grpc::ClientContext context;
  SetPrincipal(context, "service/bench");
  sv1::SteerResponse response;
  if (!stub->Steer(&context, request, &response).ok()) return "";
  sv1::SteerStreamResponse one;
  one.set_id(1);
  *one.add_results()->mutable_response() = response;
  sv1::SteerStreamResponse batch;
  batch.set_id(1);
  for (int i = 0; i < kBatch; ++i) *batch.add_results()->mutable_response() = response;
  return absl::StrCat(response.ByteSizeLong(), " ", one.ByteSizeLong(), " ", batch.ByteSizeLong());
}

struct Measured {
  std::vector<double> per_second, p50, p99, cpu_us;
  void Add(LoadFigures figures, double cpu_seconds) {
    const auto answers = static_cast<double>(figures.all_ok());
    per_second.push_back(answers / figures.seconds);
    p50.push_back(Quantile(figures.latency_us, 0.5));
    p99.push_back(Quantile(figures.latency_us, 0.99));
    cpu_us.push_back(cpu_seconds * 1e6 / std::max(1.0, answers));
  }
};

// A round of each in turn; the first is for warming up.
std::pair<Measured, Measured> Interleave(const ServerProcess& echo, const ServerProcess& steerd,
                                         const std::function<LoadFigures(const std::string& target)>& load) {
  std::pair<Measured, Measured> measured;
  for (int round = 0; round <= kRounds; ++round) {
    for (const auto& [server, into] : {std::pair(&echo, &measured.first), std::pair(&steerd, &measured.second)}) {
      const double before = CpuSecondsOf(server->pid());
      LoadFigures figures = load(server->target());
      if (round > 0) into->Add(std::move(figures), CpuSecondsOf(server->pid()) - before);
    }
  }
  return measured;
}

void AddComparison(const std::string& name, const std::pair<Measured, Measured>& m, double goal, double p99_goal, Rows& rows) {
  const double echo = Median(m.first.per_second), steer = Median(m.second.per_second);
  rows.Add({name + "_per_s", steer, "1/s", echo, absl::StrCat("ratio >= ", goal), steer >= goal * echo});
  rows.Add({name + "_p50", Median(m.second.p50), "us", Median(m.first.p50)});
  const double p99 = Median(m.second.p99), echo_p99 = Median(m.first.p99);
  Row tail{name + "_p99", p99, "us", echo_p99};
  if (p99_goal > 0) {
    tail.goal = absl::StrCat("ratio <= ", p99_goal);
    tail.met = p99 <= p99_goal * echo_p99;
  }
  rows.Add(tail);
  rows.Add({name + "_server_cpu", Median(m.second.cpu_us), "us", Median(m.first.cpu_us)});
  rows.Add({name + "_per_server_core", 1e6 / Median(m.second.cpu_us), "1/s", 1e6 / Median(m.first.cpu_us)});
}

void AddBatches(const ServerProcess& echo, const ServerProcess& steerd, Rows& rows) {
  for (const int urls : {3, 1}) {
    const std::vector<LoadRequest> requests = BatchRequests(kBatch, urls);
    const auto measured = Interleave(echo, steerd, [&](const std::string& target) {
      return RunStreams({.target = target, .requests = requests, .connections = 2, .outstanding = 4}, kRound);
    });
    const double core = 1e6 / Median(measured.second.cpu_us) * kBatch;
    Row row{absl::StrCat("batched_decisions_", urls, "_urls_per_server_core"), core, "1/s"};
    // The echo's answers are of the size of those with three URLs.
    if (urls == 3) {
      row.baseline = 1e6 / Median(measured.first.cpu_us) * kBatch;
      row.goal = ">= 750000";
      row.met = core >= 750'000;
    }
    rows.Add(row);
    rows.Add({absl::StrCat("batched_decisions_", urls, "_urls_per_s"), Median(measured.second.per_second) * kBatch, "1/s"});
  }
}

void AddTokens(Rows& rows) {
  std::string folder = "/tmp/fairlead-serving-XXXXXX";
  if (mkdtemp(folder.data()) == nullptr) return;
  const std::string key = folder + "/k-1.pem";
  const EcKeyPair pair = GenerateEcKeyPair().value();
  std::ofstream(key) << pair.private_pem;
  if (chmod(key.c_str(), 0600) != 0) return;
  const auto signer = TokenSigner::Open(folder).value();
  TokenCache cache(*signer);
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  SeededRandom random(3);
  std::string text;
  const auto answer = [&](const std::string& title) {
    const TokenCache::Book book = cache.Open({.title = title, .version = "v1"}, "k-1", now);
    for (uint32_t position = 0; position < 3; ++position) {
      if (!cache.Append(book, {.position = position}, text).ok()) std::abort();
    }
    text.clear();
  };
  std::vector<float> cold;
  for (int i = 0; i < 2'000; ++i) {
    const std::string title = absl::StrCat("cold-", i);
    const auto start = std::chrono::steady_clock::now();
    answer(title);
    cold.push_back(static_cast<float>(MicrosSince(start)));
  }
  const double cold_p50 = Quantile(cold, 0.5);
  // What three signatures cost by themselves on this machine now.
  const EcPrivateKey raw = EcPrivateKey::FromPem(pair.private_pem).value();
  std::vector<float> signatures;
  for (int i = 0; i < 1'000; ++i) {
    const auto start = std::chrono::steady_clock::now();
    for (int three = 0; three < 3; ++three) text = raw.Sign("header.claims").value();
    signatures.push_back(static_cast<float>(MicrosSince(start)));
  }
  text.clear();
  rows.Add({"tokens_of_a_cold_answer_p50", cold_p50, "us", Quantile(signatures, 0.5), "<= 70", cold_p50 <= 70});
  std::vector<std::string> titles;
  for (int i = 0; i < 4'096; ++i) titles.push_back(absl::StrCat("bench-", ZipfTitle(random)));
  for (const std::string& title : titles) answer(title);
  std::vector<double> hits;
  for (int round = 0; round < 9; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& title : titles) answer(title);
    hits.push_back(MicrosSince(start) * 1'000 / (3.0 * static_cast<double>(titles.size())));
  }
  rows.Add({"token_hit", Median(hits), "ns", {}, "< 100", Median(hits) < 100});
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

int Main(int argc, char** argv) {
  // Before gRPC has a thread in this process.
  ServerProcess steerd(&RunSteerd);
  ServerProcess echo(&RunEcho);
  if (!steerd.Start("serve")) return 1;
  const std::string sizes = AnswerSizes(steerd.target());
  if (sizes.empty() || !echo.Start(sizes)) return 1;
  std::printf("Answers of %s bytes: one, one on a stream, %d on a stream. Server: one completion queue.\n\n", sizes.c_str(), kBatch);
  Rows rows;
  const std::vector<LoadRequest> unary = UnaryRequests();
  AddComparison("steer",
                Interleave(echo, steerd,
                           [&](const std::string& target) {
                             UnaryLoad load({.target = target, .requests = unary});
                             return load.Run(kRound);
                           }),
                0.92, 1.25, rows);
  const std::vector<LoadRequest> single = BatchRequests(1, 3);
  AddComparison(
      "steer_stream",
      Interleave(echo, steerd,
                 [&](const std::string& target) { return RunStreams({.target = target, .requests = single, .outstanding = 64}, kRound); }),
      0.88, 0, rows);
  AddBatches(echo, steerd, rows);
  AddTokens(rows);
  rows.Print();
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Main(argc, argv);
}
