#include "libs/contentsteering/manifest.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

std::string JsonText(absl::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted.push_back('\\');
    if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&quoted, "\\u%04x", c);
    } else {
      quoted.push_back(c);
    }
  }
  return quoted + "\"";
}

}  // namespace

std::string SteeringManifest::ToJson() const {
  const int64_t seconds = std::max<int64_t>(1, absl::ToInt64Seconds(ttl));
  const std::string list =
      absl::StrJoin(pathways, ",", [](std::string* out, const std::string& pathway) { absl::StrAppend(out, JsonText(pathway)); });
  return absl::StrCat("{\"VERSION\":1,\"TTL\":", seconds, ",\"RELOAD-URI\":", JsonText(reload_uri), ",\"PATHWAY-PRIORITY\":[", list, "]}");
}

SteeringManifest ManifestOf(absl::string_view base, const SteeringSession& next, absl::Duration ttl) {
  SteeringManifest manifest = {.ttl = ttl, .reload_uri = SteeringUri(base, next)};
  for (const SessionPathway& pathway : next.pathways) {
    if (pathway.listed) manifest.pathways.push_back(pathway.id);
  }
  return manifest;
}

absl::Duration ShedTtl(absl::Duration ttl, const SteeringSession& session) {
  constexpr int64_t kParts = 1000;
  const int64_t part = static_cast<int64_t>(Mix(session.seed, session.round) % kParts);
  return 3 * ttl + 3 * ttl * part / kParts;
}

}  // namespace fairlead
