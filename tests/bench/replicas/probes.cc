#include "tests/bench/replicas/probes.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "roaring/roaring.hh"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
namespace iv1 = ingest::v1;
namespace cv1 = content::v1;
using SteadyClock = std::chrono::steady_clock;

constexpr size_t kMostProbes = 240;
// Nothing that no client can have; most of the generated table is elsewhere.
constexpr uint32_t kFirstPrefix = 0x0b000000;
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kAckPatience = absl::Seconds(10);
constexpr uint64_t kLeastPauseMs = 20;
constexpr uint64_t kPauseMs = 130;  // Longer than any beat of the programs.

double Milliseconds(SteadyClock::duration duration) {
  return std::chrono::duration<double, std::milli>(duration).count();
}

std::string OneFile(uint32_t file) {
  Roaring files;
  files.add(file);
  std::string bytes(files.getSizeInBytes(), '\0');
  files.write(bytes.data());
  return bytes;
}

template <typename Stub, typename Request, typename Response>
absl::Status Call(Stub& stub, grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*), const Request& request,
                  Response& response) {
  grpc::ClientContext context;
  SetTimeout(context, kCallTimeout);
  SetPrincipal(context, "operator/bench");
  return FromGrpcStatus((stub.*method)(&context, request, &response));
}

}  // namespace

const char* Probes::NameOf(Kind kind) {
  static constexpr const char* kNames[] = {"a route", "a box's health", "a drain, or its end", "an imported title", "a file newly held"};
  return kNames[kind];
}

Probes::Probes(const ToldWorld& told, Boxes& boxes, Watch& watch, const std::string& registryd, const std::string& filld,
               const std::vector<Prefix>& taken, const std::atomic<bool>& stop)
    : told_(told),
      boxes_(boxes),
      watch_(watch),
      stop_(stop),
      registry_(rv1::RegistryService::NewStub(MakeChannel(registryd))),
      catalogue_(cv1::CatalogService::NewStub(MakeChannel(filld))) {
  std::vector<size_t> able;
  for (size_t i = 0; i < told.hearers().size(); ++i) {
    if (!told.hearers()[i].collector && !told.hearers()[i].session.empty()) able.push_back(i);
  }
  const size_t step = std::max<size_t>(1, able.size() / kMostProbes);
  uint32_t next = kFirstPrefix;
  for (size_t i = 0; i < able.size() && boxes_of_.size() < kMostProbes; i += step) {
    Prefix prefix;
    do {
      prefix = Prefix::Of(IpAddress::V4(next += 256), 24);
    } while (std::any_of(taken.begin(), taken.end(), [&prefix](const Prefix& other) { return other.Overlaps(prefix); }));
    boxes_of_.push_back({.hearer = able[i],
                         .prefix = prefix,
                         .client = IpAddress::V4(prefix.address().v4() + 7).ToString(),
                         .name = absl::StrCat("appliances/", told.hearers()[able[i]].id),
                         .useful = false});
  }
}

Probes::~Probes() {
  Stop();
}

