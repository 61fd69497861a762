// Resources ↔ rows, for every kind at once: one column a field (lists and sub-messages as JSON), one table of rows for each list of
// references ("cell_sites"). Column names are the fields' names; migrations/registry has the tables.
#ifndef FAIRLEAD_SERVICES_REGISTRY_PG_ROWS_H_
#define FAIRLEAD_SERVICES_REGISTRY_PG_ROWS_H_

#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "libs/registry/record.h"
#include "nlohmann/json.hpp"
#include "pqxx/pqxx"

namespace fairlead::registry {

// A timestamptz literal, exact to the microsecond, without quotes.
std::string TimeLiteral(absl::Time time);
// The expression that reads a timestamptz as Unix microseconds.
std::string TimeColumn(absl::string_view column);

namespace pg_internal {

using Json = nlohmann::json;

template <typename V>
Json ToJsonValue(const V& value) {
  if constexpr (IsEnum<V>) {
    return std::string(ToString(value));
  } else if constexpr (IsOptional<V>) {
    return value.has_value() ? ToJsonValue(*value) : Json();
  } else if constexpr (std::is_same_v<V, absl::Duration>) {
    return absl::FormatDuration(value);  // ParseDuration reads exactly this back.
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    return value == absl::Time() ? "" : absl::FormatTime(absl::RFC3339_full, value, absl::UTCTimeZone());
  } else if constexpr (IsId<V>) {
    return value.value();
  } else if constexpr (IsVector<V>) {
    Json list = Json::array();
    for (const auto& item : value) list.push_back(ToJsonValue(item));
    return list;
  } else if constexpr (IsStruct<V>) {
    Json object = Json::object();
    V::Fields([&](const auto& field) { object[std::string(field.name)] = ToJsonValue(value.*field.member); });
    return object;
  } else {
    return value;
  }
}

// False if the JSON is not of that form: somebody else wrote it.
template <typename V>
bool FromJsonValue(const Json& json, V& value) {
  if constexpr (IsEnum<V>) {
    if (!json.is_string()) return false;
    const auto& text = json.template get_ref<const std::string&>();
    return text == "UNSPECIFIED" || FromString(text, value);
  } else if constexpr (IsOptional<V>) {
    return json.is_null() || FromJsonValue(json, value.emplace());
  } else if constexpr (std::is_same_v<V, absl::Duration>) {
    return json.is_string() && absl::ParseDuration(json.template get_ref<const std::string&>(), &value);
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    if (!json.is_string()) return false;
    const auto& text = json.template get_ref<const std::string&>();
    return text.empty() || absl::ParseTime(absl::RFC3339_full, text, &value, nullptr);
  } else if constexpr (IsId<V>) {
    if (!json.is_string()) return false;
    value = V(json.template get<std::string>());
    return true;
  } else if constexpr (IsVector<V>) {
    if (!json.is_array()) return false;
    for (const Json& item : json) {
      value.emplace_back();
      if (!FromJsonValue(item, value.back())) return false;
    }
    return true;
  } else if constexpr (IsStruct<V>) {
    if (!json.is_object()) return false;
    bool fine = true;
    V::Fields([&](const auto& field) {
      const auto found = json.find(std::string(field.name));
      if (found != json.end()) fine = fine && FromJsonValue(*found, value.*field.member);
    });
    return fine;
  } else if constexpr (std::is_same_v<V, std::string>) {
    if (!json.is_string()) return false;
    value = json.template get<std::string>();
    return true;
  } else if constexpr (std::is_same_v<V, bool>) {
    if (!json.is_boolean()) return false;
    value = json.template get<bool>();
    return true;
  } else {
    if (!json.is_number()) return false;
    value = json.template get<V>();
    return true;
  }
}

template <typename V>
constexpr bool IsReferenceList() {
  if constexpr (IsVector<V>) {
    return IsId<typename V::value_type>;
  } else {
    return false;
  }
}

// An SQL literal.
template <typename V>
std::string Literal(pqxx::transaction_base& tx, const V& value) {
  if constexpr (IsId<V>) {
    return value.empty() ? "NULL" : tx.quote(value.value());
  } else if constexpr (IsEnum<V>) {
    return tx.quote(std::string(ToString(value)));
  } else if constexpr (IsOptional<V>) {
    return value.has_value() ? tx.quote(ToJsonValue(*value).dump()) : "NULL";
  } else if constexpr (IsVector<V>) {
    return tx.quote(ToJsonValue(value).dump());
  } else if constexpr (std::is_same_v<V, std::string>) {
    return tx.quote(value);
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    return value == absl::Time() ? "NULL" : tx.quote(TimeLiteral(value));
  } else if constexpr (std::is_same_v<V, bool>) {
    return value ? "true" : "false";
  } else {
    return absl::StrCat(value);
  }
}

template <typename V>
bool ReadColumn(const pqxx::field& column, V& value) {
  if (column.is_null()) {
    if constexpr (IsId<V> || IsOptional<V> || std::is_same_v<V, absl::Time>) return true;
    return false;
  }
  if constexpr (IsId<V>) {
    value = V(column.c_str());
    return true;
  } else if constexpr (IsEnum<V>) {
    const absl::string_view text = column.c_str();
    return text == "UNSPECIFIED" || FromString(text, value);
  } else if constexpr (IsOptional<V>) {
    const Json json = Json::parse(column.c_str(), nullptr, false);
    return !json.is_discarded() && FromJsonValue(json, value.emplace());
  } else if constexpr (IsVector<V>) {
    const Json json = Json::parse(column.c_str(), nullptr, false);
    return !json.is_discarded() && FromJsonValue(json, value);
  } else if constexpr (std::is_same_v<V, absl::Time>) {
    value = absl::FromUnixMicros(column.as<int64_t>());
    return true;
  } else {
    value = column.as<V>();
    return true;
  }
}

}  // namespace pg_internal

template <typename T>
std::string TableOf() {
  return absl::StrCat("registry.", T::kKind);
}

// Calls visit(field) for every field that is a column, or for every list of references.
template <typename T, typename Visit>
void ForEachColumn(Visit&& visit) {
  T::Fields([&](const auto& field) {
    using Member = std::decay_t<decltype(std::declval<T>().*field.member)>;
    if constexpr (!pg_internal::IsReferenceList<Member>()) visit(field);
  });
}
template <typename T, typename Visit>
void ForEachReferenceList(Visit&& visit) {
  T::Fields([&](const auto& field) {
    using Member = std::decay_t<decltype(std::declval<T>().*field.member)>;
    if constexpr (pg_internal::IsReferenceList<Member>()) visit(field);
  });
}

// "id", "uid", "generation", …, without the times' conversion.
template <typename T>
std::string ColumnNames() {
  std::string names = R"("id", "uid", "generation", "create_time", "update_time", "changed_version")";
  ForEachColumn<T>([&](const auto& field) { absl::StrAppend(&names, ", \"", field.name, "\""); });
  return names;
}

// The row's literals in the order of ColumnNames.
template <typename T>
std::vector<std::string> RowLiterals(pqxx::transaction_base& tx, const Record<T>& record, uint64_t version) {
  std::vector<std::string> literals = {tx.quote(record.value.id.value()),
                                       tx.quote(record.meta.uid),
                                       absl::StrCat(record.meta.generation),
                                       tx.quote(TimeLiteral(record.meta.create_time)),
                                       tx.quote(TimeLiteral(record.meta.update_time)),
                                       absl::StrCat(version)};
  ForEachColumn<T>([&](const auto& field) { literals.push_back(pg_internal::Literal(tx, record.value.*field.member)); });
  return literals;
}

// What ReadRow wants.
template <typename T>
std::string SelectColumns() {
  std::string columns = absl::StrCat(R"("id", "uid", "generation", )", TimeColumn("create_time"), ", ", TimeColumn("update_time"));
  ForEachColumn<T>([&](const auto& field) {
    constexpr bool kIsTime = std::is_same_v<std::decay_t<decltype(std::declval<T>().*field.member)>, absl::Time>;
    absl::StrAppend(&columns, ", ", kIsTime ? TimeColumn(field.name) : absl::StrCat("\"", field.name, "\""));
  });
  return columns;
}

// INTERNAL naming the column if it holds what we never write. Lists of references are not read here.
template <typename T>
absl::StatusOr<Record<T>> ReadRow(const pqxx::row& row) {
  Record<T> record;
  record.value.id = typename T::IdType(row[0].c_str());
  record.meta.uid = row[1].c_str();
  record.meta.generation = row[2].as<int64_t>();
  record.meta.create_time = absl::FromUnixMicros(row[3].as<int64_t>());
  record.meta.update_time = absl::FromUnixMicros(row[4].as<int64_t>());
  pqxx::row::size_type column = 5;
  absl::Status status;
  ForEachColumn<T>([&](const auto& field) {
    if (!pg_internal::ReadColumn(row[column++], record.value.*field.member)) {
      status = absl::InternalError(absl::StrCat(TableOf<T>(), " ", record.value.id.value(), ": column ", field.name, " can't be read"));
    }
  });
  if (!status.ok()) return status;
  return record;
}

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_PG_ROWS_H_
