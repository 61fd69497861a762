// The table that steers against brute force: every length tried in a hash table, for every edge of every prefix, 10^7 random addresses and
// 10^6 changes of a full Internet table; the real one of $FAIRLEAD_DATA if it is there, else a generated one.
#include <algorithm>
#include <iostream>
#include <memory>
#include <vector>

#include "gtest/gtest.h"
#include "libs/net/ip_address.h"
#include "libs/net/lpm_read.h"
#include "libs/net/lpm_table.h"
#include "libs/net/prefix.h"
#include "tests/generator/routes.h"
#include "tests/oracle/full_table.h"
#include "tests/oracle/tried_lengths.h"

namespace fairlead {
namespace {

constexpr size_t kBatch = 256;

class LpmTableOracle : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    prefixes_ = new std::vector<Prefix>(LoadFullTable());
    tried_ = new TriedLengths();
    std::vector<LpmRoute> routes;
    for (uint32_t i = 0; i < prefixes_->size(); ++i) {
      tried_->Set((*prefixes_)[i], i);
      routes.push_back({(*prefixes_)[i], i});
    }
    table_ = LpmTable::Create().value().release();
    reader_ = new LpmTable::Reader(*table_);
    ASSERT_TRUE(table_->Build(routes).ok());
    ASSERT_EQ(table_->size(), prefixes_->size());
  }

  static LpmMatch Expected(const IpAddress& address) {
    const auto match = tried_->LongestMatch(address);
    return match.has_value() ? LpmMatch(match->prefix.length(), match->value) : LpmMatch();
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
  static TriedLengths* tried_;
  static LpmTable* table_;
  static LpmTable::Reader* reader_;
};

const std::vector<Prefix>* LpmTableOracle::prefixes_ = nullptr;
TriedLengths* LpmTableOracle::tried_ = nullptr;
LpmTable* LpmTableOracle::table_ = nullptr;
LpmTable::Reader* LpmTableOracle::reader_ = nullptr;

TEST_F(LpmTableOracle, EveryEdgeOfEveryPrefixAndItsNeighbours) {
  std::vector<IpAddress> batch;
  for (const Prefix& prefix : *prefixes_) {
    for (const IpAddress& edge : Edges(prefix)) batch.push_back(edge);
    if (batch.size() < kBatch) continue;
    ASSERT_NO_FATAL_FAILURE(Check(batch));
    batch.clear();
  }
  ASSERT_NO_FATAL_FAILURE(Check(batch));
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
    if (tried_->contains(prefix) && !random.OneIn(4)) {
      ASSERT_TRUE(tried_->Erase(prefix));
      ASSERT_TRUE(table_->Erase(prefix).ok()) << prefix;
    } else {
      tried_->Set(prefix, step);
      ASSERT_TRUE(table_->Insert(prefix, step).ok()) << prefix;
    }
    for (const IpAddress& edge : Edges(prefix))
      ASSERT_EQ(LpmTable::Pin(*reader_).LongestMatch(edge), Expected(edge)) << prefix << " " << edge;
    if (step % 100 != 0) continue;
    batch.clear();
    for (size_t i = 0; i < kBatch; ++i) batch.push_back(generator.AddressIn((*prefixes_)[random.Below(prefixes_->size())]));
    ASSERT_NO_FATAL_FAILURE(Check(batch)) << step;
  }
  ASSERT_EQ(table_->size(), tried_->size());
  for (const AddressFamily family : {AddressFamily::kIpv4, AddressFamily::kIpv6}) {
    const LpmTable::Size size = table_->SizeOf(family);
    std::cout << "SIZE after all that: " << size.routes << " routes, lookup " << size.lookup << " bytes, reserve " << size.reserve
              << ", store " << size.store << "\n";
  }
}

}  // namespace
}  // namespace fairlead
