// ApplianceLinkService over gRPC's callback API: one stream a box.
//
// A stream has at most one read in flight and at most one instruction of each kind waiting (newer ones replace older ones), so a box that
// doesn't read costs a constant. A stream without a hello after kHelloTimeout, or without a report for kIdleTimeout, is closed, so that
// dead ones give their places back. A bad report ends its stream with an error that names the field; other streams never notice.
// Thread-safe.
#ifndef FAIRLEAD_SERVICES_INGEST_LINK_SERVICE_H_
#define FAIRLEAD_SERVICES_INGEST_LINK_SERVICE_H_

#include <cstddef>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/appliance_link_service.grpc.pb.h"
#include "libs/base/clock.h"
#include "services/ingest/fleet_state.h"
#include "services/ingest/metrics.h"

namespace fairlead::ingest {

class LinkService final : public v1::ApplianceLinkService::CallbackService {
 public:
  // As the contract says.
  static constexpr int kMostRequestBytes = 1 << 20;
  static constexpr absl::Duration kHelloTimeout = absl::Seconds(10);
  static constexpr absl::Duration kIdleTimeout = absl::Seconds(60);
  // For a box that doesn't take its last instruction.
  static constexpr absl::Duration kCloseTimeout = absl::Seconds(5);

  // More than `most_streams` streams are answered RESOURCE_EXHAUSTED. All must outlive the server.
  LinkService(FleetState& fleet, const Clock& clock, IngestMetrics& metrics, size_t most_streams);
  ~LinkService() override;

  grpc::ServerBidiReactor<v1::ConnectRequest, v1::Instruction>* Connect(grpc::CallbackServerContext* context) override;

  // Closes streams that have been quiet for too long; to be called every second or so.
  void Tick() ABSL_LOCKS_EXCLUDED(mu_);
  // Closes all streams with UNAVAILABLE, so that boxes go to another cell; to be called before the server's shutdown.
  void CloseAll() ABSL_LOCKS_EXCLUDED(mu_);

 private:
  class Stream;
  void Remove(const std::shared_ptr<Stream>& stream) ABSL_LOCKS_EXCLUDED(mu_);
  bool NoStreams() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return streams_.empty(); }

  FleetState& fleet_;
  const Clock& clock_;
  IngestMetrics& metrics_;
  const size_t most_streams_;
  absl::Mutex mu_;
  bool closed_ ABSL_GUARDED_BY(mu_) = false;
  absl::flat_hash_set<std::shared_ptr<Stream>> streams_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::ingest

#endif  // FAIRLEAD_SERVICES_INGEST_LINK_SERVICE_H_
