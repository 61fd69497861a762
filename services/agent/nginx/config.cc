#include "services/agent/nginx/config.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/net/ip_address.h"
#define XXH_INLINE_ALL
#include "xxhash.h"

namespace fairlead::agent {
namespace {

constexpr char kTokenCheckJs[] =
#include "services/agent/nginx/token_check_js.inc"
    ;

// The whole configuration; @NAME@ is filled in.
constexpr char kTemplate[] = R"(# Written by ocad; changes are overwritten.
load_module @MODULES@/ngx_http_js_module.so;
@USER@daemon off;
master_process on;
worker_processes @WORKERS@;
@OPENFILES@worker_shutdown_timeout 10s;
pid @RUN@/nginx.pid;
error_log @WORK@/logs/error.log notice;

events {
  worker_connections 4096;
}

http {
  # What is logged of a request names the viewer and the token: only what stops the server is kept.
  error_log @WORK@/logs/http-error.log emerg;
  client_body_temp_path @WORK@/temp/body;
  proxy_temp_path @WORK@/temp/proxy;
  fastcgi_temp_path @WORK@/temp/fastcgi;
  uwsgi_temp_path @WORK@/temp/uwsgi;
  scgi_temp_path @WORK@/temp/scgi;

  js_path @CONF@;
  js_import token_check from token_check.js;
  proxy_cache_path @WORK@/temp/verdicts keys_zone=verdicts:4m max_size=64m inactive=15m use_temp_path=off;

  types {
    video/mp4 mp4 m4s m4v cmfv;
    audio/mp4 m4a cmfa;
    application/mp4 cmft;
    application/vnd.apple.mpegurl m3u8;
    application/dash+xml mpd;
    text/vtt vtt;
  }
  default_type application/octet-stream;
  sendfile on;
  tcp_nopush on;
  server_tokens off;
  autoindex off;
  keepalive_timeout @KEEPALIVE@;
  keepalive_requests 10000;
  client_max_body_size 16k;
  large_client_header_buffers 4 8k;
  open_file_cache max=4096 inactive=60s;
  open_file_cache_valid 5s;

  map $server_addr $family {
    default 4;
    ~: 6;
  }
  log_format facts escape=json '{"status":$status,"bytes":$bytes_sent,"title":"$title","version":"$version","family":"$family",'
                               '"rank":"$rank","position":"$position","cause":"$cause","scope":"$scope","refused":"$refused"}';

  server {
@LISTENS@    server_name _;
    root /;
    access_log syslog:server=unix:@RUN@/log.sock,nohostname,tag=nginx facts;

    add_header Access-Control-Allow-Origin "*" always;
    add_header Access-Control-Expose-Headers "Content-Length, Content-Range, X-Fairlead-Refused" always;

    if ($request_method !~ ^(GET|HEAD|OPTIONS)$) {
      return 405;
    }

@LOCATIONS@  }

  # Behind the viewers' server: sockets are opened and closed in this order, so who has left these has left all (workers.h).
  server {
    listen unix:@RUN@/verdict.sock;
    access_log off;
    location / {
      js_content token_check.check;
    }
  }

  server {
    listen unix:@RUN@/status.sock;
    access_log off;
    location = /status {
      stub_status;
    }
    location = /fingerprint {
      default_type text/plain;
      return 200 "@FINGERPRINT@";
    }
    location / {
      return 404;
    }
  }
}
)";

// What the viewers' server does with a request: opens files to signed URLs.
constexpr char kServe[] = R"(    location = /_verdict {
      internal;
      proxy_pass http://unix:@RUN@/verdict.sock:/;
      proxy_method GET;
      proxy_pass_request_body off;
      proxy_pass_request_headers off;
      proxy_set_header Content-Length "";
      proxy_set_header X-Token $token;
      proxy_set_header X-Title $title;
      proxy_set_header X-Version $version;
      proxy_set_header X-Fill-Only "@FILLONLY@";
      proxy_cache verdicts;
      proxy_cache_key "@KEYSPRINT@ @FILLONLY@ $title/$version $token";
      proxy_cache_methods GET HEAD;
    }

    location ~ "^/URISigningPackage=(?<token>[A-Za-z0-9_.-]+)/(?<title>[a-z0-9-]{1,63})/(?<version>[a-z0-9-]{1,63})/(?<file>[a-z0-9-]{1,63}/[a-z0-9_-][a-z0-9._-]{0,62})$" {
      if ($request_method = OPTIONS) {
        add_header Access-Control-Allow-Origin "*";
        add_header Access-Control-Allow-Methods "GET, HEAD, OPTIONS";
        add_header Access-Control-Allow-Headers "Range";
        add_header Access-Control-Max-Age 86400;
        return 204;
      }
      auth_request /_verdict;
      auth_request_set $refused $upstream_http_x_refused;
      auth_request_set $rank $upstream_http_x_rank;
      auth_request_set $position $upstream_http_x_position;
      auth_request_set $cause $upstream_http_x_cause;
      auth_request_set $scope $upstream_http_x_scope;
      add_header Access-Control-Allow-Origin "*" always;
      add_header Access-Control-Expose-Headers "Content-Length, Content-Range, X-Fairlead-Refused" always;
      add_header X-Fairlead-Refused $refused always;
      add_header Cache-Control "public, max-age=86400, immutable";
      try_files @TRYFILES@ =404;
    }

    location ~ "^/URISigningPackage=[^/]*/[a-z0-9-]{1,63}/[a-z0-9-]{1,63}/[a-z0-9-]{1,63}/[a-z0-9_-][a-z0-9._-]{0,62}$" {
      set $refused MALFORMED;
      add_header Access-Control-Allow-Origin "*" always;
      add_header X-Fairlead-Refused $refused always;
      return 403;
    }
    location ~ "^/URISigningPackage=" {
      return 404;
    }
    location / {
      set $refused NO_TOKEN;
      add_header Access-Control-Allow-Origin "*" always;
      add_header X-Fairlead-Refused $refused always;
      return 403;
    }
)";

