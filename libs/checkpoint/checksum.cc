#include "libs/checkpoint/checksum.h"

#include <memory>

#include "absl/strings/escaping.h"
#include "xxhash.h"

namespace fairlead {

std::string ChecksumHex(absl::string_view head, absl::string_view body) {
  const std::unique_ptr<XXH3_state_t, decltype(&XXH3_freeState)> state(XXH3_createState(), &XXH3_freeState);
  XXH3_128bits_reset(state.get());
  XXH3_128bits_update(state.get(), head.data(), head.size());
  XXH3_128bits_update(state.get(), body.data(), body.size());
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state.get()));
  return absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(canonical.digest), sizeof(canonical.digest)));
}

uint64_t Checksum64(absl::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

}  // namespace fairlead
