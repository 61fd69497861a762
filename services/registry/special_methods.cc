#include "services/registry/special_methods.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/registry/admin_state.h"
#include "libs/registry/check.h"
#include "libs/registry/drain_plan.h"
#include "libs/signing/digest.h"
#include "services/registry/codec.h"
#include "services/registry/fleet_file.h"
#include "services/registry/key_files.h"
#include "services/registry/page.h"
#include "services/registry/secrets.h"

namespace fairlead::registry {
namespace {

constexpr size_t kMaxInstallationId = 64;
constexpr size_t kMaxTokenBytes = 256;
// Of an answer's field changes; beyond it changes come without fields, so that a large fleet's answer fits a message.
constexpr size_t kMaxFieldChangeBytes = size_t{4} << 20;
// Of a page of audit records; far below what a message takes.
constexpr size_t kMostAuditBytes = size_t{2} << 20;
constexpr int kAuditsAtATime = 50;
// Keys that are not revoked: one signs, one is on its way in or out.
constexpr int kMaxLiveKeys = 2;

v1::FleetChange ChangeToProto(const AnyWrite& write) {
  v1::FleetChange change;
  change.set_resource(NameOf(write));
  std::visit(
      [&change](const auto& typed) {
        change.set_action(typed.creates()   ? v1::FleetChange::ACTION_CREATE
                          : typed.deletes() ? v1::FleetChange::ACTION_DELETE
                                            : v1::FleetChange::ACTION_UPDATE);
      },
      write);
  for (FieldChange& field : FieldChanges(write)) {
    v1::FieldChange& shown = *change.add_fields();
    shown.set_path(std::move(field.path));
    shown.set_before(std::move(field.before));
    shown.set_after(std::move(field.after));
  }
  return change;
}

v1::AuditRecord AuditToProto(AuditEntry entry) {
  v1::AuditRecord record;
  record.set_sequence(entry.sequence);
  *record.mutable_time() = TimestampToProto(entry.time);
  record.set_principal(std::move(entry.principal));
  record.set_method(std::move(entry.method));
  record.set_resource(std::move(entry.resource));
  record.set_config_version(entry.config_version);
  record.set_before_json(std::move(entry.before_json));
  record.set_after_json(std::move(entry.after_json));
  return record;
}

// The keys that are not revoked.
std::vector<RecordPtr<SigningKey>> LiveKeys(const Fleet& fleet) {
  std::vector<RecordPtr<SigningKey>> live;
  for (const auto& [id, record] : fleet.All<SigningKey>()) {
    if (record->value.state != SigningKeyState::kRevoked) live.push_back(record);
  }
  return live;
}

Write<SigningKey> MoveKey(const RecordPtr<SigningKey>& before, SigningKeyState state, absl::Time now) {
  SigningKey value = before->value;
  value.state = state;
  return MakeUpdate(before, std::move(value), now);
}

// The first write of a plan is the one that was asked for.
void RenderKey(const WritePlan& plan, v1::SigningKey& response) {
  if (!plan.writes.empty()) response = ToProto(*std::get<Write<SigningKey>>(plan.writes.front()).after);
}

}  // namespace

absl::Status SpecialMethods::ApplyFleet(const std::string& principal, const v1::ApplyFleetRequest& request,
                                        v1::ApplyFleetResponse& response) {
  ASSIGN_OR_RETURN(const FleetFile file, FleetFile::Parse(request.fleet_yaml()));
  const WriteCall call{.principal = principal, .method = "ApplyFleet", .request_id = request.request_id(), .request = request};
  return writer_.Write(
      call, response,
      [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
        FleetPlan plan = PlanFleet(fleet, file.declared(), request.prune(), rules);
        RETURN_IF_ERROR(file.Explain(plan.problems));
        response.Clear();
        response.set_unchanged_count(plan.unchanged);
        for (std::string& name : plan.unlisted) response.add_unlisted(std::move(name));
        size_t shown = 0;
        for (const AnyWrite& write : plan.writes) {
          v1::FleetChange& change = *response.add_changes();
          change = ChangeToProto(write);
          shown += change.ByteSizeLong();
          if (shown > kMaxFieldChangeBytes) change.clear_fields();
        }
        WritePlan planned;
        planned.trial = request.dry_run();
        if (!planned.trial) planned.writes = std::move(plan.writes);
        return planned;
      },
      [](const WritePlan&) {});
}

absl::Status SpecialMethods::SetAdminState(const std::string& principal, const v1::SetAdminStateRequest& request, v1::Appliance& response) {
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.name()));
  const auto wanted = static_cast<AdminState>(request.admin_state());
  if (!common::v1::AdminState_IsValid(request.admin_state()) || wanted == AdminState::kUnspecified) {
    return InvalidField("admin_state", absl::StrCat(static_cast<int>(request.admin_state())), "is no administrative state");
  }
  const WriteCall call{.principal = principal,
                       .method = "SetAdminState",
                       .request_id = request.request_id(),
                       .request = request,
                       .reason = request.reason()};
  RecordPtr<Appliance> result;
  return writer_.Write(
      call, response,
      [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
        ASSIGN_OR_RETURN(result, Require<Appliance>(fleet, id));
        RETURN_IF_ERROR(CheckEtag(*result, request.etag()));
        RETURN_IF_ERROR(CheckAdminMove(result->value.admin_state, wanted));
        WritePlan planned;
        if (result->value.admin_state == wanted) return planned;
        Appliance value = result->value;
        value.admin_state = wanted;
        if (wanted == AdminState::kRetired) {
          // Whoever has the machine now is nobody: neither its credential nor a token that is still out may come back to life.
          value.credential_sha256.clear();
          planned.forget_enrollment = id;
        }
        planned.writes = PlanAdminMove(fleet, result, std::move(value), rules.now);
        result = std::get<Write<Appliance>>(planned.writes.front()).after;
        return planned;
      },
      [&](const WritePlan&) { response = ToProto(*result); });
}

