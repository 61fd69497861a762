// Where PostgreSQL is, checked.
//
//   ASSIGN_OR_RETURN(const pg::ConnectionString where, pg::ParseUri("postgresql://registryd@/fairlead?host=/run/postgresql"));
#ifndef FAIRLEAD_LIBS_PG_CONNECTION_STRING_H_
#define FAIRLEAD_LIBS_PG_CONNECTION_STRING_H_

#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead::pg {

// A checked connection string in libpq's keyword form.
class ConnectionString {
 public:
  const std::string& text() const { return text_; }
  // Whether it names several servers, of which libpq takes the first that suits.
  bool several_hosts() const { return several_hosts_; }

  // With one more keyword; it goes before what was there.
  ConnectionString With(absl::string_view keyword, absl::string_view value) const;

 private:
  friend absl::StatusOr<ConnectionString> ParseUri(const std::string& uri);
  ConnectionString() = default;
  std::string text_;
  bool several_hosts_ = false;
};

// INVALID_ARGUMENT (never quoting the text, which may hold a password) if it is neither a postgresql:// URI nor keywords.
absl::StatusOr<ConnectionString> ParseUri(const std::string& uri);

}  // namespace fairlead::pg

#endif  // FAIRLEAD_LIBS_PG_CONNECTION_STRING_H_
