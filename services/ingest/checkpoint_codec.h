// Between what FleetState holds and the keys and values of its checkpoint (proto/fairlead/ingest/v1/checkpoint.proto).
//
// Keys sort so that a box can be put back as soon as it is read: how far the checkpoint reaches, the configuration, then the boxes, each
// with its record before its holdings and its routes. Pure functions; any thread.
//
//   1                                      CheckpointHead
//   2/<key of the config feed>             registry.v1.ConfigEntry
//   3/<appliance>/1                        BoxRecord
//   3/<appliance>/2                        HoldingsRecord
//   3/<appliance>/3/<session>/<route>      RouteRecord; the route is its family, address, length and path id in bytes
#ifndef FAIRLEAD_SERVICES_INGEST_CHECKPOINT_CODEC_H_
#define FAIRLEAD_SERVICES_INGEST_CHECKPOINT_CODEC_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/checkpoint.pb.h"
#include "libs/base/ids.h"
#include "libs/health/health.h"
#include "libs/net/ip_address.h"
#include "libs/routing/route.h"
#include "services/ingest/route_book.h"

namespace fairlead::ingest {

// The times of this process as those of the checkpoint, and back. They differ by what ran before this process.
class CheckpointClock {
 public:
  explicit CheckpointClock(absl::Duration ahead = absl::ZeroDuration()) : ahead_(ahead) {}
  // Such that `now` here is `saved_us` there.
  static CheckpointClock At(absl::Time now, int64_t saved_us) {
    return CheckpointClock(absl::Microseconds(saved_us) - (now - absl::UnixEpoch()));
  }

  int64_t Save(absl::Time time) const { return absl::ToInt64Microseconds(time - absl::UnixEpoch() + ahead_); }
  absl::Time Load(int64_t saved_us) const { return absl::UnixEpoch() + absl::Microseconds(saved_us) - ahead_; }

 private:
  absl::Duration ahead_;
};

inline constexpr absl::string_view kHeadKey = "1";
inline constexpr absl::string_view kConfigKeys = "2/";

std::string BoxKeys(const ApplianceId& box);  // The beginning of all keys of a box.
std::string BoxRecordKey(const ApplianceId& box);
std::string HoldingsRecordKey(const ApplianceId& box);
std::string RouteRecordKeys(const ApplianceId& box, const BgpSessionId& session);  // The beginning of those of a session's routes.
void AppendRouteRecordKey(const RouteKey& route, std::string& key);                // To the beginning.

struct BoxKey {
  enum class Kind : uint8_t { kRecord, kHoldings, kRoute };
  ApplianceId box;
  Kind kind = Kind::kRecord;
  BgpSessionId session;  // Of a route.
  RouteKey route;
};
// INVALID_ARGUMENT quoting the key.
absl::StatusOr<BoxKey> ParseBoxKey(absl::string_view key);

v1::RouteRecord RouteToRecord(const KeptRoute& kept, const std::optional<IpAddress>& next_hop);
absl::StatusOr<RestoredRoute> RouteFromRecord(const RouteKey& key, const v1::RouteRecord& record);

v1::SessionRecord SessionToRecord(const KeptSession& session, const CheckpointClock& clock);
absl::StatusOr<KeptSession> SessionFromRecord(const v1::SessionRecord& record, const CheckpointClock& clock);

v1::HealthRecord HealthToRecord(const HealthMemory& memory, const CheckpointClock& clock);
HealthMemory HealthFromRecord(const v1::HealthRecord& record, const CheckpointClock& clock);

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_CHECKPOINT_CODEC_H_
