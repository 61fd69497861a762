// Ladders in a table image. Leaves are numbered anew, in the order of their prefixes, so that a reader can tell at a glance that none comes
// twice and which covers which. Heads keep to the rule of RowPool: none of up to a cache line lies across two.
#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/status_macros.h"
#include "libs/steering/image_codec.h"
#include "libs/steering/image_parts.h"

namespace fairlead {
namespace {

struct FileLeaf {
  uint64_t head = 0;  // Where its rungs begin in their part, and in the low 16 bits how many; 0: none.
  uint32_t tail = 0;
  uint32_t padding = 0;
};
static_assert(sizeof(FileLeaf) == 16);

struct FileFacts {
  uint64_t high = 0;
  uint64_t low = 0;
  uint32_t set = 0;
  int16_t routed_length = -1;
  uint8_t family = 0;
  uint8_t length = 0;
};
static_assert(sizeof(FileFacts) == 24);
static_assert(sizeof(PackedRoute) == 16);

FileFacts ToFile(const Prefix& prefix, uint32_t set, int16_t routed_length) {
  return {.high = prefix.address().high(),
          .low = prefix.address().low(),
          .set = set,
          .routed_length = routed_length,
          .family = static_cast<uint8_t>(prefix.family()),
          .length = static_cast<uint8_t>(prefix.length())};
}

// False if it isn't a prefix as we write them.
bool FromFile(const FileFacts& facts, Prefix& prefix) {
  const bool v4 = facts.family == static_cast<uint8_t>(AddressFamily::kIpv4);
  if (!v4 && facts.family != static_cast<uint8_t>(AddressFamily::kIpv6)) return false;
  const IpAddress address = v4 ? IpAddress::V4(static_cast<uint32_t>(facts.high >> 32)) : IpAddress::V6(facts.high, facts.low);
  prefix = Prefix::Of(address, facts.length);
  const FileFacts again = ToFile(prefix, facts.set, facts.routed_length);
  return again.high == facts.high && again.low == facts.low && again.family == facts.family && again.length == facts.length &&
         facts.routed_length >= -1 && facts.routed_length <= facts.length;
}

void Put(const ClientPlace& place, ImageWriter& out) {
  out.Signed(place.at.latitude_microdegrees);
  out.Signed(place.at.longitude_microdegrees);
  out.Text(place.country);
  out.Word(place.source);
}

ClientPlace TakePlace(ImageReader& in) {
  ClientPlace place = {.at = {.latitude_microdegrees = in.Signed32(), .longitude_microdegrees = in.Signed32()}};
  place.country = in.String();
  place.source = in.Word(PlaceSource::kCountry);
  return place;
}

void WriteSessions(const std::vector<SessionView>& sessions, ImageSink& sink) {
  ImageWriter out;
  out.Number(sessions.size());
  for (const SessionView& session : sessions) {
    out.Text(session.id.value());
    out.Text(session.partner.value());
    out.Word(session.transport);
    out.Text(session.site.value());
    out.Text(session.appliance.has_value() ? session.appliance->value() : "");
    out.Text(session.link.has_value() ? session.link->value() : "");
  }
  sink.Begin(ImagePart::kSessions);
  sink.Append(out.bytes());
}

absl::StatusOr<std::vector<SessionView>> ReadSessions(absl::string_view bytes) {
  ImageReader in(bytes);
  std::vector<SessionView> sessions;
  for (size_t count = in.Count(6); count > 0; --count) {
    SessionView& session = sessions.emplace_back();
    session.id = BgpSessionId(in.String());
    session.partner = PartnerId(in.String());
    session.transport = in.Word(TransportClass::kTransit);
    session.site = SiteId(in.String());
    if (std::string appliance = in.String(); !appliance.empty()) session.appliance = ApplianceId(std::move(appliance));
    if (std::string link = in.String(); !link.empty()) session.link = LinkId(std::move(link));
  }
  if (!in.Done()) return BrokenPart("sessions", "it is cut, or something follows it");
  return sessions;
}

// What a rung may say of this fleet: by the first slot of a block, whose it is and where boxes stand.
class RungCheck {
 public:
  explicit RungCheck(const Fleet& fleet) : blocks_(fleet.slots().size()), links_(fleet.links().size()), has_sites_(!fleet.sites().empty()) {
    for (uint32_t site = 0; site < fleet.sites().size(); ++site) {
      for (const Fleet::Block& block : fleet.sites()[site].blocks) {
        uint32_t boxes = 0;
        for (uint32_t i = 0; i < block.size; ++i) boxes |= fleet.slots()[block.first_slot + i] != Fleet::kNone ? 1u << i : 0;
        blocks_[block.first_slot] = {.site = site, .boxes = boxes};
      }
    }
  }
  bool has_sites() const { return has_sites_; }
  bool Passes(const Rung& rung) const {
    return rung.hears != 0 && rung.first_slot < blocks_.size() && blocks_[rung.first_slot].site == rung.site() &&
           (rung.hears & ~blocks_[rung.first_slot].boxes) == 0 && (rung.link == Fleet::kNone || rung.link < links_);
  }

