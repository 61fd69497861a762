// What both benchmarks serve and ask for: a generated world as a table file, and requests of its clients for one file each, as a player
// asks. Clients are of any prefix alike, one of four of IPv6; titles by Zipf's law. Seeded.
//
//   ServingWorld world(ScaleOf(argc, argv));    // Full scale: minutes, 9 GB of memory meanwhile, and 3 GB of disk in TMPDIR.
//   steerd.Start("serve " + world.table_file());
//   const sv1::SteerRequest request = world.NextRequest();
// One thread. The file goes with the object.
#ifndef FAIRLEAD_TESTS_BENCH_SERVING_SERVING_WORLD_H_
#define FAIRLEAD_TESTS_BENCH_SERVING_SERVING_WORLD_H_

#include <cstdint>
#include <string>

#include "fairlead/steering/v1/steering_service.pb.h"
#include "tests/generator/demand.h"
#include "tests/generator/world.h"

namespace fairlead {

// That a server of the table must have.
inline constexpr char kServingKey[] = "k-1";

class ServingWorld {
 public:
  explicit ServingWorld(double scale);
  ~ServingWorld();
  ServingWorld(const ServingWorld&) = delete;
  ServingWorld& operator=(const ServingWorld&) = delete;

  const std::string& table_file() const { return file_; }
  steering::v1::SteerRequest NextRequest();

 private:
  const World world_;
  Demand demand_;
  std::string folder_;
  std::string file_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_SERVING_SERVING_WORLD_H_
