// The routes of one prefix, packed: what RouteView tells of each, in 16 bytes. Plain values.
#ifndef FAIRLEAD_LIBS_STEERING_ROUTE_SET_H_
#define FAIRLEAD_LIBS_STEERING_ROUTE_SET_H_

#include <compare>
#include <cstdint>
#include <utility>
#include <vector>

namespace fairlead {

struct PackedRoute {
  uint32_t session = 0;
  uint32_t neighbour_as = 0;
  uint32_t med = 0;
  uint16_t as_path_length = 0;
  uint16_t demoted = 0;

  friend auto operator<=>(const PackedRoute&, const PackedRoute&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const PackedRoute& r) {
    return H::combine(std::move(h), r.session, r.neighbour_as, r.med, r.as_path_length, r.demoted);
  }
};
using RouteSet = std::vector<PackedRoute>;  // Sorted.

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_ROUTE_SET_H_
