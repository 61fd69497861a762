// What steering must know of the world, as plain values that the caller fills from the feeds. Rates are bit/s, sizes are bytes.
//
// The views are grouped by how often they change: topology (sites, appliances, links, sessions) with configuration, condition
// (admin state, health, use) with every report, routes with BGP, titles and holdings with the nightly fill.
#ifndef FAIRLEAD_LIBS_STEERING_VIEWS_H_
#define FAIRLEAD_LIBS_STEERING_VIEWS_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/content/catalogue_values.h"
#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"
#include "libs/steering/place.h"

namespace fairlead {

struct SiteView {
  SiteId id = {};
  SiteKind kind = SiteKind::kUnspecified;
  Coordinates at = {};
  std::string country = {};          // ISO 3166-1 alpha-2.
  bool open_to_unrouted = false;     // IX sites with transit: serves clients that no route covers.
  std::vector<LinkId> uplinks = {};  // Every byte of the site crosses all of them.
};

// What a drain asks of the players that run on a box.
enum class DrainStage : uint8_t {
  kNone = 0,
  kNoNewSessions = 1,  // They go on.
  kMovingPlayers = 2,  // They are moved elsewhere.
  kRefusing = 3,       // The box answers everybody with 4xx.
};

// One way to reach a box. URLs are made only from these.
struct Endpoint {
  AddressFamily family = AddressFamily::kUnspecified;
  std::string scheme = {};  // "https".
  std::string host = {};    // A name or an address.
  uint16_t port = 0;

  friend bool operator==(const Endpoint&, const Endpoint&) = default;
};

struct ApplianceView {
  ApplianceId id = {};
  SiteId site = {};
  ApplianceKind kind = ApplianceKind::kUnspecified;  // Only STORAGE and FLASH serve viewers.
  std::vector<Endpoint> endpoints = {};
  uint64_t capacity_bps = 0;

  AdminState admin = AdminState::kUnspecified;
  DrainStage drain_stage = DrainStage::kNone;
  std::string drain = {};                     // For explanations: "drains/d-1, EVACUATING"; empty = none has it.
  HealthState health = HealthState::kSilent;  // After the guard: a box that the guard holds up keeps its last state.
  uint32_t weight_permille = 1000;            // Its willingness to take more, [0, 1000]: slow start, damping, degradation.
  uint64_t use_bps = 0;
  std::string guard_word = {};  // What the guard made of its silence, for Explain; empty: nothing to say.
};

struct LinkView {
  LinkId id = {};
  uint64_t capacity_bps = 0;      // 0: unknown, never full.
  uint64_t contract_cap_bps = 0;  // 0: none.
  uint64_t use_bps = 0;
};

// A BGP session: all that a route inherits from it.
struct SessionView {
  BgpSessionId id = {};
  PartnerId partner = {};
  TransportClass transport = TransportClass::kUnspecified;
  SiteId site = {};
  std::optional<ApplianceId> appliance = {};  // The box that hears it; none, or one of kind COLLECTOR: every box of the site does.
  std::optional<LinkId> link = {};            // The port that its routes leave through.
  // The partner's registered prefixes, checked once more here. Null lets nothing through, except on a TRANSIT session, where it
  // lets everything through.
  std::shared_ptr<const PrefixTable<std::monostate>> allowed = {};
};

// An admitted route.
struct RouteView {
  Prefix prefix = {};
  uint32_t session = 0;  // Index into the vector of SessionViews that goes with it.
  uint32_t neighbour_as = 0;
  uint32_t med = 0;  // Absent on the wire: 0.
  uint16_t as_path_length = 0;
  bool demoted = false;  // Graceful shutdown, or its session is lost for long: only where nothing else is left.
};

// What a master playlist tells of a file, and no decision needs.
struct TrackView {
  RenditionKind kind = RenditionKind::kUnspecified;
  std::string codecs = {};  // RFC 6381.
  uint32_t width = 0;
  uint32_t height = 0;
  std::string language = {};  // BCP 47.

  friend bool operator==(const TrackView&, const TrackView&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const TrackView& track) {
    return H::combine(std::move(h), track.kind, track.codecs, track.width, track.height, track.language);
  }
};

struct FileView {
  uint32_t number = 0;         // Dense, given once, never reused.
  std::string path = {};       // "<title>/<version>/<rendition>/<file>", as it stands in URLs.
  std::string rendition = {};  // "video-720p".
  uint64_t size_bytes = 0;
  uint64_t bitrate_bps = 0;  // Mean; 0: not told.
  TrackView track = {};
  // The path of the companion playlist where it isn't "media.m3u8" beside the file; empty: there is none.
  std::optional<std::string> playlist = {};
};

// The files that one play needs.
struct PlayableSetView {
  std::string name = {};
  std::vector<uint32_t> files = {};
};

struct VersionView {
  std::string version = {};
  std::vector<FileView> files = {};
  std::vector<PlayableSetView> playable_sets = {};
};

struct TitleView {
  TitleId id = {};
  std::string current_version = {};  // Empty: the last of `versions`.
  std::vector<VersionView> versions = {};
  double popularity = 0;  // The more, the more plays; 0: not told. Not part of a table image.
};

// How fresh one source of the table is: for Explain and for the freshness shown on every view.
struct DataAge {
  std::string source = {};          // "config", "cells/ams", "catalogue".
  std::string version = {};         // "(epoch, version)" of the feed.
  absl::Duration received_at = {};  // On the receiver's monotonic clock.
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_VIEWS_H_
