#include "services/steering/feed_checkpoint_run.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fairlead {

BulkPicture FeedCheckpointRun::picture() {
  BulkPicture picture;
  for (const auto& record : sources_.catalog().Held().entries) picture["catalogue " + record->key()] = record->SerializeAsString();
  for (const auto& [status, store] : sources_.CellsWithStatus()) {
    if (!status.position.nothing()) picture["position of " + status.source] = status.position.ToString();
    for (const std::string& key : store->entries().Keys()) {
      if (absl::StartsWith(key, "holdings/")) picture[status.source + " " + key] = store->entries().Find(key)->SerializeAsString();
    }
    for (const Prefix& prefix : store->RoutedPrefixes()) {
      for (const StoredRoute& route : store->RoutesAt(prefix)) {
        const RouteAttributes& said = route.attributes;
        picture[absl::StrCat(status.source, " ", prefix.ToString(), " ", route.speaker.session.value(), " ", route.path_id)] = absl::StrCat(
            route.speaker.appliance.value(), " ", said.as_path_length, " ", said.neighbour_as, " ", said.med, " ", said.demoted ? 1 : 0);
      }
    }
  }
  picture["position of the catalogue"] = sources_.catalog().position().ToString();
  return picture;
}

}  // namespace fairlead
