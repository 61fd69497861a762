// A byte stream as a BGP session: its rules, then announcements, withdrawals, losses and returns; the session's table against the plain
// reading of the rules (tests/oracle/naive_admission.h), and against what a subscriber to its changes knows.
#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "libs/net/prefix.h"
#include "libs/routing/session_table.h"
#include "tests/fuzz/byte_reader.h"
#include "tests/fuzz/require.h"
#include "tests/oracle/naive_admission.h"

namespace fairlead {
namespace {

constexpr int kMostUpdates = 400;
constexpr int kCheckEvery = 32;

// Few ASNs and few places in the address space, so that a short input can say much.
uint32_t Asn(ByteReader& reader) {
  constexpr uint32_t kAsns[] = {64601, 64602, 64500, 40027, 0, 1, 23456, 0xffffffff};
  return kAsns[reader.Byte() % 8];
}

Prefix ReadPrefix(ByteReader& reader) {
  constexpr uint32_t kV4[] = {0x500a0000, 0x500b0000, 0x0a000000, 0xc0a80000, 0xc6336400, 0, 0xe0000000, 0x640c0000};
  constexpr uint64_t kV6[] = {0x2a00000a00000000, 0x2a00000b00000000, 0x20010db800000000, 0,
                              0xfc00000000000000, 0x2001000000000000, 0x3fff000000000000, 0x2002000000000000};
  const uint8_t base = reader.Byte();
  const uint32_t low = reader.Word();
  const int length = reader.Byte() % 129;
  const auto place = static_cast<size_t>(base >> 1 & 7);
  if (base % 2 == 0) return Prefix::Of(IpAddress::V4(kV4[place] ^ low << (base >> 4 & 15)), length % 33);
  return Prefix::Of(IpAddress::V6(kV6[place] ^ uint64_t{low} << (base >> 4 & 15) * 3, low), length);
}

AsPath ReadPath(ByteReader& reader) {
  AsPath path;
  for (int segments = reader.Byte() % 4; segments > 0; --segments) {
    const uint8_t shape = reader.Byte();
    AsPathSegment segment{.kind = static_cast<AsPathSegment::Kind>(1 + shape % 4), .asns = {}};
    if (shape % 32 == 31) segment.asns.assign(reader.Byte() % 64, Asn(reader));
    for (int asns = shape >> 5; asns > 0; --asns) segment.asns.push_back(Asn(reader));
    path.push_back(std::move(segment));
  }
  return path;
}

RawRoute ReadRoute(ByteReader& reader) {
  RawRoute route;
  route.key = {ReadPrefix(reader), static_cast<uint32_t>(reader.Byte() % 3)};
  route.as_path = ReadPath(reader);
  const uint8_t more = reader.Byte();
  if (more % 2 == 1) route.med = more;
  if (more % 8 == 2) route.communities = {kGracefulShutdown};
  return route;
}

NaiveRules ReadRules(ByteReader& reader) {
  NaiveRules rules;
  SessionRecord& record = rules.record;
  const uint8_t shape = reader.Byte();
  record = {.id = BgpSessionId("s"), .partner = PartnerId("p"), .transport = static_cast<TransportClass>(1 + shape % 4)};
  record.family = static_cast<AddressFamily>(std::max(0, (shape >> 2 & 7) - 5));
  if ((shape & 32) != 0) record.local_asn = 40027;
  if ((shape & 64) != 0) record.partner_asns = {64601, 65550};
  rules.has_allow_list = (shape & 128) != 0;
  const uint8_t limits = reader.Byte();
  record.max_prefix = limits % 8;
  if ((limits & 8) != 0) record.v4 = {reader.Byte() % 33, reader.Byte() % 33};
  if ((limits & 16) != 0) record.v6 = {reader.Byte() % 129, reader.Byte() % 129};
  if ((limits & 32) != 0) record.max_path_length = reader.Byte() % 60;
  for (int allowed = limits >> 6; allowed > 0; --allowed) rules.allowed.push_back(ReadPrefix(reader));
  for (int vrps = reader.Byte() % 4; vrps > 0; --vrps) {
    const Prefix prefix = ReadPrefix(reader);
    rules.vrps.push_back({.prefix = prefix, .max_length = prefix.length() + reader.Byte() % 9, .asn = Asn(reader)});
  }
  return rules;
}

SessionRecord RecordOf(const NaiveRules& rules) {
  SessionRecord record = rules.record;
  if (!rules.has_allow_list) return record;
  auto set = std::make_shared<PrefixSet>();
  for (const Prefix& prefix : rules.allowed) set->Insert(prefix, {});
  record.allowed = std::move(set);
  return record;
}

std::shared_ptr<const VrpTable> VrpsOf(const NaiveRules& rules) {
  auto table = std::make_shared<VrpTable>();
  for (const Vrp& vrp : rules.vrps) table->Add(vrp);
  return rules.vrps.empty() ? nullptr : table;
}

class Both {
 public:
  Both(NaiveRules rules, const LossPolicy& loss) : table_(RecordOf(rules), VrpsOf(rules), loss), naive_(std::move(rules), loss) {}

