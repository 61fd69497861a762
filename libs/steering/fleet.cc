#include "libs/steering/fleet.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

bool ServesViewers(ApplianceKind kind) {
  return kind == ApplianceKind::kStorage || kind == ApplianceKind::kFlash;
}

// `items` is sorted by id.
template <typename Items, typename Id, typename IdOf>
uint32_t FindById(const Items& items, const Id& id, IdOf id_of) {
  const auto at =
      std::lower_bound(items.begin(), items.end(), id, [&](const auto& item, const Id& wanted) { return id_of(item) < wanted; });
  return at != items.end() && id_of(*at) == id ? static_cast<uint32_t>(at - items.begin()) : Fleet::kNone;
}

template <typename View>
void SortById(std::vector<View>& views) {
  std::stable_sort(views.begin(), views.end(), [](const View& a, const View& b) { return a.id < b.id; });
}

}  // namespace

std::shared_ptr<const Fleet> Fleet::Build(std::vector<SiteView> sites, std::vector<ApplianceView> appliances, std::vector<LinkView> links,
                                          const Fleet* previous) {
  const std::shared_ptr<Fleet> fleet(new Fleet());
  SortById(sites);
  SortById(appliances);
  SortById(links);
  for (LinkView& link : links) {
    if (!fleet->links_.empty() && fleet->links_.back().id == link.id) {
      fleet->AddIssue(absl::StrCat(link.id.name(), ": stands there twice"));
      continue;
    }
    fleet->links_.push_back(std::move(link));
  }
  for (SiteView& site : sites) {
    if (!fleet->sites_.empty() && fleet->sites_.back().view.id == site.id) {
      fleet->AddIssue(absl::StrCat(site.id.name(), ": stands there twice"));
      continue;
    }
    fleet->sites_.push_back(Site{.view = std::move(site), .boxes = {}, .uplinks = {}, .blocks = {}});
  }
  for (ApplianceView& appliance : appliances) {
    if (!fleet->boxes_.empty() && fleet->boxes_.back().view.id == appliance.id) {
      fleet->AddIssue(absl::StrCat(appliance.id.name(), ": stands there twice"));
      continue;
    }
    const uint32_t site = fleet->FindSite(appliance.site);
    if (site == kNone) {
      fleet->AddIssue(absl::StrCat(appliance.id.name(), ": its site ", appliance.site.name(), " is unknown"));
      continue;
    }
    const uint64_t hash = HashBytes(appliance.id.value());
    fleet->boxes_.push_back(Box{.view = std::move(appliance), .site = site, .hash = hash});
  }
  fleet->Join();
  fleet->TakeSlots(previous);
  fleet->Fingerprint();
  return fleet;
}

std::shared_ptr<const Fleet> Fleet::UnderCondition(const Fleet& topology, const std::vector<ApplianceView>& appliances,
                                                   const std::vector<LinkView>& links) {
  const std::shared_ptr<Fleet> fleet(new Fleet(topology));
  absl::flat_hash_map<ApplianceId, const ApplianceView*> boxes;
  for (const ApplianceView& appliance : appliances) boxes.emplace(appliance.id, &appliance);
  for (Box& box : fleet->boxes_) {
    const auto now = boxes.find(box.view.id);
    if (now != boxes.end() && now->second->site == box.view.site && now->second->kind == box.view.kind) {
      box.view = *now->second;
    } else {
      box.view.admin = AdminState::kDisabled;
      box.view.drain_stage = DrainStage::kRefusing;
    }
  }
  for (const LinkView& link : links) {
    if (const uint32_t number = fleet->FindLink(link.id); number != kNone) fleet->links_[number] = link;
  }
  return fleet;
}

void Fleet::Join() {
  for (uint32_t box = 0; box < boxes_.size(); ++box) {
    Site& site = sites_[boxes_[box].site];
    if (ServesViewers(boxes_[box].view.kind) && site.view.kind != SiteKind::kOrigin) site.boxes.push_back(box);
  }
  for (Site& site : sites_) {
    for (const LinkId& id : site.view.uplinks) {
      const uint32_t link = FindLink(id);
      if (link == kNone) {
        AddIssue(absl::StrCat(site.view.id.name(), ": its uplink ", id.name(), " is unknown"));
        continue;
      }
      site.uplinks.push_back(link);
    }
    std::sort(site.uplinks.begin(), site.uplinks.end());
    site.uplinks.erase(std::unique(site.uplinks.begin(), site.uplinks.end()), site.uplinks.end());
  }
}

