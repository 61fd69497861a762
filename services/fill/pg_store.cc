#include "services/fill/pg_store.h"

#include <map>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead::fill {
namespace {

constexpr size_t kEntryBytes = 5;
constexpr size_t kRowsAStatement = 500;
constexpr int kRequestsKeptHours = 24;

std::string TimeLiteral(absl::Time time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%E6S+00", time, absl::UTCTimeZone());
}
constexpr char kCreateTime[] = "(extract(epoch FROM create_time) * 1000000)::bigint AS create_micros";
absl::Time CreateTimeOf(const pqxx::row& row) {
  return absl::FromUnixMicros(row["create_micros"].as<int64_t>());
}

// Shortest text that reads back as the same number.
std::string Exact(double value) {
  return absl::StrFormat("%.17g", value);
}

std::string Bytes(const pqxx::field& field) {
  return pqxx::binarystring(field).str();
}

struct StateRow {
  FeedPosition position;
  uint32_t next_file_number = 1;
  uint64_t next_plan_number = 1;
};

StateRow ReadState(pqxx::transaction_base& tx, bool for_update) {
  const pqxx::row row =
      tx.exec1(absl::StrCat("SELECT epoch, version, next_file_number, next_plan_number FROM fill.state", for_update ? " FOR UPDATE" : ""));
  return {.position = {row[0].as<uint64_t>(), row[1].as<uint64_t>()},
          .next_file_number = row[2].as<uint32_t>(),
          .next_plan_number = row[3].as<uint64_t>()};
}

// A few statements of many rows each instead of many statements.
class RowInserter {
 public:
  RowInserter(pqxx::transaction_base& tx, std::string head) : tx_(tx), head_(std::move(head)) {}
  void Add(std::vector<std::string> literals) {
    rows_.push_back(absl::StrCat("(", absl::StrJoin(literals, ", "), ")"));
    if (rows_.size() == kRowsAStatement) Flush();
  }
  void Flush() {
    if (!rows_.empty()) tx_.exec0(absl::StrCat("INSERT INTO ", head_, " VALUES ", absl::StrJoin(rows_, ", ")));
    rows_.clear();
  }

