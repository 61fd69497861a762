// Which pathways a playlist declares, chosen from a steering answer: the best sites, inside each the boxes that hold its files; a second
// set of boxes of the best site where there is one, so that losing a box doesn't mean losing the site; and a last resort, an exchange,
// which shares nothing with a partner's network. Where no site holds every file, one "mixed" pathway takes each file from its best holder.
//
// Ask Decide for as many URLs and pathways as it gives (AskForPathways). Pure; any thread.
//
//   for (const DeclaredPathway& pathway : ChoosePathways(answer, exchanges)) …
#ifndef FAIRLEAD_LIBS_CONTENTSTEERING_CHOICE_H_
#define FAIRLEAD_LIBS_CONTENTSTEERING_CHOICE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "libs/base/ids.h"
#include "libs/contentsteering/session.h"
#include "libs/steering/decision.h"

namespace fairlead {

inline constexpr size_t kTopSites = 3;  // Beside the second set and the last resort: at most five pathways.

struct DeclaredPathway {
  std::string id = {};                  // The site's, "<site>.2" for its second set, or "mixed".
  std::vector<Candidate> holders = {};  // One for each file of the answer, in its order; their position is that of the pathway.
};

void AskForPathways(SteeringRequest& request);

// Best first; the second set of the best site stands behind it. Empty if some file has no holder at all. `exchanges`: the sites of kind IX.
std::vector<DeclaredPathway> ChoosePathways(const SteeringAnswer& answer, const absl::flat_hash_set<SiteId>& exchanges);

// The boxes that the pathways name: the session's first question.
SteeringSession FirstSession(const TitleId& title, const std::string& version, const std::vector<DeclaredPathway>& pathways, uint32_t seed);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CONTENTSTEERING_CHOICE_H_
