#include "tests/lab/front.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/lab/text_file.h"

namespace fairlead {
namespace {

// Far above what the demo asks, so that only a loop gone wild meets it.
constexpr char kRequestsASecond[] = "2000";

}  // namespace

absl::StatusOr<ProcessSpec> PrepareFront(const Layout& layout) {
  const std::string folder = layout.Run("front"), path = folder + "/nginx.conf";
  const std::string source = absl::StrCat(layout.folders.src_dir, "/deploy/nginx/steering.conf.in");
  const std::string config = ReadText(source);
  if (config.empty()) return absl::NotFoundError(absl::StrCat("can't read '", source, "'"));
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  std::ofstream file(path, std::ios::trunc);
  file << absl::StrReplaceAll(config, {{"@USER_LINE@", geteuid() == 0 ? "user root root;" : ""},
                                       {"@WORK@", folder},
                                       {"@LISTEN_HTTP@", layout.front_http},
                                       {"@LISTEN_GRPC@", layout.front_grpc},
                                       {"@STEERD_HTTP@", absl::StrCat("server ", layout.steerd_http, ";")},
                                       {"@STEERD_GRPC@", absl::StrCat("server ", layout.steerd, ";")},
                                       {"@TRUSTED_CALLERS@", "127.0.0.0/8 1; ::1/128 1;"},
                                       {"@REQUESTS_A_SECOND@", kRequestsASecond}});
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("can't write '", path, "'"));
  return ProcessSpec{.name = "nginx-front", .argv = {"/usr/sbin/nginx", "-p", folder, "-c", path, "-e", "stderr"}, .stop_signal = SIGQUIT};
}

}  // namespace fairlead
