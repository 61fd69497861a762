#include "tests/oracle/troubled_evening.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

WorldOptions Options(uint32_t seed) {
  WorldOptions options = WorldOptions::Scaled(0.002);
  options.seed = seed + 1;
  options.sites = 24;
  options.boxes = 48;
  options.files = 600;
  options.files_a_box = 60;
  options.files_a_title = TroubledEvening::kFilesATitle;
  return options;
}

// Boxes with one family only, and IPv4 by address, which clients with IPv6 can't use.
void MixEndpoints(ApplianceView& box, SeededRandom& random) {
  std::vector<Endpoint>& endpoints = box.endpoints;
  if (random.OneIn(4)) endpoints.erase(endpoints.begin() + static_cast<ptrdiff_t>(random.Below(2)));
  for (Endpoint& endpoint : endpoints) {
    if (endpoint.family == AddressFamily::kIpv4 && random.OneIn(4)) endpoint.host = absl::StrCat("192.0.2.", random.Below(256));
    if (random.OneIn(8)) endpoint.port = 8443;
  }
}

void Trouble(ApplianceView& box, SeededRandom& random) {
  MixEndpoints(box, random);
  if (random.OneIn(8)) box.admin = static_cast<AdminState>(random.Below(7));
  if (random.OneIn(8)) box.health = static_cast<HealthState>(random.Below(6));
  if (random.OneIn(8)) box.weight_permille = static_cast<uint32_t>(random.Below(1'001));
  if (random.OneIn(5)) box.use_bps = box.capacity_bps / 100 * (88 + random.Below(14));  // About the thresholds of congested and full.
}

uint64_t HashOf(const SteeringRequest& r) {
  return absl::HashOf(r.client, r.title.value(), r.version, r.playable_set, r.renditions, r.paths, r.max_urls, r.max_pathways,
                      static_cast<int>(r.family_preference), r.session_key, r.place.has_value() ? r.place->at : Coordinates(),
                      r.reported_throughput_bps.value_or(0));
}

}  // namespace

TroubledEvening::TroubledEvening(uint32_t seed, Asking asking)
    : seed_(seed % kSeeds),
      asking_(asking),
      world_(Options(seed_)),
      demand_(world_, 100 + seed_),
      table_(BuildSteeringTable(Inputs()).value()) {}

SteeringInputs TroubledEvening::Inputs() {
  SeededRandom& random = demand_.random();
  SteeringInputs inputs = world_.Inputs();
  inputs.version = 100 + seed_;
  inputs.policy.congested_permille = 800;
  for (ApplianceView& box : inputs.appliances) Trouble(box, random);
  for (LinkView& link : inputs.links) {
    if (random.OneIn(5)) link.use_bps = link.capacity_bps / 100 * (78 + random.Below(22));
  }
  for (SiteView& site : inputs.sites) site.open_to_unrouted = site.open_to_unrouted && open_to_unrouted();
  for (RouteView& route : inputs.routes) route.demoted = random.OneIn(20);
  // Then some boxes don't hear what the others of their site hear.
  std::erase_if(inputs.routes, [&](const RouteView&) { return random.OneIn(8); });
  // Files that nobody holds.
  for (HoldingsView& view : inputs.holdings) {
    std::vector<uint32_t> files = view.files->numbers();
    std::erase_if(files, [](uint32_t file) { return file % 37 == 0; });
    view.files = std::make_shared<const FileSet>(FileSet::Of(std::move(files)));
  }
  for (TitleView& title : inputs.titles) {
    VersionView& version = title.versions.front();
    version.playable_sets = {{.name = "main", .files = {version.files.front().number, version.files.back().number}}};
  }
  return inputs;
}

IpAddress TroubledEvening::Client() {
  SeededRandom& random = demand_.random();
  const AddressFamily family = random.OneIn(2) ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
  const IpAddress drawn = random.OneIn(10) ? RouteGenerator(random.Next()).Address(family) : demand_.ClientInPrefix(family);
  if (drawn.is_v4()) return IpAddress::V4(drawn.v4() / kSeeds * kSeeds + seed_);
  return IpAddress::V6(drawn.high(), drawn.low() / kSeeds * kSeeds + seed_);
}

void TroubledEvening::AskForTitle(SteeringRequest& request) {
  SeededRandom& random = demand_.random();
  request.title = world_.NameOfTitle(random.OneIn(2) ? demand_.Title() : static_cast<uint32_t>(random.Below(world_.titles())));
  if (random.OneIn(50)) request.title = TitleId("no-such-title");
  if (random.OneIn(10)) request.version = random.OneIn(5) ? "v2" : "v1";
  if (random.OneIn(5)) return;  // All files.
  for (size_t i = 0; i <= random.Below(2); ++i) request.renditions.push_back(absl::StrCat("r00", random.Below(kFilesATitle)));
  if (random.OneIn(50)) request.renditions.push_back("no-such-rendition");
}

// Of one title or of several, and some of none.
void TroubledEvening::AskForPaths(SteeringRequest& request) {
  SeededRandom& random = demand_.random();
  for (uint64_t left = 1 + random.Below(3); left > 0; --left) {
    const Catalogue::FileRef ref = table_->catalogue->FindFile(random.OneIn(2) ? demand_.File() : demand_.AnyFile());
    request.paths.push_back(random.OneIn(10) ? absl::StrCat("no/such/path-", random.Below(1'000)) : ref.path().Join());
  }
}

void TroubledEvening::AddWhatTheApiLacks(SteeringRequest& request) {
  SeededRandom& random = demand_.random();
  if (!request.title.empty() && random.OneIn(6)) request.playable_set = random.OneIn(6) ? "no-such-set" : "main";
  if (random.OneIn(20)) request.max_urls = static_cast<int>(random.Below(20));  // More than 16 are clamped.
  if (random.OneIn(10)) request.max_pathways = static_cast<int>(random.Below(6));
  if (random.OneIn(2)) request.family_preference = static_cast<FamilyPreference>(random.Below(5));
  if (random.OneIn(10)) {
    request.place = {.at = {.latitude_microdegrees = static_cast<int32_t>(random.Below(180'000'000)) - 90'000'000,
                            .longitude_microdegrees = static_cast<int32_t>(random.Below(360'000'000)) - 180'000'000},
                     .country = "NL",
                     .source = PlaceSource::kGeofeed};
  }
  if (random.OneIn(8)) request.reported_throughput_bps = random.Below(10'000'000);
}

SteeringRequest TroubledEvening::Draw() {
  SeededRandom& random = demand_.random();
  const bool by_api = asking_ == Asking::kByApi;
  SteeringRequest request = {.client = Client(), .max_urls = static_cast<int>(random.Below(9)), .max_pathways = 0};
  !by_api&& random.OneIn(4) ? AskForPaths(request) : AskForTitle(request);
  if (random.OneIn(2)) request.session_key = absl::StrCat("session-", random.Below(1'000'000));
  if (!by_api) AddWhatTheApiLacks(request);
  return request;
}

SteeringRequest TroubledEvening::Next() {
  SteeringRequest request = Draw();
  while (!asked_.insert(HashOf(request)).second) request = Draw();
  return request;
}

}  // namespace fairlead
