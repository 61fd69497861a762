#include "services/registry/pg_store.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "libs/base/status_macros.h"
#include "services/registry/pg_rows.h"

namespace fairlead::registry {

std::string TimeLiteral(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E6S+00", time, absl::UTCTimeZone());
}

std::string TimeColumn(absl::string_view column) {
  return absl::StrCat("(extract(epoch FROM \"", column, "\") * 1000000)::bigint");
}

namespace {

// Rows of one INSERT; keeps a statement well below a megabyte.
constexpr size_t kRowsAStatement = 200;

// Inserts rows of literals, many a statement.
class Inserter {
 public:
  Inserter(pqxx::transaction_base& tx, std::string table, std::string columns)
      : tx_(tx), lead_(absl::StrCat("INSERT INTO ", table, " (", columns, ") VALUES ")) {}

  void Add(const std::vector<std::string>& literals) {
    rows_.push_back(absl::StrCat("(", absl::StrJoin(literals, ", "), ")"));
    if (rows_.size() == kRowsAStatement) Flush();
  }
  void Flush() {
    if (!rows_.empty()) tx_.exec0(absl::StrCat(lead_, absl::StrJoin(rows_, ", ")));
    rows_.clear();
  }

 private:
  pqxx::transaction_base& tx_;
  const std::string lead_;
  std::vector<std::string> rows_;
};

template <typename T>
void PutReferenceLists(pqxx::transaction_base& tx, const Record<T>& record) {
  ForEachReferenceList<T>([&](const auto& field) {
    using IdType = typename std::decay_t<decltype(record.value.*field.member)>::value_type;
    const std::string table = absl::StrCat(TableOf<T>(), "_", field.name);
    // The reference's column is the kind's name: "sites" → "site".
    const absl::string_view target = std::is_same_v<IdType, SiteId> ? Site::kKind : absl::string_view();
    const std::string owner = tx.quote(record.value.id.value());
    tx.exec0(absl::StrCat("DELETE FROM ", table, " WHERE \"", T::kKind, "\" = ", owner));
    Inserter inserter(tx, table, absl::StrCat("\"", T::kKind, "\", \"position\", \"", target, "\""));
    int position = 0;
    for (const IdType& id : record.value.*field.member) inserter.Add({owner, absl::StrCat(position++), tx.quote(id.value())});
    inserter.Flush();
  });
}

// ABORTED if the row is not at the generation that the change was planned on.
template <typename T>
absl::Status CheckOneRow(const pqxx::result& result, const Write<T>& write) {
  if (result.affected_rows() == 1) return absl::OkStatus();
  return absl::AbortedError(absl::StrCat(write.name(), " was changed meanwhile"));
}

template <typename T>
std::string WhereAsPlanned(pqxx::transaction_base& tx, const Write<T>& write) {
  return absl::StrCat(" WHERE id = ", tx.quote(write.before->value.id.value()), " AND generation = ", write.before->meta.generation);
}

template <typename T>
absl::Status Update(pqxx::transaction_base& tx, const Write<T>& write, uint64_t version) {
  const std::vector<std::string> literals = RowLiterals(tx, *write.after, version);
  const pqxx::result result = tx.exec(absl::StrCat("UPDATE ", TableOf<T>(), " SET (", ColumnNames<T>(), ") = ROW (",
                                                   absl::StrJoin(literals, ", "), ")", WhereAsPlanned(tx, write)));
  RETURN_IF_ERROR(CheckOneRow(result, write));
  PutReferenceLists(tx, *write.after);
  return absl::OkStatus();
}

template <typename T>
absl::Status Delete(pqxx::transaction_base& tx, const Write<T>& write, uint64_t version, absl::Time now) {
  const pqxx::result result = tx.exec(absl::StrCat("DELETE FROM ", TableOf<T>(), WhereAsPlanned(tx, write)));
  RETURN_IF_ERROR(CheckOneRow(result, write));
  const Record<T>& record = *write.before;
  tx.exec0(absl::StrCat("INSERT INTO registry.retired_id (kind, id, uid, delete_time, changed_version) VALUES (",
                        tx.quote(std::string(T::kKind)), ", ", tx.quote(record.value.id.value()), ", ", tx.quote(record.meta.uid), ", ",
                        tx.quote(TimeLiteral(now)), ", ", version, ")"));
  return absl::OkStatus();
}

// All of one kind: creations in few statements, the others one by one.
template <typename T>
absl::Status WriteKind(pqxx::transaction_base& tx, const Batch& batch, uint64_t version, absl::Time now) {
  Inserter inserter(tx, TableOf<T>(), ColumnNames<T>());
  std::vector<const Record<T>*> created;
  for (const AnyWrite& any : batch.writes) {
    const Write<T>* write = std::get_if<Write<T>>(&any);
    if (write == nullptr) continue;
    if (write->creates()) {
      inserter.Add(RowLiterals(tx, *write->after, version));
      created.push_back(write->after.get());
    } else if (write->deletes()) {
      RETURN_IF_ERROR(Delete(tx, *write, version, now));
    } else {
      RETURN_IF_ERROR(Update(tx, *write, version));
    }
  }
  inserter.Flush();
  for (const Record<T>* record : created) PutReferenceLists(tx, *record);
  return absl::OkStatus();
}

std::string JsonLiteral(pqxx::transaction_base& tx, const std::string& json) {
  return json.empty() ? "NULL" : tx.quote(json);
}

void WriteAudit(pqxx::transaction_base& tx, const Batch& batch, uint64_t version, int64_t last_sequence) {
  Inserter inserter(tx, "registry.audit", "sequence, time, principal, method, resource, config_version, before, after");
  int64_t sequence = last_sequence - static_cast<int64_t>(batch.audit.size());
  for (const AuditEntry& entry : batch.audit) {
    inserter.Add({absl::StrCat(++sequence), tx.quote(TimeLiteral(entry.time)), tx.quote(entry.principal), tx.quote(entry.method),
                  tx.quote(entry.resource), absl::StrCat(version), JsonLiteral(tx, entry.before_json), JsonLiteral(tx, entry.after_json)});
  }
  inserter.Flush();
}

void WriteRequest(pqxx::transaction_base& tx, const StoredRequest& request) {
  tx.exec0(absl::StrCat("INSERT INTO registry.request (request_id, method, body_sha256, result, create_time) VALUES (",
                        tx.quote(request.request_id), ", ", tx.quote(request.method), ", ", tx.quote(request.body_sha256), ", ",
                        tx.quote_raw(request.result), ", ", tx.quote(TimeLiteral(request.time)), ")"));
}

void WriteEnrollment(pqxx::transaction_base& tx, const Enrollment& enrollment) {
  tx.exec0(absl::StrCat("INSERT INTO registry.enrollment (appliance, token_sha256, issue_time, installation_id) VALUES (",
                        tx.quote(enrollment.appliance.value()), ", ", tx.quote(enrollment.token_sha256), ", ",
                        tx.quote(TimeLiteral(enrollment.issue_time)), ", ", tx.quote(enrollment.installation_id),
                        ") ON CONFLICT (appliance) DO UPDATE SET (token_sha256, issue_time, installation_id) = "
                        "(EXCLUDED.token_sha256, EXCLUDED.issue_time, EXCLUDED.installation_id)"));
}

// Locks out writers until it is committed, as a raised version would.
absl::StatusOr<ConfigPosition> CommitRequest(pqxx::transaction_base& tx, const Batch& batch) {
  const pqxx::result here = tx.exec(absl::StrCat("SELECT version FROM registry.config_version WHERE epoch = ", batch.base.epoch,
                                                 " AND version = ", batch.base.version, " FOR UPDATE"));
  if (here.empty()) return absl::AbortedError("the registry was changed meanwhile");
  WriteRequest(tx, *batch.request);
  return batch.base;
}

absl::StatusOr<ConfigPosition> CommitIn(pqxx::transaction_base& tx, const Batch& batch) {
  if (batch.only_request()) return CommitRequest(tx, batch);
  const pqxx::result raised = tx.exec(
      absl::StrCat("UPDATE registry.config_version SET version = version + 1, audit_sequence = audit_sequence + ", batch.audit.size(),
                   " WHERE epoch = ", batch.base.epoch, " AND version = ", batch.base.version, " RETURNING version, audit_sequence"));
  if (raised.empty()) return absl::AbortedError("the registry was changed meanwhile");
  const uint64_t version = raised[0][0].as<uint64_t>();
  const absl::Time now = batch.audit.empty() ? absl::UnixEpoch() : batch.audit.front().time;
  absl::Status status;
  AllKinds::ForEach([&]<typename T>() {
    if (status.ok()) status = WriteKind<T>(tx, batch, version, now);
  });
  RETURN_IF_ERROR(status);
  WriteAudit(tx, batch, version, raised[0][1].as<int64_t>());
  if (batch.request.has_value()) WriteRequest(tx, *batch.request);
  if (batch.forget_enrollment.has_value()) {
    tx.exec0(absl::StrCat("DELETE FROM registry.enrollment WHERE appliance = ", tx.quote(batch.forget_enrollment->value())));
  }
  if (batch.enrollment.has_value()) WriteEnrollment(tx, *batch.enrollment);
  return ConfigPosition{.epoch = batch.base.epoch, .version = version};
}

ConfigPosition ReadPosition(pqxx::transaction_base& tx) {
  const pqxx::row row = tx.exec1("SELECT epoch, version FROM registry.config_version");
  return {.epoch = row[0].as<uint64_t>(), .version = row[1].as<uint64_t>()};
}

template <typename T>
void ReadReferenceLists(pqxx::transaction_base& tx, const std::string& condition, std::vector<Record<T>>& records) {
  ForEachReferenceList<T>([&](const auto& field) {
    using IdType = typename std::decay_t<decltype(std::declval<T>().*field.member)>::value_type;
    if (records.empty()) return;
    absl::flat_hash_map<std::string, Record<T>*> by_id;
    for (Record<T>& record : records) by_id[record.value.id.value()] = &record;
    const std::string list = absl::StrCat(TableOf<T>(), "_", field.name);
    const pqxx::result rows = tx.exec(absl::StrCat("SELECT l.* FROM ", list, " l JOIN ", TableOf<T>(), " o ON o.id = l.\"", T::kKind,
                                                   "\" WHERE o.", condition, " ORDER BY 1, 2"));
    for (const pqxx::row& row : rows) {
      const auto owner = by_id.find(row[0].c_str());
      if (owner != by_id.end()) (owner->second->value.*field.member).push_back(IdType(row[2].c_str()));
    }
  });
}

template <typename T>
absl::Status ReadKind(pqxx::transaction_base& tx, uint64_t after, KindChanges<T>& changes) {
  const std::string condition = absl::StrCat("changed_version > ", after);
  std::vector<Record<T>> records;
  const pqxx::result rows = tx.exec(absl::StrCat("SELECT ", SelectColumns<T>(), " FROM ", TableOf<T>(), " WHERE ", condition));
  for (const pqxx::row& row : rows) {
    ASSIGN_OR_RETURN(Record<T> record, ReadRow<T>(row));
    records.push_back(std::move(record));
  }
  ReadReferenceLists<T>(tx, condition, records);
  for (Record<T>& record : records) changes.put.push_back(std::make_shared<const Record<T>>(std::move(record)));
  const pqxx::result retired =
      tx.exec(absl::StrCat("SELECT id FROM registry.retired_id WHERE kind = ", tx.quote(std::string(T::kKind)), " AND ", condition));
  for (const pqxx::row& row : retired) changes.deleted.push_back(typename T::IdType(row[0].c_str()));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ConfigPosition> PgStore::Position() {
  return pool_.Read([](pqxx::transaction_base& tx) -> absl::StatusOr<ConfigPosition> { return ReadPosition(tx); });
}

absl::StatusOr<ChangeSet> PgStore::ChangesSince(ConfigPosition since) {
  return pool_.Read([since](pqxx::transaction_base& tx) -> absl::StatusOr<ChangeSet> {
    ChangeSet changes;
    changes.position = ReadPosition(tx);
    changes.whole = since.epoch != changes.position.epoch || since.version > changes.position.version;
    absl::Status status;
    AllKinds::ForEach([&]<typename T>() {
      if (status.ok()) status = ReadKind<T>(tx, changes.whole ? 0 : since.version, changes.Of<T>());
    });
    RETURN_IF_ERROR(status);
    return changes;
  });
}

absl::StatusOr<ConfigPosition> PgStore::Commit(const Batch& batch) {
  return pool_.Write([&batch](pqxx::transaction_base& tx) { return CommitIn(tx, batch); });
}

absl::StatusOr<std::optional<StoredRequest>> PgStore::FindRequest(const std::string& request_id) {
  return pool_.Read([&request_id](pqxx::transaction_base& tx) -> absl::StatusOr<std::optional<StoredRequest>> {
    const pqxx::result rows = tx.exec(absl::StrCat("SELECT method, body_sha256, result, ", TimeColumn("create_time"),
                                                   " FROM registry.request WHERE request_id = ", tx.quote(request_id)));
    if (rows.empty()) return std::optional<StoredRequest>();
    const pqxx::row row = rows[0];
    return std::make_optional(StoredRequest{.request_id = request_id,
                                            .method = row[0].c_str(),
                                            .body_sha256 = row[1].c_str(),
                                            .result = pqxx::binarystring(row[2]).str(),
                                            .time = absl::FromUnixMicros(row[3].as<int64_t>())});
  });
}

absl::StatusOr<std::optional<Enrollment>> PgStore::FindEnrollment(const ApplianceId& appliance) {
  return pool_.Read([&appliance](pqxx::transaction_base& tx) -> absl::StatusOr<std::optional<Enrollment>> {
    const pqxx::result rows =
        tx.exec(absl::StrCat("SELECT token_sha256, ", TimeColumn("issue_time"),
                             ", installation_id FROM registry.enrollment WHERE appliance = ", tx.quote(appliance.value())));
    if (rows.empty()) return std::optional<Enrollment>();
    const pqxx::row row = rows[0];
    return std::make_optional(Enrollment{.appliance = appliance,
                                         .token_sha256 = row[0].c_str(),
                                         .issue_time = absl::FromUnixMicros(row[1].as<int64_t>()),
                                         .installation_id = row[2].c_str()});
  });
}

absl::StatusOr<std::vector<AuditEntry>> PgStore::ListAudit(const std::string& resource, int64_t before, int limit) {
  return pool_.Read([&](pqxx::transaction_base& tx) -> absl::StatusOr<std::vector<AuditEntry>> {
    std::string condition = "true";
    if (!resource.empty()) absl::StrAppend(&condition, " AND resource = ", tx.quote(resource));
    if (before > 0) absl::StrAppend(&condition, " AND sequence < ", before);
    const pqxx::result rows = tx.exec(absl::StrCat("SELECT sequence, config_version, ", TimeColumn("time"),
                                                   ", principal, method, resource, coalesce(before::text, ''), coalesce(after::text, '') "
                                                   "FROM registry.audit WHERE ",
                                                   condition, " ORDER BY sequence DESC LIMIT ", limit));
    std::vector<AuditEntry> entries;
    for (const pqxx::row& row : rows) {
      entries.push_back({.sequence = row[0].as<int64_t>(),
                         .config_version = row[1].as<uint64_t>(),
                         .time = absl::FromUnixMicros(row[2].as<int64_t>()),
                         .principal = row[3].c_str(),
                         .method = row[4].c_str(),
                         .resource = row[5].c_str(),
                         .before_json = row[6].c_str(),
                         .after_json = row[7].c_str()});
    }
    return entries;
  });
}

absl::StatusOr<int64_t> PgStore::PruneRequests(absl::Time before) {
  return pool_.Write([before](pqxx::transaction_base& tx) -> absl::StatusOr<int64_t> {
    const pqxx::result result = tx.exec(absl::StrCat("DELETE FROM registry.request WHERE create_time < ", tx.quote(TimeLiteral(before))));
    return static_cast<int64_t>(result.affected_rows());
  });
}

}  // namespace fairlead::registry
