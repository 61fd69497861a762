#include "services/ingest/vrp_file.h"

#include <sys/stat.h>

#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/checkpoint/file.h"

namespace fairlead::ingest {
namespace {

absl::StatusOr<Vrp> ParseLine(absl::string_view line) {
  const std::vector<absl::string_view> fields = absl::StrSplit(line, absl::MaxSplits(',', 3));
  if (fields.size() < 3) return InvalidField("row", line, "want ASN,prefix,max length");
  Vrp vrp;
  absl::string_view asn = absl::StripAsciiWhitespace(fields[0]);
  if (absl::StartsWithIgnoreCase(asn, "AS")) asn.remove_prefix(2);
  if (!absl::SimpleAtoi(asn, &vrp.asn)) return InvalidField("ASN", fields[0], "want an AS number");
  ASSIGN_OR_RETURN(vrp.prefix, Prefix::Parse(absl::StripAsciiWhitespace(fields[1]), "prefix"));
  const absl::string_view max_length = absl::StripAsciiWhitespace(fields[2]);
  const int longest = vrp.prefix.address().is_v4() ? 32 : 128;
  vrp.max_length = vrp.prefix.length();
  if (!max_length.empty() &&
      (!absl::SimpleAtoi(max_length, &vrp.max_length) || vrp.max_length < vrp.prefix.length() || vrp.max_length > longest)) {
    return InvalidField("max length", max_length, absl::StrCat("want ", vrp.prefix.length(), " to ", longest));
  }
  return vrp;
}

bool IsHeader(absl::string_view line) {
  return absl::StartsWithIgnoreCase(line, "ASN,");
}

}  // namespace

absl::StatusOr<VrpTable> ParseVrpCsv(absl::string_view text) {
  VrpTable table;
  for (int number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const absl::string_view line = absl::StripAsciiWhitespace(text.substr(0, end));
    // A number that was cut off would still be a number.
    if (end == absl::string_view::npos) return absl::InvalidArgumentError(absl::StrCat("line ", number, ": does not end"));
    text.remove_prefix(end + 1);
    if (line.empty() || (number == 1 && IsHeader(line))) continue;
    const absl::StatusOr<Vrp> vrp = ParseLine(line);
    if (!vrp.ok()) return absl::InvalidArgumentError(absl::StrCat("line ", number, ": ", vrp.status().message()));
    table.Add(*vrp);
  }
  return table;
}

absl::StatusOr<bool> VrpFile::Poll() {
  struct stat found = {};
  const bool there = stat(path_.c_str(), &found) == 0;
  const Stamp stamp = there ? Stamp(found.st_mtim.tv_sec, found.st_mtim.tv_nsec, found.st_size, found.st_ino) : Stamp();
  if (looked_ && stamp == stamp_) return false;
  looked_ = true;
  stamp_ = stamp;
  if (!there) return absl::UnavailableError(absl::StrCat("vrp_file '", path_, "': can't be read"));
  if (static_cast<uint64_t>(found.st_size) > kMaxBytes) {
    return absl::InvalidArgumentError(absl::StrCat("vrp_file '", path_, "': has ", found.st_size, " bytes, at most ", kMaxBytes));
  }
  const absl::StatusOr<std::string> text = ReadFile(path_, kMaxBytes);
  if (!text.ok()) return absl::UnavailableError(absl::StrCat("vrp_file '", path_, "': can't be read: ", text.status().message()));
  absl::StatusOr<VrpTable> table = ParseVrpCsv(*text);
  if (!table.ok()) return absl::InvalidArgumentError(absl::StrCat("vrp_file '", path_, "': ", table.status().message()));
  table_ = std::make_shared<const VrpTable>(*std::move(table));
  return true;
}

}  // namespace fairlead::ingest