void Probes::Stop() {
  ending_ = true;
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void Probes::Start() {
  threads_.emplace_back([this] { RunRoutes(); });
  threads_.emplace_back([this] { RunHealth(); });
  threads_.emplace_back([this] { RunDrains(); });
  threads_.emplace_back([this] { RunTitles(); });
}

// Of eight one for drains, one for files, two for routes, four for health: a box is sick for a while.
std::vector<Probes::ProbeBox*> Probes::BoxesOf(Kind kind) {
  static constexpr Kind kTurns[] = {kRoute, kHealth, kDrain, kHealth, kRoute, kHealth, kHolding, kHealth};
  std::vector<ProbeBox*> boxes;
  for (size_t i = 0; i < boxes_of_.size(); ++i) {
    if (kTurns[i % std::size(kTurns)] == kind && boxes_of_[i].useful) boxes.push_back(&boxes_of_[i]);
  }
  return boxes;
}

void Probes::Pause(uint64_t& seed) const {
  std::this_thread::sleep_for(std::chrono::milliseconds(kLeastPauseMs + SeededRandom(++seed).Below(kPauseMs)));
}

absl::StatusOr<uint32_t> Probes::ImportProbeTitle() {
  return Import(ToldWorld::kProbeTitle);
}

absl::Status Probes::Announce(Watch::Duration patience) {
  for (const ProbeBox& box : boxes_of_) {
    iv1::Report report;
    report.mutable_route_update()->set_session(told_.hearers()[box.hearer].session);
    told_.AnnounceOwn(told_.hearers()[box.hearer], box.prefix, *report.mutable_route_update());
    boxes_.stream(box.hearer).Send(std::move(report));
  }
  const std::string title = absl::StrCat("titles/", ToldWorld::kProbeTitle);
  const Watch::Time end = SteadyClock::now() + patience;
  size_t useful = 0;
  while (useful < boxes_of_.size() && SteadyClock::now() < end && !stop_) {
    for (ProbeBox& box : boxes_of_) {
      if (box.useful || !watch_.Shows(Watch::For(box.client, title), Watch::NamesFirst(box.name))) continue;
      box.useful = true;
      ++useful;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  if (10 * useful >= 9 * boxes_of_.size() && useful > 0) return absl::OkStatus();
  return absl::DeadlineExceededError(
      absl::StrCat("only ", useful, " of ", boxes_of_.size(), " boxes are named first for their own prefix"));
}

// ---- One kind each ----

void Probes::WatchReport(Kind kind, const ProbeBox& box, uint64_t sequence, Watch::Time sent, const std::string& title,
                         const Watch::Sign& sign) {
  const std::optional<Watch::Time> shown = watch_.Until(Watch::For(box.client, title), sign, kPatience);
  const std::optional<Watch::Time> acked = boxes_.stream(box.hearer).AckedAt(sequence, kAckPatience);
  if (!acked.has_value()) return NoteFault(absl::DeadlineExceededError(absl::StrCat(box.name, ": a report isn't acknowledged")));
  Note(kind, sent, *acked, shown);
}

void Probes::TryRoute(const ProbeBox& box, bool announce) {
  iv1::Report report;
  iv1::RouteUpdate& update = *report.mutable_route_update();
  update.set_session(told_.hearers()[box.hearer].session);
  if (announce) {
    told_.AnnounceOwn(told_.hearers()[box.hearer], box.prefix, update);
  } else {
    ToldWorld::Withdraw(box.prefix, update);
  }
  const Watch::Time sent = SteadyClock::now();
  const uint64_t sequence = boxes_.stream(box.hearer).Send(std::move(report));
  WatchReport(kRoute, box, sequence, sent, absl::StrCat("titles/", ToldWorld::kProbeTitle),
              announce ? Watch::NamesFirst(box.name) : Watch::DoesNotNameFirst(box.name));
}

void Probes::RunRoutes() {
  const std::vector<ProbeBox*> boxes = BoxesOf(kRoute);
  uint64_t seed = 100;
  for (size_t i = 0; !Stopped() && !boxes.empty(); ++i) {
    TryRoute(*boxes[i / 2 % boxes.size()], i % 2 == 1);
    Pause(seed);
  }
}

void Probes::RunHealth() {
  const std::vector<ProbeBox*> boxes = BoxesOf(kHealth);
  const std::string title = absl::StrCat("titles/", ToldWorld::kProbeTitle);
  uint64_t seed = 200;
  for (size_t i = 0; !Stopped() && !boxes.empty(); ++i) {
    const ProbeBox& box = *boxes[i % boxes.size()];
    // One that is still held down from the last time says nothing.
    if (watch_.Shows(Watch::For(box.client, title), Watch::NamesFirst(box.name))) {
      const Watch::Time sent = SteadyClock::now();
      const uint64_t sequence = boxes_.SetSick(box.hearer, true);
      WatchReport(kHealth, box, sequence, sent, title, Watch::DoesNotNameFirst(box.name));
      boxes_.SetSick(box.hearer, false);
    }
    Pause(seed);
  }
}

void Probes::RunDrains() {
  const std::vector<ProbeBox*> boxes = BoxesOf(kDrain);
  const std::string title = absl::StrCat("titles/", ToldWorld::kProbeTitle);
  uint64_t seed = 300;
  for (size_t i = 0; !Stopped() && !boxes.empty(); ++i) {
    const ProbeBox& box = *boxes[i % boxes.size()];
    const steering::v1::SteerRequest request = Watch::For(box.client, title);
    Watch::Time sent = SteadyClock::now();
    const absl::StatusOr<std::string> drain = BeginDrain(box);
    if (!drain.ok()) return NoteFault(drain.status());
    Watch::Time accepted = SteadyClock::now();
    Note(kDrain, sent, accepted, watch_.Until(request, Watch::DoesNotNameFirst(box.name), kPatience));
    Pause(seed);
    sent = SteadyClock::now();
    const absl::Status cancelled = CancelDrain(*drain);
    if (!cancelled.ok()) return NoteFault(cancelled);
    accepted = SteadyClock::now();
    Note(kDrain, sent, accepted, watch_.Until(request, Watch::NamesFirst(box.name), kPatience));
    Pause(seed);
  }
}

void Probes::TryHolding(const ProbeBox& box, const std::string& title, uint32_t file) {
  iv1::Report report;
  report.mutable_holdings_update()->set_added(OneFile(file));
  const Watch::Time sent = SteadyClock::now();
  const uint64_t sequence = boxes_.stream(box.hearer).Send(std::move(report));
  WatchReport(kHolding, box, sequence, sent, title, Watch::NamesFirst(box.name));
}

void Probes::RunTitles() {
  const std::vector<ProbeBox*> boxes = BoxesOf(kHolding);
  uint64_t seed = 400;
  for (size_t i = 0; !Stopped() && !boxes.empty(); ++i) {
    const ProbeBox& box = *boxes[i % boxes.size()];
    const std::string title = absl::StrCat("probe-", i);
    const Watch::Time sent = SteadyClock::now();
    const absl::StatusOr<uint32_t> file = Import(title);
    if (!file.ok()) return NoteFault(file.status());
    const Watch::Time accepted = SteadyClock::now();
    const std::string name = absl::StrCat("titles/", title);
    Note(kTitle, sent, accepted, watch_.Until(Watch::For(box.client, name), Watch::KnowsTitle(), kPatience));
    Pause(seed);
    TryHolding(box, name, *file);
    Pause(seed);
  }
}

// ---- Calls ----

absl::StatusOr<uint32_t> Probes::Import(const std::string& title) {
  cv1::ImportTitleVersionRequest request;
  request.set_title(absl::StrCat("titles/", title));
  request.set_popularity(1);
  request.mutable_version()->set_version("v1");
  cv1::Rendition& rendition = *request.mutable_version()->add_renditions();
  rendition.set_rendition("r000");
  rendition.set_kind(cv1::Rendition::KIND_VIDEO);
  rendition.set_bandwidth_bps(3'000'000);
  cv1::File& file = *rendition.mutable_file();
  file.set_path(absl::StrCat(title, "/v1/r000/media.mp4"));
  file.set_size_bytes(1'000'000);
  file.set_sha256(std::string(32, 's'));
  file.set_duration_seconds(60);
  file.set_segment_count(30);
  file.mutable_playlist()->set_path(absl::StrCat(title, "/v1/r000/media.m3u8"));
  file.mutable_playlist()->set_size_bytes(1'000);
  file.mutable_playlist()->set_sha256(std::string(32, 'p'));
  cv1::ImportTitleVersionResponse response;
  RETURN_IF_ERROR(Call(*catalogue_, &cv1::CatalogService::Stub::ImportTitleVersion, request, response));
  return response.title().versions(0).renditions(0).file().file_number();
}

absl::StatusOr<std::string> Probes::BeginDrain(const ProbeBox& box) {
  rv1::CreateDrainRequest request;
  request.mutable_drain()->set_target(box.name);
  request.mutable_drain()->set_reason("a probe");
  rv1::Drain drain;
  RETURN_IF_ERROR(Call(*registry_, &rv1::RegistryService::Stub::CreateDrain, request, drain));
  return drain.name();
}

absl::Status Probes::CancelDrain(const std::string& name) {
  rv1::CancelDrainRequest request;
  request.set_name(name);
  rv1::Drain drain;
  return Call(*registry_, &rv1::RegistryService::Stub::CancelDrain, request, drain);
}

// ---- Results ----

void Probes::Note(Kind kind, Watch::Time sent, Watch::Time accepted, std::optional<Watch::Time> shown) {
  if (stop_) return;
  absl::MutexLock lock(&mu_);
  Latencies& latencies = latencies_[kind];
  if (!shown.has_value()) ++latencies.never;
  // An answer may be here before the word of its acceptance is.
  latencies.accepted.push_back(shown.has_value() ? std::max(0.0, Milliseconds(*shown - accepted)) : Milliseconds(kPatience));
  latencies.sent.push_back(shown.has_value() ? Milliseconds(*shown - sent) : Milliseconds(kPatience));
}

void Probes::NoteFault(const absl::Status& status) {
  absl::MutexLock lock(&mu_);
  if (fault_.empty() && !Stopped()) fault_ = status.ToString();
}

Probes::Latencies Probes::Of(Kind kind) const {
  absl::MutexLock lock(&mu_);
  return latencies_[kind];
}

std::string Probes::Fault() const {
  absl::MutexLock lock(&mu_);
  return fault_;
}

}  // namespace fairlead
