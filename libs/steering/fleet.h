// Fleet: the sites, boxes and links of one moment, joined and numbered. An immutable value; any thread.
//
// Numbers are positions in the order of ids, so equal topologies number alike whatever the order of the views. The fingerprint
// covers what ladders and holdings depend on (which sites, boxes and links exist, where, and of which kind) and not condition (admin
// state, health, use): a health report makes a new Fleet that goes with the ladders at hand, and shares with the one before all boxes that
// haven't changed.
//
// Boxes that may serve viewers also stand in slots, those of a site side by side in blocks, so that a mask of 16 bits says which boxes of
// a block hear a route or hold a file. A fleet that is built from the one before keeps the slots of its boxes; a fleet that is built from
// nothing numbers them site by site. Nothing that is seen from outside depends on slots; the fingerprint covers them.
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
#include "libs/steering/shelf.h"
#include "libs/steering/views.h"

namespace fairlead {

class Fleet {
 public:
  static constexpr uint32_t kNone = 0xffffffff;

  // Slots that belong to one site: [first_slot, first_slot + size).
  static constexpr uint32_t kBlock = 16;
  struct Block {
    uint32_t first_slot = 0;
    uint32_t size = 0;  // At most kBlock.
  };
  // Boxes that serve viewers beyond this number are left out (and named in issues()): slots are 16-bit numbers.
  static constexpr uint32_t kMaxSlots = 65'520;

  struct Site {
    SiteView view;
    std::vector<uint32_t> boxes;    // Those that may serve viewers, ascending: no collectors, no origin.
    std::vector<uint32_t> uplinks;  // Ascending.
    std::vector<Block> blocks;      // Where `boxes` stand.
  };
  struct Box {
    ApplianceView view;
    uint32_t site = kNone;
    uint64_t hash = 0;      // Of its id, for the spread.
    uint32_t slot = kNone;  // kNone: it serves no viewers.
  };

  // Views that contradict each other (a repeated id, an unknown site or link) are left out and named in issues(): one bad record
  // must not stop the steering of everything else. `previous`, if given, is the fleet whose slots are kept.
  static std::shared_ptr<const Fleet> Build(std::vector<SiteView> sites, std::vector<ApplianceView> appliances, std::vector<LinkView> links,
                                            const Fleet* previous = nullptr);

  // The same topology with other views of some boxes and another use of some links, the boxes' ids, sites and kinds as they were (else the
  // change is left out). What isn't changed is shared. O(changes), and a pointer a box and a link.
  struct BoxChange {
    uint32_t box = 0;
    ApplianceView view;
  };
  struct LinkUse {
    uint32_t link = 0;
    uint64_t use_bps = 0;
  };
  std::shared_ptr<const Fleet> With(std::vector<BoxChange> boxes, const std::vector<LinkUse>& links) const;

  // The same topology under the condition that its boxes and links have in another fleet, `now`. A box that isn't in that one, or has
  // another site or kind there, serves nobody (DISABLED); what is new there is left out. For a topology that ladders at hand are bound to.
  // O(boxes × log boxes).
  static std::shared_ptr<const Fleet> UnderCondition(const Fleet& topology, const Fleet& now);

  const std::vector<Site>& sites() const { return *sites_; }
  const Shelf<Box>& boxes() const { return boxes_; }
  const Shelf<LinkView>& links() const { return links_; }
  // kNone if there is none.
  uint32_t FindSite(const SiteId& id) const;
  uint32_t FindBox(const ApplianceId& id) const;
  uint32_t FindLink(const LinkId& id) const;
  // By slot: the box, or kNone where nobody stands.
  const std::vector<uint32_t>& slots() const { return *slots_; }

  uint64_t fingerprint() const { return fingerprint_; }
  // At most kMaxIssues sentences.
  const std::vector<std::string>& issues() const { return *issues_; }
  static constexpr size_t kMaxIssues = 100;

 private:
  friend struct ImageParts;
  class Builder;  // fleet_builder.h
  Fleet() = default;

  std::shared_ptr<const std::vector<Site>> sites_;
  Shelf<Box> boxes_;
  Shelf<LinkView> links_;
  std::shared_ptr<const std::vector<uint32_t>> slots_;
  std::shared_ptr<const std::vector<std::string>> issues_;
  uint64_t fingerprint_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_FLEET_H_
