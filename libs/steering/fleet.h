// Fleet: the sites, boxes and links of one moment, joined and numbered. An immutable value; any thread.
//
// Numbers are positions in the order of ids, so equal topologies number alike whatever the order of the views. The fingerprint
// covers what ladders and holdings depend on (which sites, boxes and links exist, where, and of which kind) and not condition (admin
// state, health, use): a health report makes a new Fleet that goes with the ladders at hand.
#ifndef FAIRLEAD_LIBS_STEERING_FLEET_H_
#define FAIRLEAD_LIBS_STEERING_FLEET_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "libs/base/ids.h"
#include "libs/steering/views.h"

namespace fairlead {

class Fleet {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  struct Site {
    SiteView view;
    std::vector<uint32_t> boxes;    // Those that may serve viewers, ascending: no collectors, no origin.
    std::vector<uint32_t> uplinks;  // Ascending.
  };
  struct Box {
    ApplianceView view;
    uint32_t site = kNone;
    uint64_t hash = 0;  // Of its id, for the spread.
  };

  // Views that contradict each other (a repeated id, an unknown site or link) are left out and named in issues(): one bad record
  // must not stop the steering of everything else.
  static std::shared_ptr<const Fleet> Build(std::vector<SiteView> sites, std::vector<ApplianceView> appliances,
                                            std::vector<LinkView> links);

  const std::vector<Site>& sites() const { return sites_; }
  const std::vector<Box>& boxes() const { return boxes_; }
  const std::vector<LinkView>& links() const { return links_; }
  // kNone if there is none.
  uint32_t FindSite(const SiteId& id) const;
  uint32_t FindBox(const ApplianceId& id) const;
  uint32_t FindLink(const LinkId& id) const;

  uint64_t fingerprint() const { return fingerprint_; }
  // At most kMaxIssues sentences.
  const std::vector<std::string>& issues() const { return issues_; }
  static constexpr size_t kMaxIssues = 100;

 private:
  Fleet() = default;
  void AddIssue(std::string sentence);
  void Join();
  void Fingerprint();

  std::vector<Site> sites_;
  std::vector<Box> boxes_;
  std::vector<LinkView> links_;
  std::vector<std::string> issues_;
  uint64_t fingerprint_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_FLEET_H_
