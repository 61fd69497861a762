#include "services/steering/codec.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/content/paths.h"
#include "libs/feed/feed_publisher.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  out->set_seconds(nanos / 1'000'000'000);
  out->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
}

void RenderSources(const RenderContext& context, google::protobuf::RepeatedPtrField<sv1::SourceAge>& sources) {
  for (const SourceStatus& status : context.state.sources) {
    sv1::SourceAge& source = *sources.Add();
    source.set_source(status.source);
    source.set_from_disk(status.from_disk);
    if (status.position.nothing()) continue;  // Never heard: no position and no age.
    *source.mutable_position() = FeedPositionToProto(status.position);
    SetDuration(std::max(absl::ZeroDuration(), context.monotonic - status.heard_at), source.mutable_age());
  }
}

// Makes the URLs of one answer: candidates of one title version at equal rank and position share a token.
class UrlMaker {
 public:
  UrlMaker(const RenderContext& context, const Catalogue::FileRef& file) : context_(context), file_(file) {
    const auto unusual = context.state.unusual_playlists->find(file.file->number);
    playlist_path_ = unusual == context.state.unusual_playlists->end() ? UsualPlaylistPath(file.file->path) : unusual->second;
  }

  absl::Status Render(const Candidate& candidate, sv1::RankedUrl& out) const {
    const TokenRequest request = {.title = file_.title->id.value(),
                                  .version = file_.version->version,
                                  .rank = candidate.rank,
                                  .position = candidate.position,
                                  .cause = candidate.cause,
                                  .lifetime = context_.state.settings.token_lifetime};
    ASSIGN_OR_RETURN(const TokenCache::Token token, context_.tokens.Get(request, context_.state.key_id, context_.now));
    const std::string origin = UrlOrigin(candidate.endpoint);
    out.set_url(absl::StrCat(origin, MakeSignedPath(*token, file_.file->path)));
    if (!playlist_path_.empty()) out.set_playlist_url(absl::StrCat(origin, MakeSignedPath(*token, playlist_path_)));
    out.set_appliance(candidate.appliance.name());
    out.set_site(candidate.site.name());
    out.set_family(static_cast<common::v1::AddressFamily>(candidate.endpoint.family));
    out.set_rank(static_cast<int32_t>(candidate.rank));
    out.set_position(static_cast<int32_t>(candidate.position));
    out.set_cause(static_cast<common::v1::MissCause>(candidate.cause));
    const absl::Time expires = TokenCache::ClaimsOf(request, TokenCacheOptions().bucket, context_.now).expires;
    out.mutable_expire_time()->set_seconds(absl::ToUnixSeconds(expires));
    return absl::OkStatus();
  }

 private:
  const RenderContext& context_;
  const Catalogue::FileRef& file_;
  std::string playlist_path_;
};

absl::Status RenderFile(const FileAnswer& file, const RenderContext& context, sv1::FileAnswer& out) {
  out.set_file_number(file.file);
  out.set_path(file.path);
  const Catalogue::FileRef ref = context.state.table->catalogue->FindFile(file.file);
  if (ref.file == nullptr) return absl::InternalError(absl::StrCat("file ", file.file, " was decided on but isn't in the catalogue"));
  out.set_rendition(ref.file->rendition);
  out.set_size_bytes(static_cast<int64_t>(ref.file->size_bytes));
  out.set_bandwidth_bps(static_cast<int64_t>(ref.file->bitrate_bps));
  const UrlMaker maker(context, ref);
  for (const Candidate& candidate : file.candidates) RETURN_IF_ERROR(maker.Render(candidate, *out.add_urls()));
  return absl::OkStatus();
}

// Where the box stands in the answer's list of this file; -1: nowhere.
int PositionOf(const ApplianceId& appliance, const FileAnswer& file) {
  const auto found = std::find_if(file.candidates.begin(), file.candidates.end(),
                                  [&](const Candidate& candidate) { return candidate.appliance == appliance; });
  return found == file.candidates.end() ? -1 : static_cast<int>(found->position);
}

