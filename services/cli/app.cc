#include "services/cli/app.h"

#include <memory>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/exit_code.h"
#include "services/cli/kinds.h"
#include "services/cli/table.h"

namespace fairlead::cli {
namespace {

// What the parser fills in. `run` is set by the subcommand that was given.
struct Parsed {
  Settings settings;
  std::string timeout;
  std::string output;
  std::string principal;
  GetArguments get;
  ApplyArguments apply;
  SetStateArguments set_state;
  DrainArguments drain;
  SteerArguments steer;
  ImportArguments import;
  bool plan_dry_run = false;
  std::string kind, name, appliance, key, drain_to_cancel;
  std::function<absl::Status(Context&)> run;
};

using Action = std::function<absl::Status(Context&)>;

CLI::App* AddCommand(CLI::App& parent, Parsed& parsed, const std::string& name, const std::string& summary, const std::string& examples,
                     Action action) {
  CLI::App* command = parent.add_subcommand(name, summary);
  command->fallthrough();  // Global flags may stand behind the command.
  command->footer(examples.empty() ? "" : absl::StrCat("Examples:\n", examples));
  if (action != nullptr) command->callback([&parsed, action = std::move(action)] { parsed.run = action; });
  return command;
}

void AddReads(CLI::App& app, Parsed& p) {
  CLI::App* get = AddCommand(app, p, "get", "List resources, or one of them, as a table",
                             "  fairlead get sites\n  fairlead get appliances --site lhr001\n  fairlead get routes oca-1 --dropped\n"
                             "  fairlead get states -o json | jq '.applianceStates[].health'\n  fairlead get audit sites/lhr001 --limit 10",
                             [&p](Context& context) { return Get(context, p.get); });
  std::string kinds = "what to list:";
  for (const Kind& kind : Kinds()) absl::StrAppend(&kinds, "\n  ", kind.plural, std::string(12 - kind.plural.size(), ' '), kind.summary);
  get->add_option("KIND", p.get.kind, kinds)->required();
  get->add_option("NAME", p.get.name, "one of them; of routes: the box, of audit: the resource");
  get->add_option("--site", p.get.site, "only those of this site (links, clusters, appliances)");
  get->add_option("--appliance", p.get.appliance, "only those of this box (sessions, routes)");
  get->add_flag("--dropped", p.get.dropped, "only dropped routes, with the reason");
  get->add_option("--limit", p.get.limit, "at most so many; 0 = all (default: all; routes 1000, audit 50)")->check(CLI::NonNegativeNumber);

  CLI::App* describe =
      AddCommand(app, p, "describe", "Everything about one resource: a box with its health, sessions and fill; a site with its boxes",
                 "  fairlead describe appliance oca-1\n  fairlead describe site lhr001\n  fairlead describe title big-film",
                 [&p](Context& context) { return Describe(context, p.kind, p.name); });
  describe->add_option("KIND", p.kind, "a kind as in 'get', singular or plural")->required();
  describe->add_option("NAME", p.name, "its id, or its full name")->required();
}

void AddDrain(CLI::App& app, Parsed& p) {
  // CLI11 calls back the command after its subcommand, so one action serves both.
  CLI::App* drain =
      AddCommand(app, p, "drain", "Take a box or a site out: no new sessions, then move viewers, then refuse; or call that off: cancel",
                 "  fairlead drain appliances/oca-1 --reason 'new disk' --wait\n"
                 "  fairlead drain sites/lhr001 --from 2027-01-15T02:00:00Z --to +6h --reason 'power work'\n"
                 "  fairlead get drains\n  fairlead describe drain d-20270115-0200-3fa9c1\n  fairlead drain cancel d-20270115-0200-3fa9c1",
                 [&p](Context& context) -> absl::Status {
                   if (!p.drain_to_cancel.empty()) return CancelDrain(context, p.drain_to_cancel);
                   if (p.drain.target.empty()) return UsageError("drain: TARGET is required: appliances/x or sites/x");
                   return CreateDrain(context, p.drain);
                 });
  drain->require_subcommand(0, 1);
  drain->add_option("TARGET", p.drain.target, "appliances/x, or sites/x for each of its boxes that is LIVE");
  drain->add_option("--from", p.drain.from, "when: 2027-01-15T02:00:00Z, or +2h from now (default: at once)");
  drain->add_option("--to", p.drain.to, "when the boxes go back to LIVE, or +6h after the start (default: when cancelled)");
  drain->add_option("--reason", p.drain.reason, "why; kept in the audit");
  drain->add_flag("--wait", p.drain.wait, "return when every box is DRAINED; 1 if it comes to something else");
  CLI::App* cancel = AddCommand(*drain, p, "cancel", "Put the boxes that a drain took out back to LIVE", "", nullptr);
  cancel->add_option("DRAIN", p.drain_to_cancel, "the drain's id")->required();
}

void AddWrites(CLI::App& app, Parsed& p) {
  CLI::App* apply =
      AddCommand(app, p, "apply", "Make the registry equal to a reviewed YAML file, in one transaction",
                 "  fairlead apply -f fleet.yaml --dry-run\n  fairlead apply -f fleet.yaml\n  generate-fleet | fairlead apply -f - --prune",
                 [&p](Context& context) { return Apply(context, p.apply); });
  apply->add_option("-f,--file", p.apply.file, "the file; - = standard input")->required();
  apply->add_flag("--dry-run", p.apply.dry_run, "show the changes, make none");
  apply->add_flag("--prune", p.apply.prune, "delete what the file does not have");

  CLI::App* set_state =
      AddCommand(app, p, "set-state", "Move a box between administrative states",
                 "  fairlead set-state oca-1 live --reason 'burn-in passed'\n  fairlead set-state oca-1 disabled --reason 'disk errors'",
                 [&p](Context& context) { return SetState(context, p.set_state); });
  set_state->add_option("APPLIANCE", p.set_state.appliance, "the box")->required();
  set_state->add_option("STATE", p.set_state.state, "provisioning, live, draining, drained, disabled or retired")->required();
  set_state->add_option("--reason", p.set_state.reason, "why; kept in the audit")->required();

  AddDrain(app, p);

  CLI::App* enroll = AddCommand(app, p, "enroll-token", "A new secret with which a box may bind to its registration",
                                "  fairlead enroll-token oca-1", [&p](Context& context) { return EnrollToken(context, p.appliance); });
  enroll->add_option("APPLIANCE", p.appliance, "the box")->required();

  CLI::App* keys = AddCommand(app, p, "keys", "The keys that sign URLs: create, list, revoke",
                              "  fairlead keys create\n  fairlead keys list\n  fairlead keys revoke k-1a2b3c", nullptr);
  keys->require_subcommand(1);
  CLI::App* create = AddCommand(*keys, p, "create", "Make a key pair; at most two are live", "",
                                [&p](Context& context) { return CreateKey(context, p.key); });
  create->add_option("--id", p.key, "its id (default: derived from the key)");
  AddCommand(*keys, p, "list", "The same as 'get keys'", "", [](Context& context) { return Get(context, {.kind = "keys"}); });
  CLI::App* revoke = AddCommand(*keys, p, "revoke", "Refuse what a key has signed, at once and for good", "",
                                [&p](Context& context) { return RevokeKey(context, p.key); });
  revoke->add_option("KEY", p.key, "the key's id")->required();
}

CLI::Option* AddSteerOptions(CLI::App& command, SteerArguments& steer) {
  CLI::Option* client = command.add_option("--client", steer.client, "the viewer's IPv4 or IPv6 address");
  command.add_option("--title", steer.title, "the title")->required();
  command.add_option("--version", steer.version, "its version (default: the current one)");
  command.add_option("--renditions", steer.renditions, "only these, separated by commas (default: the whole playable set)")->delimiter(',');
  command.add_option("--max-urls", steer.max_urls, "URLs wanted a file, at most 8 (default: the policy's)")->check(CLI::Range(0, 8));
  command.add_option("--session-id", steer.session_id, "spreads the viewers behind one address");
  return client;
}

void AddSteering(CLI::App& app, Parsed& p) {
  CLI::App* steer = AddCommand(app, p, "steer", "Where a client would be sent",
                               "  fairlead steer --client 198.51.100.7 --title big-film\n"
                               "  fairlead steer --client 2001:db8::7 --title big-film --renditions video-720p,audio-en --urls\n"
                               "  fairlead steer --clients addresses.txt --title big-film | jq -r 'select(.error) | .client'",
                               [&p](Context& context) -> absl::Status {
                                 if (!p.steer.clients.empty()) return SteerClients(context, p.steer);
                                 if (p.steer.client.empty()) return UsageError("steer: --client or --clients is required");
                                 return Steer(context, p.steer);
                               });
  CLI::Option* client = AddSteerOptions(*steer, p.steer);
  CLI::Option* clients =
      steer->add_option("--clients", p.steer.clients, "a file of addresses, one a line (- = standard input): JSON lines in its order");
  clients->excludes(client);
  steer->add_flag("--strict", p.steer.strict, "end at a line of --clients that is no address")->needs(clients);
  steer->add_flag("--urls", p.steer.urls, "print 'rendition position url' lines, for scripts");
  CLI::App* explain =
      AddCommand(app, p, "explain", "Why a client is sent there: prefixes, ladder, each layer's verdict, winner and runner-up",
                 "  fairlead explain --client 198.51.100.7 --title big-film --renditions video-720p",
                 [&p](Context& context) { return Explain(context, p.steer); });
  AddSteerOptions(*explain, p.steer)->required();
}

void AddFill(CLI::App& app, Parsed& p) {
  CLI::App* fill = AddCommand(app, p, "fill", "Who should hold what, and how far the boxes are: plan, progress",
                              "  fairlead fill plan --dry-run\n  fairlead fill plan\n  fairlead fill progress", nullptr);
  fill->require_subcommand(1);
  CLI::App* plan = AddCommand(*fill, p, "plan", "Place the catalogue on the fleet as both are now, and put the plan in force", "",
                              [&p](Context& context) { return MakePlan(context, p.plan_dry_run); });
  plan->add_flag("--dry-run", p.plan_dry_run, "show the plan, keep the one in force");
  AddCommand(*fill, p, "progress", "The same as 'get progress'", "", [](Context& context) { return Get(context, {.kind = "progress"}); });

  CLI::App* catalog =
      AddCommand(app, p, "catalog", "The titles: import", "  fairlead catalog import /media --origin-root /srv/origin --dry-run", nullptr);
  catalog->require_subcommand(1);
  CLI::App* import =
      AddCommand(*catalog, p, "import", "Hash and check a folder of media, copy it to the origin, register its titles",
                 "  fairlead catalog import /media --dry-run\n  fairlead catalog import /media --origin-root /srv/origin/content",
                 [&p](Context& context) { return ImportCatalog(context, p.import); });
  import->add_option("DIR", p.import.directory, "the folder; its form is in libs/content/README.md")->required();
  import->add_option("--origin-root", p.import.origin_root, "where the origin serves from; without it nothing is copied");
  import->add_flag("--dry-run", p.import.dry_run, "hash, check and ask the server, but change nothing");
}

void AddGlobals(CLI::App& app, Parsed& p) {
  const char* const group = "Global options (anywhere on the line)";
  app.add_option("--registry", p.settings.registry, "registryd, HOST:PORT (FAIRLEAD_REGISTRY)")->group(group);
  app.add_option("--ingest", p.settings.ingest, "ingestd, one or several with commas (FAIRLEAD_INGEST)")->group(group);
  app.add_option("--fill", p.settings.fill, "filld (FAIRLEAD_FILL)")->group(group);
  app.add_option("--steering", p.settings.steering, "steerd (FAIRLEAD_STEERING)")->group(group);
  app.add_option("--timeout", p.timeout, "for each call: 5s, 500ms, 2m (FAIRLEAD_TIMEOUT; default 30s)")->group(group);
  app.add_option("-o,--output", p.output, "table or json (default table)")->group(group);
  app.add_option("--as", p.principal, "operator's name for the audit (FAIRLEAD_AS; default: the login name)")->group(group);
}

// Variables first, flags over them.
void TakeEnvironment(const Terminal& terminal, Parsed& p) {
  const auto take = [&](const char* variable, std::string& value) {
    const std::string text = terminal.getenv(variable);
    if (!text.empty()) value = text;
  };
  take("FAIRLEAD_REGISTRY", p.settings.registry);
  take("FAIRLEAD_INGEST", p.settings.ingest);
  take("FAIRLEAD_FILL", p.settings.fill);
  take("FAIRLEAD_STEERING", p.settings.steering);
  take("FAIRLEAD_TIMEOUT", p.timeout);
  take("USER", p.principal);
  take("LOGNAME", p.principal);
  take("FAIRLEAD_AS", p.principal);
}

absl::Status CheckTarget(const std::string& flag, const std::string& target) {
  // HOST:PORT, [v6]:PORT, or a gRPC scheme (unix:…, dns:…), which gRPC judges itself.
  const size_t colon = target.rfind(':');
  int port = 0;
  const bool scheme = absl::StartsWith(target, "unix:") || absl::StrContains(target, ":///");
  if (scheme ||
      (colon != std::string::npos && colon > 0 && absl::SimpleAtoi(target.substr(colon + 1), &port) && port > 0 && port < 65536)) {
    return absl::OkStatus();
  }
  return UsageError(absl::StrCat(flag, " ", Quoted(target), ": want HOST:PORT, like 127.0.0.1:7001 or [::1]:7001"));
}

absl::Status FinishSettings(Parsed& p) {
  RETURN_IF_ERROR(CheckTarget("--registry", p.settings.registry));
  RETURN_IF_ERROR(CheckTarget("--fill", p.settings.fill));
  RETURN_IF_ERROR(CheckTarget("--steering", p.settings.steering));
  const std::vector<std::string> cells = absl::StrSplit(p.settings.ingest, ',');
  for (const std::string& cell : cells) RETURN_IF_ERROR(CheckTarget("--ingest", std::string(absl::StripAsciiWhitespace(cell))));
  if (!p.timeout.empty()) {
    absl::Duration timeout;
    if (!absl::ParseDuration(p.timeout, &timeout) || timeout <= absl::ZeroDuration() || timeout > absl::Hours(24)) {
      return UsageError(absl::StrCat("--timeout ", Quoted(p.timeout), ": want a length of time up to a day, like 5s or 500ms"));
    }
    p.settings.timeout = timeout;
  }
  if (p.output == "json") {
    p.settings.output = Output::kJson;
  } else if (!p.output.empty() && p.output != "table") {
    return UsageError(absl::StrCat("-o ", Quoted(p.output), ": want table or json"));
  }
  if (p.principal.empty()) p.principal = "unknown";
  constexpr size_t kMaxName = 63;
  bool plain = p.principal.size() <= kMaxName;
  for (const char c : p.principal) plain = plain && (absl::ascii_isalnum(c) || absl::StrContains("._@-", std::string(1, c)));
  if (!plain) return UsageError(absl::StrCat("--as ", Quoted(p.principal), ": want at most 63 of a-z A-Z 0-9 . _ @ -"));
  p.settings.principal = absl::StrCat("operator/", p.principal);
  return absl::OkStatus();
}

// `help` and `help keys create` are `--help` and `keys create --help`.
absl::StatusOr<std::vector<std::string>> ReplaceHelp(const CLI::App& app, std::vector<std::string> arguments) {
  if (arguments.empty() || arguments.front() != "help") return arguments;
  arguments.erase(arguments.begin());
  const CLI::App* at = &app;
  for (const std::string& word : arguments) {
    const std::vector<const CLI::App*> found = at->get_subcommands([&](const CLI::App* command) { return command->get_name() == word; });
    if (found.empty())
      return UsageError(absl::StrCat("help: there is no command ", Quoted(absl::StrJoin(arguments, " ")), "; fairlead help lists them"));
    at = found.front();
  }
  arguments.push_back("--help");
  return arguments;
}

int ParseFailed(const CLI::App& app, const CLI::ParseError& error, const Terminal& terminal) {
  if (error.get_exit_code() == 0) {  // Asked for help.
    app.exit(error, terminal.out, terminal.err);
    return kExitOk;
  }
  const std::vector<std::string> unknown = app.remaining();
  if (app.get_subcommands().empty() && !unknown.empty()) {
    terminal.err << "fairlead: there is no command " << Quoted(Printable(unknown.front())) << "; fairlead help lists them\n";
  } else if (app.get_subcommands().empty()) {
    terminal.err << app.help();
  } else {
    const CLI::App* at = &app;
    std::string path = "fairlead";
    while (!at->get_subcommands().empty()) {
      at = at->get_subcommands().front();
      absl::StrAppend(&path, " ", at->get_name());
    }
    terminal.err << path << ": " << Printable(error.what()) << "\n  " << path << " --help tells what it takes\n";
  }
  return kExitUsage;
}

int Fail(const Terminal& terminal, const absl::Status& status) {
  if (!status.ok()) terminal.err << "fairlead: " << status.message() << "\n";
  return ExitCodeOf(status);
}

}  // namespace

int RunCli(const std::vector<std::string>& arguments, const Terminal& terminal) {
  Parsed parsed;
  TakeEnvironment(terminal, parsed);
  CLI::App app("Fairlead: the control plane of an appliance CDN, from the command line", "fairlead");
  app.require_subcommand(1);
  app.get_formatter()->column_width(26);
  app.get_formatter()->label("TEXT", "");
  app.get_formatter()->label("REQUIRED", "");
  app.get_formatter()->label("Positionals", "Arguments");
  app.get_formatter()->label("SUBCOMMAND", "COMMAND");
  app.get_formatter()->label("Subcommands", "Commands");
  app.footer(
      "Names may be short (lhr001) or full (sites/lhr001). Exit codes: 0 done, 1 a server refused, 2 the command line or a file it\n"
      "names is wrong, 3 no answer.\n\nfairlead help COMMAND tells more, with examples.");
  AddGlobals(app, parsed);
  AddReads(app, parsed);
  AddWrites(app, parsed);
  AddSteering(app, parsed);
  AddFill(app, parsed);
  AddCommand(app, parsed, "version", "This program's version, and what runs behind each address", "",
             [](Context& context) { return Version(context); });
  AddCommand(app, parsed, "help", "This list; help COMMAND tells more about a command", "", nullptr);

  const absl::StatusOr<std::vector<std::string>> words = ReplaceHelp(app, arguments);
  if (!words.ok()) return Fail(terminal, words.status());
  try {
    app.parse(std::vector<std::string>(words->rbegin(), words->rend()));
  } catch (const CLI::ParseError& error) {
    return ParseFailed(app, error, terminal);
  }
  const absl::Status settings = FinishSettings(parsed);
  if (!settings.ok()) return Fail(terminal, settings);
  Context context(parsed.settings, terminal);
  return Fail(terminal, parsed.run(context));
}

}  // namespace fairlead::cli
