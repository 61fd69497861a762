// Watching two steerds until their answers show something: Steer over gRPC, both asked every kEvery for as long as one doesn't show it.
//
// Thread-safe; each thread that watches polls by itself.
//
//   Watch watch({"127.0.0.1:7004", "127.0.0.1:7014"});
//   const Watch::Seen seen = watch.Until(Watch::For("11.0.0.1", "titles/x"), Watch::NamesFirst("appliances/oca-1"), patience);
#ifndef FAIRLEAD_TESTS_BENCH_REPLICAS_WATCH_H_
#define FAIRLEAD_TESTS_BENCH_REPLICAS_WATCH_H_

#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"

namespace fairlead {

class Watch {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;
  using Answer = absl::StatusOr<steering::v1::SteerResponse>;
  // Whether an answer shows what is waited for.
  using Sign = std::function<bool(const Answer&)>;

  static constexpr Duration kEvery = std::chrono::milliseconds(5);

  explicit Watch(const std::vector<std::string>& steerds);

  static steering::v1::SteerRequest For(const std::string& client, const std::string& title);
  static Sign NamesFirst(const std::string& appliance);
  static Sign DoesNotNameFirst(const std::string& appliance);
  // Any answer but NOT_FOUND, which is the word for a title that isn't in the catalogue.
  static Sign KnowsTitle();

  // When the last of the steerds showed it: the moment at which that answer was here. None if one didn't within `patience`.
  std::optional<Time> Until(const steering::v1::SteerRequest& request, const Sign& sign, Duration patience);
  // Whether all show it now.
  bool Shows(const steering::v1::SteerRequest& request, const Sign& sign);
  // How many routes each of them has of just this prefix; the fewest.
  size_t RoutesOf(const std::string& prefix, const std::string& client, const std::string& title);
  // Steer was called so often.
  size_t polls() const { return polls_; }

 private:
  Answer Ask(size_t replica, const steering::v1::SteerRequest& request);

  std::vector<std::unique_ptr<steering::v1::SteeringService::Stub>> stubs_;
  std::atomic<size_t> polls_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_BENCH_REPLICAS_WATCH_H_
