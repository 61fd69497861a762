// What an answer costs by itself, in the world of the decision's benchmark with all its titles: steerd's way from a request to the bytes
// that tell the answer, three signed URLs and all (Steerer), by one thread, without gRPC and sockets; one at a time, and in batches.
//
// Rows beside a "default cache" are of what steerd starts with: 200,000 tokens, of which those that nobody has asked for are signed by
// TailSigner and the others by SignAhead before the bucket begins in which they are measured. All others find every token signed.
//
//   ./run bench answers                  # Full scale: minutes to build, 9 GB of memory.
//   ./run bench answers --scale 0.01
#include <stdlib.h>
#include <sys/stat.h>

#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <new>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "benchmark/benchmark.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "libs/base/clock.h"
#include "libs/base/published.h"
#include "libs/clock/system_clock.h"
#include "libs/metrics/metrics.h"
#include "libs/rpc/principal.h"
#include "libs/signing/ec_key.h"
#include "libs/signing/token_cache.h"
#include "libs/signing/token_signer.h"
#include "services/steering/batch_request.h"
#include "services/steering/byte_buffers.h"
#include "services/steering/metrics.h"
#include "services/steering/overload_gate.h"
#include "services/steering/serving_state.h"
#include "services/steering/steerer.h"
#include "services/steering/tail_signer.h"
#include "tests/bench/rows.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"
#include "tests/generator/world_table.h"

// ---- Allocations are counted, of this thread ----

namespace {
thread_local size_t allocations = 0;

void* Counted(size_t size, size_t alignment = 0) {
  ++allocations;
  void* const memory = alignment == 0 ? std::malloc(size) : std::aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
}  // namespace

void* operator new(size_t size) {
  return Counted(size);
}
void* operator new(size_t size, std::align_val_t alignment) {
  return Counted(size, static_cast<size_t>(alignment));
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::align_val_t) noexcept {
  std::free(memory);
}
void operator delete(void* memory, size_t, std::align_val_t) noexcept {
  std::free(memory);
}

namespace fairlead {
namespace {

namespace sv1 = steering::v1;
using Goal = BenchRow::Goal;

constexpr size_t kAnswers = size_t{1} << 16;  // Of one kind of clients.
constexpr size_t kCold = 4'000;
constexpr int kBatch = 256;
constexpr int kTimes = 7;                                         // Medians of so many.
constexpr absl::Duration kSignerRests = absl::Milliseconds(100);  // As in SteeringServer.

// As many as are used here, and none is pushed out by another.
constexpr TokenCacheOptions kRoomForAll = {.max_entries = 1'000'000};

// The product's keeps from bucket to bucket; a shift leads into the next one.
class ShiftedClock final : public Clock {
 public:
  absl::Time Now() const override { return clock_.Now() + shift_; }
  absl::Duration Monotonic() const override { return clock_.Monotonic() + shift_; }
  void Shift(absl::Duration by) { shift_ += by; }

 private:
  const SystemClock clock_;
  absl::Duration shift_ = absl::ZeroDuration();
};

double NanosSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::nano>(std::chrono::steady_clock::now() - start).count();
}

class Bench {
 public:
  Bench(double scale, Rows& rows)
      : rows_(rows),
        world_(scale >= 1 ? WorldOptions() : WorldOptions::Scaled(scale)),
        demand_(world_, 11),
        table_(BuildWorldTable(world_)),
        serving_(nullptr) {
    OpenKey();
    state_.table = table_;
    state_.key_id = "k-1";
    state_.texts = AnswerTexts::Make(*table_->fleet);
    // Whose ages stand in each answer.
    for (const char* source : {"registry", "catalog", "fill", "cells/ams"}) {
      state_.sources.push_back({.source = source, .position = {1, 1'000'000}, .heard_at = clock_.Monotonic(), .connected = true});
    }
    serving_.Set(std::make_shared<const ServingState>(state_));
    tokens_ = std::make_unique<TokenCache>(*signer_, kRoomForAll);
    steerer_ = std::make_unique<Steerer>(serving_, tokens_.get(), ClientAddressPolicy(), clock_, gate_, metrics_);
  }

