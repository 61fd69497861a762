// LpmTable: longest-prefix match for IPv4 and IPv6, prefix → leaf (a number, say of an interned ladder), changed in place while it is read.
//
// One thread writes; any number of others (up to LpmEpochs::kMaxReaders at a time) look up and never wait, lock or retry. When Insert() or
// Erase() returns, every lookup that begins later sees the change; one that runs meanwhile sees, for each address, the old match or the
// new one. A reader pins the table and renews the pin between batches, which costs a load and a store; what is replaced meanwhile is kept
// for it.
//
// Structure, cost and the reasons: ARCHITECTURE.md, "The prefix table". A lookup is one load for nearly all of IPv4 and about three lines
// for IPv6; a prefix takes 77 and 34 bytes. A change costs about a microsecond, one of a /8 some tens of them.
//
//   ASSIGN_OR_RETURN(const std::unique_ptr<LpmTable> table, LpmTable::Create());
//   RETURN_IF_ERROR(table->Build(routes));                       // Writer.
//   RETURN_IF_ERROR(table->Insert(prefix, ladder));
//
//   LpmTable::Reader reader(*table);                             // Once a thread.
//   { const LpmTable::Pin pin(reader);                           // Around some work; pin.Renew() between batches.
//     const LpmMatch match = pin.LongestMatch(client);
//     if (match.found()) Use(match.leaf(), Prefix::Of(client, match.length())); }
#ifndef FAIRLEAD_LIBS_NET_LPM_TABLE_H_
#define FAIRLEAD_LIBS_NET_LPM_TABLE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "libs/net/ip_address.h"
#include "libs/net/lpm_memory.h"
#include "libs/net/lpm_read.h"
#include "libs/net/lpm_trie4.h"
#include "libs/net/lpm_trie6.h"
#include "libs/net/lpm_word.h"
#include "libs/net/prefix.h"
#include "libs/net/route_store.h"

namespace fairlead {

struct LpmRoute {
  Prefix prefix;
  uint32_t leaf = 0;  // At most LpmMatch::kMaxLeaf.
};

class LpmTable {
 public:
  // Of each family. With the worst prefixes there are, so many still fit LpmMemory::kMaxBytes.
  static constexpr size_t kMaxRoutes = 2'000'000;

  // Bytes of one family.
  struct Size {
    size_t routes = 0;
    size_t lookup = 0;   // What readers walk: first level and live nodes.
    size_t reserve = 0;  // Nodes replaced and kept for readers or for new ones.
    size_t store = 0;    // The writer's routes.
  };

  // Lookups, valid while it lives; for short times only. Belongs to the thread of its reader.
  class Pin;
  // One thread's place among the readers; must not outlive the table.
  class Reader {
   public:
    explicit Reader(const LpmTable& table) : table_(table), slot_(table.epochs_->Take()) {}
    ~Reader() {
      if (slot_ != nullptr) LpmEpochs::Return(slot_);
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;
    // False if there were too many readers: it must not be used.
    bool ok() const { return slot_ != nullptr; }

   private:
    friend class Pin;
    const LpmTable& table_;
    LpmEpochs::Slot* slot_;
  };

  // RESOURCE_EXHAUSTED if the address space can't be reserved.
  static absl::StatusOr<std::unique_ptr<LpmTable>> Create();
  LpmTable(const LpmTable&) = delete;
  LpmTable& operator=(const LpmTable&) = delete;

  // Writer. Everything at once, in any order (in that of Prefix it is fastest); before the first reader, on an empty table.
  // INVALID_ARGUMENT if a prefix comes twice or a leaf is too large, RESOURCE_EXHAUSTED if there are too many; nothing is changed then.
  absl::Status Build(absl::Span<const LpmRoute> routes);
  // The same for a table that won't be changed any more: without the writer's store of routes, which takes half of the time.
  // Insert() and Erase() are FAILED_PRECONDITION from then on, Find() finds nothing and no routes are counted.
  absl::Status BuildForGood(absl::Span<const LpmRoute> routes);
  // Writer. Adds the prefix or replaces its leaf. Errors as for Build(), and RESOURCE_EXHAUSTED while a reader that never unpins keeps all
  // memory from being used again; nothing is changed then.
  absl::Status Insert(const Prefix& prefix, uint32_t leaf);
  // Writer. NOT_FOUND if the prefix isn't there.
  absl::Status Erase(const Prefix& prefix);
  // Writer. The leaf of exactly this prefix.
  std::optional<uint32_t> Find(const Prefix& prefix) const;

