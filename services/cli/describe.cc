#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "fairlead/content/v1/catalog_service.pb.h"
#include "fairlead/registry/v1/registry_service.pb.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/describe_text.h"
#include "services/cli/drain_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/fill_text.h"
#include "services/cli/fleet.h"
#include "services/cli/kinds.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using google::protobuf::Message;

// One resource and what belongs to it, in sections: as text one below the other, as JSON one object with a field a section.
class Report {
 public:
  explicit Report(Context& context) : context_(context) {}

  void Add(const std::string& title, const std::string& key, const Message& message, const std::string& text) {
    if (context_.json()) {
      json_.push_back(absl::StrCat("\"", key, "\": ", JsonText(message)));
    } else {
      text_.push_back(absl::StrCat(title, "\n", text));
    }
  }

  // What can't be had doesn't hide the rest.
  void AddMissing(const std::string& title, const absl::Status& why) {
    const std::string line = std::vector<std::string>(absl::StrSplit(why.message(), '\n')).front();
    if (context_.json()) {
      context_.Note(absl::StrCat(title, ": ", line));
    } else {
      text_.push_back(absl::StrCat(title, "\n  not available: ", Printable(line), "\n"));
    }
  }

  void AddList(const std::string& title, const std::string& key, const Kind& kind, const absl::StatusOr<MessagePtr>& list) {
    if (!list.ok()) return AddMissing(title, list.status());
    const std::vector<const Message*> items = ItemsOf(**list);
    Add(title, key, **list, items.empty() ? "  none\n" : TableOf(kind, items).Render(2));
  }

  void Print() {
    if (context_.json()) {
      context_.out() << "{" << absl::StrJoin(json_, ",") << "}\n";
    } else {
      context_.out() << absl::StrJoin(text_, "\n");
    }
  }

 private:
  Context& context_;
  std::vector<std::string> text_;
  std::vector<std::string> json_;
};

absl::StatusOr<MessagePtr> List(Context& context, const std::string& plural, const ListOptions& options) {
  return FindKind(plural)->list(context, options);
}

std::string DropsText(const ingest::v1::ApplianceState& state) {
  if (state.dropped_routes().empty()) return "  none\n";
  Table table({{"REASON"}, {"ROUTES", Align::kRight}});
  for (const ingest::v1::DropCount& drop : state.dropped_routes()) table.Add({drop.reason(), absl::StrCat(drop.count())});
  return absl::StrCat(table.Render(2), "  each of them: fairlead get routes ", ShortName(state.appliance()), " --dropped\n");
}

std::string FillsText(const ingest::v1::ApplianceState& state) {
  if (state.fills().empty()) return "";
  Table table({{"FILE", Align::kRight}, {"STATE"}, {"DONE", Align::kRight}, {"FROM"}, {"CLASS"}, {"DETAIL"}});
  for (const ingest::v1::FileFill& fill : state.fills()) {
    table.Add({absl::StrCat(fill.file_number()), Word(fill.state()), HumanBytes(fill.bytes_done()), ShortName(fill.source()),
               fill.source_class(), fill.detail()});
  }
  return table.Render(2);
}

void AddState(Report& report, Context& context, const std::string& name) {
  const absl::StatusOr<ingest::v1::ApplianceState> state = GetState(context, name);
  if (!state.ok()) return report.AddMissing("State", state.status());
  // Sessions, fills and drops have tables of their own below.
  ingest::v1::ApplianceState rest = *state;
  rest.clear_fills();
  rest.clear_dropped_routes();
  rest.mutable_last_heartbeat()->clear_bgp_sessions();
  rest.mutable_last_heartbeat()->clear_fill();
  report.Add("State, as the box reports", "state", *state, DescribeText(rest, 2));
  if (context.json()) return;
  Table sessions({{"SESSION"}, {"STATE"}, {"ROUTES V4", Align::kRight}, {"ROUTES V6", Align::kRight}, {"LAST ERROR"}});
  for (const ingest::v1::BgpSessionStatus& session : state->last_heartbeat().bgp_sessions()) {
    sessions.Add({ShortName(session.session()), session.state(), absl::StrCat(session.routes_v4()), absl::StrCat(session.routes_v6()),
                  session.last_error()});
  }
  report.Add("BGP, as the box sees it", "", *state, sessions.size() == 0 ? "  no sessions\n" : sessions.Render(2));
  report.Add("Fill, as the box sees it", "", *state, absl::StrCat(DescribeText(state->last_heartbeat().fill(), 2), FillsText(*state)));
  report.Add("Dropped routes", "", *state, DropsText(*state));
}

void AddProgress(Report& report, Context& context, const std::string& name) {
  const absl::StatusOr<MessagePtr> progress = FindKind("progress")->get(context, name);
  if (!progress.ok()) return report.AddMissing("Fill, as planned", progress.status());
  report.Add("Fill, as planned", "progress", **progress, DescribeText(**progress, 2));
}

void DescribeAppliance(Report& report, Context& context, const std::string& name) {
  report.AddList("BGP sessions, as registered", "sessions", *FindKind("sessions"), List(context, "sessions", {.appliance = name}));
  AddState(report, context, name);
  AddProgress(report, context, name);
}

