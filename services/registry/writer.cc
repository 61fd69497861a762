#include "services/registry/writer.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "libs/base/backoff.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/registry/check.h"
#include "libs/signing/digest.h"
#include "nlohmann/json.hpp"
#include "services/registry/codec.h"
#include "services/registry/secrets.h"

namespace fairlead::registry {
namespace {

// Attempts against other writers before we give up.
constexpr int kMaxAttempts = 20;
constexpr BackoffPolicy kBackoff = {.first = absl::Milliseconds(2), .most = absl::Milliseconds(200)};
constexpr size_t kMaxRequestId = 64;
constexpr size_t kMaxReason = 500;

std::string Deterministic(const google::protobuf::Message& message) {
  std::string bytes;
  google::protobuf::io::StringOutputStream stream(&bytes);
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);
  message.SerializeToCodedStream(&coded);
  coded.Trim();
  return bytes;
}

// Replaces the records by copies with uids.
void AssignUids(std::vector<AnyWrite>& writes) {
  for (AnyWrite& write : writes) {
    std::visit(
        []<typename T>(registry::Write<T>& typed) {
          if (!typed.creates()) return;
          Record<T> record = *typed.after;
          record.meta.uid = NewUid();
          typed.after = std::make_shared<const Record<T>>(std::move(record));
        },
        write);
  }
}

std::string WithReason(std::string json, const std::string& reason) {
  if (reason.empty()) return json;
  nlohmann::ordered_json object = json.empty() ? nlohmann::ordered_json::object() : nlohmann::ordered_json::parse(json, nullptr, false);
  object["reason"] = reason;
  return object.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

std::vector<AuditEntry> AuditOf(const WriteCall& call, const WritePlan& plan, absl::Time now) {
  std::vector<AuditEntry> entries;
  AuditEntry common;
  common.time = now;
  common.principal = plan.principal.empty() ? call.principal : plan.principal;
  common.method = call.method;
  for (const AnyWrite& write : plan.writes) {
    AuditEntry& entry = entries.emplace_back(common);
    std::visit(
        [&](const auto& typed) {
          entry.resource = typed.name();
          entry.before_json = RecordJson(typed.before);
          entry.after_json = WithReason(RecordJson(typed.after), call.reason);
        },
        write);
  }
  if (entries.empty()) {
    common.resource = plan.resource;
    entries.push_back(std::move(common));
  }
  return entries;
}

absl::Status CheckCall(const WriteCall& call) {
  RETURN_IF_ERROR(CheckText("reason", call.reason, kMaxReason));
  return CheckText("request_id", call.request_id, kMaxRequestId);
}

}  // namespace

absl::Time StoredTime(absl::Time time) {
  return absl::FromUnixMicros(absl::ToUnixMicros(time));
}

bool ZoneExists(absl::string_view zone) {
  absl::TimeZone unused;
  return absl::LoadTimeZone(zone, &unused);
}

absl::StatusOr<bool> Writer::Replay(const WriteCall& call, google::protobuf::Message& response) {
  if (call.request_id.empty()) return false;
  ASSIGN_OR_RETURN(const std::optional<StoredRequest> found, store_.FindRequest(call.request_id));
  if (!found.has_value()) return false;
  if (found->method != call.method || found->body_sha256 != Sha256Hex(Deterministic(call.request))) {
    return FieldError(absl::StatusCode::kAlreadyExists, "request_id", call.request_id,
                      absl::StrCat("was used for another ", found->method, " request"));
  }
  if (!response.ParseFromString(found->result))
    return absl::DataLossError(absl::StrCat("the kept result of request ", call.request_id, " is broken"));
  return true;
}

absl::Status Writer::Write(const WriteCall& call, google::protobuf::Message& response,
                           absl::FunctionRef<absl::StatusOr<WritePlan>(const Fleet&, const Rules&)> plan,
                           absl::FunctionRef<void(const WritePlan&)> render) {
  RETURN_IF_ERROR(CheckCall(call));
  Backoff backoff(kBackoff, static_cast<uint64_t>(absl::GetCurrentTimeNanos()));
  absl::Status committed;
  for (int attempt = 0; attempt < kMaxAttempts; ++attempt) {
    if (attempt > 0) absl::SleepFor(backoff.Next());
    ASSIGN_OR_RETURN(const bool replayed, Replay(call, response));
    if (replayed) return absl::OkStatus();
    ASSIGN_OR_RETURN(const std::shared_ptr<const Fleet> fleet, state_.Refresh());
    const Rules rules{.now = StoredTime(clock_.Now()), .zone_exists = &ZoneExists};
    ASSIGN_OR_RETURN(WritePlan planned, plan(*fleet, rules));
    AssignUids(planned.writes);
    render(planned);
    if (planned.trial || (planned.empty() && call.request_id.empty())) return absl::OkStatus();
    Batch batch{.base = fleet->position(),
                .writes = planned.writes,
                .audit = planned.empty() ? std::vector<AuditEntry>() : AuditOf(call, planned, rules.now),
                .request = std::nullopt,
                .enrollment = planned.enrollment,
                .forget_enrollment = planned.forget_enrollment};
    if (!call.request_id.empty()) {
      batch.request = StoredRequest{.request_id = call.request_id,
                                    .method = call.method,
                                    .body_sha256 = Sha256Hex(Deterministic(call.request)),
                                    .result = Deterministic(response),
                                    .time = rules.now};
    }
    committed = store_.Commit(batch).status();
    if (absl::IsAborted(committed)) continue;
    // The same request was carried out beside this one: its result is the answer.
    if (planned.empty() && absl::IsAlreadyExists(committed)) continue;
    // The write is done; if this look fails, the poll loop will see it.
    if (committed.ok()) state_.Refresh().status().IgnoreError();
    return committed;
  }
  return absl::AbortedError(absl::StrCat("gave up after ", kMaxAttempts, " attempts against other writers; last: ", committed.message()));
}

}  // namespace fairlead::registry
