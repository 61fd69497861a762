// The kinds that registryd owns.
#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "services/cli/describe_text.h"
#include "services/cli/kinds.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using registry::v1::Appliance;
using registry::v1::AuditRecord;
using registry::v1::BgpSession;
using registry::v1::Cell;
using registry::v1::Cluster;
using registry::v1::Drain;
using registry::v1::Endpoint;
using registry::v1::FillWindow;
using registry::v1::Link;
using registry::v1::ListSigningKeysRequest;
using registry::v1::ListSigningKeysResponse;
using registry::v1::Partner;
using registry::v1::Policy;
using registry::v1::RegistryService;
using registry::v1::SigningKey;
using registry::v1::Site;
using registry::v1::TierCapacity;
using Stub = RegistryService::StubInterface;

template <typename Request, typename Response>
using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

// Names in a cell: ids only, the first few.
template <typename Names>
std::string Ids(const Names& names) {
  constexpr int kShown = 3;
  std::vector<std::string> ids;
  for (const std::string& name : names) {
    if (static_cast<int>(ids.size()) == kShown) {
      ids.push_back(absl::StrCat("+", names.size() - kShown));
      break;
    }
    ids.push_back(ShortName(name));
  }
  return absl::StrJoin(ids, ",");
}

std::string BitsOrNothing(int64_t value) {
  return value == 0 ? "" : HumanBits(value);
}

std::string TierBytes(const Appliance& appliance, common::v1::Tier tier) {
  int64_t bytes = 0;
  for (const TierCapacity& capacity : appliance.tiers()) bytes += capacity.tier() == tier ? capacity.capacity_bytes() : 0;
  return bytes == 0 ? "" : HumanBytes(bytes);
}

std::string HostPort(const std::string& host, int port) {
  return absl::StrCat(host.find(':') == std::string::npos ? host : absl::StrCat("[", host, "]"), ":", port);
}

Row PartnerRow(const Partner& p) {
  const std::string asns = absl::StrJoin(p.asns(), ",", [](std::string* out, uint32_t asn) { absl::StrAppend(out, "AS", asn); });
  return {ShortName(p.name()), p.display_name(), asns, p.as_set(), Ids(p.allowed_prefixes()), BitsOrNothing(p.peak_traffic_bps())};
}

std::string WindowText(const FillWindow& window) {
  return absl::StrCat(window.start(), " for ", HumanAge(window.length()));
}

Row SiteRow(const Site& s) {
  const std::string place = s.has_coordinates() ? absl::StrCat(s.coordinates().latitude(), ",", s.coordinates().longitude()) : "";
  return {ShortName(s.name()),
          Word(s.kind()),
          ShortName(s.partner()),
          s.country(),
          place,
          s.time_zone(),
          s.has_fill_window() ? WindowText(s.fill_window()) : "",
          s.open_to_unrouted() ? "yes" : "no"};
}

Row LinkRow(const Link& l) {
  return {ShortName(l.name()),    ShortName(l.site()),         Word(l.kind()),
          ShortName(l.partner()), HumanBits(l.capacity_bps()), BitsOrNothing(l.contract_cap_bps())};
}

Row ClusterRow(const Cluster& c) {
  const std::string masters = !c.has_fill_policy()                  ? "1"
                              : c.fill_policy().fill_masters() == 0 ? "all"
                                                                    : absl::StrCat(c.fill_policy().fill_masters());
  return {ShortName(c.name()),
          ShortName(c.site()),
          c.content_region(),
          c.popularity_feed(),
          absl::StrCat(c.copies()),
          masters,
          c.fill_policy().forbid_origin() ? "no" : "yes"};
}

// "LIVE"; of a box in a drain the phase too, which tells more: "DRAINING (LAME_DUCK)".
std::string AdminText(const Appliance& appliance) {
  const std::string state = Word(appliance.admin_state());
  const std::string phase = Word(appliance.drain().phase());
  return phase.empty() || phase == state ? state : absl::StrCat(state, " (", phase, ")");
}

Row ApplianceRow(const Appliance& a) {
  std::vector<std::string> endpoints;
  for (const Endpoint& e : a.endpoints()) endpoints.push_back(absl::StrCat(e.scheme(), "://", HostPort(e.host(), e.port())));
  return {ShortName(a.name()),
          ShortName(a.site()),
          ShortName(a.cluster()),
          Word(a.kind()),
          AdminText(a),
          a.credential_sha256().empty() ? "no" : "yes",
          BitsOrNothing(a.capacity_bps()),
          TierBytes(a, common::v1::TIER_DISK),
          TierBytes(a, common::v1::TIER_FLASH),
          absl::StrJoin(endpoints, " ")};
}

