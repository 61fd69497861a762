#include "libs/signing/token_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <optional>
#include <utility>

#include "absl/random/random.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "libs/base/status_macros.h"
#include "libs/signing/base64url.h"
#include "xxhash.h"

namespace fairlead {
namespace {

// Of a slot's marks.
constexpr uint32_t kAsked = 1;        // Since CLOCK last passed.
constexpr uint32_t kSignedAhead = 2;  // Its successor was made, or can't be.

constexpr size_t kUsualLines = 7;  // Of a slot: its head and a text of 400 bytes.

constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;  // 2^64 / golden ratio.

int64_t CeilDiv(int64_t a, int64_t b) {
  return a / b + (a % b > 0 ? 1 : 0);
}

// Whole seconds, as a token writes them: two lifetimes that differ by less share a token.
int64_t WholeSeconds(absl::Duration duration) {
  const int64_t whole = absl::ToInt64Seconds(duration);
  return std::max<int64_t>(1, whole + (duration > absl::Seconds(whole) ? 1 : 0));
}

int64_t CeilSeconds(absl::Time time) {
  const int64_t whole = absl::ToUnixSeconds(time);
  return whole + (time > absl::FromUnixSeconds(whole) ? 1 : 0);
}

uint32_t CapPosition(uint32_t position) {
  return std::min<uint32_t>(position, 255);
}

struct TokenFacts {
  std::string key_id;
  TokenClaims claims;
};

// Reads back what EncodeSigningInput wrote.
std::optional<TokenFacts> ReadToken(absl::string_view text) {
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  if (parts.size() != 3) return std::nullopt;
  const std::optional<std::string> header = Base64UrlDecode(parts[0]);
  const std::optional<std::string> json = Base64UrlDecode(parts[1]);
  if (!header || !json) return std::nullopt;
  absl::string_view key_id = *header;
  if (!absl::ConsumePrefix(&key_id, R"({"alg":"ES256","kid":")") || !absl::ConsumeSuffix(&key_id, R"("})")) return std::nullopt;
  absl::StatusOr<TokenClaims> claims = DecodeClaims(*json);
  if (!claims.ok()) return std::nullopt;
  return TokenFacts{std::string(key_id), *std::move(claims)};
}

}  // namespace

TokenCache::TokenCache(const TokenSigner& signer, TokenCacheOptions options)
    : signer_(signer),
      bucket_(WholeSeconds(options.bucket)),
      seed_(absl::Uniform<uint64_t>(absl::BitGen())),
      sets_(std::max<size_t>(1, options.max_entries / kWays)) {
  const size_t slots = sets_ * kWays;
  mapped_ = slots * (sizeof(Slot) + sizeof(std::atomic<uint64_t>));
  // Zeroes that cost nothing until they are written: an empty table of atomics as it should be.
  void* memory = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  madvise(memory, mapped_, MADV_HUGEPAGE);  // Slots are read at random: a translation fewer each.
  slots_ = static_cast<Slot*>(memory);
  tags_ = reinterpret_cast<std::atomic<uint64_t>*>(slots_ + slots);
}

TokenCache::~TokenCache() {
  munmap(slots_, mapped_);
}

TokenCache::Counters& TokenCache::counters() const {
  static std::atomic<size_t> threads{0};
  thread_local const size_t mine = threads.fetch_add(1, std::memory_order_relaxed) % kCounters;
  return counters_[mine];
}

TokenClaims TokenCache::ClaimsOf(const TokenRequest& request, absl::Duration bucket, absl::Time now) {
  const int64_t lifetime = WholeSeconds(request.lifetime);
  const int64_t step = WholeSeconds(bucket);
  TokenClaims claims;
  claims.title = std::string(request.title);
  claims.version = std::string(request.version);
  claims.rank = std::min(request.rank, TokenClaims::kMaxRank);
  claims.position = request.position;
  claims.cause = request.cause;
  claims.scope = request.scope;
  claims.session = std::string(request.session);
  const int64_t expires = CeilDiv(CeilSeconds(now) + lifetime, step) * step;
  claims.expires = absl::FromUnixSeconds(expires);
  claims.not_before = absl::FromUnixSeconds(expires - lifetime - step);
  return claims;
}

TokenClaims TokenCache::ClaimsOf(const Book& book, const TokenLabel& label) const {
  TokenClaims claims;
  claims.title = std::string(book.title_.title);
  claims.version = std::string(book.title_.version);
  claims.rank = std::min(label.rank, TokenClaims::kMaxRank);
  claims.position = label.position;
  claims.cause = label.cause;
  claims.scope = book.title_.scope;
  claims.session = std::string(book.title_.session);
  claims.expires = absl::FromUnixSeconds(book.expires_);
  claims.not_before = absl::FromUnixSeconds(book.expires_ - book.lifetime_ - bucket_);
  return claims;
}

TokenCache::Book TokenCache::Open(const TokenTitle& title, absl::string_view key_id, absl::Time now) const {
  const int64_t lifetime = WholeSeconds(title.lifetime);
  return OpenUntil(title, key_id, lifetime, CeilDiv(CeilSeconds(now) + lifetime, bucket_) * bucket_);
}

TokenCache::Book TokenCache::OpenUntil(const TokenTitle& title, absl::string_view key_id, int64_t lifetime, int64_t expires) const {
  Book book;
  book.title_ = title;
  book.key_id_ = key_id;
  book.lifetime_ = lifetime;
  book.expires_ = expires;
  // Ids have at most 63 letters; longer ones are refused by the signer, and may be cut here.
  char text[3 * 64 + 3 * sizeof(int64_t)];
  size_t size = 0;
  for (const absl::string_view id : {title.title, title.version, key_id}) {
    const size_t length = std::min<size_t>(id.size(), 63);
    std::memcpy(text + size, id.data(), length);
    size += length;
    text[size++] = '/';  // In no id.
  }
  for (const int64_t number : {lifetime, expires, static_cast<int64_t>(title.scope)}) {
    std::memcpy(text + size, &number, sizeof(number));
    size += sizeof(number);
  }
  const XXH128_hash_t hash = XXH3_128bits_withSeed(text, size, seed_);
  book.low_ = hash.low64;
  book.high_ = hash.high64;
  return book;
}

TokenCache::Id TokenCache::IdOf(const Book& book, const TokenLabel& label) {
  return {
      book.low_, book.high_,
      uint64_t{std::min(label.rank, TokenClaims::kMaxRank)} << 16 | CapPosition(label.position) << 8 | static_cast<uint32_t>(label.cause)};
}

uint64_t TokenCache::TagOf(const Id& id) {
  return (id.low ^ id.facts * kOdd) | 1;  // 0 is an empty slot.
}

size_t TokenCache::FirstSlotOf(const Id& id) const {
  const uint64_t spread = (id.high + id.facts) * kOdd;
  return static_cast<size_t>((static_cast<unsigned __int128>(spread ^ spread >> 32) * sets_) >> 64) * kWays;
}

bool TokenCache::Copy(Slot& slot, const Id& id, std::string& out) {
  // Loads that acquire can't pass each other, so the second look at the sequence is after all of the text.
  const uint64_t sequence = slot.sequence.load(std::memory_order_acquire);
  if ((sequence & 1) != 0) return false;
  if (slot.low.load(std::memory_order_acquire) != id.low || slot.high.load(std::memory_order_acquire) != id.high ||
      slot.facts.load(std::memory_order_acquire) != id.facts) {
    return false;
  }
  const size_t begin = out.size();
  const size_t size = slot.size.load(std::memory_order_acquire);
  const size_t words = (size + sizeof(uint64_t) - 1) / sizeof(uint64_t);
  out.resize(begin + words * sizeof(uint64_t));
  for (size_t i = 0; i < words; ++i) {
    const uint64_t word = slot.text[i].load(std::memory_order_acquire);
    std::memcpy(out.data() + begin + i * sizeof(word), &word, sizeof(word));
  }
  const bool stood_still = slot.sequence.load(std::memory_order_acquire) == sequence;
  out.resize(stood_still ? begin + size : begin);
  return stood_still;
}

bool TokenCache::IsThere(const Id& id) const {
  const size_t first = FirstSlotOf(id);
  for (size_t i = first; i < first + kWays; ++i) {
    if (tags_[i].load(std::memory_order_acquire) != TagOf(id)) continue;
    const Slot& slot = slots_[i];
    if (Id{slot.low.load(std::memory_order_relaxed), slot.high.load(std::memory_order_relaxed),
           slot.facts.load(std::memory_order_relaxed)} == id) {
      return true;
    }
  }
  return false;
}

bool TokenCache::Find(const Id& id, std::string& out) const {
  const size_t first = FirstSlotOf(id);
  const uint64_t tag = TagOf(id);
  for (size_t i = first; i < first + kWays; ++i) {
    if (tags_[i].load(std::memory_order_acquire) != tag || !Copy(slots_[i], id, out)) continue;
    // Written once, not at each hit: the line stays shared.
    if ((slots_[i].marks.load(std::memory_order_relaxed) & kAsked) == 0) slots_[i].marks.fetch_or(kAsked, std::memory_order_relaxed);
    return true;
  }
  return false;
}

absl::Status TokenCache::Append(const Book& book, const TokenLabel& label, std::string& out) {
  if (!book.title_.session.empty()) {
    ASSIGN_OR_RETURN(const std::string text, signer_.Sign(book.key_id_, ClaimsOf(book, label)));
    counters().misses.fetch_add(1, std::memory_order_relaxed);
    out.append(text);
    return absl::OkStatus();
  }
  const Id id = IdOf(book, label);
  if (Find(id, out)) {
    counters().hits.fetch_add(1, std::memory_order_relaxed);
    return absl::OkStatus();
  }
  return SignOnce(book, label, id, out);
}

void TokenCache::FetchTags(const Book& book, absl::Span<const TokenLabel> labels) const {
  if (!book.title_.session.empty()) return;
  for (const TokenLabel& label : labels) __builtin_prefetch(&tags_[FirstSlotOf(IdOf(book, label))]);
}

void TokenCache::FetchTexts(const Book& book, absl::Span<const TokenLabel> labels) const {
  if (!book.title_.session.empty()) return;
  for (const TokenLabel& label : labels) FetchText(IdOf(book, label));
}

void TokenCache::FetchText(const Id& id) const {
  const size_t first = FirstSlotOf(id);
  const uint64_t tag = TagOf(id);
  for (size_t i = first; i < first + kWays; ++i) {
    if (tags_[i].load(std::memory_order_relaxed) != tag) continue;
    const char* const slot = reinterpret_cast<const char*>(&slots_[i]);
    for (size_t line = 0; line < kUsualLines; ++line) __builtin_prefetch(slot + 64 * line);
    return;
  }
}

absl::Status TokenCache::AppendAll(const Book& book, absl::Span<const TokenLabel> labels, std::string& out, size_t* ends) {
  const bool shared = book.title_.session.empty();
  uint64_t hits = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (shared && Find(IdOf(book, labels[i]), out)) {
      ++hits;
    } else {
      RETURN_IF_ERROR(Append(book, labels[i], out));
    }
    ends[i] = out.size();
  }
  if (hits > 0) {
    const uint64_t before = counters().hits.fetch_add(hits, std::memory_order_relaxed);
    if (before / kSample != (before + hits) / kSample) CountLabels(labels);
  }
  return absl::OkStatus();
}