 private:
  struct Block {
    uint32_t site = Fleet::kNone;
    uint32_t boxes = 0;
  };
  std::vector<Block> blocks_;
  const size_t links_;
  const bool has_sites_;
};

// Between heads, so that none of up to a line lies across two. Nobody's ladder refers there.
bool IsPadding(const Rung& rung) {
  return rung == Rung{.first_slot = 0, .hears = 0, .rank = 0, .site_and_flags = 0, .link = 0};
}

size_t PlaceOfHead(size_t at, size_t bytes) {
  const size_t alignment = bytes <= 16 ? 16 : bytes <= 32 ? 32 : 64;
  return (at + alignment - 1) / alignment * alignment;
}

}  // namespace

void ImageParts::WriteLadders(const LadderTable& ladders, ImageSink& sink) {
  WriteSessions(ladders.sessions(), sink);
  std::vector<uint32_t> order = {0};
  order.reserve(ladders.prefixes_ + 1);
  for (uint32_t leaf = 1; leaf < ladders.facts_.size(); ++leaf) {
    if (!ladders.facts_[leaf].free) order.push_back(leaf);
  }
  std::sort(order.begin() + 1, order.end(), [&](uint32_t a, uint32_t b) { return ladders.facts_[a].prefix < ladders.facts_[b].prefix; });

  std::vector<FileLeaf> leaves;
  leaves.reserve(order.size());
  absl::flat_hash_map<uint64_t, uint64_t> heads;  // Where each went.
  size_t at = 0;
  sink.Begin(ImagePart::kRungs);
  for (const uint32_t leaf : order) {
    const LadderTable::Leaf& from = ladders.leaves_[leaf];
    FileLeaf& to = leaves.emplace_back(FileLeaf{.tail = from.tail});
    if (from.head == 0) continue;
    const auto [known, is_new] = heads.try_emplace(from.head, 0);
    if (is_new) {
      const LadderRef ladder = ladders.LadderOf(leaf);
      const size_t place = PlaceOfHead(at, ladder.head_size * sizeof(Rung));
      AppendZeros(place - at, sink);
      AppendArray(ladder.head, ladder.head_size, sink);
      at = place + ladder.head_size * sizeof(Rung);
      known->second = uint64_t{place} << 16 | ladder.head_size;
    }
    to.head = known->second;
  }
  sink.Begin(ImagePart::kLeaves);
  AppendArray(leaves.data(), leaves.size(), sink);

  std::vector<FileFacts> facts;
  facts.reserve(order.size());
  std::vector<uint32_t> sets;  // As they are numbered here, by their number in the file.
  absl::flat_hash_map<uint32_t, uint32_t> numbers;
  for (const uint32_t leaf : order) {
    const LadderTable::LeafFacts& from = ladders.facts_[leaf];
    const auto [number, is_new] = numbers.try_emplace(from.set, static_cast<uint32_t>(sets.size()));
    if (is_new) sets.push_back(from.set);
    facts.push_back(ToFile(from.prefix, number->second, from.routed_length));
  }
  sink.Begin(ImagePart::kFacts);
  AppendArray(facts.data(), facts.size(), sink);

  ImageWriter tails;
  tails.Number(ladders.tails_.size());
  for (size_t i = 0; i < ladders.tails_.size(); ++i) {
    const LadderTable::Tail& tail = ladders.tails_[i];
    Put(tail.place, tails);
    tails.Number(tail.rungs.size());
    tails.Raw(tail.rungs.data(), tail.rungs.size() * sizeof(Rung));
  }
  sink.Begin(ImagePart::kTails);
  sink.Append(tails.bytes());

  std::vector<uint64_t> starts = {0};
  for (const uint32_t set : sets) starts.push_back(starts.back() + ladders.RoutesOf(set).size());
  sink.Begin(ImagePart::kRouteSets);
  AppendArray(starts.data(), starts.size(), sink);
  sink.Begin(ImagePart::kRoutes);
  for (const uint32_t set : sets) AppendArray(ladders.RoutesOf(set).data(), ladders.RoutesOf(set).size(), sink);
}

namespace {

absl::Status CheckRungs(absl::Span<const Rung> rungs, const RungCheck& check) {
  if (!rungs.empty() && !check.has_sites()) return BrokenPart("rungs", "the fleet has no sites");
  for (size_t i = 0; i < rungs.size(); ++i) {
    if (!check.Passes(rungs[i]) && !IsPadding(rungs[i]))
      return BrokenPart("rungs", absl::StrCat("rung ", i, " fits no block of the fleet"));
  }
  return absl::OkStatus();
}

absl::Status CheckRoutes(absl::Span<const uint64_t> starts, absl::Span<const PackedRoute> routes,
                         const std::vector<LadderSession>& sessions) {
  if (starts.empty() || starts.front() != 0 || starts.back() != routes.size() || !std::is_sorted(starts.begin(), starts.end())) {
    return BrokenPart("route sets", "they aren't the routes that are there");
  }
  for (size_t i = 0; i < routes.size(); ++i) {
    if (routes[i].session >= sessions.size() || sessions[routes[i].session].site == Fleet::kNone || routes[i].demoted > 1) {
      return BrokenPart("routes", absl::StrCat("route ", i, " is of no session"));
    }
  }
  return absl::OkStatus();
}

// What covers what, of prefixes that come in their order.
class Covering {
 public:
  // The leaf whose prefix is the longest that covers this one's; 0: none.
  uint32_t Add(const LpmRoute& route) {
    while (!stack_.empty() && !stack_.back().prefix.Covers(route.prefix)) stack_.pop_back();
    const uint32_t above = stack_.empty() ? 0 : stack_.back().leaf;
    stack_.push_back(route);
    return above;
  }