Row SessionRow(const BgpSession& s) {
  std::vector<std::string> families;
  for (const int family : s.families()) families.push_back(family == common::v1::ADDRESS_FAMILY_IPV6 ? "v6" : "v4");
  return {ShortName(s.name()),
          ShortName(s.appliance()),
          Word(s.role()),
          HostPort(s.peer_address(), s.peer_port() == 0 ? 179 : s.peer_port()),
          absl::StrCat("AS", s.peer_asn()),
          ShortName(s.partner()),
          Word(s.transport_class()),
          absl::StrJoin(families, ","),
          ShortName(s.link())};
}

Row CellRow(const Cell& c) {
  return {ShortName(c.name()), c.address(), Ids(c.sites())};
}

Row PolicyRow(const Policy& p) {
  const std::string body = p.has_steering() ? "steering" : p.has_health() ? "health" : p.has_drain() ? "drain" : "";
  return {ShortName(p.name()), body, p.display_name(), HumanTime(p.update_time())};
}

Row KeyRow(const SigningKey& k) {
  return {ShortName(k.name()), Word(k.state()), HumanTime(k.create_time()), HumanTime(k.update_time())};
}

Row DrainRow(const Drain& d) {
  return {ShortName(d.name()), d.target(), Word(d.phase()), HumanTime(d.start_time()), HumanTime(d.end_time()), d.reason()};
}

Row AuditRow(const AuditRecord& r) {
  return {absl::StrCat(r.sequence()), HumanTime(r.time()), r.principal(), r.method(), r.resource(), absl::StrCat(r.config_version())};
}

void SetFilter(const ListOptions& options, auto& request) {
  if constexpr (requires { request.set_site(""); }) request.set_site(options.site);
  if constexpr (requires { request.set_appliance(""); }) request.set_appliance(options.appliance);
  if constexpr (requires { request.set_resource(""); }) request.set_resource(options.resource);
}

template <typename Request, typename Response>
auto ListWith(Method<Request, Response> method) {
  return [method](Context& context, const ListOptions& options) -> absl::StatusOr<MessagePtr> {
    Request request;
    SetFilter(options, request);
    ASSIGN_OR_RETURN(Response response,
                     (context.ListAll<RegistryService, Request, Response>(context.registry(), method, request, options.limit)));
    return std::make_unique<Response>(std::move(response));
  };
}

template <typename Request, typename Resource>
auto GetWith(Method<Request, Resource> method) {
  return [method](Context& context, const std::string& name) -> absl::StatusOr<MessagePtr> {
    Request request;
    request.set_name(name);
    ASSIGN_OR_RETURN(Resource resource, (context.Call<RegistryService, Request, Resource>(context.registry(), method, request)));
    return std::make_unique<Resource>(std::move(resource));
  };
}

// Signing keys are few: no pages, and no method to get one.
absl::StatusOr<MessagePtr> ListKeys(Context& context, const ListOptions&) {
  ASSIGN_OR_RETURN(ListSigningKeysResponse response,
                   context.Call<RegistryService>(context.registry(), &Stub::ListSigningKeys, ListSigningKeysRequest()));
  return std::make_unique<ListSigningKeysResponse>(std::move(response));
}

absl::StatusOr<MessagePtr> GetKey(Context& context, const std::string& name) {
  ASSIGN_OR_RETURN(const ListSigningKeysResponse response,
                   context.Call<RegistryService>(context.registry(), &Stub::ListSigningKeys, ListSigningKeysRequest()));
  for (const SigningKey& key : response.signing_keys()) {
    if (key.name() == name) return std::make_unique<SigningKey>(key);
  }
  return absl::NotFoundError(absl::StrCat("registryd at ", context.registry().target, ": there is no signing key '", name, "'"));
}

constexpr Align kRight = Align::kRight;

}  // namespace

