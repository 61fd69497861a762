#include "services/fill/codec.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead::fill {
namespace {

MediaFile FileFromProto(const content::v1::File& from) {
  MediaFile file;
  file.number = from.file_number();
  file.path = from.path();
  file.size_bytes = from.size_bytes();
  file.sha256 = from.sha256();
  file.duration_seconds = from.duration_seconds();
  file.segment_count = from.segment_count();
  file.playlist = {from.playlist().path(), from.playlist().size_bytes(), from.playlist().sha256()};
  return file;
}

absl::StatusOr<Rendition> RenditionFromProto(const content::v1::Rendition& from, const std::string& field) {
  if (!content::v1::Rendition::Kind_IsValid(from.kind()))
    return InvalidField(absl::StrCat(field, ".kind"), absl::StrCat(from.kind()), "not a known kind");
  Rendition rendition;
  rendition.id = from.rendition();
  rendition.kind = static_cast<RenditionKind>(from.kind());
  rendition.bandwidth_bps = from.bandwidth_bps();
  rendition.codecs = from.codecs();
  rendition.width = from.width();
  rendition.height = from.height();
  rendition.language = from.language();
  rendition.file = FileFromProto(from.file());
  if (rendition.bandwidth_bps == 0) rendition.bandwidth_bps = MeanBandwidth(rendition.file.size_bytes, rendition.file.duration_seconds);
  return rendition;
}

void RenditionToProto(const Rendition& from, content::v1::Rendition& to) {
  to.set_rendition(from.id);
  to.set_kind(static_cast<content::v1::Rendition::Kind>(from.kind));
  to.set_bandwidth_bps(from.bandwidth_bps);
  to.set_codecs(from.codecs);
  to.set_width(from.width);
  to.set_height(from.height);
  to.set_language(from.language);
  *to.mutable_file() = FileToProto(from.file);
}

}  // namespace

absl::StatusOr<TitleImport> ImportFromProto(const content::v1::ImportTitleVersionRequest& request) {
  TitleImport import;
  ASSIGN_OR_RETURN(import.title, TitleId::ParseName(request.title(), "title"));
  import.display_name = request.display_name();
  import.popularity = request.popularity();
  import.version.version = request.version().version();
  int index = 0;
  for (const content::v1::Rendition& from : request.version().renditions()) {
    ASSIGN_OR_RETURN(Rendition rendition, RenditionFromProto(from, absl::StrCat("version.renditions[", index++, "]")));
    // What the server gives is output only: a title that was read may be sent back.
    rendition.file.number = 0;
    import.version.renditions.push_back(std::move(rendition));
  }
  RETURN_IF_ERROR(ValidateImport(import));
  return import;
}

content::v1::File FileToProto(const MediaFile& file) {
  content::v1::File proto;
  proto.set_file_number(file.number);
  proto.set_path(file.path);
  proto.set_size_bytes(file.size_bytes);
  proto.set_sha256(file.sha256);
  proto.set_duration_seconds(file.duration_seconds);
  proto.set_segment_count(file.segment_count);
  proto.mutable_playlist()->set_path(file.playlist.path);
  proto.mutable_playlist()->set_size_bytes(file.playlist.size_bytes);
  proto.mutable_playlist()->set_sha256(file.playlist.sha256);
  return proto;
}

content::v1::Title TitleToProto(const Title& title) {
  content::v1::Title proto;
  proto.set_name(title.id.name());
  proto.set_display_name(title.display_name);
  proto.set_popularity(title.popularity);
  proto.set_current_version(title.current_version);
  for (const TitleVersion& version : title.versions) {
    content::v1::TitleVersion& to = *proto.add_versions();
    to.set_version(version.version);
    for (const Rendition& rendition : version.renditions) RenditionToProto(rendition, *to.add_renditions());
  }
  *proto.mutable_create_time() = TimeToProto(title.create_time);
  return proto;
}

v1::Plan PlanToProto(const PlanSummary& plan, const CatalogueView& view) {
  v1::Plan proto;
  int shown = 0;
  if (plan.number != 0) proto.set_name(absl::StrCat("plans/", plan.number));
  *proto.mutable_create_time() = TimeToProto(plan.create_time);
  for (const ClusterPlanSummary& cluster : plan.clusters) {
    v1::ClusterPlan& to = *proto.add_clusters();
    to.set_cluster(cluster.cluster.name());
    to.set_copies(cluster.copies);
    for (const BoxPlanSummary& box : cluster.boxes) {
      v1::AppliancePlan& appliance = *to.add_appliances();
      appliance.set_appliance(box.appliance.name());
      appliance.set_manifest_generation(box.generation);
      appliance.set_files(box.files);
      appliance.set_bytes(box.bytes);
      appliance.set_capacity_bytes(box.capacity_bytes);
      appliance.set_files_added(box.files_added);
      appliance.set_files_removed(box.files_removed);
    }
    for (const ShortPlacement& file : cluster.short_files) {
      if (shown++ == kMaxShortFilesShown) return proto;
      v1::ShortFile& short_file = *to.add_short_files();
      short_file.set_file_number(file.number);
      const CatalogueView::FileRef ref = view.FindFile(file.number);
      if (ref.rendition != nullptr) short_file.set_path(ref.rendition->file.path);
      short_file.set_copies_placed(file.copies_placed);
      short_file.set_reason(file.reason);
    }
  }
  return proto;
}

google::protobuf::Timestamp TimeToProto(absl::Time time) {
  google::protobuf::Timestamp proto;
  const int64_t nanos = absl::ToUnixNanos(time);
  // Rounded down, so that nanos is never negative.
  const int64_t seconds = absl::ToUnixSeconds(time);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(nanos - seconds * 1'000'000'000));
  return proto;
}

google::protobuf::Duration DurationToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

absl::Time TimeFromProto(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

absl::Duration DurationFromProto(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) + absl::Nanoseconds(duration.nanos());
}

absl::StatusOr<std::vector<SourceFault>> FaultsFromProto(const v1::ResolveSourcesRequest& request) {
  if (request.faults_size() > kMaxFaults)
    return InvalidField("faults", absl::StrCat(request.faults_size()), absl::StrCat("at most ", kMaxFaults, " a call"));
  std::vector<SourceFault> faults;
  for (const v1::SourceFault& from : request.faults()) {
    const std::string field = absl::StrCat("faults[", faults.size(), "]");
    SourceFault& fault = faults.emplace_back();
    ASSIGN_OR_RETURN(fault.source, ApplianceId::ParseName(from.source(), absl::StrCat(field, ".source")));
    if (from.detail().size() > kMaxFaultDetail)
      return InvalidField(absl::StrCat(field, ".detail"), from.detail().substr(0, 40), absl::StrCat("at most ", kMaxFaultDetail, " bytes"));
    // A reason that is newer than this filld counts like the others.
    if (v1::SourceFault::Reason_IsValid(from.reason())) fault.reason = static_cast<SourceFaultReason>(from.reason());
    fault.file = from.file_number();
    fault.detail = from.detail();
  }
  return faults;
}

v1::SourceFault FaultToProto(const SourceFaultBook::Met& met) {
  v1::SourceFault fault;
  fault.set_source(met.fault.source.name());
  fault.set_file_number(met.fault.file);
  fault.set_reason(static_cast<v1::SourceFault::Reason>(met.fault.reason));
  fault.set_detail(met.fault.detail);
  *fault.mutable_age() = DurationToProto(met.age);
  return fault;
}

}  // namespace fairlead::fill
