#include "services/steering/content_steering.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/contentsteering/manifest.h"
#include "libs/contentsteering/multivariant.h"
#include "libs/contentsteering/priority.h"
#include "libs/http/error.h"
#include "libs/steering/decide.h"
#include "libs/steering/pathways.h"
#include "libs/steering/spread.h"
#include "services/steering/answer_texts.h"
#include "services/steering/codec.h"
#include "services/steering/http_request.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

constexpr absl::string_view kPlaylistPath = "/v1/hls/main.m3u8";
constexpr absl::Duration kBurst = absl::Milliseconds(200);
constexpr size_t kMaxAuthority = 255;

absl::Status Ready(const ServingState& state) {
  if (state.table == nullptr) return state.why_none;
  return state.key_id.empty() ? state.why_no_key : absl::OkStatus();
}

PlaylistTrack TrackOf(const CatalogueVersion& version, const CatalogueFile& file) {
  const CatalogueTrack& track = version.TrackOf(file);
  return {.rendition = std::string(file.rendition()),
          .kind = track.kind(),
          .mean_bps = file.bitrate_bps(),
          .codecs = std::string(track.codecs()),
          .width = static_cast<int32_t>(track.width()),
          .height = static_cast<int32_t>(track.height()),
          .language = std::string(track.language())};
}

// What the catalogue tells of the answer's files, in their order.
absl::StatusOr<std::vector<PlaylistTrack>> TracksOf(const Catalogue& catalogue, const SteeringAnswer& answer) {
  std::vector<PlaylistTrack> tracks;
  for (const FileAnswer& file : answer.files) {
    const Catalogue::FileRef ref = catalogue.FindFile(file.file);
    if (ref.file == nullptr) return absl::InternalError(absl::StrCat("file ", file.file, " isn't in the catalogue"));
    tracks.push_back(TrackOf(*ref.version, *ref.file));
  }
  return tracks;
}

// A quality that nobody has (yet) is left out; a title whose pictures or whose sound nobody has can't be played.
absl::Status DropUnservable(const ServingState& state, SteeringRequest& request, SteeringAnswer& answer,
                            std::vector<PlaylistTrack>& tracks) {
  std::vector<std::string> servable;
  absl::flat_hash_set<RenditionKind> wanted, left;
  const FileAnswer* missing = nullptr;
  for (size_t i = 0; i < tracks.size(); ++i) {
    wanted.insert(tracks[i].kind);
    if (answer.files[i].candidates.empty()) {
      if (missing == nullptr) missing = &answer.files[i];
      continue;
    }
    left.insert(tracks[i].kind);
    servable.push_back(tracks[i].rendition);
  }
  if (missing == nullptr) return absl::OkStatus();
  if (left != wanted)
    return absl::UnavailableError(absl::StrCat("not servable: ", ToString(missing->not_servable), ", ", missing->sentence));
  request.renditions = std::move(servable);
  answer = Decide(*state.table, request);
  ASSIGN_OR_RETURN(tracks, TracksOf(*state.table->catalogue, answer));
  return absl::OkStatus();
}

// Of the answer's sites: those of kind IX.
absl::flat_hash_set<SiteId> Exchanges(const Fleet& fleet, const SteeringAnswer& answer) {
  absl::flat_hash_set<SiteId> exchanges;
  for (const Pathway& pathway : answer.pathways) {
    const uint32_t site = fleet.FindSite(pathway.site);
    if (site != Fleet::kNone && fleet.sites()[site].view.kind == SiteKind::kIx) exchanges.insert(pathway.site);
  }
  return exchanges;
}

bool IsAuthority(absl::string_view text) {
  return !text.empty() && text.size() <= kMaxAuthority && absl::c_all_of(text, [](unsigned char c) {
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == ':' || c == '[' || c == ']';
  });
}

// For any page, and for no cache.
HttpResponse Open(HttpResponse response) {
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  const bool told = absl::c_any_of(response.headers, [](const auto& header) { return header.first == "Cache-Control"; });
  if (!told) response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

HttpResponse Preflight() {
  HttpResponse response;
  response.status = 204;
  response.headers = {
      {"Access-Control-Allow-Methods", "GET, HEAD, OPTIONS"}, {"Access-Control-Allow-Headers", "*"}, {"Access-Control-Max-Age", "86400"}};
  return response;
}

}  // namespace

