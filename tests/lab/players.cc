#include "tests/lab/players.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "tests/lab/text_file.h"

namespace fairlead {
namespace {

using content::v1::Title;
using steering::v1::FileAnswer;
using steering::v1::SteerResponse;

constexpr absl::Duration kAskPatience = absl::Seconds(2);
constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr char kVideo[] = "video-720p";
constexpr char kAudio[] = "audio-en";

}  // namespace

PlayerTotals operator-(const PlayerTotals& now, const PlayerTotals& before) {
  PlayerTotals difference = now;
  difference.sessions -= before.sessions;
  difference.unserved -= before.unserved;
  difference.segments -= before.segments;
  difference.bytes -= before.bytes;
  difference.failed_requests -= before.failed_requests;
  difference.asked_again -= before.asked_again;
  difference.wrong_segments -= before.wrong_segments;
  difference.stalled -= before.stalled;
  if (difference.failed_requests == 0 && difference.unserved == 0) difference.last_problem.clear();
  return difference;
}

// One viewer; lives on its thread.
class Players::Player {
 public:
  Player(Players& players, const LabViewer& viewer, std::vector<Title> titles, size_t first)
      : players_(players), viewer_(viewer), titles_(std::move(titles)), title_(first), http_(players.options_.patience) {}

  void Run() {
    while (!Stopped()) {
      if (!Ask()) {
        Pause();
        continue;
      }
      players_.Count([](PlayerTotals& totals) { ++totals.sessions; });
      PlaySession(absl::Now() + players_.options_.session);
      ++title_;
    }
  }

 private:
  // A track of the answer, and which of its URLs is in use.
  struct Track {
    FileAnswer answer;
    const Media* media = nullptr;
    int url = 0;
  };

  bool Stopped() const { return players_.stop_.HasBeenNotified(); }
  void Pause() { players_.stop_.WaitForNotificationWithTimeout(kPause); }

  // Gets URLs; false, and counted, if there are none.
  bool Ask() {
    steering::v1::SteerRequest request;
    request.set_client_address(viewer_.address.ToString());
    request.set_title(titles_[title_ % titles_.size()].name());
    request.add_renditions(kVideo);
    request.add_renditions(kAudio);
    const absl::StatusOr<SteerResponse> answer = players_.plane_.Steer(request, kAskPatience);
    std::string problem = answer.ok() ? "" : std::string(answer.status().message());
    if (answer.ok() && answer->verdict() != SteerResponse::VERDICT_OK)
      problem = absl::StrCat(answer->reason(), ", ", answer->reason_detail());
    if (!problem.empty()) {
      players_.Count([&](PlayerTotals& totals) {
        ++totals.unserved;
        totals.last_problem = absl::StrCat(viewer_.label, ": ", problem);
      });
      return false;
    }
    tracks_.clear();
    for (const FileAnswer& file : answer->files()) tracks_.push_back({file, &players_.media_.at(file.path())});
    return true;
  }

  void PlaySession(absl::Time end) {
    runs_dry_ = absl::InfiniteFuture();
    while (absl::Now() < end) {
      const size_t segments = tracks_[0].media->playlist.segments.size();
      for (size_t i = 0; i < segments; ++i) {
        while (!Stopped() && runs_dry_ != absl::InfiniteFuture() && runs_dry_ - absl::Now() > players_.options_.ahead) Pause();
        while (!Stopped() && !FetchAll(i)) Pause();
        if (Stopped()) return;
        Buffered(absl::Seconds(tracks_[0].media->playlist.segments[i].duration_seconds));
      }
    }
  }

  // The i-th segment of every track. Asks again where no URL works.
  bool FetchAll(size_t i) {
    for (Track& track : tracks_) {
      const std::vector<HlsSegment>& segments = track.media->playlist.segments;
      if (!FetchFromAny(track, segments[std::min(i, segments.size() - 1)].range)) {
        players_.Count([](PlayerTotals& totals) { ++totals.asked_again; });
        Ask();
        return false;
      }
    }
    return true;
  }