absl::Status SpecialMethods::IssueEnrollmentToken(const std::string& principal, const v1::IssueEnrollmentTokenRequest& request,
                                                  v1::IssueEnrollmentTokenResponse& response) {
  ASSIGN_OR_RETURN(const ApplianceId id, ApplianceId::ParseName(request.appliance(), "appliance"));
  const std::string token = NewSecret();
  const WriteCall call{.principal = principal, .method = "IssueEnrollmentToken", .request_id = "", .request = request};
  return writer_.Write(
      call, response,
      [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
        ASSIGN_OR_RETURN(const RecordPtr<Appliance> appliance, Require<Appliance>(fleet, id, "appliance"));
        if (appliance->value.admin_state == AdminState::kRetired) {
          return FieldError(absl::StatusCode::kFailedPrecondition, "appliance", id.name(), "is RETIRED");
        }
        WritePlan planned;
        planned.resource = id.name();
        planned.enrollment = Enrollment{.appliance = id, .token_sha256 = Sha256Hex(token), .issue_time = rules.now, .installation_id = ""};
        if (appliance->value.credential_sha256.empty()) return planned;
        Appliance unbound = appliance->value;
        unbound.credential_sha256.clear();
        planned.writes.push_back(MakeUpdate(appliance, std::move(unbound), rules.now));
        return planned;
      },
      [&](const WritePlan&) { response.set_token(token); });
}

