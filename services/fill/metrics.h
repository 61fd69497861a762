// Every series of filld. Thread-safe.
#ifndef FAIRLEAD_SERVICES_FILL_METRICS_H_
#define FAIRLEAD_SERVICES_FILL_METRICS_H_

#include <string>

#include "libs/fill/source_faults.h"
#include "libs/metrics/metrics.h"

namespace fairlead::fill {

struct FillMetrics {
  explicit FillMetrics(Metrics& metrics_in)
      : metrics(metrics_in),
        imports_new(metrics.Counter("fairlead_fill_imports_total", "Title versions imported", {{"result", "new"}})),
        imports_known(metrics.Counter("fairlead_fill_imports_total", "Title versions imported", {{"result", "known"}})),
        imports_refused(metrics.Counter("fairlead_fill_imports_total", "Title versions imported", {{"result", "refused"}})),
        titles(metrics.Gauge("fairlead_fill_titles", "Titles in the catalogue")),
        files(metrics.Gauge("fairlead_fill_files", "Files in the catalogue")),
        plan_number(metrics.Gauge("fairlead_fill_plan_number", "Number of the plan in force; 0: none")),
        plans_made(metrics.Counter("fairlead_fill_plans_total", "Plans worked out", {{"result", "new"}})),
        plans_unchanged(metrics.Counter("fairlead_fill_plans_total", "Plans worked out", {{"result", "unchanged"}})),
        plans_failed(metrics.Counter("fairlead_fill_plans_total", "Plans worked out", {{"result", "failed"}})),
        plan_seconds(metrics.Histogram("fairlead_fill_plan_seconds", "Time to work out a plan", {0.01, 0.1, 1, 10, 60, 600})),
        short_files(
            metrics.Gauge("fairlead_fill_short_files", "Files of the plan in force with fewer copies than wanted, as far as reported")),
        manifests_sent(metrics.Counter("fairlead_fill_manifests_total", "Manifests asked for", {{"result", "sent"}})),
        manifests_unchanged(metrics.Counter("fairlead_fill_manifests_total", "Manifests asked for", {{"result", "unchanged"}})),
        files_resolved(metrics.Counter("fairlead_fill_resolved_files_total", "Files for which sources were asked", {{"result", "some"}})),
        files_without_source(
            metrics.Counter("fairlead_fill_resolved_files_total", "Files for which sources were asked", {{"result", "none"}})),
        resolve_seconds(metrics.Histogram("fairlead_fill_resolve_seconds", "Time to answer ResolveSources", {0.0001, 0.001, 0.01, 0.1, 1})),
        sources_behind(metrics.Gauge("fairlead_fill_sources_behind", "Sources that some box is sent to last, because of reported faults")),
        token_hits(metrics.Gauge("fairlead_fill_token_hits", "Tokens found in the cache since the start")),
        token_misses(metrics.Gauge("fairlead_fill_token_misses", "Tokens signed since the start")),
        store_up(metrics.Gauge("fairlead_fill_store_up", "1 if the database answered last time")),
        store_failures(metrics.Counter("fairlead_fill_store_failures_total", "Reads of the database that failed")),
        config_connected(metrics.Gauge("fairlead_fill_config_connected", "1 while the configuration feed is up")),
        config_age_seconds(metrics.Gauge("fairlead_fill_config_age_seconds", "Since the configuration was last confirmed; -1: never")),
        cells_connected(metrics.Gauge("fairlead_fill_cells_connected", "Fleet feeds that are up")),
        cells(metrics.Gauge("fairlead_fill_cells", "Fleet feeds that there should be")),
        bad_records(metrics.Gauge("fairlead_fill_bad_records", "Records of feeds that were left out because they make no sense")),
        feed_left_out(metrics.Counter("fairlead_fill_feed_left_out_total", "Entries too large for the catalogue feed, left out of it")),
        feed_subscribers(metrics.Gauge("fairlead_fill_feed_subscribers", "Subscribers of the catalogue feed")) {}

  void CountFault(SourceFaultReason reason) {
    metrics
        .Counter("fairlead_fill_source_faults_total", "Faults of sources that boxes reported", {{"reason", std::string(ToString(reason))}})
        .Increment();
  }

  Metrics& metrics;
  prometheus::Counter& imports_new;
  prometheus::Counter& imports_known;
  prometheus::Counter& imports_refused;
  prometheus::Gauge& titles;
  prometheus::Gauge& files;
  prometheus::Gauge& plan_number;
  prometheus::Counter& plans_made;
  prometheus::Counter& plans_unchanged;
  prometheus::Counter& plans_failed;
  prometheus::Histogram& plan_seconds;
  prometheus::Gauge& short_files;
  prometheus::Counter& manifests_sent;
  prometheus::Counter& manifests_unchanged;
  prometheus::Counter& files_resolved;
  prometheus::Counter& files_without_source;
  prometheus::Histogram& resolve_seconds;
  prometheus::Gauge& sources_behind;
  prometheus::Gauge& token_hits;
  prometheus::Gauge& token_misses;
  prometheus::Gauge& store_up;
  prometheus::Counter& store_failures;
  prometheus::Gauge& config_connected;
  prometheus::Gauge& config_age_seconds;
  prometheus::Gauge& cells_connected;
  prometheus::Gauge& cells;
  prometheus::Gauge& bad_records;
  prometheus::Counter& feed_left_out;
  prometheus::Gauge& feed_subscribers;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_METRICS_H_
