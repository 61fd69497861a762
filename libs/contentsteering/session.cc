#include "libs/contentsteering/session.h"

#include <algorithm>

#include "absl/algorithm/container.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

constexpr size_t kMaxPathwayId = 70;

absl::Status ValidatePathwayId(absl::string_view id, absl::string_view field) {
  const bool plain = absl::c_all_of(id, [](char c) { return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '.' || c == '-'; });
  if (id.empty() || id.size() > kMaxPathwayId || !plain) return InvalidField(field, id, "must be [a-z0-9.-]{1,70}");
  return absl::OkStatus();
}

SessionPathway* Find(SteeringSession& session, absl::string_view id) {
  const auto found = absl::c_find_if(session.pathways, [&](const SessionPathway& pathway) { return pathway.id == id; });
  return found == session.pathways.end() ? nullptr : &*found;
}

absl::StatusOr<SessionPathway*> Add(SteeringSession& session, absl::string_view id, absl::string_view field) {
  RETURN_IF_ERROR(ValidatePathwayId(id, field));
  if (Find(session, id) != nullptr) return InvalidField(field, id, "stands there twice");
  if (session.pathways.size() == SteeringSession::kMaxPathways) {
    return InvalidField(field, id, absl::StrCat("is one too many: at most ", SteeringSession::kMaxPathways, " pathways"));
  }
  session.pathways.push_back({.id = std::string(id)});
  return &session.pathways.back();
}