ContentSteering::ContentSteering(const Published<ServingState>& serving, TokenCache* tokens, ClientAddressPolicy addresses,
                                 const Clock& clock, SteeringMetrics& metrics, ContentSteeringOptions options, ClientFailures* failures)
    : serving_(serving),
      tokens_(tokens),
      addresses_(std::move(addresses)),
      clock_(clock),
      metrics_(metrics),
      options_(std::move(options)),
      budget_({.rate = static_cast<double>(options_.manifests_a_second),
               .burst = static_cast<double>(options_.manifests_a_second) * absl::ToDoubleSeconds(kBurst)}),
      failures_(failures) {}

bool ContentSteering::Handles(const HttpRequest& request) {
  return request.target.path == kPlaylistPath || absl::StartsWith(request.target.path, kSteeringPath);
}

HttpResponse ContentSteering::Answer(const HttpRequest& request) const {
  if (request.method == "OPTIONS") return Open(Preflight());
  if (request.method != "GET") {
    HttpResponse refused = ErrorResponse(405, absl::UnimplementedError(absl::StrCat("method ", request.method, " isn't allowed here")));
    refused.headers.emplace_back("Allow", "GET, HEAD, OPTIONS");
    return Open(std::move(refused));
  }
  absl::StatusOr<HttpResponse> response = request.target.path == kPlaylistPath ? Playlist(request) : Manifest(request);
  return Open(response.ok() ? *std::move(response) : ErrorResponse(response.status()));
}

absl::StatusOr<std::string> ContentSteering::BaseUrl(const HttpRequest& request) const {
  if (!options_.public_url.empty()) return options_.public_url;
  const std::string scheme = request.Header("X-Forwarded-Proto") == "https" ? "https" : "http";
  std::string authority = request.Header("X-Forwarded-Host");
  if (authority.empty()) authority = request.Header("Host");
  if (!IsAuthority(authority)) return InvalidField("Host", authority, "must be a host, and a port if it isn't the usual one");
  return absl::StrCat(scheme, "://", authority);
}

absl::StatusOr<std::vector<std::string>> ContentSteering::PlaylistUrls(const ServingState& state, const SteeringAnswer& answer,
                                                                       const DeclaredPathway& pathway) const {
  std::vector<std::string> urls;
  for (size_t i = 0; i < answer.files.size(); ++i) {
    const Candidate& holder = pathway.holders[i];
    const Catalogue::FileRef ref = state.table->catalogue->FindFile(answer.files[i].file);
    if (ref.file == nullptr) return absl::InternalError(absl::StrCat("file ", answer.files[i].file, " isn't in the catalogue"));
    const std::string path = ref.playlist().Join();
    if (path.empty())
      return FieldError(absl::StatusCode::kNotFound, "title", TitleId(std::string(ref.title->id())).name(),
                        "has a file without a playlist");
    const TokenRequest token = {.title = ref.title->id(),
                                .version = ref.version->version(),
                                .rank = holder.rank,
                                .position = holder.position,
                                .cause = holder.cause,
                                .lifetime = state.settings.token_lifetime};
    ASSIGN_OR_RETURN(const TokenCache::Token text, tokens_->Get(token, state.key_id, clock_.Now()));
    urls.push_back(absl::StrCat(UrlOrigin(holder.endpoint), MakeSignedPath(text, path)));
  }
  return urls;
}

