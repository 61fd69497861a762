// The text of an NGINX configuration that serves signed URLs, from what the registry says of the box. Pure: equal inputs give equal text,
// so a changed text is the only reason to reload.
//
//   /URISigningPackage=<token>/<title>/<version>/<rendition>/<file>
//     1. the shape of the path, else 404     2. the token, by njs behind auth_request and a cache of verdicts, else 403 with
//     X-Fairlead-Refused
//     3. the file, in the flash folder and then in the disk folder, else 404
//
// A box that is being drained serves on with connections that end after each answer (EVACUATING), then refuses everybody with 410 and
// X-Fairlead-Refused: DRAINED (LAME_DUCK): players go to their next URL at once on 4xx, and stall on 503. That answer is never cached.
//
// The cache key holds the token, the path's title and version, and a fingerprint of the keys, so a revoked key's verdicts die with it; an
// accepted verdict ends with the token (X-Accel-Expires). Nothing about a viewer is logged: no address, no token, no agent.
#ifndef FAIRLEAD_SERVICES_AGENT_NGINX_CONFIG_H_
#define FAIRLEAD_SERVICES_AGENT_NGINX_CONFIG_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"

namespace fairlead::agent {

struct NginxListen {
  AddressFamily family = AddressFamily::kIpv4;
  std::string scheme;  // "http"; "https" is refused until boxes have certificates.
  std::string host;    // A literal of the family is bound as it is; for a name every address of the family is.
  int port = 0;
};

struct NginxKey {
  std::string id;
  std::string public_key_pem;
};

enum class ServingMode {
  kOpen,
  kEvacuating,  // No connection outlives its answer, so none pins a viewer to the box.
  kRefusing,    // Nothing is served, not even to boxes that fill.
};

struct NginxConfigInput {
  std::vector<NginxListen> listens;
  std::vector<NginxKey> keys;
  ServingMode mode = ServingMode::kOpen;
  bool fill_only = false;    // Origin: play tokens are refused.
  std::string work_folder;   // Configurations, logs and temporary files.
  std::string run_folder;    // Sockets and pid file: a short path.
  std::string flash_folder;  // Empty = none.
  std::string disk_folder;
  std::string modules_folder;  // Of ngx_http_js_module.so.
  bool run_as_root = false;
  int workers = 1;
  int64_t open_files = 0;  // That a worker may have; 0 = whatever the system gives it.
};

struct NginxConfig {
  std::string nginx_conf;
  std::string keys_js;
  std::string fingerprint;  // Of both; the running instance shows it at /fingerprint on its status socket.

  friend bool operator==(const NginxConfig&, const NginxConfig&) = default;
};

// INVALID_ARGUMENT naming the field for an endpoint, key or folder that can't be written down safely.
absl::StatusOr<NginxConfig> RenderNginxConfig(const NginxConfigInput& input);

// The njs program, to be put beside keys.js as token_check.js.
absl::string_view TokenCheckJs();

// Where keys.js and token_check.js of that configuration are: a refused candidate never touches those in force.
std::string NginxCandidateFolder(absl::string_view work_folder, absl::string_view fingerprint);

// Paths below the run folder.
std::string NginxStatusSocket(absl::string_view run_folder);
std::string NginxVerdictSocket(absl::string_view run_folder);
std::string NginxLogSocket(absl::string_view run_folder);

}  // namespace fairlead::agent

#endif  // FAIRLEAD_SERVICES_AGENT_NGINX_CONFIG_H_