 private:
  pqxx::transaction_base& tx_;
  const std::string head_;
  std::vector<std::string> rows_;
};

// ---- titles ----

Rendition RenditionOf(const pqxx::row& row) {
  Rendition rendition;
  rendition.id = row["rendition"].as<std::string>();
  // The CHECK of the column knows the same words.
  FromString(row["kind"].as<std::string>(), rendition.kind);
  rendition.bandwidth_bps = row["bandwidth_bps"].as<int64_t>();
  rendition.codecs = row["codecs"].as<std::string>();
  rendition.width = row["width"].as<int32_t>();
  rendition.height = row["height"].as<int32_t>();
  rendition.language = row["language"].as<std::string>();
  rendition.file.number = row["file_number"].as<uint32_t>();
  rendition.file.path = row["file_path"].as<std::string>();
  rendition.file.size_bytes = row["size_bytes"].as<int64_t>();
  rendition.file.sha256 = Bytes(row["sha256"]);
  rendition.file.duration_seconds = row["duration_seconds"].as<double>();
  rendition.file.segment_count = row["segment_count"].as<int32_t>();
  rendition.file.playlist.path = row["playlist_path"].as<std::string>();
  rendition.file.playlist.size_bytes = row["playlist_bytes"].as<int64_t>();
  rendition.file.playlist.sha256 = Bytes(row["playlist_sha256"]);
  return rendition;
}

// The titles for which `where` holds ("t" is fill.title), by id.
std::vector<Title> ReadTitles(pqxx::transaction_base& tx, const std::string& where) {
  std::map<std::string, Title> titles;
  for (const pqxx::row& row :
       tx.exec(absl::StrCat("SELECT id, display_name, popularity, current_version, ", kCreateTime, " FROM fill.title t WHERE ", where))) {
    Title& title = titles[row["id"].as<std::string>()];
    title.id = TitleId(row["id"].as<std::string>());
    title.display_name = row["display_name"].as<std::string>();
    title.popularity = row["popularity"].as<double>();
    title.current_version = row["current_version"].as<std::string>();
    title.create_time = CreateTimeOf(row);
  }
  const std::string query = absl::StrCat(
      "SELECT v.title, v.version, r.* FROM fill.title t JOIN fill.title_version v ON v.title = t.id "
      "JOIN fill.rendition r ON r.title = v.title AND r.version = v.version WHERE ",
      where, " ORDER BY v.title, v.position, r.rendition COLLATE \"C\"");
  for (const pqxx::row& row : tx.exec(query)) {
    std::vector<TitleVersion>& versions = titles[row[0].as<std::string>()].versions;
    const std::string version = row[1].as<std::string>();
    if (versions.empty() || versions.back().version != version) versions.push_back({.version = version, .renditions = {}});
    versions.back().renditions.push_back(RenditionOf(row));
  }
  std::vector<Title> result;
  for (auto& [id, title] : titles) result.push_back(std::move(title));
  return result;
}

std::optional<Title> ReadTitle(pqxx::transaction_base& tx, const TitleId& id) {
  std::vector<Title> titles = ReadTitles(tx, absl::StrCat("t.id = ", tx.quote(id.value())));
  return titles.empty() ? std::nullopt : std::optional<Title>(std::move(titles[0]));
}

void WriteRendition(pqxx::transaction_base& tx, const Title& title, const TitleVersion& version, const Rendition& rendition) {
  const MediaFile& file = rendition.file;
  // Of a known rendition only what isn't content can differ.
  tx.exec_params0(
      "INSERT INTO fill.rendition (title, version, rendition, kind, bandwidth_bps, codecs, width, height, language, file_number, "
      "file_path, "
      "size_bytes, sha256, duration_seconds, segment_count, playlist_path, playlist_bytes, playlist_sha256) "
      "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18) "
      "ON CONFLICT (title, version, rendition) DO UPDATE SET kind = $4, bandwidth_bps = $5, codecs = $6, width = $7, height = $8, "
      "language = $9, duration_seconds = $14, segment_count = $15",
      title.id.value(), version.version, rendition.id, std::string(ToString(rendition.kind)), rendition.bandwidth_bps, rendition.codecs,
      rendition.width, rendition.height, rendition.language, static_cast<int64_t>(file.number), file.path, file.size_bytes,
      pqxx::binarystring(file.sha256), Exact(file.duration_seconds), file.segment_count, file.playlist.path, file.playlist.size_bytes,
      pqxx::binarystring(file.playlist.sha256));
}

void WriteTitle(pqxx::transaction_base& tx, const Title& title, const std::string& imported_version, uint64_t version_number) {
  tx.exec_params0(
      "INSERT INTO fill.title (id, display_name, popularity, current_version, create_time, changed_version) VALUES ($1, $2, $3, $4, $5, "
      "$6) "
      "ON CONFLICT (id) DO UPDATE SET display_name = $2, popularity = $3, current_version = $4, changed_version = $6",
      title.id.value(), title.display_name, Exact(title.popularity), title.current_version, TimeLiteral(title.create_time), version_number);
  for (size_t i = 0; i < title.versions.size(); ++i) {
    const TitleVersion& version = title.versions[i];
    if (version.version != imported_version) continue;
    tx.exec_params0("INSERT INTO fill.title_version (title, version, position) VALUES ($1, $2, $3) ON CONFLICT (title, version) DO NOTHING",
                    title.id.value(), version.version, static_cast<int>(i));
    for (const Rendition& rendition : version.renditions) WriteRendition(tx, title, version, rendition);
  }
}

// ---- requests ----

// Whether it created anything, if the request was carried out before.
absl::StatusOr<std::optional<bool>> FindRequest(pqxx::transaction_base& tx, const RequestKey& request, const std::string& kind) {
  if (request.id.empty()) return std::optional<bool>();
  const pqxx::result rows = tx.exec_params("SELECT kind, fingerprint, created FROM fill.request WHERE request_id = $1", request.id);
  if (rows.empty()) return std::optional<bool>();
  if (rows[0][0].as<std::string>() == kind && rows[0][1].as<std::string>() == request.fingerprint)
    return std::optional<bool>(rows[0][2].as<bool>());
  return InvalidField("request_id", request.id, "was used for another request");
}

void WriteRequest(pqxx::transaction_base& tx, const RequestKey& request, const std::string& kind, bool created, absl::Time now) {
  if (request.id.empty()) return;
  tx.exec_params0("INSERT INTO fill.request (request_id, kind, fingerprint, created, create_time) VALUES ($1, $2, $3, $4, $5)", request.id,
                  kind, request.fingerprint, created, TimeLiteral(now));
  tx.exec_params0("DELETE FROM fill.request WHERE create_time < $1", TimeLiteral(now - absl::Hours(kRequestsKeptHours)));
}

// ---- plans ----

std::string EncodeEntries(const std::vector<PlacedFile>& files) {
  std::string bytes;
  bytes.reserve(files.size() * kEntryBytes);
  for (const PlacedFile& file : files) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(file.number >> shift));
    bytes.push_back(static_cast<char>(file.tier));
  }
  return bytes;
}

