#include "tests/lab/steered.h"

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace fairlead {
namespace {

// The value of NAME="value" in a tag; "" if there is none.
std::string Attribute(absl::string_view line, absl::string_view name) {
  for (const char before : {':', ','}) {
    const std::string begin = absl::StrCat(absl::string_view(&before, 1), name, "=\"");
    const size_t at = line.find(begin);
    if (at == absl::string_view::npos) continue;
    const absl::string_view rest = line.substr(at + begin.size());
    return std::string(rest.substr(0, rest.find('"')));
  }
  return "";
}

}  // namespace

absl::StatusOr<SteeredPlaylist> ParseSteeredPlaylist(absl::string_view text) {
  SteeredPlaylist playlist;
  std::map<std::string, std::string> audio;  // By group.
  std::string variant;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, "#EXT-X-CONTENT-STEERING:")) {
      playlist.server_uri = Attribute(line, "SERVER-URI");
      playlist.first_pathway = Attribute(line, "PATHWAY-ID");
    } else if (absl::StartsWith(line, "#EXT-X-MEDIA:")) {
      audio.emplace(Attribute(line, "GROUP-ID"), Attribute(line, "URI"));
    } else if (absl::StartsWith(line, "#EXT-X-STREAM-INF:")) {
      variant = std::string(line);
    } else if (absl::StartsWith(line, "http") && !variant.empty()) {
      const std::string id = Attribute(variant, "PATHWAY-ID");
      const bool known = std::any_of(playlist.ways.begin(), playlist.ways.end(), [&](const SteeredWay& way) { return way.id == id; });
      if (!known) playlist.ways.push_back({id, std::string(line), audio[Attribute(variant, "AUDIO")]});
      variant.clear();
    }
  }
  if (!absl::StartsWith(text, "#EXTM3U") || playlist.server_uri.empty() || playlist.ways.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no steered multivariant playlist: ", text.substr(0, 200)));
  }
  return playlist;
}

absl::StatusOr<SteeringReply> ParseSteeringReply(absl::string_view text) {
  const nlohmann::json json = nlohmann::json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  const bool sound = json.is_object() && json.value("VERSION", 0) == 1 && json.contains("TTL") && json["TTL"].is_number_integer() &&
                     json["TTL"] >= 1 && json.contains("RELOAD-URI") && json["RELOAD-URI"].is_string() &&
                     json.contains("PATHWAY-PRIORITY") && json["PATHWAY-PRIORITY"].is_array() && !json["PATHWAY-PRIORITY"].empty();
  if (!sound) return absl::InvalidArgumentError(absl::StrCat("no steering manifest: ", text.substr(0, 200)));
  SteeringReply reply = {absl::Seconds(json["TTL"].get<int>()), json["RELOAD-URI"].get<std::string>(), {}};
  for (const auto& pathway : json["PATHWAY-PRIORITY"]) reply.priority.push_back(pathway.is_string() ? pathway.get<std::string>() : "");
  return reply;
}

}  // namespace fairlead
