#include "services/cli/kinds.h"

#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"

namespace fairlead::cli {

const std::vector<Kind>& Kinds() {
  static const std::vector<Kind>& kinds = *[] {
    auto* all = new std::vector<Kind>();
    for (std::vector<Kind>& part : std::vector<std::vector<Kind>>{RegistryKinds(), ContentKinds(), FleetKinds()}) {
      std::move(part.begin(), part.end(), std::back_inserter(*all));
    }
    return all;
  }();
  return kinds;
}

const Kind* FindKind(absl::string_view word) {
  for (const Kind& kind : Kinds()) {
    if (absl::EqualsIgnoreCase(word, kind.plural) || absl::EqualsIgnoreCase(word, kind.singular) ||
        absl::EqualsIgnoreCase(word, kind.collection)) {
      return &kind;
    }
  }
  return nullptr;
}

std::string KindWords() {
  return absl::StrJoin(Kinds(), ", ", [](std::string* out, const Kind& kind) { out->append(kind.plural); });
}

Table TableOf(const Kind& kind, const std::vector<const google::protobuf::Message*>& resources) {
  Table table(kind.columns);
  for (const google::protobuf::Message* resource : resources) table.Add(kind.row(*resource));
  return table;
}

}  // namespace fairlead::cli
