// Protos ↔ values of filld. Pure; errors name the field.
#ifndef FAIRLEAD_SERVICES_FILL_CODEC_H_
#define FAIRLEAD_SERVICES_FILL_CODEC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fairlead/content/v1/catalog_service.pb.h"
#include "fairlead/fill/v1/fill_service.pb.h"
#include "libs/content/catalogue_values.h"
#include "libs/fill/plan.h"
#include "libs/fill/source_faults.h"
#include "services/fill/catalogue_view.h"

namespace fairlead::fill {

// Checked with ValidateImport.
absl::StatusOr<TitleImport> ImportFromProto(const content::v1::ImportTitleVersionRequest& request);

content::v1::Title TitleToProto(const Title& title);
content::v1::File FileToProto(const MediaFile& file);

// Short files get their paths from `view`; at most kMaxShortFilesShown of a plan are rendered, so that an answer fits a message.
constexpr int kMaxShortFilesShown = 10'000;
v1::Plan PlanToProto(const PlanSummary& plan, const CatalogueView& view);

// INVALID_ARGUMENT for more than kMaxFaults, a source that is no name, or a detail that is too long.
constexpr int kMaxFaults = 100;
constexpr size_t kMaxFaultDetail = 200;
absl::StatusOr<std::vector<SourceFault>> FaultsFromProto(const v1::ResolveSourcesRequest& request);
v1::SourceFault FaultToProto(const SourceFaultBook::Met& met);

google::protobuf::Timestamp TimeToProto(absl::Time time);
google::protobuf::Duration DurationToProto(absl::Duration duration);
absl::Time TimeFromProto(const google::protobuf::Timestamp& time);
absl::Duration DurationFromProto(const google::protobuf::Duration& duration);

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_CODEC_H_
