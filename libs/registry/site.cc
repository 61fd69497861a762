#include "libs/registry/site.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/registry/check.h"

namespace fairlead::registry {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);

absl::Status ValidateDegrees(absl::string_view field, double value, double most) {
  if (std::isfinite(value) && std::abs(value) <= most) return absl::OkStatus();
  return InvalidField(field, absl::StrCat(value), absl::StrCat("must be in [-", most, ", ", most, "]"));
}

// "HH:MM"
bool IsTimeOfDay(absl::string_view text) {
  if (text.size() != 5 || text[2] != ':') return false;
  for (const int i : {0, 1, 3, 4}) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(text[i]))) return false;
  }
  return text.substr(0, 2) <= "23" && text[3] <= '5';
}

absl::Status ValidateWindow(const FillWindow& window) {
  if (!IsTimeOfDay(window.start)) return InvalidField("site.fill_window.start", window.start, "must be HH:MM, from 00:00 to 23:59");
  if (window.length > absl::ZeroDuration() && window.length <= kDay) return absl::OkStatus();
  return InvalidField("site.fill_window.length", absl::FormatDuration(window.length), "must be more than 0 and at most 24h");
}

// The form only; whether the zone exists is known to the edge, which has the zone files.
absl::Status ValidateZoneName(absl::string_view zone) {
  const bool valid = !zone.empty() && zone.size() <= 64 && zone.front() != '/' &&
                     std::all_of(zone.begin(), zone.end(),
                                 [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_' || c == '+' || c == '-' || c == '/'; });
  if (valid) return absl::OkStatus();
  return InvalidField("site.time_zone", zone, "must be an IANA zone like 'Europe/London'");
}

absl::Status ValidateCountry(absl::string_view country) {
  const auto upper = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (country.empty() || (country.size() == 2 && upper(country[0]) && upper(country[1]))) return absl::OkStatus();
  return InvalidField("site.country", country, "must be two capital letters (ISO 3166-1 alpha-2)");
}

}  // namespace

void Normalize(Site& site) {
  if (site.time_zone.empty()) site.time_zone = "UTC";
  if (!site.fill_window.has_value()) site.fill_window.emplace();
  if (site.fill_window->start.empty()) site.fill_window->start = "02:00";
  if (site.fill_window->length == absl::ZeroDuration()) site.fill_window->length = absl::Hours(12);
}

absl::Status Validate(const Site& site) {
  RETURN_IF_ERROR(CheckText("site.display_name", site.display_name));
  RETURN_IF_ERROR(CheckSet("site.kind", site.kind));
  if (site.kind == SiteKind::kEmbedded) {
    RETURN_IF_ERROR(CheckSet("site.partner", site.partner));
  } else {
    RETURN_IF_ERROR(CheckUnset("site.partner", site.partner, "only an EMBEDDED site has a partner"));
  }
  if (site.coordinates.has_value()) {
    RETURN_IF_ERROR(ValidateDegrees("site.coordinates.latitude", site.coordinates->latitude, 90));
    RETURN_IF_ERROR(ValidateDegrees("site.coordinates.longitude", site.coordinates->longitude, 180));
  }
  RETURN_IF_ERROR(ValidateCountry(site.country));
  RETURN_IF_ERROR(ValidateZoneName(site.time_zone));
  if (site.fill_window.has_value()) RETURN_IF_ERROR(ValidateWindow(*site.fill_window));
  if (!site.open_to_unrouted || site.kind == SiteKind::kIx) return absl::OkStatus();
  return InvalidField("site.open_to_unrouted", "true", "only an IX site can be open to clients that no route matches");
}

absl::Status CheckIn(const Fleet&, const Site&) {
  return absl::OkStatus();
}

std::vector<UniqueKey> UniqueKeys(const Site&) {
  return {};
}

}  // namespace fairlead::registry
