// Command lines that read: get, describe, version, help; and what every command has in common.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "services/cli/testing/cli_fixture.h"

namespace fairlead::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(CliTest, GetReadsAllPagesAndShowsOneRowEach) {
  for (const char* id : {"lhr001", "ams001", "fra001", "par001", "mad001"}) AddSite(id, common::v1::SITE_KIND_EMBEDDED, "partners/isp");
  const Result run = Fairlead({"get", "sites"});
  EXPECT_EQ(run.code, 0) << run.err;
  const std::vector<std::string> lines = absl::StrSplit(run.out, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 6u) << run.out;
  EXPECT_EQ(lines[0], "NAME    KIND      PARTNER  COUNTRY  PLACE  TIME ZONE      FILL WINDOW  OPEN");
  EXPECT_EQ(lines[1], "lhr001  EMBEDDED  isp      GB       –      Europe/London  –            no");
  EXPECT_THAT(lines[5], HasSubstr("mad001"));
  EXPECT_EQ(registry_.pages_served, 3);
  EXPECT_THAT(run.err, IsEmpty());
}

TEST_F(CliTest, GetAsJsonIsOneResponseWithTheItemsOfAllPages) {
  for (const char* id : {"a", "b", "c"}) AddSite(id, common::v1::SITE_KIND_IX, "");
  const Result run = Fairlead({"-o", "json", "get", "sites"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("\"sites\": ["));
  for (const char* name : {"\"sites/a\"", "\"sites/b\"", "\"sites/c\""}) EXPECT_THAT(run.out, HasSubstr(name));
  EXPECT_THAT(run.out, HasSubstr("\"nextPageToken\": \"\""));
}

TEST_F(CliTest, ALimitStopsReadingAndSaysSo) {
  for (const char* id : {"a", "b", "c", "d", "e"}) AddSite(id, common::v1::SITE_KIND_IX, "");
  const Result run = Fairlead({"get", "sites", "--limit", "3"});
  EXPECT_THAT(run.out, HasSubstr("\nc "));
  EXPECT_THAT(run.out, Not(HasSubstr("\nd ")));
  EXPECT_THAT(run.err, HasSubstr("--limit 0 for all"));
  EXPECT_EQ(registry_.pages_served, 2);
}

TEST_F(CliTest, GetOneTakesTheShortNameAndTheFullOne) {
  AddSite("lhr001", common::v1::SITE_KIND_IX, "");
  EXPECT_EQ(Fairlead({"get", "site", "lhr001"}).out, Fairlead({"get", "sites", "sites/lhr001"}).out);
  EXPECT_THAT(Fairlead({"get", "site", "lhr001"}).out, HasSubstr("lhr001"));
}

TEST_F(CliTest, AnEmptyListSaysSo) {
  EXPECT_EQ(Fairlead({"get", "sites"}).out, "no sites\n");
  EXPECT_EQ(Fairlead({"get", "titles"}).out, "no titles\n");
}

TEST_F(CliTest, BoxesAreListedBySiteWithReadableFigures) {
  AddBox("oca-1", "lhr001");
  AddBox("oca-2", "ams001");
  const Result run = Fairlead({"get", "appliances", "--site", "lhr001"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("oca-1"));
  EXPECT_THAT(run.out, Not(HasSubstr("oca-2")));
  EXPECT_THAT(run.out, HasSubstr("10 Gbit/s"));
  EXPECT_THAT(run.out, HasSubstr("4.0 TB"));
  EXPECT_THAT(run.out, HasSubstr("http://[2001:db8::1]:8080"));
}

TEST_F(CliTest, FiltersThatAKindDoesNotHaveAreUsageErrors) {
  EXPECT_EQ(Fairlead({"get", "sites", "--site", "x"}).code, 2);
  EXPECT_EQ(Fairlead({"get", "sites", "--appliance", "x"}).code, 2);
  EXPECT_EQ(Fairlead({"get", "sites", "--dropped"}).code, 2);
  const Result run = Fairlead({"get", "routes"});
  EXPECT_EQ(run.code, 2);
  EXPECT_THAT(run.err, HasSubstr("fairlead get routes APPLIANCE"));
}

TEST_F(CliTest, AServersRefusalIsExit1WithItsMessageFieldAndValue) {
  const Result run = Fairlead({"get", "site", "nowhere"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.out, IsEmpty());
  EXPECT_THAT(run.err, HasSubstr(absl::StrCat("registryd at ", registry_server_->target(), " refused (NOT_FOUND)")));
  EXPECT_THAT(run.err, HasSubstr("field: name"));
  EXPECT_THAT(run.err, HasSubstr("value: 'sites/nowhere'"));
}

TEST_F(CliTest, AnUnfinishedMethodIsExit1AndNamesTheServer) {
  const Result run = Fairlead({"get", "partners"});
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("is it really a registryd"));
}

TEST_F(CliTest, AnUnreachableServerIsExit3AndTellsHowToPointElsewhere) {
  const std::string dead = DeadTarget();
  const Result run = Fairlead({"get", "sites", "--registry", dead});
  EXPECT_EQ(run.code, 3);
  EXPECT_THAT(run.err, HasSubstr(absl::StrCat("can't reach registryd at ", dead, ": connection refused")));
  EXPECT_THAT(run.err, HasSubstr("--registry HOST:PORT or FAIRLEAD_REGISTRY=HOST:PORT"));
}

TEST_F(CliTest, AServerThatIsNotReadyIsNotCalledUnreachable) {
  registry_.refusal = absl::UnavailableError("PostgreSQL can't be reached");
  const Result run = Fairlead({"apply", "-f", "-"}, "x");
  EXPECT_EQ(run.code, 1);
  EXPECT_THAT(run.err, HasSubstr("refused (UNAVAILABLE): PostgreSQL can't be reached"));
  EXPECT_THAT(run.err, Not(HasSubstr("is it running?")));
}

TEST_F(CliTest, FlagsOverrideVariablesAndMayStandBehindTheCommand) {
  AddSite("lhr001", common::v1::SITE_KIND_IX, "");
  environment_["FAIRLEAD_REGISTRY"] = "127.0.0.1:1";
  EXPECT_EQ(Fairlead({"get", "sites", "--registry", registry_server_->target()}).code, 0);
  EXPECT_EQ(Fairlead({"--registry", registry_server_->target(), "get", "sites"}).code, 0);
  EXPECT_EQ(Fairlead({"get", "sites"}).code, 3);
}

TEST_F(CliTest, ThePrincipalIsTheLoginNameUnlessSaidOtherwise) {
  EXPECT_EQ(Fairlead({"get", "sites"}).code, 0);
  EXPECT_EQ(registry_.principal, "operator/jane");
  EXPECT_EQ(Fairlead({"get", "sites", "--as", "joe.bloggs"}).code, 0);
  EXPECT_EQ(registry_.principal, "operator/joe.bloggs");
  EXPECT_EQ(Fairlead({"get", "sites", "--as", "joe/bloggs"}).code, 2);
}

TEST_F(CliTest, BadCommandLinesAreExit2AndSendNothing) {
  const std::vector<std::vector<std::string>> bad = {
      {},
      {"frob"},
      {"get"},
      {"get", "sits"},
      {"get", "sites", "links/x"},
      {"get", "sites", "--limit", "-3"},
      {"get", "sites", "-o", "xml"},
      {"get", "sites", "--timeout", "soon"},
      {"get", "sites", "--registry", "nowhere"},
      {"get", "sites", "--registry", "host:99999"},
      {"get", "sites", "--ingest", "a:1,,b:2"},
      {"keys"},
      {"set-state", "oca-1", "asleep", "--reason", "x"},
      {"set-state", "oca-1", "live"},
      {"steer", "--client", "300.1.2.3", "--title", "x"},
      {"steer", "--client", "192.0.2.1"},
      {"apply"},
      {"apply", "-f", "/nonexistent/fleet.yaml"},
      {"apply", "-f", "/"},
      {"catalog", "import", "/nonexistent"},
      {"help", "frob"},
  };
  for (const auto& arguments : bad) {
    const Result run = Fairlead(arguments);
    EXPECT_EQ(run.code, 2) << absl::StrJoin(arguments, " ") << "\n" << run.err;
    EXPECT_THAT(run.err, Not(IsEmpty())) << absl::StrJoin(arguments, " ");
    EXPECT_THAT(run.out, IsEmpty()) << absl::StrJoin(arguments, " ");
  }
  EXPECT_EQ(registry_.pages_served, 0);
}

TEST_F(CliTest, HelpListsEveryCommandAndExplainsEachWithExamples) {
  const Result all = Fairlead({"help"});
  EXPECT_EQ(all.code, 0);
  for (const char* command :
       {"get", "describe", "apply", "set-state", "enroll-token", "keys", "steer", "explain", "fill", "catalog", "version"}) {
    EXPECT_THAT(all.out, HasSubstr(absl::StrCat("\n  ", command, " ")));
    const Result one = Fairlead({"help", command});
    EXPECT_EQ(one.code, 0) << command;
    EXPECT_THAT(one.out, HasSubstr(absl::StrCat("fairlead ", command))) << command;
    EXPECT_EQ(one.out, Fairlead({command, "--help"}).out) << command;
    if (std::string(command) != "version") {
      EXPECT_THAT(one.out, HasSubstr("Examples:")) << command;
    }
  }
  EXPECT_THAT(Fairlead({"help", "keys", "create"}).out, HasSubstr("fairlead keys create"));
}

TEST_F(CliTest, AuditShowsTheNewestOfOneResource) {
  registry_.page_size = 100;
  for (int i = 0; i < 60; ++i) {
    registry::v1::AuditRecord record;
    record.set_sequence(1000 - i);
    record.set_method("CreateSite");
    registry_.audit.push_back(record);
  }
  const Result run = Fairlead({"get", "audit", "sites/lhr001"});
  EXPECT_EQ(registry_.audit_resource, "sites/lhr001");
  EXPECT_THAT(run.out, HasSubstr(" 951 "));
  EXPECT_THAT(run.out, Not(HasSubstr(" 950 ")));
  EXPECT_THAT(run.err, HasSubstr("the first 50"));
  EXPECT_THAT(Fairlead({"get", "audit", "--limit", "0"}).out, HasSubstr(" 941 "));
}

TEST_F(CliTest, StatesOfSeveralCellsAreMergedByTheNewestReport) {
  FakeCell other;
  const std::unique_ptr<RpcServer> other_server = Serve("ingestd", {&other});
  cell_.states = {State("oca-1", 1, common::v1::HEALTH_STATE_SILENT), State("oca-2", 5, common::v1::HEALTH_STATE_OK)};
  other.states = {State("oca-1", 2, common::v1::HEALTH_STATE_OK), State("oca-3", 1, common::v1::HEALTH_STATE_SICK)};
  const std::string both = absl::StrCat(cell_server_->target(), ",", other_server->target());
  const Result run = Fairlead({"get", "states", "--ingest", both});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, Not(HasSubstr("SILENT")));
  EXPECT_THAT(run.out, HasSubstr("oca-3"));
  EXPECT_THAT(run.out, HasSubstr("9.7 Gbit/s  97 %"));
  EXPECT_THAT(Fairlead({"get", "state", "oca-1", "--ingest", both}).out, HasSubstr("OK"));
}

TEST_F(CliTest, OneCellThatIsDownIsANoteAndAllThatAreDownAnError) {
  cell_.states = {State("oca-1", 1, common::v1::HEALTH_STATE_OK)};
  const std::string dead = DeadTarget();
  const Result part = Fairlead({"get", "states", "--ingest", absl::StrCat(dead, ",", cell_server_->target())});
  EXPECT_EQ(part.code, 0);
  EXPECT_THAT(part.out, HasSubstr("oca-1"));
  EXPECT_THAT(part.err, HasSubstr(absl::StrCat("note: incomplete: can't reach ingestd at ", dead)));
  EXPECT_EQ(Fairlead({"get", "states", "--ingest", absl::StrCat(dead, ",", dead)}).code, 3);
}

TEST_F(CliTest, DroppedRoutesAreShownWithTheirReasons) {
  for (const bool admitted : {true, false}) {
    ingest::v1::ReportedRoute route;
    route.mutable_route()->mutable_prefix()->set_address(std::string("\xc6\x33\x64\x00", 4));
    route.mutable_route()->mutable_prefix()->set_length(admitted ? 24 : 28);
    route.mutable_route()->set_session("bgpSessions/s-1");
    route.mutable_route()->add_as_path(64500);
    route.mutable_route()->add_as_path(64501);
    route.set_admitted(admitted);
    if (!admitted) route.set_drop_reason("TOO_LONG");
    cell_.routes.push_back(route);
  }
  const Result all = Fairlead({"get", "routes", "oca-1"});
  EXPECT_THAT(all.out, HasSubstr("198.51.100.0/24  s-1      64500 64501    –  admitted"));
  EXPECT_THAT(all.out, HasSubstr("dropped: TOO_LONG"));
  const Result dropped = Fairlead({"get", "routes", "--appliance", "oca-1", "--dropped"});
  EXPECT_EQ(cell_.routes_asked.appliance(), "appliances/oca-1");
  EXPECT_THAT(dropped.out, Not(HasSubstr("/24")));
}

TEST_F(CliTest, DescribeApplianceJoinsRegistrySessionsStateAndFill) {
  AddBox("oca-1", "lhr001");
  registry::v1::BgpSession session;
  session.set_name("bgpSessions/s-1");
  session.set_appliance("appliances/oca-1");
  session.set_peer_address("192.0.2.1");
  session.set_peer_asn(64500);
  registry_.sessions = {session};
  ingest::v1::ApplianceState state = State("oca-1", 1, common::v1::HEALTH_STATE_DEGRADED);
  state.set_health_reason("disk at 99 %");
  auto* told = state.mutable_last_heartbeat()->add_bgp_sessions();
  told->set_session("bgpSessions/s-1");
  told->set_state("Established");
  auto* drop = state.add_dropped_routes();
  drop->set_reason("BOGON");
  drop->set_count(3);
  cell_.states = {state};
  fill::v1::ApplianceProgress progress;
  progress.set_appliance("appliances/oca-1");
  progress.set_files_wanted(12);
  fill_.progress = {progress};
  const Result run = Fairlead({"describe", "appliance", "oca-1"});
  EXPECT_EQ(run.code, 0) << run.err;
  for (const char* part : {"appliance oca-1\n", "admin state  LIVE", "BGP sessions, as registered", "192.0.2.1:179", "DEGRADED",
                           "disk at 99 %", "Established", "BOGON", "fairlead get routes oca-1 --dropped", "files wanted"}) {
    EXPECT_THAT(run.out, HasSubstr(part));
  }
}

TEST_F(CliTest, DescribeShowsWhatItCanWhenAServerIsDown) {
  AddBox("oca-1", "lhr001");
  const std::string dead = DeadTarget();
  const Result run = Fairlead({"describe", "appliance", "oca-1", "--ingest", dead, "--fill", dead});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_THAT(run.out, HasSubstr("admin state  LIVE"));
  EXPECT_THAT(run.out, HasSubstr("not available: can't reach ingestd"));
  EXPECT_THAT(run.out, HasSubstr("not available: can't reach filld"));
  EXPECT_EQ(Fairlead({"describe", "appliance", "oca-1", "--registry", dead}).code, 3);
}

TEST_F(CliTest, DescribeSiteListsItsBoxesAndTheirStates) {
  AddSite("lhr001", common::v1::SITE_KIND_IX, "");
  AddBox("oca-1", "lhr001");
  AddBox("oca-9", "ams001");
  cell_.states = {State("oca-1", 1, common::v1::HEALTH_STATE_OVERLOADED), State("oca-9", 1, common::v1::HEALTH_STATE_OK)};
  const Result run = Fairlead({"describe", "site", "lhr001"});
  EXPECT_THAT(run.out, HasSubstr("OVERLOADED"));
  EXPECT_THAT(run.out, Not(HasSubstr("oca-9")));
  const Result json = Fairlead({"describe", "site", "lhr001", "-o", "json"});
  EXPECT_THAT(json.out, HasSubstr("\"site\": {"));
  EXPECT_THAT(json.out, HasSubstr("\"states\": {"));
}

TEST_F(CliTest, TitlesShowTheCurrentVersionAndDescribeItsRenditions) {
  content::v1::Title title;
  title.set_name("titles/big-film");
  title.set_current_version("v1");
  auto* version = title.add_versions();
  version->set_version("v1");
  auto* rendition = version->add_renditions();
  rendition->set_rendition("video-720p");
  rendition->set_kind(content::v1::Rendition::KIND_VIDEO);
  rendition->set_bandwidth_bps(3'000'000);
  rendition->mutable_file()->set_size_bytes(2'200'000'000);
  catalog_.titles = {title, title, title};
  EXPECT_THAT(Fairlead({"get", "titles"}).out, HasSubstr("2.2 GB"));
  const Result run = Fairlead({"describe", "title", "big-film"});
  EXPECT_THAT(run.out, HasSubstr("Version v1 (current)"));
  EXPECT_THAT(run.out, HasSubstr("video-720p  VIDEO  3.0 Mbit/s"));
}

TEST_F(CliTest, VersionNamesEveryServerAndSaysWhichAreUnreachable) {
  const std::string dead = DeadTarget();
  const Result run = Fairlead({"version", "--steering", dead});
  EXPECT_EQ(run.code, 0);
  for (const char* program : {"fairlead", "registryd", "ingestd", "filld"})
    EXPECT_THAT(run.out, HasSubstr(absl::StrCat("\n", program, " ")));
  EXPECT_THAT(run.out, HasSubstr("unreachable: connection refused"));
  // A wrong port is found out.
  EXPECT_THAT(Fairlead({"version", "--fill", cell_server_->target()}).out, HasSubstr("expected filld here"));
}

}  // namespace
}  // namespace fairlead::cli
