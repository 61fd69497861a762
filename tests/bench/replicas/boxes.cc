#include "tests/bench/replicas/boxes.h"

#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/base/status_macros.h"
#include "libs/rpc/channel.h"
#include "libs/rpc/principal.h"
#include "libs/rpc/status.h"
#include "roaring/roaring.hh"
#include "tests/generator/routes.h"

namespace fairlead {
namespace {

namespace rv1 = registry::v1;
namespace iv1 = ingest::v1;
using SteadyClock = std::chrono::steady_clock;

constexpr absl::Duration kCallTimeout = absl::Seconds(30);
constexpr absl::Duration kPatience = absl::Seconds(60);
constexpr int kRoutesAReport = 1'000;
constexpr size_t kMostWaiting = 8;
// Of the default health policy.
constexpr auto kBeatInterval = std::chrono::seconds(2);
constexpr auto kStep = std::chrono::milliseconds(10);
constexpr size_t kStepsASecond = 100;
constexpr uint64_t kIncarnation = 1;

template <typename Request, typename Response>
absl::Status Call(rv1::RegistryService::Stub& stub,
                  grpc::Status (rv1::RegistryService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                  const Request& request, Response& response) {
  grpc::ClientContext context;
  SetTimeout(context, kCallTimeout);
  SetPrincipal(context, "operator/bench");
  return FromGrpcStatus((stub.*method)(&context, request, &response));
}

std::string Bitmap(const std::vector<uint32_t>& files, uint32_t held_by_all) {
  Roaring held(files.size(), files.data());
  held.add(held_by_all);
  held.runOptimize();
  std::string bytes(held.getSizeInBytes(), '\0');
  held.write(bytes.data());
  return bytes;
}

}  // namespace

Boxes::Boxes(const World& world, const ToldWorld& told, const std::string& registryd, const std::string& ingestd,
             const std::atomic<bool>& stop)
    : world_(world),
      told_(told),
      stop_(stop),
      registry_(rv1::RegistryService::NewStub(MakeChannel(registryd))),
      ingestd_(ingestd),
      credentials_(told.hearers().size()),
      sick_(told.hearers().size()) {}

Boxes::~Boxes() {
  ending_ = true;
  if (beats_.joinable()) beats_.join();
  if (changes_.joinable()) changes_.join();
}

absl::Status Boxes::EnrolOne(size_t hearer) {
  using Stub = rv1::RegistryService::Stub;
  const Hearer& who = told_.hearers()[hearer];
  rv1::IssueEnrollmentTokenRequest issue;
  issue.set_appliance(absl::StrCat("appliances/", who.id));
  rv1::IssueEnrollmentTokenResponse issued;
  RETURN_IF_ERROR(Call(*registry_, &Stub::IssueEnrollmentToken, issue, issued));
  rv1::EnrollRequest enroll;
  enroll.set_serial(who.serial);
  enroll.set_token(issued.token());
  enroll.set_installation_id(who.id);
  rv1::EnrollResponse enrolled;
  RETURN_IF_ERROR(Call(*registry_, &Stub::Enroll, enroll, enrolled));
  credentials_[hearer] = enrolled.credential();
  rv1::SetAdminStateRequest live;
  live.set_name(issue.appliance());
  live.set_admin_state(common::v1::ADMIN_STATE_LIVE);
  live.set_reason("burn-in passed");
  rv1::Appliance appliance;
  return Call(*registry_, &Stub::SetAdminState, live, appliance);
}

// One after the other: writers of one registry wait for each other anyway.
absl::Status Boxes::Enrol() {
  for (size_t i = 0; i < credentials_.size() && !stop_; ++i) RETURN_IF_ERROR(EnrolOne(i));
  return absl::OkStatus();
}

absl::Status Boxes::Connect() {
  for (size_t i = 0; i < credentials_.size(); ++i) {
    streams_.push_back(std::make_unique<BoxStream>(ingestd_, told_.hearers()[i].id, credentials_[i], kIncarnation));
  }
  for (size_t i = 0; i < streams_.size(); ++i) {
    if (streams_[i]->AckedAt(1, kPatience).has_value()) continue;
    return absl::UnavailableError(absl::StrCat(told_.hearers()[i].id, ": its hello isn't acknowledged; ", streams_[i]->fault()));
  }
  beats_ = std::thread([this] { KeepBeating(); });
  return absl::OkStatus();
}

// ---- What is reported once ----

void Boxes::ReportHoldings(size_t hearer, const std::vector<uint32_t>& files, uint32_t held_by_all) {
  iv1::Report report;
  report.mutable_holdings_update()->set_full(true);
  report.mutable_holdings_update()->set_bitmap(Bitmap(files, held_by_all));
  streams_[hearer]->Send(std::move(report));
}

absl::Status Boxes::ReportRoutes(size_t hearer) {
  const std::vector<RouteRef>& routes = told_.routes()[hearer];
  size_t at = 0;
  do {
    iv1::Report report;
    iv1::RouteUpdate& update = *report.mutable_route_update();
    update.set_session(told_.hearers()[hearer].session);
    update.set_restart(at == 0);
    for (int i = 0; i < kRoutesAReport && at < routes.size(); ++i, ++at) told_.Announce(routes[at], 0, update);
    if (at == routes.size()) {
      update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV4);
      update.add_end_of_rib(common::v1::ADDRESS_FAMILY_IPV6);
    }
    streams_[hearer]->Send(std::move(report));
    if (!streams_[hearer]->WaitForRoom(kMostWaiting, kPatience)) {
      return absl::UnavailableError(
          absl::StrCat(told_.hearers()[hearer].id, ": ingestd doesn't take its routes; ", streams_[hearer]->fault()));
    }
  } while (at < routes.size() && !stop_);
  return absl::OkStatus();
}

absl::Status Boxes::Report(const std::vector<std::vector<uint32_t>>& held, uint32_t held_by_all) {
  for (size_t i = 0; i < streams_.size() && !stop_; ++i) {
    if (i < held.size()) ReportHoldings(i, held[i], held_by_all);
    if (!told_.hearers()[i].session.empty()) RETURN_IF_ERROR(ReportRoutes(i));
  }
  return absl::OkStatus();
}

// ---- What is reported all the time ----

uint64_t Boxes::Beat(size_t hearer) {
  iv1::Report report;
  *report.mutable_heartbeat() = told_.Beat(told_.hearers()[hearer], sick_[hearer]);
  return streams_[hearer]->Send(std::move(report));
}

uint64_t Boxes::SetSick(size_t hearer, bool sick) {
  sick_[hearer] = sick;
  return Beat(hearer);
}

// All of them, spread over the interval.
void Boxes::KeepBeating() {
  const auto start = SteadyClock::now();
  size_t sent = 0;
  while (!ending_ && !stop_) {
    const double due = std::chrono::duration<double>(SteadyClock::now() - start) / kBeatInterval * static_cast<double>(streams_.size());
    while (static_cast<double>(sent) < due) Beat(sent++ % streams_.size());
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
}

void Boxes::StartChanges(size_t a_second) {
  changes_ = std::thread([this, a_second] { KeepChanging(a_second); });
}

// As routers tell them: what a box heard within a step goes as one report. Routes come back with one to three more hops than the world's,
// so that nearly every one is a change.
void Boxes::KeepChanging(size_t a_second) {
  SeededRandom random(11);
  const auto start = SteadyClock::now();
  for (size_t step = 1; !ending_ && !stop_; ++step) {
    std::map<size_t, iv1::Report> reports;
    for (size_t i = 0; i < a_second / kStepsASecond; ++i) {
      const auto prefix = static_cast<uint32_t>(random.Below(world_.prefixes().size()));
      const WorldRouteSet& set = world_.route_sets()[world_.set_of_prefix()[prefix]];
      if (set.empty()) continue;
      const auto of_set = static_cast<uint32_t>(random.Below(set.size()));
      const size_t hearer = told_.HearerOf(set[of_set]);
      iv1::RouteUpdate& update = *reports[hearer].mutable_route_update();
      update.set_session(told_.hearers()[hearer].session);
      told_.Announce({prefix, of_set}, 1 + static_cast<uint32_t>(random.Below(3)), update);
      ++changes_sent_;
    }
    for (auto& [hearer, report] : reports) streams_[hearer]->Send(std::move(report));
    // Behind time it doesn't wait: so many a second are meant.
    std::this_thread::sleep_until(start + step * kStep);
  }
}

std::string Boxes::Fault() const {
  for (size_t i = 0; i < streams_.size(); ++i) {
    const std::string fault = streams_[i]->fault();
    if (!fault.empty()) return absl::StrCat(told_.hearers()[i].id, ": ", fault);
  }
  return "";
}

}  // namespace fairlead
