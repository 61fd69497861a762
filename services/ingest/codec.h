// Between the messages of ingest/v1 and values: what comes from boxes is checked here completely, before anything is applied.
//
// Every error is INVALID_ARGUMENT (RESOURCE_EXHAUSTED for sizes) and names the field, quoting its value. Pure functions; any thread.
#ifndef FAIRLEAD_SERVICES_INGEST_CODEC_H_
#define FAIRLEAD_SERVICES_INGEST_CODEC_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/appliance_link_service.pb.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "libs/base/ids.h"
#include "libs/health/health.h"
#include "services/ingest/route_book.h"
#include "services/ingest/traffic_buffer.h"

namespace fairlead::ingest {

// The bounds on one message, each as the contract says or wide enough for any real box.
struct ReportLimits {
  static constexpr int kMostReports = 1'000;      // In a ConnectRequest.
  static constexpr int kMostRoutes = 1'000;       // Announced and withdrawn.
  static constexpr int kMostAsns = 1'000;         // In an AS path.
  static constexpr int kMostCommunities = 1'000;  // Of a route.
  static constexpr int kMostTiers = 16;
  static constexpr int kMostSessions = 256;  // In a heartbeat.
  static constexpr int kMostTrafficRows = 10'000;
  static constexpr int kMostFills = 1'000;
  static constexpr size_t kMostText = 1'000;  // Bytes of a detail, an error, a generation.
};

absl::Status CheckHello(const ingest::v1::Hello& hello);
// What the heartbeat says about health; `serves` is false for a collector.
absl::StatusOr<HealthFigures> FiguresFromProto(const ingest::v1::Heartbeat& heartbeat, bool serves);
absl::StatusOr<RouteChange> RouteChangeFromProto(const ingest::v1::RouteUpdate& update);
absl::StatusOr<TrafficReport> TrafficFromProto(const ingest::v1::TrafficSummary& summary);
absl::Status CheckFillProgress(const ingest::v1::FillProgress& progress);

// Keys of the fleet feed.
std::string StateKey(const ApplianceId& appliance);
std::string HoldingsKey(const ApplianceId& appliance);
std::string RouteEntryKey(const BgpSessionId& session, const RouteKey& key);
std::string SessionKey(const BgpSessionId& session);

ingest::v1::AdmittedRoute RouteToProto(const ApplianceId& appliance, const BgpSessionId& session, const KeptRoute& kept);
ingest::v1::ReportedRoute ReportedRouteToProto(const ApplianceId& appliance, const BookRoute& route);
ingest::v1::SessionState SessionToProto(const ApplianceId& appliance, const SessionSummary& summary);
void DropsToProto(const DropCounts& drops, google::protobuf::RepeatedPtrField<ingest::v1::DropCount>* out);

google::protobuf::Duration DurationToProto(absl::Duration duration);

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_CODEC_H_
