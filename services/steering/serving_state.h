// Everything that an answer is made from, as one immutable value: published whole by the table builder, used by every request.
#ifndef FAIRLEAD_SERVICES_STEERING_SERVING_STATE_H_
#define FAIRLEAD_SERVICES_STEERING_SERVING_STATE_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "libs/base/ids.h"
#include "libs/steering/steering_table.h"
#include "services/steering/answer_texts.h"
#include "services/steering/config_views.h"
#include "services/steering/sources.h"

namespace fairlead {

struct ServingState {
  // Null as long as there is nothing to decide by; then `why_none` is UNAVAILABLE with the reason.
  std::shared_ptr<const SteeringTable> table;
  absl::Status why_none = absl::UnavailableError("no steering table yet: starting");
  SteeringSettings settings;
  // The key that signs; if there is none, `why_no_key` is UNAVAILABLE and names what is missing.
  std::string key_id;
  absl::Status why_no_key = absl::UnavailableError("no signing key yet: starting");
  std::shared_ptr<const AnswerTexts> texts;  // Of the table's fleet; never null beside a table.
  // Boxes that the guard believes to be gone: for the copy on disk.
  std::shared_ptr<const std::vector<ApplianceId>> gone = std::make_shared<const std::vector<ApplianceId>>();
  // Positions are those that the table was built from, or later.
  std::vector<SourceStatus> sources;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_SERVING_STATE_H_
