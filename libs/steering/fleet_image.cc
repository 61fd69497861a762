// The fleet in a table image: its views as they were, and the slots, which a fleet built from nothing would number otherwise.
#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"
#include "libs/steering/fleet_builder.h"
#include "libs/steering/image_codec.h"
#include "libs/steering/image_parts.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

void Put(const SiteView& site, ImageWriter& out) {
  out.Text(site.id.value());
  out.Word(site.kind);
  out.Signed(site.at.latitude_microdegrees);
  out.Signed(site.at.longitude_microdegrees);
  out.Text(site.country);
  out.Number(site.open_to_unrouted ? 1 : 0);
  out.Number(site.uplinks.size());
  for (const LinkId& link : site.uplinks) out.Text(link.value());
}

SiteView TakeSite(ImageReader& in) {
  SiteView site = {.id = SiteId(in.String()), .kind = in.Word(SiteKind::kOrigin)};
  site.at = {.latitude_microdegrees = in.Signed32(), .longitude_microdegrees = in.Signed32()};
  site.country = in.String();
  site.open_to_unrouted = in.Flag();
  for (size_t count = in.Count(1); count > 0; --count) site.uplinks.emplace_back(in.String());
  return site;
}

void Put(const ApplianceView& box, ImageWriter& out) {
  out.Text(box.id.value());
  out.Word(box.kind);
  out.Number(box.endpoints.size());
  for (const Endpoint& endpoint : box.endpoints) {
    out.Word(endpoint.family);
    out.Text(endpoint.scheme);
    out.Text(endpoint.host);
    out.Number(endpoint.port);
  }
  out.Number(box.capacity_bps);
  out.Word(box.admin);
  out.Word(box.drain_stage);
  out.Text(box.drain);
  out.Word(box.health);
  out.Number(box.weight_permille);
  out.Number(box.use_bps);
  out.Text(box.guard_word);
}

ApplianceView TakeAppliance(ImageReader& in) {
  ApplianceView box = {.id = ApplianceId(in.String()), .kind = in.Word(ApplianceKind::kOrigin)};
  for (size_t count = in.Count(4); count > 0; --count) {
    Endpoint& endpoint = box.endpoints.emplace_back();
    endpoint.family = in.Word(AddressFamily::kIpv6);
    endpoint.scheme = in.String();
    endpoint.host = in.String();
    endpoint.port = in.Small<uint16_t>();
  }
  box.capacity_bps = in.Number();
  box.admin = in.Word(AdminState::kRetired);
  box.drain_stage = in.Word(DrainStage::kRefusing);
  box.drain = in.String();
  box.health = in.Word(HealthState::kSilent);
  box.weight_permille = in.Small<uint32_t>();
  box.use_bps = in.Number();
  box.guard_word = in.String();
  return box;
}

void Put(const LinkView& link, ImageWriter& out) {
  out.Text(link.id.value());
  out.Number(link.capacity_bps);
  out.Number(link.contract_cap_bps);
  out.Number(link.use_bps);
}

LinkView TakeLink(ImageReader& in) {
  return {.id = LinkId(in.String()), .capacity_bps = in.Number(), .contract_cap_bps = in.Number(), .use_bps = in.Number()};
}

// Ids are valid and rise; true for the first.
template <typename Id>
bool Follows(const Id* before, const Id& id) {
  return ValidateId(id.value(), "id").ok() && (before == nullptr || *before < id);
}

}  // namespace

void ImageParts::WriteFleet(const Fleet& fleet, ImageSink& sink) {
  ImageWriter out;
  out.Number(fleet.links().size());
  for (const LinkView& link : fleet.links()) Put(link, out);
  out.Number(fleet.slots().size());
  out.Number(fleet.sites().size());
  for (const Fleet::Site& site : fleet.sites()) {
    Put(site.view, out);
    out.Number(site.blocks.size());
    for (const Fleet::Block& block : site.blocks) {
      out.Number(block.first_slot);
      out.Number(block.size);
    }
  }
  out.Number(fleet.boxes().size());
  for (const Fleet::Box& box : fleet.boxes()) {
    Put(box.view, out);
    out.Number(box.site);
    out.Number(box.slot == Fleet::kNone ? 0 : box.slot + 1);
  }
  sink.Begin(ImagePart::kFleet);
  sink.Append(out.bytes());
}

