// All boxes of the world as ingestd hears them: enrolled, each with a stream, reporting what the world says, beating at the normal rate,
// and telling of route changes at a given rate.
//
// Thread-safe once Connect has returned, but for Report, which is one thread's. Its threads end with it.
//
//   Boxes boxes(told, targets);
//   RETURN_IF_ERROR(boxes.Enrol());
//   RETURN_IF_ERROR(boxes.Connect());
//   RETURN_IF_ERROR(boxes.Report(held, probe_file));
//   boxes.StartChanges(5'000);
#ifndef FAIRLEAD_TESTS_BENCH_REPLICAS_BOXES_H_
#define FAIRLEAD_TESTS_BENCH_REPLICAS_BOXES_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "fairlead/registry/v1/registry_service.grpc.pb.h"
#include "tests/bench/replicas/box_stream.h"
#include "tests/bench/replicas/told_world.h"
#include "tests/generator/world.h"

namespace fairlead {

class Boxes {
 public:
  // `stop` ends whatever takes long. All must outlive it.
  Boxes(const World& world, const ToldWorld& told, const std::string& registryd, const std::string& ingestd, const std::atomic<bool>& stop);
  ~Boxes();

  // Binds every box by a token of its own, and passes its burn-in.
  absl::Status Enrol();
  // Opens the streams, and begins to beat.
  absl::Status Connect();
  // All that each box holds and hears: its files (by box, and one that all have), its whole table with End-of-RIB.
  absl::Status Report(const std::vector<std::vector<uint32_t>>& held, uint32_t held_by_all);
  // Changes of routes, so many a second, until the end.
  void StartChanges(size_t a_second);
  size_t changes_sent() const { return changes_sent_; }

  BoxStream& stream(size_t hearer) { return *streams_[hearer]; }
  // From now on its beats say so; the sequence number of the first, which is sent now.
  uint64_t SetSick(size_t hearer, bool sick);
  // A stream that broke, or nothing.
  std::string Fault() const;

 private:
  absl::Status EnrolOne(size_t hearer);
  absl::Status ReportRoutes(size_t hearer);
  void ReportHoldings(size_t hearer, const std::vector<uint32_t>& files, uint32_t held_by_all);
  uint64_t Beat(size_t hearer);
  void KeepBeating();
  void KeepChanging(size_t a_second);

  const World& world_;
  const ToldWorld& told_;
  const std::atomic<bool>& stop_;
  std::unique_ptr<registry::v1::RegistryService::Stub> registry_;
  const std::string ingestd_;
  std::vector<std::string> credentials_;
  std::vector<std::atomic<bool>> sick_;
  std::vector<std::unique_ptr<BoxStream>> streams_;
  std::atomic<bool> ending_ = false;
  std::atomic<size_t> changes_sent_ = 0;
  std::thread beats_;
  std::thread changes_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_REPLICAS_BOXES_H_
