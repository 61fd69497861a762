// Enrolment and signing keys through the front door.
#include "services/registry/service_fixture.h"

namespace fairlead::registry {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST_F(ServiceTest, ABoxBindsOnceAndARetryGetsTheSameCredential) {
  Fill();
  const std::string token = IssueToken("oca-1");
  EXPECT_EQ(Enroll("SN-1", "wrong", "install-a").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Enroll("SN-2", token, "install-a").status().code(), absl::StatusCode::kUnauthenticated) << "another box's token";
  const auto credential = Enroll("SN-1", token, "install-a");
  ASSERT_TRUE(credential.ok()) << credential.status();
  const ConfigPosition bound = store_.Position().value();
  EXPECT_EQ(*Enroll("SN-1", token, "install-a"), *credential);
  EXPECT_EQ(*store_.Position(), bound) << "a retry writes nothing";
  EXPECT_EQ(Enroll("SN-1", token, "install-b").status().code(), absl::StatusCode::kFailedPrecondition);

  EXPECT_TRUE(GetConfig("appliances/oca-1", "", *credential).ok());
  EXPECT_EQ(GetConfig("appliances/oca-2", "", *credential).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(GetConfig("appliances/oca-1", "", "forged").status().code(), absl::StatusCode::kUnauthenticated);

  const std::string second = IssueToken("oca-1");
  EXPECT_EQ(GetConfig("appliances/oca-1", "", *credential).status().code(), absl::StatusCode::kUnauthenticated) << "unbound";
  EXPECT_EQ(Enroll("SN-1", token, "install-a").status().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_TRUE(Enroll("SN-1", second, "install-b").ok());
}

TEST_F(ServiceTest, ARetiredBoxHasNeitherCredentialNorEnrollment) {
  Fill();
  const std::string token = IssueToken("oca-1");
  const std::string credential = Enroll("SN-1", token, "install-a").value();
  ASSERT_TRUE(GetConfig("appliances/oca-1", "", credential).ok());
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_RETIRED).ok());
  EXPECT_FALSE(store_.FindEnrollment(ApplianceId("oca-1"))->has_value());
  EXPECT_EQ(Enroll("SN-1", token, "install-a").status().code(), absl::StatusCode::kUnauthenticated);
  // Its etag is of the one write that did it all.
  const std::vector<AuditEntry> entries = store_.ListAudit("appliances/oca-1", 0, 10).value();
  EXPECT_EQ(entries[0].method, "SetAdminState");
  EXPECT_EQ(entries[0].config_version, store_.Position()->version);
  const ChangeSet whole = store_.ChangesSince({}).value();
  for (const auto& record : whole.Of<Appliance>().put) EXPECT_EQ(record->value.credential_sha256, "") << record->name();
}

TEST_F(ServiceTest, NoSecretIsInTheAudit) {
  Fill();
  const std::string token = IssueToken("oca-1");
  const std::string credential = Enroll("SN-1", token, "install-a").value();
  ASSERT_TRUE(CreateKey().ok());
  const std::vector<AuditEntry> entries = store_.ListAudit("", 0, 1000).value();
  EXPECT_EQ(entries[1].principal, "appliance/oca-1");
  for (const AuditEntry& entry : entries) {
    for (const std::string& text : {entry.before_json, entry.after_json, entry.principal, entry.resource}) {
      EXPECT_EQ(text.find(token), std::string::npos);
      EXPECT_EQ(text.find(credential), std::string::npos);
      EXPECT_EQ(text.find("PRIVATE"), std::string::npos);
    }
  }
}

TEST_F(ServiceTest, TheNewestKeySignsTheOlderOnlyVerifiesAndTwoLiveKeysAreTheMost) {
  const auto first = CreateKey();
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->state(), v1::SigningKey::STATE_ACTIVE);
  EXPECT_THAT(first->public_key_pem(), HasSubstr("BEGIN PUBLIC KEY"));
  const std::string file = keys_ + "/" + first->name().substr(std::string("signingKeys/").size()) + ".pem";
  struct stat status {};
  ASSERT_EQ(stat(file.c_str(), &status), 0) << file;
  EXPECT_EQ(status.st_mode & 0777, 0600U);

  const auto second = CreateKey("k2");
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(CreateKey("k2")->name(), second->name()) << "a retry makes no third key";
  std::vector<std::string> states = KeyStates();
  std::sort(states.begin(), states.end());
  EXPECT_THAT(states, ElementsAre("STATE_ACTIVE", "STATE_VERIFY_ONLY"));
  EXPECT_EQ(CreateKey().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(keys_), {}), 2) << "a refused key leaves no file";

  v1::RevokeSigningKeyRequest revoke;
  revoke.set_name(second->name());
  v1::SigningKey revoked;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::RevokeSigningKey, revoke, revoked).ok());
  EXPECT_EQ(revoked.state(), v1::SigningKey::STATE_REVOKED);
  states = KeyStates();
  EXPECT_THAT(states, Contains("STATE_ACTIVE")) << "the other takes over";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(keys_), {}), 1);
  EXPECT_TRUE(CreateKey().ok());
}

TEST_F(ServiceTest, AKeyWhoseCommitFailsLeavesNoFileButOneInDoubtKeepsIt) {
  store_.FailCommits(1, absl::UnavailableError("PostgreSQL can't be reached"), false);
  EXPECT_EQ(CreateKey().status().code(), absl::StatusCode::kUnavailable);
  EXPECT_TRUE(std::filesystem::is_empty(keys_));
  store_.FailCommits(1, absl::UnknownError("in doubt"), true);
  EXPECT_EQ(CreateKey().status().code(), absl::StatusCode::kUnknown);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(keys_), {}), 1);
}

}  // namespace
}  // namespace fairlead::registry
