#include "tests/lab/front.h"

#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace fairlead {
namespace {

// Long time-outs for streams; no cap on what a stream carries in all (NGINX counts it as one body).
constexpr char kTemplate[] = R"(daemon off;
@USER@worker_processes 1;
pid @FOLDER@/nginx.pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  client_body_temp_path @FOLDER@/body;
  proxy_temp_path @FOLDER@/proxy;
  fastcgi_temp_path @FOLDER@/fastcgi;
  uwsgi_temp_path @FOLDER@/uwsgi;
  scgi_temp_path @FOLDER@/scgi;
  server {
    listen @HTTP@;
    location / {
      proxy_pass http://@STEERD_HTTP@;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
  server {
    listen @GRPC@ http2;
    client_max_body_size 0;
    client_body_timeout 1d;
    grpc_read_timeout 1d;
    grpc_send_timeout 1d;
    location / {
      grpc_pass grpc://@STEERD@;
      grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    }
  }
}
)";

}  // namespace

absl::StatusOr<ProcessSpec> PrepareFront(const Layout& layout) {
  const std::string folder = layout.Run("front"), path = folder + "/nginx.conf";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  std::ofstream file(path, std::ios::trunc);
  file << absl::StrReplaceAll(kTemplate, {{"@USER@", geteuid() == 0 ? "user root root;\n" : ""},
                                          {"@FOLDER@", folder},
                                          {"@HTTP@", layout.front_http},
                                          {"@GRPC@", layout.front_grpc},
                                          {"@STEERD_HTTP@", layout.steerd_http},
                                          {"@STEERD@", layout.steerd}});
  file.close();
  if (!file) return absl::InternalError(absl::StrCat("can't write '", path, "'"));
  return ProcessSpec{.name = "nginx-front", .argv = {"/usr/sbin/nginx", "-p", folder, "-c", path, "-e", "stderr"}, .stop_signal = SIGQUIT};
}

}  // namespace fairlead
