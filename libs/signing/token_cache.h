// Tokens that many answers share: signing costs ~20 µs, a hit some tens of nanoseconds, with no lock, no allocation and nothing written
// that another core reads.
//
// Key: (title, version, rank, position, cause, scope, expiry bucket, key id). The lifetime is rounded up to the end of a bucket of 10
// minutes, and issue time follows from the bucket, so all requests within a bucket get the same text. A request that names a session gets
// a token that is bound to it; such a one is signed each time and never kept.
//
// How: a table of sets of 8 slots, each slot a token's text in place under a sequence number (a seqlock: a reader copies the
// text out and looks whether the number stood still), so nothing is ever freed under a reader. Writers hold one of 64 locks.
// Keys are compared as 128-bit XXH3 hashes with a seed of the process: two keys are mistaken for one with a chance of 2^-128 a pair.
// In a full set the first to go are tokens of a bucket that is over, then by CLOCK those not asked for since it last looked.
// Bound: `max_entries` tokens of 640 bytes, mapped at once and touched as they are used.
// The same token is signed by one thread at a time; others wait for it (at most for one signature). SignAhead makes the tokens of the next
// bucket before it begins, so that its beginning is no storm of signatures; SignUnasked makes tokens that nobody has asked for yet, where
// there is room.
// Thread-safe.
//
//   TokenCache cache(signer);
//   const TokenCache::Book book = cache.Open({.title = "big-film", .version = "v1"}, key_id, now);  // Once an answer.
//   RETURN_IF_ERROR(cache.Append(book, {.rank = 0, .position = 1}, url));
#ifndef FAIRLEAD_LIBS_SIGNING_TOKEN_CACHE_H_
#define FAIRLEAD_LIBS_SIGNING_TOKEN_CACHE_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "libs/base/vocabulary.h"
#include "libs/signing/token.h"
#include "libs/signing/token_signer.h"

namespace fairlead {

// What the tokens of one answer share. Views into the caller's strings.
struct TokenTitle {
  absl::string_view title;
  absl::string_view version;
  TokenScope scope = TokenScope::kPlay;
  absl::string_view session = {};            // Not empty: bound to it, and shared with nobody.
  absl::Duration lifetime = absl::Hours(4);  // At least this; at most a bucket more.
};

// What sets them apart.
struct TokenLabel {
  uint32_t rank = 0;  // Capped as in the token, so that all high ranks share one.
  uint32_t position = 0;
  MissCause cause = MissCause::kNone;

  friend bool operator==(const TokenLabel&, const TokenLabel&) = default;
};

// Both in one, for callers that want a single token.
struct TokenRequest {
  absl::string_view title;
  absl::string_view version;
  uint32_t rank = 0;
  uint32_t position = 0;
  MissCause cause = MissCause::kNone;
  TokenScope scope = TokenScope::kPlay;
  absl::string_view session = {};
  absl::Duration lifetime = absl::Hours(4);
};

struct TokenCacheOptions {
  size_t max_entries = 200'000;
  absl::Duration bucket = absl::Minutes(10);
};

struct TokenCacheStats {
  uint64_t hits = 0;
  uint64_t waits = 0;      // Of the hits: those that waited for another thread's signature.
  uint64_t misses = 0;     // Each was signed while somebody waited; those bound to a session among them.
  uint64_t ahead = 0;      // Signed before anybody asked.
  uint64_t evictions = 0;  // Tokens dropped that were still good.
  double hit_rate() const { return hits + misses == 0 ? 0 : static_cast<double>(hits) / static_cast<double>(hits + misses); }
};

// One step of signing ahead; its defaults get through a full cache well within the window at ten steps a second.
struct SignAheadStep {
  absl::Duration window = absl::Minutes(2);  // How long before a bucket ends its tokens are signed for the next.
  size_t max_slots = 4'096;                  // Looked at.
  size_t max_signatures = 500;               // ~10 ms.
};

class TokenCache {
 public:
  using Token = std::string;

  // The tokens of a title at a moment. Holds the views that it was made of.
  class Book {
   public:
    // When all of them expire.
    absl::Time expires() const { return absl::FromUnixSeconds(expires_); }

   private:
    friend class TokenCache;
    TokenTitle title_;
    absl::string_view key_id_;
    int64_t lifetime_ = 0;  // Seconds, as all below.
    int64_t expires_ = 0;
    uint64_t low_ = 0;  // The hash of all that the tokens share.
    uint64_t high_ = 0;
  };

  // `signer` must outlive the cache.
  explicit TokenCache(const TokenSigner& signer, TokenCacheOptions options = {});
  ~TokenCache();
  TokenCache(const TokenCache&) = delete;
  TokenCache& operator=(const TokenCache&) = delete;

  Book Open(const TokenTitle& title, absl::string_view key_id, absl::Time now) const;
  // Appends the token's text. Errors are those of TokenSigner::Sign; nothing is cached or appended then.
  absl::Status Append(const Book& book, const TokenLabel& label, std::string& out);
  // Those of all labels; ends[i] is where the i-th text ends.
  absl::Status AppendAll(const Book& book, absl::Span<const TokenLabel> labels, std::string& out, size_t* ends);
  // Ask for memory that AppendAll will read, so that it comes in while others are asked for: first where the tokens are, then the tokens.
  void FetchTags(const Book& book, absl::Span<const TokenLabel> labels) const;
  void FetchTexts(const Book& book, absl::Span<const TokenLabel> labels) const;
  absl::StatusOr<Token> Get(const TokenRequest& request, absl::string_view key_id, absl::Time now);

