#include "tests/lab/media.h"

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

constexpr int kFramesPerSecond = 24;
constexpr int kSegmentSeconds = 2;

struct Quality {
  const char* rendition;
  int width;
  int height;
  const char* bit_rate;
  const char* codecs;  // Constrained baseline at the level that ffmpeg chooses for the size; see MakeTitle.
};

constexpr Quality kQualities[] = {
    {"video-720p", 1280, 720, "2500k", "avc1.42c01f"},
    {"video-480p", 854, 480, "1200k", "avc1.42c01e"},
    {"video-360p", 640, 360, "600k", "avc1.42c01e"},
};
constexpr char kAudio[] = "audio-en";

absl::Status WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path, std::ios::trunc);
  file << text;
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("can't write '", path, "'"));
  return absl::OkStatus();
}

// The part of the command line that writes one rendition.
void AppendOutput(std::vector<std::string>& argv, const std::string& folder) {
  for (const std::string& word : std::vector<std::string>{"-f", "hls", "-hls_time", absl::StrCat(kSegmentSeconds), "-hls_playlist_type",
                                                          "vod", "-hls_segment_type", "fmp4", "-hls_flags", "single_file",
                                                          "-hls_segment_filename", folder + "/media.mp4", folder + "/media.m3u8"}) {
    argv.push_back(word);
  }
}

absl::Status MakeRenditionFolder(const std::string& folder, const std::string& yaml) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) return absl::InternalError(absl::StrCat("can't make '", folder, "': ", error.message()));
  return WriteFile(folder + "/rendition.yaml", yaml);
}

}  // namespace

std::vector<LabTitle> LabTitles() {
  return {
      {"harbour-lights", "Harbour Lights", 12, 12, "0"},
      {"long-reach", "Long Reach", 6, 10, "90"},
      {"night-tide", "Night Tide", 2.5, 8, "180"},
      {"slack-water", "Slack Water", 0.5, 8, "270"},
  };
}

absl::Status MakeTitle(Supervisor& supervisor, const LabTitle& title, const std::string& folder) {
  const std::string version = absl::StrCat(folder, "/", title.id, "/v1/");
  const std::string gop = absl::StrCat(kFramesPerSecond * kSegmentSeconds);
  std::vector<std::string> argv = {"/usr/bin/ffmpeg", "-hide_banner", "-loglevel", "warning", "-nostdin", "-y"};
  const auto add = [&argv](const std::vector<std::string>& words) { argv.insert(argv.end(), words.begin(), words.end()); };
  add({"-f", "lavfi", "-i",
       absl::StrCat("testsrc2=size=1280x720:rate=", kFramesPerSecond, ":duration=", title.seconds, ",hue=h=", title.hue)});
  add({"-f", "lavfi", "-i", absl::StrCat("sine=frequency=", 220 + title.seconds * 20, ":sample_rate=48000:duration=", title.seconds)});
  add({"-filter_complex", "[0:v]format=yuv420p,split=3[v0][s1][s2];[s1]scale=854:480[v1];[s2]scale=640:360[v2]"});
  int stream = 0;
  for (const Quality& quality : kQualities) {
    RETURN_IF_ERROR(MakeRenditionFolder(version + quality.rendition, absl::StrCat("kind: VIDEO\ncodecs: ", quality.codecs, "\nwidth: ",
                                                                                  quality.width, "\nheight: ", quality.height, "\n")));
    // Without B-frames and threads the bytes are the same on every run.
    add({"-map", absl::StrCat("[v", stream++, "]"), "-c:v", "libx264", "-preset", "ultrafast", "-profile:v", "baseline", "-threads", "1"});
    add({"-g", gop, "-keyint_min", gop, "-sc_threshold", "0", "-b:v", quality.bit_rate});
    AppendOutput(argv, version + quality.rendition);
  }
  RETURN_IF_ERROR(MakeRenditionFolder(version + kAudio, "kind: AUDIO\ncodecs: mp4a.40.2\nlanguage: en\n"));
  add({"-map", "1:a", "-c:a", "aac", "-b:a", "96k"});
  AppendOutput(argv, version + kAudio);
  RETURN_IF_ERROR(WriteFile(absl::StrCat(folder, "/", title.id, "/title.yaml"),
                            absl::StrCat("display_name: ", title.display_name, "\npopularity: ", title.popularity, "\nversion: v1\n")));
  return supervisor.Run({.name = absl::StrCat("ffmpeg-", title.id), .argv = argv}, absl::Seconds(90));
}

}  // namespace fairlead
