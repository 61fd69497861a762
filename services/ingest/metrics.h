// Every series of ingestd.
#ifndef FAIRLEAD_SERVICES_INGEST_METRICS_H_
#define FAIRLEAD_SERVICES_INGEST_METRICS_H_

#include <array>
#include <cstddef>
#include <string>
#include <utility>

#include "fairlead/ingest/v1/appliance_link_service.pb.h"
#include "libs/base/vocabulary.h"
#include "libs/metrics/metrics.h"

namespace fairlead::ingest {

struct IngestMetrics {
  explicit IngestMetrics(Metrics& metrics)
      : reports_hello(Report(metrics, "hello")),
        reports{&Report(metrics, "none"),
                &reports_hello,
                &Report(metrics, "heartbeat"),
                &Report(metrics, "route_update"),
                &Report(metrics, "holdings_update"),
                &Report(metrics, "traffic_summary"),
                &Report(metrics, "fill_progress")},
        repeated_reports(metrics.Counter("fairlead_ingest_repeated_reports_total", "Reports that were known already")),
        invalid_reports(metrics.Counter("fairlead_ingest_invalid_reports_total", "Reports that were refused, and ended their stream")),
        replaced_streams(metrics.Counter("fairlead_ingest_replaced_streams_total", "Streams replaced by a newer one of the same box")),
        refused_hellos(metrics.Counter("fairlead_ingest_refused_hellos_total", "Streams refused at their hello")),
        refused_streams(metrics.Counter("fairlead_ingest_refused_streams_total", "Streams beyond the bound on streams")),
        refused_appliances(metrics.Counter("fairlead_ingest_refused_appliances_total", "Boxes beyond the bound on boxes")),
        timed_out_streams(metrics.Counter("fairlead_ingest_timed_out_streams_total", "Streams closed because nothing came")),
        streams(metrics.Gauge("fairlead_ingest_streams", "Open streams, with and without a hello")),
        linked(metrics.Gauge("fairlead_ingest_linked_appliances", "Boxes with a live stream")),
        states{&State(metrics, HealthState::kUnspecified), &State(metrics, HealthState::kOk),   &State(metrics, HealthState::kDegraded),
               &State(metrics, HealthState::kOverloaded),  &State(metrics, HealthState::kSick), &State(metrics, HealthState::kSilent)},
        admitted_routes(metrics.Gauge("fairlead_ingest_admitted_routes", "Routes that may steer")),
        kept_routes(metrics.Gauge("fairlead_ingest_kept_routes", "Routes known, admitted and dropped")),
        feed_subscribers(metrics.Gauge("fairlead_ingest_feed_subscribers", "Subscribers of the fleet feed")),
        feed_entries(metrics.Gauge("fairlead_ingest_feed_entries", "Entries of the fleet feed")),
        feed_bytes(metrics.Gauge("fairlead_ingest_feed_entry_bytes", "Bytes of the fleet feed's entries")),
        feed_refused_subscribers(
            metrics.Gauge("fairlead_ingest_feed_refused_subscribers", "Subscribers beyond the bound, since the start")),
        feed_cut_off_subscribers(
            metrics.Gauge("fairlead_ingest_feed_cut_off_subscribers", "Subscribers that took nothing, since the start")),
        feed_failures(metrics.Counter("fairlead_ingest_feed_failures_total", "Changes that could not be published")),
        vrps(metrics.Gauge("fairlead_ingest_vrps", "Validated ROA payloads in use")),
        vrp_file_failures(metrics.Counter("fairlead_ingest_vrp_file_failures_total", "VRP files that were refused or not readable")),
        config_age(metrics.Gauge("fairlead_ingest_config_age_seconds", "Since the registry last confirmed the configuration; -1 = never")),
        checkpoint_age(metrics.Gauge("fairlead_ingest_checkpoint_age_seconds", "Since all that was known was on disk; -1 = never")),
        checkpoint_bytes(metrics.Gauge("fairlead_ingest_checkpoint_bytes", "Of the checkpoint's files in use")),
        checkpoint_failures(
            metrics.Counter("fairlead_ingest_checkpoint_failures_total", "Checkpoints that could not be written, read or compacted")),
        checkpoint_compactions(metrics.Counter("fairlead_ingest_checkpoint_compactions_total", "New bases of the checkpoint")),
        restored_appliances(metrics.Gauge("fairlead_ingest_restored_appliances", "Boxes known from the checkpoint at the start")),
        restore_seconds(metrics.Gauge("fairlead_ingest_restore_seconds", "From the checkpoint to a published fleet, at the start")),
        traffic_waiting(metrics.Gauge("fairlead_ingest_traffic_waiting_rows", "Sums of traffic on their way to the store")),
        traffic_written(metrics.Counter("fairlead_ingest_traffic_written_rows_total", "Sums of traffic written to the store")),
        traffic_failures(metrics.Counter("fairlead_ingest_traffic_write_failures_total", "Batches that the store didn't take")),
        traffic_refused(metrics.Counter("fairlead_ingest_traffic_refused_rows_total", "Sums that the store refused, dropped")),
        traffic_folded(
            metrics.Gauge("fairlead_ingest_traffic_folded_rows", "Rows counted without their title for lack of room, since the start")),
        traffic_dropped(metrics.Gauge("fairlead_ingest_traffic_dropped_rows", "Rows dropped for lack of room, since the start")),
        traffic_mistimed(metrics.Gauge("fairlead_ingest_traffic_mistimed_rows", "Rows of a time that can't be, since the start")),
        unheard_seconds(metrics.Gauge("fairlead_ingest_unheard_seconds", "Time in which this process was frozen, since the start")) {
    config_age.Set(-1);
    checkpoint_age.Set(-1);
  }