absl::StatusOr<std::vector<PlacedFile>> DecodeEntries(const std::string& bytes) {
  if (bytes.size() % kEntryBytes != 0) return absl::DataLossError(absl::StrCat("fill.plan_box.entries: ", bytes.size(), " bytes"));
  std::vector<PlacedFile> files;
  files.reserve(bytes.size() / kEntryBytes);
  for (size_t at = 0; at < bytes.size(); at += kEntryBytes) {
    uint32_t number = 0;
    for (size_t i = 0; i < 4; ++i) number = number << 8 | static_cast<uint8_t>(bytes[at + i]);
    const uint8_t tier = static_cast<uint8_t>(bytes[at + 4]);
    if (tier > static_cast<uint8_t>(Tier::kFlash)) return absl::DataLossError(absl::StrCat("fill.plan_box.entries: tier ", tier));
    files.push_back({.number = number, .tier = static_cast<Tier>(tier)});
  }
  return files;
}

std::string WherePlan(uint64_t number) {
  return absl::StrCat(" WHERE plan = ", number);
}

// Everything but the entries; none if there is no such plan.
std::optional<PlanSummary> ReadSummary(pqxx::transaction_base& tx, uint64_t number) {
  const pqxx::result plans = tx.exec(absl::StrCat("SELECT ", kCreateTime, " FROM fill.plan WHERE number = ", number));
  if (plans.empty()) return std::nullopt;
  PlanSummary summary{.number = number, .create_time = CreateTimeOf(plans[0]), .clusters = {}};
  std::map<std::string, ClusterPlanSummary> clusters;
  for (const pqxx::row& row : tx.exec(absl::StrCat("SELECT cluster, copies FROM fill.plan_cluster", WherePlan(number)))) {
    ClusterPlanSummary& cluster = clusters[row[0].as<std::string>()];
    cluster.cluster = ClusterId(row[0].as<std::string>());
    cluster.copies = row[1].as<int>();
  }
  for (const pqxx::row& row :
       tx.exec(absl::StrCat("SELECT cluster, appliance, generation, files, bytes, capacity_bytes, files_added, files_removed "
                            "FROM fill.plan_box",
                            WherePlan(number), " ORDER BY appliance COLLATE \"C\""))) {
    clusters[row[0].as<std::string>()].boxes.push_back({.appliance = ApplianceId(row[1].as<std::string>()),
                                                        .generation = row[2].as<std::string>(),
                                                        .files = row[3].as<int32_t>(),
                                                        .bytes = row[4].as<int64_t>(),
                                                        .capacity_bytes = row[5].as<int64_t>(),
                                                        .files_added = row[6].as<int32_t>(),
                                                        .files_removed = row[7].as<int32_t>()});
  }
  for (const pqxx::row& row : tx.exec(absl::StrCat("SELECT cluster, file_number, copies_placed, reason FROM fill.plan_short_file",
                                                   WherePlan(number), " ORDER BY file_number"))) {
    clusters[row[0].as<std::string>()].short_files.push_back(
        {.number = row[1].as<uint32_t>(), .copies_placed = row[2].as<int>(), .reason = row[3].as<std::string>()});
  }
  for (auto& [id, cluster] : clusters) summary.clusters.push_back(std::move(cluster));
  return summary;
}

absl::StatusOr<FillPlan> ReadPlan(pqxx::transaction_base& tx, uint64_t number) {
  std::map<std::string, std::vector<PlacedFile>> entries;
  for (const pqxx::row& row :
       tx.exec(absl::StrCat("SELECT appliance, entries FROM fill.plan_box", WherePlan(number), " AND entries IS NOT NULL"))) {
    ASSIGN_OR_RETURN(entries[row[0].as<std::string>()], DecodeEntries(Bytes(row[1])));
  }
  const std::optional<PlanSummary> summary = ReadSummary(tx, number);
  if (!summary.has_value()) return absl::DataLossError(absl::StrCat("plans/", number, " vanished"));
  FillPlan plan{.number = number, .create_time = summary->create_time, .clusters = {}};
  for (const ClusterPlanSummary& from : summary->clusters) {
    ClusterFillPlan& to = plan.clusters.emplace_back();
    to.cluster = from.cluster;
    to.copies = from.copies;
    to.short_files = from.short_files;
    for (const BoxPlanSummary& box : from.boxes) {
      to.boxes.push_back({.appliance = box.appliance,
                          .generation = box.generation,
                          .files = std::move(entries[box.appliance.value()]),
                          .bytes = box.bytes,
                          .capacity_bytes = box.capacity_bytes,
                          .files_added = box.files_added,
                          .files_removed = box.files_removed});
    }
  }
  return plan;
}

