#include "services/steering/metrics.h"

#include <algorithm>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace fairlead {
namespace {

// 1 µs to 100 ms: a decision takes microseconds, one that signs tokens tens of them.
const std::vector<double> kDecisionBounds = {1e-6,   2e-6,   5e-6, 10e-6, 20e-6, 50e-6, 100e-6,
                                             200e-6, 500e-6, 1e-3, 2e-3,  5e-3,  10e-3, 100e-3};
const std::vector<double> kBuildBounds = {1e-4, 1e-3, 5e-3, 10e-3, 50e-3, 0.1, 0.5, 1, 5, 10};

prometheus::Counter& Decision(Metrics& metrics, absl::string_view verdict, absl::string_view cause) {
  return metrics.Counter("fairlead_steering_decisions_total", "Answers, by verdict and by why rank 0 doesn't serve",
                         {{"verdict", std::string(verdict)}, {"cause", absl::AsciiStrToLower(cause)}});
}

constexpr const char* kShedWords[kShedReasons] = {"overload", "late", "backlog", "budget"};

prometheus::Counter& Shed(Metrics& metrics, const char* why, RequestClass request_class) {
  return metrics.Counter("fairlead_steering_shed_total",
                         "Requests refused because of others, by why and by class; a stream's message that is refused whole counts once",
                         {{"why", why}, {"class", absl::AsciiStrToLower(ToString(request_class))}});
}

prometheus::Counter& Believed(Metrics& metrics, absl::string_view why) {
  return metrics.Counter("fairlead_steering_guard_believed_silences_total", "Appliances that silence removed, by why it was believed",
                         {{"why", std::string(why)}});
}

prometheus::Counter* Asked(Metrics& metrics, absl::string_view said) {
  return &metrics.Counter("fairlead_steering_data_ports_asked_total", "Silent appliances whose data port was asked, by what it said",
                          {{"said", std::string(said)}});
}

prometheus::Counter& Manifests(Metrics& metrics, absl::string_view how) {
  return metrics.Counter("fairlead_steering_manifests_total", "Steering manifests given to players, by how they were made",
                         {{"how", std::string(how)}});
}

}  // namespace

