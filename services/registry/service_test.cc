// The standard methods, fleets and administrative states through the front door.
#include "services/registry/service_fixture.h"

namespace fairlead::registry {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(ServiceTest, AResourceIsCreatedReadUpdatedAndDeletedAndStaysDeleted) {
  v1::CreateSiteRequest create;
  create.set_site_id("ams-ix");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  create.mutable_site()->mutable_coordinates()->set_latitude(52.3);
  create.mutable_site()->set_uid("ignored");
  v1::Site site;
  absl::Status status = Do(&v1::RegistryService::Stub::CreateSite, create, site);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(site.name(), "sites/ams-ix");
  EXPECT_EQ(site.etag(), "\"1\"");
  EXPECT_THAT(site.uid(), SizeIs(32));
  EXPECT_EQ(site.fill_window().start(), "02:00");
  EXPECT_EQ(GetSite("sites/ams-ix")->SerializeAsString(), site.SerializeAsString());

  v1::UpdateSiteRequest update;
  update.mutable_site()->set_name("sites/ams-ix");
  update.mutable_site()->set_display_name("Amsterdam");
  update.mutable_site()->set_etag("\"1\"");
  update.mutable_site()->mutable_coordinates()->set_longitude(4.9);
  update.mutable_update_mask()->add_paths("display_name");
  update.mutable_update_mask()->add_paths("coordinates.longitude");
  status = Do(&v1::RegistryService::Stub::UpdateSite, update, site);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(site.display_name(), "Amsterdam");
  EXPECT_EQ(site.kind(), common::v1::SITE_KIND_IX) << "not in the mask";
  EXPECT_EQ(site.coordinates().latitude(), 52.3);
  EXPECT_EQ(site.coordinates().longitude(), 4.9);
  EXPECT_EQ(site.etag(), "\"2\"");

  status = Do(&v1::RegistryService::Stub::UpdateSite, update, site);
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted) << "the etag is stale";
  EXPECT_EQ(FieldOf(status), "etag");

  v1::DeleteSiteRequest remove;
  remove.set_name("sites/ams-ix");
  remove.set_etag("\"2\"");
  google::protobuf::Empty empty;
  EXPECT_TRUE(Do(&v1::RegistryService::Stub::DeleteSite, remove, empty).ok());
  EXPECT_EQ(GetSite("sites/ams-ix").status().code(), absl::StatusCode::kNotFound);
  status = Do(&v1::RegistryService::Stub::CreateSite, create, site);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(status.message()), HasSubstr("never reused"));
}

TEST_F(ServiceTest, UnknownAndOutputOnlyMaskPathsAreRefused) {
  Fill();
  for (const char* path : {"nonsense", "uid", "name", "etag", "coordinates.nonsense"}) {
    v1::UpdateSiteRequest update;
    update.mutable_site()->set_name("sites/lhr001");
    update.mutable_update_mask()->add_paths(path);
    v1::Site site;
    const absl::Status status = Do(&v1::RegistryService::Stub::UpdateSite, update, site);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << path;
    EXPECT_EQ(ValueOf(status), path);
  }
  v1::UpdateApplianceRequest update;
  update.mutable_appliance()->set_name("appliances/oca-1");
  update.mutable_update_mask()->add_paths("admin_state");
  v1::Appliance appliance;
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::UpdateAppliance, update, appliance)), "update_mask");
}

TEST_F(ServiceTest, ErrorsCarryTheFieldAndTheValue) {
  v1::CreateLinkRequest create;
  create.set_link_id("l-1");
  create.mutable_link()->set_site("sites/nowhere");
  create.mutable_link()->set_kind(v1::Link::KIND_SITE_UPLINK);
  create.mutable_link()->set_capacity_bps(1);
  v1::Link link;
  absl::Status status = Do(&v1::RegistryService::Stub::CreateLink, create, link);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(FieldOf(status), "link.site");
  EXPECT_EQ(ValueOf(status), "sites/nowhere");
  create.mutable_link()->set_site("nowhere");
  status = Do(&v1::RegistryService::Stub::CreateLink, create, link);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(FieldOf(status), "link.site");
  create.mutable_link()->set_kind(static_cast<v1::Link::Kind>(77));
  create.mutable_link()->set_site("sites/nowhere");
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::CreateLink, create, link)), "link.kind");
  create.set_link_id("L 1");
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::CreateLink, create, link)), "link_id");
}

