// An address prefix in CIDR form, with no host bits set. Values are immutable and safe to copy between threads.
//
//   ASSIGN_OR_RETURN(const Prefix prefix, Prefix::Parse("192.0.2.0/24", "route.prefix"));
//   prefix.Contains(client);
//   Prefix::Parse("192.0.2.1/24");  // INVALID_ARGUMENT: … has host bits set; did you mean 192.0.2.0/24?
#ifndef FAIRLEAD_LIBS_NET_PREFIX_H_
#define FAIRLEAD_LIBS_NET_PREFIX_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"
#include "libs/net/ip_address.h"

namespace fairlead {

class Prefix {
 public:
  // 0.0.0.0/0.
  constexpr Prefix() = default;

  // INVALID_ARGUMENT naming `field`, quoting the text and, if host bits are set, the canonical form. An IPv4-mapped IPv6 prefix is
  // refused: the address folds to IPv4 and its length no longer fits.
  static absl::StatusOr<Prefix> Parse(absl::string_view text, absl::string_view field = "prefix");
  // The same checks on parts.
  static absl::StatusOr<Prefix> Make(const IpAddress& address, int length, absl::string_view field = "prefix");
  // The prefix of `length` bits that contains `address`; host bits are cleared and `length` is clamped to what the family has.
  static constexpr Prefix Of(const IpAddress& address, int length) {
    const int fit = length < 0 ? 0 : length > address.bits() ? address.bits() : length;
    const uint64_t high = address.high() & Mask(fit);
    const uint64_t low = address.low() & Mask(fit - 64);
    return Prefix(address.is_v4() ? IpAddress::V4(static_cast<uint32_t>(high >> 32)) : IpAddress::V6(high, low), fit);
  }
  // The prefix that contains `address` alone.
  static constexpr Prefix Host(const IpAddress& address) { return Of(address, address.bits()); }

  constexpr const IpAddress& address() const { return address_; }
  constexpr int length() const { return length_; }
  constexpr AddressFamily family() const { return address_.family(); }
  // The last address inside.
  IpAddress last() const;

  constexpr bool Contains(const IpAddress& address) const {
    return address.family() == family() && ((address.high() ^ address_.high()) & Mask(length_)) == 0 &&
           ((address.low() ^ address_.low()) & Mask(length_ - 64)) == 0;
  }
  // True if every address of `other` is inside; a prefix covers itself.
  constexpr bool Covers(const Prefix& other) const { return other.length_ >= length_ && Contains(other.address_); }
  constexpr bool Overlaps(const Prefix& other) const { return Covers(other) || other.Covers(*this); }

  std::string ToString() const;
  void AppendTo(std::string& out) const;  // The same, for whoever keeps the memory.

  // IPv4 before IPv6, then by address, then shorter first: a prefix comes right before those that it covers.
  friend constexpr auto operator<=>(const Prefix&, const Prefix&) = default;
  friend constexpr bool operator==(const Prefix&, const Prefix&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Prefix& prefix) {
    return H::combine(std::move(h), prefix.address_, prefix.length_);
  }
  friend std::ostream& operator<<(std::ostream& out, const Prefix& prefix) { return out << prefix.ToString(); }

 private:
  constexpr Prefix(const IpAddress& address, int length) : address_(address), length_(static_cast<uint8_t>(length)) {}

  // The upper `length` bits of a 64-bit half; none if `length` <= 0, all if it is >= 64.
  static constexpr uint64_t Mask(int length) { return length <= 0 ? 0 : length >= 64 ? ~uint64_t{0} : ~(~uint64_t{0} >> length); }

  IpAddress address_;
  uint8_t length_ = 0;
};

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_PREFIX_H_
