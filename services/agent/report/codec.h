// From the agent's values to the reports that it sends, and from configuration and manifest to values. Pure.
#ifndef FAIRLEAD_SERVICES_AGENT_REPORT_CODEC_H_
#define FAIRLEAD_SERVICES_AGENT_REPORT_CODEC_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "fairlead/fill/v1/fill_service.pb.h"
#include "fairlead/ingest/v1/appliance_link_service.pb.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "services/agent/bird/config.h"
#include "services/agent/fill/filler.h"
#include "services/agent/nginx/access_log.h"
#include "services/agent/nginx/config.h"
#include "services/agent/nginx/daemon.h"
#include "services/agent/routes/route_reporter.h"
#include "services/agent/routes/routing_loop.h"

namespace fairlead::agent {

// A session's report as one or more messages of at most ~half a MiB; only the first restarts, only the last ends the table.
std::vector<ingest::v1::RouteUpdate> ToProto(const SessionReport& report);
ingest::v1::TrafficSummary ToProto(const std::map<TrafficKey, TrafficSums>& rows, absl::Time start, absl::Duration length);
ingest::v1::FillProgress ToProto(const std::vector<FileProgress>& files, const std::string& manifest_generation);
ingest::v1::FillStatus ToProto(const FillerStatus& fill, int64_t rate_bps);
ingest::v1::NginxStatus ToProto(const NginxReport& report);
ingest::v1::BgpSessionStatus ToProto(const RoutingStatus::Session& session);

// INVALID_ARGUMENT naming the field. VIA_ROUTER sessions are the routers' business and are left out.
absl::StatusOr<BirdConfigInput> BirdConfigOf(const registry::v1::ApplianceConfig& config);
// The folders are filled in elsewhere.
NginxConfigInput NginxConfigOf(const registry::v1::ApplianceConfig& config);
ServingMode ServingModeOf(const registry::v1::Appliance& appliance);
std::vector<HeldFile> WantedOf(const fill::v1::Manifest& manifest);
std::map<Tier, int64_t> CapacitiesOf(const registry::v1::Appliance& appliance);
// bit/s: as configured, else the default of the kind.
int64_t FillRateOf(const registry::v1::Appliance& appliance);
// The configured duration if it is positive.
absl::Duration HeartbeatIntervalOf(const registry::v1::ApplianceConfig& config);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_REPORT_CODEC_H_
