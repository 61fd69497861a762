// Answers "where may this box get these files now": ranks sources over the snapshots, those that boxes complained of last, and signs the
// URLs.
//
// Reads memory only. Thread-safe.
#ifndef FAIRLEAD_SERVICES_FILL_SOURCE_RESOLVER_H_
#define FAIRLEAD_SERVICES_FILL_SOURCE_RESOLVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/fill/source_ranking.h"
#include "libs/signing/token_cache.h"
#include "libs/signing/token_signer.h"
#include "services/fill/catalogue_view.h"
#include "services/fill/fleet_state.h"
#include "services/fill/reported_faults.h"

namespace fairlead::fill {

struct ResolvedSource {
  RankedSource source;
  std::string base_url;
};
struct ResolvedFile {
  uint32_t number = 0;
  std::vector<ResolvedSource> sources;
};

class SourceResolver {
 public:
  static constexpr size_t kMaxFiles = 100;
  static constexpr absl::Duration kTokenLifetime = absl::Hours(4);

  // `signer` must outlive it.
  explicit SourceResolver(const TokenSigner& signer) : signer_(signer), tokens_(signer) {}

  // NOT_FOUND for an unknown box or file, INVALID_ARGUMENT for too many files, FAILED_PRECONDITION if no active signing key is at hand.
  absl::StatusOr<std::vector<ResolvedFile>> Resolve(const FleetSnapshot& fleet, const CatalogueView& catalogue, const ApplianceId& asker,
                                                    absl::Span<const uint32_t> numbers, absl::Time now, absl::Duration monotonic);

  ReportedFaults& reported() { return reported_; }
  const ReportedFaults& reported() const { return reported_; }

  TokenCacheStats token_stats() const { return tokens_.stats(); }

 private:
  const TokenSigner& signer_;
  TokenCache tokens_;
  ReportedFaults reported_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_SOURCE_RESOLVER_H_
