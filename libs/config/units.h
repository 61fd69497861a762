// Scalars of configuration files: numbers with "_", sizes, rates, durations. Exact: what can't be represented is refused, not rounded.
//
//   ParseBytes("1.5TB");     // 1'500'000'000'000
//   ParseBitRate("0.4Gbps"); // 400'000'000
#ifndef FAIRLEAD_LIBS_CONFIG_UNITS_H_
#define FAIRLEAD_LIBS_CONFIG_UNITS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fairlead {

// All return INVALID_ARGUMENT with a message that tells the accepted forms; it does not repeat the text.

// "36000000000", "36_000_000_000", "-5".
absl::StatusOr<int64_t> ParseInteger(absl::string_view text);
// A plain integer, or a number with B, kB, MB, GB, TB, PB (powers of 1000) or KiB, MiB, GiB, TiB, PiB (powers of 1024).
absl::StatusOr<int64_t> ParseBytes(absl::string_view text);
// A plain integer, or a number with bps, kbps, Mbps, Gbps, Tbps.
absl::StatusOr<int64_t> ParseBitRate(absl::string_view text);
// "90s", "12h", "1h30m", "250ms", "0".
absl::StatusOr<absl::Duration> ParseDurationText(absl::string_view text);
// "true" or "false".
absl::StatusOr<bool> ParseBool(absl::string_view text);
// A finite decimal number.
absl::StatusOr<double> ParseNumber(absl::string_view text);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONFIG_UNITS_H_
