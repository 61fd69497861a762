// The commands, each as a function over a Context: called by app.cc with what the command line said, and by tests. They print to the
// context's output and return OK, a usage error, or what a server answered.
#ifndef FAIRLEAD_SERVICES_CLI_COMMANDS_H_
#define FAIRLEAD_SERVICES_CLI_COMMANDS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "services/cli/context.h"

namespace fairlead::cli {

// --- get.cc ---
struct GetArguments {
  std::string kind = {};
  std::string name = {};
  std::string site = {};
  std::string appliance = {};
  bool dropped = false;
  // < 0 = the kind's own limit; 0 = all.
  int64_t limit = -1;
};
absl::Status Get(Context& context, const GetArguments& arguments);

// --- describe.cc ---
// A resource in full, with what belongs to it on other servers. A server that can't be asked is told in its section.
absl::Status Describe(Context& context, const std::string& kind, const std::string& name);

// --- apply.cc ---
struct ApplyArguments {
  // "-" = standard input.
  std::string file = {};
  bool dry_run = false;
  bool prune = false;
};
absl::Status Apply(Context& context, const ApplyArguments& arguments);

// --- admin.cc ---
struct SetStateArguments {
  std::string appliance = {};
  // "live", "DRAINING", …
  std::string state = {};
  std::string reason = {};
};
absl::Status SetState(Context& context, const SetStateArguments& arguments);
absl::Status EnrollToken(Context& context, const std::string& appliance);
absl::Status CreateKey(Context& context, const std::string& id);
absl::Status RevokeKey(Context& context, const std::string& key);

// --- drain.cc ---
struct DrainArguments {
  // "appliances/x" or "sites/x".
  std::string target = {};
  // RFC 3339, or "+2h": from now, and from the start. Empty = at once, and without an end.
  std::string from = {};
  std::string to = {};
  std::string reason = {};
  // Return when every box is DRAINED.
  bool wait = false;
};
absl::Status CreateDrain(Context& context, const DrainArguments& arguments);
absl::Status CancelDrain(Context& context, const std::string& name);

// --- steer.cc, steer_clients.cc, explain.cc ---
struct SteerArguments {
  std::string client = {};
  std::string title = {};
  std::string version = {};
  std::vector<std::string> renditions = {};
  int max_urls = 0;
  std::string session_id = {};
  // Print the URLs, one a line.
  bool urls = false;
  // A file of clients, one a line; "-" = standard input. Instead of `client`.
  std::string clients = {};
  // A line of it that is no address ends the command.
  bool strict = false;
};
absl::Status SteerClients(Context& context, const SteerArguments& arguments);
absl::Status Steer(Context& context, const SteerArguments& arguments);
absl::Status Explain(Context& context, const SteerArguments& arguments);

// --- fill.cc ---
absl::Status MakePlan(Context& context, bool dry_run);

// --- catalog.cc ---
struct ImportArguments {
  std::string directory = {};
  // Where the origin serves from; empty = don't copy.
  std::string origin_root = {};
  bool dry_run = false;
};
absl::Status ImportCatalog(Context& context, const ImportArguments& arguments);

// --- version.cc ---
absl::Status Version(Context& context);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_COMMANDS_H_
