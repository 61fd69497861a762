#include "tests/bench/serving/serving_world.h"

#include <malloc.h>
#include <stdlib.h>

#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "services/steering/table_file.h"
#include "tests/generator/world_table.h"

namespace fairlead {
namespace {

[[noreturn]] void Die(const std::string& why) {
  std::fprintf(stderr, "serving benchmark: %s\n", why.c_str());
  std::abort();
}

}  // namespace

ServingWorld::ServingWorld(double scale)
    : world_(scale >= 1 ? WorldOptions() : WorldOptions::Scaled(scale)),
      demand_(world_, /*seed=*/7),
      folder_(absl::StrCat(std::getenv("TMPDIR") == nullptr ? "/var/tmp" : std::getenv("TMPDIR"), "/bench-serving-XXXXXX")) {
  if (mkdtemp(folder_.data()) == nullptr) Die(absl::StrCat("no folder ", folder_));
  file_ = folder_ + "/world.table";
  const absl::Status written = WriteTableFile(file_, *BuildWorldTable(world_), {.saved_at = absl::Now(), .active_key_ids = {kServingKey}});
  if (!written.ok()) Die(written.ToString());
  malloc_trim(0);  // The machine's memory is the servers' now.
}

ServingWorld::~ServingWorld() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

steering::v1::SteerRequest ServingWorld::NextRequest() {
  SeededRandom& random = demand_.random();
  const auto a_title = static_cast<uint32_t>(world_.options().files_a_title);
  const uint32_t file = demand_.File();
  steering::v1::SteerRequest request;
  request.set_client_address(demand_.ClientInPrefix(random.Below(4) == 0 ? AddressFamily::kIpv6 : AddressFamily::kIpv4).ToString());
  request.set_title(world_.NameOfTitle(file / a_title).name());
  request.add_renditions(absl::StrFormat("r%03d", file % a_title));  // As World::Title names them.
  request.set_session_id(absl::StrCat("session-", random.Below(1'000'000)));
  request.set_max_urls(3);
  return request;
}

}  // namespace fairlead
