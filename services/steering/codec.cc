#include "services/steering/codec.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/ids.h"
#include "libs/base/status_macros.h"
#include "libs/feed/feed_publisher.h"

namespace fairlead {
namespace {

namespace sv1 = steering::v1;

void SetDuration(absl::Duration duration, google::protobuf::Duration* out) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  out->set_seconds(nanos / 1'000'000'000);
  out->set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
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

absl::Status CheckInCatalogue(const Wanted& wanted, const SteeringRequest& request) {
  if (wanted.title == nullptr) return FieldError(absl::StatusCode::kNotFound, "title", request.title.name(), "no such title");
  if (wanted.version == nullptr) {
    return FieldError(absl::StatusCode::kNotFound, "version", request.version, absl::StrCat(request.title.name(), " has no such version"));
  }
  const CatalogueVersion& version = *wanted.version;
  for (const std::string& rendition : request.renditions) {
    bool known = false;
    version.ForEachOfRendition(rendition, [&](size_t) { known = true; });
    if (!known) {
      return FieldError(absl::StatusCode::kNotFound, "renditions", rendition,
                        absl::StrCat("version ", version.version(), " of ", request.title.name(), " has no such rendition"));
    }
  }
  if (request.renditions.empty() && version.files().size() > kMaxFilesAnAnswer) {
    return InvalidField(
        "renditions", "",
        absl::StrCat("version ", version.version(), " of ", request.title.name(), " has ", version.files().size(), " files, more than ",
                     kMaxFilesAnAnswer, " in one answer: name the renditions wanted, at most ", kMaxRenditions));
  }
  if (version.files().empty()) {
    return FieldError(absl::StatusCode::kNotFound, "version", version.version(),
                      absl::StrCat("of ", request.title.name(), " has no files"));
  }
  return absl::OkStatus();
}

absl::Status Unreadable() {
  return absl::InvalidArgumentError("the request is no message of its type");
}

RequestClass ClassOf(sv1::RequestClass request_class) {
  switch (request_class) {
    case sv1::REQUEST_CLASS_PREFETCH:
      return RequestClass::kPrefetch;
    case sv1::REQUEST_CLASS_BACKGROUND:
      return RequestClass::kBackground;
    default:
      return RequestClass::kPlaybackStart;  // What we don't know yet may be urgent; ParseSteerRequest refuses it.
  }
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
