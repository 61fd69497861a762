// A fleet while it is made: everything may still change. Private to libs/steering; one thread.
#ifndef FAIRLEAD_LIBS_STEERING_FLEET_BUILDER_H_
#define FAIRLEAD_LIBS_STEERING_FLEET_BUILDER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "libs/base/ids.h"
#include "libs/steering/fleet.h"
#include "libs/steering/views.h"

namespace fairlead {

class Fleet::Builder {
 public:
  void Add(std::vector<SiteView> sites, std::vector<ApplianceView> appliances, std::vector<LinkView> links);
  void Join();
  // Puts the boxes into slots: where they stood in `previous`, else into free slots of their site, else into new blocks.
  void TakeSlots(const Fleet* previous);
  void Fingerprint();
  std::shared_ptr<const Fleet> Take();

 private:
  friend struct ImageParts;
  void AddIssue(std::string sentence);
  void KeepSlots(const Fleet& previous);
  bool HoldsSameBoxes(const Fleet& previous) const;
  void ForgetSlots();
  void AddBlock(Site& site, uint32_t size);
  uint32_t FindLink(const LinkId& id) const;

  std::vector<Site> sites_;
  std::vector<Box> boxes_;
  std::vector<LinkView> links_;
  std::vector<uint32_t> slots_;
  std::vector<std::string> issues_;
  uint64_t fingerprint_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_FLEET_BUILDER_H_
