// The kinds of things that `fairlead get` lists: for each its words, how to read it from its server, and its row in a table.
//
//   const Kind* kind = FindKind("sites");
//   ASSIGN_OR_RETURN(const MessagePtr list, kind->list(context, {.site = "sites/lhr001"}));
//
// A kind is added here with one entry, in the file of the server that owns it (registry_kinds.cc, fleet_kinds.cc, content_kinds.cc).
#ifndef FAIRLEAD_SERVICES_CLI_KINDS_H_
#define FAIRLEAD_SERVICES_CLI_KINDS_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"
#include "services/cli/context.h"
#include "services/cli/names.h"
#include "services/cli/table.h"

namespace fairlead::cli {

using MessagePtr = std::unique_ptr<google::protobuf::Message>;

// What `get` was asked for. Names are full resource names, or empty for no such filter.
struct ListOptions {
  std::string site = {};
  std::string appliance = {};
  // Of audit records.
  std::string resource = {};
  // Of routes: only those that were dropped.
  bool dropped = false;
  // 0 = all.
  int64_t limit = 0;
};

// By which other resource a list can be narrowed.
enum class Filter { kNone, kSite, kAppliance };

struct Kind {
  // "sites", "site".
  std::string plural = {};
  std::string singular = {};
  // "sites"; what stands before the slash of a name.
  std::string collection = {};
  // For the help: "places with appliances".
  std::string summary = {};
  Filter filter = Filter::kNone;
  // The list's limit unless --limit is given; 0 = all.
  int64_t default_limit = 0;

  // The whole list as one response message.
  std::function<absl::StatusOr<MessagePtr>(Context&, const ListOptions&)> list = {};
  // One resource by its full name. Empty for the kinds whose name is a filter of the list (routes, audit).
  std::function<absl::StatusOr<MessagePtr>(Context&, const std::string& name)> get = {};

  std::vector<Column> columns = {};
  std::function<Row(const google::protobuf::Message&)> row = {};
};

// All of them, in the order of the help.
const std::vector<Kind>& Kinds();

// By plural or singular, any case ("BGP sessions" are "sessions"); null if there is none.
const Kind* FindKind(absl::string_view word);

// "partners, sites, …", for messages.
std::string KindWords();

// The table of these resources of one kind.
Table TableOf(const Kind& kind, const std::vector<const google::protobuf::Message*>& resources);

// Parts of the list, each by the server that owns them.
std::vector<Kind> RegistryKinds();
std::vector<Kind> FleetKinds();
std::vector<Kind> ContentKinds();

// Adapts a row function of one resource type.
template <typename Resource>
std::function<Row(const google::protobuf::Message&)> RowOf(Row (*row)(const Resource&)) {
  return [row](const google::protobuf::Message& message) { return row(dynamic_cast<const Resource&>(message)); };
}

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_KINDS_H_
