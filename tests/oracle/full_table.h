// The prefixes of one full Internet table: the real ones of $FAIRLEAD_DATA (bart-prefixes.txt.gz) if they are there, else generated ones of
// the same shape. Prints which. A file that is there but can't be read fails the test.
#ifndef FAIRLEAD_TESTS_ORACLE_FULL_TABLE_H_
#define FAIRLEAD_TESTS_ORACLE_FULL_TABLE_H_

#include <vector>

#include "libs/net/prefix.h"

namespace fairlead {

// Sorted: covering prefixes stand right before what they cover.
std::vector<Prefix> LoadFullTable();

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_ORACLE_FULL_TABLE_H_
