// Route admission read a second time from the documents and written as plainly as can be: for the oracle tests and the fuzz target.
//
// Nothing of libs/routing's logic is used, only its words (RawRoute, SessionRecord, DropReason, VRPs). A prefix is a pair of 128-bit
// numbers, the special-purpose address space is a list of text, and every question is answered by looking at everything.
//
//   NaiveSession naive(record, vrps, policy);
//   naive.Announce(route); naive.SessionDown(SessionLoss::kLost, now);
//   for (const auto& [key, held] : naive.Verdicts()) …
#ifndef FAIRLEAD_TESTS_ORACLE_NAIVE_ADMISSION_H_
#define FAIRLEAD_TESTS_ORACLE_NAIVE_ADMISSION_H_

#include <map>
#include <vector>

#include "absl/time/time.h"
#include "libs/net/prefix.h"
#include "libs/routing/admission.h"
#include "libs/routing/route.h"
#include "libs/routing/rpki.h"
#include "libs/routing/session_table.h"

namespace fairlead {

// What configuration says, with the allow-list and the VRPs as lists.
struct NaiveRules {
  SessionRecord record = {};  // Its `allowed` isn't looked at.
  bool has_allow_list = true;
  std::vector<Prefix> allowed = {};
  std::vector<Vrp> vrps = {};
};

// The verdict of one route by itself: everything but max-prefix.
DropReason NaiveVerdict(const RawRoute& route, const NaiveRules& rules);

// Whether one of `prefixes` covers all of `prefix`.
bool NaiveCovered(const Prefix& prefix, const std::vector<Prefix>& prefixes);

class NaiveSession {
 public:
  struct Held {
    RawRoute route = {};
    bool demoted = false;
    bool stale = false;
    absl::Time stale_since = {};
    DropReason reason = DropReason::kAdmitted;  // Of Verdicts.
  };

  NaiveSession(NaiveRules rules, LossPolicy loss) : rules_(std::move(rules)), loss_(loss) {}

  void Announce(const RawRoute& route);
  void Withdraw(const RouteKey& key) { held_.erase(key); }
  void SessionUp(absl::Time now);
  void SessionDown(SessionLoss loss, absl::Time now);
  void EndOfRib(AddressFamily family);
  void Tick(absl::Time now);
  void Reconfigure(NaiveRules rules) { rules_ = std::move(rules); }

  const NaiveRules& rules() const { return rules_; }
  // All that is announced, each judged, the limit included. O(routes × rules).
  std::map<RouteKey, Held> Verdicts() const;

 private:
  NaiveRules rules_;
  LossPolicy loss_;
  std::map<RouteKey, Held> held_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_ORACLE_NAIVE_ADMISSION_H_
