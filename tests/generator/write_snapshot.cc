// Writes a table file that `steerd --snapshot FILE` serves from alone: a generated world of any size, with generated prefixes, those of a
// list, or the routes of MRT files.
//
//   bazel run -c opt //tests/generator:write_snapshot -- --out=/tmp/world.table --scale=0.01
//   bazel run -c opt //tests/generator:write_snapshot -- --out=/tmp/world.table --prefixes=bart-prefixes.txt.gz --mrt=rib.bz2,rib6.bz2
//   steerd --snapshot=/tmp/world.table --signing_key_dir=keys              # With keys/bench.pem, mode 0600.
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/flags/usage.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "libs/base/status_macros.h"
#include "services/steering/table_file.h"
#include "tests/generator/mrt.h"
#include "tests/generator/routes.h"
#include "tests/generator/world.h"
#include "tests/generator/world_table.h"

ABSL_FLAG(std::string, out, "", "The file to write");
ABSL_FLAG(double, scale, 0.01, "Share of the full world: 1,350,000 prefixes, 20,000 boxes at 6,000 sites, 10,000,000 files");
ABSL_FLAG(uint64_t, seed, 1, "Of the world");
ABSL_FLAG(std::string, prefixes, "", "A list of prefixes, one a line, plain or .gz; empty: generated ones, unless there are MRT files");
ABSL_FLAG(std::vector<std::string>, mrt, {},
          "MRT files of TABLE_DUMP_V2, plain, gzip or bzip2, whose routes are the world's; they may be cut");
ABSL_FLAG(uint64_t, titles, ~uint64_t{0}, "The catalogue has so many of the most popular titles");
ABSL_FLAG(std::string, key_id, "bench", "The signing key that steerd must have");

namespace fairlead {
namespace {

absl::Status Run() {
  const std::string out = absl::GetFlag(FLAGS_out);
  if (out.empty()) return absl::InvalidArgumentError("out: the file to write must be named");
  WorldOptions options = absl::GetFlag(FLAGS_scale) >= 1 ? WorldOptions() : WorldOptions::Scaled(absl::GetFlag(FLAGS_scale));
  options.seed = absl::GetFlag(FLAGS_seed);
  if (const std::string list = absl::GetFlag(FLAGS_prefixes); !list.empty()) {
    ASSIGN_OR_RETURN(options.prefixes, ReadPrefixes(list));
  }
  std::vector<MrtTable> tables;
  for (const std::string& path : absl::GetFlag(FLAGS_mrt)) {
    ASSIGN_OR_RETURN(MrtTable table, ReadMrt(path));
    std::printf("%s: %zu prefixes, %zu routes of %zu peers%s\n", path.c_str(), table.prefixes.size(), table.entries, table.peer_as.size(),
                table.cut ? "; the file is cut" : "");
    tables.push_back(std::move(table));
  }
  options.tables = WorldPrefixesOf(tables);
  const World world(std::move(options));
  WorldTableOptions parts;
  parts.titles = absl::GetFlag(FLAGS_titles);
  parts.done = [](absl::string_view part) { std::printf("built: %s\n", std::string(part).c_str()); };
  const auto table = BuildWorldTable(world, parts);
  const TableExtras extras = {.saved_at = absl::Now(),
                              .sources = {{.name = "generator", .position = {1, world.options().seed}}},
                              .active_key_ids = {absl::GetFlag(FLAGS_key_id)}};
  RETURN_IF_ERROR(WriteTableFile(out, *table, extras));
  std::printf("%s: %zu prefixes, %zu ladders, %zu boxes, %zu files\n", out.c_str(), table->ladders->prefixes(),
              table->ladders->distinct_ladders(), table->fleet->boxes().size(), table->catalogue->file_count());
  return absl::OkStatus();
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  absl::SetProgramUsageMessage("writes a table file for steerd --snapshot");
  absl::ParseCommandLine(argc, argv);
  const absl::Status done = fairlead::Run();
  if (!done.ok()) std::fprintf(stderr, "write_snapshot: %s\n", std::string(done.message()).c_str());
  return done.ok() ? 0 : 1;
}
