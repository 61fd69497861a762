// An IPv4 or IPv6 address as a value: 16 bytes of address bits, left aligned, and the family.
//
// Text is read strictly (no octal, short or padded IPv4 forms, no zone ids, no spaces) and written canonically (RFC 5952).
// An IPv4-mapped IPv6 address (::ffff:a.b.c.d) is the IPv4 address a.b.c.d: V6() is the one place that folds it, and every other
// way to make an IPv6 address passes through there, so no part of the system ever meets a mapped one.
// Values are immutable and safe to copy between threads.
//
//   ASSIGN_OR_RETURN(const IpAddress client, IpAddress::Parse("2001:DB8:0::1", "client"));
//   client.ToString();  // "2001:db8::1"
#ifndef FAIRLEAD_LIBS_NET_IP_ADDRESS_H_
#define FAIRLEAD_LIBS_NET_IP_ADDRESS_H_

#include <compare>
#include <cstdint>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/base/vocabulary.h"

namespace fairlead {

class IpAddress {
 public:
  // 0.0.0.0.
  constexpr IpAddress() = default;

  // INVALID_ARGUMENT naming `field` and quoting the text if it isn't exactly one address.
  static absl::StatusOr<IpAddress> Parse(absl::string_view text, absl::string_view field = "address");
  // 4 or 16 bytes in network order; INVALID_ARGUMENT for any other size.
  static absl::StatusOr<IpAddress> FromBytes(absl::string_view bytes, absl::string_view field = "address");

  // `value` in host order: 0x01020304 is 1.2.3.4.
  static constexpr IpAddress V4(uint32_t value) { return IpAddress(AddressFamily::kIpv4, uint64_t{value} << 32, 0); }
  // The upper and lower 64 bits in host order. The only place that folds an IPv4-mapped address into IPv4.
  static constexpr IpAddress V6(uint64_t high, uint64_t low) {
    if (high == 0 && (low >> 32) == 0xffff) return V4(static_cast<uint32_t>(low));
    return IpAddress(AddressFamily::kIpv6, high, low);
  }

  constexpr AddressFamily family() const { return family_; }
  constexpr bool is_v4() const { return family_ == AddressFamily::kIpv4; }
  constexpr bool is_v6() const { return family_ == AddressFamily::kIpv6; }
  // 32 or 128.
  constexpr int bits() const { return is_v4() ? 32 : 128; }

  // The address bits, left aligned: an IPv4 address is the top 32 bits of high().
  constexpr uint64_t high() const { return high_; }
  constexpr uint64_t low() const { return low_; }
  // The IPv4 address in host order; call only if is_v4().
  constexpr uint32_t v4() const { return static_cast<uint32_t>(high_ >> 32); }
  // Bit `index`, counted from the most significant (0).
  constexpr bool Bit(int index) const { return index < 64 ? (high_ >> (63 - index)) & 1 : (low_ >> (127 - index)) & 1; }

  // "192.0.2.1", "2001:db8::1".
  std::string ToString() const;
  void AppendTo(std::string& out) const;  // The same, for whoever keeps the memory.
  // 4 or 16 bytes in network order.
  std::string ToBytes() const;

  // IPv4 before IPv6, then by number.
  friend constexpr auto operator<=>(const IpAddress& a, const IpAddress& b) {
    if (a.family_ != b.family_) return a.family_ <=> b.family_;
    if (a.high_ != b.high_) return a.high_ <=> b.high_;
    return a.low_ <=> b.low_;
  }
  friend constexpr bool operator==(const IpAddress&, const IpAddress&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const IpAddress& address) {
    return H::combine(std::move(h), address.high_, address.low_, static_cast<uint8_t>(address.family_));
  }
  friend std::ostream& operator<<(std::ostream& out, const IpAddress& address) { return out << address.ToString(); }

 private:
  constexpr IpAddress(AddressFamily family, uint64_t high, uint64_t low) : high_(high), low_(low), family_(family) {}

  uint64_t high_ = 0;
  uint64_t low_ = 0;
  AddressFamily family_ = AddressFamily::kIpv4;
};

// True if `host`, the host part of a URL with or without brackets, is an address rather than a name.
bool IsAddressLiteral(absl::string_view host);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_IP_ADDRESS_H_