std::vector<Kind> RegistryKinds() {
  std::vector<Kind> kinds;
  kinds.push_back({.plural = "partners",
                   .singular = "partner",
                   .collection = "partners",
                   .summary = "internet providers",
                   .list = ListWith(&Stub::ListPartners),
                   .get = GetWith(&Stub::GetPartner),
                   .columns = {{"NAME"}, {"DISPLAY NAME"}, {"ASNS"}, {"AS-SET"}, {"PREFIXES"}, {"PEAK", kRight}},
                   .row = RowOf(PartnerRow)});
  kinds.push_back({.plural = "sites",
                   .singular = "site",
                   .collection = "sites",
                   .summary = "places with appliances",
                   .list = ListWith(&Stub::ListSites),
                   .get = GetWith(&Stub::GetSite),
                   .columns = {{"NAME"}, {"KIND"}, {"PARTNER"}, {"COUNTRY"}, {"PLACE"}, {"TIME ZONE"}, {"FILL WINDOW"}, {"OPEN"}},
                   .row = RowOf(SiteRow)});
  kinds.push_back({.plural = "links",
                   .singular = "link",
                   .collection = "links",
                   .summary = "uplinks, peering ports, agreements",
                   .filter = Filter::kSite,
                   .list = ListWith(&Stub::ListLinks),
                   .get = GetWith(&Stub::GetLink),
                   .columns = {{"NAME"}, {"SITE"}, {"KIND"}, {"PARTNER"}, {"CAPACITY", kRight}, {"CONTRACT CAP", kRight}},
                   .row = RowOf(LinkRow)});
  kinds.push_back({.plural = "clusters",
                   .singular = "cluster",
                   .collection = "clusters",
                   .summary = "boxes that hold a catalogue together",
                   .filter = Filter::kSite,
                   .list = ListWith(&Stub::ListClusters),
                   .get = GetWith(&Stub::GetCluster),
                   .columns = {{"NAME"}, {"SITE"}, {"REGION"}, {"FEED"}, {"COPIES", kRight}, {"FILL MASTERS", kRight}, {"ORIGIN"}},
                   .row = RowOf(ClusterRow)});
  kinds.push_back({.plural = "appliances",
                   .singular = "appliance",
                   .collection = "appliances",
                   .summary = "boxes, as registered",
                   .filter = Filter::kSite,
                   .list = ListWith(&Stub::ListAppliances),
                   .get = GetWith(&Stub::GetAppliance),
                   .columns = {{"NAME"},
                               {"SITE"},
                               {"CLUSTER"},
                               {"KIND"},
                               {"ADMIN STATE"},
                               {"BOUND"},
                               {"CAPACITY", kRight},
                               {"DISK", kRight},
                               {"FLASH", kRight},
                               {"ENDPOINTS"}},
                   .row = RowOf(ApplianceRow)});
  kinds.push_back({.plural = "sessions",
                   .singular = "session",
                   .collection = "bgpSessions",
                   .summary = "BGP sessions",
                   .filter = Filter::kAppliance,
                   .list = ListWith(&Stub::ListBgpSessions),
                   .get = GetWith(&Stub::GetBgpSession),
                   .columns = {{"NAME"}, {"APPLIANCE"}, {"ROLE"}, {"PEER"}, {"PEER AS"}, {"PARTNER"}, {"CLASS"}, {"FAMILIES"}, {"LINK"}},
                   .row = RowOf(SessionRow)});
  kinds.push_back({.plural = "cells",
                   .singular = "cell",
                   .collection = "cells",
                   .summary = "ingestd servers and their sites",
                   .list = ListWith(&Stub::ListCells),
                   .get = GetWith(&Stub::GetCell),
                   .columns = {{"NAME"}, {"ADDRESS"}, {"SITES"}},
                   .row = RowOf(CellRow)});
  kinds.push_back({.plural = "policies",
                   .singular = "policy",
                   .collection = "policies",
                   .summary = "knobs of steering, health and drains",
                   .list = ListWith(&Stub::ListPolicies),
                   .get = GetWith(&Stub::GetPolicy),
                   .columns = {{"NAME"}, {"OF"}, {"DISPLAY NAME"}, {"CHANGED"}},
                   .row = RowOf(PolicyRow)});
  kinds.push_back({.plural = "keys",
                   .singular = "key",
                   .collection = "signingKeys",
                   .summary = "public keys of URL tokens",
                   .list = ListKeys,
                   .get = GetKey,
                   .columns = {{"NAME"}, {"STATE"}, {"CREATED"}, {"CHANGED"}},
                   .row = RowOf(KeyRow)});
  kinds.push_back({.plural = "drains",
                   .singular = "drain",
                   .collection = "drains",
                   .summary = "boxes and sites being emptied of viewers",
                   .list = ListWith(&Stub::ListDrains),
                   .get = GetWith(&Stub::GetDrain),
                   .columns = {{"NAME"}, {"TARGET"}, {"PHASE"}, {"START"}, {"END"}, {"REASON"}},
                   .row = RowOf(DrainRow)});
  kinds.push_back({.plural = "audit",
                   .singular = "audit",
                   .collection = "audit",
                   .summary = "who changed what, newest first",
                   .default_limit = 50,
                   .list = ListWith(&Stub::ListAuditRecords),
                   .columns = {{"SEQUENCE", kRight}, {"TIME"}, {"WHO"}, {"METHOD"}, {"RESOURCE"}, {"CONFIG VERSION", kRight}},
                   .row = RowOf(AuditRow)});
  return kinds;
}

}  // namespace fairlead::cli
