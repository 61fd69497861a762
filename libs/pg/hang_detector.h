// Tells a server that hangs from one that is slow: a statement may rightly take long, but then a second connection is answered meanwhile.
//
// An operation (one transaction, or the set-up of a connection) that has heard nothing for half the hang timeout makes the owner ask the
// server: Step says so. If that question is answered, however, the operation may go on waiting. If it isn't either, the operation is
// cut off once it has waited for the whole hang timeout, and the server counts as silent until the question is answered. Without a
// question any operation is cut off at its own deadline, which is for a server that answers others but never this one.
//
// Values only: the owner has the clock (times are since any start, never back), the sockets and the lock. Not thread-safe.
//
//   detector.Begin(socket, now);
//   const HangDetector::Todo todo = detector.Step(now);   // Each tick of the owner; carries out what it is told.
//   if (detector.End(socket) == Cut::kSilent) …           // Why the operation failed.
#ifndef FAIRLEAD_LIBS_PG_HANG_DETECTOR_H_
#define FAIRLEAD_LIBS_PG_HANG_DETECTOR_H_

#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/time/time.h"

namespace fairlead::pg {

enum class Cut {
  kNot,
  kSilent,   // Neither this connection nor a new one was answered.
  kOverdue,  // The operation's own deadline passed.
};

struct HangLimits {
  // After how long without an answer a server is given up; all waiting for it ends within this and one tick.
  absl::Duration hang_timeout;
  absl::Duration transaction_timeout;
};

class HangDetector {
 public:
  struct Todo {
    // Ask the server now, by a new connection; set for the operation that has waited longest, or -1 for none in particular.
    std::optional<int> ask_for;
    // Operations to be cut off; each is named once.
    std::vector<int> cut;
  };

  explicit HangDetector(HangLimits limits) : limits_(limits) {}

  // Ids are unique among those that run.
  void Begin(int operation, absl::Duration now);
  Cut End(int operation);
  // A new connection was not answered in time: the server is silent.
  void SuspectServer() { silent_ = true; }

  Todo Step(absl::Duration now);
  // The question came to an end: the server answered, or nothing is there that could hang.
  void Answered(absl::Duration now);

  bool silent() const { return silent_; }

 private:
  struct Operation {
    absl::Duration deadline;
    // It waits since, or the server was known to answer then.
    absl::Duration heard;
    Cut cut = Cut::kNot;
  };
  // The operation that has heard nothing for longest, or none.
  const std::pair<const int, Operation>* Oldest() const;

  const HangLimits limits_;
  absl::btree_map<int, Operation> running_;
  bool asking_ = false;
  absl::Duration asked_ = absl::ZeroDuration();
  bool silent_ = false;
};

}  // namespace fairlead::pg

#endif  // FAIRLEAD_LIBS_PG_HANG_DETECTOR_H_
