// The generated world as operators and boxes tell it: fleet files for registryd, the catalogue's rows, and what each box reports to
// ingestd.
//
// Each IX site has a collector that hears its edge router by one feed, whose routes are told apart by next hop; every other box hears its
// partner by itself. Partners may announce anything but a default route: what is measured isn't admission. Immutable once made; any thread.
//
//   const ToldWorld told(world);
//   for (const std::string& text : told.FleetFiles("127.0.0.1:7002")) Apply(text);
//   told.Announce(hearer, told.RoutesOf(hearer)[0], 0, update);
#ifndef FAIRLEAD_TESTS_BENCH_REPLICAS_TOLD_WORLD_H_
#define FAIRLEAD_TESTS_BENCH_REPLICAS_TOLD_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "fairlead/ingest/v1/appliance_link_service.pb.h"
#include "libs/net/prefix.h"
#include "tests/generator/world.h"

namespace fairlead {

// A box or a collector: whoever has a stream to ingestd.
struct Hearer {
  std::string id;
  std::string serial;
  std::string session;  // "bgpSessions/x" that it reports; empty: none.
  uint32_t box = 0;     // Index into the world's appliances, unless it is a collector.
  bool collector = false;
  uint64_t capacity_bps = 0;
};

// A route of the world, as two numbers.
struct RouteRef {
  uint32_t prefix = 0;
  uint32_t of_set = 0;
};

class ToldWorld {
 public:
  // "titles/probe", held by every box: what probes ask for. It is the first to be imported.
  static constexpr char kProbeTitle[] = "probe";

  explicit ToldWorld(const World& world);

  // In the order in which they must be applied, each within what ApplyFleet takes.
  std::vector<std::string> FleetFiles(const std::string& cell_address) const;
  // As imports would have left it in the database: what 100,000 calls take too long for. File numbers are the world's plus 1.
  std::string CatalogueSql() const;

  // Boxes in the order of the world's appliances, then the collectors.
  const std::vector<Hearer>& hearers() const { return hearers_; }
  const std::vector<std::vector<RouteRef>>& routes() const { return routes_; }  // By hearer.
  size_t route_count() const { return route_count_; }
  // Who hears a route of the world.
  size_t HearerOf(const WorldRoute& route) const { return hearer_of_session_[route.session]; }
  // Adds the route with `longer` more hops to what the hearer announces.
  void Announce(const RouteRef& ref, uint32_t longer, ingest::v1::RouteUpdate& update) const;
  // A route of its own partner that nobody else hears, of a box that isn't a collector.
  void AnnounceOwn(const Hearer& hearer, const Prefix& prefix, ingest::v1::RouteUpdate& update) const;
  static void Withdraw(const Prefix& prefix, ingest::v1::RouteUpdate& update);
  // `sick`: its web server has stopped.
  ingest::v1::Heartbeat Beat(const Hearer& hearer, bool sick) const;
  // By box: what it holds of the catalogue, ascending, as numbers of the catalogue.
  std::vector<std::vector<uint32_t>> HeldFiles() const;

 private:
  struct Peer {
    uint32_t asn = 0;
    uint32_t path_id = 0;
    std::string next_hop;  // 4 bytes; empty where the hearer's own session tells.
    std::string address;
  };

  std::string PartnersYaml() const;
  std::string SiteYaml(size_t site) const;
  std::string BoxYaml(const ApplianceView& box) const;
  std::string SessionYaml(size_t session) const;
  void Fill(uint32_t session, const Prefix& prefix, uint32_t length, uint32_t med, ingest::v1::Route& route) const;

  const World& world_;
  std::map<PartnerId, uint32_t> asns_;
  std::map<SiteId, PartnerId> hosts_;  // Of embedded sites.
  std::vector<Peer> peers_;            // By session.
  std::vector<Hearer> hearers_;
  std::vector<size_t> hearer_of_session_;
  std::vector<uint32_t> session_of_box_;
  std::vector<std::vector<RouteRef>> routes_;
  size_t route_count_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_REPLICAS_TOLD_WORLD_H_
