// `fairlead version`: this program's, and what runs behind each address.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "fairlead/common/v1/server_info_service.grpc.pb.h"
#include "libs/rpc/server.h"
#include "services/cli/commands.h"
#include "services/cli/describe_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {

absl::Status Version(Context& context) {
  using common::v1::ServerInfoService;
  std::vector<Server> servers = {context.registry()};
  servers.insert(servers.end(), context.ingest().begin(), context.ingest().end());
  servers.push_back(context.fill());
  servers.push_back(context.steering());

  Table table({{"PROGRAM"}, {"VERSION"}, {"ADDRESS"}, {"RUNS SINCE"}, {"NOTE"}});
  table.Add({"fairlead", kVersion, "", "", "this program"});
  common::v1::ServerInfo self;
  self.set_program("fairlead");
  self.set_version(kVersion);
  std::vector<std::string> json = {JsonText(self)};
  for (const Server& server : servers) {
    const absl::StatusOr<common::v1::ServerInfo> info =
        context.Call<ServerInfoService>(server, &ServerInfoService::StubInterface::GetServerInfo, common::v1::GetServerInfoRequest());
    if (!info.ok()) {
      const std::string why = std::vector<std::string>(absl::StrSplit(info.status().message(), '\n')).front();
      // "can't reach registryd at …: connection refused": the row has the first part already.
      const std::vector<std::string> parts = absl::StrSplit(why, absl::MaxSplits(absl::StrCat(server.target, ": "), 1));
      table.Add({server.program, "", server.target, "", absl::StrCat("unreachable: ", parts.back())});
      context.err() << (context.json() ? absl::StrCat("note: ", why, "\n") : "");
      continue;
    }
    const std::string note = info->program() == server.program ? "" : absl::StrCat("expected ", server.program, " here");
    const std::string since = HumanTime(info->start_time());
    table.Add({info->program(), info->version(), server.target, since, note});
    json.push_back(JsonText(*info));
  }
  if (context.json()) {
    context.out() << "{\"servers\": [" << absl::StrJoin(json, ",") << "]}\n";
  } else {
    context.out() << table.Render();
  }
  return absl::OkStatus();
}

}  // namespace fairlead::cli