// "north-1:box-a,box-b;ix-1:box-c"
absl::Status ParseBoxes(absl::string_view text, SteeringSession& session) {
  for (const absl::string_view part : absl::StrSplit(text, ';', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(part, absl::MaxSplits(':', 1));
    SessionPathway* pathway = Find(session, sides.first);
    if (pathway == nullptr) {
      ASSIGN_OR_RETURN(pathway, Add(session, sides.first, "at"));
      pathway->listed = false;
    }
    if (!pathway->boxes.empty()) return InvalidField("at", sides.first, "stands there twice");
    for (const absl::string_view box : absl::StrSplit(sides.second, ',', absl::SkipEmpty())) {
      if (pathway->boxes.size() == SessionPathway::kMaxBoxes) {
        return InvalidField("at", sides.first, absl::StrCat("at most ", SessionPathway::kMaxBoxes, " boxes"));
      }
      ASSIGN_OR_RETURN(ApplianceId id, ApplianceId::Parse(box, "at"));
      pathway->boxes.push_back(std::move(id));
    }
  }
  return absl::OkStatus();
}

absl::Status ParseCount(absl::string_view field, absl::string_view text, uint32_t& count) {
  if (!absl::SimpleAtoi(text, &count) || count > SteeringSession::kMaxCount) {
    return InvalidField(field, text, absl::StrCat("must be a whole number up to ", SteeringSession::kMaxCount));
  }
  return absl::OkStatus();
}

// "ix-1:7;ix-2:3"
absl::Status ParseAvoided(absl::string_view text, SteeringSession& session) {
  for (const absl::string_view part : absl::StrSplit(text, ';', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> sides = absl::StrSplit(part, absl::MaxSplits(':', 1));
    SessionPathway* pathway = Find(session, sides.first);
    if (pathway == nullptr) return InvalidField("not", sides.first, "is no pathway of this session");
    RETURN_IF_ERROR(ParseCount("not", sides.second, pathway->avoid));
  }
  return absl::OkStatus();
}

absl::Status ParseParameter(const std::string& name, const std::string& value, SteeringSession& session) {
  if (name == "title") {
    ASSIGN_OR_RETURN(session.title, TitleId::ParseName(value, "title"));
  } else if (name == "version" && !value.empty()) {
    RETURN_IF_ERROR(ValidateId(value, "version"));
    session.version = value;
  } else if (name == "stay") {
    return ParseCount("stay", value, session.stay);
  } else if (name == "round") {
    return ParseCount("round", value, session.round);
  } else if (name == "seed") {
    if (!absl::SimpleHexAtoi(value, &session.seed)) return InvalidField("seed", value, "must be up to eight hexadecimal digits");
  }
  return absl::OkStatus();
}

// Without the spaces and quotes that some players put around a list, or around each of its items.
absl::string_view Unquoted(absl::string_view text) {
  const auto strip = [](char c) { return c == '"' || absl::ascii_isspace(static_cast<unsigned char>(c)); };
  while (!text.empty() && strip(text.front())) text.remove_prefix(1);
  while (!text.empty() && strip(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<absl::string_view> Items(absl::string_view value) {
  std::vector<absl::string_view> items;
  for (const absl::string_view item : absl::StrSplit(value, ',')) {
    if (items.size() < PlayerReport::kMaxItems) items.push_back(Unquoted(item));
  }
  return items;
}

const std::string* Last(const QueryFields& query, absl::string_view name) {
  const std::string* last = nullptr;
  for (const auto& [key, value] : query) {
    if (key == name) last = &value;
  }
  return last;
}

}  // namespace

std::string SteeringUri(absl::string_view base, const SteeringSession& session) {
  std::vector<std::string> listed, boxes, avoided;
  for (const SessionPathway& pathway : session.pathways) {
    if (pathway.listed) listed.push_back(pathway.id);
    boxes.push_back(absl::StrCat(pathway.id, ":", absl::StrJoin(pathway.boxes, ",", [](std::string* out, const ApplianceId& box) {
                                   absl::StrAppend(out, box.value());
                                 })));
    if (pathway.avoid > 0) avoided.push_back(absl::StrCat(pathway.id, ":", pathway.avoid));
  }
  return absl::StrCat(base, kSteeringPath, absl::StrJoin(listed, "/"), "?title=", session.title.name(), "&version=", session.version,
                      "&at=", absl::StrJoin(boxes, ";"), "&not=", absl::StrJoin(avoided, ";"), "&stay=", session.stay,
                      "&seed=", absl::Hex(session.seed), "&round=", session.round);
}

absl::StatusOr<SteeringSession> ParseSteeringSession(absl::string_view path, const QueryFields& query) {
  SteeringSession session;
  if (!absl::ConsumePrefix(&path, kSteeringPath)) return InvalidField("path", path, absl::StrCat("must begin with ", kSteeringPath));
  for (const absl::string_view id : absl::StrSplit(path, '/')) RETURN_IF_ERROR(Add(session, id, "path").status());
  for (const auto& [name, value] : query) RETURN_IF_ERROR(ParseParameter(name, value, session));
  if (session.title.empty()) return InvalidField("title", "", "must be given");
  if (const std::string* boxes = Last(query, "at"); boxes != nullptr) RETURN_IF_ERROR(ParseBoxes(*boxes, session));
  if (const std::string* avoided = Last(query, "not"); avoided != nullptr) RETURN_IF_ERROR(ParseAvoided(*avoided, session));
  return session;
}

PlayerReport ParsePlayerReport(const QueryFields& query) {
  PlayerReport report;
  for (const absl::string_view name : {"_HLS_pathway", "_DASH_pathway"}) {
    const std::string* value = Last(query, name);
    if (value == nullptr || !report.pathways.empty()) continue;
    for (const absl::string_view item : Items(*value)) {
      if (!item.empty()) report.pathways.emplace_back(item);
    }
  }
  for (const absl::string_view name : {"_HLS_throughput", "_DASH_throughput"}) {
    const std::string* value = Last(query, name);
    if (value == nullptr || !report.throughputs_bps.empty()) continue;
    for (const absl::string_view item : Items(*value)) {
      uint64_t throughput = 0;
      if (absl::SimpleAtoi(item, &throughput)) report.throughputs_bps.push_back(throughput);
    }
  }
  return report;
}

}  // namespace fairlead
