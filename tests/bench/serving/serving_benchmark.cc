// What steerd's gRPC costs beside an empty echo on the same machinery with messages of the same sizes, A and B in turn; what refused calls
// cost, what memory steerd takes, and what tokens cost.
//
//   ./run bench serving [--json FILE] [--scale SHARE]      # Full scale: 9 GB of memory while the world is made.
#include <stdlib.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
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
#include "tests/bench/rows.h"
#include "tests/bench/serving/load.h"
#include "tests/bench/serving/servers.h"
#include "tests/bench/serving/serving_world.h"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using Goal = BenchRow::Goal;

constexpr int kRounds = 5;
constexpr absl::Duration kRound = absl::Seconds(2);
constexpr int kBatch = 256;
constexpr int kMessages = 16'384;
constexpr int kBatches = 256;

double MicrosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
}

std::vector<LoadRequest> UnaryRequests(ServingWorld& world) {
  std::vector<LoadRequest> requests(kMessages);
  for (LoadRequest& request : requests) request.message = MakeByteBuffer(world.NextRequest().SerializeAsString());
  return requests;
}

sv1::SteerStreamRequest Batch(ServingWorld& world, int size, int max_urls = 3, bool playlists = true) {
  sv1::SteerStreamRequest message;
  message.set_id(1);
  for (int i = 0; i < size; ++i) {
    sv1::SteerRequest& one = *message.add_requests();
    one = world.NextRequest();
    one.set_max_urls(max_urls);
    one.set_omit_playlist_urls(!playlists);
  }
  return message;
}

std::vector<LoadRequest> BatchRequests(ServingWorld& world, int size, int max_urls = 3, bool playlists = true) {
  std::vector<LoadRequest> requests(size == 1 ? kMessages : kBatches);
  for (LoadRequest& request : requests) request.message = MakeByteBuffer(Batch(world, size, max_urls, playlists).SerializeAsString());
  return requests;
}

// Bytes of answers, of a batch and their mean: what the echo shall answer with. Empty if there are none.
std::string AnswerSizes(const std::string& target, ServingWorld& world) {
  const auto stub = sv1::SteeringService::NewStub(MakeChannel(target));
  grpc::ClientContext context;
  SetPrincipal(context, "service/bench");
  const auto stream = stub->SteerStream(&context);
  sv1::SteerStreamResponse batch;
  if (!stream->Write(Batch(world, kBatch)) || !stream->Read(&batch)) return "";
  stream->WritesDone();
  size_t sum = 0;
  for (const sv1::SteerResult& result : batch.results()) {
    if (!result.has_response()) return "";
    sum += result.response().ByteSizeLong();
  }
  const size_t mean = sum / kBatch;
  constexpr size_t kAround = 10;  // Of a stream's answer: its id, and three tags with their sizes.
  return absl::StrCat(mean, " ", mean + kAround, " ", batch.ByteSizeLong());
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
  const auto& [echo, steerd] = m;
  rows.Add({name + ": requests/s", Median(steerd.per_second), "1/s", Median(echo.per_second), Goal::kRatioAtLeast, goal});
  rows.Add(
      {name + ": requests/s of a server core", 1e6 / Median(steerd.cpu_us), "1/s", 1e6 / Median(echo.cpu_us), Goal::kRatioAtLeast, goal});
  rows.Add({name + ": server CPU each", Median(steerd.cpu_us), "us", Median(echo.cpu_us)});
  rows.Add({name + ": p50", Median(steerd.p50), "us", Median(echo.p50)});
  rows.Add({name + ": p99", Median(steerd.p99), "us", Median(echo.p99), p99_goal > 0 ? Goal::kRatioAtMost : Goal::kNone, p99_goal});
}

// As by a server that has run for a while. Else half of the rounds of a kind sign the tokens of 65,536 new requests, the more of them the
// slower the machine is.
void AnswerEachOnce(const ServerProcess& steerd, const std::vector<LoadRequest>& requests) {
  StreamLoad load({.target = steerd.target(), .requests = requests, .connections = 2, .outstanding = 4});
  uint64_t answered = 0;
  for (int round = 0; round < 4 * kRounds && answered < requests.size(); ++round) answered += load.Run(kRound).all_ok();
}

