// Talks to BIRD's control socket: what birdc does, with a deadline, and what the answers mean.
//
//   ASSIGN_OR_RETURN(const std::string text, AskBird(run_dir + "/bird.ctl", "show protocols all", absl::Seconds(2)));
//   for (const BirdProtocol& protocol : ParseProtocols(text)) …
#ifndef FAIRLEAD_SERVICES_AGENT_BIRD_CONTROL_H_
#define FAIRLEAD_SERVICES_AGENT_BIRD_CONTROL_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fairlead::agent {

// The answer's text, without reply codes, at most 16 MiB. FAILED_PRECONDITION with BIRD's words if it refuses the command (a configuration
// with a syntax error, say); UNAVAILABLE, naming the socket, if nobody answers in time. One connection a call; stateless.
absl::StatusOr<std::string> AskBird(const std::string& socket, absl::string_view command, absl::Duration timeout);

// One BGP protocol of "show protocols all".
struct BirdProtocol {
  std::string name;
  std::string since;  // When its state last changed; differs after every change (milliseconds).
  std::string state;  // Of BGP: "Established", "Active", …; "Down" if BIRD gives none.
  std::string last_error;
  int64_t imported_v4 = 0;
  int64_t imported_v6 = 0;

  bool established() const { return state == "Established"; }
  friend bool operator==(const BirdProtocol&, const BirdProtocol&) = default;
};

// Pure. Lines that it doesn't know are skipped.
std::vector<BirdProtocol> ParseProtocols(absl::string_view text);

// Whether a session that ended so was ended on purpose, by its neighbour or by us: a Cease, which withdraws its routes. Anything else
// (hold timer, TCP, BFD) is a loss. `last_error` is BIRD's.
bool EndedOnPurpose(absl::string_view last_error);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_BIRD_CONTROL_H_
