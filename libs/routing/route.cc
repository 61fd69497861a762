#include "libs/routing/route.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace fairlead {
namespace {

bool IsConfederation(const AsPathSegment& segment) {
  return segment.kind == AsPathSegment::Kind::kConfedSequence || segment.kind == AsPathSegment::Kind::kConfedSet;
}

std::string SegmentText(const AsPathSegment& segment) {
  switch (segment.kind) {
    case AsPathSegment::Kind::kSequence:
      return absl::StrJoin(segment.asns, " ");
    case AsPathSegment::Kind::kSet:
      return absl::StrCat("{", absl::StrJoin(segment.asns, ","), "}");
    case AsPathSegment::Kind::kConfedSequence:
      return absl::StrCat("(", absl::StrJoin(segment.asns, " "), ")");
    case AsPathSegment::Kind::kConfedSet:
      return absl::StrCat("[", absl::StrJoin(segment.asns, ","), "]");
  }
  return "?";
}

}  // namespace

int PathLength(const AsPath& path) {
  int length = 0;
  for (const AsPathSegment& segment : path) {
    if (segment.kind == AsPathSegment::Kind::kSequence) length += static_cast<int>(segment.asns.size());
    if (segment.kind == AsPathSegment::Kind::kSet && !segment.asns.empty()) ++length;
  }
  return length;
}

std::optional<uint32_t> FirstAs(const AsPath& path) {
  for (const AsPathSegment& segment : path) {
    if (IsConfederation(segment) || segment.asns.empty()) continue;
    if (segment.kind == AsPathSegment::Kind::kSequence) return segment.asns.front();
    return std::nullopt;
  }
  return std::nullopt;
}

std::optional<uint32_t> OriginAs(const AsPath& path) {
  if (path.empty() || path.back().kind != AsPathSegment::Kind::kSequence || path.back().asns.empty()) return std::nullopt;
  return path.back().asns.back();
}

std::string ToString(const AsPath& path) {
  return absl::StrJoin(path, " ", [](std::string* out, const AsPathSegment& segment) { absl::StrAppend(out, SegmentText(segment)); });
}

}  // namespace fairlead
