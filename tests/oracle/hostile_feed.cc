#include "tests/oracle/hostile_feed.h"

#include <utility>

namespace fairlead {
namespace {

using Kind = AsPathSegment::Kind;

// Defaults, special-purpose space itself, inside and around, prefixes just outside of it, and space that is nobody's here.
constexpr const char* kAlwaysThere[] = {
    "0.0.0.0/0",       "::/0",           "0.0.0.0/1",       "128.0.0.0/1",    "8000::/1",       "10.0.0.0/8",         "10.77.0.0/16",
    "11.0.0.0/8",      "100.64.0.0/10",  "100.0.0.0/8",     "127.0.0.0/8",    "169.254.1.0/24", "172.16.0.0/12",      "172.32.0.0/11",
    "192.0.0.0/16",    "192.0.2.0/24",   "192.88.99.0/24",  "192.88.98.0/24", "192.168.7.0/24", "198.18.0.0/15",      "198.20.0.0/16",
    "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/8",     "239.1.1.0/24",   "240.0.0.0/8",    "255.255.255.255/32", "2001::/32",
    "2001:200::/32",   "2001:db8::/32",  "2001:db8:7::/48", "2002:a00::/24",  "3ffe::/20",      "3fff::/20",          "3fff:1000::/36",
    "fc00::/19",       "fe80::/20",      "ff0e::/32",       "64:ff9b::/96",   "100::/64",       "4000::/19",          "1fff::/32",
    "5f00::/20",       "81.0.0.0/12",    "81.2.0.0/16",     "2a05::/29",      "2a05:1::/32",
};

}  // namespace

HostileFeed::HostileFeed(uint64_t seed, std::vector<Prefix> own, std::vector<Prefix> foreign, uint32_t asn, uint32_t local_asn)
    : random_(seed), asn_(asn), local_asn_(local_asn) {
  FillPool(own, foreign);
  FillPaths();
}

Prefix HostileFeed::Inside(const Prefix& around, int more) {
  const int length = around.length() + static_cast<int>(random_.Below(static_cast<uint64_t>(more) + 1));
  const IpAddress& base = around.address();
  const uint64_t bits = random_.Next();
  if (base.is_v4()) {
    const uint32_t low = around.length() == 0 ? ~uint32_t{0} : around.length() >= 32 ? 0 : ~uint32_t{0} >> around.length();
    return Prefix::Of(IpAddress::V4(base.v4() | (static_cast<uint32_t>(bits) & low)), length);
  }
  const uint64_t high = around.length() >= 64 ? 0 : ~uint64_t{0} >> around.length();
  return Prefix::Of(IpAddress::V6(base.high() | (bits & high), base.low()), length);
}

void HostileFeed::FillPool(const std::vector<Prefix>& own, const std::vector<Prefix>& foreign) {
  for (const Prefix& prefix : own) {
    pool_.push_back(prefix);
    pool_.push_back(Prefix::Of(prefix.address(), prefix.length() - 1));  // Twice what is registered.
    for (int i = 0; i < 12; ++i) pool_.push_back(Inside(prefix, 10));
    pool_.push_back(Inside(prefix, 128));
  }
  for (const Prefix& prefix : foreign) {
    pool_.push_back(prefix);
    for (int i = 0; i < 4; ++i) pool_.push_back(Inside(prefix, 9));  // Others' more-specifics.
  }
  for (const char* text : kAlwaysThere) pool_.push_back(Prefix::Parse(text).value());
  // A leak of whatever there is.
  for (int i = 0; i < 6; ++i) pool_.push_back(Inside(Prefix::Parse("0.0.0.0/0").value(), 26));
  for (int i = 0; i < 4; ++i) pool_.push_back(Inside(Prefix::Parse("2000::/3").value(), 50));
}

void HostileFeed::FillPaths() {
  const uint32_t a = asn_;
  for (int i = 0; i < 5; ++i) paths_.push_back(SequencePath({a, 64500}));
  for (int i = 0; i < 5; ++i) paths_.push_back(SequencePath({a}));
  for (int i = 0; i < 3; ++i) paths_.push_back(SequencePath({a, a, a, 64501, 64501}));
  paths_.push_back(SequencePath({a, 174, 3356, 64502}));
  paths_.push_back(SequencePath({}));
  paths_.push_back(SequencePath({a, 64500, a}));  // Comes back.
  paths_.push_back(SequencePath({a, 64500, 64501, 64500}));
  paths_.push_back(SequencePath({a, local_asn_, 64500}));  // Ours.
  paths_.push_back(SequencePath({local_asn_}));
  paths_.push_back(SequencePath({a, 0}));
  paths_.push_back(SequencePath({0, a}));
  paths_.push_back(SequencePath({174, a}));  // Another neighbour.
  paths_.push_back(SequencePath({0xffffffff, a}));
  paths_.push_back(SequencePath(std::vector<uint32_t>(50, a)));
  paths_.push_back(SequencePath(std::vector<uint32_t>(51, a)));
  paths_.push_back(SequencePath(std::vector<uint32_t>(255, a)));
  paths_.push_back({{Kind::kSequence, {a}}, {Kind::kSet, {64500, 64501}}});
  paths_.push_back({{Kind::kSet, {a}}});
  paths_.push_back({{Kind::kSequence, {a}}, {Kind::kSet, {64500, local_asn_}}});
  paths_.push_back({{Kind::kSequence, {a}}, {Kind::kSet, {}}});
  paths_.push_back({{Kind::kSequence, {}}, {Kind::kSequence, {a, 64500}}});
  paths_.push_back({{Kind::kConfedSequence, {65001, 65002}}, {Kind::kSequence, {a, 64500}}});
  paths_.push_back({{Kind::kConfedSequence, {local_asn_}}, {Kind::kSequence, {a, 64500}}});
  paths_.push_back({{Kind::kConfedSet, {65001}}});
  paths_.push_back({{Kind::kSequence, {a, 64500}}, {Kind::kSequence, {a}}});  // Comes back, in another segment.
  paths_.push_back({{Kind::kSequence, {a}}, {Kind::kSet, {1, 2, 3}}, {Kind::kSequence, {64500}}});
}

RawRoute HostileFeed::Route() {
  RawRoute route;
  route.key.prefix = pool_[random_.Below(pool_.size())];
  route.key.path_id = static_cast<uint32_t>(random_.Below(3));
  route.as_path = paths_[random_.Below(paths_.size())];
  if (random_.OneIn(2)) route.med = static_cast<uint32_t>(random_.Below(3));
  if (random_.OneIn(8)) route.communities = {Community(static_cast<uint16_t>(asn_), 1), kGracefulShutdown};
  return route;
}

HostileUpdate HostileFeed::Next() {
  using Update = HostileUpdate::Kind;
  HostileUpdate update;
  update.after = absl::Milliseconds(random_.Below(400));
  const uint64_t what = random_.Below(1'000);
  if (flapping_ > 0 || what < 5) {  // One route, up and down, a hundred times.
    flapping_ = flapping_ > 0 ? flapping_ - 1 : 100;
    update.route = Route();
    update.route.key = {pool_[flapping_ % 2], 0};
    update.kind = random_.OneIn(2) ? Update::kAnnounce : Update::kWithdraw;
  } else if (what < 650) {
    update.kind = Update::kAnnounce;
    update.route = Route();
  } else if (what < 960) {
    update.kind = Update::kWithdraw;
    update.route = Route();
  } else if (what < 970) {
    update.kind = Update::kUp;
  } else if (what < 976) {
    update.kind = Update::kLost;
  } else if (what < 978) {
    update.kind = Update::kCeased;
  } else if (what < 984) {
    update.kind = Update::kEndOfRib;
    if (random_.OneIn(2)) update.family = AddressFamily::kIpv6;
  } else if (what < 996) {
    update.kind = Update::kTick;
    update.after = absl::Seconds(random_.Below(60));
  } else {
    update.kind = Update::kReconfigure;
  }
  return update;
}

std::vector<Vrp> HostileFeed::Vrps() {
  std::vector<Vrp> vrps;
  for (uint64_t count = random_.Below(12); count > 0; --count) {
    const Prefix& prefix = pool_[random_.Below(pool_.size())];
    const uint32_t asns[] = {asn_, 64500, 64501, 0, 65550};
    const int most = prefix.length() + static_cast<int>(random_.Below(9));
    vrps.push_back({.prefix = prefix, .max_length = most, .asn = asns[random_.Below(5)]});
  }
  return vrps;
}

}  // namespace fairlead