absl::Status TokenCache::SignOnce(const Book& book, const TokenLabel& label, const Id& id, std::string& out) {
  Stripe& stripe = StripeOf(id);
  const auto signing = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(stripe.mu) {
    return std::find(stripe.signing.begin(), stripe.signing.end(), id) != stripe.signing.end();
  };
  {
    absl::MutexLock lock(&stripe.mu);
    const bool waited = signing();
    while (signing()) stripe.signed_one.Wait(&stripe.mu);
    // It may have come while we went for the lock.
    if (Find(id, out)) {
      counters().hits.fetch_add(1, std::memory_order_relaxed);
      if (waited) counters().waits.fetch_add(1, std::memory_order_relaxed);
      return absl::OkStatus();
    }
    stripe.signing.push_back(id);
  }
  const absl::StatusOr<std::string> text = signer_.Sign(book.key_id_, ClaimsOf(book, label));
  absl::MutexLock lock(&stripe.mu);
  stripe.signing.erase(std::find(stripe.signing.begin(), stripe.signing.end(), id));
  stripe.signed_one.SignalAll();
  if (!text.ok()) return text.status();
  counters().misses.fetch_add(1, std::memory_order_relaxed);
  // A bucket that ends before this one begins is over.
  const int64_t turns_at = book.expires_ - book.lifetime_;
  Insert(stripe, id, *text, turns_at, Want::kNow, turns_at - bucket_);
  out.append(*text);
  return absl::OkStatus();
}

