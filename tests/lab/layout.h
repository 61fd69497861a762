// Who stands where in the lab: names, addresses, ports, folders. One value, made at the start; everything else is rendered from it.
//
// A lab takes one block 127.N.0.0/16 of loopback (no root needed) and, for IPv6, where ::1 is all there is, the ports
// 20000 + 40·N … + 39. So several labs may run side by side. All of it lies below the ephemeral ports.
//
//   ASSIGN_OR_RETURN(const Layout layout, MakeLayout({.run_dir = folder, .bin_dir = bin, .src_dir = src}));
#ifndef FAIRLEAD_TESTS_LAB_LAYOUT_H_
#define FAIRLEAD_TESTS_LAB_LAYOUT_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"

namespace fairlead {

// The CDN's two AS numbers, as seen from outside, and the port of every BIRD.
inline constexpr uint32_t kApplianceAsn = 40027;
inline constexpr uint32_t kEdgeAsn = 40028;
inline constexpr int kBgpPort = 1790;
inline constexpr int kHttpPort = 8080;

struct LabFolders {
  std::string run_dir;
  std::string bin_dir;  // Where Bazel put the programs: bin_dir/services/registry/registryd.
  std::string src_dir;  // The source tree, for migrations and templates.
};

struct LabPartner {
  std::string id;
  std::string display_name;
  uint32_t asn = 0;
  int net = 0;                // Its router is 127.N.net.1.
  std::string embedded_site;  // Empty for one that only peers.
  TransportClass peering = TransportClass::kPrivatePeering;
};

struct LabSite {
  std::string id;
  SiteKind kind = SiteKind::kEmbedded;
  std::string partner;
  std::string city;
  double latitude = 0;
  double longitude = 0;
  std::string country;
  std::string time_zone;
  bool forbid_origin = false;  // Its boxes are filled from other sites alone.
};

struct LabBox {
  std::string id;
  std::string site;
  ApplianceKind kind = ApplianceKind::kStorage;
  std::string address;  // IPv4; serves on kHttpPort, and speaks BGP on kBgpPort.
  int port_v6 = 0;      // On ::1. 0 for a collector.
};

struct Layout {
  LabFolders folders;
  int block = 0;
  std::string registryd, ingestd, filld, steerd, steerd_http;  // host:port
  std::string front_http, front_grpc;                          // The NGINX in front of steerd.
  std::string edge_router;                                     // Address of the IX site's own router.
  std::vector<LabPartner> partners;
  std::vector<LabSite> sites;
  std::vector<LabBox> boxes;  // Collector and origin included.

  std::string Address(int net, int host) const;
  // Where other processes reach the service at this address: through the lab's relay, which can be cut.
  std::string Relayed(const std::string& service) const;
  std::string RouterOf(const LabPartner& partner) const { return Address(partner.net, 1); }
  // The next hop of a partner's IPv6 routes, which ride on its IPv4 sessions.
  std::string RouterV6Of(const LabPartner& partner) const;
  // A program of ours: "services/registry/registryd".
  std::string Program(absl::string_view path) const;
  std::string Run(absl::string_view path) const;
  // Loopback address and port for the metrics page of the i-th program.
  std::string Metrics(int index) const;
};

// The demo's fleet in a block that nobody uses now. RESOURCE_EXHAUSTED if there is none.
absl::StatusOr<Layout> MakeLayout(LabFolders folders);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_LAYOUT_H_
