// Drains through the front door: a real server and stub, a clock that the test sets.
#include "absl/strings/match.h"
#include "services/registry/codec.h"
#include "services/registry/service_fixture.h"

namespace fairlead::registry {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using RegistryStub = v1::RegistryService::Stub;

class DrainTest : public ServiceTest {
 protected:
  void SetUp() override {
    Fill();
    for (const char* id : {"oca-1", "oca-2"}) ASSERT_TRUE(SetState(id, common::v1::ADMIN_STATE_LIVE).ok());
    credential_ = Enroll("SN-1", IssueToken("oca-1"), "installation-1").value();
  }
  static v1::CreateDrainRequest Wish(const std::string& target, const std::string& id = "d-1") {
    v1::CreateDrainRequest request;
    request.set_drain_id(id);
    request.mutable_drain()->set_target(target);
    request.mutable_drain()->set_reason("new power supply");
    return request;
  }
  absl::StatusOr<v1::Drain> Create(const v1::CreateDrainRequest& request) {
    v1::Drain drain;
    const absl::Status status = Do(&RegistryStub::CreateDrain, request, drain);
    if (!status.ok()) return status;
    return drain;
  }
  absl::StatusOr<v1::Drain> Cancel(const std::string& etag = "", const std::string& request_id = "") {
    v1::CancelDrainRequest request;
    request.set_name("drains/d-1");
    request.set_etag(etag);
    request.set_request_id(request_id);
    v1::Drain drain;
    const absl::Status status = Do(&RegistryStub::CancelDrain, request, drain);
    if (!status.ok()) return status;
    return drain;
  }
  v1::Drain Get(const std::string& name = "drains/d-1") {
    v1::GetDrainRequest request;
    request.set_name(name);
    v1::Drain drain;
    EXPECT_TRUE(Do(&RegistryStub::GetDrain, request, drain).ok());
    return drain;
  }
  v1::Appliance Box(const std::string& id) {
    v1::GetApplianceRequest request;
    request.set_name("appliances/" + id);
    v1::Appliance box;
    EXPECT_TRUE(Do(&RegistryStub::GetAppliance, request, box).ok());
    return box;
  }
  bool Reaches(v1::Drain::Phase phase) {
    return Eventually([&] { return Get().phase() == phase; });
  }
  absl::StatusOr<v1::Drain::Phase> Report(absl::Duration quiet, const std::string& bearer, const std::string& box = "appliances/oca-1",
                                          const std::string& drain = "drains/d-1") {
    v1::ReportDrainRequest request;
    request.set_appliance(box);
    request.set_drain(drain);
    request.mutable_quiet_for()->set_seconds(absl::ToInt64Seconds(quiet));
    v1::ReportDrainResponse response;
    const absl::Status status = Call(*config_, &v1::ConfigService::Stub::ReportDrain, request, response, "", bearer);
    if (!status.ok()) return status;
    return response.phase();
  }
  int AuditsOf(const std::string& resource, const std::string& method) {
    v1::ListAuditRecordsRequest request;
    request.set_resource(resource);
    v1::ListAuditRecordsResponse audit;
    EXPECT_TRUE(Do(&RegistryStub::ListAuditRecords, request, audit).ok());
    return static_cast<int>(std::count_if(audit.audit_records().begin(), audit.audit_records().end(),
                                          [&](const v1::AuditRecord& record) { return record.method() == method; }));
  }

  std::string credential_;
};

TEST_F(DrainTest, ABoxGoesThroughEveryPhaseAndBackAndIsToldOfEach) {
  v1::CreateDrainRequest wish = Wish("appliances/oca-1");
  *wish.mutable_drain()->mutable_end_time() = TimestampToProto(clock_.Now() + absl::Hours(4));
  std::string generation = Generation("oca-1");
  const std::string other = Generation("oca-2");
  const auto told = [&](v1::Drain::Phase phase) {
    const v1::ApplianceConfig config = GetConfig("appliances/oca-1", "", credential_).value();
    const bool differs = config.generation() != generation;
    generation = config.generation();
    return differs && config.appliance().drain().phase() == phase;
  };
  ASSERT_TRUE(Create(wish).ok());
  EXPECT_TRUE(told(v1::Drain::PHASE_DRAINING));
  EXPECT_EQ(Box("oca-1").admin_state(), common::v1::ADMIN_STATE_DRAINING);
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_EVACUATING));
  EXPECT_TRUE(told(v1::Drain::PHASE_EVACUATING));
  clock_.Advance(absl::Minutes(30));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_LAME_DUCK));
  EXPECT_TRUE(told(v1::Drain::PHASE_LAME_DUCK));
  EXPECT_EQ(Report(absl::Minutes(99), credential_).value(), v1::Drain::PHASE_LAME_DUCK) << "it is a lame duck since just now";
  clock_.Advance(absl::Minutes(5));
  EXPECT_EQ(Report(absl::Minutes(4), credential_).value(), v1::Drain::PHASE_LAME_DUCK);
  EXPECT_EQ(Report(absl::Minutes(5), credential_).value(), v1::Drain::PHASE_DRAINED);
  EXPECT_TRUE(told(v1::Drain::PHASE_DRAINED));
  EXPECT_EQ(Box("oca-1").admin_state(), common::v1::ADMIN_STATE_DRAINED);
  clock_.Advance(absl::Hours(4));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_ENDED));
  EXPECT_TRUE(told(v1::Drain::PHASE_UNSPECIFIED));
  EXPECT_EQ(Box("oca-1").admin_state(), common::v1::ADMIN_STATE_LIVE);
  EXPECT_EQ(Generation("oca-2"), other) << "its neighbour was not concerned";
  EXPECT_EQ(AuditsOf("drains/d-1", "CreateDrain"), 1);
  EXPECT_EQ(AuditsOf("drains/d-1", "AdvanceDrains"), 3);
  EXPECT_EQ(AuditsOf("drains/d-1", "ReportDrain"), 2) << "the first word and the last, however many there are";
}

