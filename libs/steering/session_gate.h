// SessionGate: which sessions may announce a prefix. Asked for millions of routes, so that what a session's record tells stands in eight
// bytes, and each allow-list is asked once for a prefix, however many sessions it is of. Private to libs/steering.
//
//   SessionGate gate(places, views, resolved);
//   gate.Turn(prefix);                                   // To this prefix, for what follows:
//   const uint32_t session = gate.Admit(route.session);  // Its place in the table, or kShut.
//
// One thread. O(1) a route, and a longest-prefix match for each list that matters for a prefix.
#ifndef FAIRLEAD_LIBS_STEERING_SESSION_GATE_H_
#define FAIRLEAD_LIBS_STEERING_SESSION_GATE_H_

#include <cstdint>
#include <memory>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/ladder.h"
#include "libs/steering/views.h"

namespace fairlead {

class SessionGate {
 public:
  using AllowList = std::shared_ptr<const PrefixTable<std::monostate>>;
  static constexpr uint32_t kShut = 0xffffffff;

  // `places`: of each session as routes name it the place in the others, which are of one length. A session at no known site may announce
  // nothing; one without an allow-list everything if it is transit, and nothing else.
  SessionGate(absl::Span<const uint32_t> places, absl::Span<const SessionView> views, absl::Span<const LadderSession> resolved);

  // What a session may announce from now on, as routes name it.
  void SetAllowed(uint32_t session, AllowList allowed);

  void Turn(const Prefix& prefix) {
    prefix_ = prefix;
    ++turn_;
  }
  // kShut as well if there is no such session.
  uint32_t Admit(uint32_t session) {
    if (session >= entries_.size()) return kShut;
    const Entry& entry = entries_[session];
    if (entry.list == kOpen) return entry.place;
    return entry.list != kClosed && Covers(lists_[entry.list]) ? entry.place : kShut;
  }

  // Its place, whatever it may announce; kShut if there is no such session.
  uint32_t PlaceOf(uint32_t session) const { return session < entries_.size() ? entries_[session].place : kShut; }

 private:
  static constexpr uint32_t kClosed = 0xffffffff;
  static constexpr uint32_t kOpen = 0xfffffffe;
  struct Entry {
    uint32_t place = 0;
    uint32_t list = kClosed;  // Its number, or one of the above.
  };
  struct List {
    AllowList prefixes;
    uint64_t turn = 0;    // In which it was asked last,
    bool covers = false;  // and what it said.
  };
  uint32_t NumberOf(AllowList list, bool transit);
  bool Covers(List& list);

  std::vector<Entry> entries_;
  std::vector<bool> transit_;
  std::vector<bool> nowhere_;
  std::vector<List> lists_;
  absl::flat_hash_map<const PrefixTable<std::monostate>*, uint32_t> numbers_;  // Lists are kept as long as the gate.
  Prefix prefix_;
  uint64_t turn_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_SESSION_GATE_H_
