// The generated world as the feeds tell it: entries for the configuration, the catalogue and one cell. A collector stands at each IX site,
// since a session of the registry names who hears it. Every box holds all files of one title, unless its own are asked for: what the
// benchmark of publication measures isn't holdings.
#ifndef FAIRLEAD_TESTS_BENCH_PUBLICATION_WORLD_H_
#define FAIRLEAD_TESTS_BENCH_PUBLICATION_WORLD_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "fairlead/content/v1/catalog_service.pb.h"
#include "fairlead/ingest/v1/fleet_service.pb.h"
#include "fairlead/registry/v1/config_service.pb.h"
#include "libs/net/prefix.h"
#include "libs/steering/views.h"
#include "tests/generator/world.h"

namespace fairlead {

class PublicationWorld {
 public:
  using Config = registry::v1::ConfigEntry;
  using Fleet = ingest::v1::FleetEntry;

  static constexpr uint32_t kFiles = 100;

  explicit PublicationWorld(const World& world);

  std::vector<Config> ConfigEntries(const std::string& cell_address) const;
  content::v1::CatalogEntry Catalogue() const;
  // A title of the world's own catalogue, as its import told it.
  content::v1::CatalogEntry Title(uint32_t title) const;
  // All but the routes; of the boxes their states, and what they hold if that is the same for all.
  std::vector<Fleet> CellEntries(bool holdings = true) const;
  static Fleet Holdings(const ApplianceView& box, const std::vector<uint32_t>& files);

  Config Appliance(const ApplianceView& box, AdminState admin) const;
  Fleet State(const ApplianceView& box, HealthState health, uint64_t sequence) const;
  Fleet Route(const Prefix& prefix, const WorldRoute& route) const;
  // A route of the router that is lost later: a session of its own at the first IX site.
  Fleet LostRoute(const Prefix& prefix) const;
  static Fleet Removal(const Fleet& entry);
  static constexpr char kLostSession[] = "lost-router";
  // A site that wasn't there before, with a box: the topology is another one.
  static std::vector<Config> NewSite(const std::string& id);

 private:
  std::string Hearer(const SessionView& session) const;
  static Fleet RouteEntry(const std::string& session, const std::string& hearer, const Prefix& prefix, const WorldRoute& route);

  const World& world_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_PUBLICATION_WORLD_H_