TEST_F(DrainTest, ARefusedDrainNamesTheFieldAndTheValueAndChangesNothing) {
  v1::CreateDrainRequest wish = Wish("appliances/oca-1");
  *wish.mutable_drain()->mutable_start_time() = TimestampToProto(clock_.Now() - absl::Seconds(1));
  const absl::Status past = Create(wish).status();
  EXPECT_EQ(past.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(past), "drain.start_time");
  EXPECT_THAT(std::string(past.message()), AllOf(HasSubstr("2027-01-15T07:59:59"), HasSubstr("in the past")));
  EXPECT_EQ(FieldOf(Create(Wish("oca-1")).status()), "drain.target");
  EXPECT_EQ(FieldOf(Create(Wish("appliances/oca-1", "NO")).status()), "drain_id");
  v1::ListDrainsResponse drains;
  ASSERT_TRUE(Do(&RegistryStub::ListDrains, v1::ListDrainsRequest(), drains).ok());
  EXPECT_THAT(drains.drains(), SizeIs(0));
  EXPECT_EQ(Box("oca-1").admin_state(), common::v1::ADMIN_STATE_LIVE);
}

TEST_F(DrainTest, AnIdIsMadeWhereNoneIsGivenAndARepeatedRequestMakesNoSecondDrain) {
  v1::CreateDrainRequest wish = Wish("sites/lhr001", "");
  wish.set_request_id("r-1");
  const v1::Drain drain = Create(wish).value();
  EXPECT_THAT(drain.name(), testing::StartsWith("drains/d-20270115-0800-"));
  EXPECT_EQ(Create(wish).value().name(), drain.name());
  v1::ListDrainsResponse drains;
  ASSERT_TRUE(Do(&RegistryStub::ListDrains, v1::ListDrainsRequest(), drains).ok());
  ASSERT_THAT(drains.drains(), SizeIs(1));
  EXPECT_THAT(drains.drains(0).boxes(), SizeIs(2));
}

TEST_F(DrainTest, ValidateOnlyMovesNothing) {
  v1::CreateDrainRequest wish = Wish("appliances/oca-1");
  wish.set_validate_only(true);
  EXPECT_EQ(Create(wish).value().phase(), v1::Drain::PHASE_DRAINING);
  EXPECT_EQ(Box("oca-1").admin_state(), common::v1::ADMIN_STATE_LIVE);
}

TEST_F(DrainTest, CancellingGivesTheBoxesBackAndAStaleEtagIsRefused) {
  const v1::Drain drain = Create(Wish("sites/lhr001")).value();
  EXPECT_EQ(Cancel("\"7\"").status().code(), absl::StatusCode::kAborted);
  ASSERT_TRUE(SetState("oca-2", common::v1::ADMIN_STATE_DRAINED).ok());
  EXPECT_EQ(Cancel(drain.etag()).status().code(), absl::StatusCode::kAborted) << "the operator's move changed it";
  EXPECT_EQ(Cancel(Get().etag(), "r-1").value().phase(), v1::Drain::PHASE_CANCELLED);
  EXPECT_EQ(Cancel(Get().etag(), "r-2").value().phase(), v1::Drain::PHASE_CANCELLED);
  EXPECT_EQ(Box("oca-1").admin_state(), common::v1::ADMIN_STATE_LIVE);
  EXPECT_FALSE(Box("oca-1").has_drain());
  EXPECT_EQ(Box("oca-2").admin_state(), common::v1::ADMIN_STATE_DRAINED) << "what an operator moved is left alone";
  EXPECT_FALSE(Box("oca-2").has_drain());
}

