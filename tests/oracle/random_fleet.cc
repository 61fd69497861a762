#include "tests/oracle/random_fleet.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

template <typename E>
E Pick(SeededRandom& random, std::initializer_list<E> values) {
  return *(values.begin() + random.Below(values.size()));
}

LinkId AddLink(SteeringInputs& in, SeededRandom& random) {
  LinkView link = {.id = LinkId(absl::StrCat("l", in.links.size())), .capacity_bps = 1'000};
  if (random.OneIn(4)) link.contract_cap_bps = 500;
  link.use_bps = random.Below(1'100);
  in.links.push_back(link);
  return link.id;
}

void AddBox(SteeringInputs& in, SeededRandom& random, const SiteId& site) {
  ApplianceView box = {.id = ApplianceId(absl::StrCat("b", in.appliances.size())), .site = site, .kind = ApplianceKind::kStorage};
  const std::string host = absl::StrCat(box.id.value(), ".example.net");
  if (!random.OneIn(8)) box.endpoints.push_back({AddressFamily::kIpv4, "https", random.OneIn(8) ? "127.0.0.1" : host, 443});
  if (!random.OneIn(3)) box.endpoints.push_back({AddressFamily::kIpv6, "https", host, 443});
  box.capacity_bps = 10'000'000'000 * (1 + random.Below(4));
  box.use_bps = random.Below(box.capacity_bps + box.capacity_bps / 10);
  box.admin = random.OneIn(3) ? static_cast<AdminState>(random.Below(7)) : AdminState::kLive;
  box.health = random.OneIn(2) ? static_cast<HealthState>(random.Below(6)) : HealthState::kOk;
  box.weight_permille = random.OneIn(4) ? static_cast<uint32_t>(random.Below(1'001)) : 1'000;
  if (random.OneIn(12)) box.kind = Pick(random, {ApplianceKind::kCollector, ApplianceKind::kOrigin, ApplianceKind::kFlash});
  std::vector<uint32_t> held;
  for (uint32_t file = 1; file <= 4; ++file) {
    if (!random.OneIn(3)) held.push_back(file);
  }
  in.holdings.push_back({box.id, std::make_shared<const FileSet>(FileSet::Of(std::move(held)))});
  in.appliances.push_back(std::move(box));
}

void AddSite(SteeringInputs& in, SeededRandom& random) {
  SiteView site = {.id = SiteId(absl::StrCat("s", in.sites.size()))};
  site.kind = Pick(random, {SiteKind::kEmbedded, SiteKind::kEmbedded, SiteKind::kIx, SiteKind::kIx, SiteKind::kIx, SiteKind::kOrigin});
  // Few places, so that distances tie.
  site.at = Coordinates::FromDegrees(40.0 + 4 * static_cast<double>(random.Below(4)), 3 * static_cast<double>(random.Below(4)));
  site.open_to_unrouted = random.OneIn(3);
  if (random.OneIn(2)) site.uplinks.push_back(AddLink(in, random));
  for (uint64_t boxes = random.Below(4); boxes > 0; --boxes) AddBox(in, random, site.id);
  in.sites.push_back(std::move(site));
}

std::shared_ptr<const PrefixTable<std::monostate>> Only(const Prefix& block) {
  auto set = std::make_shared<PrefixTable<std::monostate>>();
  set->Insert(block, {});
  return set;
}

void AddSession(SteeringInputs& in, SeededRandom& random, size_t partner) {
  SessionView session = {.id = BgpSessionId(absl::StrCat("n", in.sessions.size())), .partner = PartnerId(absl::StrCat("p", partner))};
  const SiteView& site = in.sites[random.Below(in.sites.size())];
  session.site = site.id;
  session.transport = site.kind == SiteKind::kEmbedded ? TransportClass::kEmbedded
                                                       : Pick(random, {TransportClass::kPrivatePeering, TransportClass::kPublicPeering,
                                                                       TransportClass::kPublicPeering, TransportClass::kTransit});
  const bool own_box = site.kind == SiteKind::kEmbedded || random.OneIn(4);
  if (own_box && !in.appliances.empty()) {
    // Often a box of another site: then the session is nonsense and must be ignored.
    std::vector<ApplianceId> here;
    for (const ApplianceView& box : in.appliances) {
      if (box.site == site.id || random.OneIn(20)) here.push_back(box.id);
    }
    if (!here.empty()) session.appliance = here[random.Below(here.size())];
  }
  if (random.OneIn(2)) session.link = random.OneIn(10) ? LinkId("unknown") : AddLink(in, random);
  if (session.transport != TransportClass::kTransit || random.OneIn(2)) session.allowed = Only(PartnerBlocks()[partner]);
  if (random.OneIn(30)) session.allowed = nullptr;
  in.sessions.push_back(std::move(session));
}

}  // namespace

std::vector<Prefix> PartnerBlocks() {
  return {Prefix::Parse("80.0.0.0/16").value(), Prefix::Parse("90.0.0.0/16").value(), Prefix::Parse("2a00::/40").value()};
}

SteeringInputs RandomFleet(SeededRandom& random, size_t sites, size_t routes) {
  SteeringInputs in;
  in.version = random.Next();
  for (size_t i = 0; i < sites; ++i) AddSite(in, random);
  for (size_t i = 0; i < 3 * sites; ++i) AddSession(in, random, random.Below(3));
  for (size_t i = 0; i < routes; ++i) {
    const uint32_t session = static_cast<uint32_t>(random.Below(in.sessions.size()));
    size_t block = random.Below(3);
    if (in.sessions[session].allowed != nullptr && !random.OneIn(6)) {
      while (!in.sessions[session].allowed->LongestMatch(PartnerBlocks()[block]).has_value()) block = (block + 1) % 3;
    }
    const Prefix around = PartnerBlocks()[block];
    const uint64_t low = random.Below(8);  // Three free bits below the block: routes cover one another all the time.
    const IpAddress address = around.address().is_v4() ? IpAddress::V4(around.address().v4() | static_cast<uint32_t>(low << 13))
                                                       : IpAddress::V6(around.address().high() | low << 21, 0);
    in.routes.push_back({.prefix = Prefix::Of(address, around.length() + static_cast<int>(random.Below(4))),
                         .session = session,
                         .neighbour_as = static_cast<uint32_t>(1 + random.Below(3)),
                         .med = static_cast<uint32_t>(random.Below(3)),
                         .as_path_length = static_cast<uint16_t>(1 + random.Below(3)),
                         .demoted = random.OneIn(8)});
  }
  TitleView title = {.id = TitleId("t1")};
  VersionView version = {.version = "v1"};
  for (uint32_t file = 1; file <= 4; ++file)
    version.files.push_back({.number = file, .path = absl::StrCat("t1/v1/r", file, "/f.mp4"), .rendition = absl::StrCat("r", file)});
  title.versions = {version};
  in.titles = {title};
  return in;
}

std::vector<ClassSteps> RandomClassSteps(SeededRandom& random, const std::vector<ProximityStep>& steps) {
  const auto parting = std::find(steps.begin(), steps.end(), ProximityStep::kClass);
  if (parting == steps.end()) return {};
  // Those that parting the classes has not used up, whether the policy has them or not.
  std::vector<ProximityStep> left;
  for (const ProximityStep step : SteeringPolicy().steps) {
    if (std::find(steps.begin(), parting + 1, step) == parting + 1) left.push_back(step);
  }
  std::vector<ClassSteps> rules;
  const auto add = [&](TransportClass transport, std::optional<PartnerId> partner) {
    if (!random.OneIn(3)) return;
    Shuffle(left, random);
    const auto most = static_cast<ptrdiff_t>(random.Below(left.size() + 1));
    rules.push_back({.transport = transport, .partner = std::move(partner), .steps = {left.begin(), left.begin() + most}});
  };
  for (const TransportClass transport :
       {TransportClass::kEmbedded, TransportClass::kPrivatePeering, TransportClass::kPublicPeering, TransportClass::kTransit}) {
    add(transport, std::nullopt);
    for (const char* partner : {"p0", "p1", "p2", "nobody"}) add(transport, PartnerId(partner));
  }
  Shuffle(rules, random);
  return rules;
}

SteeringPolicy RandomPolicy(SeededRandom& random) {
  SteeringPolicy policy;
  Shuffle(policy.steps, random);
  if (random.OneIn(2)) policy.steps = SteeringPolicy().steps;
  if (random.OneIn(4)) policy.steps.resize(random.Below(6));
  policy.more_specific_scope = static_cast<MoreSpecificScope>(1 + random.Below(3));
  policy.med_scope = static_cast<MedScope>(1 + random.Below(3));
  policy.distance_step_km = random.OneIn(3) ? 600 : 150;
  if (random.OneIn(2)) policy.class_steps = RandomClassSteps(random, policy.steps);
  return policy;
}

}  // namespace fairlead
