#include "libs/config/units.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "absl/numeric/int128.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"

namespace fairlead {
namespace {

struct Unit {
  absl::string_view name;
  int64_t factor;
};

constexpr Unit kByteUnits[] = {{"B", 1},
                               {"kB", 1'000},
                               {"MB", 1'000'000},
                               {"GB", 1'000'000'000},
                               {"TB", 1'000'000'000'000},
                               {"PB", 1'000'000'000'000'000},
                               {"KiB", int64_t{1} << 10},
                               {"MiB", int64_t{1} << 20},
                               {"GiB", int64_t{1} << 30},
                               {"TiB", int64_t{1} << 40},
                               {"PiB", int64_t{1} << 50}};
constexpr Unit kBitRateUnits[] = {{"bps", 1}, {"kbps", 1'000}, {"Mbps", 1'000'000}, {"Gbps", 1'000'000'000}, {"Tbps", 1'000'000'000'000}};
constexpr size_t kMaxFractionDigits = 15;

// Digits without their '_', which may only stand between two digits; empty if it is no such number.
std::string Digits(absl::string_view text) {
  std::string digits;
  for (size_t i = 0; i < text.size(); ++i) {
    const auto digit_at = [&text](size_t at) { return at < text.size() && absl::ascii_isdigit(static_cast<unsigned char>(text[at])); };
    if (digit_at(i)) {
      digits.push_back(text[i]);
    } else if (text[i] != '_' || i == 0 || !digit_at(i - 1) || !digit_at(i + 1)) {
      return "";
    }
  }
  return digits;
}

// "1.5" times a factor, exactly.
bool Scale(absl::string_view number, int64_t factor, int64_t& result) {
  const size_t dot = number.find('.');
  const std::string whole = Digits(number.substr(0, dot));
  std::string fraction;
  if (dot != absl::string_view::npos) {
    fraction = std::string(number.substr(dot + 1));
    if (fraction.empty() || Digits(fraction) != fraction || fraction.size() > kMaxFractionDigits) return false;
  }
  if (whole.empty() || whole.size() > 19) return false;
  absl::int128 scaled = 0;
  absl::int128 divisor = 1;
  for (const char c : whole + fraction) scaled = scaled * 10 + (c - '0');
  for (size_t i = 0; i < fraction.size(); ++i) divisor *= 10;
  // At most 34 digits so far; a factor has at most 16: check before multiplying.
  if (scaled > absl::Int128Max() / factor) return false;
  scaled *= factor;
  if (scaled % divisor != 0 || scaled / divisor > std::numeric_limits<int64_t>::max()) return false;
  result = static_cast<int64_t>(scaled / divisor);
  return true;
}

absl::StatusOr<int64_t> ParseWithUnit(absl::string_view text, absl::Span<const Unit> units, absl::string_view forms) {
  const size_t number_size = std::min(text.find_first_not_of("0123456789_."), text.size());
  const absl::string_view number = text.substr(0, number_size);
  const absl::string_view name = absl::StripLeadingAsciiWhitespace(text.substr(number_size));
  int64_t result = 0;
  if (name.empty()) {
    if (Scale(number, 1, result)) return result;
  }
  for (const Unit& unit : units) {
    if (unit.name == name && Scale(number, unit.factor, result)) return result;
  }
  return absl::InvalidArgumentError(absl::StrCat("must be ", forms));
}

}  // namespace

absl::StatusOr<int64_t> ParseInteger(absl::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  const std::string digits = Digits(negative ? text.substr(1) : text);
  int64_t value = 0;
  if (!digits.empty() && absl::SimpleAtoi(absl::StrCat(negative ? "-" : "", digits), &value)) return value;
  return absl::InvalidArgumentError("must be an integer");
}

absl::StatusOr<int64_t> ParseBytes(absl::string_view text) {
  return ParseWithUnit(text, kByteUnits, "a whole number of bytes, like 4000000000000, 4TB or 512GiB");
}

absl::StatusOr<int64_t> ParseBitRate(absl::string_view text) {
  return ParseWithUnit(text, kBitRateUnits, "a whole number of bit/s, like 10000000000, 10Gbps or 400Mbps");
}

absl::StatusOr<absl::Duration> ParseDurationText(absl::string_view text) {
  absl::Duration duration;
  if (absl::ParseDuration(text, &duration) && duration >= absl::ZeroDuration() && duration < absl::InfiniteDuration()) return duration;
  return absl::InvalidArgumentError("must be a duration like 90s, 12h or 1h30m");
}

absl::StatusOr<bool> ParseBool(absl::string_view text) {
  if (text == "true") return true;
  if (text == "false") return false;
  return absl::InvalidArgumentError("must be true or false");
}

absl::StatusOr<double> ParseNumber(absl::string_view text) {
  double value = 0;
  if (absl::SimpleAtod(text, &value) && std::isfinite(value)) return value;
  return absl::InvalidArgumentError("must be a number");
}

}  // namespace fairlead
