// What each kind of resource is called outside: its protobuf message and its place in the config feed. The rest of this service is written
// once for all kinds.
#ifndef FAIRLEAD_SERVICES_REGISTRY_KINDS_H_
#define FAIRLEAD_SERVICES_REGISTRY_KINDS_H_

#include "fairlead/registry/v1/config_service.pb.h"
#include "fairlead/registry/v1/registry_service.pb.h"
#include "fairlead/registry/v1/resources.pb.h"
#include "libs/registry/resources.h"

namespace fairlead::registry {

template <typename T>
struct KindTraits;

// T's message and its member of ConfigEntry's value.
#define FAIRLEAD_KIND(T, member)                                                          \
  template <>                                                                             \
  struct KindTraits<T> {                                                                  \
    using Proto = v1::T;                                                                  \
    static Proto& MutableOf(v1::ConfigEntry& entry) { return *entry.mutable_##member(); } \
  }
FAIRLEAD_KIND(Partner, partner);
FAIRLEAD_KIND(Site, site);
FAIRLEAD_KIND(Link, link);
FAIRLEAD_KIND(Cluster, cluster);
FAIRLEAD_KIND(Appliance, appliance);
FAIRLEAD_KIND(BgpSession, bgp_session);
FAIRLEAD_KIND(Cell, cell);
FAIRLEAD_KIND(Policy, policy);
FAIRLEAD_KIND(SigningKey, signing_key);
#undef FAIRLEAD_KIND

// Drains are in no feed: whom they concern learns of them from the appliances.
template <>
struct KindTraits<Drain> {
  using Proto = v1::Drain;
};

template <typename T>
using ProtoOf = typename KindTraits<T>::Proto;

// Kinds that are in the config feed.
using FeedKinds = KindList<Partner, Site, Link, Cluster, Appliance, BgpSession, Cell, Policy, SigningKey>;
// Kinds that the contract knows: all but settings.
using PublicKinds = KindList<Partner, Site, Link, Cluster, Appliance, BgpSession, Cell, Policy, SigningKey, Drain>;

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_KINDS_H_
