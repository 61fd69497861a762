// A filler in a process of its own, for tests that kill it: fills one file from one source and ends.
//
//   filler_child FOLDER SIZE SHA256-IN-HEX BASE-URL
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/time/clock.h"
#include "libs/clock/system_clock.h"
#include "libs/log/log.h"
#include "services/agent/fill/filler.h"

namespace fairlead::agent {
namespace {

class OneSource final : public SourceResolver {
 public:
  explicit OneSource(std::string base_url) : base_url_(std::move(base_url)) {}
  absl::StatusOr<FillSources> Resolve(const std::vector<uint32_t>& numbers, const std::vector<SourceFault>&) override {
    FillSources sources;
    for (const uint32_t number : numbers) sources[number] = {{"ORIGIN", "appliances/origin", base_url_, absl::ZeroDuration()}};
    return sources;
  }

 private:
  const std::string base_url_;
};

int Run(const std::string& folder, int64_t size, const std::string& sha256, const std::string& base_url) {
  const SystemClock clock;
  FillerOptions options;
  options.folders = {{Tier::kDisk, folder + "/disk"}};
  options.retry_first = absl::Milliseconds(20);
  options.sources.other_for = absl::Milliseconds(10);
  const auto index = HoldingsIndex::Open(folder + "/holdings", options.folders);
  if (!index.ok()) {
    std::fprintf(stderr, "filler_child: %s\n", index.status().ToString().c_str());
    return 3;
  }
  OneSource source(base_url);
  Filler filler(options, **index, source, clock);
  if (!filler.Start().ok()) return 3;
  HeldFile file;
  file.number = 1;
  file.media = {"film/v1/video/media.mp4", size, sha256, 0};
  filler.SetManifest("g1", {file});
  while (filler.Status().files_held < 1) absl::SleepFor(absl::Milliseconds(2));
  filler.Stop();
  return 0;
}

}  // namespace
}  // namespace fairlead::agent

int main(int argc, char** argv) {
  fairlead::InitLog("filler_child");
  int64_t size = 0;
  if (argc != 5 || !absl::SimpleAtoi(argv[2], &size)) return 2;
  return fairlead::agent::Run(argv[1], size, absl::HexStringToBytes(argv[3]), argv[4]);
}
