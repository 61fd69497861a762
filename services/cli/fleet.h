// Reads what the cells know of the boxes. Each ingestd knows those that report to it; a box that moved is in two of them for a while, and
// the newest report, by (incarnation, sequence), counts. A cell that can't be reached is told as a note as long as another one answers.
#ifndef FAIRLEAD_SERVICES_CLI_FLEET_H_
#define FAIRLEAD_SERVICES_CLI_FLEET_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "services/cli/context.h"

namespace fairlead::cli {

// By name. next_page_token is set if `limit` cut the list.
absl::StatusOr<ingest::v1::ListApplianceStatesResponse> ListStates(Context& context, int64_t limit);

// NOT_FOUND if no cell that answers knows the box.
absl::StatusOr<ingest::v1::ApplianceState> GetState(Context& context, const std::string& appliance);

// From the cell with the newest state of the box.
absl::StatusOr<ingest::v1::ListRoutesResponse> ListRoutes(Context& context, const std::string& appliance,
                                                          ingest::v1::ListRoutesRequest::Filter filter, int64_t limit);

// Established and registered sessions as the box last told: "2/2".
std::string SessionsText(const ingest::v1::ApplianceState& state);

// "203.0.113.0/24"; the raw length if the bytes are no address.
std::string PrefixText(const common::v1::Prefix& prefix);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_FLEET_H_
