// Figures as people read them. Powers of 1,000, as disks and networks are sold.
//
//   HumanBits(10'000'000'000)  → "10 Gbit/s"        HumanBytes(4'000'000'000'000) → "4.0 TB"
//   HumanAge(absl::Seconds(93)) → "1m33s"           HumanShare(0.953)             → "95 %"
#ifndef FAIRLEAD_SERVICES_CLI_UNITS_H_
#define FAIRLEAD_SERVICES_CLI_UNITS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace fairlead::cli {

// Two digits at least, three at most: "1.2 Gbit/s", "10 Gbit/s", "12.5 Gbit/s", "350 Gbit/s"; "0 bit/s".
std::string HumanBits(int64_t bits_per_second);
std::string HumanBytes(int64_t bytes);
std::string HumanShare(double share);

// Two units at most: "0.3s", "42s", "1m33s", "2h5m", "3d4h". Negative ages (clocks differ) are shown as "0s".
std::string HumanAge(absl::Duration age);
std::string HumanAge(const google::protobuf::Duration& age);

// UTC, to the second: "2026-03-01 18:30:00Z"; "" for a time that isn't set.
std::string HumanTime(const google::protobuf::Timestamp& time);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_UNITS_H_