TokenCache::Slot* TokenCache::Victim(Stripe& stripe, const Id& id, int64_t turns_at, Want want, int64_t over) {
  Slot* const first = slots_ + FirstSlotOf(id);
  const auto turns = [](const Slot& slot) { return slot.turns_at.load(std::memory_order_relaxed); };
  const auto asked = [](const Slot& slot) { return (slot.marks.load(std::memory_order_relaxed) & kAsked) != 0; };
  for (Slot* slot = first; slot < first + kWays; ++slot) {
    if (tags_[slot - slots_].load(std::memory_order_relaxed) == 0) return slot;
  }
  for (Slot* slot = first; slot < first + kWays; ++slot) {
    if (turns(*slot) <= over) return slot;
  }
  for (size_t step = 0; step < 2 * kWays; ++step) {
    Slot* slot = first + stripe.hand++ % kWays;
    const bool spared = want == Want::kAhead ? asked(*slot) || turns(*slot) >= turns_at : asked(*slot);
    if (!spared) return slot;
    if (want == Want::kNow) slot->marks.fetch_and(~kAsked, std::memory_order_relaxed);
  }
  return want == Want::kAhead ? nullptr : first;
}

bool TokenCache::Insert(Stripe& stripe, const Id& id, absl::string_view text, int64_t turns_at, Want want, int64_t over) {
  if (text.size() > kTextWords * sizeof(uint64_t)) return false;
  Slot* const slot = Victim(stripe, id, turns_at, want, over);
  if (slot == nullptr) return false;
  std::atomic<uint64_t>& tag = tags_[slot - slots_];
  const bool was_good = tag.load(std::memory_order_relaxed) != 0 && slot->turns_at.load(std::memory_order_relaxed) > over;
  if (was_good) counters().evictions.fetch_add(1, std::memory_order_relaxed);
  const uint64_t sequence = slot->sequence.load(std::memory_order_relaxed);
  slot->sequence.store(sequence + 1, std::memory_order_relaxed);
  // Stores that release can't pass the one before, so who sees any of the new sees the odd sequence.
  tag.store(TagOf(id), std::memory_order_release);
  slot->low.store(id.low, std::memory_order_release);
  slot->high.store(id.high, std::memory_order_release);
  slot->facts.store(static_cast<uint32_t>(id.facts), std::memory_order_release);
  slot->size.store(static_cast<uint32_t>(text.size()), std::memory_order_release);
  slot->turns_at.store(turns_at, std::memory_order_release);
  slot->marks.store(0, std::memory_order_release);
  for (size_t i = 0; i * sizeof(uint64_t) < text.size(); ++i) {
    uint64_t word = 0;
    std::memcpy(&word, text.data() + i * sizeof(uint64_t), std::min(sizeof(word), text.size() - i * sizeof(uint64_t)));
    slot->text[i].store(word, std::memory_order_release);
  }
  slot->sequence.store(sequence + 2, std::memory_order_release);
  return true;
}