uint64_t CurrentPlan(pqxx::transaction_base& tx) {
  return tx.exec1("SELECT coalesce(max(number), 0) FROM fill.plan")[0].as<uint64_t>();
}

void WriteCluster(pqxx::transaction_base& tx, const std::string& plan, const ClusterFillPlan& cluster) {
  const std::string id = tx.quote(cluster.cluster.value());
  tx.exec0(absl::StrCat("INSERT INTO fill.plan_cluster (plan, cluster, copies) VALUES (", plan, ", ", id, ", ", cluster.copies, ")"));
  RowInserter boxes(
      tx, "fill.plan_box (plan, appliance, cluster, generation, files, bytes, capacity_bytes, files_added, files_removed, entries)");
  for (const BoxManifest& box : cluster.boxes) {
    boxes.Add({plan, tx.quote(box.appliance.value()), id, tx.quote(box.generation), absl::StrCat(box.files.size()), absl::StrCat(box.bytes),
               absl::StrCat(box.capacity_bytes), absl::StrCat(box.files_added), absl::StrCat(box.files_removed),
               tx.quote_raw(EncodeEntries(box.files))});
  }
  boxes.Flush();
  RowInserter short_files(tx, "fill.plan_short_file (plan, cluster, file_number, copies_placed, reason)");
  for (const ShortPlacement& file : cluster.short_files) {
    short_files.Add({plan, id, absl::StrCat(file.number), absl::StrCat(file.copies_placed), tx.quote(file.reason)});
  }
  short_files.Flush();
}

pg::PoolOptions PoolOptionsOfFilld() {
  pg::PoolOptions options;
  options.max_connections = 4;
  // Writes fail fast: an operator waits.
  options.acquire_timeout = absl::Seconds(3);
  options.statement_timeout = absl::Seconds(30);
  options.transaction_timeout = absl::Seconds(60);
  options.application_name = "filld";
  return options;
}

}  // namespace

PgStore::PgStore(const pg::ConnectionString& where) : pool_(where, PoolOptionsOfFilld()) {}

absl::StatusOr<std::unique_ptr<PgStore>> PgStore::Create(const std::string& uri) {
  ASSIGN_OR_RETURN(const pg::ConnectionString where, pg::ParseUri(uri));
  return std::unique_ptr<PgStore>(new PgStore(where));
}

absl::StatusOr<StoreChanges> PgStore::Load(FeedPosition since, uint64_t known_plan) {
  return pool_.Read([&](pqxx::transaction_base& tx) -> absl::StatusOr<StoreChanges> {
    StoreChanges changes;
    changes.position = ReadState(tx, /*for_update=*/false).position;
    changes.whole = since.epoch != changes.position.epoch;
    if (changes.position == since) return changes;
    changes.titles = ReadTitles(tx, changes.whole ? "true" : absl::StrCat("t.changed_version > ", since.version));
    const uint64_t current = CurrentPlan(tx);
    if (current != 0 && (changes.whole || current != known_plan)) {
      ASSIGN_OR_RETURN(changes.plan, ReadPlan(tx, current));
    }
    return changes;
  });
}

absl::StatusOr<ImportResult> PgStore::Import(const TitleImport& import, const RequestKey& request, absl::Time now) {
  return pool_.Write([&](pqxx::transaction_base& tx) -> absl::StatusOr<ImportResult> {
    const StateRow state = ReadState(tx, /*for_update=*/true);
    ASSIGN_OR_RETURN(const std::optional<bool> repeated, FindRequest(tx, request, "import"));
    const std::optional<Title> existing = ReadTitle(tx, import.title);
    if (repeated.has_value() && existing.has_value()) return ImportResult{*existing, *repeated};
    ASSIGN_OR_RETURN(ImportOutcome outcome, ApplyImport(existing, import, state.next_file_number, now));
    const bool created = !outcome.new_numbers.empty();
    WriteRequest(tx, request, "import", created, now);
    if (outcome.changed) {
      tx.exec0(absl::StrCat("UPDATE fill.state SET version = version + 1, next_file_number = ", outcome.next_number));
      WriteTitle(tx, outcome.title, import.version.version, state.position.version + 1);
    }
    return ImportResult{std::move(outcome.title), created};
  });
}