void RenderRoute(const RouteView& route, const SessionView& session, sv1::ExplainedRoute& out) {
  out.set_site(session.site.name());
  if (session.appliance.has_value()) out.set_appliance(session.appliance->name());
  out.set_session(session.id.name());
  if (session.link.has_value()) out.set_link(session.link->name());
  out.set_transport_class(static_cast<common::v1::TransportClass>(session.transport));
  out.set_as_path_length(route.as_path_length);
  out.set_neighbour_as(route.neighbour_as);
  out.set_med(route.med);
  out.set_demoted(route.demoted);
}

void RenderRung(const ExplainedEntry& entry, const Fleet& fleet, sv1::Rung& out) {
  out.set_rank(static_cast<int32_t>(entry.entry.rank));
  out.set_site(entry.site.name());
  for (const ApplianceId& box : entry.boxes) out.add_appliances(box.name());
  if (entry.figures.distance_km >= 0) out.set_distance_km(entry.figures.distance_km);
  if (entry.link.has_value()) out.add_links(entry.link->name());
  if (entry.entry.site < fleet.sites().size()) {
    for (const LinkId& uplink : fleet.sites()[entry.entry.site].view.uplinks) {
      if (uplink != entry.link) out.add_links(uplink.name());  // A session may name the uplink itself.
    }
  }
  out.set_demoted(entry.entry.demoted);
  if (entry.entry.fallback) return;  // No route stands behind it.
  out.set_prefix(entry.figures.route.prefix.ToString());
  out.set_transport_class(static_cast<common::v1::TransportClass>(entry.figures.transport));
  out.set_as_path_length(entry.figures.route.as_path_length);
  out.set_neighbour_as(entry.figures.route.neighbour_as);
  out.set_med(entry.figures.route.med);
}

// The API's words for the layers: what libs/steering calls capacity, the API calls link.
std::string LayerWord(SteeringLayer layer) {
  return layer == SteeringLayer::kCapacity ? "link" : std::string(ToString(layer));
}

void RenderRecord(const FileRecord& record, const SteeringAnswer& answer, sv1::FileExplanation& out) {
  out.set_file_number(record.file);
  out.set_path(record.path);
  out.set_winner(record.winner);
  out.set_runner_up(record.runner_up);
  const auto file =
      std::find_if(answer.files.begin(), answer.files.end(), [&](const FileAnswer& candidate) { return candidate.file == record.file; });
  for (const CandidateRecord& candidate : record.candidates) {
    sv1::CandidateVerdicts& verdicts = *out.add_candidates();
    verdicts.set_appliance(candidate.appliance.name());
    verdicts.set_site(candidate.site.name());
    verdicts.set_rank(static_cast<int32_t>(candidate.rank));
    verdicts.set_position(file == answer.files.end() ? -1 : PositionOf(candidate.appliance, *file));
    for (const LayerVerdict& verdict : candidate.verdicts) {
      sv1::LayerVerdict& layer = *verdicts.add_layers();
      layer.set_layer(LayerWord(verdict.layer));
      layer.set_passed(verdict.passed);
      layer.set_detail(verdict.sentence);
    }
  }
}

}  // namespace

std::string UrlOrigin(const Endpoint& endpoint) {
  const bool own_port = (endpoint.scheme == "http" && endpoint.port == 80) || (endpoint.scheme == "https" && endpoint.port == 443);
  const bool literal = absl::StrContains(endpoint.host, ':');
  const std::string host = literal ? absl::StrCat("[", endpoint.host, "]") : endpoint.host;
  return own_port ? absl::StrCat(endpoint.scheme, "://", host) : absl::StrCat(endpoint.scheme, "://", host, ":", endpoint.port);
}

absl::StatusOr<SteeringRequest> ParseSteerRequest(const sv1::SteerRequest& request, const IpAddress& client,
                                                  const SteeringSettings& settings) {
  return ParseSteerRequest(request, client, settings.default_max_urls);
}