  void OneAtATime(AddressFamily family, bool zipf) {
    const std::string who = absl::StrCat(family == AddressFamily::kIpv4 ? "v4" : "v6", zipf ? " Zipf" : " in-prefix");
    const std::vector<sv1::SteerRequest> requests = Requests(family, zipf);
    for (const sv1::SteerRequest& request : requests) Answer(request);  // Signs what isn't.
    const TokenCacheStats before = tokens_->stats();
    const std::vector<double> took = Times(requests);
    const TokenCacheStats after = tokens_->stats();
    const double hits = static_cast<double>(after.hits - before.hits);
    rows_.Add({absl::StrCat("an answer, p50, ", who), Quantile(took, 0.5), "ns", kNothing, Goal::kValueAtMost, 2'000});
    rows_.Add({absl::StrCat("an answer, p99, ", who), Quantile(took, 0.99), "ns", kNothing, Goal::kValueAtMost, 5'000});
    rows_.Add({"  tokens an answer", hits / kAnswers, ""});
    rows_.Add({"  tokens found signed", 100 * hits / (hits + static_cast<double>(after.misses - before.misses)), "%"});
    CountAllocations(requests);
  }

  // What a viewer finds who comes after a bucket of others, in the cache that steerd has by default.
  void DefaultCache(AddressFamily family) {
    const std::string who = absl::StrCat("default cache, ", family == AddressFamily::kIpv4 ? "v4" : "v6", " Zipf");
    ShiftedClock clock;
    TokenCache tokens(*signer_);
    const Steerer steerer(serving_, &tokens, ClientAddressPolicy(), clock, gate_, metrics_);
    TailSigner tail(tokens);
    // A second behind the beginning of a bucket, and with all steps that steerd takes in it, ten a second.
    const absl::Duration bucket = TokenCacheOptions().bucket;
    const absl::Duration window = SignAheadStep().window;
    const absl::Duration since = clock.Now() - absl::UnixEpoch();
    clock.Shift(absl::Ceil(since, bucket) - since + absl::Seconds(1));
    for (int step = 0; step < (bucket - window) / kSignerRests; ++step) tail.Step(state_, clock.Now());
    for (const sv1::SteerRequest& request : Requests(family, true)) Answered(request, steerer);
    clock.Shift(bucket - window);
    for (int step = 0; step < window / kSignerRests; ++step) {
      tokens.SignAhead(clock.Now());
      tail.Step(state_, clock.Now());
    }
    clock.Shift(window);
    const TokenCacheStats before = tokens.stats();
    const std::vector<double> took = Times(Requests(family, true), steerer);
    const TokenCacheStats after = tokens.stats();
    const double hits = static_cast<double>(after.hits - before.hits);
    rows_.Add({absl::StrCat(who, ": an answer, p50"), Quantile(took, 0.5), "ns", kNothing, Goal::kValueAtMost, 2'000});
    rows_.Add({absl::StrCat(who, ": an answer, p99"), Quantile(took, 0.99), "ns", kNothing, Goal::kValueAtMost, 5'000});
    rows_.Add({"  tokens found signed", 100 * hits / (hits + static_cast<double>(after.misses - before.misses)), "%"});
    rows_.Add({"  tokens signed ahead", static_cast<double>(before.ahead), ""});
    rows_.Add({"  evictions meanwhile", static_cast<double>(after.evictions - before.evictions), ""});
    rows_.Add({"  evictions before", static_cast<double>(before.evictions), ""});
  }

  // What is refused, or can't be served, beside an answer to the same client: the error, too, is made and named.
  void BadOnes() {
    std::vector<sv1::SteerRequest> good(kAnswers / 4);
    for (sv1::SteerRequest& request : good) Ask(demand_.ClientInPrefix(AddressFamily::kIpv4), demand_.File(), request);
    for (const sv1::SteerRequest& request : good) Answer(request);
    const double good_p99 = Quantile(Times(good), 0.99);
    const std::string huge(size_t{1} << 20, 'x');
    const auto bad = [&](const std::string& what, const std::function<void(sv1::SteerRequest&)>& spoil) {
      std::vector<sv1::SteerRequest> requests(good.begin(), good.begin() + 512);  // Huge ones take a megabyte each.
      for (sv1::SteerRequest& request : requests) spoil(request);
      if (Answered(requests.front())) std::abort();
      rows_.Add({absl::StrCat("refused, p99: ", what), Quantile(Times(requests), 0.99), "ns", good_p99, Goal::kRatioAtMost, 1});
    };
    bad("unknown title", [](sv1::SteerRequest& r) { r.set_title("titles/no-such-title"); });
    bad("unknown rendition", [](sv1::SteerRequest& r) { r.set_renditions(0, "no-such"); });
    bad("no address", [](sv1::SteerRequest& r) { r.set_client_address("1.2.3.4.5"); });
    bad("a megabyte of title", [&](sv1::SteerRequest& r) { r.set_title(huge); });
    bad("a megabyte of address", [&](sv1::SteerRequest& r) { r.set_client_address(huge); });
    bad("a megabyte of session", [&](sv1::SteerRequest& r) { r.set_session_id(huge); });
    bad("a thousand renditions", [](sv1::SteerRequest& r) {
      for (int i = 0; i < 1'000; ++i) r.add_renditions("r000");
    });
  }

  // Titles that nobody has asked for: each of the three URLs is signed.
  void Cold() {
    ForgetTokens();
    std::vector<double> took;
    for (size_t i = 0; i < std::min<size_t>(kCold, world_.titles()); ++i) {
      sv1::SteerRequest request;
      const auto file = static_cast<uint32_t>(world_.TitleOfRank(i) * world_.options().files_a_title);
      Ask(demand_.ClientInPrefix(AddressFamily::kIpv4), file, request);
      const uint64_t signed_before = tokens_->stats().misses;
      const auto start = std::chrono::steady_clock::now();
      Answer(request);
      const double micros = 1e-3 * NanosSince(start);
      if (tokens_->stats().misses - signed_before == 3) took.push_back(micros);
    }
    rows_.Add({"  titles with three URLs to sign", static_cast<double>(took.size()), ""});
    rows_.Add({"a cold answer, p50", Quantile(took, 0.5), "us", kNothing, Goal::kValueAtMost, 70});
    rows_.Add({"a cold answer, p99", Quantile(took, 0.99), "us"});
  }

  void Batches() {
    struct Kind {
      const char* name;
      int urls;
      bool playlists;
    };
    for (const Kind& kind : {Kind{"3 URLs with playlists", 3, true}, Kind{"3 URLs", 3, false}, Kind{"1 URL with playlist", 1, true}}) {
      std::vector<grpc::ByteBuffer> batches(kAnswers / kBatch);
      for (grpc::ByteBuffer& bytes : batches) {
        sv1::SteerStreamRequest batch;
        for (int i = 0; i < kBatch; ++i) {
          sv1::SteerRequest& request = *batch.add_requests();
          Ask(demand_.ClientInPrefix(AddressFamily::kIpv4), demand_.File(), request);
          request.set_max_urls(kind.urls);
          request.set_omit_playlist_urls(!kind.playlists);
        }
        bytes = MakeByteBuffer(batch.SerializeAsString());
      }
      size_t bytes = 0;
      for (const grpc::ByteBuffer& batch : batches) bytes += Answer(batch);
      const double seconds = MedianCpu(kTimes, [&] {
        for (const grpc::ByteBuffer& batch : batches) Answer(batch);
      });
      rows_.Add({absl::StrCat("in batches, ", kind.name), 1e9 * seconds / kAnswers, "ns"});
      rows_.Add({"  bytes of it", static_cast<double>(bytes) / kAnswers, ""});
    }
  }

 private:
  void OpenKey() {
    std::string folder = "/tmp/fairlead-answers-XXXXXX";
    if (mkdtemp(folder.data()) == nullptr) std::abort();
    const std::string key = folder + "/k-1.pem";
    std::ofstream(key) << GenerateEcKeyPair().value().private_pem;
    if (chmod(key.c_str(), 0600) != 0) std::abort();
    signer_ = TokenSigner::Open(folder).value();
    std::filesystem::remove_all(folder);
  }
  // Tokens of another lifetime are others. The cache's memory stays: it is touched but once in a server's life.
  void ForgetTokens() {
    state_.settings.token_lifetime += absl::Hours(1);
    serving_.Set(std::make_shared<const ServingState>(state_));
  }

  // One file, three URLs and their playlists, as a player asks.
  void Ask(const IpAddress& client, uint32_t file, sv1::SteerRequest& request) {
    const auto a_title = static_cast<uint32_t>(world_.options().files_a_title);
    request.set_client_address(client.ToString());
    request.set_title(world_.NameOfTitle(file / a_title).name());
    request.add_renditions(std::string(table_->catalogue->FindFile(file).file->rendition()));
    request.set_session_id(absl::StrCat("session-", demand_.random().Below(1'000'000)));
    request.set_max_urls(3);
  }

  std::vector<sv1::SteerRequest> Requests(AddressFamily family, bool zipf) {
    std::vector<sv1::SteerRequest> requests(kAnswers);
    for (sv1::SteerRequest& request : requests) {
      Ask(zipf ? demand_.ZipfClient(family) : demand_.ClientInPrefix(family), demand_.File(), request);
    }
    return requests;
  }

  // Of requests whose answers have been made before, so that all memory that is kept from answer to answer is there. Why nobody can serve a
  // file is told in words, which are made each time: those answers are counted apart.
  void CountAllocations(const std::vector<sv1::SteerRequest>& requests) {
    size_t served = 0;
    size_t allocated = 0;
    size_t allocated_for_others = 0;
    sv1::SteerResponse response;
    for (const sv1::SteerRequest& request : requests) {
      const size_t before = allocations;
      Answer(request);
      const size_t made = allocations - before;
      if (!response.ParseFromArray(room_.data(), static_cast<int>(used_))) std::abort();
      const bool ok = response.verdict() == sv1::SteerResponse::VERDICT_OK;
      served += ok ? 1 : 0;
      (ok ? allocated : allocated_for_others) += made;
    }
    const size_t others = requests.size() - served;
    rows_.Add({"  allocations, an answer that is served", static_cast<double>(allocated) / static_cast<double>(served), "", kNothing,
               Goal::kValueAtMost, 0});
    rows_.Add({"  answers that nobody can serve", static_cast<double>(others), ""});
    if (others > 0)
      rows_.Add({"    allocations of such a one", static_cast<double>(allocated_for_others) / static_cast<double>(others), ""});
  }

  char* Room(size_t size) {
    if (used_ + size > room_.size()) std::abort();
    char* const at = room_.data() + used_;
    used_ += size;
    return at;
  }
  bool Answered(const sv1::SteerRequest& request) { return Answered(request, *steerer_); }
  bool Answered(const sv1::SteerRequest& request, const Steerer& steerer) {
    used_ = 0;
    const absl::Status status = steerer.Steer(caller_, request, scratch_, [this](size_t size) { return Room(size); });
    benchmark::DoNotOptimize(room_.data());
    return status.ok();
  }
  void Answer(const sv1::SteerRequest& request) {
    if (!Answered(request)) std::abort();
  }
  // Nanoseconds of each.
  std::vector<double> Times(const std::vector<sv1::SteerRequest>& requests) { return Times(requests, *steerer_); }
  std::vector<double> Times(const std::vector<sv1::SteerRequest>& requests, const Steerer& steerer) {
    std::vector<double> took;
    took.reserve(requests.size());
    for (const sv1::SteerRequest& request : requests) {
      const auto start = std::chrono::steady_clock::now();
      Answered(request, steerer);
      took.push_back(NanosSince(start));
    }
    return took;
  }
  // Its reading counts.
  size_t Answer(const grpc::ByteBuffer& bytes) {
    used_ = 0;
    if (!batch_.Read(bytes)) std::abort();
    const absl::Status status = steerer_->SteerBatch(caller_, batch_, BatchRefusal(), scratch_, [this](size_t size) { return Room(size); });
    if (!status.ok()) std::abort();
    return used_;
  }

  Rows& rows_;
  World world_;
  Demand demand_;
  std::shared_ptr<const SteeringTable> table_;
  SystemClock clock_;
  Metrics registry_;
  SteeringMetrics metrics_{registry_};
  OverloadGate gate_{OverloadOptions(), 1, metrics_};
  ServingState state_;
  Published<ServingState> serving_;
  const Caller caller_ = {.principal = ParsePrincipal("service/bench"), .peer = IpAddress::V4(0x7f000001), .forwarded_for = ""};
  BatchRequest batch_;
  AnswerScratch scratch_{metrics_};
  std::string room_ = std::string(8 << 20, '\0');
  size_t used_ = 0;
  std::unique_ptr<TokenSigner> signer_;
  std::unique_ptr<TokenCache> tokens_;
  std::unique_ptr<Steerer> steerer_;
};

int Main(int argc, char** argv) {
  Rows rows;
  Bench bench(ScaleOf(argc, argv), rows);
  for (const bool zipf : {false, true}) {
    for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) bench.OneAtATime(family, zipf);
  }
  bench.Batches();
  bench.BadOnes();
  bench.Cold();
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) bench.DefaultCache(family);
  return rows.WriteJson(JsonFileOf(argc, argv)) ? 0 : 1;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Main(argc, argv);
}