absl::StatusOr<PlanSummary> PgStore::SavePlan(const FillPlan& plan, uint64_t expected_current, const RequestKey& request, absl::Time now) {
  return pool_.Write([&](pqxx::transaction_base& tx) -> absl::StatusOr<PlanSummary> {
    const StateRow state = ReadState(tx, /*for_update=*/true);
    ASSIGN_OR_RETURN(const std::optional<bool> repeated, FindRequest(tx, request, "plan"));
    const uint64_t current = CurrentPlan(tx);
    if (repeated.has_value() && current != 0) {
      const std::optional<PlanSummary> summary = ReadSummary(tx, current);
      if (summary.has_value()) return *summary;
    }
    if (current != expected_current) {
      return absl::AbortedError(absl::StrCat("the plan in force is plans/", current, ", not plans/", expected_current));
    }
    PlanSummary summary = Summarise(plan);
    summary.number = state.next_plan_number;
    summary.create_time = now;
    const std::string number = absl::StrCat(summary.number);
    tx.exec0("UPDATE fill.state SET version = version + 1, next_plan_number = next_plan_number + 1");
    tx.exec_params0("INSERT INTO fill.plan (number, create_time, changed_version) VALUES ($1, $2, $3)", number, TimeLiteral(now),
                    state.position.version + 1);
    for (const ClusterFillPlan& cluster : plan.clusters) WriteCluster(tx, number, cluster);
    WriteRequest(tx, request, "plan", true, now);
    tx.exec0(absl::StrCat("UPDATE fill.plan_box SET entries = NULL WHERE entries IS NOT NULL AND plan < ", number));
    tx.exec0(absl::StrCat("DELETE FROM fill.plan WHERE number <= ", number, " - ", kMaxPlansKept));
    return summary;
  });
}

absl::StatusOr<PlanSummary> PgStore::KeepPlan(uint64_t expected_current, const RequestKey& request, absl::Time now) {
  return pool_.Write([&](pqxx::transaction_base& tx) -> absl::StatusOr<PlanSummary> {
    ReadState(tx, /*for_update=*/true);
    ASSIGN_OR_RETURN(const std::optional<bool> repeated, FindRequest(tx, request, "plan"));
    const uint64_t current = CurrentPlan(tx);
    if (!repeated.has_value() && current != expected_current) {
      return absl::AbortedError(absl::StrCat("the plan in force is plans/", current, ", not plans/", expected_current));
    }
    const std::optional<PlanSummary> summary = ReadSummary(tx, current);
    if (!summary.has_value()) return absl::NotFoundError("there is no plan yet");
    if (!repeated.has_value()) WriteRequest(tx, request, "plan", /*created=*/false, now);
    return *summary;
  });
}

absl::StatusOr<PlanSummary> PgStore::GetPlan(uint64_t number) {
  return pool_.Read([&](pqxx::transaction_base& tx) -> absl::StatusOr<PlanSummary> {
    const std::optional<PlanSummary> summary = ReadSummary(tx, number);
    if (!summary.has_value()) return absl::NotFoundError(absl::StrCat("there is no plans/", number));
    return *summary;
  });
}

absl::StatusOr<std::vector<PlanSummary>> PgStore::ListPlans(uint64_t before, int limit) {
  return pool_.Read([&](pqxx::transaction_base& tx) -> absl::StatusOr<std::vector<PlanSummary>> {
    std::vector<PlanSummary> summaries;
    const std::string where = before == 0 ? "" : absl::StrCat(" WHERE number < ", before);
    for (const pqxx::row& row : tx.exec(absl::StrCat("SELECT number FROM fill.plan", where, " ORDER BY number DESC LIMIT ", limit))) {
      std::optional<PlanSummary> summary = ReadSummary(tx, row[0].as<uint64_t>());
      if (summary.has_value()) summaries.push_back(*std::move(summary));
    }
    return summaries;
  });
}

}  // namespace fairlead::fill
