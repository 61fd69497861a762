// Tokens that many answers share: signing costs ~20 µs, a hit well under 1 µs.
//
// Key: (title, version, rank, position, cause, scope, expiry bucket, key id). The lifetime is rounded up to the end of a bucket of 10
// minutes, and issue time follows from the bucket, so all requests within a bucket get the same text. Session-bound tokens are not
// shared: sign them directly.
// Thread-safe, 16 shards. Bound: at most `max_entries` tokens are held (two generations a shard; when the young one is full the old
// one is dropped, and a hit in the old one moves to the young), so what is asked for stays. ~500 B a token.
//
//   TokenCache cache(signer);
//   ASSIGN_OR_RETURN(const std::shared_ptr<const std::string> token, cache.Get({.title = "big-film", .version = "v1"}, key_id, now));
#ifndef FAIRLEAD_LIBS_SIGNING_TOKEN_CACHE_H_
#define FAIRLEAD_LIBS_SIGNING_TOKEN_CACHE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "libs/base/vocabulary.h"
#include "libs/signing/token.h"
#include "libs/signing/token_signer.h"

namespace fairlead {

// Views into the caller's strings.
struct TokenRequest {
  absl::string_view title;
  absl::string_view version;
  uint32_t rank = 0;  // Capped as in the token, so that all high ranks share one.
  uint32_t position = 0;
  MissCause cause = MissCause::kNone;
  TokenScope scope = TokenScope::kPlay;
  absl::Duration lifetime = absl::Hours(4);  // At least this; at most a bucket more.
};

struct TokenCacheOptions {
  size_t max_entries = 200'000;
  absl::Duration bucket = absl::Minutes(10);
};

struct TokenCacheStats {
  uint64_t hits = 0;
  uint64_t misses = 0;     // Each was signed.
  uint64_t evictions = 0;  // Tokens dropped because a shard was full.
  double hit_rate() const { return hits + misses == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(hits + misses); }
};

class TokenCache {
 public:
  using Token = std::shared_ptr<const std::string>;

  // `signer` must outlive the cache.
  explicit TokenCache(const TokenSigner& signer, TokenCacheOptions options = {});
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  // Errors are those of TokenSigner::Sign; nothing is cached then.
  absl::StatusOr<Token> Get(const TokenRequest& request, absl::string_view key_id, absl::Time now);

  size_t size() const;
  TokenCacheStats stats() const;

  // What Get signs: exp is the first end of a bucket not before now + lifetime, nbf a bucket and the lifetime before that.
  static TokenClaims ClaimsOf(const TokenRequest& request, absl::Duration bucket, absl::Time now);

 private:
  struct KeyView {
    absl::string_view title;
    absl::string_view version;
    absl::string_view key_id;
    int64_t not_before;
    int64_t expires;
    uint32_t facts;  // rank, position, cause and scope in a byte each.

    friend bool operator==(const KeyView&, const KeyView&) = default;
    template <typename H>
    friend H AbslHashValue(H h, const KeyView& key) {
      return H::combine(std::move(h), key.title, key.version, key.key_id, key.not_before, key.expires, key.facts);
    }
  };
  struct Key {
    std::string title;
    std::string version;
    std::string key_id;
    int64_t not_before;
    int64_t expires;
    uint32_t facts;

    operator KeyView() const { return {title, version, key_id, not_before, expires, facts}; }
  };
  struct KeyHash {
    using is_transparent = void;
    size_t operator()(const KeyView& key) const { return absl::Hash<KeyView>()(key); }
  };
  struct KeyEqual {
    using is_transparent = void;
    bool operator()(const KeyView& a, const KeyView& b) const { return a == b; }
  };
  using Map = absl::flat_hash_map<Key, Token, KeyHash, KeyEqual>;
  struct Shard {
    mutable absl::Mutex mu;
    Map young ABSL_GUARDED_BY(mu);
    Map old ABSL_GUARDED_BY(mu);
  };
  static constexpr size_t kShards = 16;  // Chosen by the top 4 bits of the hash; the maps use the low ones.

  static KeyView ViewOf(const TokenClaims& claims, absl::string_view key_id);
  Token Find(Shard& shard, const KeyView& key);
  void Insert(Shard& shard, const KeyView& key, Token token) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mu);

  const TokenSigner& signer_;
  const absl::Duration bucket_;
  const size_t max_young_;
  std::array<Shard, kShards> shards_;
  std::atomic<uint64_t> hits_{0};
  std::atomic<uint64_t> misses_{0};
  std::atomic<uint64_t> evictions_{0};
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_SIGNING_TOKEN_CACHE_H_
