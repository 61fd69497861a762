// The table that steers against the path-compressed trie (which prefix_table_oracle_test holds against a linear scan) and against trying
// every length, on a full Internet table: the real one of $FAIRLEAD_DATA if it is there, else a generated one.
#include <algorithm>
#include <array>
#include <iostream>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "gtest/gtest.h"
#include "libs/net/ip_address.h"
#include "libs/net/lpm_read.h"
#include "libs/net/lpm_table.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "tests/generator/routes.h"
#include "tests/oracle/full_table.h"

namespace fairlead {
namespace {

constexpr size_t kBatch = 256;

// Wraps around within the family.
IpAddress Neighbour(const IpAddress& address, int by) {
  if (address.is_v4()) return IpAddress::V4(address.v4() + static_cast<uint32_t>(by));
  const uint64_t low = address.low() + static_cast<uint64_t>(static_cast<int64_t>(by));
  const bool carries = by > 0 ? low == 0 : low == ~uint64_t{0};
  return IpAddress::V6(address.high() + (carries ? static_cast<uint64_t>(static_cast<int64_t>(by)) : 0), low);
}

class LpmTableOracle : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    prefixes_ = new std::vector<Prefix>(LoadFullTable());
    naive_ = new PrefixTable<uint32_t>();
    set_ = new absl::flat_hash_set<Prefix>(prefixes_->begin(), prefixes_->end());
    std::vector<LpmRoute> routes;
    for (uint32_t i = 0; i < prefixes_->size(); ++i) {
      naive_->Insert((*prefixes_)[i], i);
      routes.push_back({(*prefixes_)[i], i});
    }
    table_ = LpmTable::Create().value().release();
    reader_ = new LpmTable::Reader(*table_);
    ASSERT_TRUE(table_->Build(routes).ok());
    ASSERT_EQ(table_->size(), prefixes_->size());
  }

  static LpmMatch Expected(const IpAddress& address) {
    const auto match = naive_->LongestMatch(address);
    return match.has_value() ? LpmMatch(match->prefix.length(), *match->value) : LpmMatch();
  }
  // The second oracle shares nothing with the first.
  static int LengthTried(const IpAddress& address) {
    for (int length = address.bits(); length >= 0; --length) {
      if (set_->contains(Prefix::Of(address, length))) return length;
    }
    return -1;
  }
  static std::array<IpAddress, 4> Edges(const Prefix& prefix) {
    return {prefix.address(), prefix.last(), Neighbour(prefix.address(), -1), Neighbour(prefix.last(), 1)};
  }

  // One by one and in all versions of a batch.
  static void Check(const std::vector<IpAddress>& addresses) {
    const LpmTable::Pin pin(*reader_);
    std::vector<LpmMatch> batch(addresses.size());
    pin.LongestMatches(addresses, batch.data());
    std::vector<LpmKey6> keys;
    for (const IpAddress& address : addresses) keys.push_back({address.high(), address.low()});
    std::vector<uint32_t> portable(addresses.size());
    lpm::Bulk6Portable(pin.view6(), keys.data(), keys.size(), portable.data());
    for (size_t i = 0; i < addresses.size(); ++i) {
      const LpmMatch expected = Expected(addresses[i]);
      ASSERT_EQ(batch[i], expected) << addresses[i] << ": " << batch[i].length() << ", not " << expected.length();
      ASSERT_EQ(pin.LongestMatch(addresses[i]), expected) << addresses[i];
      if (addresses[i].is_v6()) {
        ASSERT_EQ(portable[i], expected.word()) << addresses[i];
      }
    }
  }

  static const std::vector<Prefix>* prefixes_;
  static PrefixTable<uint32_t>* naive_;
  static absl::flat_hash_set<Prefix>* set_;
  static LpmTable* table_;
  static LpmTable::Reader* reader_;
};

const std::vector<Prefix>* LpmTableOracle::prefixes_ = nullptr;
PrefixTable<uint32_t>* LpmTableOracle::naive_ = nullptr;
absl::flat_hash_set<Prefix>* LpmTableOracle::set_ = nullptr;
LpmTable* LpmTableOracle::table_ = nullptr;
LpmTable::Reader* LpmTableOracle::reader_ = nullptr;

