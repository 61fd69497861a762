// What a steerd holds that follows feeds of the whole world: their entries as it keeps them, and the table that it makes of them. What the
// feeds' messages and gRPC take on the way isn't counted, nor what a server needs beside it (sockets, tokens). And what it leaves on disk
// of all this, from which others start while every source is dead. The page cache is warm.
//
//   ./run bench memory                  # Full scale: ten minutes, twice the memory that it tells, 5 GB of disk in TMPDIR.
//   ./run bench memory --scale 0.05
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "libs/base/published.h"
#include "libs/clock/system_clock.h"
#include "libs/http/message.h"
#include "libs/metrics/metrics.h"
#include "libs/signing/ec_key.h"
#include "services/steering/feed_checkpoint.h"
#include "services/steering/metrics.h"
#include "services/steering/server.h"
#include "services/steering/serving_state.h"
#include "services/steering/snapshot_file.h"
#include "services/steering/sources.h"
#include "services/steering/table_builder.h"
#include "services/steering/table_file.h"
#include "tests/bench/publication_world.h"
#include "tests/bench/rows.h"
#include "tests/generator/world.h"

namespace fairlead {
namespace {

using Goal = BenchRow::Goal;
using FleetEntries = std::vector<ingest::v1::FleetEntry>;

constexpr int kStarts = 5;
constexpr char kStartFrom[] = "--start-from";
constexpr char kAnswered[] = "answered";
constexpr char kTookOver[] = "took over";
constexpr size_t kAPiece = 20'000;           // Entries given at once.
constexpr size_t kPairsAtOnce = 60'000'000;  // (Box, file), drawn at once.

double ResidentGigabytes() {
  malloc_trim(0);
  size_t pages = 0;
  std::ifstream("/proc/self/statm").ignore(64, ' ') >> pages;
  return static_cast<double>(pages) * static_cast<double>(sysconf(_SC_PAGESIZE)) / 1e9;
}

double Seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

void Require(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

// This program again, with other arguments; ends with the object. Spawned, not forked: to copy the page tables of a process that holds the
// whole world takes as long as what is measured.
class Child {
 public:
  explicit Child(std::vector<std::string> arguments) {
    int out[2];
    if (pipe2(out, O_CLOEXEC) != 0) Require(absl::UnavailableError("no pipe"));
    std::vector<char*> argv = {const_cast<char*>("memory")};
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    const int failed = posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    from_ = fdopen(out[0], "r");
    if (failed != 0 || from_ == nullptr) Require(absl::UnavailableError("can't start another process"));
  }
  ~Child() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    fclose(from_);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  // Until it has written this line.
  void Await(absl::string_view line) {
    std::array<char, 256> read;
    do {
      if (fgets(read.data(), read.size(), from_) == nullptr) Require(absl::AbortedError(absl::StrCat("it ended before it said ", line)));
    } while (absl::StripSuffix(read.data(), "\n") != line);
  }

 private:
  pid_t pid_ = -1;
  FILE* from_ = nullptr;
};

void Say(const char* line) {
  std::printf("%s\n", line);
  std::fflush(stdout);
}

// Starts a server from what is on disk and says when it has answered, and when it answers from the table made of the feeds.
int StartFrom(const std::string& folder) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);  // Never without the benchmark.
  SteeringServerOptions options;
  options.sources = {.registry = "127.0.0.1:1", .fill = "127.0.0.1:1"};
  options.state_dir = folder;
  options.signing_key_dir = folder + "/keys";
  options.trusted_proxies = "127.0.0.0/8";
  Metrics metrics;
  const SystemClock clock;
  auto server = SteeringServer::Start(options, metrics, clock);
  Require(server.status());
  HttpRequest request;
  request.method = "GET";
  // The most popular title of every generated world is its first.
  request.target = *ParseTarget("/v1/steer?title=titles/t0000000&client_address=198.51.100.7&renditions=r000");
  request.peer = *IpAddress::Parse("127.0.0.1");
  request.headers.emplace_back("X-Fairlead-Principal", "service/bench");
  const HttpResponse response = (*server)->AnswerRequest(request);
  if (response.status != 200) Require(absl::InternalError(response.body));
  Say(kAnswered);
  while ((*server)->stands_in()) absl::SleepFor(absl::Milliseconds(50));
  Say(kTookOver);
  while (true) pause();
}

class Bench {
 public:
  Bench(double scale, Rows& rows)
      : rows_(rows),
        world_(scale >= 1 ? WorldOptions() : WorldOptions::Scaled(scale)),
        told_(world_),
        sources_({.registry = "127.0.0.1:1", .fill = "127.0.0.1:1"}, clock_),
        builder_({}, sources_, nullptr, metrics_, serving_) {}