// Or refuses all of them. The variables are those of the log's format. A preflight passes: without it a page would never see why.
constexpr char kRefuse[] = R"(    set $title "";
    set $version "";
    set $rank "";
    set $position "";
    set $cause "";
    set $scope "";
    set $refused "";

    location / {
      if ($request_method = OPTIONS) {
        add_header Access-Control-Allow-Origin "*";
        add_header Access-Control-Allow-Methods "GET, HEAD, OPTIONS";
        add_header Access-Control-Allow-Headers "Range";
        return 204;
      }
      set $refused DRAINED;
      add_header Access-Control-Allow-Origin "*" always;
      add_header Access-Control-Expose-Headers "Content-Length, Content-Range, X-Fairlead-Refused" always;
      add_header X-Fairlead-Refused $refused always;
      add_header Cache-Control "no-store" always;
      return 410;
    }
)";

// Characters that mean something to NGINX, or spaces, would need quoting rules of their own: such a path is refused.
absl::Status CheckFolder(absl::string_view field, absl::string_view folder) {
  if (!absl::StartsWith(folder, "/")) return InvalidField(field, folder, "must be an absolute path");
  const bool plain = std::all_of(folder.begin(), folder.end(),
                                 [](char c) { return absl::ascii_isalnum(c) || absl::StrContains("/._-+@,=:", absl::string_view(&c, 1)); });
  if (!plain) return InvalidField(field, folder, "must be made of letters, digits and / . _ - + @ , = :");
  return absl::OkStatus();
}

absl::StatusOr<std::string> RenderListen(const NginxListen& listen) {
  if (listen.scheme != "http") return InvalidField("scheme", listen.scheme, "only 'http' is served: the box has no certificate");
  if (listen.port < 1 || listen.port > 65535) return InvalidField("port", absl::StrCat(listen.port), "must be in [1, 65535]");
  const bool v6 = listen.family == AddressFamily::kIpv6;
  std::string host = v6 ? "[::]" : "0.0.0.0";
  if (IsAddressLiteral(listen.host)) {
    ASSIGN_OR_RETURN(const IpAddress address, IpAddress::Parse(listen.host, "host"));
    if (address.family() != listen.family) return InvalidField("host", listen.host, "is not of the endpoint's family");
    host = v6 ? absl::StrCat("[", address.ToString(), "]") : address.ToString();
  }
  return absl::StrCat("    listen ", host, ":", listen.port, v6 ? " ipv6only=on" : "", ";\n");
}

absl::StatusOr<std::string> RenderListens(const std::vector<NginxListen>& listens) {
  if (listens.empty()) return absl::InvalidArgumentError("appliance.endpoints: at least one is needed to serve");
  std::vector<std::string> lines;
  for (size_t i = 0; i < listens.size(); ++i) {
    auto line = RenderListen(listens[i]);
    if (!line.ok()) return WithFieldPrefix(line.status(), absl::StrCat("appliance.endpoints[", i, "]."));
    // Two names with one port are one listener.
    if (std::find(lines.begin(), lines.end(), *line) == lines.end()) lines.push_back(*std::move(line));
  }
  return absl::StrJoin(lines, "");
}

