// Every series of steerd. Thread-safe.
#ifndef FAIRLEAD_SERVICES_STEERING_METRICS_H_
#define FAIRLEAD_SERVICES_STEERING_METRICS_H_

#include <array>
#include <string>

#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"
#include "libs/contentsteering/priority.h"
#include "libs/metrics/metrics.h"
#include "libs/steering/decision.h"

namespace fairlead {

struct SteeringMetrics {
  explicit SteeringMetrics(Metrics& registry);

  // Of an answer: the cause of its first URL, or why there is none.
  void CountServed(MissCause cause) { served[static_cast<size_t>(cause)]->Increment(); }
  void CountNotServable(NotServable reason) { not_servable[static_cast<size_t>(reason)]->Increment(); }
  // Ages and positions are told by source; asked for once a tick.
  void SetSource(const std::string& source, double age_seconds, bool from_disk, bool connected);

  Metrics& all;
  std::array<prometheus::Counter*, 7> served;        // By MissCause.
  std::array<prometheus::Counter*, 6> not_servable;  // By NotServable.
  prometheus::Counter& refused;
  prometheus::Histogram& decision_seconds;
  prometheus::Counter& explains;
  prometheus::Counter& stream_messages;

  prometheus::Counter& tables_built;
  prometheus::Counter& table_failures;
  prometheus::Histogram& table_build_seconds;
  prometheus::Gauge& table_version;
  prometheus::Gauge& table_boxes;
  prometheus::Gauge& table_prefixes;
  prometheus::Gauge& table_ladders;
  prometheus::Gauge& table_files;
  prometheus::Gauge& routes_left_out;
  prometheus::Gauge& bad_records;

  prometheus::Gauge& guard_frozen;
  prometheus::Gauge& guard_frozen_seconds;
  prometheus::Counter& guard_freezes;
  prometheus::Gauge& guard_held_boxes;
  prometheus::Gauge& guard_gone_boxes;
  prometheus::Gauge& guard_limit_boxes;
  prometheus::Counter& guard_believed_limit;
  prometheus::Counter& guard_believed_corroborated;

  prometheus::Gauge& token_hits;
  prometheus::Gauge& token_misses;
  prometheus::Gauge& token_hit_rate;
  prometheus::Gauge& has_signing_key;

  prometheus::Counter& snapshots_written;
  prometheus::Counter& snapshot_failures;
  prometheus::Gauge& snapshot_bytes;

  prometheus::Counter& playlists;
  prometheus::Counter& manifests_decided;
  prometheus::Counter& manifests_shed;
  prometheus::Counter& manifests_without_table;
  prometheus::Counter& player_evidence;
  std::array<prometheus::Counter*, 6> player_moves;  // By MoveReason; none for kNone.

  prometheus::Gauge& http_open_connections;
  prometheus::Gauge& http_refused_connections;
  prometheus::Gauge& http_malformed_requests;
  prometheus::Gauge& http_timed_out_requests;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_METRICS_H_
