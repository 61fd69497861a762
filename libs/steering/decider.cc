#include "libs/steering/decider.h"

#include <algorithm>
#include <array>

#include "libs/steering/decision_walk.h"
#include "libs/steering/rung_judge.h"
#include "libs/steering/spread.h"

namespace fairlead {
namespace {

// Whether this family comes first for such a client.
bool PrefersFamily(AddressFamily family, bool client_is_v6, FamilyPreference preference) {
  switch (preference) {
    case FamilyPreference::kOfClient:
      return (family == AddressFamily::kIpv6) == client_is_v6;
    case FamilyPreference::kIpv4Only:
    case FamilyPreference::kIpv4First:
      return family == AddressFamily::kIpv4;
    case FamilyPreference::kIpv6Only:
    case FamilyPreference::kIpv6First:
      return family == AddressFamily::kIpv6;
  }
  return false;
}

}  // namespace

uint64_t SpreadKey(absl::string_view session, absl::string_view title) {
  return Mix(HashBytes(session), HashBytes(title));
}

uint64_t SpreadKey(const IpAddress& client, absl::string_view title) {
  std::array<char, 16> bytes;
  const size_t size = client.is_v4() ? 4 : 16;
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>((i < 8 ? client.high() : client.low()) >> (56 - 8 * (i % 8)));
  return SpreadKey(absl::string_view(bytes.data(), size), title);
}

uint8_t UsableFamilies(uint8_t endpoints, bool client_is_v6, FamilyPreference preference) {
  bool v4 = (endpoints & BoxState::kV4Name) != 0 || ((endpoints & BoxState::kV4Literal) != 0 && !client_is_v6);
  bool v6 = (endpoints & BoxState::kV6) != 0;
  if (preference == FamilyPreference::kIpv6Only) v4 = false;
  if (preference == FamilyPreference::kIpv4Only) v6 = false;
  if (v4 && !client_is_v6 && preference == FamilyPreference::kOfClient) v6 = false;
  constexpr uint8_t kFour = static_cast<uint8_t>(AddressFamily::kIpv4);
  constexpr uint8_t kSix = static_cast<uint8_t>(AddressFamily::kIpv6);
  if (!v4 || !v6) return v4 ? kFour : v6 ? kSix : 0;
  const bool six_first = PrefersFamily(AddressFamily::kIpv6, client_is_v6, preference);
  return six_first ? kSix | kFour << 2 : kFour | kSix << 2;
}

namespace {

constexpr size_t kPreferences = static_cast<size_t>(FamilyPreference::kIpv6First) + 1;
using AllFamilies = std::array<std::array<RequestFamilies, kPreferences>, 2>;

RequestFamilies FamiliesOfKind(bool client_is_v6, FamilyPreference preference) {
  RequestFamilies families;
  for (uint8_t endpoints = 0; endpoints <= BoxState::kEndpoints; ++endpoints) {
    families.of[endpoints] = UsableFamilies(endpoints, client_is_v6, preference);
  }
  for (const uint32_t endpoint : {BoxState::kV4Name, BoxState::kV4Literal, BoxState::kV6}) {
    if (families.of[endpoint] != 0) families.usable |= endpoint;
  }
  families.preferred = PrefersFamily(AddressFamily::kIpv6, client_is_v6, preference) ? AddressFamily::kIpv6 : AddressFamily::kIpv4;
  return families;
}

const AllFamilies kFamilies = [] {
  AllFamilies all;
  for (size_t v6 = 0; v6 < 2; ++v6) {
    for (size_t preference = 0; preference < kPreferences; ++preference) {
      all[v6][preference] = FamiliesOfKind(v6 == 1, static_cast<FamilyPreference>(preference));
    }
  }
  return all;
}();

}  // namespace

const RequestFamilies& FamiliesFor(const DecisionQuery& query) {
  return kFamilies[query.client.is_v6() ? 1 : 0][std::min(static_cast<size_t>(query.family_preference), kPreferences - 1)];
}

const DecisionEngine kPortableEngine = {.decide = DecisionBatch<PortableRungs>::DecideOn,
                                        .decide_many = DecisionBatch<PortableRungs>::DecideMany,
                                        .decide_many_on_leaves = DecisionBatch<PortableRungs>::DecideManyOnLeaves};

const DecisionEngine& BestDecisionEngine() {
  static const DecisionEngine& best = HasAvx512ForDecisions() ? kAvx512Engine : HasAvx2ForDecisions() ? kAvx2Engine : kPortableEngine;
  return best;
}

}  // namespace fairlead
