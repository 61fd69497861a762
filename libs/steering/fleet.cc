#include "libs/steering/fleet.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "libs/steering/fleet_builder.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

bool ServesViewers(ApplianceKind kind) {
  return kind == ApplianceKind::kStorage || kind == ApplianceKind::kFlash;
}

// `items` is sorted by id.
template <typename Items, typename Id, typename IdOf>
uint32_t FindById(const Items& items, const Id& id, IdOf id_of) {
  size_t low = 0;
  for (size_t high = items.size(); low < high;) {
    const size_t middle = (low + high) / 2;
    if (id_of(items[middle]) < id) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low < items.size() && id_of(items[low]) == id ? static_cast<uint32_t>(low) : Fleet::kNone;
}

template <typename View>
void SortById(std::vector<View>& views) {
  std::stable_sort(views.begin(), views.end(), [](const View& a, const View& b) { return a.id < b.id; });
}

}  // namespace

std::shared_ptr<const Fleet> Fleet::Build(std::vector<SiteView> sites, std::vector<ApplianceView> appliances, std::vector<LinkView> links,
                                          const Fleet* previous) {
  Builder builder;
  builder.Add(std::move(sites), std::move(appliances), std::move(links));
  builder.Join();
  builder.TakeSlots(previous);
  builder.Fingerprint();
  return builder.Take();
}

std::shared_ptr<const Fleet> Fleet::With(std::vector<BoxChange> boxes, const std::vector<LinkUse>& links) const {
  const std::shared_ptr<Fleet> fleet(new Fleet(*this));
  for (BoxChange& change : boxes) {
    const Box& before = boxes_[change.box];
    if (before.view.id != change.view.id || before.view.site != change.view.site || before.view.kind != change.view.kind) continue;
    Box box = {.view = std::move(change.view), .site = before.site, .hash = before.hash, .slot = before.slot};
    fleet->boxes_.Replace(change.box, std::move(box));
  }
  for (const LinkUse& change : links) {
    LinkView link = links_[change.link];
    link.use_bps = change.use_bps;
    fleet->links_.Replace(change.link, std::move(link));
  }
  return fleet;
}

std::shared_ptr<const Fleet> Fleet::Builder::Take() {
  const std::shared_ptr<Fleet> fleet(new Fleet());
  fleet->sites_ = std::make_shared<const std::vector<Site>>(std::move(sites_));
  fleet->boxes_ = Shelf<Box>(std::move(boxes_));
  fleet->links_ = Shelf<LinkView>(std::move(links_));
  fleet->slots_ = std::make_shared<const std::vector<uint32_t>>(std::move(slots_));
  fleet->issues_ = std::make_shared<const std::vector<std::string>>(std::move(issues_));
  fleet->fingerprint_ = fingerprint_;
  return fleet;
}

void Fleet::Builder::Add(std::vector<SiteView> sites, std::vector<ApplianceView> appliances, std::vector<LinkView> links) {
  SortById(sites);
  SortById(appliances);
  SortById(links);
  for (LinkView& link : links) {
    if (!links_.empty() && links_.back().id == link.id) {
      AddIssue(absl::StrCat(link.id.name(), ": stands there twice"));
      continue;
    }
    links_.push_back(std::move(link));
  }
  for (SiteView& site : sites) {
    if (!sites_.empty() && sites_.back().view.id == site.id) {
      AddIssue(absl::StrCat(site.id.name(), ": stands there twice"));
      continue;
    }
    sites_.push_back(Site{.view = std::move(site), .boxes = {}, .uplinks = {}, .blocks = {}});
  }
  for (ApplianceView& appliance : appliances) {
    if (!boxes_.empty() && boxes_.back().view.id == appliance.id) {
      AddIssue(absl::StrCat(appliance.id.name(), ": stands there twice"));
      continue;
    }
    const uint32_t site = FindById(sites_, appliance.site, [](const Site& known) -> const SiteId& { return known.view.id; });
    if (site == kNone) {
      AddIssue(absl::StrCat(appliance.id.name(), ": its site ", appliance.site.name(), " is unknown"));
      continue;
    }
    const uint64_t hash = HashBytes(appliance.id.value());
    boxes_.push_back(Box{.view = std::move(appliance), .site = site, .hash = hash});
  }
}

