#include "tests/generator/world.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <numeric>
#include <tuple>
#include <utility>
#include <variant>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fairlead {
namespace {

// The sessions of an IX site, by class: their number in the site is their neighbour's, so one neighbour meets us at many sites.
constexpr uint32_t kPrivateAnIx = 3;
constexpr uint32_t kPublicAnIx = 10;
constexpr uint32_t kTransitAnIx = 2;
constexpr uint32_t kSessionsAnIx = kPrivateAnIx + kPublicAnIx + kTransitAnIx;
constexpr size_t kPrefixesAnAs = 15;
constexpr size_t kSitesAPartner = 4;
// How many routes share the shortest path of a set: 2 at the median, 16 at p90.
constexpr std::array<uint32_t, 10> kTied = {1, 1, 1, 2, 2, 2, 4, 8, 16, 24};
// A file of a title is missing on one in so many of the boxes that have the title.
constexpr uint64_t kMissing = 16;
constexpr double kMostHolding = 0.95;
constexpr uint64_t kGbit = 1'000'000'000;

TransportClass ClassOf(uint32_t neighbour) {
  if (neighbour < kPrivateAnIx) return TransportClass::kPrivatePeering;
  return neighbour < kPrivateAnIx + kPublicAnIx ? TransportClass::kPublicPeering : TransportClass::kTransit;
}

uint64_t Hash(uint64_t a, uint64_t b) {
  return SeededRandom(a * 0x9e3779b97f4a7c15 ^ b).Next();
}

size_t AtLeast(double wanted, size_t least) {
  return std::max(static_cast<size_t>(wanted), least);
}

}  // namespace