TEST_F(DrainTest, ADeadBoxShowsAsOverdueAndAnOperatorMayMoveIt) {
  ASSERT_TRUE(Create(Wish("appliances/oca-1")).ok());
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_EVACUATING));
  clock_.Advance(absl::Minutes(30));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_LAME_DUCK));
  clock_.Advance(absl::Minutes(15));
  EXPECT_TRUE(Eventually([&] { return absl::StrContains(Get().boxes(0).detail(), "overdue: no word from the box"); }));
  EXPECT_EQ(Get().phase(), v1::Drain::PHASE_LAME_DUCK);
  const auto overdue = [&](int boxes) {
    return Eventually(
        [&] { return absl::StrContains(metrics_.Text(), absl::StrCat("fairlead_registry_drain_overdue_boxes ", boxes, "\n")); });
  };
  EXPECT_TRUE(overdue(1));
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_DRAINED).ok());
  EXPECT_TRUE(overdue(0));
  EXPECT_EQ(Get().phase(), v1::Drain::PHASE_ENDED);
  EXPECT_EQ(Get().boxes(0).detail(), "was moved by an operator, to DRAINED");
}

TEST_F(DrainTest, ABoxSpeaksForItselfOnly) {
  ASSERT_TRUE(Create(Wish("sites/lhr001")).ok());
  EXPECT_EQ(Report(absl::Minutes(9), credential_, "appliances/oca-2").status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Report(absl::Minutes(9), "wrong").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Report(absl::Minutes(9), credential_, "appliances/oca-1", "drains/other").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Report(absl::Minutes(9), credential_).value(), v1::Drain::PHASE_DRAINING);
  v1::Drain drain;
  EXPECT_EQ(Call(*stub_, &RegistryStub::CreateDrain, Wish("sites/lhr001"), drain, "", credential_).code(),
            absl::StatusCode::kPermissionDenied);
}

// registryd was down for an hour and more; the clock went on.
TEST_F(DrainTest, AServerThatWasDownGoesOnFromWhereTheDrainIs) {
  ASSERT_TRUE(Create(Wish("appliances/oca-1")).ok());
  server_->Shutdown(absl::ZeroDuration());
  clock_.Advance(absl::Hours(5));
  Metrics metrics;
  const auto next = Server::Start({}, store_, clock_, metrics).value();
  stub_ = v1::RegistryService::NewStub(MakeChannel(next->target()));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_EVACUATING)) << "not LAME_DUCK: nobody has been evacuated yet";
  EXPECT_EQ(Get().boxes(0).phase_time().seconds(), absl::ToUnixSeconds(clock_.Now()));
  clock_.Advance(absl::Minutes(30));
  EXPECT_TRUE(Reaches(v1::Drain::PHASE_LAME_DUCK));
  next->Shutdown(absl::ZeroDuration());
}

TEST_F(DrainTest, ThreeReplicasTakeEachStepOnce) {
  std::vector<std::unique_ptr<Metrics>> metrics;
  std::vector<std::unique_ptr<Server>> replicas;
  for (int i = 0; i < 2; ++i) {
    metrics.push_back(std::make_unique<Metrics>());
    ServerOptions options;
    options.config_poll_interval = absl::Milliseconds(5);
    options.fill_addresses = "127.0.0.1:7003,[::1]:7003";
    replicas.push_back(Server::Start(options, store_, clock_, *metrics.back()).value());
  }
  ASSERT_TRUE(Create(Wish("sites/lhr001")).ok());
  clock_.Advance(absl::Hours(1));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_EVACUATING));
  clock_.Advance(absl::Minutes(30));
  ASSERT_TRUE(Reaches(v1::Drain::PHASE_LAME_DUCK));
  for (const auto& replica : replicas) replica->Shutdown(absl::ZeroDuration());
  EXPECT_EQ(AuditsOf("drains/d-1", "AdvanceDrains"), 2);
  EXPECT_EQ(AuditsOf("appliances/oca-2", "AdvanceDrains"), 2);
}

TEST_F(DrainTest, WithTheStoreDownNothingMovesAndAfterwardsTheDrainGoesOn) {
  ASSERT_TRUE(Create(Wish("appliances/oca-1")).ok());
  store_.FailWith(absl::UnavailableError("down"));
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Create(Wish("appliances/oca-2", "d-2")).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(Eventually([&] { return server_->metrics().store_up.Value() == 0; }));
  store_.FailWith(absl::OkStatus());
  EXPECT_TRUE(Reaches(v1::Drain::PHASE_EVACUATING));
}

}  // namespace
}  // namespace fairlead::registry
