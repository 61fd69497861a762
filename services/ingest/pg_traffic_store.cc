#include "services/ingest/pg_traffic_store.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "pqxx/pqxx"

namespace fairlead::ingest {
namespace {

// Array literals of PostgreSQL, one a column.
class Column {
 public:
  void AddText(const std::string& text) {
    Separate();
    literal_.push_back('"');
    for (const char c : text) {
      if (c == '"' || c == '\\') literal_.push_back('\\');
      literal_.push_back(c);
    }
    literal_.push_back('"');
  }
  void AddNumber(int64_t number) {
    Separate();
    absl::StrAppend(&literal_, number);
  }
  std::string Literal() const { return absl::StrCat("{", literal_, "}"); }

 private:
  void Separate() {
    if (!literal_.empty()) literal_.push_back(',');
  }
  std::string literal_;
};

struct Columns {
  explicit Columns(const TrafficBatch& batch) {
    for (const TrafficSum& sum : batch.sums) {
      appliance.AddText(sum.appliance.value());
      hour.AddNumber(absl::ToUnixSeconds(sum.hour));
      title.AddText(sum.key.title);
      version.AddText(sum.key.version);
      rank.AddNumber(sum.key.rank);
      position.AddNumber(sum.key.position);
      cause.AddNumber(static_cast<int64_t>(sum.key.cause));
      family.AddNumber(static_cast<int64_t>(sum.key.family));
      fill.AddNumber(sum.key.fill ? 1 : 0);
      requests.AddNumber(sum.counts.requests);
      bytes.AddNumber(sum.counts.bytes);
      refused.AddNumber(sum.counts.refused_requests);
    }
  }
  Column appliance, hour, title, version, rank, position, cause, family, fill, requests, bytes, refused;
};

// Sums stand still at the end of the range: a box that reports nonsense must not block the batches of the others.
constexpr char kAdd[] = R"(
  INSERT INTO traffic.hourly AS held
    (appliance, hour, title, version, rank, position, cause, family, fill, requests, bytes, refused_requests)
  SELECT a, to_timestamp(h), t, v, r, p, c, f, l <> 0, q, b, x
  FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[], $5::smallint[], $6::smallint[], $7::smallint[], $8::smallint[],
              $9::smallint[], $10::bigint[], $11::bigint[], $12::bigint[]) AS u (a, h, t, v, r, p, c, f, l, q, b, x)
  ON CONFLICT (appliance, hour, title, version, rank, position, cause, family, fill) DO UPDATE SET
    requests = least(held.requests::numeric + excluded.requests, 9223372036854775807)::bigint,
    bytes = least(held.bytes::numeric + excluded.bytes, 9223372036854775807)::bigint,
    refused_requests = least(held.refused_requests::numeric + excluded.refused_requests, 9223372036854775807)::bigint)";

constexpr char kClaim[] = R"(
  INSERT INTO traffic.writer AS held (cell, epoch, number) VALUES ($1, $2::text::numeric, $3::text::numeric)
  ON CONFLICT (cell) DO UPDATE SET epoch = excluded.epoch, number = excluded.number
    WHERE (held.epoch, held.number) < (excluded.epoch, excluded.number))";

constexpr char kPrune[] = R"(
  DELETE FROM traffic.hourly WHERE ctid = ANY (ARRAY(SELECT ctid FROM traffic.hourly WHERE hour < to_timestamp($1) LIMIT $2)))";

}  // namespace

absl::Status PgTrafficStore::Add(const TrafficBatch& batch) {
  const Columns columns(batch);
  return pool_.Write([&](pqxx::transaction_base& tx) -> absl::Status {
    const pqxx::result claimed = tx.exec_params(kClaim, batch.writer, absl::StrCat(batch.epoch), absl::StrCat(batch.number));
    if (claimed.affected_rows() == 0) return absl::OkStatus();  // It is there already.
    tx.exec_params(kAdd, columns.appliance.Literal(), columns.hour.Literal(), columns.title.Literal(), columns.version.Literal(),
                   columns.rank.Literal(), columns.position.Literal(), columns.cause.Literal(), columns.family.Literal(),
                   columns.fill.Literal(), columns.requests.Literal(), columns.bytes.Literal(), columns.refused.Literal());
    return absl::OkStatus();
  });
}

absl::StatusOr<int64_t> PgTrafficStore::Prune(absl::Time before, int64_t most) {
  return pool_.Write([&](pqxx::transaction_base& tx) -> absl::StatusOr<int64_t> {
    return static_cast<int64_t>(tx.exec_params(kPrune, absl::ToUnixSeconds(before), most).affected_rows());
  });
}

}  // namespace fairlead::ingest
