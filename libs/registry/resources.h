// All kinds of resources, in an order in which each refers only to kinds before it (and to its own).
//
// To add a kind: its file (like link.h), a line here, a table in migrations/registry, its line in services/registry/kinds.h.
#ifndef FAIRLEAD_LIBS_REGISTRY_RESOURCES_H_
#define FAIRLEAD_LIBS_REGISTRY_RESOURCES_H_

#include <tuple>
#include <type_traits>
#include <variant>

#include "libs/registry/appliance.h"
#include "libs/registry/bgp_session.h"
#include "libs/registry/cell.h"
#include "libs/registry/cluster.h"
#include "libs/registry/drain.h"
#include "libs/registry/link.h"
#include "libs/registry/partner.h"
#include "libs/registry/policy.h"
#include "libs/registry/setting.h"
#include "libs/registry/signing_key.h"
#include "libs/registry/site.h"

namespace fairlead::registry {

template <typename... Ts>
struct KindList {
  // Wrapper<Partner>, Wrapper<Site>, … as the members of one tuple or variant.
  template <template <typename> typename Wrapper>
  using Tuple = std::tuple<Wrapper<Ts>...>;
  template <template <typename> typename Wrapper>
  using Variant = std::variant<Wrapper<Ts>...>;

  // Calls visit.operator()<Kind>() for each, in order.
  template <typename Visit>
  static void ForEach(Visit&& visit) {
    (visit.template operator()<Ts>(), ...);
  }
  template <typename Visit>
  static void ForEachReversed(Visit&& visit) {
    if constexpr (sizeof...(Ts) > 0) Reversed<Visit, Ts...>(visit);
  }

 private:
  template <typename Visit, typename First, typename... Rest>
  static void Reversed(Visit& visit) {
    if constexpr (sizeof...(Rest) > 0) Reversed<Visit, Rest...>(visit);
    visit.template operator()<First>();
  }
};

// What operators declare through standard methods and fleet files.
using DeclaredKinds = KindList<Partner, Site, Link, Cluster, Appliance, BgpSession, Cell, Policy>;
// Everything the registry keeps.
using AllKinds = KindList<Partner, Site, Link, Cluster, Appliance, BgpSession, Cell, Policy, SigningKey, Setting, Drain>;

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_RESOURCES_H_