absl::StatusOr<WritePlan> SpecialMethods::PlanEnroll(const Fleet& fleet, const Rules& rules, const v1::EnrollRequest& request,
                                                     v1::EnrollResponse& response) {
  // One answer for a wrong serial and a wrong token, so that serials can't be tried out.
  const absl::Status refused = absl::UnauthenticatedError("serial or token is wrong, or the token was replaced");
  RecordPtr<Appliance> appliance;
  for (const auto& [id, record] : fleet.All<Appliance>()) {
    if (record->value.serial == request.serial()) appliance = record;
  }
  if (appliance == nullptr) return refused;
  ASSIGN_OR_RETURN(std::optional<Enrollment> enrollment, store_.FindEnrollment(appliance->value.id));
  if (!enrollment.has_value() || !EqualInConstantTime(enrollment->token_sha256, Sha256Hex(request.token()))) return refused;
  if (!enrollment->installation_id.empty() && enrollment->installation_id != request.installation_id()) {
    return FieldError(absl::StatusCode::kFailedPrecondition, "installation_id", request.installation_id(),
                      absl::StrCat(appliance->name(), " is bound to another installation; issue a new enrollment token"));
  }
  if (appliance->value.admin_state == AdminState::kRetired)
    return absl::FailedPreconditionError(absl::StrCat(appliance->name(), " is RETIRED"));

  response.set_appliance(appliance->name());
  response.set_credential(DeriveCredential(request.token(), request.serial(), request.installation_id()));
  WritePlan planned;
  Appliance bound = appliance->value;
  bound.credential_sha256 = Sha256Hex(response.credential());
  if (bound.credential_sha256 == appliance->value.credential_sha256) return planned;  // A retry.
  enrollment->installation_id = request.installation_id();
  planned.principal = absl::StrCat("appliance/", bound.id.value());
  planned.enrollment = *std::move(enrollment);
  planned.writes.push_back(MakeUpdate(appliance, std::move(bound), rules.now));
  return planned;
}

absl::Status SpecialMethods::Enroll(const v1::EnrollRequest& request, v1::EnrollResponse& response) {
  RETURN_IF_ERROR(CheckWord("serial", request.serial()));
  if (request.token().empty() || request.token().size() > kMaxTokenBytes) return absl::InvalidArgumentError("token: is required");
  if (request.installation_id().empty()) return InvalidField("installation_id", "", "is required");
  RETURN_IF_ERROR(CheckText("installation_id", request.installation_id(), kMaxInstallationId));
  const WriteCall call{
      .principal = absl::StrCat("appliance/serial:", request.serial()), .method = "Enroll", .request_id = "", .request = request};
  return writer_.Write(
      call, response, [&](const Fleet& fleet, const Rules& rules) { return PlanEnroll(fleet, rules, request, response); },
      [](const WritePlan&) {});
}

absl::Status SpecialMethods::CreateSigningKey(const std::string& principal, const v1::CreateSigningKeyRequest& request,
                                              v1::SigningKey& response) {
  ASSIGN_OR_RETURN(const KeyPair pair, NewKeyPair());
  SigningKeyId id = pair.derived_id;
  if (!request.signing_key_id().empty()) {
    ASSIGN_OR_RETURN(id, SigningKeyId::Parse(request.signing_key_id(), "signing_key_id"));
  }
  const WriteCall call{.principal = principal, .method = "CreateSigningKey", .request_id = request.request_id(), .request = request};
  // The file comes first: a key that everybody knows but nobody can sign with would stop signing altogether.
  bool written = false;
  const absl::Status status = writer_.Write(
      call, response,
      [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
        RETURN_IF_ERROR(CheckFresh<SigningKey>(fleet, id));
        const std::vector<RecordPtr<SigningKey>> live = LiveKeys(fleet);
        if (live.size() >= kMaxLiveKeys) {
          return absl::FailedPreconditionError(
              absl::StrCat(live[0]->name(), " and ", live[1]->name(), " are not revoked; revoke one first"));
        }
        if (!written) RETURN_IF_ERROR(WritePrivateKey(signing_key_dir_, id, pair.private_pem));
        written = true;
        SigningKey key;
        key.id = id;
        key.state = SigningKeyState::kActive;
        key.public_key_pem = pair.public_pem;
        WritePlan planned;
        planned.writes.push_back(MakeCreate(std::move(key), rules.now));
        for (const RecordPtr<SigningKey>& other : live) {
          if (other->value.state == SigningKeyState::kActive)
            planned.writes.push_back(MoveKey(other, SigningKeyState::kVerifyOnly, rules.now));
        }
        return planned;
      },
      [&](const WritePlan& plan) { RenderKey(plan, response); });
  // If the commit is in doubt, the key may be in use: then a file too many is the lesser evil.
  if (written && !status.ok() && !absl::IsUnknown(status)) RemovePrivateKey(signing_key_dir_, id).IgnoreError();
  return status;
}

