#include "services/steering/tail_signer.h"

#include <algorithm>
#include <utility>

namespace fairlead {
namespace {

// Before anybody has asked for anything: of the first box, and of those behind it.
std::vector<TokenLabel> UsualLabels() {
  std::vector<TokenLabel> labels;
  for (uint32_t position = 0; position < 3; ++position) labels.push_back({.rank = 0, .position = position, .cause = MissCause::kNone});
  return labels;
}

}  // namespace

TailSigner::Pass TailSigner::PassAt(const ServingState& state, absl::Time time) const {
  const absl::Duration lifetime = state.settings.token_lifetime;
  const TokenCache::Book book = tokens_.Open({.title = "", .version = "", .lifetime = lifetime}, state.key_id, time);
  return {.catalogue = state.table->catalogue, .key_id = state.key_id, .lifetime = lifetime, .expires = book.expires()};
}

void TailSigner::Begin(Pass pass) {
  if (pass_.catalogue != pass.catalogue) {
    order_.clear();
    for (const auto& title : pass.catalogue->titles()) order_.push_back(title.get());
    std::stable_sort(order_.begin(), order_.end(),
                     [](const CatalogueTitle* a, const CatalogueTitle* b) { return a->popularity() > b->popularity(); });
  }
  pass_ = std::move(pass);
  labels_ = tokens_.CommonestLabels(options_.most_labels);
  if (labels_.empty()) labels_ = UsualLabels();
  end_ = std::min(order_.size(), options_.most_tokens / labels_.size());
  next_ = label_ = 0;
}

size_t TailSigner::Step(const ServingState& state, absl::Time now) {
  if (state.table == nullptr || state.key_id.empty()) return 0;
  const Pass of_now = PassAt(state, now);
  Pass soon = PassAt(state, now + options_.window);
  const bool begun_for_soon = pass_ == soon;
  const bool done_for_now = begun_for_soon || (pass_ == of_now && next_ == end_);
  if (!done_for_now && pass_ != of_now) Begin(of_now);
  if (done_for_now && !begun_for_soon) Begin(std::move(soon));
  const absl::Time time = pass_ == of_now ? now : now + options_.window;

  size_t signed_now = 0;
  for (size_t looks = 0; next_ < end_ && looks < options_.looks && signed_now < options_.signatures; ++looks) {
    const CatalogueTitle& title = *order_[next_];
    const CatalogueVersion* const version = title.FindVersion("");
    if (version == nullptr || label_ == labels_.size()) {
      ++next_;
      label_ = 0;
      continue;
    }
    const TokenCache::Book book =
        tokens_.Open({.title = title.id(), .version = version->version(), .lifetime = pass_.lifetime}, pass_.key_id, time);
    signed_now += tokens_.SignUnasked(book, labels_[label_++], now) ? 1 : 0;
  }
  return signed_now;
}

}  // namespace fairlead
