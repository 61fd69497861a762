// A generated world on a bad evening, and who asks what of it: the fleet is small, but everything that can be drained, full, silent, sick,
// deaf, unreachable or missing is so often, and every option of a request is used. Cheap enough to explain a million requests of it.
//
//   TroubledEvening evening(3);                            // Seeded: world, trouble and requests.
//   for (…) Decide(*evening.table(), evening.Next());      // No request comes twice.
//
// Evenings of two seeds below kSeeds share no request: the last bits of a client's address are its seed.
#ifndef FAIRLEAD_TESTS_ORACLE_TROUBLED_EVENING_H_
#define FAIRLEAD_TESTS_ORACLE_TROUBLED_EVENING_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_set.h"
#include "libs/steering/decision.h"
#include "libs/steering/steering_table.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"

namespace fairlead {

class TroubledEvening {
 public:
  static constexpr uint32_t kSeeds = 16;
  static constexpr size_t kFilesATitle = 3;

  // Requests with every option, or only with what a SteerRequest can say, and then within its bounds.
  enum class Asking : uint8_t { kInEveryWay, kByApi };

  explicit TroubledEvening(uint32_t seed, Asking asking = Asking::kInEveryWay);

  const std::shared_ptr<const SteeringTable>& table() const { return table_; }
  // Whether clients that no route covers have somewhere to go: not on every evening.
  bool open_to_unrouted() const { return seed_ % 3 != 0; }
  SteeringRequest Next();

 private:
  SteeringInputs Inputs();
  SteeringRequest Draw();
  void AddWhatTheApiLacks(SteeringRequest& request);
  IpAddress Client();
  void AskForTitle(SteeringRequest& request);
  void AskForPaths(SteeringRequest& request);

  const uint32_t seed_;
  const Asking asking_;
  const World world_;
  Demand demand_;
  std::shared_ptr<const SteeringTable> table_;
  absl::flat_hash_set<uint64_t> asked_;  // Hashes of requests.
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_ORACLE_TROUBLED_EVENING_H_