// The states of some boxes, asked one by one: a site has few, the fleet many.
void AddStates(Report& report, Context& context, const std::vector<std::string>& names) {
  ingest::v1::ListApplianceStatesResponse states;
  for (const std::string& name : names) {
    const absl::StatusOr<ingest::v1::ApplianceState> state = GetState(context, name);
    if (state.ok()) {
      *states.add_appliance_states() = *state;
    } else if (!absl::IsNotFound(state.status())) {
      return report.AddMissing("States of its boxes", state.status());
    }
  }
  const std::vector<const Message*> items = ItemsOf(states);
  report.Add("States of its boxes", "states", states,
             items.empty() ? "  no box has reported\n" : TableOf(*FindKind("states"), items).Render(2));
}

void DescribeSite(Report& report, Context& context, const std::string& name) {
  report.AddList("Links", "links", *FindKind("links"), List(context, "links", {.site = name}));
  report.AddList("Clusters", "clusters", *FindKind("clusters"), List(context, "clusters", {.site = name}));
  const absl::StatusOr<MessagePtr> boxes = List(context, "appliances", {.site = name});
  report.AddList("Boxes, as registered", "appliances", *FindKind("appliances"), boxes);
  if (!boxes.ok()) return;
  std::vector<std::string> names;
  for (const Message* box : ItemsOf(**boxes)) names.push_back(dynamic_cast<const registry::v1::Appliance&>(*box).name());
  AddStates(report, context, names);
}

void DescribePartner(Report& report, Context& context, const std::string& name) {
  absl::StatusOr<MessagePtr> sites = List(context, "sites", {});
  if (sites.ok()) {
    auto& all = *dynamic_cast<registry::v1::ListSitesResponse&>(**sites).mutable_sites();
    all.erase(std::remove_if(all.begin(), all.end(), [&](const auto& site) { return site.partner() != name; }), all.end());
  }
  report.AddList("Sites", "sites", *FindKind("sites"), sites);
  absl::StatusOr<MessagePtr> sessions = List(context, "sessions", {});
  if (sessions.ok()) {
    auto& all = *dynamic_cast<registry::v1::ListBgpSessionsResponse&>(**sessions).mutable_bgp_sessions();
    all.erase(std::remove_if(all.begin(), all.end(), [&](const auto& session) { return session.partner() != name; }), all.end());
  }
  report.AddList("BGP sessions", "sessions", *FindKind("sessions"), sessions);
}

std::string TitleText(const content::v1::Title& title) {
  content::v1::Title head = title;
  head.clear_versions();
  std::string text = DescribeText(head, 2);
  for (const content::v1::TitleVersion& version : title.versions()) {
    Table table({{"RENDITION"},
                 {"KIND"},
                 {"BIT RATE", Align::kRight},
                 {"PICTURE"},
                 {"LANGUAGE"},
                 {"CODECS"},
                 {"FILE", Align::kRight},
                 {"SIZE", Align::kRight},
                 {"SEGMENTS", Align::kRight}});
    for (const content::v1::Rendition& r : version.renditions()) {
      table.Add({r.rendition(), Word(r.kind()), HumanBits(r.bandwidth_bps()),
                 r.width() == 0 ? "" : absl::StrCat(r.width(), "×", r.height()), r.language(), r.codecs(),
                 absl::StrCat(r.file().file_number()), HumanBytes(r.file().size_bytes()), absl::StrCat(r.file().segment_count())});
    }
    absl::StrAppend(&text, "\nVersion ", version.version(), version.version() == title.current_version() ? " (current)" : "", "\n",
                    table.Render(2));
  }
  return text;
}

std::string MainText(const Message& resource) {
  if (const auto* title = dynamic_cast<const content::v1::Title*>(&resource)) return TitleText(*title);
  if (const auto* plan = dynamic_cast<const fill::v1::Plan*>(&resource)) return PlanText(*plan);
  if (const auto* drain = dynamic_cast<const registry::v1::Drain*>(&resource)) return DrainText(*drain);
  return DescribeText(resource, 2);
}

}  // namespace

absl::Status Describe(Context& context, const std::string& kind_word, const std::string& name_text) {
  const Kind* kind = FindKind(kind_word);
  if (kind == nullptr) return UsageError(absl::StrCat("KIND ", Quoted(kind_word), ": want one of ", KindWords()));
  if (kind->get == nullptr) return UsageError(absl::StrCat(kind->plural, " can't be described; fairlead get ", kind->plural));
  ASSIGN_OR_RETURN(const std::string name, FullName(name_text, kind->collection));
  ASSIGN_OR_RETURN(const MessagePtr resource, kind->get(context, name));
  Report report(context);
  report.Add(absl::StrCat(kind->singular, " ", ShortName(name)), kind->singular, *resource, MainText(*resource));
  if (kind->plural == "appliances") DescribeAppliance(report, context, name);
  if (kind->plural == "sites") DescribeSite(report, context, name);
  if (kind->plural == "partners") DescribePartner(report, context, name);
  report.Print();
  return absl::OkStatus();
}

}  // namespace fairlead::cli