  // Once for each report; thread-safe, as all of this.
  void CountReport(v1::Report::BodyCase body, bool taken) {
    if (!taken) repeated_reports.Increment();
    // The numbers of the oneof begin at 3, with the hello.
    const size_t index = body == v1::Report::BODY_NOT_SET ? 0 : static_cast<size_t>(body) - 2;
    if (index < reports.size()) reports[index]->Increment();
  }
  void SetFleet(const size_t (&by_state)[6], size_t admitted, size_t kept, size_t with_stream) {
    for (size_t i = 0; i < states.size(); ++i) states[i]->Set(static_cast<double>(by_state[i]));
    admitted_routes.Set(static_cast<double>(admitted));
    kept_routes.Set(static_cast<double>(kept));
    linked.Set(static_cast<double>(with_stream));
  }

  prometheus::Counter& reports_hello;
  std::array<prometheus::Counter*, 7> reports;
  prometheus::Counter& repeated_reports;
  prometheus::Counter& invalid_reports;
  prometheus::Counter& replaced_streams;
  prometheus::Counter& refused_hellos;
  prometheus::Counter& refused_streams;
  prometheus::Counter& refused_appliances;
  prometheus::Counter& timed_out_streams;
  prometheus::Gauge& streams;
  prometheus::Gauge& linked;
  std::array<prometheus::Gauge*, 6> states;
  prometheus::Gauge& admitted_routes;
  prometheus::Gauge& kept_routes;
  prometheus::Gauge& feed_subscribers;
  prometheus::Gauge& feed_entries;
  prometheus::Gauge& feed_bytes;
  prometheus::Gauge& feed_refused_subscribers;
  prometheus::Gauge& feed_cut_off_subscribers;
  prometheus::Counter& feed_failures;
  prometheus::Gauge& vrps;
  prometheus::Counter& vrp_file_failures;
  prometheus::Gauge& config_age;
  prometheus::Gauge& checkpoint_age;
  prometheus::Gauge& checkpoint_bytes;
  prometheus::Counter& checkpoint_failures;
  prometheus::Counter& checkpoint_compactions;
  prometheus::Gauge& restored_appliances;
  prometheus::Gauge& restore_seconds;
  prometheus::Gauge& traffic_waiting;
  prometheus::Counter& traffic_written;
  prometheus::Counter& traffic_failures;
  prometheus::Counter& traffic_refused;
  prometheus::Gauge& traffic_folded;
  prometheus::Gauge& traffic_dropped;
  prometheus::Gauge& traffic_mistimed;
  prometheus::Gauge& unheard_seconds;

 private:
  static prometheus::Counter& Report(Metrics& metrics, const std::string& kind) {
    return metrics.Counter("fairlead_ingest_reports_total", "Reports taken in", {{"kind", kind}});
  }
  static prometheus::Gauge& State(Metrics& metrics, HealthState state) {
    return metrics.Gauge("fairlead_ingest_appliances", "Boxes by health", {{"health", std::string(ToString(state))}});
  }
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_METRICS_H_
