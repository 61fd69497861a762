#include "libs/routing/rpki.h"

#include "absl/strings/str_cat.h"

namespace fairlead {

void VrpTable::Add(const Vrp& vrp) {
  by_prefix_[vrp.prefix].push_back(vrp);
  ++size_;
}

RpkiState VrpTable::Validate(const Prefix& prefix, std::optional<uint32_t> origin_as) const {
  RpkiState state = RpkiState::kNotFound;
  by_prefix_.ForEachCovering(prefix, [&](const Prefix&, const std::vector<Vrp>& vrps) {
    for (const Vrp& vrp : vrps) {
      const bool matches = vrp.asn != 0 && origin_as == vrp.asn && prefix.length() <= vrp.max_length;
      if (matches) state = RpkiState::kValid;
      if (state == RpkiState::kNotFound) state = RpkiState::kInvalid;
    }
  });
  return state;
}

std::string VrpTable::Describe(const Prefix& prefix) const {
  std::string text;
  by_prefix_.ForEachCovering(prefix, [&text](const Prefix&, const std::vector<Vrp>& vrps) {
    for (const Vrp& vrp : vrps)
      absl::StrAppend(&text, text.empty() ? "" : ", ", vrp.prefix.ToString(), "-", vrp.max_length, " AS", vrp.asn);
  });
  return text;
}

}  // namespace fairlead
