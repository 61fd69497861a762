#include "libs/registry/admin_state.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/errors.h"

namespace fairlead::registry {
namespace {

struct Move {
  AdminState from;
  AdminState to;
};

constexpr Move kMoves[] = {
    {AdminState::kProvisioning, AdminState::kLive},      // Burn-in has passed.
    {AdminState::kProvisioning, AdminState::kDisabled},  //
    {AdminState::kProvisioning, AdminState::kRetired},   // Never went live.
    {AdminState::kLive, AdminState::kDraining},          //
    {AdminState::kLive, AdminState::kDisabled},          // Running sessions are cut off.
    {AdminState::kDraining, AdminState::kDrained},       //
    {AdminState::kDraining, AdminState::kLive},          // The drain is called off.
    {AdminState::kDraining, AdminState::kDisabled},      //
    {AdminState::kDrained, AdminState::kLive},           // Maintenance is over.
    {AdminState::kDrained, AdminState::kProvisioning},   // Back to burn-in.
    {AdminState::kDrained, AdminState::kDisabled},       //
    {AdminState::kDrained, AdminState::kRetired},        //
    {AdminState::kDisabled, AdminState::kProvisioning},  //
    {AdminState::kDisabled, AdminState::kLive},          //
    {AdminState::kDisabled, AdminState::kDrained},       //
    {AdminState::kDisabled, AdminState::kRetired},       //
};

}  // namespace

absl::Status CheckAdminMove(AdminState from, AdminState to) {
  if (from == to) return absl::OkStatus();
  std::vector<std::string> allowed;
  for (const Move& move : kMoves) {
    if (move.from != from) continue;
    if (move.to == to) return absl::OkStatus();
    allowed.emplace_back(ToString(move.to));
  }
  const std::string next = allowed.empty() ? "nothing" : absl::StrJoin(allowed, ", ");
  return FieldError(absl::StatusCode::kFailedPrecondition, "admin_state", ToString(to),
                    absl::StrCat("an appliance that is ", ToString(from), " may go to ", next));
}

bool MayServe(AdminState state) {
  return state == AdminState::kLive || state == AdminState::kDraining;
}

}  // namespace fairlead::registry