TEST_F(LpmTableOracle, EveryEdgeOfEveryPrefixAndItsNeighbour) {
  std::vector<IpAddress> batch;
  for (const Prefix& prefix : *prefixes_) {
    for (const IpAddress& edge : Edges(prefix)) batch.push_back(edge);
    if (batch.size() < kBatch) continue;
    ASSERT_NO_FATAL_FAILURE(Check(batch));
    batch.clear();
  }
  ASSERT_NO_FATAL_FAILURE(Check(batch));
}

TEST_F(LpmTableOracle, ASampleAgreesWithTryingAllLengths) {
  RouteGenerator generator(1);
  const LpmTable::Pin pin(*reader_);
  for (int i = 0; i < 100'000; ++i) {
    const Prefix& prefix = (*prefixes_)[generator.random().Below(prefixes_->size())];
    const IpAddress address = i % 2 == 0 ? generator.AddressIn(prefix) : Neighbour(prefix.last(), 1);
    ASSERT_EQ(pin.LongestMatch(address).length(), LengthTried(address)) << address;
  }
}

// A third anywhere, the rest inside prefixes of the table.
TEST_F(LpmTableOracle, TenMillionRandomAddresses) {
  RouteGenerator generator(2);
  std::vector<IpAddress> batch(kBatch);
  for (int asked = 0; asked < 10'000'000; asked += kBatch) {
    for (size_t i = 0; i < kBatch; ++i) {
      const bool anywhere = i % 3 == 0;
      batch[i] = anywhere ? generator.Address(i % 2 == 0 ? AddressFamily::kIpv4 : AddressFamily::kIpv6)
                          : generator.AddressIn((*prefixes_)[generator.random().Below(prefixes_->size())]);
    }
    ASSERT_NO_FATAL_FAILURE(Check(batch));
  }
}

// Last, because it changes the table. Prefixes of the table go and come back, as a router's would, and random more- and less-specifics with
// them.
TEST_F(LpmTableOracle, AMillionAnnouncementsAndWithdrawals) {
  RouteGenerator generator(3);
  SeededRandom& random = generator.random();
  std::vector<IpAddress> batch;
  for (uint32_t step = 0; step < 1'000'000; ++step) {
    Prefix prefix = (*prefixes_)[random.Below(prefixes_->size())];
    if (random.OneIn(4)) {
      const int length = prefix.length() + static_cast<int>(random.Below(9)) - 2;
      prefix = Prefix::Of(generator.AddressIn(prefix), std::max(length, 8));
    }
    if (random.OneIn(2000)) prefix = Prefix::Of(prefix.address(), static_cast<int>(random.Below(12)));
    if (random.OneIn(2000)) prefix = Prefix::Host(generator.AddressIn(prefix));
    if (naive_->Find(prefix) != nullptr && !random.OneIn(4)) {
      ASSERT_TRUE(naive_->Erase(prefix));
      ASSERT_TRUE(table_->Erase(prefix).ok()) << prefix;
    } else {
      naive_->Insert(prefix, step);
      ASSERT_TRUE(table_->Insert(prefix, step).ok()) << prefix;
    }
    for (const IpAddress& edge : Edges(prefix))
      ASSERT_EQ(LpmTable::Pin(*reader_).LongestMatch(edge), Expected(edge)) << prefix << " " << edge;
    if (step % 100 != 0) continue;
    batch.clear();
    for (size_t i = 0; i < kBatch; ++i) batch.push_back(generator.AddressIn((*prefixes_)[random.Below(prefixes_->size())]));
    ASSERT_NO_FATAL_FAILURE(Check(batch)) << step;
  }
  ASSERT_EQ(table_->size(), naive_->size());
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const LpmTable::Size size = table_->SizeOf(family);
    std::cout << "SIZE after all that: " << size.routes << " routes, lookup " << size.lookup << " bytes, reserve " << size.reserve
              << ", store " << size.store << "\n";
  }
}

}  // namespace
}  // namespace fairlead
