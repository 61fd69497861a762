// A private PostgreSQL for one lab: made from nothing, on a unix socket in the run folder, with the schemas of all owners.
//
// As root it runs as user postgres, because initdb refuses root. Needs the packages postgresql-15 and sqitch.
//
//   ASSIGN_OR_RETURN(const std::string uri, StartDatabase(supervisor, layout));
#ifndef FAIRLEAD_TESTS_LAB_DATABASE_H_
#define FAIRLEAD_TESTS_LAB_DATABASE_H_

#include <string>

#include "absl/status/statusor.h"
#include "tests/lab/layout.h"
#include "tests/lab/supervisor.h"

namespace fairlead {

// Starts the server, waits until it answers, creates the database and deploys every project of migrations/. Returns its libpq URI.
absl::StatusOr<std::string> StartDatabase(Supervisor& supervisor, const Layout& layout);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_DATABASE_H_
