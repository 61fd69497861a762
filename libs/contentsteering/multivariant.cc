#include "libs/contentsteering/multivariant.h"

#include <algorithm>
#include <map>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

constexpr uint64_t kPeakPercent = 150;  // Of the mean.

bool Quotable(absl::string_view text) {
  return !text.empty() && absl::c_all_of(text, [](unsigned char c) { return c >= 0x20 && c != 0x7f && c != '"'; });
}

void AddQuoted(std::string& line, absl::string_view name, absl::string_view value) {
  if (Quotable(value)) absl::StrAppend(&line, ",", name, "=\"", value, "\"");
}

// Tracks that a player may switch between while it plays: one of each language, all of one codec.
struct Group {
  std::string name;            // "audio-0"
  std::vector<size_t> tracks;  // Indices.
};

// The best track of each language, then the second best, and so on, apart by codec. Nothing of that kind: one empty group.
std::vector<Group> GroupsOf(const std::vector<PlaylistTrack>& tracks, RenditionKind kind, absl::string_view prefix) {
  std::vector<size_t> order;
  for (size_t i = 0; i < tracks.size(); ++i) {
    if (tracks[i].kind == kind) order.push_back(i);
  }
  absl::c_stable_sort(order, [&](size_t a, size_t b) { return tracks[a].mean_bps > tracks[b].mean_bps; });
  std::map<std::pair<std::string, int>, std::vector<size_t>> by_codec_and_turn;
  std::map<std::pair<std::string, std::string>, int> turns;
  for (const size_t i : order) {
    const int turn = turns[{tracks[i].codecs, tracks[i].language}]++;
    by_codec_and_turn[{tracks[i].codecs, turn}].push_back(i);
  }
  std::vector<Group> groups;
  for (auto& [key, members] : by_codec_and_turn) {
    groups.push_back({.name = absl::StrCat(prefix, "-", groups.size()), .tracks = std::move(members)});
  }
  if (groups.empty()) groups.emplace_back();
  return groups;
}

class Writer {
 public:
  explicit Writer(const Multivariant& input) : in_(input), audio_(GroupsOf(in_.tracks, RenditionKind::kAudio, "audio")) {
    std::vector<Group> text = GroupsOf(in_.tracks, RenditionKind::kText, "text");
    text_ = std::move(text.front());  // Variants name one group of them; others would double the qualities.
    for (size_t i = 0; i < in_.tracks.size(); ++i) {
      if (in_.tracks[i].kind == RenditionKind::kVideo) videos_.push_back(i);
    }
    const auto above = [&](size_t i) { return in_.quality_cap_bps.has_value() && in_.tracks[i].mean_bps > *in_.quality_cap_bps; };
    absl::c_stable_sort(videos_, [&](size_t a, size_t b) {
      return std::tuple(above(a), -static_cast<int64_t>(in_.tracks[a].mean_bps)) <
             std::tuple(above(b), -static_cast<int64_t>(in_.tracks[b].mean_bps));
    });
  }

  std::string Write() {
    out_ = "#EXTM3U\n#EXT-X-VERSION:7\n";
    absl::StrAppend(&out_, "#EXT-X-CONTENT-STEERING:SERVER-URI=\"", in_.server_uri, "\",PATHWAY-ID=\"", in_.pathways.front().id, "\"\n");
    for (const PlaylistPathway& pathway : in_.pathways) WritePathway(pathway);
    return std::move(out_);
  }

 private:
  static std::string GroupId(const PlaylistPathway& pathway, const Group& group) { return absl::StrCat(pathway.id, "-", group.name); }

  void WritePathway(const PlaylistPathway& pathway) {
    if (!videos_.empty()) {
      for (const Group& group : audio_) WriteGroup(pathway, group, "AUDIO");
    }
    WriteGroup(pathway, text_, "SUBTITLES");
    for (const size_t video : videos_) {
      for (const Group& group : audio_) WriteVariant(pathway, video, group);
    }
    if (!videos_.empty()) return;
    for (const Group& group : audio_) {  // Sound alone.
      for (const size_t track : group.tracks) WriteVariant(pathway, track, {});
    }
  }

  void WriteGroup(const PlaylistPathway& pathway, const Group& group, absl::string_view type) {
    for (size_t i = 0; i < group.tracks.size(); ++i) {
      const PlaylistTrack& track = in_.tracks[group.tracks[i]];
      std::string line = absl::StrCat("#EXT-X-MEDIA:TYPE=", type, ",GROUP-ID=\"", GroupId(pathway, group), "\"");
      AddQuoted(line, "NAME", Quotable(track.language) ? track.language : track.rendition);
      AddQuoted(line, "LANGUAGE", track.language);
      absl::StrAppend(&line, ",DEFAULT=", i == 0 && type == "AUDIO" ? "YES" : "NO", ",AUTOSELECT=YES");
      AddQuoted(line, "STABLE-RENDITION-ID", track.rendition);
      absl::StrAppend(&out_, line, ",URI=\"", pathway.urls[group.tracks[i]], "\"\n");
    }
  }

  void WriteVariant(const PlaylistPathway& pathway, size_t main, const Group& audio) {
    const PlaylistTrack& track = in_.tracks[main];
    uint64_t mean = track.mean_bps;
    std::string codecs = track.codecs;
    if (!audio.tracks.empty()) {
      const PlaylistTrack& sound = in_.tracks[audio.tracks.front()];
      mean += sound.mean_bps;
      // Half a list would be wrong: a player rules variants out by it.
      codecs = Quotable(codecs) && Quotable(sound.codecs) ? absl::StrCat(codecs, ",", sound.codecs) : "";
    }
    std::string line = absl::StrCat("#EXT-X-STREAM-INF:BANDWIDTH=", std::max<uint64_t>(1, mean * kPeakPercent / 100),
                                    ",AVERAGE-BANDWIDTH=", std::max<uint64_t>(1, mean));
    AddQuoted(line, "CODECS", codecs);
    if (track.width > 0 && track.height > 0) absl::StrAppend(&line, ",RESOLUTION=", track.width, "x", track.height);
    if (!audio.tracks.empty()) AddQuoted(line, "AUDIO", GroupId(pathway, audio));
    if (!text_.tracks.empty()) AddQuoted(line, "SUBTITLES", GroupId(pathway, text_));
    AddQuoted(line, "PATHWAY-ID", pathway.id);
    AddQuoted(line, "STABLE-VARIANT-ID", audio.tracks.empty() ? track.rendition : absl::StrCat(track.rendition, ".", audio.name));
    absl::StrAppend(&out_, line, "\n", pathway.urls[main], "\n");
  }

  const Multivariant& in_;
  std::vector<Group> audio_;
  Group text_;
  std::vector<size_t> videos_;
  std::string out_;
};

}  // namespace

std::string MakeMultivariant(const Multivariant& input) {
  return Writer(input).Write();
}

}  // namespace fairlead