  void Run() {
    start_ = before_ = ResidentGigabytes();
    Give(sources_.config(), told_.ConfigEntries("127.0.0.1:1"));
    registry::v1::ConfigEntry key;
    key.set_key("signingKeys/bench");
    key.mutable_signing_key()->set_name("signingKeys/bench");
    key.mutable_signing_key()->set_state(registry::v1::SigningKey::STATE_ACTIVE);
    Give(sources_.config(), std::vector<registry::v1::ConfigEntry>{key});
    builder_.Tick(clock_.Monotonic());  // Follows the cell.
    cell_ = sources_.cells().at(0);
    Give(*cell_, told_.CellEntries(/*holdings=*/false));
    Note("configuration, states and sessions");
    GiveCatalogue();
    Note("entries of the catalogue");
    GiveHoldings();
    Note("holdings as they came");
    GiveRoutes();
    Note("routes as they came");
    while (serving_.Get()->table == nullptr) builder_.Tick(clock_.Monotonic());
    while (builder_.busy()) builder_.Tick(clock_.Monotonic());
    Note("the table made of all this");
    rows_.Add({"all of it", before_ - start_, "GB", kNothing, Goal::kValueAtMost, 6});
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    Changes();
    while (builder_.busy()) builder_.Tick(clock_.Monotonic());
    rows_.Add({"peak, with the generator", static_cast<double>(usage.ru_maxrss) * 1'024 / 1e9, "GB"});
    LeaveOnDisk();
    StartFromDisk();
  }

 private:
  void Note(const std::string& what) {
    const double now = ResidentGigabytes();
    rows_.Add({what, now - before_, "GB"});
    before_ = now;
  }

  template <typename Store, typename Entry>
  void Give(Store& store, std::vector<Entry> entries) {
    ++position_.version;
    static_cast<void>(
        store.Apply({.snapshot = false, .base = {}, .position = position_, .entries = std::move(entries), .held_entries = 0}));
  }

  void GiveCatalogue() {
    std::vector<content::v1::CatalogEntry> piece;
    for (uint32_t title = 0; title < world_.titles(); ++title) {
      piece.push_back(told_.Title(title));
      if (piece.size() == 200 || title + 1 == world_.titles()) Give(sources_.catalog(), std::exchange(piece, {}));
    }
  }

  // The world tells who holds a file, so all files are gone through for some boxes at a time.
  void GiveHoldings() {
    const size_t boxes = world_.appliances().size();
    const size_t at_once = std::max<size_t>(1, kPairsAtOnce / world_.options().files_a_box);
    std::vector<uint32_t> holders;
    size_t pairs = 0;
    for (size_t first = 0; first < boxes; first += at_once) {
      std::vector<std::vector<uint32_t>> held(std::min(at_once, boxes - first));
      for (uint32_t file = 0; file < world_.options().files; ++file) {
        world_.HoldersOf(file, holders);
        auto at = std::lower_bound(holders.begin(), holders.end(), first);
        for (; at != holders.end() && *at < first + held.size(); ++at) held[*at - first].push_back(file);
      }
      for (size_t i = 0; i < held.size(); ++i) {
        pairs += held[i].size();
        Give(*cell_, FleetEntries{PublicationWorld::Holdings(world_.appliances()[first + i], std::exchange(held[i], {}))});
      }
    }
    rows_.Add({"(box, file) pairs", static_cast<double>(pairs) / 1e6, "million"});
  }

  void GiveRoutes() {
    FleetEntries piece;
    for (size_t i = 0; i < world_.prefixes().size(); ++i) {
      for (const WorldRoute& route : world_.route_sets()[world_.set_of_prefix()[i]]) {
        piece.push_back(told_.Route(world_.prefixes()[i], route));
      }
      if (piece.size() >= kAPiece || i + 1 == world_.prefixes().size()) Give(*cell_, std::exchange(piece, {}));
    }
    rows_.Add({"routes", static_cast<double>(cell_->routes()) / 1e6, "million"});
  }

  // What the builder needs until a small change of what is large is published.
  void Changes() {
    const auto tick = [&](const std::string& what) {
      const double start = CpuSeconds();
      builder_.Tick(clock_.Monotonic());
      rows_.Add({absl::StrCat("change: ", what, ", published"), 1e3 * (CpuSeconds() - start), "ms"});
    };
    tick("nothing");
    content::v1::CatalogEntry title = told_.Title(7);
    title.mutable_title()->mutable_versions(0)->mutable_renditions(0)->set_bandwidth_bps(77);
    Give(sources_.catalog(), std::vector<content::v1::CatalogEntry>{title});
    tick("an import of one title");
    Give(*cell_, FleetEntries{PublicationWorld::Holdings(world_.appliances().front(), {1, 2, 3})});
    tick("all that a box holds");
  }

  // As a server saves them.
  void LeaveOnDisk() {
    Require(WriteSnapshot(folder_.path(), sources_.SaveNear()));
    FeedCheckpoint feeds(folder_.path(), sources_, clock_);
    Require(feeds.Restore().status());
    double start = Seconds();
    absl::Status saved;
    do {
      saved = feeds.Save();
    } while (absl::IsResourceExhausted(saved));  // Until what has been written is compacted.
    Require(saved);
    rows_.Add({"on disk: the feeds' bulk", static_cast<double>(feeds.bytes()) / 1e9, "GB"});
    rows_.Add({"  written in", Seconds() - start, "s"});
    start = Seconds();
    Require(SaveTableFile(folder_.path(), *serving_.Get()->table, {.saved_at = clock_.Now(), .active_key_ids = {"bench"}}));
    rows_.Add({"on disk: the table", static_cast<double>(std::filesystem::file_size(folder_.path() + "/" + kTableFile)) / 1e9, "GB"});
    rows_.Add({"  written in", Seconds() - start, "s"});
  }

  // The page cache is warm when the files have just been written, but a kernel may take back what nobody has read since.
  void ReadOnce() {
    std::vector<char> piece(size_t{1} << 20);
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder_.path(), error); !error && entry != std::filesystem::directory_iterator();
         entry.increment(error)) {
      std::ifstream file(entry->path(), std::ios::binary);
      while (file.read(piece.data(), static_cast<std::streamsize>(piece.size()))) {
      }
    }
  }

