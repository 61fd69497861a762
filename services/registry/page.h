// Pages of lists: the opaque token says where the next page starts, and is good for the same query only.
#ifndef FAIRLEAD_SERVICES_REGISTRY_PAGE_H_
#define FAIRLEAD_SERVICES_REGISTRY_PAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace fairlead::registry {

// 1 to 1,000; 0 means 100 and more than 1,000 means 1,000. INVALID_ARGUMENT if negative.
absl::StatusOr<int> PageSize(int32_t requested);

// `query` is whatever the pages of one list have in common: the method and its filters. `last` is the key of the page's last item.
std::string MakePageToken(absl::string_view query, absl::string_view last);
// The `last` of a token made for the same query; "" for an empty token. INVALID_ARGUMENT for any other.
absl::StatusOr<std::string> ParsePageToken(absl::string_view query, absl::string_view token);

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_PAGE_H_
