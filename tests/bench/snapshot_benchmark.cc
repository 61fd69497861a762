// The table on disk: how large it is, how long writing takes, and how long a steerd that has nothing but it needs until its first answer,
// beside the floor of any such start: mapping the same bytes and checking their checksums. The page cache is warm.
//
//   ./run bench snapshot                      # Full scale: minutes to build, 12 GB of memory, 4 GB of disk in TMPDIR.
//   ./run bench snapshot --scale 0.01
//   ./run bench snapshot --file world.table   # One of //tests/generator:write_snapshot.
#include <fcntl.h>
#include <malloc.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "benchmark/benchmark.h"
#include "libs/checkpoint/file.h"
#include "libs/checkpoint/section_file.h"
#include "libs/clock/system_clock.h"
#include "libs/http/message.h"
#include "libs/log/log.h"
#include "libs/metrics/metrics.h"
#include "libs/signing/ec_key.h"
#include "libs/steering/decider.h"
#include "services/steering/server.h"
#include "services/steering/table_file.h"
#include "tests/bench/rows.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"
#include "tests/generator/world_table.h"

namespace fairlead {
namespace {

using Goal = BenchRow::Goal;
constexpr int kTimes = 5;  // Medians of so many.

constexpr std::array<const char*, kImageParts> kPartNames = {
    "head",       "fleet",  "sessions",        "rungs",          "leaves", "facts",           "tails",
    "route sets", "routes", "rows of holders", "words of files", "titles", "index of titles", "numbers of files"};

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// Of all threads.
double ProcessCpuSeconds() {
  timespec now;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

struct Cost {
  double wall_ms = 0;
  double cpu_ms = 0;
};

// Until `run` has what it is for; letting go of it isn't counted. Medians.
template <typename Run>
Cost MedianCost(int times, Run&& run) {
  std::vector<double> wall;
  std::vector<double> cpu;
  for (int i = 0; i < times; ++i) {
    const double start = Seconds();
    const double cpu_start = ProcessCpuSeconds();
    const auto result = run();
    wall.push_back(1e3 * (Seconds() - start));
    cpu.push_back(1e3 * (ProcessCpuSeconds() - cpu_start));
  }
  return {.wall_ms = Quantile(std::move(wall), 0.5), .cpu_ms = Quantile(std::move(cpu), 0.5)};
}

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

class Bench {
 public:
  explicit Bench(Rows& rows) : rows_(rows) {
    Require(mkdtemp(folder_.data()) != nullptr ? absl::OkStatus() : absl::UnavailableError("no temporary folder"));
    std::filesystem::create_directory(Keys());
    const EcKeyPair keys = *GenerateEcKeyPair();
    std::ofstream(Keys() + "/bench.pem") << keys.private_pem;
    chmod((Keys() + "/bench.pem").c_str(), 0600);
  }
  ~Bench() { std::filesystem::remove_all(folder_); }

  // The table is let go of again: what is measured later starts from the file.
  void BuildAndWrite(double scale) {
    file_ = folder_ + "/world.table";
    const World world(scale >= 1 ? WorldOptions() : WorldOptions::Scaled(scale));
    double start = Seconds();
    std::shared_ptr<const SteeringTable> table = BuildWorldTable(world);
    rows_.Add({"build all of it, which a start without it waits for", Seconds() - start, "s"});
    start = Seconds();
    Require(WriteTableFile(file_, *table, {.saved_at = absl::Now(), .active_key_ids = {"bench"}}));
    const double write = Seconds() - start;
    rows_.Add({"write, synced to disk", write, "s", PlainWrite()});
    CompareDecisions(world, *table);
    table.reset();
    malloc_trim(0);
  }
  void UseFile(std::string file) { file_ = std::move(file); }

  void Sizes() {
    const SectionFile file = Mapped();
    uint64_t all = 0;
    for (const SectionFile::Section& section : file.sections) {
      all += section.bytes.size();
      if (section.id < kImageParts)
        rows_.Add({absl::StrCat("  ", kPartNames[section.id]), static_cast<double>(section.bytes.size()) / 1e6, "MB"});
    }
    rows_.Add({"size", static_cast<double>(all) / 1e9, "GB"});
  }

  void Starts() {
    const Cost floor = MedianCost(kTimes, [&] { return Mapped(); });
    const Cost open = MedianCost(kTimes, [&] {
      auto file = OpenTableFile(file_);
      Require(file.status());
      return file;
    });
    std::string answer;
    const Cost first = MedianCost(kTimes, [&] { return FirstAnswer(answer); });
    rows_.Add({"map and check the bytes, nothing else", floor.wall_ms, "ms"});
    rows_.Add({"open: a table that can be decided from", open.wall_ms, "ms", floor.wall_ms});
    rows_.Add({"start to first answer", first.wall_ms, "ms", floor.wall_ms, Goal::kValueAtMost, 1'000});
    rows_.Add({"  CPU of the first, two threads", floor.cpu_ms, "ms"});
    rows_.Add({"  CPU of the second", open.cpu_ms, "ms", floor.cpu_ms});
    rows_.Add({"  CPU of the third", first.cpu_ms, "ms", floor.cpu_ms});
    std::printf("the answer: %.200s\n", answer.c_str());
  }

 private:
  std::string Keys() const { return folder_ + "/keys"; }
  SectionFile Mapped() const {
    auto file = MapSectionFile(file_, TableFileKind(), 2);
    Require(file.status());
    return *std::move(file);
  }

  // The same bytes, in large writes.
  double PlainWrite() const {
    const SectionFile from = Mapped();
    const double start = Seconds();
    auto file = OpenFile::Open(folder_ + "/plain", O_WRONLY | O_CREAT | O_TRUNC);
    Require(file.status());
    for (const SectionFile::Section& section : from.sections) Require(file->Write(section.bytes));
    Require(file->Sync());
    const double took = Seconds() - start;
    std::filesystem::remove(folder_ + "/plain");
    return took;
  }

  void CompareDecisions(const World& world, const SteeringTable& built) const {
    const auto file = OpenTableFile(file_);
    Require(file.status());
    Demand demand(world, 11);
    std::vector<DecisionQuery> queries(size_t{1} << 16);
    for (DecisionQuery& query : queries) {
      query = {.client = demand.ClientInPrefix(AddressFamily::kIpv4), .file = demand.File(), .spread_key = demand.random().Next()};
    }
    std::vector<FileChoice> one(queries.size());
    std::vector<FileChoice> two(queries.size());
    DecisionScratch scratch;
    const auto cost = [&](const SteeringTable& table, std::vector<FileChoice>& choices) {
      const Decider decider(table);
      return 1e9 / static_cast<double>(queries.size()) * MedianCpu(kTimes, [&] { decider.DecideMany(queries, scratch, choices.data()); });
    };
    const double from_built = cost(built, one);
    rows_.Add({"decide from the file, bulk, v4 in-prefix (built: the baseline)", cost(*file->table, two), "ns", from_built});
    size_t differ = 0;
    for (size_t i = 0; i < queries.size(); ++i) {
      one[i].leaf = two[i].leaf;  // Leaves are numbered anew.
      differ += one[i] == two[i] ? 0 : 1;
    }
    rows_.Add({"decisions that differ", static_cast<double>(differ), "", kNothing, Goal::kValueAtMost, 0});
  }

  // Everything that must live as long as a server.
  struct Running {
    std::unique_ptr<Metrics> metrics = std::make_unique<Metrics>();
    std::unique_ptr<SystemClock> clock = std::make_unique<SystemClock>();
    std::unique_ptr<SteeringServer> server;
  };
  Running FirstAnswer(std::string& answer) const {
    Running running;
    SteeringServerOptions options;
    options.snapshot = file_;
    options.signing_key_dir = Keys();
    options.trusted_proxies = "127.0.0.0/8";
    auto server = SteeringServer::Start(options, *running.metrics, *running.clock);
    Require(server.status());
    running.server = *std::move(server);
    HttpRequest request;
    request.method = "GET";
    // The most popular title of every generated world is its first.
    request.target = *ParseTarget("/v1/steer?title=titles/t0000000&client_address=198.51.100.7&renditions=r000");
    request.peer = *IpAddress::Parse("127.0.0.1");
    request.headers.emplace_back("X-Fairlead-Principal", "service/bench");
    const HttpResponse response = running.server->AnswerRequest(request);
    if (response.status != 200) Require(absl::InternalError(response.body));
    answer = response.body;
    return running;
  }

  Rows& rows_;
  std::string folder_ = absl::StrCat(std::getenv("TMPDIR") == nullptr ? "/var/tmp" : std::getenv("TMPDIR"), "/bench-snapshot-XXXXXX");
  std::string file_;
};

int Run(int argc, char** argv) {
  std::string file;
  for (int i = 1; i + 1 < argc; ++i) {
    if (std::string(argv[i]) == "--file") file = argv[i + 1];
  }
  InitLog("bench", LogLevel::kWarning);
  Rows rows;
  Bench bench(rows);
  if (file.empty()) {
    bench.BuildAndWrite(ScaleOf(argc, argv));
  } else {
    bench.UseFile(file);
  }
  bench.Sizes();
  bench.Starts();
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Run(argc, argv);
}