TEST_F(ServiceTest, ValidateOnlyChecksEverythingAndChangesNothing) {
  Fill();
  const ConfigPosition before = store_.Position().value();
  v1::CreateClusterRequest create;
  create.set_cluster_id("lhr001-b");
  create.set_validate_only(true);
  create.mutable_cluster()->set_site("sites/lhr001");
  create.mutable_cluster()->set_content_region("emea");
  create.mutable_cluster()->set_popularity_feed("emea");
  create.mutable_cluster()->set_copies(1);
  v1::Cluster cluster;
  EXPECT_TRUE(Do(&v1::RegistryService::Stub::CreateCluster, create, cluster).ok());
  EXPECT_EQ(cluster.name(), "clusters/lhr001-b");
  EXPECT_EQ(*store_.Position(), before);
  create.mutable_cluster()->set_copies(99);
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::CreateCluster, create, cluster)), "cluster.copies");
}

TEST_F(ServiceTest, ARepeatedRequestGetsTheFirstResultAndChangesNothing) {
  v1::CreateSiteRequest create;
  create.set_site_id("ams-ix");
  create.set_request_id("6f1c");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  v1::Site first;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, first).ok());
  const ConfigPosition after = store_.Position().value();
  v1::Site second;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, second).ok());
  EXPECT_EQ(first.SerializeAsString(), second.SerializeAsString());
  EXPECT_EQ(*store_.Position(), after);
  create.mutable_site()->set_display_name("another body");
  const absl::Status status = Do(&v1::RegistryService::Stub::CreateSite, create, second);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(FieldOf(status), "request_id");
}

TEST_F(ServiceTest, ALateRetryOfARequestThatChangedNothingChangesNothing) {
  Fill();
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok());
  const ConfigPosition before = store_.Position().value();
  v1::SetAdminStateRequest live;
  live.set_name("appliances/oca-1");
  live.set_admin_state(common::v1::ADMIN_STATE_LIVE);
  live.set_request_id("already-live");
  v1::Appliance first;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::SetAdminState, live, first).ok());
  EXPECT_EQ(*store_.Position(), before) << "nothing to tell subscribers";
  ASSERT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_DRAINING).ok());
  const ConfigPosition drained = store_.Position().value();
  v1::Appliance again;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::SetAdminState, live, again).ok());
  EXPECT_EQ(again.SerializeAsString(), first.SerializeAsString());
  EXPECT_EQ(*store_.Position(), drained) << "still draining";
}

TEST_F(ServiceTest, ATrialDoesNotUseUpItsRequestId) {
  v1::CreateSiteRequest create;
  create.set_site_id("ams-ix");
  create.set_request_id("try-then-do");
  create.set_validate_only(true);
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  v1::Site site;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, site).ok());
  create.set_validate_only(false);
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, site).ok());
  EXPECT_TRUE(GetSite("sites/ams-ix").ok());
}

TEST_F(ServiceTest, AWriteThatLosesAgainstAnotherIsPlannedAgain) {
  store_.FailCommits(3, absl::AbortedError("somebody was faster"), /*but_write=*/false);
  Fill();
  EXPECT_TRUE(GetSite("sites/lhr001").ok());
}

TEST_F(ServiceTest, ACommitInDoubtIsUnknownAndTheRequestIdSettlesIt) {
  v1::CreateSiteRequest create;
  create.set_site_id("ams-ix");
  create.set_request_id("once");
  create.mutable_site()->set_kind(common::v1::SITE_KIND_IX);
  v1::Site site;
  store_.FailCommits(1, absl::UnknownError("the connection broke during commit"), /*but_write=*/true);
  EXPECT_EQ(Do(&v1::RegistryService::Stub::CreateSite, create, site).code(), absl::StatusCode::kUnknown);
  EXPECT_TRUE(Do(&v1::RegistryService::Stub::CreateSite, create, site).ok());
  EXPECT_EQ(site.etag(), "\"1\"");
}

