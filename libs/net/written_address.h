// The one normaliser of addresses that somebody else wrote: request fields, proxies' headers, what gRPC calls its peer.
//
// IpAddress::Parse reads exactly one address and nothing around it. Where a protocol wraps an address, the form says what may stand around
// it and is taken off, strictly; everything else is refused with the reason: octal, hexadecimal and short IPv4, zone ids, ports and
// brackets where the form has none, names, spaces inside, control characters, endless texts. IPv4-mapped IPv6 becomes IPv4 (IpAddress::V6).
// The unspecified address (0.0.0.0 and ::) is refused too: it is nobody's. Pure; any thread.
//
//   ASSIGN_OR_RETURN(const IpAddress client, ParseWritten(request.client_address(), AddressForm::kPlain, "client_address"));
//   ParseWritten("\"[2001:db8::7]:4711\"", AddressForm::kNode, "forwarded");   // 2001:db8::7
//   ParseWritten("198.51.100.07", AddressForm::kPlain, "client_address");
//   // INVALID_ARGUMENT client_address '198.51.100.07': is not an IPv4 or IPv6 address: a number begins with 0, which some read as octal
#ifndef FAIRLEAD_LIBS_NET_WRITTEN_ADDRESS_H_
#define FAIRLEAD_LIBS_NET_WRITTEN_ADDRESS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "libs/net/ip_address.h"

namespace fairlead {

enum class AddressForm : uint8_t {
  kPlain,   // The address alone.
  kListed,  // With spaces or tabs around it: an element of X-Forwarded-For.
  kNode,    // A node of RFC 7239: an address, IPv6 in brackets, either with a port; quoted as a whole or not.
  kPeer,  // gRPC's peer: "ipv4:192.0.2.1:4000", "ipv6:%5B2001:db8::1%5D:4000" (a zone is taken off: the socket says which link), "unix:…",
          // which is this machine.
};

// INVALID_ARGUMENT naming `field`, quoting the text and saying what is odd about it.
absl::StatusOr<IpAddress> ParseWritten(absl::string_view text, AddressForm form, absl::string_view field);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_NET_WRITTEN_ADDRESS_H_
