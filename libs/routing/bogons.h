// Address space that no client on the public Internet can have, so that no announcement of it may steer anyone.
#ifndef FAIRLEAD_LIBS_ROUTING_BOGONS_H_
#define FAIRLEAD_LIBS_ROUTING_BOGONS_H_

#include <optional>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "libs/net/prefix.h"

namespace fairlead {

struct Bogon {
  Prefix prefix;
  absl::string_view name;  // "RFC 1918 private use"
};

// Every entry; the source of each is in bogons.cc.
absl::Span<const Bogon> Bogons();

// The bogon that covers `prefix` or lies inside it (the default route lies outside this question: it covers all of them); none for
// ordinary space. An announcement that covers a bogon as part of a larger block is refused too: it is a leak or a mistake.
std::optional<Bogon> FindBogon(const Prefix& prefix);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_ROUTING_BOGONS_H_
