#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/exit_code.h"
#include "services/cli/table.h"

namespace fairlead::cli {
namespace {

using registry::v1::ApplyFleetRequest;
using registry::v1::ApplyFleetResponse;
using registry::v1::FieldChange;
using registry::v1::FleetChange;
using registry::v1::RegistryService;

// The server's limit; read here so that a wrong file (a disk image) is not read into memory.
constexpr size_t kMaxFleetBytes = 4 << 20;

absl::StatusOr<std::string> ReadAll(std::istream& in, const std::string& name) {
  std::string text;
  char buffer[1 << 16];
  while (in.read(buffer, sizeof buffer) || in.gcount() > 0) {
    text.append(buffer, static_cast<size_t>(in.gcount()));
    if (text.size() > kMaxFleetBytes) return UsageError(absl::StrCat(Quoted(name), ": more than 4 MiB"));
  }
  if (in.bad()) return UsageError(absl::StrCat(Quoted(name), ": can't be read"));
  return text;
}

absl::StatusOr<std::string> ReadFleetFile(Context& context, const std::string& file) {
  if (file == "-") return ReadAll(context.in(), "standard input");
  std::ifstream in(file, std::ios::binary);
  // A folder opens, but its first read fails; peek tells.
  if (!in || (in.peek() == std::ifstream::traits_type::eof() && in.bad())) {
    return UsageError(absl::StrCat("-f ", Quoted(file), ": can't be opened"));
  }
  return ReadAll(in, file);
}

const char* Sign(FleetChange::Action action) {
  switch (action) {
    case FleetChange::ACTION_CREATE:
      return "+ create";
    case FleetChange::ACTION_UPDATE:
      return "~ update";
    case FleetChange::ACTION_DELETE:
      return "- delete";
    default:
      return "? change";
  }
}

std::string ValueText(const std::string& value) {
  return value.empty() ? "(empty)" : Printable(value);
}

void PrintChanges(Context& context, const ApplyArguments& arguments, const ApplyFleetResponse& response) {
  int created = 0, updated = 0, deleted = 0;
  for (const FleetChange& change : response.changes()) {
    created += change.action() == FleetChange::ACTION_CREATE;
    updated += change.action() == FleetChange::ACTION_UPDATE;
    deleted += change.action() == FleetChange::ACTION_DELETE;
    context.out() << Sign(change.action()) << " " << Printable(change.resource()) << "\n";
    // What a new or a deleted resource consists of stands in the file.
    if (change.action() != FleetChange::ACTION_UPDATE) continue;
    for (const FieldChange& field : change.fields()) {
      context.out() << "    " << Printable(field.path()) << ": " << ValueText(field.before()) << " → " << ValueText(field.after()) << "\n";
    }
  }
  const char* did = arguments.dry_run ? "would be " : "";
  context.out() << created << " " << did << "created, " << updated << " " << did << "updated, " << deleted << " " << did << "deleted, "
                << response.unchanged_count() << " unchanged" << (arguments.dry_run ? " (dry run: nothing was changed)" : "") << "\n";
  if (response.unlisted_size() > 0) {
    context.Note(absl::StrCat(response.unlisted_size(), " in the registry but not in the file, and kept (--prune deletes them): ",
                              absl::StrJoin(response.unlisted(), ", ")));
  }
}

}  // namespace

absl::Status Apply(Context& context, const ApplyArguments& arguments) {
  ApplyFleetRequest request;
  ASSIGN_OR_RETURN(*request.mutable_fleet_yaml(), ReadFleetFile(context, arguments.file));
  request.set_dry_run(arguments.dry_run);
  request.set_prune(arguments.prune);
  if (!arguments.dry_run) request.set_request_id(NewRequestId());
  ASSIGN_OR_RETURN(const ApplyFleetResponse response,
                   context.Call<RegistryService>(context.registry(), &RegistryService::StubInterface::ApplyFleet, request));
  context.PrintJson(response);
  if (!context.json()) PrintChanges(context, arguments, response);
  return absl::OkStatus();
}

}  // namespace fairlead::cli
