// The words of a steering decision: what is asked, what is answered, and what is recorded on the way. Plain values.
#ifndef FAIRLEAD_LIBS_STEERING_DECISION_H_
#define FAIRLEAD_LIBS_STEERING_DECISION_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/ids.h"
#include "libs/base/vocabulary.h"
#include "libs/net/ip_address.h"
#include "libs/net/prefix.h"
#include "libs/steering/ladder.h"
#include "libs/steering/place.h"
#include "libs/steering/views.h"

namespace fairlead {

enum class FamilyPreference : uint8_t {
  kOfClient = 0,  // The family of the client's address first.
  kIpv4Only = 1,
  kIpv6Only = 2,
  kIpv4First = 3,
  kIpv6First = 4,
};

struct SteeringRequest {
  IpAddress client = {};  // The client's own, never a resolver's.

  // What to play: a title (with `version` empty: its current one; with `playable_set` empty: all its files), or `paths`
  // ("<title>/<version>/<rendition>/<file>"), which count if the title is empty.
  TitleId title = {};
  std::string version = {};
  std::string playable_set = {};
  std::vector<std::string> renditions = {};  // Of the title: only these; empty: no such filter.
  std::vector<std::string> paths = {};

  int max_urls = 3;      // A file; clamped to [1, kMaxUrls].
  int max_pathways = 4;  // Clamped to [0, kMaxPathways].
  FamilyPreference family_preference = FamilyPreference::kOfClient;
  std::string session_key = {};                          // Sessions behind one address spread by it. Empty: all of one address go together.
  std::optional<ClientPlace> place = {};                 // Better known to the caller than to the table; then the ladder is built anew.
  std::optional<uint64_t> reported_throughput_bps = {};  // By the client.

  static constexpr int kMaxUrls = 16;
  static constexpr int kMaxPathways = 16;
};

// Why a file can't be served, or kServable.
enum class NotServable : uint8_t {
  kServable = 0,
  kUnknownTitle = 1,      // Nor version, set or path.
  kNoEligibleSite = 2,    // No route covers the client and no IX site is open to it.
  kNoLiveAppliance = 3,   // Every box of the eligible sites is administratively out.
  kNotHeld = 4,           // No live box of the eligible sites holds the file.
  kNoUsableEndpoint = 5,  // Boxes hold it, but have no address that this client can use.
};
absl::string_view ToString(NotServable reason);

// How fit a box on its path is for a new session. Worse ones are used only where better ones are missing.
enum class Fitness : uint8_t {
  kFit = 0,
  kFull = 1,    // OVERLOADED, or it or a link on its path has no room.
  kSilent = 2,  // Reports stopped: silence is not sickness, but others come first.
  kSick = 3,    // The very last resort.
};
absl::string_view ToString(Fitness fitness);

// One URL to be.
struct Candidate {
  ApplianceId appliance = {};
  SiteId site = {};
  Endpoint endpoint = {};
  uint32_t rank = 0;                   // Proximity rank of the site for this client.
  uint32_t position = 0;               // In the list of its file.
  MissCause cause = MissCause::kNone;  // kNone if rank 0 serves; else why it did not.
  Fitness fitness = Fitness::kFit;

  friend bool operator==(const Candidate&, const Candidate&) = default;
};

struct FileAnswer {
  uint32_t file = 0;
  std::string path = {};                   // "<title>/<version>/<rendition>/<file>".
  std::vector<Candidate> candidates = {};  // Best first; empty only with a reason.
  NotServable not_servable = NotServable::kServable;
  std::string sentence = {};  // Why not, with figures; empty if servable.
};

// A site that can serve every file asked for: a pathway of HLS/DASH content steering.
struct Pathway {
  SiteId site = {};
  uint32_t rank = 0;
  MissCause cause = MissCause::kNone;
  Fitness fitness = Fitness::kFit;      // The worst of its holders.
  std::vector<Candidate> holders = {};  // The site's best holder of each file, in the order of SteeringAnswer::files.
};

// "A lower bitrate will do better": renditions above `bps` should not be the first choice.
struct QualityCap {
  uint64_t bps = 0;
  std::string sentence = {};  // "link sites/… is at 93 % …".
};

struct SteeringAnswer {
  uint64_t table_version = 0;
  std::optional<Prefix> matched_prefix = {};  // The longest with admitted routes that covers the client.
  std::vector<FileAnswer> files = {};
  std::vector<Pathway> pathways = {};  // Best first, one a site; empty if no site holds all files.
  std::optional<QualityCap> quality_cap = {};
  NotServable not_servable = NotServable::kServable;  // Set if no file is servable.
  std::string sentence = {};

  bool servable() const { return not_servable == NotServable::kServable; }
};

// The layers of a decision, in order.
enum class SteeringLayer : uint8_t { kProximity = 1, kAdmin = 2, kHealth = 3, kCapacity = 4, kHoldings = 5, kSpread = 6 };
absl::string_view ToString(SteeringLayer layer);

struct LayerVerdict {
  SteeringLayer layer = SteeringLayer::kProximity;
  bool passed = true;
  MissCause cause = MissCause::kNone;  // The label of the miss if it didn't pass.
  std::string sentence = {};           // With figures.
};

struct CandidateRecord {
  ApplianceId appliance = {};
  SiteId site = {};
  uint32_t rank = 0;
  std::vector<LayerVerdict> verdicts = {};  // Up to the one that decided.
};

struct FileRecord {
  uint32_t file = 0;
  std::string path = {};
  std::vector<CandidateRecord> candidates = {};  // In the order of the ladder.
  std::string winner = {};                       // Whom the first URL leads to, and why; or why there is none. A sentence.
  std::string runner_up = {};                    // The next in line, or one before it in order, and why it isn't first.
};

struct MatchedPrefix {
  Prefix prefix = {};
  std::vector<RouteView> routes = {};  // Their session is an index into Explanation::sessions.
};

struct ExplainedEntry {
  LadderEntry entry = {};
  LadderFigures figures = {};
  SiteId site = {};
  std::vector<ApplianceId> boxes = {};
  std::optional<LinkId> link = {};
  std::optional<BgpSessionId> session = {};
  std::string sentence = {};
};

// Everything that Decide looked at: Explain is Decide with a recorder. Of the files at most kMaxFiles are recorded.
struct Explanation {
  static constexpr size_t kMaxFiles = 16;

  uint64_t table_version = 0;
  IpAddress client = {};
  ClientPlace place = {};
  std::vector<MatchedPrefix> matched = {};  // From the shortest prefix to the longest.
  std::vector<SessionView> sessions = {};   // Those that `matched` refers to.
  std::vector<ExplainedEntry> ladder = {};
  std::vector<FileRecord> files = {};
  std::vector<DataAge> ages = {};
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_STEERING_DECISION_H_