// The base64 between the PEM's lines.
absl::StatusOr<std::string> PemBody(const NginxKey& key) {
  constexpr absl::string_view kBegin = "-----BEGIN PUBLIC KEY-----", kEnd = "-----END PUBLIC KEY-----";
  const absl::string_view pem = key.public_key_pem;
  const size_t begin = pem.find(kBegin), end = pem.find(kEnd);
  if (begin == absl::string_view::npos || end == absl::string_view::npos || end < begin) {
    return InvalidField("public_key_pem", key.public_key_pem, "is not a PEM public key (SubjectPublicKeyInfo)");
  }
  std::string body;
  for (const char c : pem.substr(begin + kBegin.size(), end - begin - kBegin.size())) {
    if (absl::ascii_isspace(c)) continue;
    if (!absl::ascii_isalnum(c) && c != '+' && c != '/' && c != '=')
      return InvalidField("public_key_pem", key.public_key_pem, "is not base64");
    body.push_back(c);
  }
  return body;
}

absl::StatusOr<std::string> RenderKeys(std::vector<NginxKey> keys) {
  std::sort(keys.begin(), keys.end(), [](const NginxKey& a, const NginxKey& b) { return a.id < b.id; });
  std::string out = "// Written by ocad: the public keys by which tokens are checked, SubjectPublicKeyInfo in base64.\nexport default {\n";
  for (const NginxKey& key : keys) {
    const bool plain = !key.id.empty() && key.id.size() <= 63 && std::all_of(key.id.begin(), key.id.end(), [](char c) {
      return absl::ascii_isdigit(c) || absl::ascii_islower(c) || c == '-';
    });
    if (!plain) return InvalidField("signing_keys.name", key.id, "must be [a-z0-9-]{1,63}");
    auto body = PemBody(key);
    if (!body.ok()) return WithFieldPrefix(body.status(), absl::StrCat("signing_keys['", key.id, "']."));
    absl::StrAppend(&out, "    \"", key.id, "\": \"", *body, "\",\n");
  }
  return out + "};\n";
}

std::string Fingerprint(absl::string_view text) {
  return absl::StrFormat("%016x", XXH3_64bits(text.data(), text.size()));
}

}  // namespace

absl::StatusOr<NginxConfig> RenderNginxConfig(const NginxConfigInput& input) {
  RETURN_IF_ERROR(CheckFolder("state_dir", input.work_folder));
  RETURN_IF_ERROR(CheckFolder("run_dir", input.run_folder));
  RETURN_IF_ERROR(CheckFolder("disk_dir", input.disk_folder));
  RETURN_IF_ERROR(CheckFolder("nginx modules folder", input.modules_folder));
  std::string try_files = absl::StrCat(input.disk_folder, "/$title/$version/$file");
  if (!input.flash_folder.empty()) {
    RETURN_IF_ERROR(CheckFolder("flash_dir", input.flash_folder));
    try_files = absl::StrCat(input.flash_folder, "/$title/$version/$file ", try_files);
  }
  ASSIGN_OR_RETURN(const std::string listens, RenderListens(input.listens));
  NginxConfig config;
  ASSIGN_OR_RETURN(config.keys_js, RenderKeys(input.keys));

  const std::string with_locations =
      absl::StrReplaceAll(kTemplate, {{"@LOCATIONS@", input.mode == ServingMode::kRefusing ? kRefuse : kServe}});
  const std::string text = absl::StrReplaceAll(
      with_locations, {
                          {"@KEEPALIVE@", input.mode == ServingMode::kOpen ? "65s" : "0"},
                          {"@MODULES@", input.modules_folder},
                          {"@USER@", input.run_as_root ? "user root root;\n" : ""},
                          {"@WORKERS@", absl::StrCat(input.workers)},
                          {"@OPENFILES@", input.open_files > 0 ? absl::StrCat("worker_rlimit_nofile ", input.open_files, ";\n") : ""},
                          {"@WORK@", input.work_folder},
                          {"@RUN@", input.run_folder},
                          {"@LISTENS@", listens},
                          {"@FILLONLY@", input.fill_only ? "1" : "0"},
                          {"@KEYSPRINT@", Fingerprint(config.keys_js)},
                          {"@TRYFILES@", try_files},
                      });
  config.fingerprint = Fingerprint(text + config.keys_js + kTokenCheckJs);
  config.nginx_conf = absl::StrReplaceAll(
      text, {{"@FINGERPRINT@", config.fingerprint}, {"@CONF@", NginxCandidateFolder(input.work_folder, config.fingerprint)}});
  return config;
}

absl::string_view TokenCheckJs() {
  return kTokenCheckJs;
}

std::string NginxCandidateFolder(absl::string_view work_folder, absl::string_view fingerprint) {
  return absl::StrCat(work_folder, "/conf-", fingerprint);
}
std::string NginxStatusSocket(absl::string_view run_folder) {
  return absl::StrCat(run_folder, "/status.sock");
}
std::string NginxVerdictSocket(absl::string_view run_folder) {
  return absl::StrCat(run_folder, "/verdict.sock");
}
std::string NginxLogSocket(absl::string_view run_folder) {
  return absl::StrCat(run_folder, "/log.sock");
}

}  // namespace fairlead::agent
