// The routers around the lab's boxes, each a BIRD of its own: one a partner, and the CDN's edge router at the exchange.
//
// A partner's router announces its routes to the boxes inside its network (but those that it only peers) and to the edge router. The
// edge router passes all paths on to the collector by iBGP with ADD-PATH and leaves the next hop as it is: the neighbour's address
// is how the collector knows the session. IPv6 routes ride on the IPv4 sessions with a next hop of their own, because BIRD drops IPv6
// routes over ::1 and 127.x alike. Pure: text from values.
//
//   std::string conf = RenderPartnerRouter(layout, partner, plan.partners[i]);
#ifndef FAIRLEAD_TESTS_LAB_ROUTERS_H_
#define FAIRLEAD_TESTS_LAB_ROUTERS_H_

#include <string>

#include "absl/status/status.h"
#include "tests/lab/layout.h"
#include "tests/lab/routes.h"
#include "tests/lab/supervisor.h"

namespace fairlead {

std::string RenderPartnerRouter(const Layout& layout, const LabPartner& partner, const PartnerRoutes& routes);
std::string RenderEdgeRouter(const Layout& layout);

// Writes the configurations to run/routers and starts a BIRD on each: "router-<partner>" and "router-edge". Their control sockets are
// run/routers/<name>.ctl.
absl::Status StartRouters(Supervisor& supervisor, const Layout& layout, const RoutePlan& plan);

// Makes a running partner's router announce these routes from now on: what isn't among them any more is withdrawn.
absl::Status Announce(Supervisor& supervisor, const Layout& layout, const LabPartner& partner, const PartnerRoutes& routes);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_ROUTERS_H_