absl::Status SpecialMethods::ListSigningKeys(v1::ListSigningKeysResponse& response) {
  ASSIGN_OR_RETURN(const std::shared_ptr<const Fleet> fleet, state_.Refresh());
  for (const auto& [id, record] : fleet->All<SigningKey>()) *response.add_signing_keys() = ToProto(*record);
  return absl::OkStatus();
}

absl::Status SpecialMethods::RevokeSigningKey(const std::string& principal, const v1::RevokeSigningKeyRequest& request,
                                              v1::SigningKey& response) {
  ASSIGN_OR_RETURN(const SigningKeyId id, SigningKeyId::ParseName(request.name()));
  const WriteCall call{.principal = principal, .method = "RevokeSigningKey", .request_id = request.request_id(), .request = request};
  const absl::Status status = writer_.Write(
      call, response,
      [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
        ASSIGN_OR_RETURN(const RecordPtr<SigningKey> key, Require<SigningKey>(fleet, id));
        RETURN_IF_ERROR(CheckEtag(*key, request.etag()));
        response = ToProto(*key);
        WritePlan planned;
        if (key->value.state == SigningKeyState::kRevoked) return planned;
        planned.writes.push_back(MoveKey(key, SigningKeyState::kRevoked, rules.now));
        // Somebody must sign: the other key takes over until a new one is made.
        for (const RecordPtr<SigningKey>& other : LiveKeys(fleet)) {
          const bool takes_over = key->value.state == SigningKeyState::kActive && other->value.id != id;
          if (takes_over) planned.writes.push_back(MoveKey(other, SigningKeyState::kActive, rules.now));
        }
        return planned;
      },
      [&](const WritePlan& plan) { RenderKey(plan, response); });
  return status.ok() ? RemovePrivateKey(signing_key_dir_, id) : status;
}

absl::Status SpecialMethods::ListAuditRecords(const v1::ListAuditRecordsRequest& request, v1::ListAuditRecordsResponse& response) {
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  RETURN_IF_ERROR(CheckText("resource", request.resource()));
  const std::string query = absl::StrCat("ListAuditRecords ", request.resource());
  ASSIGN_OR_RETURN(const std::string last, ParsePageToken(query, request.page_token()));
  int64_t before = 0;
  if (!last.empty() && !absl::SimpleAtoi(last, &before)) return InvalidField("page_token", request.page_token(), "is not of this list");
  // A record holds its resource twice, and some resources are long: a page ends before it is too large for a message, and no more than a
  // few of them are read at a time.
  size_t bytes = 0;
  while (true) {
    const int wanted = std::min(page_size - response.audit_records_size(), kAuditsAtATime);
    ASSIGN_OR_RETURN(std::vector<AuditEntry> entries, store_.ListAudit(request.resource(), before, wanted + 1));
    const bool more = static_cast<int>(entries.size()) > wanted;
    if (more) entries.pop_back();
    for (AuditEntry& entry : entries) {
      const size_t size = entry.before_json.size() + entry.after_json.size();
      if (response.audit_records_size() > 0 && bytes + size > kMostAuditBytes) {
        response.set_next_page_token(MakePageToken(query, absl::StrCat(before)));
        return absl::OkStatus();
      }
      bytes += size;
      before = entry.sequence;
      *response.add_audit_records() = AuditToProto(std::move(entry));
    }
    if (!more) return absl::OkStatus();
    if (response.audit_records_size() < page_size) continue;
    response.set_next_page_token(MakePageToken(query, absl::StrCat(before)));
    return absl::OkStatus();
  }
}

}  // namespace fairlead::registry
