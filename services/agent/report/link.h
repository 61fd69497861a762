// The one stream to the control plane: reports up, instructions down. Keeps connecting, cell after cell, with jittered back-off.
//
// Reports are numbered as they are written. Those that wait when a stream breaks are dropped: after each connection the owner sends
// what the receiver needs anew (`on_connected`). The newest heartbeat replaces one that still waits and goes first. Thread-safe.
//
//   ApplianceLink link(options, {.hello = ..., .on_connected = ..., ...});
//   link.SetCells({"127.0.0.1:7002"});
//   link.Start();
//   link.Send(report);        // Waits while the queue is full; false if there is no stream.
#ifndef FAIRLEAD_SERVICES_AGENT_REPORT_LINK_H_
#define FAIRLEAD_SERVICES_AGENT_REPORT_LINK_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "fairlead/ingest/v1/appliance_link_service.grpc.pb.h"
#include "libs/base/backoff.h"

namespace fairlead::agent {

struct LinkCallbacks {
  // The first report of a stream.
  std::function<ingest::v1::Hello()> hello;
  // Called on the link's threads; must not block for long.
  std::function<void()> on_connected;
  std::function<void(const ingest::v1::Instruction&)> on_instruction;
};

struct LinkStatus {
  bool connected = false;
  std::string cell;
  uint64_t sequence = 0;      // The last written,
  uint64_t acknowledged = 0;  // and taken in.
  int connects = 0;
  uint64_t dropped = 0;  // Reports that waited when a stream broke or found none.
};

class ApplianceLink {
 public:
  static constexpr size_t kMaxQueued = 64;
  static constexpr size_t kMaxMessageBytes = 1 << 20;

  ApplianceLink(uint64_t incarnation, BackoffPolicy backoff, LinkCallbacks callbacks);
  ~ApplianceLink();

  void Start();
  void Stop() ABSL_LOCKS_EXCLUDED(mu_);
  void SetCredential(const std::string& credential) ABSL_LOCKS_EXCLUDED(mu_);
  // In the order to try. A stream to a cell that is no longer listed goes on until it breaks.
  void SetCells(std::vector<std::string> addresses) ABSL_LOCKS_EXCLUDED(mu_);
  // Incarnation and sequence are filled in. False, and the report is dropped, if there is no stream or it breaks while waiting.
  bool Send(ingest::v1::Report report) ABSL_LOCKS_EXCLUDED(mu_);
  void SetHeartbeat(ingest::v1::Heartbeat heartbeat) ABSL_LOCKS_EXCLUDED(mu_);
  LinkStatus Status() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  using Stream = grpc::ClientReaderWriter<ingest::v1::ConnectRequest, ingest::v1::Instruction>;

  void Run();
  // One stream from connecting to its end; whether it was ever answered.
  bool RunStream(const std::string& cell);
  void ReadInstructions(Stream& stream);
  // The next message; none when the stream is over.
  std::optional<ingest::v1::ConnectRequest> NextMessage() ABSL_LOCKS_EXCLUDED(mu_);
  bool HasWorkOrEnds() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    return stopping_ || stream_over_ || heartbeat_.has_value() || !queue_.empty();
  }
  bool HasRoomOrEnds() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return !status_.connected || queue_.size() < kMaxQueued; }
  void Number(ingest::v1::Report& report) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const uint64_t incarnation_;
  const LinkCallbacks callbacks_;
  Backoff backoff_;
  std::thread thread_;

  mutable absl::Mutex mu_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  bool stream_over_ ABSL_GUARDED_BY(mu_) = true;
  bool answered_ ABSL_GUARDED_BY(mu_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mu_) = nullptr;  // Of the running stream.
  std::string credential_ ABSL_GUARDED_BY(mu_);
  std::vector<std::string> cells_ ABSL_GUARDED_BY(mu_);
  std::deque<ingest::v1::Report> queue_ ABSL_GUARDED_BY(mu_);
  std::optional<ingest::v1::Heartbeat> heartbeat_ ABSL_GUARDED_BY(mu_);
  absl::Time last_answer_ ABSL_GUARDED_BY(mu_);
  LinkStatus status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_REPORT_LINK_H_
