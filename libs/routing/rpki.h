// Route origin validation (RFC 6811) over a table of validated ROA payloads, given as a value.
//
//   VrpTable vrps;
//   vrps.Add({.prefix = prefix, .max_length = 24, .asn = 64500});
//   vrps.Validate(route_prefix, OriginAs(path));  // kValid, kInvalid or kNotFound.
// Not thread-safe; any number of threads may read a table that nobody changes. Validate costs one walk of the covering prefixes.
#ifndef FAIRLEAD_LIBS_ROUTING_RPKI_H_
#define FAIRLEAD_LIBS_ROUTING_RPKI_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "libs/net/prefix.h"
#include "libs/net/prefix_table.h"

namespace fairlead {

struct Vrp {
  Prefix prefix = {};
  int max_length = 0;
  uint32_t asn = 0;  // AS 0: nobody may originate it (RFC 6483 §4).
};

enum class RpkiState : uint8_t { kNotFound, kValid, kInvalid };

class VrpTable {
 public:
  void Add(const Vrp& vrp);
  RpkiState Validate(const Prefix& prefix, std::optional<uint32_t> origin_as) const;
  // The payloads that cover `prefix`, shortest first, for messages: "203.0.113.0/24-24 AS64500".
  std::string Describe(const Prefix& prefix) const;
  size_t size() const { return size_; }

 private:
  PrefixTable<std::vector<Vrp>> by_prefix_;
  size_t size_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_ROUTING_RPKI_H_