void Fleet::AddBlock(Site& site, uint32_t size) {
  site.blocks.push_back({.first_slot = static_cast<uint32_t>(slots_.size()), .size = size});
  slots_.resize(slots_.size() + size, kNone);
}

void Fleet::KeepSlots(const Fleet& previous) {
  slots_.assign(previous.slots_.size(), kNone);
  for (Site& site : sites_) {
    const uint32_t before = previous.FindSite(site.view.id);
    if (before == kNone) continue;
    site.blocks = previous.sites_[before].blocks;
    for (const uint32_t number : site.boxes) {
      const uint32_t old = previous.FindBox(boxes_[number].view.id);
      if (old == kNone || previous.boxes_[old].site != before || previous.boxes_[old].slot == kNone) continue;
      boxes_[number].slot = previous.boxes_[old].slot;
      slots_[boxes_[number].slot] = number;
    }
  }
}

void Fleet::TakeSlots(const Fleet* previous) {
  // Where most slots stand empty, those of boxes and sites that went, all are numbered afresh.
  if (previous != nullptr && previous->slots_.size() <= 2 * boxes_.size() + 1'024) KeepSlots(*previous);
  for (Site& site : sites_) {
    std::vector<uint32_t> waiting;
    std::copy_if(site.boxes.begin(), site.boxes.end(), std::back_inserter(waiting),
                 [&](uint32_t box) { return boxes_[box].slot == kNone; });
    auto next = waiting.begin();
    const auto fill = [&](const Block& block) {
      for (uint32_t slot = block.first_slot; slot < block.first_slot + block.size && next != waiting.end(); ++slot) {
        if (slots_[slot] != kNone) continue;
        slots_[slot] = *next;
        boxes_[*next++].slot = slot;
      }
    };
    for (const Block& block : site.blocks) fill(block);
    while (next != waiting.end() && slots_.size() < kMaxSlots) {
      const size_t room = std::min<size_t>(kBlock, kMaxSlots - slots_.size());
      AddBlock(site, static_cast<uint32_t>(std::min<size_t>(room, static_cast<size_t>(waiting.end() - next))));
      fill(site.blocks.back());
    }
    for (; next != waiting.end(); ++next) {
      AddIssue(absl::StrCat(boxes_[*next].view.id.name(), ": there are more than ", kMaxSlots, " boxes that serve viewers"));
    }
    const auto unplaced = [&](uint32_t box) { return boxes_[box].slot == kNone; };
    site.boxes.erase(std::remove_if(site.boxes.begin(), site.boxes.end(), unplaced), site.boxes.end());
  }
}

void Fleet::Fingerprint() {
  const auto add = [this](uint64_t value) { fingerprint_ = Mix(fingerprint_, value); };
  for (const Site& site : sites_) {
    add(HashBytes(site.view.id.value()));
    add(static_cast<uint64_t>(site.view.kind) << 1 | (site.view.open_to_unrouted ? 1 : 0));
    add(static_cast<uint64_t>(site.view.at.latitude_microdegrees));
    add(static_cast<uint64_t>(site.view.at.longitude_microdegrees));
  }
  add(sites_.size());
  for (const Box& box : boxes_) add(Mix(box.hash, uint64_t{box.site} << 8 | static_cast<uint64_t>(box.view.kind)));
  add(boxes_.size());
  for (const Box& box : boxes_) add(box.slot);
  for (const LinkView& link : links_) add(HashBytes(link.id.value()));
}

void Fleet::AddIssue(std::string sentence) {
  if (issues_.size() < kMaxIssues) issues_.push_back(std::move(sentence));
}

uint32_t Fleet::FindSite(const SiteId& id) const {
  return FindById(sites_, id, [](const Site& site) -> const SiteId& { return site.view.id; });
}
uint32_t Fleet::FindBox(const ApplianceId& id) const {
  return FindById(boxes_, id, [](const Box& box) -> const ApplianceId& { return box.view.id; });
}
uint32_t Fleet::FindLink(const LinkId& id) const {
  return FindById(links_, id, [](const LinkView& link) -> const LinkId& { return link.id; });
}

}  // namespace fairlead