WorldOptions WorldOptions::Scaled(double share) {
  WorldOptions options;
  options.prefixes_v4 = AtLeast(share * static_cast<double>(options.prefixes_v4), 500);
  options.prefixes_v6 = AtLeast(share * static_cast<double>(options.prefixes_v6), 100);
  options.sites = AtLeast(share * static_cast<double>(options.sites), 8);
  options.boxes = AtLeast(share * static_cast<double>(options.boxes), 3 * options.sites);
  options.files = AtLeast(share * static_cast<double>(options.files), 2'000);
  options.files_a_box = AtLeast(share * static_cast<double>(options.files_a_box), 200);
  return options;
}

World::World(WorldOptions options) : options_(std::move(options)) {
  ix_sites_ = std::max<size_t>(2, options_.sites / 100);
  if (options_.prefixes.empty() && options_.tables.empty()) {
    options_.prefixes = RouteGenerator(options_.seed).Table(options_.prefixes_v4, options_.prefixes_v6);
  }
  for (const WorldPrefix& prefix : options_.tables) options_.prefixes.push_back(prefix.prefix);
  std::sort(options_.prefixes.begin(), options_.prefixes.end());
  options_.prefixes.erase(std::unique(options_.prefixes.begin(), options_.prefixes.end()), options_.prefixes.end());
  MakeSites();
  MakeBoxes();
  MakeSessions();
  MakeRoutes();
  ScalePopularity();
}

// ---- The fleet ----

void World::MakeSites() {
  SeededRandom random(options_.seed + 1);
  for (size_t i = 0; i < options_.sites; ++i) {
    const bool ix = i < ix_sites_;
    SiteView site = {.id = SiteId(absl::StrFormat("s%05d", i)), .kind = ix ? SiteKind::kIx : SiteKind::kEmbedded};
    site.at = {.latitude_microdegrees = static_cast<int32_t>(random.Below(120'000'000)) - 55'000'000,
               .longitude_microdegrees = static_cast<int32_t>(random.Below(360'000'000)) - 180'000'000};
    site.country = absl::StrFormat("%c%c", 'A' + static_cast<char>(random.Below(26)), 'A' + static_cast<char>(random.Below(26)));
    site.open_to_unrouted = ix;
    site.uplinks = {LinkId("up-" + site.id.value())};
    const uint64_t capacity = (ix ? 4'000 : 100) * kGbit;
    const bool full = options_.with_trouble && random.OneIn(100);
    links_.push_back({.id = site.uplinks[0], .capacity_bps = capacity, .use_bps = full ? capacity : capacity / 100 * random.Below(85)});
    sites_.push_back(std::move(site));
  }
}

void World::MakeBoxes() {
  SeededRandom random(options_.seed + 2);
  // IX sites are ten times as large as embedded ones.
  const size_t shares = 10 * ix_sites_ + (options_.sites - ix_sites_);
  for (size_t site = 0; site < options_.sites; ++site) {
    first_box_.push_back(static_cast<uint32_t>(boxes_.size()));
    const size_t shares_so_far = site < ix_sites_ ? 10 * (site + 1) : 9 * ix_sites_ + site + 1;
    const size_t end = std::max(boxes_.size() + 1, options_.boxes * shares_so_far / shares);
    for (size_t box = 0; boxes_.size() < end; ++box) {
      ApplianceView view = {.id = ApplianceId(absl::StrFormat("%s-b%02d", sites_[site].id.value(), box)), .site = sites_[site].id};
      view.kind = random.OneIn(4) ? ApplianceKind::kFlash : ApplianceKind::kStorage;
      view.capacity_bps = (view.kind == ApplianceKind::kFlash ? 100 : 40) * kGbit;
      view.endpoints = {{AddressFamily::kIpv4, "https", absl::StrCat(view.id.value(), ".oca.example.net"), 443},
                        {AddressFamily::kIpv6, "https", absl::StrCat(view.id.value(), ".six.oca.example.net"), 443}};
      view.admin = AdminState::kLive;
      view.health = HealthState::kOk;
      view.use_bps = view.capacity_bps / 100 * random.Below(85);
      if (options_.with_trouble && random.OneIn(100)) view.admin = AdminState::kDraining;
      if (options_.with_trouble && random.OneIn(50)) std::tie(view.health, view.weight_permille) = std::pair(HealthState::kDegraded, 500);
      if (options_.with_trouble && random.OneIn(100)) view.use_bps = view.capacity_bps;
      if (options_.with_trouble && random.OneIn(200)) view.health = HealthState::kSilent;
      boxes_.push_back(std::move(view));
    }
  }
  first_box_.push_back(static_cast<uint32_t>(boxes_.size()));
}

void World::MakeSessions() {
  auto everything = std::make_shared<PrefixTable<std::monostate>>();
  for (const char* all : {"0.0.0.0/0", "::/0"}) everything->Insert(Prefix::Parse(all).value(), {});
  const auto partner = [this](size_t site) { return PartnerId(absl::StrFormat("isp-%05d", (site - ix_sites_) / kSitesAPartner)); };
  for (size_t site = ix_sites_; site < options_.sites; ++site) {
    for (uint32_t box = first_box_[site]; box < first_box_[site + 1]; ++box) {
      sessions_.push_back({.id = BgpSessionId("e-" + boxes_[box].id.value()),
                           .partner = partner(site),
                           .transport = TransportClass::kEmbedded,
                           .site = sites_[site].id,
                           .appliance = boxes_[box].id,
                           .allowed = everything});
    }
  }
  first_ix_session_ = static_cast<uint32_t>(sessions_.size());
  SeededRandom random(options_.seed + 3);
  for (size_t site = 0; site < ix_sites_; ++site) {
    for (uint32_t neighbour = 0; neighbour < kSessionsAnIx; ++neighbour) {
      const std::string name = absl::StrFormat("x-%s-%02d", sites_[site].id.value(), neighbour);
      const bool full = options_.with_trouble && random.OneIn(100);
      links_.push_back({.id = LinkId(name), .capacity_bps = 100 * kGbit, .use_bps = full ? 100 * kGbit : kGbit * random.Below(85)});
      sessions_.push_back({.id = BgpSessionId(name),
                           .partner = PartnerId(absl::StrCat("peer-", neighbour)),
                           .transport = ClassOf(neighbour),
                           .site = sites_[site].id,
                           .link = LinkId(name),
                           .allowed = everything});
    }
  }
}

// ---- Routes ----

// Three in five origin ASes are customers of a partner with boxes in its network; their routes are heard by every box of some sites.
void World::AddEmbedded(uint32_t as, SeededRandom& random, WorldRouteSet& set) const {
  if (as % 5 >= 3 || options_.sites == ix_sites_) return;
  const size_t partners = (options_.sites - ix_sites_ + kSitesAPartner - 1) / kSitesAPartner;
  const size_t first = ix_sites_ + Hash(options_.seed, as) % partners * kSitesAPartner;
  const size_t end = std::min(options_.sites, first + 1 + random.Below(kSitesAPartner));
  for (size_t site = first; site < end; ++site) {
    const uint16_t length = static_cast<uint16_t>(1 + random.Below(2));
    for (uint32_t box = first_box_[site]; box < first_box_[site + 1]; ++box) {
      const bool deaf = random.OneIn(50) && box > first_box_[site];  // Its session is down: the boxes of the site disagree.
      if (!deaf) set.push_back({.session = box - first_box_[ix_sites_], .neighbour_as = 64'500 + as % 1'000, .as_path_length = length});
    }
  }
}

WorldRouteSet World::NewSet(uint32_t as, SeededRandom& random) const {
  WorldRouteSet set;
  AddEmbedded(as, random, set);
  const uint32_t best_class = random.OneIn(3) ? 0 : random.OneIn(20) ? 2 : 1;
  constexpr std::array<uint32_t, 4> kFirst = {0, kPrivateAnIx, kPrivateAnIx + kPublicAnIx, kSessionsAnIx};
  const uint32_t paths = 10 + static_cast<uint32_t>(random.Below(41));  // 30 at the median.
  const uint32_t tied = std::min({kTied[random.Below(kTied.size())], static_cast<uint32_t>(ix_sites_), paths});
  const uint16_t shortest = static_cast<uint16_t>(1 + random.Below(3));
  const uint64_t start = random.Below(ix_sites_);
  for (uint32_t path = 0; path < paths; ++path) {
    const bool best = path < tied;
    const uint32_t of_class = best ? best_class : static_cast<uint32_t>(best_class + random.Below(3 - best_class));
    const uint64_t site = best ? (start + path) % ix_sites_ : random.Below(ix_sites_);
    const uint32_t neighbour = kFirst[of_class] + static_cast<uint32_t>(random.Below(kFirst[of_class + 1] - kFirst[of_class]));
    set.push_back({.session = first_ix_session_ + static_cast<uint32_t>(site) * kSessionsAnIx + neighbour,
                   .neighbour_as = 1'000 + neighbour,
                   .med = random.Below(10) < 4 && !best ? static_cast<uint32_t>(10 * random.Below(4)) : 0,
                   .as_path_length = static_cast<uint16_t>(best ? shortest : shortest + 1 + random.Below(3))});
  }
  return set;
}

WorldRouteSet World::VariantOf(const WorldRouteSet& set, SeededRandom& random) const {
  WorldRouteSet variant = set;
  for (uint64_t changes = 1 + random.Below(3); changes > 0 && !variant.empty(); --changes) {
    WorldRoute& route = variant[random.Below(variant.size())];
    route.as_path_length = static_cast<uint16_t>(route.as_path_length + 1);  // Prepending: what traffic engineers do.
  }
  if (variant.size() > 1 && random.OneIn(3)) variant.erase(variant.begin() + static_cast<ptrdiff_t>(random.Below(variant.size())));
  return variant;
}

WorldRouteSet World::SetOf(const WorldPrefix& prefix) const {
  SeededRandom random(Hash(options_.seed + 7, prefix.origin_as));
  WorldRouteSet set;
  AddEmbedded(prefix.origin_as, random, set);
  for (const WorldPath& path : prefix.paths) {
    const uint64_t at = Hash(options_.seed + 8, path.peer);
    const uint32_t session =
        first_ix_session_ + static_cast<uint32_t>(at % ix_sites_) * kSessionsAnIx + static_cast<uint32_t>(at / ix_sites_ % kSessionsAnIx);
    set.push_back({.session = session, .neighbour_as = path.neighbour_as, .med = path.med, .as_path_length = path.as_path_length});
  }
  return set;
}

// Prefixes of one origin AS share a set of routes, but one in ten has attributes of its own. A prefix inside another is mostly of the
// same AS.
void World::MakeRoutes() {
  SeededRandom random(options_.seed + 4);
  const size_t ases = std::max<size_t>(1, prefixes().size() / kPrefixesAnAs);
  for (uint32_t as = 0; as < ases; ++as) route_sets_.push_back(NewSet(as, random));
  absl::flat_hash_map<Prefix, uint32_t> real;
  absl::flat_hash_map<std::pair<uint32_t, std::vector<WorldPath>>, uint32_t> known;  // Equal ones are kept once.
  for (const WorldPrefix& prefix : options_.tables) {
    const auto [at, is_new] = known.try_emplace({prefix.origin_as, prefix.paths}, static_cast<uint32_t>(route_sets_.size()));
    if (is_new) route_sets_.push_back(SetOf(prefix));
    real.emplace(prefix.prefix, at->second);
  }
  std::vector<std::pair<Prefix, uint32_t>> stack;
  for (const Prefix& prefix : prefixes()) {
    if (const auto at = real.find(prefix); at != real.end()) {
      set_of_prefix_.push_back(at->second);
      continue;
    }
    while (!stack.empty() && !stack.back().first.Covers(prefix)) stack.pop_back();
    const bool inherits = !stack.empty() && !random.OneIn(3);
    const uint32_t as = inherits ? stack.back().second : static_cast<uint32_t>(random.Below(1 + random.Below(ases)));
    stack.emplace_back(prefix, as);
    const bool own = random.OneIn(10);
    if (own) route_sets_.push_back(VariantOf(route_sets_[as], random));
    set_of_prefix_.push_back(own ? static_cast<uint32_t>(route_sets_.size() - 1) : as);
  }
}

// ---- Catalogue and holdings ----

// The share of boxes of a kind of site that hold a title of this rank. IX sites hold the tail: ten times as much.
double World::ShareHolding(uint64_t rank, bool ix) const {
  return std::min(kMostHolding, (ix ? 10 : 1) * popularity_ / static_cast<double>(rank + 1));
}

void World::ScalePopularity() {
  const double wanted = static_cast<double>(options_.files_a_box) / static_cast<double>(options_.files_a_title) * kMissing / (kMissing - 1);
  const double ix = static_cast<double>(first_box_[ix_sites_]) / static_cast<double>(boxes_.size());
  double low = 0;
  double high = static_cast<double>(titles());
  for (int i = 0; i < 50; ++i) {
    popularity_ = (low + high) / 2;
    double sum = 0;
    for (uint64_t rank = 0; rank < titles(); ++rank) sum += ix * ShareHolding(rank, true) + (1 - ix) * ShareHolding(rank, false);
    (sum < wanted ? low : high) = popularity_;
  }
  // A step without a divisor in common with the number of titles makes ranks and numbers a bijection.
  const uint64_t count = titles();
  title_step_ = std::max<uint64_t>(1, count * 5 / 8);
  while (std::gcd(title_step_, count) != 1) ++title_step_;
  title_step_back_ = 1;  // By Euler's extended algorithm.
  int64_t t = 0;
  int64_t new_t = 1;
  int64_t r = static_cast<int64_t>(count);
  int64_t new_r = static_cast<int64_t>(title_step_ % count);
  while (new_r != 0) {
    const int64_t quotient = r / new_r;
    std::tie(t, new_t) = std::pair(new_t, t - quotient * new_t);
    std::tie(r, new_r) = std::pair(new_r, r - quotient * new_r);
  }
  title_step_back_ = static_cast<uint64_t>(t < 0 ? t + static_cast<int64_t>(count) : t);
}

uint32_t World::TitleOfRank(uint64_t rank) const {
  return static_cast<uint32_t>(rank * title_step_ % titles());
}

uint64_t World::RankOfTitle(uint32_t title) const {
  return title * title_step_back_ % titles();
}

TitleId World::NameOfTitle(uint32_t title) const {
  return TitleId(absl::StrFormat("t%07d", title));
}

TitleView World::Title(uint32_t title) const {
  TitleView view = {.id = NameOfTitle(title), .current_version = "v1"};
  VersionView version = {.version = "v1"};
  const size_t first = title * options_.files_a_title;
  for (size_t file = first; file < std::min(options_.files, first + options_.files_a_title); ++file) {
    const std::string rendition = absl::StrFormat("r%03d", file - first);
    version.files.push_back({.number = static_cast<uint32_t>(file),
                             .path = absl::StrCat(view.id.value(), "/v1/", rendition, "/media.mp4"),
                             .rendition = rendition,
                             .size_bytes = 1'000'000 * (1 + Hash(7, file) % 2'000),
                             .bitrate_bps = 250'000 * (1 + Hash(8, file) % 64)});
  }
  view.versions = {std::move(version)};
  view.popularity = 1 / (static_cast<double>(RankOfTitle(title)) + 1);
  return view;
}

void World::HoldersOf(uint32_t file, std::vector<uint32_t>& boxes) const {
  boxes.clear();
  const uint32_t title = file / static_cast<uint32_t>(options_.files_a_title);
  const uint64_t rank = RankOfTitle(title);
  SeededRandom draw(Hash(options_.seed + 5, title));
  SeededRandom drop(Hash(options_.seed + 6, file));
  const auto keep = [&](uint64_t box) {
    if (!drop.OneIn(kMissing)) boxes.push_back(static_cast<uint32_t>(box));
  };
  const std::array<uint64_t, 3> range = {0, first_box_[ix_sites_], boxes_.size()};
  for (size_t part = 0; part < 2; ++part) {
    const double share = ShareHolding(rank, part == 0);
    if (share > 0.5) {
      const uint64_t most = static_cast<uint64_t>(share * 0x1p32);
      for (uint64_t box = range[part]; box < range[part + 1]; ++box) {
        if (draw.Next() >> 32 < most) keep(box);
      }
      continue;
    }
    // Rare holders are drawn by the gaps between them, uniform with the right mean; the first one as if the row had no beginning.
    const uint64_t widest = static_cast<uint64_t>((2 / share - 1) * 0x1p32);
    const uint64_t first = std::min(draw.Below(widest), draw.Below(widest)) >> 32;
    for (uint64_t box = range[part] + first; box < range[part + 1]; box += 1 + (draw.Below(widest) >> 32)) keep(box);
  }
}

SteeringInputs World::Inputs() const {
  SteeringInputs in = {.version = 1, .sites = sites_, .appliances = boxes_, .links = links_, .sessions = sessions_};
  for (size_t i = 0; i < prefixes().size(); ++i) {
    for (const WorldRoute& route : route_sets_[set_of_prefix_[i]]) {
      in.routes.push_back({.prefix = prefixes()[i],
                           .session = route.session,
                           .neighbour_as = route.neighbour_as,
                           .med = route.med,
                           .as_path_length = route.as_path_length});
    }
  }
  for (uint32_t title = 0; title < titles(); ++title) in.titles.push_back(Title(title));
  std::vector<std::vector<uint32_t>> held(boxes_.size());
  std::vector<uint32_t> holders;
  for (uint32_t file = 0; file < options_.files; ++file) {
    HoldersOf(file, holders);
    for (const uint32_t box : holders) held[box].push_back(file);
  }
  for (size_t box = 0; box < boxes_.size(); ++box) {
    in.holdings.push_back({boxes_[box].id, std::make_shared<const FileSet>(FileSet::Of(std::move(held[box])))});
  }
  return in;
}

}  // namespace fairlead
