#include "libs/signing/token_cache.h"

#include <algorithm>
#include <utility>

#include "libs/base/status_macros.h"

namespace fairlead {
namespace {

absl::Time RoundUp(absl::Time time, absl::Duration step) {
  const absl::Time down = absl::UnixEpoch() + absl::Floor(time - absl::UnixEpoch(), step);
  return down == time ? down : down + step;
}

}  // namespace

TokenCache::TokenCache(const TokenSigner& signer, TokenCacheOptions options)
    : signer_(signer),
      bucket_(std::max(options.bucket, absl::Seconds(1))),
      max_young_(std::max<size_t>(1, options.max_entries / (2 * kShards))) {}

TokenClaims TokenCache::ClaimsOf(const TokenRequest& request, absl::Duration bucket, absl::Time now) {
  // Whole seconds, as a token writes them: two lifetimes that differ by less share a token.
  const absl::Duration lifetime = absl::Ceil(std::max(request.lifetime, absl::Seconds(1)), absl::Seconds(1));
  TokenClaims claims;
  claims.title = std::string(request.title);
  claims.version = std::string(request.version);
  claims.rank = std::min(request.rank, TokenClaims::kMaxRank);
  claims.position = request.position;
  claims.cause = request.cause;
  claims.scope = request.scope;
  claims.expires = RoundUp(now + lifetime, absl::Ceil(bucket, absl::Seconds(1)));
  claims.not_before = claims.expires - lifetime - absl::Ceil(bucket, absl::Seconds(1));
  return claims;
}

TokenCache::KeyView TokenCache::ViewOf(const TokenClaims& claims, absl::string_view key_id) {
  return {claims.title,
          claims.version,
          key_id,
          absl::ToUnixSeconds(claims.not_before),
          absl::ToUnixSeconds(claims.expires),
          claims.rank << 24 | std::min<uint32_t>(claims.position, 255) << 16 | static_cast<uint32_t>(claims.cause) << 8 |
              static_cast<uint32_t>(claims.scope)};
}

absl::StatusOr<TokenCache::Token> TokenCache::Get(const TokenRequest& request, absl::string_view key_id, absl::Time now) {
  const TokenClaims claims = ClaimsOf(request, bucket_, now);
  const KeyView key = ViewOf(claims, key_id);
  Shard& shard = shards_[KeyHash()(key) >> 60];
  if (Token token = Find(shard, key)) {
    hits_.fetch_add(1, std::memory_order_relaxed);
    return token;
  }
  // Signed outside the lock: two threads may sign the same claims, both texts are good, the first one stays.
  ASSIGN_OR_RETURN(std::string text, signer_.Sign(key_id, claims));
  misses_.fetch_add(1, std::memory_order_relaxed);
  Token token = std::make_shared<const std::string>(std::move(text));
  absl::MutexLock lock(&shard.mu);
  Insert(shard, key, token);
  return token;
}

TokenCache::Token TokenCache::Find(Shard& shard, const KeyView& key) {
  absl::MutexLock lock(&shard.mu);
  if (const auto at = shard.young.find(key); at != shard.young.end()) return at->second;
  const auto at = shard.old.find(key);
  if (at == shard.old.end()) return nullptr;
  Token token = std::move(at->second);
  shard.old.erase(at);
  Insert(shard, key, token);
  return token;
}

void TokenCache::Insert(Shard& shard, const KeyView& key, Token token) {
  if (shard.young.size() >= max_young_) {
    evictions_.fetch_add(shard.old.size(), std::memory_order_relaxed);
    shard.old = std::move(shard.young);
    shard.young = Map();
  }
  shard.young.emplace(
      Key{std::string(key.title), std::string(key.version), std::string(key.key_id), key.not_before, key.expires, key.facts},
      std::move(token));
}

size_t TokenCache::size() const {
  size_t size = 0;
  for (const Shard& shard : shards_) {
    absl::MutexLock lock(&shard.mu);
    size += shard.young.size() + shard.old.size();
  }
  return size;
}

TokenCacheStats TokenCache::stats() const {
  return {.hits = hits_.load(std::memory_order_relaxed),
          .misses = misses_.load(std::memory_order_relaxed),
          .evictions = evictions_.load(std::memory_order_relaxed)};
}

}  // namespace fairlead