absl::StatusOr<TokenCache::Token> TokenCache::Get(const TokenRequest& request, absl::string_view key_id, absl::Time now) {
  const TokenTitle title = {
      .title = request.title, .version = request.version, .scope = request.scope, .session = request.session, .lifetime = request.lifetime};
  std::string token;
  RETURN_IF_ERROR(Append(Open(title, key_id, now), {.rank = request.rank, .position = request.position, .cause = request.cause}, token));
  return token;
}

bool TokenCache::SignNext(Slot& slot, int64_t now, int64_t window) {
  const uint32_t marks = slot.marks.load(std::memory_order_relaxed);
  const int64_t turns_at = slot.turns_at.load(std::memory_order_relaxed);
  if ((marks & kAsked) == 0 || (marks & kSignedAhead) != 0 || now > turns_at || now < turns_at - window) return false;
  std::string text;
  const Id held = {slot.low.load(std::memory_order_relaxed), slot.high.load(std::memory_order_relaxed),
                   slot.facts.load(std::memory_order_relaxed)};
  if (!Copy(slot, held, text)) return false;  // Just being replaced.
  slot.marks.fetch_or(kSignedAhead, std::memory_order_relaxed);
  const std::optional<TokenFacts> token = ReadToken(text);
  if (!token.has_value()) return false;
  const TokenClaims& claims = token->claims;
  const int64_t expires = absl::ToUnixSeconds(claims.expires);
  const int64_t lifetime = expires - absl::ToUnixSeconds(claims.not_before) - bucket_;
  const TokenTitle title = {.title = claims.title, .version = claims.version, .scope = claims.scope};
  const Book next = OpenUntil(title, token->key_id, lifetime, expires + bucket_);
  const TokenLabel label = {.rank = claims.rank, .position = claims.position, .cause = claims.cause};
  return SignFor(next, label, kNoneIsOver);  // That of now may still be needed.
}

