// The steering manifest of HLS and DASH content steering (draft-pantos-hls-rfc8216bis §7; ETSI TS 103 998), as players want it: VERSION 1,
// a whole TTL of at least 1 s (without one a player was seen asking hundreds of times a second), an absolute RELOAD-URI, and every listed
// pathway. Pure functions; any thread.
//
//   SteeringManifest manifest = {.ttl = absl::Seconds(30), .reload_uri = SteeringUri(base, order.next), .pathways = {"north-1", "ix-1"}};
//   manifest.ToJson();  // {"VERSION":1,"TTL":30,"RELOAD-URI":"https://…","PATHWAY-PRIORITY":["north-1","ix-1"]}
#ifndef FAIRLEAD_LIBS_CONTENTSTEERING_MANIFEST_H_
#define FAIRLEAD_LIBS_CONTENTSTEERING_MANIFEST_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/contentsteering/session.h"

namespace fairlead {

inline constexpr char kSteeringListType[] = "application/vnd.apple.steering-list";

struct SteeringManifest {
  absl::Duration ttl = absl::Seconds(30);
  std::string reload_uri = {};             // Characters of a URI only; a quote or backslash is escaped all the same.
  std::vector<std::string> pathways = {};  // Ids, best first.

  std::string ToJson() const;
};

// What the session's next question is answered with.
SteeringManifest ManifestOf(absl::string_view base, const SteeringSession& next, absl::Duration ttl);

// How long to ask a player to wait where answers are too many: three to six times `ttl`, by the session's seed and round, so that those who
// came together don't come together again.
absl::Duration ShedTtl(absl::Duration ttl, const SteeringSession& session);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENTSTEERING_MANIFEST_H_