absl::StatusOr<HttpResponse> ContentSteering::Playlist(const HttpRequest& request) const {
  ASSIGN_OR_RETURN(const std::string base, BaseUrl(request));
  const std::shared_ptr<const ServingState> state = serving_.Get();
  sv1::SteerRequest asked;
  RETURN_IF_ERROR(ParseSteerQuery(request.target, asked));
  ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(CallerOf(request), addresses_, asked.client_address()));
  ASSIGN_OR_RETURN(SteeringRequest wanted, ParseSteerRequest(asked, client, state->settings.default_max_urls));
  RETURN_IF_ERROR(Ready(*state));
  const Wanted found = FindWanted(*state->table->catalogue, wanted);
  RETURN_IF_ERROR(CheckInCatalogue(found, wanted));
  AskForPathways(wanted);
  wanted.version = std::string(found.version->version());  // A session stays with the version that it began with.
  SteeringAnswer answer = Decide(*state->table, wanted);
  Multivariant playlist;
  ASSIGN_OR_RETURN(playlist.tracks, TracksOf(*state->table->catalogue, answer));
  const bool playable = absl::c_any_of(playlist.tracks, [](const PlaylistTrack& track) {
    return track.kind == RenditionKind::kVideo || track.kind == RenditionKind::kAudio;
  });
  if (!playable) return FieldError(absl::StatusCode::kNotFound, "title", wanted.title.name(), "has neither pictures nor sound");
  RETURN_IF_ERROR(DropUnservable(*state, wanted, answer, playlist.tracks));
  const std::vector<DeclaredPathway> pathways = ChoosePathways(answer, Exchanges(*state->table->fleet, answer));
  if (pathways.empty()) return absl::UnavailableError(absl::StrCat("not servable: ", answer.sentence));
  for (const DeclaredPathway& pathway : pathways) {
    ASSIGN_OR_RETURN(std::vector<std::string> urls, PlaylistUrls(*state, answer, pathway));
    playlist.pathways.push_back({.id = pathway.id, .urls = std::move(urls)});
  }
  // Sessions that begin together, or behind one address, shall not ask and move together.
  const uint64_t seed = Mix(HashBytes(client.ToBytes()), static_cast<uint64_t>(absl::ToInt64Nanoseconds(clock_.Monotonic())));
  playlist.server_uri = SteeringUri(base, FirstSession(wanted.title, wanted.version, pathways, static_cast<uint32_t>(seed)));
  if (answer.quality_cap.has_value()) playlist.quality_cap_bps = answer.quality_cap->bps;
  metrics_.playlists.Increment();
  metrics_.CountServed(pathways.front().holders.front().cause);
  return HttpResponse{.content_type = kMultivariantType, .headers = {}, .body = MakeMultivariant(playlist)};
}

void ContentSteering::NoteFailure(const SteeringTable& table, const IpAddress& client, const SessionPathway& left) const {
  if (failures_ == nullptr) return;
  std::vector<ApplianceId> boxes;
  for (const ApplianceId& box : left.boxes) {
    if (table.fleet->FindBox(box) != Fleet::kNone) boxes.push_back(box);
  }
  failures_->Note(client, boxes, clock_.Monotonic());
}

absl::StatusOr<HttpResponse> ContentSteering::Manifest(const HttpRequest& request) const {
  ASSIGN_OR_RETURN(const std::string base, BaseUrl(request));
  ASSIGN_OR_RETURN(SteeringSession session, ParseSteeringSession(request.target.path, request.target.query));
  const std::shared_ptr<const ServingState> state = serving_.Get();
  const bool shed = budget_.Take(/*key=*/0, 1, clock_.Monotonic()) > absl::ZeroDuration();
  absl::Duration ttl = options_.ttl;
  if (shed || state->table == nullptr) {
    (shed ? metrics_.manifests_shed : metrics_.manifests_without_table).Increment();
    ttl = ShedTtl(ttl, session);
    session.round = (session.round + 1) % SteeringSession::kMaxCount;
  } else {
    const std::string* named = request.Parameter("client_address");
    ASSIGN_OR_RETURN(const IpAddress client, ClientAddress(CallerOf(request), addresses_, named == nullptr ? "" : *named));
    std::vector<GivenPathway> given;
    for (const SessionPathway& pathway : session.pathways) given.push_back({pathway.boxes});
    const SteeringRequest asked = {.client = client, .title = session.title, .version = session.version};
    SteeringOrder order = OrderPathways(session, JudgePathways(*state->table, asked, given), ParsePlayerReport(request.target.query));
    metrics_.manifests_decided.Increment();
    if (order.evidence) {
      metrics_.player_evidence.Increment();
      NoteFailure(*state->table, client, session.pathways.front());
    }
    if (order.moved != MoveReason::kNone) metrics_.player_moves[static_cast<size_t>(order.moved)]->Increment();
    session = std::move(order.next);
  }
  return HttpResponse{.content_type = kSteeringListType, .headers = {}, .body = ManifestOf(base, session, ttl).ToJson()};
}

}  // namespace fairlead