bool TokenCache::SignFor(const Book& book, const TokenLabel& label, int64_t over) {
  const Id id = IdOf(book, label);
  if (IsThere(id)) return false;
  Stripe& stripe = StripeOf(id);
  {
    absl::MutexLock lock(&stripe.mu);
    if (Victim(stripe, id, book.expires_ - book.lifetime_, Want::kAhead, over) == nullptr) return false;  // A signature costs more.
  }
  const absl::StatusOr<std::string> text = signer_.Sign(book.key_id_, ClaimsOf(book, label));
  if (!text.ok()) return false;  // The key is gone; whoever asks will be told.
  absl::MutexLock lock(&stripe.mu);
  if (IsThere(id) || !Insert(stripe, id, *text, book.expires_ - book.lifetime_, Want::kAhead, over)) return false;
  counters().ahead.fetch_add(1, std::memory_order_relaxed);
  return true;
}

bool TokenCache::SignUnasked(const Book& book, const TokenLabel& label, absl::Time now) {
  return book.title_.session.empty() && SignFor(book, label, CeilSeconds(now) - 1);
}

void TokenCache::CountLabels(absl::Span<const TokenLabel> labels) {
  for (const TokenLabel& label : labels) {
    const size_t rank = std::min<size_t>(label.rank, kCountedRanks - 1);
    const size_t cause = static_cast<size_t>(label.cause);
    if (label.position >= kCountedPositions || cause >= kCountedCauses) continue;
    label_use_[(rank * kCountedPositions + label.position) * kCountedCauses + cause].fetch_add(1, std::memory_order_relaxed);
  }
}

std::vector<TokenLabel> TokenCache::CommonestLabels(size_t most) {
  std::vector<std::pair<uint32_t, size_t>> used;
  uint64_t all = 0;
  for (size_t i = 0; i < label_use_.size(); ++i) {
    const uint32_t uses = label_use_[i].load(std::memory_order_relaxed);
    label_use_[i].fetch_sub(uses / 2, std::memory_order_relaxed);
    if (uses > 0) used.emplace_back(uses, i);
    all += uses;
  }
  std::sort(used.begin(), used.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::vector<TokenLabel> labels;
  uint64_t covered = 0;
  for (const auto& [uses, i] : used) {
    if (labels.size() == most || covered * 10 >= all * 9) break;
    labels.push_back({.rank = static_cast<uint32_t>(i / kCountedCauses / kCountedPositions),
                      .position = static_cast<uint32_t>(i / kCountedCauses % kCountedPositions),
                      .cause = static_cast<MissCause>(i % kCountedCauses)});
    covered += uses;
  }
  return labels;
}

size_t TokenCache::SignAhead(absl::Time now, const SignAheadStep& step) {
  absl::MutexLock lock(&ahead_mu_);
  const size_t slots = sets_ * kWays;
  const int64_t seconds = CeilSeconds(now);
  size_t made = 0;
  for (size_t seen = 0; seen < std::min(step.max_slots, slots) && made < step.max_signatures; ++seen) {
    const size_t at = ahead_at_;
    ahead_at_ = (ahead_at_ + 1) % slots;
    if (tags_[at].load(std::memory_order_acquire) == 0) continue;
    if (SignNext(slots_[at], seconds, absl::ToInt64Seconds(step.window))) ++made;
  }
  return made;
}

size_t TokenCache::size() const {
  size_t size = 0;
  for (size_t i = 0; i < sets_ * kWays; ++i) size += tags_[i].load(std::memory_order_relaxed) != 0 ? 1 : 0;
  return size;
}

TokenCacheStats TokenCache::stats() const {
  TokenCacheStats stats;
  for (const Counters& one : counters_) {
    stats.hits += one.hits.load(std::memory_order_relaxed);
    stats.waits += one.waits.load(std::memory_order_relaxed);
    stats.misses += one.misses.load(std::memory_order_relaxed);
    stats.ahead += one.ahead.load(std::memory_order_relaxed);
    stats.evictions += one.evictions.load(std::memory_order_relaxed);
  }
  return stats;
}

}  // namespace fairlead
