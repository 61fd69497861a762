// The HLS multivariant playlist of one client (draft-pantos-hls-rfc8216bis §4.4.6): every video quality once for each pathway and each
// group of audio tracks, with the absolute, signed URLs of the companion playlists, and where to ask for steering.
//
// What the catalogue doesn't know: peak bit rates. BANDWIDTH, which must not be exceeded, is told as kPeak times the mean.
// A track's languages and codecs that can't stand in a quoted string are left out. Pure function; any thread.
//
//   const std::string text = MakeMultivariant({.tracks = tracks, .pathways = {{"north-1", urls}, {"ix-1", urls}},
//                                              .server_uri = SteeringUri(base, session)});
#ifndef FAIRLEAD_LIBS_CONTENTSTEERING_MULTIVARIANT_H_
#define FAIRLEAD_LIBS_CONTENTSTEERING_MULTIVARIANT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/content/catalogue_values.h"

namespace fairlead {

inline constexpr char kMultivariantType[] = "application/vnd.apple.mpegurl";

struct PlaylistTrack {
  std::string rendition = {};  // [a-z0-9-]{1,63}
  RenditionKind kind = RenditionKind::kUnspecified;
  uint64_t mean_bps = 0;
  std::string codecs = {};
  int32_t width = 0;
  int32_t height = 0;
  std::string language = {};
};

struct PlaylistPathway {
  std::string id = {};
  std::vector<std::string> urls = {};  // One for each track, in the order of the tracks.
};

struct Multivariant {
  std::vector<PlaylistTrack> tracks = {};
  std::vector<PlaylistPathway> pathways = {};  // Best first; the first is the one to begin with.
  std::string server_uri = {};
  // A quality above it should not be the first choice: it comes behind those below.
  std::optional<uint64_t> quality_cap_bps = {};
};

// Qualities stand from the highest to the lowest, the first pathway's first of all.
std::string MakeMultivariant(const Multivariant& input);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENTSTEERING_MULTIVARIANT_H_