absl::StatusOr<std::shared_ptr<const Fleet>> ImageParts::ReadFleet(absl::string_view bytes) {
  ImageReader in(bytes);
  const auto broken = [](absl::string_view why) { return BrokenPart("fleet", why); };
  Fleet::Builder fleet;
  for (size_t count = in.Count(4); count > 0; --count) {
    LinkView link = TakeLink(in);
    if (!Follows(fleet.links_.empty() ? nullptr : &fleet.links_.back().id, link.id)) return broken("its links aren't in order");
    fleet.links_.push_back(std::move(link));
  }
  const uint64_t slots = in.Number();
  if (slots > Fleet::kMaxSlots) return broken(absl::StrCat(slots, " slots are more than there can be"));
  std::vector<bool> taken(slots);  // By a block.
  for (size_t count = in.Count(8); count > 0; --count) {
    Fleet::Site site = {.view = TakeSite(in), .boxes = {}, .uplinks = {}, .blocks = {}};
    if (!Follows(fleet.sites_.empty() ? nullptr : &fleet.sites_.back().view.id, site.view.id)) return broken("its sites aren't in order");
    for (size_t blocks = in.Count(2); blocks > 0; --blocks) {
      const Fleet::Block block = {.first_slot = in.Small<uint32_t>(), .size = in.Small<uint32_t>()};
      if (block.size == 0 || block.size > Fleet::kBlock || block.first_slot >= slots || block.size > slots - block.first_slot) {
        return broken(absl::StrCat("a block of ", site.view.id.name(), " doesn't fit"));
      }
      for (uint32_t slot = block.first_slot; slot < block.first_slot + block.size; ++slot) {
        if (taken[slot]) return broken(absl::StrCat("slot ", slot, " is in two blocks"));
        taken[slot] = true;
      }
      site.blocks.push_back(block);
    }
    fleet.sites_.push_back(std::move(site));
  }
  fleet.slots_.assign(slots, Fleet::kNone);
  for (size_t count = in.Count(12); count > 0; --count) {
    Fleet::Box box = {.view = TakeAppliance(in), .site = in.Small<uint32_t>()};
    const uint32_t slot = in.Small<uint32_t>();
    const auto number = static_cast<uint32_t>(fleet.boxes_.size());
    if (!Follows(fleet.boxes_.empty() ? nullptr : &fleet.boxes_.back().view.id, box.view.id)) return broken("its boxes aren't in order");
    if (box.site >= fleet.sites_.size()) return broken(absl::StrCat(box.view.id.name(), " is at no site"));
    const Fleet::Site& site = fleet.sites_[box.site];
    box.view.site = site.view.id;
    box.hash = HashBytes(box.view.id.value());
    if (slot != 0) {
      box.slot = slot - 1;
      const auto has = [&](const Fleet::Block& block) { return box.slot - block.first_slot < block.size; };
      if (std::none_of(site.blocks.begin(), site.blocks.end(), has) || fleet.slots_[box.slot] != Fleet::kNone) {
        return broken(absl::StrCat(box.view.id.name(), " stands in a slot that isn't its own"));
      }
      fleet.slots_[box.slot] = number;
    }
    fleet.boxes_.push_back(std::move(box));
  }
  if (!in.Done()) return broken("it is cut, or something follows it");
  fleet.Join();
  for (Fleet::Site& site : fleet.sites_) {
    const auto unplaced = [&](uint32_t box) { return fleet.boxes_[box].slot == Fleet::kNone; };
    site.boxes.erase(std::remove_if(site.boxes.begin(), site.boxes.end(), unplaced), site.boxes.end());
  }
  fleet.Fingerprint();
  return fleet.Take();
}

}  // namespace fairlead
