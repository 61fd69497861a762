// What must hold in a fuzz target, whatever the input: otherwise it says what and where, and aborts, which libFuzzer and our own driver
// report together with the input.
//
//   FUZZ_REQUIRE(again == address, "'", text, "' is read as ", address.ToString());
#ifndef FAIRLEAD_TESTS_FUZZ_REQUIRE_H_
#define FAIRLEAD_TESTS_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"

#define FUZZ_REQUIRE(condition, ...)                                                                                              \
  do {                                                                                                                            \
    if (!(condition)) {                                                                                                           \
      std::fprintf(stderr, "%s:%d: doesn't hold: %s\n  %s\n", __FILE__, __LINE__, #condition, absl::StrCat(__VA_ARGS__).c_str()); \
      std::abort();                                                                                                               \
    }                                                                                                                             \
  } while (false)

#endif  // FAIRLEAD_TESTS_FUZZ_REQUIRE_H_
