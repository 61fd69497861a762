#include "libs/steering/fleet.h"

#include <algorithm>
#include <utility>

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

std::shared_ptr<const Fleet> Fleet::Build(std::vector<SiteView> sites, std::vector<ApplianceView> appliances, std::vector<LinkView> links) {
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
    fleet->sites_.push_back(Site{.view = std::move(site), .boxes = {}, .uplinks = {}});
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
  fleet->Fingerprint();
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