  bool FetchFromAny(Track& track, const ByteRange& range) {
    for (int tries = 0; tries < track.answer.urls_size(); ++tries) {
      const std::string problem = Fetch(track, range);
      if (problem.empty()) return true;
      players_.Count([&](PlayerTotals& totals) {
        ++totals.failed_requests;
        totals.last_problem = absl::StrCat(viewer_.label, ": ", problem);
      });
      track.url = (track.url + 1) % track.answer.urls_size();
      if (Stopped()) return true;
    }
    return false;
  }

  // What went wrong; "" if the range is here and right.
  std::string Fetch(const Track& track, const ByteRange& range) {
    const steering::v1::RankedUrl& url = track.answer.urls(track.url);
    const auto reply = http_.Get(url.url(), {absl::StrCat("Range: bytes=", range.offset, "-", range.end() - 1)});
    if (!reply.ok()) return absl::StrCat(url.appliance(), ": ", std::string(reply.status().message()));
    if (reply->status != 206) return absl::StrCat(url.appliance(), ": status ", reply->status);
    const bool right = track.media->bytes.compare(static_cast<size_t>(range.offset), static_cast<size_t>(range.length), reply->body) == 0;
    players_.Count([&](PlayerTotals& totals) {
      ++totals.segments;
      totals.bytes += static_cast<int64_t>(reply->body.size());
      totals.wrong_segments += right ? 0 : 1;
    });
    return right ? "" : absl::StrCat(url.appliance(), ": wrong bytes");
  }

  // More is here to play; what was missing meanwhile is time that the viewer stared at a wheel.
  void Buffered(absl::Duration duration) {
    const absl::Time now = absl::Now();
    if (runs_dry_ == absl::InfiniteFuture()) {
      runs_dry_ = now;
    } else if (now > runs_dry_) {
      players_.Count([&](PlayerTotals& totals) { totals.stalled += now - runs_dry_; });
      runs_dry_ = now;
    }
    runs_dry_ += duration;
  }

  Players& players_;
  const LabViewer viewer_;
  const std::vector<Title> titles_;
  size_t title_;
  HttpClient http_;
  std::vector<Track> tracks_;
  absl::Time runs_dry_;  // When all that is here has been played; infinite before the first segment.
};

Players::Players(const Layout& layout, const std::vector<LabViewer>& viewers, const std::vector<Title>& titles, ControlPlane& plane,
                 const PlayerOptions& options)
    : options_(options), plane_(plane) {
  for (const Title& title : titles) {
    for (const content::v1::TitleVersion& version : title.versions()) {
      for (const content::v1::Rendition& rendition : version.renditions()) Load(layout.Run("media"), rendition.file().path());
    }
  }
  for (size_t i = 0; i < viewers.size(); ++i) {
    threads_.emplace_back([this, &viewer = viewers[i], titles, i] { Player(*this, viewer, titles, i).Run(); });
  }
}

Players::~Players() {
  stop_.Notify();
  for (std::thread& thread : threads_) thread.join();
}

void Players::Load(const std::string& media_dir, const std::string& path) {
  Media media;
  media.bytes = ReadText(absl::StrCat(media_dir, "/", path));
  const std::string folder = path.substr(0, path.rfind('/')), name = path.substr(path.rfind('/') + 1);
  const auto playlist = ParseHlsPlaylist(ReadText(absl::StrCat(media_dir, "/", folder, "/media.m3u8")),
                                         {.file_name = name, .file_size = static_cast<int64_t>(media.bytes.size())});
  if (playlist.ok()) media.playlist = *playlist;
  media_.emplace(path, std::move(media));
}

PlayerTotals Players::Totals() const {
  absl::MutexLock lock(&mu_);
  return totals_;
}

}  // namespace fairlead