  // Each start is a process of its own, from its exec on.
  void StartFromDisk() {
    std::vector<double> took;
    for (int i = 0; i < kStarts; ++i) {
      ReadOnce();
      const double start = Seconds();
      Child child({kStartFrom, folder_.path()});
      child.Await(kAnswered);
      took.push_back(1e3 * (Seconds() - start));
      std::printf("started in %.0f ms\n", took.back());
      if (i + 1 < kStarts) continue;
      child.Await(kTookOver);
      rows_.Add({"start from the state_dir, all else dead: first answer", Median(took), "ms", kNothing, Goal::kValueAtMost, 1'000});
      rows_.Add({"  the slowest of them", *std::max_element(took.begin(), took.end()), "ms"});
      rows_.Add({"  until the table made of the feeds takes over", Seconds() - start, "s"});
    }
  }

  // A folder with a key in it, which goes with the benchmark.
  class Folder {
   public:
    Folder() {
      if (mkdtemp(path_.data()) == nullptr) Require(absl::UnavailableError(path_));
      std::filesystem::create_directory(path_ + "/keys");
      std::ofstream(path_ + "/keys/bench.pem") << GenerateEcKeyPair()->private_pem;
      chmod((path_ + "/keys/bench.pem").c_str(), 0600);
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    const std::string& path() const { return path_; }

   private:
    std::string path_ = absl::StrCat(std::getenv("TMPDIR") == nullptr ? "/var/tmp" : std::getenv("TMPDIR"), "/bench-memory-XXXXXX");
  };

  Rows& rows_;
  const Folder folder_;
  const World world_;
  const PublicationWorld told_;
  const SystemClock clock_;
  Sources sources_;
  Metrics registry_;
  SteeringMetrics metrics_{registry_};
  Published<ServingState> serving_{std::make_shared<const ServingState>()};
  TableBuilder builder_;
  std::shared_ptr<CellStore> cell_;
  FeedPosition position_ = {1, 0};
  double start_ = 0;
  double before_ = 0;
};

int Run(int argc, char** argv) {
  if (argc == 3 && argv[1] == absl::string_view(kStartFrom)) return StartFrom(argv[2]);
  Rows rows;
  Bench(ScaleOf(argc, argv), rows).Run();
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Run(argc, argv);
}
