#include "tests/lab/layout.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

constexpr int kFirstBlock = 42;
constexpr int kBlocks = 200;
constexpr int kPortsV6 = 40;

int FirstPortV6(int block) {
  return 20000 + kPortsV6 * block;
}

bool CanBind(int family, const sockaddr* address, socklen_t length) {
  const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  // What closed a moment ago and lingers in TIME_WAIT is no obstacle to the servers either.
  const int yes = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
  const bool bound = bind(fd, address, length) == 0 && listen(fd, 1) == 0;
  close(fd);
  return bound;
}

bool IsFreeV4(const std::string& host, int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  inet_pton(AF_INET, host.c_str(), &address.sin_addr);
  return CanBind(AF_INET, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

bool IsFreeV6(int port) {
  sockaddr_in6 address = {};
  address.sin6_family = AF_INET6;
  address.sin6_port = htons(static_cast<uint16_t>(port));
  address.sin6_addr = in6addr_loopback;
  return CanBind(AF_INET6, reinterpret_cast<const sockaddr*>(&address), sizeof address);
}

void AddFleet(Layout& layout) {
  layout.partners = {
      {"north-cable", "North Cable", 500101, 1, "north-1", TransportClass::kPrivatePeering},
      {"south-fibre", "South Fibre", 500102, 2, "south-1", TransportClass::kPublicPeering},
      {"west-mobile", "West Mobile", 500103, 4, "", TransportClass::kPublicPeering},
  };
  layout.sites = {
      {"north-1", SiteKind::kEmbedded, "north-cable", "Hamburg", 53.55, 9.99, "DE", "Europe/Berlin", false},
      {"south-1", SiteKind::kEmbedded, "south-fibre", "Munich", 48.14, 11.58, "DE", "Europe/Berlin", true},
      {"ix-1", SiteKind::kIx, "", "Frankfurt", 50.11, 8.68, "DE", "Europe/Berlin", false},
      {"origin-1", SiteKind::kOrigin, "", "Amsterdam", 52.37, 4.90, "NL", "Europe/Amsterdam", false},
  };
  int port = FirstPortV6(layout.block);
  const auto box = [&](const char* id, const char* site, ApplianceKind kind, int net, int host) {
    layout.boxes.push_back({id, site, kind, layout.Address(net, host), kind == ApplianceKind::kCollector ? 0 : port++});
  };
  box("north-1-flash-1", "north-1", ApplianceKind::kFlash, 1, 11);
  box("north-1-storage-1", "north-1", ApplianceKind::kStorage, 1, 12);
  box("north-1-storage-2", "north-1", ApplianceKind::kStorage, 1, 13);
  box("south-1-storage-1", "south-1", ApplianceKind::kStorage, 2, 11);
  box("ix-1-storage-1", "ix-1", ApplianceKind::kStorage, 3, 11);
  box("ix-1-storage-2", "ix-1", ApplianceKind::kStorage, 3, 12);
  box("ix-1-collector", "ix-1", ApplianceKind::kCollector, 3, 2);
  box("origin-1", "origin-1", ApplianceKind::kOrigin, 9, 1);
  layout.edge_router = layout.Address(3, 1);
}

void AddControlPlane(Layout& layout) {
  const std::string host = layout.Address(0, 1);
  layout.registryd = absl::StrCat(host, ":7001");
  layout.ingestd = absl::StrCat(host, ":7002");
  layout.filld = absl::StrCat(host, ":7003");
  layout.steerd = absl::StrCat(host, ":7004");
  layout.steerd_http = absl::StrCat(host, ":7080");
  layout.front_http = absl::StrCat(host, ":8080");
  layout.front_grpc = absl::StrCat(host, ":8081");
}

// Whatever the lab will bind must be free; a single port in use hands the whole block to somebody else.
bool IsFree(const Layout& layout) {
  for (int port = FirstPortV6(layout.block); port < FirstPortV6(layout.block) + kPortsV6; ++port) {
    if (!IsFreeV6(port)) return false;
  }
  for (const int port : {7001, 7002, 7003, 7004, 7080, 8080, 8081, 9100, 9101, 9102, 9103}) {
    if (!IsFreeV4(layout.Address(0, 1), port)) return false;
  }
  for (const int port : {7001, 7002, 7003}) {
    if (!IsFreeV4(layout.Address(0, 2), port)) return false;
  }
  for (const LabBox& box : layout.boxes) {
    if (!IsFreeV4(box.address, kBgpPort) || !IsFreeV4(box.address, kHttpPort)) return false;
  }
  for (const LabPartner& partner : layout.partners) {
    if (!IsFreeV4(layout.RouterOf(partner), kBgpPort)) return false;
  }
  return IsFreeV4(layout.edge_router, kBgpPort);
}

}  // namespace

std::string Layout::Address(int net, int host) const {
  return absl::StrCat("127.", block, ".", net, ".", host);
}

std::string Layout::Relayed(const std::string& service) const {
  return absl::StrCat(Address(0, 2), service.substr(service.find(':')));
}

std::string Layout::RouterV6Of(const LabPartner& partner) const {
  return absl::StrCat("fd00:", absl::Hex(block), ":", partner.net, "::1");
}

std::string Layout::Program(absl::string_view path) const {
  return absl::StrCat(folders.bin_dir, "/", path);
}

std::string Layout::Run(absl::string_view path) const {
  return absl::StrCat(folders.run_dir, "/", path);
}

std::string Layout::Metrics(int index) const {
  return absl::StrCat(Address(0, 1), ":", 9100 + index);
}

absl::StatusOr<Layout> MakeLayout(LabFolders folders) {
  Layout layout;
  layout.folders = std::move(folders);
  for (int i = 0; i < kBlocks; ++i) {
    layout.block = kFirstBlock + i;
    layout.partners.clear();
    layout.sites.clear();
    layout.boxes.clear();
    AddFleet(layout);
    AddControlPlane(layout);
    if (IsFree(layout)) return layout;
  }
  return absl::ResourceExhaustedError(absl::StrCat("each of the blocks 127.", kFirstBlock, ".0.0/16 … 127.", kFirstBlock + kBlocks - 1,
                                                   ".0.0/16 has a port in use; is IPv6 on (::1)?"));
}

}  // namespace fairlead