TEST_F(ServiceTest, PagesAreWholeDisjointAndBoundToTheirQuery) {
  std::string yaml = "sites:\n";
  for (int i = 10; i < 25; ++i) yaml += "  - {id: ix-" + std::to_string(i) + ", kind: IX}\n";
  ASSERT_TRUE(Apply(yaml).ok());
  std::vector<std::string> names;
  v1::ListSitesRequest request;
  request.set_page_size(4);
  do {
    v1::ListSitesResponse page;
    ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListSites, request, page).ok());
    for (const v1::Site& site : page.sites()) names.push_back(site.name());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  EXPECT_THAT(names, SizeIs(15));
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));

  v1::ListSitesResponse page;
  request.set_page_size(2);
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListSites, request, page).ok());
  v1::ListLinksRequest other;
  other.set_page_token(page.next_page_token());
  v1::ListLinksResponse links;
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::ListLinks, other, links)), "page_token");
  request.set_page_token("nonsense");
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::ListSites, request, page)), "page_token");
  request.set_page_size(-1);
  EXPECT_EQ(FieldOf(Do(&v1::RegistryService::Stub::ListSites, request, page)), "page_size");
}

TEST_F(ServiceTest, ListsCanBeFilteredBySiteAndAppliance) {
  Fill();
  v1::ListAppliancesRequest request;
  request.set_site("sites/ams-ix");
  v1::ListAppliancesResponse appliances;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListAppliances, request, appliances).ok());
  EXPECT_THAT(appliances.appliances(), IsEmpty());
  v1::ListBgpSessionsRequest of_box;
  of_box.set_appliance("appliances/oca-1");
  v1::ListBgpSessionsResponse sessions;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListBgpSessions, of_box, sessions).ok());
  EXPECT_THAT(sessions.bgp_sessions(), SizeIs(1));
  EXPECT_EQ(sessions.bgp_sessions(0).peer_port(), 179);
}

TEST_F(ServiceTest, ADryRunShowsExactlyWhatTheRealRunDoesAndTheSecondRunDoesNothing) {
  const auto shown = Apply(kFleet, /*dry_run=*/true);
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(GetSite("sites/lhr001").status().code(), absl::StatusCode::kNotFound);
  const auto done = Apply(kFleet);
  ASSERT_TRUE(done.ok()) << done.status();
  EXPECT_EQ(shown->SerializeAsString(), done->SerializeAsString());
  EXPECT_THAT(done->changes(), SizeIs(10));
  const auto again = Apply(kFleet);
  EXPECT_THAT(again->changes(), IsEmpty());
  EXPECT_EQ(again->unchanged_count(), 10);
}

TEST_F(ServiceTest, OnlyPruneDeletesAndAdminStateIsNeverTouched) {
  Fill();
  ASSERT_TRUE(SetState("oca-2", common::v1::ADMIN_STATE_LIVE).ok());
  std::string smaller = kFleet;
  smaller.replace(smaller.find("  - {id: cell-2"), std::string::npos, "");
  const auto kept = Apply(smaller);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_THAT(kept->unlisted(), ElementsAre("cells/cell-2"));
  EXPECT_THAT(kept->changes(), IsEmpty());
  const auto pruned = Apply(smaller, false, /*prune=*/true);
  ASSERT_THAT(pruned->changes(), SizeIs(1));
  EXPECT_EQ(pruned->changes(0).action(), v1::FleetChange::ACTION_DELETE);
  EXPECT_EQ(SetState("oca-2", common::v1::ADMIN_STATE_RETIRED).code(), absl::StatusCode::kFailedPrecondition) << "still LIVE";
}

TEST_F(ServiceTest, ABadFleetFileChangesNothingAtAll) {
  const absl::Status status = Apply("sites:\n  - {id: good, kind: IX}\n  - {id: bad, kind: EMBEDDED, partner: isp}\n").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("3:40: sites/bad"));
  EXPECT_EQ(GetSite("sites/good").status().code(), absl::StatusCode::kNotFound);
}

