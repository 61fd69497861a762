// Asks many URLs whether anybody is there: one HEAD request each, at most `most_at_once` at a time, each on a connection of its own.
// Blocking, until all have answered or `patience` is over for them; any thread. Certificates aren't looked at: nothing secret is sent, and
// nothing is believed of what comes back but that somebody answered.
//
//   const std::vector<Asked> said = AskMany({"http://192.0.2.1:8080/"}, 128, absl::Seconds(2));
//   said[0].presence;  // kAnswered, with its status; kRefused: nobody listens there; kNothing: anything else.
#ifndef FAIRLEAD_LIBS_HTTP_ASK_MANY_H_
#define FAIRLEAD_LIBS_HTTP_ASK_MANY_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace fairlead {

struct Asked {
  // kNothing: a name that can't be resolved, no route, silence for `patience`, a connection that broke: the fault may be anywhere.
  enum class Presence : uint8_t { kNothing, kRefused, kAnswered };

  Presence presence = Presence::kNothing;
  int status = 0;  // Of an answer.
};

// In the order of `urls`.
std::vector<Asked> AskMany(const std::vector<std::string>& urls, size_t most_at_once, absl::Duration patience);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_HTTP_ASK_MANY_H_