 private:
  std::vector<LpmRoute> stack_;
};

// The prefixes of all leaves but leaf 0, which is of none, in their order.
absl::StatusOr<std::vector<LpmRoute>> ReadPrefixes(absl::Span<const FileFacts> facts) {
  std::vector<LpmRoute> routes;
  routes.reserve(facts.size() - 1);
  Prefix prefix;
  for (uint32_t leaf = 0; leaf < facts.size(); ++leaf) {
    if (!FromFile(facts[leaf], prefix) || (leaf > 1 && prefix <= routes.back().prefix)) {
      return BrokenPart("facts", absl::StrCat("the prefix of leaf ", leaf, " is none, or out of order"));
    }
    if (leaf > 0) routes.push_back({prefix, leaf});
  }
  return routes;
}

}  // namespace

absl::Status ImageParts::CheckHeads(const TableImage& image, const Fleet& fleet) {
  ASSIGN_OR_RETURN(const absl::Span<const Rung> rungs, ArrayOf<Rung>(image, ImagePart::kRungs, "rungs"));
  return CheckRungs(rungs, RungCheck(fleet));
}

absl::StatusOr<std::shared_ptr<const LadderTable>> ImageParts::ReadLadders(const TableImage& image, const Fleet& fleet, size_t left_out,
                                                                           size_t distinct, DoBoth do_both) {
  const std::shared_ptr<LadderTable> table(new LadderTable());
  auto in_image = std::make_unique<LadderTable::InImage>();
  in_image->keeper = image.keeper;

  auto sessions = std::make_shared<LadderTable::Sessions>();
  ASSIGN_OR_RETURN(sessions->views, ReadSessions(image.parts[static_cast<size_t>(ImagePart::kSessions)]));
  sessions->resolved = ResolveSessions(fleet, sessions->views);
  ASSIGN_OR_RETURN(in_image->set_starts, ArrayOf<uint64_t>(image, ImagePart::kRouteSets, "route sets"));
  ASSIGN_OR_RETURN(in_image->routes, ArrayOf<PackedRoute>(image, ImagePart::kRoutes, "routes"));
  RETURN_IF_ERROR(CheckRoutes(in_image->set_starts, in_image->routes, sessions->resolved));
  table->sessions_ = std::move(sessions);

  const RungCheck check(fleet);
  ASSIGN_OR_RETURN(const absl::Span<const Rung> rungs, ArrayOf<Rung>(image, ImagePart::kRungs, "rungs"));
  PagedBuilder<LadderTable::Tail> tails;
  ImageReader in(image.parts[static_cast<size_t>(ImagePart::kTails)]);
  for (size_t count = in.Count(5); count > 0; --count) {
    LadderTable::Tail tail = {.place = TakePlace(in), .rungs = {}};
    const absl::string_view bytes = in.Raw(in.Count(sizeof(Rung)) * sizeof(Rung));
    tail.rungs.resize(bytes.size() / sizeof(Rung));
    std::copy(bytes.begin(), bytes.end(), reinterpret_cast<char*>(tail.rungs.data()));
    RETURN_IF_ERROR(CheckRungs(tail.rungs, check));
    tails.Add(std::move(tail));
  }
  if (!in.Done()) return BrokenPart("tails", "it is cut, or something follows it");

  ASSIGN_OR_RETURN(const absl::Span<const FileLeaf> leaves, ArrayOf<FileLeaf>(image, ImagePart::kLeaves, "leaves"));
  ASSIGN_OR_RETURN(const absl::Span<const FileFacts> facts, ArrayOf<FileFacts>(image, ImagePart::kFacts, "facts"));
  if (leaves.empty() || leaves.size() != facts.size() || leaves.size() > LpmMatch::kMaxLeaf) {
    return BrokenPart("leaves", absl::StrCat(leaves.size(), " leaves and facts of ", facts.size()));
  }
  ASSIGN_OR_RETURN(const std::vector<LpmRoute> routes, ReadPrefixes(facts));
  PagedBuilder<LadderTable::Leaf> own_leaves;
  PagedBuilder<LadderTable::LeafFacts> own_facts;
  const auto read_leaves = [&]() -> absl::Status {
    Covering covering;
    for (uint32_t leaf = 0; leaf < leaves.size(); ++leaf) {
      const uint64_t first = leaves[leaf].head >> 16;
      const uint64_t count = leaves[leaf].head & 0xffff;
      if (first % sizeof(Rung) != 0 || first / sizeof(Rung) > rungs.size() || count > rungs.size() - first / sizeof(Rung) ||
          (count == 0 && first != 0) || leaves[leaf].tail >= tails.size() || facts[leaf].set + 1 >= in_image->set_starts.size()) {
        return BrokenPart("leaves", absl::StrCat("leaf ", leaf, " refers to what isn't there"));
      }
      const uint64_t head = count == 0 ? 0 : reinterpret_cast<uint64_t>(rungs.data() + first / sizeof(Rung)) << 16 | count;
      own_leaves.Add({.head = head, .tail = leaves[leaf].tail});
      LadderTable::LeafFacts own = {.prefix = {}, .set = facts[leaf].set, .routed_length = facts[leaf].routed_length};
      if (leaf > 0) {
        own.prefix = routes[leaf - 1].prefix;
        own.above = covering.Add(routes[leaf - 1]);
      }
      own_facts.Add(std::move(own));
    }
    return absl::OkStatus();
  };
  absl::Status read;
  do_both([&] { read = read_leaves(); }, [&] { table->index_ = std::make_shared<const LeafIndex>(routes); });
  RETURN_IF_ERROR(read);
  table->prefixes_ = routes.size();
  table->leaves_ = own_leaves.Publish();
  table->facts_ = own_facts.Publish();
  table->tails_ = tails.Publish();
  table->slots_ = std::make_shared<const LadderTable::Slots>(LadderTable::Slots{fleet.slots()});
  table->fingerprint_ = fleet.fingerprint();
  table->left_out_ = left_out;
  table->distinct_ = distinct;
  table->in_image_ = std::move(in_image);
  return std::shared_ptr<const LadderTable>(table);
}

}  // namespace fairlead
