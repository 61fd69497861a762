// One box's stream to ingestd, as its agent holds it: over a connection of its own, reports in order, acknowledgements with the time at
// which they came.
//
// Thread-safe. What is sent while a write is under way goes together with the next, at most kMostReports of it. Keep it until Ended.
//
//   BoxStream stream("127.0.0.1:7002", "oca-1", credential, 1);
//   const uint64_t sequence = stream.Send(report);           // Numbers it.
//   const std::optional<BoxStream::Time> at = stream.AckedAt(sequence, patience);
#ifndef FAIRLEAD_TESTS_BENCH_REPLICAS_BOX_STREAM_H_
#define FAIRLEAD_TESTS_BENCH_REPLICAS_BOX_STREAM_H_

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/appliance_link_service.grpc.pb.h"

namespace fairlead {

class BoxStream final : public grpc::ClientBidiReactor<ingest::v1::ConnectRequest, ingest::v1::Instruction> {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // Opens it and says hello.
  BoxStream(const std::string& ingestd, const std::string& id, const std::string& credential, uint64_t incarnation);
  // Cancels it and waits for its end.
  ~BoxStream();

  // The report's sequence number.
  uint64_t Send(ingest::v1::Report report) ABSL_LOCKS_EXCLUDED(mu_);
  // Until fewer than `most` reports wait to be written; false after `patience` or if the stream has ended.
  bool WaitForRoom(size_t most, absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_);
  // When the acknowledgement of `sequence`, or of a later one, arrived; none after `patience`. Of sequences that are waited for in order.
  std::optional<Time> AckedAt(uint64_t sequence, absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_);
  // Why it ended; empty while it lives.
  std::string fault() const ABSL_LOCKS_EXCLUDED(mu_);

  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

 private:
  struct Ack {
    uint64_t sequence = 0;
    Time at;
  };
  static constexpr int kMostReports = 4;  // Of 1,000 routes each at most: below the 1 MiB of a request.
  static constexpr size_t kMostAcks = 64;

  void Pump() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::unique_ptr<ingest::v1::ApplianceLinkService::Stub> stub_;
  grpc::ClientContext context_;
  const uint64_t incarnation_;
  ingest::v1::Instruction instruction_;  // Of the read that is under way.
  ingest::v1::ConnectRequest request_;   // Of the write that is under way.

  mutable absl::Mutex mu_;
  uint64_t sequence_ ABSL_GUARDED_BY(mu_) = 0;
  std::deque<ingest::v1::Report> waiting_ ABSL_GUARDED_BY(mu_);
  std::deque<Ack> acks_ ABSL_GUARDED_BY(mu_);  // The latest ones, ascending.
  bool writing_ ABSL_GUARDED_BY(mu_) = false;
  bool ended_ ABSL_GUARDED_BY(mu_) = false;
  std::string fault_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_REPLICAS_BOX_STREAM_H_
