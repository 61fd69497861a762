#include "services/cli/units.h"

#include <cmath>
#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace fairlead::cli {
namespace {

constexpr const char* kPrefixes[] = {"", "k", "M", "G", "T", "P", "E"};

std::string Scaled(int64_t value, const char* unit) {
  double scaled = std::abs(static_cast<double>(value));
  size_t prefix = 0;
  // From 999.5 on, the three digits would round to 1000 of the smaller unit.
  while (scaled >= 999.5 && prefix + 1 < std::size(kPrefixes)) {
    scaled /= 1000;
    ++prefix;
  }
  std::string digits;
  if (prefix == 0) {
    digits = absl::StrFormat("%.0f", scaled);
  } else if (scaled < 9.95) {
    digits = absl::StrFormat("%.1f", scaled);
  } else if (scaled < 99.95 && std::round(scaled * 10) != std::round(scaled) * 10) {
    digits = absl::StrFormat("%.1f", scaled);
  } else {
    digits = absl::StrFormat("%.0f", scaled);
  }
  return absl::StrCat(value < 0 ? "-" : "", digits, " ", kPrefixes[prefix], unit);
}

}  // namespace

std::string HumanBits(int64_t bits_per_second) {
  return Scaled(bits_per_second, "bit/s");
}

std::string HumanBytes(int64_t bytes) {
  return Scaled(bytes, "B");
}

std::string HumanShare(double share) {
  return absl::StrFormat("%.0f %%", share * 100);
}

std::string HumanAge(absl::Duration age) {
  if (age <= absl::ZeroDuration()) return "0s";
  if (age == absl::InfiniteDuration()) return "forever";
  if (age < absl::Seconds(9.95)) return absl::StrFormat("%.1fs", absl::ToDoubleSeconds(age));
  const int64_t seconds = absl::ToInt64Seconds(age + absl::Milliseconds(500));
  if (seconds < 60) return absl::StrCat(seconds, "s");
  if (seconds < 3600) return absl::StrCat(seconds / 60, "m", seconds % 60, "s");
  if (seconds < 86400) return absl::StrCat(seconds / 3600, "h", seconds % 3600 / 60, "m");
  return absl::StrCat(seconds / 86400, "d", seconds % 86400 / 3600, "h");
}

std::string HumanAge(const google::protobuf::Duration& age) {
  return HumanAge(absl::Seconds(age.seconds()) + absl::Nanoseconds(age.nanos()));
}

std::string HumanTime(const google::protobuf::Timestamp& time) {
  if (time.seconds() == 0 && time.nanos() == 0) return "";
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", absl::FromUnixSeconds(time.seconds()), absl::UTCTimeZone());
}

}  // namespace fairlead::cli