void AddBatches(const ServerProcess& echo, const ServerProcess& steerd, ServingWorld& world, Rows& rows) {
  struct Kind {
    const char* name;
    int urls;
    bool playlists;
  };
  for (const Kind& kind : {Kind{"3 URLs with playlists", 3, true}, Kind{"3 URLs", 3, false}, Kind{"1 URL with playlist", 1, true}}) {
    const std::vector<LoadRequest> requests = BatchRequests(world, kBatch, kind.urls, kind.playlists);
    AnswerEachOnce(steerd, requests);
    const auto measured = Interleave(echo, steerd, [&](const std::string& target) {
      StreamLoad load({.target = target, .requests = requests, .connections = 2, .outstanding = 4});
      return load.Run(kRound);
    });
    const auto of_core = [](const Measured& m) { return 1e6 / Median(m.cpu_us) * kBatch; };
    const std::string name = absl::StrCat("batches of ", kBatch, ", ", kind.name);
    // The echo's answers are of the size of those with three URLs and their playlists.
    const bool like_echo = kind.urls == 3 && kind.playlists;
    rows.Add({name + ": decisions/s of a server core", of_core(measured.second), "1/s", like_echo ? of_core(measured.first) : kNothing,
              kind.urls == 3 ? Goal::kValueAtLeast : Goal::kNone, 750'000});
    rows.Add({name + ": decisions/s", Median(measured.second.per_second) * kBatch, "1/s"});
  }
}

// Calls that are refused, beside good ones, few at a time: what a caller's mistakes cost others is how long the server is at them.
class Refusals {
 public:
  Refusals(const ServerProcess& steerd, const ServerProcess& echo, ServingWorld& world) : world_(world), target_(steerd.target()) {
    const std::string huge(size_t{1} << 20, 'x');
    Add("good", grpc::StatusCode::OK, [](sv1::SteerRequest&) {});
    Add("unknown title", grpc::StatusCode::NOT_FOUND, [](sv1::SteerRequest& r) { r.set_title("titles/no-such-title"); });
    Add("no such rendition", grpc::StatusCode::NOT_FOUND, [](sv1::SteerRequest& r) { r.set_renditions(0, "no-such"); });
    Add("bad address", grpc::StatusCode::INVALID_ARGUMENT, [](sv1::SteerRequest& r) { r.set_client_address("1.2.3.4.5"); });
    Add("a thousand renditions", grpc::StatusCode::INVALID_ARGUMENT, [](sv1::SteerRequest& r) {
      while (r.renditions_size() < 1'000) r.add_renditions(r.renditions(0));
    });
    Add(
        "an address that the caller may not set", grpc::StatusCode::PERMISSION_DENIED, [](sv1::SteerRequest&) {}, "");
    const auto with_huge_title = [&](sv1::SteerRequest& r) { r.set_title(huge); };
    Add("a megabyte of title", grpc::StatusCode::INVALID_ARGUMENT, with_huge_title);
    // What a megabyte costs by itself.
    target_ = echo.target();
    Add("a megabyte to the echo", grpc::StatusCode::OK, with_huge_title);
  }

  // A round of each in turn; the first is for warming up.
  void Measure(Rows& rows) {
    for (int round = 0; round <= kRounds; ++round) {
      for (Kind& kind : kinds_) {
        const LoadFigures figures = kind.load->Run(kRound / 2);
        kind.as_expected &= figures.failed[0] + figures.refused[0] == 0 && figures.ok[0] > 0;
        if (round > 0) kind.p99.push_back(Quantile(figures.latency_us, 0.99));
      }
    }
    // A kind with other answers than these has no figure.
    const auto p99 = [](const Kind& kind) { return kind.as_expected ? Median(kind.p99) : kNothing; };
    rows.Add({"a good call, 4 at a time: p99", p99(kinds_.front()), "us"});
    for (size_t i = 1; i + 1 < kinds_.size(); ++i) {
      rows.Add({absl::StrCat("refused, ", kinds_[i].name, ": p99"), p99(kinds_[i]), "us", p99(kinds_.front()), Goal::kRatioAtMost, 1});
    }
    rows.Add({absl::StrCat("  ", kinds_.back().name, ": p99"), p99(kinds_.back()), "us"});
  }

 private:
  struct Kind {
    std::string name;
    std::unique_ptr<UnaryLoad> load;
    bool as_expected = true;
    std::vector<double> p99 = {};
  };

  void Add(const std::string& name, grpc::StatusCode expected, const std::function<void(sv1::SteerRequest&)>& spoil,
           const std::string& principal = "service/playback") {
    std::vector<LoadRequest> requests(64);
    for (LoadRequest& request : requests) {
      sv1::SteerRequest message = world_.NextRequest();
      spoil(message);
      request.message = MakeByteBuffer(message.SerializeAsString());
      request.expected = expected;
      request.principal = principal;
    }
    kinds_.push_back({.name = name,
                      .load = std::make_unique<UnaryLoad>(
                          LoadOptions{.target = target_, .requests = std::move(requests), .connections = 4, .outstanding = 4})});
  }

  ServingWorld& world_;
  std::string target_;
  std::vector<Kind> kinds_;
};

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
  const std::vector<TokenLabel> labels = {{.position = 0}, {.position = 1}, {.position = 2}};
  size_t ends[3];
  const auto answer = [&](const std::string& title) {
    const TokenCache::Book book = cache.Open({.title = title, .version = "v1"}, "k-1", now);
    cache.FetchTags(book, labels);
    cache.FetchTexts(book, labels);
    if (!cache.AppendAll(book, labels, text, ends).ok()) std::abort();
    text.clear();
  };
  // The first answers of 4,000 titles, and what three signatures cost by themselves meanwhile.
  const EcPrivateKey raw = EcPrivateKey::FromPem(pair.private_pem).value();
  std::vector<std::string> titles;
  std::vector<double> cold, signatures;
  for (int i = 0; i < 4'000; ++i) {
    titles.push_back(absl::StrCat("bench-", i));
    auto start = std::chrono::steady_clock::now();
    answer(titles.back());
    cold.push_back(MicrosSince(start));
    start = std::chrono::steady_clock::now();
    for (int three = 0; three < 3; ++three) text = raw.Sign("header.claims").value();
    signatures.push_back(MicrosSince(start));
    text.clear();
  }
  rows.Add({"tokens: of a cold answer, p50", Median(cold), "us", Median(signatures), Goal::kValueAtMost, 70});
  // Then all 12,000 are in use, and asked for in any order.
  for (size_t i = titles.size(); i > 1; --i) std::swap(titles[i - 1], titles[random.Below(i)]);
  std::vector<double> hits;
  for (int round = 0; round < 9; ++round) {
    const auto start = std::chrono::steady_clock::now();
    for (const std::string& title : titles) answer(title);
    hits.push_back(MicrosSince(start) * 1'000 / (3.0 * static_cast<double>(titles.size())));
  }
  rows.Add({"tokens: one from the cache, 12,000 in use", Median(hits), "ns", kNothing, Goal::kValueAtMost, 100});
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

int Main(int argc, char** argv) {
  // Before gRPC has a thread in this process.
  ServerProcess steerd(&RunSteerd);
  ServerProcess echo(&RunEcho);
  ServingWorld world(ScaleOf(argc, argv));
  if (!steerd.Start("serve " + world.table_file())) return 1;
  const std::string sizes = AnswerSizes(steerd.target(), world);
  if (sizes.empty() || !echo.Start(sizes)) return 1;
  std::printf("Answers of %s bytes: one, one on a stream, %d on a stream. Server: one completion queue.\n\n", sizes.c_str(), kBatch);
  Rows rows;
  const std::vector<LoadRequest> unary = UnaryRequests(world);
  AddComparison("Steer",
                Interleave(echo, steerd,
                           [&](const std::string& target) {
                             UnaryLoad load({.target = target, .requests = unary});
                             return load.Run(kRound);
                           }),
                0.92, 1.25, rows);
  const std::vector<LoadRequest> single = BatchRequests(world, 1);
  AddComparison("SteerStream",
                Interleave(echo, steerd,
                           [&](const std::string& target) {
                             StreamLoad load({.target = target, .requests = single, .outstanding = 64});
                             return load.Run(kRound);
                           }),
                0.88, 0, rows);
  AddBatches(echo, steerd, world, rows);
  Refusals(steerd, echo, world).Measure(rows);
  rows.Add({"memory: steerd, at its peak", PeakBytesOf(steerd.pid()) / 1e9, "GB", kNothing, Goal::kValueAtMost, 6});
  AddTokens(rows);
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Main(argc, argv);
}