absl::Status CheckInCatalogue(const Catalogue& catalogue, const SteeringRequest& request) {
  const TitleView* title = catalogue.FindTitle(request.title);
  if (title == nullptr) return FieldError(absl::StatusCode::kNotFound, "title", request.title.name(), "no such title");
  const VersionView* version = Catalogue::FindVersion(*title, request.version);
  if (version == nullptr) {
    return FieldError(absl::StatusCode::kNotFound, "version", request.version, absl::StrCat(request.title.name(), " has no such version"));
  }
  for (const std::string& rendition : request.renditions) {
    const bool known =
        std::any_of(version->files.begin(), version->files.end(), [&](const FileView& file) { return file.rendition == rendition; });
    if (!known) {
      return FieldError(absl::StatusCode::kNotFound, "renditions", rendition,
                        absl::StrCat("version ", version->version, " of ", request.title.name(), " has no such rendition"));
    }
  }
  if (request.renditions.empty() && version->files.size() > kMaxFilesAnAnswer) {
    return InvalidField(
        "renditions", "",
        absl::StrCat("version ", version->version, " of ", request.title.name(), " has ", version->files.size(), " files, more than ",
                     kMaxFilesAnAnswer, " in one answer: name the renditions wanted, at most ", kMaxRenditions));
  }
  if (version->files.empty()) {
    return FieldError(absl::StatusCode::kNotFound, "version", version->version, absl::StrCat("of ", request.title.name(), " has no files"));
  }
  return absl::OkStatus();
}

absl::Status RenderAnswer(const SteeringAnswer& answer, const RenderContext& context, sv1::SteerResponse& response) {
  response.set_verdict(sv1::SteerResponse::VERDICT_OK);
  for (const FileAnswer& file : answer.files) {
    RETURN_IF_ERROR(RenderFile(file, context, *response.add_files()));
    if (file.not_servable == NotServable::kServable || response.verdict() == sv1::SteerResponse::VERDICT_NOT_SERVABLE) continue;
    // The first file that nobody can serve speaks for the answer; the others keep their URLs.
    response.set_verdict(sv1::SteerResponse::VERDICT_NOT_SERVABLE);
    response.set_reason(std::string(ToString(file.not_servable)));
    response.set_reason_detail(file.sentence);
  }
  if (answer.matched_prefix.has_value()) response.set_matched_prefix(answer.matched_prefix->ToString());
  if (answer.quality_cap.has_value()) response.set_quality_cap_bps(static_cast<int64_t>(answer.quality_cap->bps));
  SetDuration(response.verdict() == sv1::SteerResponse::VERDICT_OK ? kAnswerTtl : kNotServableTtl, response.mutable_ttl());
  RenderSources(context, *response.mutable_sources());
  return absl::OkStatus();
}

void RenderExplanation(const Explanation& explanation, const SteeringAnswer& answer, const RenderContext& context,
                       sv1::ExplainResponse& response) {
  response.set_client_address(explanation.client.ToString());
  sv1::ClientPlace& place = *response.mutable_place();
  place.set_source(std::string(ToString(explanation.place.source)));
  place.set_latitude(explanation.place.at.latitude_microdegrees / 1e6);
  place.set_longitude(explanation.place.at.longitude_microdegrees / 1e6);
  for (const MatchedPrefix& matched : explanation.matched) {
    sv1::CoveringPrefix& covering = *response.add_covering_prefixes();
    covering.set_prefix(matched.prefix.ToString());
    for (const RouteView& route : matched.routes) {
      RenderRoute(route, explanation.sessions[route.session], *covering.add_routes());
    }
  }
  for (const ExplainedEntry& entry : explanation.ladder) RenderRung(entry, *context.state.table->fleet, *response.add_ladder());
  for (const FileRecord& record : explanation.files) RenderRecord(record, answer, *response.add_files());
  RenderSources(context, *response.mutable_sources());
}

}  // namespace fairlead
