// What a player reads of content steering: a multivariant playlist and steering manifests, as strictly as the players that were looked at.
//
// Errors are INVALID_ARGUMENT saying what is missing. Pure functions; any thread.
//
//   ASSIGN_OR_RETURN(const SteeredPlaylist playlist, ParseSteeredPlaylist(reply.body));
//   ASSIGN_OR_RETURN(const SteeringReply told, ParseSteeringReply(other.body));
#ifndef FAIRLEAD_TESTS_LAB_STEERED_H_
#define FAIRLEAD_TESTS_LAB_STEERED_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fairlead {

// One pathway: its best quality, and the first audio track that goes with it. URLs of media playlists.
struct SteeredWay {
  std::string id;
  std::string video_url;
  std::string audio_url;
};

struct SteeredPlaylist {
  std::string server_uri;
  std::string first_pathway;
  std::vector<SteeredWay> ways;  // In the order of the playlist; never empty.
};
absl::StatusOr<SteeredPlaylist> ParseSteeredPlaylist(absl::string_view text);

struct SteeringReply {
  absl::Duration ttl;
  std::string reload_uri;
  std::vector<std::string> priority;
};
absl::StatusOr<SteeringReply> ParseSteeringReply(absl::string_view json);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_STEERED_H_