TEST_F(ServiceTest, AdminMovesFollowTheLifeOfABoxAndAreAuditedWithTheirReason) {
  Fill();
  EXPECT_EQ(SetState("oca-1", common::v1::ADMIN_STATE_DRAINED).code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok());
  EXPECT_TRUE(SetState("oca-1", common::v1::ADMIN_STATE_LIVE).ok()) << "again is fine";
  EXPECT_EQ(SetState("oca-1", common::v1::ADMIN_STATE_UNSPECIFIED).code(), absl::StatusCode::kInvalidArgument);
  v1::ListAuditRecordsRequest request;
  request.set_resource("appliances/oca-1");
  v1::ListAuditRecordsResponse audit;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::ListAuditRecords, request, audit).ok());
  ASSERT_THAT(audit.audit_records(), SizeIs(2));
  EXPECT_EQ(audit.audit_records(0).method(), "SetAdminState");
  EXPECT_EQ(audit.audit_records(0).principal(), "operator/jane");
  EXPECT_THAT(audit.audit_records(0).before_json(), HasSubstr("ADMIN_STATE_PROVISIONING"));
  EXPECT_THAT(audit.audit_records(0).after_json(), HasSubstr("burn-in passed"));
  EXPECT_EQ(audit.audit_records(1).method(), "ApplyFleet");
}

TEST_F(ServiceTest, AnAuditOfLargeResourcesComesInPagesThatFitAMessage) {
  constexpr int kUpdates = 150;
  v1::CreatePartnerRequest create;
  create.set_partner_id("large");
  create.mutable_partner()->set_display_name("Large");
  create.mutable_partner()->add_asns(64500);
  for (int i = 0; i < 2000; ++i) create.mutable_partner()->add_allowed_prefixes(absl::StrCat("2001:db8:", absl::Hex(i), "::/48"));
  v1::Partner partner;
  ASSERT_TRUE(Do(&v1::RegistryService::Stub::CreatePartner, create, partner).ok());
  for (int i = 0; i < kUpdates; ++i) {
    v1::UpdatePartnerRequest update;
    update.mutable_partner()->set_name("partners/large");
    update.mutable_partner()->set_display_name(absl::StrCat("Large ", i));
    update.mutable_update_mask()->add_paths("display_name");
    ASSERT_TRUE(Do(&v1::RegistryService::Stub::UpdatePartner, update, partner).ok());
  }
  v1::ListAuditRecordsRequest request;
  request.set_resource("partners/large");
  request.set_page_size(1000);
  int64_t last = std::numeric_limits<int64_t>::max();
  int records = 0, pages = 0;
  do {
    v1::ListAuditRecordsResponse page;
    const absl::Status listed = Do(&v1::RegistryService::Stub::ListAuditRecords, request, page);
    ASSERT_TRUE(listed.ok()) << listed;
    EXPECT_LT(page.ByteSizeLong(), size_t{4} << 20);
    ASSERT_GT(page.audit_records_size(), 0);
    for (const v1::AuditRecord& record : page.audit_records()) {
      EXPECT_LT(record.sequence(), last);
      last = record.sequence();
      ++records;
    }
    request.set_page_token(page.next_page_token());
    ++pages;
  } while (!request.page_token().empty());
  EXPECT_EQ(records, kUpdates + 1);
  EXPECT_GT(pages, 1) << "else this test shows nothing";
}

TEST_F(ServiceTest, StrangersAndBoxesMayNotUseTheRegistry) {
  v1::ListSitesRequest request;
  v1::ListSitesResponse response;
  EXPECT_EQ(Call(*stub_, &v1::RegistryService::Stub::ListSites, request, response, "").code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(Call(*stub_, &v1::RegistryService::Stub::ListSites, request, response, "", "credential").code(),
            absl::StatusCode::kPermissionDenied);
  EXPECT_TRUE(Call(*stub_, &v1::RegistryService::Stub::ListSites, request, response, "service/steerd").ok());
}

}  // namespace
}  // namespace fairlead::registry
