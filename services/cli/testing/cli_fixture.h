// Runs whole command lines against fake servers in the same process.
//
//   TEST_F(CliTest, AnEmptyListSaysSo) { EXPECT_EQ(Fairlead({"get", "sites"}).out, "no sites\n"); }
#ifndef FAIRLEAD_SERVICES_CLI_TESTING_CLI_FIXTURE_H_
#define FAIRLEAD_SERVICES_CLI_TESTING_CLI_FIXTURE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "libs/rpc/server.h"
#include "services/cli/app.h"
#include "services/cli/testing/fake_servers.h"

namespace fairlead::cli {

inline std::unique_ptr<RpcServer> Serve(const std::string& program, const std::vector<grpc::Service*>& services) {
  absl::StatusOr<std::unique_ptr<RpcServer>> server =
      RpcServer::Start({.program = program, .listen = "127.0.0.1:0", .configure = {}}, services);
  EXPECT_TRUE(server.ok()) << server.status();
  return *std::move(server);
}

struct Result {
  int code = -1;
  std::string out;
  std::string err;
};

class CliTest : public ::testing::Test {
 protected:
  CliTest()
      : registry_server_(Serve("registryd", {&registry_})),
        cell_server_(Serve("ingestd", {&cell_})),
        fill_server_(Serve("filld", {&fill_, &catalog_})),
        steering_server_(Serve("steerd", {&steering_})) {
    environment_ = {{"FAIRLEAD_REGISTRY", registry_server_->target()},
                    {"FAIRLEAD_INGEST", cell_server_->target()},
                    {"FAIRLEAD_FILL", fill_server_->target()},
                    {"FAIRLEAD_STEERING", steering_server_->target()},
                    {"USER", "jane"}};
  }

  Result Fairlead(const std::vector<std::string>& arguments, const std::string& input = "") {
    std::istringstream in(input);
    std::ostringstream out, err;
    Result run;
    run.code = RunCli(arguments, {.in = in,
                                  .out = out,
                                  .err = err,
                                  .getenv =
                                      [this](const std::string& name) {
                                        const auto found = environment_.find(name);
                                        return found == environment_.end() ? std::string() : found->second;
                                      },
                                  .sleep = [](absl::Duration) {}});
    run.out = out.str();
    run.err = err.str();
    return run;
  }

  void AddSite(const std::string& id, common::v1::SiteKind kind, const std::string& partner) {
    registry::v1::Site site;
    site.set_name("sites/" + id);
    site.set_kind(kind);
    site.set_partner(partner);
    site.set_country("GB");
    site.set_time_zone("Europe/London");
    registry_.sites.push_back(site);
  }

  void AddBox(const std::string& id, const std::string& site) {
    registry::v1::Appliance box;
    box.set_name("appliances/" + id);
    box.set_site("sites/" + site);
    box.set_kind(common::v1::APPLIANCE_KIND_FLASH);
    box.set_admin_state(common::v1::ADMIN_STATE_LIVE);
    box.set_capacity_bps(10'000'000'000);
    auto* tier = box.add_tiers();
    tier->set_tier(common::v1::TIER_DISK);
    tier->set_capacity_bytes(4'000'000'000'000);
    auto* endpoint = box.add_endpoints();
    endpoint->set_scheme("http");
    endpoint->set_host("2001:db8::1");
    endpoint->set_port(8080);
    registry_.appliances.push_back(box);
  }

  static ingest::v1::ApplianceState State(const std::string& id, uint64_t incarnation, common::v1::HealthState health) {
    ingest::v1::ApplianceState state;
    state.set_appliance("appliances/" + id);
    state.set_incarnation(incarnation);
    state.set_cell("cells/a");
    state.set_health(health);
    state.set_weight(1);
    state.mutable_report_age()->set_seconds(42);
    state.mutable_last_heartbeat()->mutable_network()->set_throughput_bps(9'700'000'000);
    state.mutable_last_heartbeat()->mutable_network()->set_capacity_bps(10'000'000'000);
    return state;
  }

  // What nobody listens on.
  static std::string DeadTarget() {
    const std::unique_ptr<RpcServer> server = Serve("gone", {});
    return server->target();
  }

  FakeRegistry registry_;
  FakeCell cell_;
  FakeCatalog catalog_;
  FakeFill fill_;
  FakeSteering steering_;
  std::unique_ptr<RpcServer> registry_server_, cell_server_, fill_server_, steering_server_;
  std::map<std::string, std::string> environment_;
};

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_TESTING_CLI_FIXTURE_H_