SteeringMetrics::SteeringMetrics(Metrics& m)
    : all(m),
      refused(Decision(m, "refused", "none")),
      decision_seconds(m.Histogram("fairlead_steering_decision_seconds", "From request to answer, without the transport", kDecisionBounds)),
      explains(m.Counter("fairlead_steering_explains_total", "Explain requests")),
      admitted_levels(m.Gauge("fairlead_steering_admitted_ratio", "Share of the levels of requests that is admitted; below 1: overload")),
      stream_messages(m.Counter("fairlead_steering_stream_messages_total", "Messages of SteerStream")),
      tables_built(m.Counter("fairlead_steering_tables_built_total", "Tables published")),
      table_failures(m.Counter("fairlead_steering_table_failures_total", "Tables that could not be built")),
      table_build_seconds(m.Histogram("fairlead_steering_table_build_seconds", "Time to build a table", kBuildBounds)),
      table_version(m.Gauge("fairlead_steering_table_version", "Version of the table in force")),
      table_boxes(m.Gauge("fairlead_steering_table_boxes", "Appliances in the table")),
      table_prefixes(m.Gauge("fairlead_steering_table_prefixes", "Client prefixes in the table")),
      table_ladders(m.Gauge("fairlead_steering_table_ladders", "Distinct ladders in the table")),
      ladders_waiting(
          m.Gauge("fairlead_steering_ladders_waiting", "Prefixes whose routes wait to be taken over into ladders; at most all there are")),
      ladder_rebuilds(m.Gauge("fairlead_steering_ladder_rebuilds", "How often all ladders were made anew since the start")),
      table_files(m.Gauge("fairlead_steering_table_files", "Files in the table")),
      routes_left_out(m.Gauge("fairlead_steering_routes_left_out", "Routes of unknown sessions or outside the allow-list")),
      bad_records(m.Gauge("fairlead_steering_bad_records", "Records of the feeds that were left out")),
      data_ports_asked({Asked(m, "nothing"), Asked(m, "answers"), Asked(m, "refuses")}),
      guard_frozen(m.Gauge("fairlead_steering_guard_frozen", "Cells and paths whose silence is taken for our own fault; alarm above 0")),
      guard_frozen_seconds(m.Gauge("fairlead_steering_guard_frozen_seconds", "Since the oldest freeze; 0: none")),
      guard_freezes(m.Counter("fairlead_steering_guard_freezes_total", "Freezes begun")),
      guard_held_boxes(m.Gauge("fairlead_steering_guard_held_boxes", "Silent appliances that keep the state they had")),
      guard_gone_boxes(m.Gauge("fairlead_steering_guard_gone_boxes", "Silent appliances that are believed to be gone")),
      guard_limit_boxes(m.Gauge("fairlead_steering_guard_limit_boxes", "How many appliances silence may remove within a window")),
      guard_believed_limit(Believed(m, "limit")),
      guard_believed_corroborated(Believed(m, "corroborated")),
      token_hits(m.Gauge("fairlead_steering_token_cache_hits", "Tokens taken from the cache, since the start")),
      token_misses(m.Gauge("fairlead_steering_token_cache_misses", "Tokens signed, since the start")),
      token_hit_rate(m.Gauge("fairlead_steering_token_cache_hit_ratio", "Hits of all, since the start")),
      token_ahead(m.Gauge("fairlead_steering_token_cache_signed_ahead", "Tokens signed before they were asked for, since the start")),
      token_evictions(m.Gauge("fairlead_steering_token_cache_evictions", "Tokens dropped that were still good, since the start")),
      has_signing_key(m.Gauge("fairlead_steering_has_signing_key", "1 if an active key is at hand")),
      snapshots_written(m.Counter("fairlead_steering_snapshots_written_total", "Last-known-good copies written")),
      snapshot_failures(m.Counter("fairlead_steering_snapshot_failures_total", "Copies that could not be written or read")),
      snapshot_bytes(m.Gauge("fairlead_steering_snapshot_bytes", "Size of the entries in the last copy")),
      feeds_bytes(m.Gauge("fairlead_steering_feeds_bytes", "Size on disk of the copy of the feeds' bulk: base and log")),
      table_files_written(m.Counter("fairlead_steering_table_files_written_total", "Tables written to disk, to be served from at a start")),
      table_file_failures(m.Counter("fairlead_steering_table_file_failures_total", "Tables on disk that could not be written or read")),
      table_file_bytes(m.Gauge("fairlead_steering_table_file_bytes", "Size of the last table written")),
      table_file_seconds(m.Gauge("fairlead_steering_table_file_write_seconds", "How long it took to write")),
      table_file_age(m.Gauge("fairlead_steering_table_file_age_seconds", "Of the table on disk while it is what is served from, else 0")),
      table_held(m.Gauge("fairlead_steering_table_held", "1 while a table is held back for being sharply smaller than the one on disk")),
      catalogue_held(m.Gauge("fairlead_steering_catalogue_held", "1 while a catalogue that lost most of its files isn't believed")),
      playlists(m.Counter("fairlead_steering_playlists_total", "Multivariant playlists given")),
      manifests_decided(Manifests(m, "decided")),
      manifests_shed(Manifests(m, "shed")),
      manifests_without_table(Manifests(m, "without_table")),
      player_evidence(m.Counter("fairlead_steering_player_evidence_total", "Players that weren't on the pathway that they were told")),
      http_open_connections(m.Gauge("fairlead_steering_http_open_connections", "Open HTTP connections")),
      http_refused_connections(m.Gauge("fairlead_steering_http_refused_connections", "Closed for being too many, since the start")),
      http_malformed_requests(m.Gauge("fairlead_steering_http_malformed_requests", "Refused by the HTTP server, since the start")),
      http_timed_out_requests(m.Gauge("fairlead_steering_http_timed_out_requests", "Cut off for being slow, since the start")) {
  for (size_t i = 0; i < served.size(); ++i) served[i] = &Decision(m, "ok", ToString(static_cast<MissCause>(i)));
  for (size_t why = 0; why < kShedReasons; ++why) {
    for (size_t c = 0; c < kRequestClasses; ++c) shed[why][c] = &Shed(m, kShedWords[why], static_cast<RequestClass>(c));
  }
  for (size_t i = 0; i < not_servable.size(); ++i) {
    not_servable[i] = &Decision(m, "not_servable", ToString(static_cast<NotServable>(i)));
  }
  for (size_t i = 1; i < player_moves.size(); ++i) {
    player_moves[i] = &m.Counter("fairlead_steering_player_moves_total", "Running players that were told another pathway, by why",
                                 {{"why", std::string(ToString(static_cast<MoveReason>(i)))}});
  }
}

void SteeringMetrics::SetSource(const std::string& source, double age_seconds, bool from_disk, bool connected) {
  const Metrics::Labels labels = {{"source", source}};
  all.Gauge("fairlead_steering_source_age_seconds", "Since the source was last heard; -1: never", labels).Set(age_seconds);
  all.Gauge("fairlead_steering_source_from_disk", "1 if only the copy on disk is known", labels).Set(from_disk ? 1 : 0);
  all.Gauge("fairlead_steering_source_connected", "1 while its stream is up", labels).Set(connected ? 1 : 0);
}

void SteeringTally::Took(double seconds, size_t answers) {
  buckets_.resize(kDecisionBounds.size() + 1);
  const auto bound = std::lower_bound(kDecisionBounds.begin(), kDecisionBounds.end(), seconds / static_cast<double>(answers));
  buckets_[static_cast<size_t>(bound - kDecisionBounds.begin())] += static_cast<double>(answers);
  seconds_ += seconds;
}

void SteeringTally::Flush() {
  for (size_t i = 0; i < served_.size(); ++i) {
    if (served_[i] > 0) metrics_.served[i]->Increment(served_[i]);
  }
  for (size_t i = 0; i < not_servable_.size(); ++i) {
    if (not_servable_[i] > 0) metrics_.not_servable[i]->Increment(not_servable_[i]);
  }
  if (refused_ > 0) metrics_.refused.Increment(refused_);
  if (seconds_ > 0) metrics_.decision_seconds.ObserveMultiple(buckets_, seconds_);
  served_.fill(0);
  not_servable_.fill(0);
  refused_ = 0;
  std::fill(buckets_.begin(), buckets_.end(), 0);
  seconds_ = 0;
}

}  // namespace fairlead