  void Step(ByteReader& reader) {
    switch (reader.Byte() % 16) {
      default: {
        const RawRoute route = ReadRoute(reader);
        naive_.Announce(route);
        return Note(table_.Announce(route));
      }
      case 8:
      case 9:
      case 10: {
        const RouteKey key = {ReadPrefix(reader), static_cast<uint32_t>(reader.Byte() % 3)};
        naive_.Withdraw(key);
        return Note(table_.Withdraw(key));
      }
      case 11:
        naive_.SessionUp(now_);
        return Note(table_.SessionUp(now_));
      case 12:
      case 13: {
        const SessionLoss loss = reader.Byte() % 4 == 0 ? SessionLoss::kCeased : SessionLoss::kLost;
        naive_.SessionDown(loss, now_);
        return Note(table_.SessionDown(loss, now_));
      }
      case 14: {
        const AddressFamily family = reader.Byte() % 2 == 0 ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
        naive_.EndOfRib(family);
        return Note(table_.EndOfRib(family));
      }
      case 15:
        if (reader.Byte() % 2 == 0) return Pass(absl::Seconds(reader.Byte()));
        NaiveRules rules = ReadRules(reader);
        Note(table_.Reconfigure(RecordOf(rules), VrpsOf(rules)));
        return naive_.Reconfigure(std::move(rules));
    }
  }

  void Check() {
    const std::map<RouteKey, NaiveSession::Held> expected = naive_.Verdicts();
    FUZZ_REQUIRE(table_.routes().size() == expected.size(), table_.routes().size(), " routes instead of ", expected.size());
    FUZZ_REQUIRE(mirror_.size() == expected.size(), mirror_.size(), " told instead of ", expected.size());
    std::array<size_t, kDropReasons> counts = {};
    for (const auto& [key, held] : expected) {
      const KeptRoute* kept = table_.Find(key);
      FUZZ_REQUIRE(kept != nullptr, key.prefix.ToString(), " is gone");
      FUZZ_REQUIRE(kept->admission.reason == held.reason, key.prefix.ToString(), " ", ToString(held.route.as_path), ": ",
                   ToString(kept->admission.reason), " instead of ", ToString(held.reason));
      FUZZ_REQUIRE(kept->demoted == held.demoted && kept->route == held.route, key.prefix.ToString());
      FUZZ_REQUIRE(kept->admission.admitted() == kept->admission.sentence.empty() && kept->admission.sentence.size() < 500,
                   kept->admission.sentence);
      FUZZ_REQUIRE(mirror_[key] == std::make_pair(held.reason, held.demoted), key.prefix.ToString(), " changed and wasn't told");
      ++counts[static_cast<size_t>(held.reason)];
      // What all of this is for.
      if (held.reason != DropReason::kAdmitted || naive_.rules().record.transport == TransportClass::kTransit) continue;
      FUZZ_REQUIRE(naive_.rules().has_allow_list && NaiveCovered(key.prefix, naive_.rules().allowed), key.prefix.ToString(), " is foreign");
    }
    for (int i = 0; i < kDropReasons; ++i) {
      FUZZ_REQUIRE(table_.count(static_cast<DropReason>(i)) == counts[static_cast<size_t>(i)], ToString(static_cast<DropReason>(i)));
    }
  }

 private:
  void Pass(absl::Duration time) {
    now_ += time;
    naive_.Tick(now_);
    Note(table_.Tick(now_));
  }
  void Note(const std::vector<RouteKey>& changed) {
    FUZZ_REQUIRE(std::is_sorted(changed.begin(), changed.end()), "changes out of order");
    FUZZ_REQUIRE(std::adjacent_find(changed.begin(), changed.end()) == changed.end(), "a change is told twice");
    for (const RouteKey& key : changed) {
      const KeptRoute* kept = table_.Find(key);
      if (kept == nullptr) {
        mirror_.erase(key);
      } else {
        mirror_[key] = {kept->admission.reason, kept->demoted};
      }
    }
  }

  SessionTable table_;
  NaiveSession naive_;
  absl::Time now_ = absl::UnixEpoch();
  std::map<RouteKey, std::pair<DropReason, bool>> mirror_;
};

}  // namespace
}  // namespace fairlead

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  fairlead::ByteReader reader(data, size);
  const fairlead::LossPolicy loss = {.forget_after = reader.Byte() % 2 == 0 ? absl::InfiniteDuration() : absl::Minutes(10)};
  fairlead::Both both(fairlead::ReadRules(reader), loss);
  for (int update = 1; update <= fairlead::kMostUpdates && !reader.empty(); ++update) {
    both.Step(reader);
    if (update % fairlead::kCheckEvery == 0) both.Check();
  }
  both.Check();
  return 0;
}
