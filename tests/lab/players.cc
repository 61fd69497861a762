#include "tests/lab/players.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"
#include "tests/lab/steered.h"
#include "tests/lab/text_file.h"

namespace fairlead {
namespace {

using content::v1::Title;

constexpr absl::Duration kPause = absl::Milliseconds(100);
// A real player asks beside its downloads; this one mustn't wait longer than what it holds ahead lets it.
constexpr HttpPatience kSteeringPatience = {.connect = absl::Seconds(1), .total = absl::Seconds(2)};
constexpr absl::Duration kSteeringRetry = absl::Seconds(3);  // After a question that failed.

}  // namespace

PlayerTotals operator-(const PlayerTotals& now, const PlayerTotals& before) {
  PlayerTotals difference = now;
  difference.sessions -= before.sessions;
  difference.unserved -= before.unserved;
  difference.segments -= before.segments;
  difference.bytes -= before.bytes;
  difference.failed_requests -= before.failed_requests;
  difference.asked_again -= before.asked_again;
  difference.steered -= before.steered;
  difference.moved -= before.moved;
  difference.wrong_segments -= before.wrong_segments;
  difference.stalled -= before.stalled;
  if (difference.failed_requests == 0 && difference.unserved == 0) difference.last_problem.clear();
  return difference;
}

// One viewer; lives on its thread.
class Players::Player {
 public:
  Player(Players& players, const LabViewer& viewer, std::vector<Title> titles, size_t first)
      : players_(players),
        viewer_(viewer),
        titles_(std::move(titles)),
        title_(first),
        http_(players.options_.patience),
        steering_http_(kSteeringPatience) {}

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
  struct Track {
    std::string url;
    const Media* media = nullptr;
  };
  struct Way {
    std::string id;
    std::string server;         // "127.42.1.11:8080", of the pictures.
    std::vector<Track> tracks;  // Pictures first.
    absl::Time penalty_ends = absl::InfinitePast();
  };

  bool Stopped() const { return players_.stop_.HasBeenNotified(); }
  void Pause() { players_.stop_.WaitForNotificationWithTimeout(kPause); }
  static bool HasPenalty(const Way& way) { return absl::Now() < way.penalty_ends; }

  // As one of the services behind the front may: this viewer lives somewhere else.
  absl::StatusOr<HttpReply> GetForViewer(HttpClient& http, const std::string& url) {
    return http.Get(absl::StrCat(url, "&client_address=", viewer_.address.ToString()), {"X-Fairlead-Principal: service/playback"});
  }

  // Gets a playlist; false, and counted, if there is none.
  bool Ask() {
    const absl::Status begun = Begin();
    if (begun.ok()) return true;
    players_.Count([&](PlayerTotals& totals) {
      ++totals.unserved;
      totals.last_problem = absl::StrCat(viewer_.label, ": ", begun.message());
    });
    return false;
  }

  absl::Status Begin() {
    ASSIGN_OR_RETURN(
        const HttpReply reply,
        GetForViewer(steering_http_, absl::StrCat(players_.front_, "/v1/hls/main.m3u8?title=", titles_[title_ % titles_.size()].name())));
    if (reply.status != 200)
      return absl::UnavailableError(absl::StrCat("playlist: status ", reply.status, ", ", reply.body.substr(0, 300)));
    ASSIGN_OR_RETURN(const SteeredPlaylist playlist, ParseSteeredPlaylist(reply.body));
    std::vector<Way> ways;
    for (const SteeredWay& steered : playlist.ways) {
      Way& way = ways.emplace_back();
      way.id = steered.id;
      for (const std::string& url : {steered.video_url, steered.audio_url}) {
        ASSIGN_OR_RETURN(Track track, MakeTrack(url));
        if (way.server.empty()) way.server = url.substr(7, url.find('/', 7) - 7);
        way.tracks.push_back(std::move(track));
      }
    }
    ways_ = std::move(ways);
    priority_.clear();
    for (const Way& way : ways_) priority_.push_back(way.id);
    on_ = 0;
    steering_uri_ = playlist.server_uri;
    steering_due_ = absl::Now();
    return absl::OkStatus();
  }

  // Of a media playlist's URL: the file that its segments are ranges of stands beside it, and its token opens both.
  absl::StatusOr<Track> MakeTrack(const std::string& playlist_url) {
    const std::string url = absl::StrCat(playlist_url.substr(0, playlist_url.rfind('/') + 1), kMediaFileName);
    ASSIGN_OR_RETURN(const SignedPath path, ParseSignedPath(absl::string_view(url).substr(std::min(url.find('/', 7), url.size()))));
    const auto media = players_.media_.find(path.path.ToString());
    if (media == players_.media_.end()) return absl::InternalError(absl::StrCat("nobody imported ", path.path.ToString()));
    return Track{url, &media->second};
  }

