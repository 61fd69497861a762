// The probes: changes of each kind, made at the program that takes them, and when the answers of every replica showed them.
//
// Each kind has a thread of its own that makes one change at a time, watches for it, and makes the next after a pause that is drawn, so
// that changes come at any moment between the beats of the programs. Start, let it run, Stop.
//
//   Probes probes(told, boxes, watch, registryd, filld, prefixes, stop);
//   RETURN_IF_ERROR(probes.Announce(patience));  // Every box of a probe is named first for a prefix of its own.
//   probes.Start(); …; probes.Stop(); probes.Of(Probes::kRoute);
#ifndef FAIRLEAD_TESTS_BENCH_REPLICAS_PROBES_H_
#define FAIRLEAD_TESTS_BENCH_REPLICAS_PROBES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "libs/net/prefix.h"
#include "tests/bench/replicas/boxes.h"
#include "tests/bench/replicas/told_world.h"
#include "tests/bench/replicas/watch.h"

namespace fairlead {

class Probes {
 public:
  // kRoute: withdrawn and announced in turn. kHealth: a heartbeat by which the box is SICK. kDrain: begun and cancelled in turn. kTitle: an
  // import. kHolding: a file of such a title, newly held by a box.
  enum Kind { kRoute, kHealth, kDrain, kTitle, kHolding, kKinds };
  static const char* NameOf(Kind kind);

  // Milliseconds until the last replica showed each change: since its acknowledgement, or the return of its call; and since it was sent.
  // A change that none showed within kPatience counts as that long.
  struct Latencies {
    std::vector<double> accepted;
    std::vector<double> sent;
    size_t never = 0;
  };
  static constexpr Watch::Duration kPatience = std::chrono::seconds(5);

  Probes(const ToldWorld& told, Boxes& boxes, Watch& watch, const std::string& registryd, const std::string& filld,
         const std::vector<Prefix>& taken, const std::atomic<bool>& stop);
  ~Probes();

  // The probe title, held by nobody yet: the number of its file.
  absl::StatusOr<uint32_t> ImportProbeTitle();
  // DEADLINE_EXCEEDED if a tenth of them isn't named first by all replicas in time; those are left out.
  absl::Status Announce(Watch::Duration patience);
  void Start();
  void Stop();
  size_t size() const { return boxes_of_.size(); }
  Latencies Of(Kind kind) const ABSL_LOCKS_EXCLUDED(mu_);
  // The first thing that went wrong, but for changes that weren't shown; empty: nothing.
  std::string Fault() const ABSL_LOCKS_EXCLUDED(mu_);

 private:
  struct ProbeBox {
    size_t hearer = 0;
    Prefix prefix;
    std::string client;
    std::string name;  // "appliances/x"
    bool useful = false;
  };

  std::vector<ProbeBox*> BoxesOf(Kind kind);
  void Pause(uint64_t& seed) const;
  bool Stopped() const { return ending_ || stop_; }
  void RunRoutes();
  void RunHealth();
  void RunDrains();
  void RunTitles();
  void TryRoute(const ProbeBox& box, bool announce);
  void TryHolding(const ProbeBox& box, const std::string& title, uint32_t file);
  absl::StatusOr<uint32_t> Import(const std::string& title);
  absl::StatusOr<std::string> BeginDrain(const ProbeBox& box);
  absl::Status CancelDrain(const std::string& drain);
  // A change that was sent as a box's report.
  void WatchReport(Kind kind, const ProbeBox& box, uint64_t sequence, Watch::Time sent, const std::string& title, const Watch::Sign& sign);
  void Note(Kind kind, Watch::Time sent, Watch::Time accepted, std::optional<Watch::Time> shown) ABSL_LOCKS_EXCLUDED(mu_);
  void NoteFault(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mu_);

  const ToldWorld& told_;
  Boxes& boxes_;
  Watch& watch_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<registry::v1::RegistryService::Stub> registry_;
  std::unique_ptr<content::v1::CatalogService::Stub> catalogue_;
  std::vector<ProbeBox> boxes_of_;
  std::atomic<bool> ending_ = false;
  std::vector<std::thread> threads_;
  mutable absl::Mutex mu_;
  Latencies latencies_[kKinds] ABSL_GUARDED_BY(mu_);
  std::string fault_ ABSL_GUARDED_BY(mu_);
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_REPLICAS_PROBES_H_
