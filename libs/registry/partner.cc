#include "libs/registry/partner.h"

#include <utility>

#include "absl/container/btree_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/net/prefix.h"
#include "libs/registry/check.h"

namespace fairlead::registry {
namespace {

constexpr size_t kMaxAsns = 256;
constexpr size_t kMaxPrefixes = 10'000;
constexpr size_t kMaxContacts = 32;

absl::Status ValidateContact(const std::string& field, const Contact& contact) {
  RETURN_IF_ERROR(CheckText(field + ".name", contact.name));
  RETURN_IF_ERROR(CheckText(field + ".email", contact.email));
  RETURN_IF_ERROR(CheckText(field + ".phone", contact.phone));
  RETURN_IF_ERROR(CheckText(field + ".role", contact.role));
  if (!contact.email.empty() && !absl::StrContains(contact.email, "@")) {
    return InvalidField(field + ".email", contact.email, "must have an '@'");
  }
  return absl::OkStatus();
}

absl::Status ValidateAsSet(absl::string_view as_set) {
  RETURN_IF_ERROR(CheckText("partner.as_set", as_set, 128));
  for (const char c : as_set) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && !absl::StrContains(":_-", absl::string_view(&c, 1))) {
      return InvalidField("partner.as_set", as_set, "must be like 'AS64500:AS-EXAMPLE'");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidatePrefixes(const std::vector<std::string>& prefixes) {
  RETURN_IF_ERROR(CheckListSize("partner.allowed_prefixes", prefixes.size(), kMaxPrefixes));
  absl::btree_set<Prefix> seen;
  for (size_t i = 0; i < prefixes.size(); ++i) {
    const std::string field = absl::StrCat("partner.allowed_prefixes[", i, "]");
    const absl::StatusOr<Prefix> prefix = Prefix::Parse(prefixes[i], field);
    if (!prefix.ok()) return Attach(prefix.status(), field, prefixes[i]);
    if (prefix->length() == 0) return InvalidField(field, prefixes[i], "would allow every route");
    if (!seen.insert(*prefix).second) return InvalidField(field, prefixes[i], "is there twice");
  }
  return absl::OkStatus();
}

}  // namespace

// Sources: IANA "Special-Purpose AS Numbers"; RFC 6996, 7300, 4893.
bool IsPublicAsn(uint32_t asn) {
  const bool reserved = asn == 0 || asn == 23456 || asn == 65535 || (asn >= 65552 && asn <= 131071) || asn == 4294967295U;
  const bool for_private_use = (asn >= 64512 && asn <= 65534) || (asn >= 4200000000U && asn <= 4294967294U);
  return !reserved && !for_private_use;
}

void Normalize(Partner& partner) {
  for (std::string& text : partner.allowed_prefixes) {
    const absl::StatusOr<Prefix> prefix = Prefix::Parse(text);
    if (prefix.ok()) text = prefix->ToString();
  }
}

absl::Status Validate(const Partner& partner) {
  RETURN_IF_ERROR(CheckText("partner.display_name", partner.display_name));
  if (partner.asns.empty()) return InvalidField("partner.asns", "", "at least one public ASN is required");
  RETURN_IF_ERROR(CheckListSize("partner.asns", partner.asns.size(), kMaxAsns));
  RETURN_IF_ERROR(CheckDistinct("partner.asns", partner.asns));
  for (size_t i = 0; i < partner.asns.size(); ++i) {
    if (IsPublicAsn(partner.asns[i])) continue;
    return InvalidField(absl::StrCat("partner.asns[", i, "]"), absl::StrCat(partner.asns[i]), "is reserved or for private use");
  }
  RETURN_IF_ERROR(ValidateAsSet(partner.as_set));
  RETURN_IF_ERROR(ValidatePrefixes(partner.allowed_prefixes));
  RETURN_IF_ERROR(CheckListSize("partner.contacts", partner.contacts.size(), kMaxContacts));
  for (size_t i = 0; i < partner.contacts.size(); ++i) {
    RETURN_IF_ERROR(ValidateContact(absl::StrCat("partner.contacts[", i, "]"), partner.contacts[i]));
  }
  return CheckRange("partner.peak_traffic_bps", partner.peak_traffic_bps, 0, INT64_MAX);
}

absl::Status CheckIn(const Fleet&, const Partner&) {
  return absl::OkStatus();  // Overlaps are checked for all partners at once, in check_changes.h.
}

std::vector<UniqueKey> UniqueKeys(const Partner&) {
  return {};
}

}  // namespace fairlead::registry
