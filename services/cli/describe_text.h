// Any message as indented text for people: "capacity      10 Gbit/s".
//
// Units come from the field's name (…_bps, …_bytes, …_km), enums lose their prefix (ADMIN_STATE_LIVE → LIVE), times are UTC, ages are
// short, fields that are not set are left out. So every kind of resource can be described without code of its own.
#ifndef FAIRLEAD_SERVICES_CLI_DESCRIBE_TEXT_H_
#define FAIRLEAD_SERVICES_CLI_DESCRIBE_TEXT_H_

#include <string>

#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"

namespace fairlead::cli {

// The word of an enum value without its type's prefix: TRANSPORT_CLASS_PUBLIC_PEERING → "PUBLIC_PEERING"; "" for UNSPECIFIED; the number
// for a value that this program is too old to know.
std::string EnumWord(const google::protobuf::EnumDescriptor& type, int number);

template <typename E>
std::string Word(E value) {
  return EnumWord(*google::protobuf::GetEnumDescriptor<E>(), static_cast<int>(value));
}

// One line a field, nested messages indented below theirs; each line after `indent` spaces.
std::string DescribeText(const google::protobuf::Message& message, int indent = 0);

// Protobuf JSON, indented, with a newline at the end; fields without presence are printed even where they are zero or empty.
std::string JsonText(const google::protobuf::Message& message);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_DESCRIBE_TEXT_H_
