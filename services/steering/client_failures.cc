#include "services/steering/client_failures.h"

#include <algorithm>

namespace fairlead {
namespace {

// Who shares an address, or a household's addresses, is one witness.
Prefix NetworkOf(const IpAddress& client) {
  constexpr int kV4Bits = 24;
  constexpr int kV6Bits = 48;
  return Prefix::Of(client, client.is_v4() ? kV4Bits : kV6Bits);
}

}  // namespace

void ClientFailures::Note(const IpAddress& client, absl::Span<const ApplianceId> boxes, absl::Duration now) {
  const Prefix network = NetworkOf(client);
  absl::MutexLock lock(&mu_);
  for (const ApplianceId& box : boxes) {
    if (boxes_.size() >= kMostBoxes && !boxes_.contains(box)) continue;
    std::vector<Heard>& heard = boxes_[box];
    const auto known = std::find_if(heard.begin(), heard.end(), [&](const Heard& each) { return each.network == network; });
    if (known != heard.end()) {
      known->at = now;
    } else if (heard.size() < kMostNetworks) {
      heard.push_back({network, now});
    } else {
      *std::min_element(heard.begin(), heard.end(), [](const Heard& a, const Heard& b) { return a.at < b.at; }) = {network, now};
    }
  }
}

absl::flat_hash_map<ApplianceId, size_t> ClientFailures::Networks(absl::Duration window, absl::Duration now) {
  absl::flat_hash_map<ApplianceId, size_t> networks;
  absl::MutexLock lock(&mu_);
  absl::erase_if(boxes_, [&](auto& box) {
    std::erase_if(box.second, [&](const Heard& heard) { return now - heard.at >= window; });
    if (!box.second.empty()) networks[box.first] = box.second.size();
    return box.second.empty();
  });
  return networks;
}

}  // namespace fairlead