std::shared_ptr<const Fleet> Fleet::UnderCondition(const Fleet& topology, const Fleet& now) {
  const std::shared_ptr<Fleet> fleet(new Fleet(topology));
  for (uint32_t number = 0; number < topology.boxes_.size(); ++number) {
    Box box = topology.boxes_[number];
    const uint32_t at = now.FindBox(box.view.id);
    if (at != kNone && now.boxes_[at].view.site == box.view.site && now.boxes_[at].view.kind == box.view.kind) {
      box.view = now.boxes_[at].view;
    } else {
      box.view.admin = AdminState::kDisabled;
      box.view.drain_stage = DrainStage::kRefusing;
    }
    fleet->boxes_.Replace(number, std::move(box));
  }
  for (const LinkView& link : now.links_) {
    if (const uint32_t number = topology.FindLink(link.id); number != kNone) fleet->links_.Replace(number, link);
  }
  return fleet;
}

void Fleet::Builder::Join() {
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

void Fleet::Builder::AddBlock(Site& site, uint32_t size) {
  site.blocks.push_back({.first_slot = static_cast<uint32_t>(slots_.size()), .size = size});
  slots_.resize(slots_.size() + size, kNone);
}

void Fleet::Builder::KeepSlots(const Fleet& previous) {
  slots_.assign(previous.slots().size(), kNone);
  for (Site& site : sites_) {
    const uint32_t before = previous.FindSite(site.view.id);
    if (before == kNone) continue;
    site.blocks = previous.sites()[before].blocks;
    for (const uint32_t number : site.boxes) {
      const uint32_t old = previous.FindBox(boxes_[number].view.id);
      if (old == kNone || previous.boxes()[old].site != before || previous.boxes()[old].slot == kNone) continue;
      boxes_[number].slot = previous.boxes()[old].slot;
      slots_[boxes_[number].slot] = number;
    }
  }
}

// True if every box that serves viewers stands where it stood, and nobody else did.
bool Fleet::Builder::HoldsSameBoxes(const Fleet& previous) const {
  size_t serving = 0;
  for (const Site& site : sites_) serving += site.boxes.size();
  const auto occupied = [](const std::vector<uint32_t>& slots) {
    return static_cast<size_t>(std::count_if(slots.begin(), slots.end(), [](uint32_t box) { return box != kNone; }));
  };
  return occupied(slots_) == serving && occupied(previous.slots()) == serving;
}

void Fleet::Builder::ForgetSlots() {
  slots_.clear();
  for (Site& site : sites_) site.blocks.clear();
  for (Box& box : boxes_) box.slot = kNone;
}

void Fleet::Builder::TakeSlots(const Fleet* previous) {
  if (previous != nullptr) {
    KeepSlots(*previous);
    // Where most slots stand empty, those of boxes and sites that went, all are numbered afresh; but never where the boxes are the same:
    // the fleet of ladders must come out as it is.
    if (previous->slots().size() > 2 * boxes_.size() + 1'024 && !HoldsSameBoxes(*previous)) ForgetSlots();
  }
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

void Fleet::Builder::Fingerprint() {
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

void Fleet::Builder::AddIssue(std::string sentence) {
  if (issues_.size() < kMaxIssues) issues_.push_back(std::move(sentence));
}

uint32_t Fleet::Builder::FindLink(const LinkId& id) const {
  return FindById(links_, id, [](const LinkView& link) -> const LinkId& { return link.id; });
}

uint32_t Fleet::FindSite(const SiteId& id) const {
  return FindById(*sites_, id, [](const Site& site) -> const SiteId& { return site.view.id; });
}
uint32_t Fleet::FindBox(const ApplianceId& id) const {
  return FindById(boxes_, id, [](const Box& box) -> const ApplianceId& { return box.view.id; });
}
uint32_t Fleet::FindLink(const LinkId& id) const {
  return FindById(links_, id, [](const LinkView& link) -> const LinkId& { return link.id; });
}

}  // namespace fairlead
