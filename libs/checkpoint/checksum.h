// XXH3 checksums of what lies on disk: against decay and cuts, not against somebody who may write there.
#ifndef FAIRLEAD_LIBS_CHECKPOINT_CHECKSUM_H_
#define FAIRLEAD_LIBS_CHECKPOINT_CHECKSUM_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace fairlead {

// 128 bits over both parts, as 32 hex digits: for lines of text.
std::string ChecksumHex(absl::string_view head, absl::string_view body);

// 64 bits; the same bytes with another seed have another checksum, so that a record counts only in its own place.
uint64_t Checksum64(absl::string_view bytes, uint64_t seed);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_CHECKPOINT_CHECKSUM_H_
