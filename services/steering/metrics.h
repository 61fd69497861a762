// Every series of steerd. Thread-safe.
#ifndef FAIRLEAD_SERVICES_STEERING_METRICS_H_
#define FAIRLEAD_SERVICES_STEERING_METRICS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"
#include "libs/contentsteering/priority.h"
#include "libs/metrics/metrics.h"
#include "libs/overload/request_class.h"
#include "libs/steering/decision.h"

namespace fairlead {

// Why a request was refused because of others.
enum class ShedReason : uint8_t { kOverload, kLate, kBacklog, kBudget };
inline constexpr size_t kShedReasons = 4;

struct SteeringMetrics {
  explicit SteeringMetrics(Metrics& registry);

  // Of an answer: the cause of its first URL, or why there is none.
  void CountServed(MissCause cause) { served[static_cast<size_t>(cause)]->Increment(); }
  void CountNotServable(NotServable reason) { not_servable[static_cast<size_t>(reason)]->Increment(); }
  void CountShed(ShedReason reason, RequestClass request_class, size_t count = 1) {
    shed[static_cast<size_t>(reason)][static_cast<size_t>(request_class)]->Increment(static_cast<double>(count));
  }
  // Ages and positions are told by source; asked for once a tick.
  void SetSource(const std::string& source, double age_seconds, bool from_disk, bool connected);

  Metrics& all;
  std::array<prometheus::Counter*, 7> served;        // By MissCause.
  std::array<prometheus::Counter*, 6> not_servable;  // By NotServable.
  prometheus::Counter& refused;
  prometheus::Histogram& decision_seconds;
  prometheus::Counter& explains;
  std::array<std::array<prometheus::Counter*, kRequestClasses>, kShedReasons> shed;
  prometheus::Gauge& admitted_levels;
  prometheus::Counter& stream_messages;

  prometheus::Counter& tables_built;
  prometheus::Counter& table_failures;
  prometheus::Histogram& table_build_seconds;
  prometheus::Gauge& table_version;
  prometheus::Gauge& table_boxes;
  prometheus::Gauge& table_prefixes;
  prometheus::Gauge& table_ladders;
  prometheus::Gauge& ladders_waiting;
  prometheus::Gauge& ladder_rebuilds;
  prometheus::Gauge& table_files;
  prometheus::Gauge& routes_left_out;
  prometheus::Gauge& bad_records;

  std::array<prometheus::Counter*, 3> data_ports_asked;  // By DataPort.
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
  prometheus::Gauge& token_ahead;
  prometheus::Gauge& token_evictions;
  prometheus::Gauge& has_signing_key;

  prometheus::Counter& snapshots_written;
  prometheus::Counter& snapshot_failures;
  prometheus::Gauge& snapshot_bytes;
  prometheus::Gauge& feeds_bytes;
  prometheus::Counter& table_files_written;
  prometheus::Counter& table_file_failures;
  prometheus::Gauge& table_file_bytes;
  prometheus::Gauge& table_file_seconds;
  prometheus::Gauge& table_file_age;
  prometheus::Gauge& table_held;
  prometheus::Gauge& catalogue_held;

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

// What a batch counted, told to the series at its end: they are shared by all cores. Not thread-safe; one a thread.
class SteeringTally {
 public:
  explicit SteeringTally(SteeringMetrics& metrics) : metrics_(metrics) {}
  void CountServed(MissCause cause) { ++served_[static_cast<size_t>(cause)]; }
  void CountNotServable(NotServable reason) { ++not_servable_[static_cast<size_t>(reason)]; }
  void CountRefused() { ++refused_; }
  // So many answers, in all.
  void Took(double seconds, size_t answers);
  void Flush();

 private:
  SteeringMetrics& metrics_;
  std::array<uint32_t, 7> served_{};
  std::array<uint32_t, 6> not_servable_{};
  uint32_t refused_ = 0;
  std::vector<double> buckets_;
  double seconds_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_METRICS_H_
