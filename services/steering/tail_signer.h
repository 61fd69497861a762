// Tokens of titles that nobody has asked for lately, signed in the background, so that their first viewer doesn't wait for signatures: of
// the current version of each title, the most popular first, for the ranks, positions and causes that most URLs have just now
// (TokenCache::CommonestLabels), as far as there is room in the cache that nothing else needs. Once for the bucket of now, then before each
// next one begins. What is asked for often is TokenCache::SignAhead's.
//
// One thread.
//
//   TailSigner tail(tokens);
//   tail.Step(*serving.Get(), clock.Now());   // Ten times a second.
#ifndef FAIRLEAD_SERVICES_STEERING_TAIL_SIGNER_H_
#define FAIRLEAD_SERVICES_STEERING_TAIL_SIGNER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "libs/signing/token_cache.h"
#include "libs/steering/catalogue.h"
#include "services/steering/serving_state.h"

namespace fairlead {

struct TailOptions {
  size_t most_tokens = 100'000;              // That are looked at for one bucket.
  size_t most_labels = 6;                    // Of a title.
  absl::Duration window = absl::Minutes(2);  // How long before a bucket ends the next one's are signed.
  // Of a step.
  size_t signatures = 100;  // Some 2 ms: at ten steps a second, a hundred thousand in less than the window.
  size_t looks = 2'000;
};

class TailSigner {
 public:
  // `tokens` must outlive it.
  explicit TailSigner(TokenCache& tokens, TailOptions options = {}) : tokens_(tokens), options_(options) {}

  // Goes on where the last one stopped; returns how many it signed.
  size_t Step(const ServingState& state, absl::Time now);

 private:
  // What a pass over the titles is for: with another of these, it begins again.
  struct Pass {
    std::shared_ptr<const Catalogue> catalogue;
    std::string key_id;
    absl::Duration lifetime;
    absl::Time expires;  // Of the tokens: says of which bucket they are.
    friend bool operator==(const Pass&, const Pass&) = default;
  };
  Pass PassAt(const ServingState& state, absl::Time time) const;
  void Begin(Pass pass);

  TokenCache& tokens_;
  const TailOptions options_;
  Pass pass_ = {};
  std::vector<const CatalogueTitle*> order_;  // Of the pass's catalogue, the most popular first.
  std::vector<TokenLabel> labels_;
  size_t end_ = 0;    // Of the pass, in `order_`.
  size_t next_ = 0;   // Title.
  size_t label_ = 0;  // Of it.
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_TAIL_SIGNER_H_