  // Asks where to play from if it is time; what can't be had leaves everything as it is.
  void FollowSteering() {
    if (absl::Now() < steering_due_) return;
    steering_due_ = absl::Now() + kSteeringRetry;
    const auto reply =
        GetForViewer(steering_http_, absl::StrCat(steering_uri_, "&_HLS_pathway=", ways_[on_].id, "&_HLS_throughput=20000000"));
    if (!reply.ok() || reply->status != 200) return;
    const absl::StatusOr<SteeringReply> told = ParseSteeringReply(reply->body);
    if (!told.ok()) return;
    players_.Count([](PlayerTotals& totals) { ++totals.steered; });
    steering_due_ = absl::Now() + told->ttl;
    steering_uri_ = told->reload_uri;
    priority_ = told->priority;
    const size_t best = Best();
    if (best == on_) return;
    on_ = best;
    players_.Count([](PlayerTotals& totals) { ++totals.moved; });
  }

  // The first pathway of the list that has no penalty; where all have one, the first of the list.
  size_t Best() const {
    std::optional<size_t> first;
    for (const std::string& id : priority_) {
      for (size_t i = 0; i < ways_.size(); ++i) {
        if (ways_[i].id != id) continue;
        if (!HasPenalty(ways_[i])) return i;
        if (!first.has_value()) first = i;
      }
    }
    return first.value_or(on_);
  }

  void PlaySession(absl::Time end) {
    runs_dry_ = absl::InfiniteFuture();
    while (absl::Now() < end) {
      const size_t segments = ways_[on_].tracks[0].media->playlist.segments.size();
      for (size_t i = 0; i < segments; ++i) {
        while (!Stopped() && runs_dry_ != absl::InfiniteFuture() && runs_dry_ - absl::Now() > players_.options_.ahead) {
          FollowSteering();
          Pause();
        }
        FollowSteering();
        while (!Stopped() && !FetchAll(i)) Pause();
        if (Stopped()) return;
        Buffered(absl::Seconds(ways_[on_].tracks[0].media->playlist.segments[i].duration_seconds));
      }
    }
  }

  // The i-th segment of every track. Asks for a new playlist where no pathway works.
  bool FetchAll(size_t i) {
    for (size_t track = 0; track < ways_[on_].tracks.size(); ++track) {
      if (!FetchFromAny(track, i)) {
        players_.Count([](PlayerTotals& totals) { ++totals.asked_again; });
        Ask();
        return false;
      }
    }
    return true;
  }

  bool FetchFromAny(size_t track, size_t i) {
    for (size_t tries = 0; tries < ways_.size(); ++tries) {
      const std::string problem = Fetch(ways_[on_].tracks[track], i);
      if (problem.empty()) {
        players_.NoteServer(viewer_, ways_[on_].server);
        return true;
      }
      players_.Count([&](PlayerTotals& totals) {
        ++totals.failed_requests;
        totals.last_problem = absl::StrCat(viewer_.label, ": ", ways_[on_].id, ", ", ways_[on_].server, ": ", problem);
      });
      ways_[on_].penalty_ends = absl::Now() + players_.options_.penalty;
      on_ = Best();
      if (Stopped()) return true;
      if (HasPenalty(ways_[on_])) return false;
    }
    return false;
  }

  // What went wrong; "" if the segment is here and right.
  std::string Fetch(const Track& track, size_t i) {
    const std::vector<HlsSegment>& segments = track.media->playlist.segments;
    const ByteRange& range = segments[std::min(i, segments.size() - 1)].range;
    const auto reply = http_.Get(track.url, {absl::StrCat("Range: bytes=", range.offset, "-", range.end() - 1)});
    if (!reply.ok()) return std::string(reply.status().message());
    if (reply->status != 206) return absl::StrCat("status ", reply->status);
    const bool right = track.media->bytes.compare(static_cast<size_t>(range.offset), static_cast<size_t>(range.length), reply->body) == 0;
    players_.Count([&](PlayerTotals& totals) {
      ++totals.segments;
      totals.bytes += static_cast<int64_t>(reply->body.size());
      totals.wrong_segments += right ? 0 : 1;
    });
    return right ? "" : "wrong bytes";
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
  HttpClient steering_http_;
  std::vector<Way> ways_;
  size_t on_ = 0;                      // The pathway in use.
  std::vector<std::string> priority_;  // As last told.
  std::string steering_uri_;
  absl::Time steering_due_;
  absl::Time runs_dry_;  // When all that is here has been played; infinite before the first segment.
};

Players::Players(const Layout& layout, const std::vector<LabViewer>& viewers, const std::vector<Title>& titles,
                 const PlayerOptions& options)
    : options_(options), front_(absl::StrCat("http://", layout.front_http)) {
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

void Players::NoteServer(const LabViewer& viewer, const std::string& server) {
  absl::MutexLock lock(&mu_);
  servers_[viewer.address.ToString()] = server;
  last_from_[server] = absl::Now();
}

std::string Players::ServerOf(const LabViewer& viewer) const {
  absl::MutexLock lock(&mu_);
  const auto found = servers_.find(viewer.address.ToString());
  return found == servers_.end() ? "" : found->second;
}

absl::Time Players::LastFrom(const std::string& server) const {
  absl::MutexLock lock(&mu_);
  const auto found = last_from_.find(server);
  return found == last_from_.end() ? absl::InfinitePast() : found->second;
}

}  // namespace fairlead
