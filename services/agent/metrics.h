// Every series of ocad.
#ifndef FAIRLEAD_SERVICES_AGENT_METRICS_H_
#define FAIRLEAD_SERVICES_AGENT_METRICS_H_

#include <array>
#include <cstddef>
#include <string>

#include "libs/fill/source_faults.h"
#include "libs/metrics/metrics.h"

namespace fairlead::agent {

struct AgentMetrics {
  explicit AgentMetrics(Metrics& metrics)
      : link_connected(metrics.Gauge("fairlead_agent_link_connected", "1 while the stream to a cell is up")),
        link_connects(metrics.Gauge("fairlead_agent_link_connects", "Streams opened since the start")),
        reports_dropped(metrics.Gauge("fairlead_agent_reports_dropped", "Reports dropped because there was no stream; sent anew after it")),
        heartbeats(metrics.Counter("fairlead_agent_heartbeats_total", "Heartbeats made")),
        served_bytes(metrics.Gauge("fairlead_agent_served_bytes", "Bytes sent by NGINX since the start")),
        log_lines_unreadable(metrics.Gauge("fairlead_agent_log_lines_unreadable", "Access log lines that could not be read")),
        nginx_running(metrics.Gauge("fairlead_agent_nginx_running", "1 while NGINX runs its newest configuration")),
        nginx_restarts(metrics.Gauge("fairlead_agent_nginx_restarts", "Times NGINX ended by itself")),
        bird_restarts(metrics.Gauge("fairlead_agent_bird_restarts", "Times BIRD ended by itself")),
        tap_established(metrics.Gauge("fairlead_agent_tap_established", "1 while BIRD's routes are heard")),
        paths(metrics.Gauge("fairlead_agent_bgp_paths", "BGP paths heard from all sessions")),
        files_held(metrics.Gauge("fairlead_agent_files_held", "Files verifiably held")),
        files_wanted(metrics.Gauge("fairlead_agent_files_wanted", "Files of the manifest")),
        fill_missing_bytes(metrics.Gauge("fairlead_agent_fill_missing_bytes", "Bytes of the manifest not held")),
        fill_fetched_bytes(metrics.Gauge("fairlead_agent_fill_fetched_bytes", "Bytes fetched since the start")),
        fill_disk_full(metrics.Gauge("fairlead_agent_fill_disk_full", "1 while filling waits for room on a disk")),
        config_age_seconds(metrics.Gauge("fairlead_agent_config_age_seconds", "Time since the registry last confirmed the configuration")) {
    for (size_t i = 1; i < kSourceFaultReasons; ++i) {
      const std::string reason(ToString(static_cast<SourceFaultReason>(i)));
      fill_source_faults[i] =
          &metrics.Gauge("fairlead_agent_fill_source_faults", "Times that a source was left since the start", {{"reason", reason}});
    }
  }

  prometheus::Gauge& link_connected;
  prometheus::Gauge& link_connects;
  prometheus::Gauge& reports_dropped;
  prometheus::Counter& heartbeats;
  prometheus::Gauge& served_bytes;
  prometheus::Gauge& log_lines_unreadable;
  prometheus::Gauge& nginx_running;
  prometheus::Gauge& nginx_restarts;
  prometheus::Gauge& bird_restarts;
  prometheus::Gauge& tap_established;
  prometheus::Gauge& paths;
  prometheus::Gauge& files_held;
  prometheus::Gauge& files_wanted;
  prometheus::Gauge& fill_missing_bytes;
  prometheus::Gauge& fill_fetched_bytes;
  prometheus::Gauge& fill_disk_full;
  prometheus::Gauge& config_age_seconds;
  std::array<prometheus::Gauge*, kSourceFaultReasons> fill_source_faults = {};  // By reason.
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_METRICS_H_