  // Without a reader, for a table that nobody writes to meanwhile: one that is handed over whole.
  LpmMatch LongestMatchAtRest(const IpAddress& address) const {
    return LpmMatch::FromWord(address.is_v4() ? lpm::Find4(view4_, address.v4()) : lpm::Find6(view6_, {address.high(), address.low()}));
  }

  // The same for many of both families, their memory fetched side by side.
  void LongestMatchesAtRest(absl::Span<const IpAddress> addresses, LpmMatch* matches) const;

  // Writer.
  size_t size() const { return SizeOf(AddressFamily::kIpv4).routes + SizeOf(AddressFamily::kIpv6).routes; }
  Size SizeOf(AddressFamily family) const;

 private:
  friend class Pin;
  LpmTable();
  LpmMatch FindMatch(const Prefix& prefix) const;
  LpmMatch Covering(const Prefix& prefix) const;
  absl::Status BuildOf(absl::Span<const LpmRoute> routes);
  absl::Status CheckChangeable() const;
  // True if it is new.
  bool Remember(const Prefix& prefix, LpmMatch match);
  void Forget(const Prefix& prefix);
  static void SetDefault(lpm::Default& fallback, uint32_t word);
  void Paint(const Prefix& prefix, const lpm::Brush& brush);
  absl::Status CheckRoom(AddressFamily family, size_t routes) const;
  template <typename Trie>
  void BuildFamily(absl::Span<const LpmRoute> routes, Trie& trie);

  std::unique_ptr<LpmEpochs> epochs_;  // Behind a pointer, so that a const reader may announce itself.
  lpm::LpmTrie4 trie4_;
  lpm::LpmTrie6 trie6_;
  lpm::Default default4_;
  lpm::Default default6_;
  lpm::View view4_;
  lpm::View view6_;
  lpm::Bulk6 bulk6_;
  bool for_good_ = false;
  lpm::RouteStore<1> routes4_;
  lpm::RouteStore<2> routes6_;       // Up to /64.
  lpm::RouteStore<4> long_routes6_;  // Beyond.
};

class LpmTable::Pin {
 public:
  explicit Pin(const Reader& reader) : table_(reader.table_), view4_(table_.view4_), view6_(table_.view6_), slot_(reader.slot_) {
    table_.epochs_->Pin(slot_);
  }
  ~Pin() { LpmEpochs::Unpin(slot_); }
  Pin(const Pin&) = delete;
  Pin& operator=(const Pin&) = delete;

  // Between batches: lets go of what was read so far, at next to no cost. As good as a new pin, which costs a full barrier.
  void Renew() const { table_.epochs_->Renew(slot_); }

  LpmMatch LongestMatch(const IpAddress& address) const {
    return address.is_v4() ? LongestMatch4(address.v4()) : LongestMatch6({address.high(), address.low()});
  }
  // In host order.
  LpmMatch LongestMatch4(uint32_t address) const { return LpmMatch::FromWord(lpm::Find4(view4_, address)); }
  LpmMatch LongestMatch6(LpmKey6 address) const { return LpmMatch::FromWord(lpm::Find6(view6_, address)); }
  // Many at once, their memory fetched side by side; 32 are enough. `matches` is as long as `addresses`.
  void LongestMatches4(absl::Span<const uint32_t> addresses, LpmMatch* matches) const {
    lpm::Bulk4(view4_, addresses.data(), addresses.size(), reinterpret_cast<uint32_t*>(matches));
  }
  void LongestMatches6(absl::Span<const LpmKey6> addresses, LpmMatch* matches) const {
    table_.bulk6_(view6_, addresses.data(), addresses.size(), reinterpret_cast<uint32_t*>(matches));
  }
  // Of both families mixed.
  void LongestMatches(absl::Span<const IpAddress> addresses, LpmMatch* matches) const { table_.LongestMatchesAtRest(addresses, matches); }

  // For tests and benchmarks that compare the versions of a batch.
  const lpm::View& view4() const { return view4_; }
  const lpm::View& view6() const { return view6_; }

 private:
  const LpmTable& table_;
  const lpm::View view4_;  // Copies, which a loop of lookups keeps in registers.
  const lpm::View view6_;
  LpmEpochs::Slot* const slot_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_LPM_TABLE_H_
