// The prefix table while it is changed: what a thread that looks up loses to one that makes changes at full speed beside it, and how long
// after a change another thread's lookup sees it. Wall clock throughout, for waiting is what it is about: two threads, so it needs two
// cores.
//
//   MeasureBesideWriter(table, routes, addresses, rows);   // One family.
#ifndef FAIRLEAD_TESTS_BENCH_PREFIX_BESIDE_WRITER_H_
#define FAIRLEAD_TESTS_BENCH_PREFIX_BESIDE_WRITER_H_

#include <vector>

#include "libs/net/ip_address.h"
#include "libs/net/lpm_table.h"
#include "tests/bench/rows.h"

namespace fairlead {

// `table` has all `routes`, which are of one family as `addresses` are, and has them again afterwards.
void MeasureBesideWriter(LpmTable& table, const std::vector<LpmRoute>& routes, const std::vector<IpAddress>& addresses, Rows& rows);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_PREFIX_BESIDE_WRITER_H_