  // For each token that was asked for again and whose bucket ends within the window, signs its successor. Looks on where the last call
  // stopped. Returns how many it signed. One thread at a time.
  size_t SignAhead(absl::Time now, const SignAheadStep& step = {}) ABSL_LOCKS_EXCLUDED(ahead_mu_);

  // Signs a token that nobody has asked for, if it isn't there and there is room: a slot that is empty, that is over by `now`, or whose
  // token was signed ahead for an earlier bucket and never asked for. False: nothing was signed.
  bool SignUnasked(const Book& book, const TokenLabel& label, absl::Time now);
  // What most tokens are asked for with, the commonest first, at most so many: those that make up nine tenths of what was looked at since
  // the last call (a sample), and half of what was before. One thread at a time.
  std::vector<TokenLabel> CommonestLabels(size_t most);

  // Counts them: for tests and metrics.
  size_t size() const;
  TokenCacheStats stats() const;

  // What is signed: exp is the first end of a bucket not before now + lifetime, nbf a bucket and the lifetime before that.
  static TokenClaims ClaimsOf(const TokenRequest& request, absl::Duration bucket, absl::Time now);

 private:
  static constexpr size_t kWays = 8;
  static constexpr size_t kStripes = 64;
  static constexpr size_t kCounters = 16;
  static constexpr size_t kTextWords = 73;  // 584 bytes: ids of 63 letters make 571.
  static constexpr size_t kCountedRanks = TokenClaims::kMaxRank + 1;
  static constexpr size_t kCountedPositions = 8;
  static constexpr size_t kCountedCauses = static_cast<size_t>(MissCause::kAdmin) + 1;
  static constexpr uint64_t kSample = 64;  // The labels of one in so many hits, about, are counted.

  struct Id {
    uint64_t low;
    uint64_t high;
    uint64_t facts;  // rank, position and cause.
    friend bool operator==(const Id&, const Id&) = default;
  };
  struct alignas(64) Slot {
    std::atomic<uint64_t> sequence;  // Odd while it is written.
    std::atomic<uint64_t> low;
    std::atomic<uint64_t> high;
    std::atomic<uint32_t> facts;
    std::atomic<uint32_t> size;
    std::atomic<int64_t> turns_at;  // The last second of its bucket.
    std::atomic<uint32_t> marks;
    std::atomic<uint64_t> text[kTextWords];
  };
  struct Stripe {
    absl::Mutex mu;
    absl::CondVar signed_one;
    std::vector<Id> signing ABSL_GUARDED_BY(mu);  // At most one a thread.
    size_t hand ABSL_GUARDED_BY(mu) = 0;
  };
  struct alignas(64) Counters {
    std::atomic<uint64_t> hits{0};
    std::atomic<uint64_t> waits{0};
    std::atomic<uint64_t> misses{0};
    std::atomic<uint64_t> ahead{0};
    std::atomic<uint64_t> evictions{0};
  };
  enum class Want : uint8_t { kNow, kAhead };
  static constexpr int64_t kNoneIsOver = std::numeric_limits<int64_t>::min();

  static Id IdOf(const Book& book, const TokenLabel& label);
  static uint64_t TagOf(const Id& id);
  Book OpenUntil(const TokenTitle& title, absl::string_view key_id, int64_t lifetime, int64_t expires) const;
  TokenClaims ClaimsOf(const Book& book, const TokenLabel& label) const;
  size_t FirstSlotOf(const Id& id) const;
  Stripe& StripeOf(const Id& id) { return stripes_[FirstSlotOf(id) / kWays % kStripes]; }
  Counters& counters() const;
  void FetchText(const Id& id) const;
  // Without counting it as asked for; where a writer is just at it, either.
  bool IsThere(const Id& id) const;
  // Appends the text if the token is there.
  bool Find(const Id& id, std::string& out) const;
  static bool Copy(Slot& slot, const Id& id, std::string& out);
  absl::Status SignOnce(const Book& book, const TokenLabel& label, const Id& id, std::string& out);
  // False if everything in its set is needed more. Tokens whose turn was `over` or before are over.
  bool Insert(Stripe& stripe, const Id& id, absl::string_view text, int64_t turns_at, Want want, int64_t over)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  Slot* Victim(Stripe& stripe, const Id& id, int64_t turns_at, Want want, int64_t over) ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu);
  // Signs what isn't there, for whoever will ask.
  bool SignFor(const Book& book, const TokenLabel& label, int64_t over);
  void CountLabels(absl::Span<const TokenLabel> labels);
  // Signs the successor of what is in the slot, if that is called for.
  bool SignNext(Slot& slot, int64_t now, int64_t window);

  const TokenSigner& signer_;
  const int64_t bucket_;  // Seconds.
  const uint64_t seed_;
  const size_t sets_;
  size_t mapped_ = 0;
  std::atomic<uint64_t>* tags_ = nullptr;  // A word a slot; 0: empty. A set's are one cache line.
  Slot* slots_ = nullptr;
  std::array<Stripe, kStripes> stripes_;
  mutable std::array<Counters, kCounters> counters_;
  std::array<std::atomic<uint32_t>, kCountedRanks * kCountedPositions * kCountedCauses> label_use_{};
  absl::Mutex ahead_mu_;
  size_t ahead_at_ ABSL_GUARDED_BY(ahead_mu_) = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_SIGNING_TOKEN_CACHE_H_
