// Resource ids as distinct types, so that a site's id can't be passed where an appliance's is wanted.
//
// An id is `[a-z0-9-]{1,63}` and is never reused; a resource name is its collection and its id: "sites/lhr001". Values are
// immutable once made and safe to copy between threads.
#ifndef FAIRLEAD_LIBS_BASE_IDS_H_
#define FAIRLEAD_LIBS_BASE_IDS_H_

#include <compare>
#include <ostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "libs/base/status_macros.h"

namespace fairlead {

// OK if `text` is a valid id; else INVALID_ARGUMENT naming `field` and quoting the text.
absl::Status ValidateId(absl::string_view text, absl::string_view field);

// The id in "collection/id"; INVALID_ARGUMENT naming `field` if the name isn't of that form.
absl::StatusOr<std::string> ParseResourceName(absl::string_view name, absl::string_view collection, absl::string_view field);

// Tag has `static constexpr absl::string_view kCollection`.
template <typename Tag>
class Id {
 public:
  Id() = default;
  // For ids already known to be valid (read back from our own store, literals in tests).
  explicit Id(std::string value) : value_(std::move(value)) {}

  static absl::StatusOr<Id> Parse(absl::string_view text, absl::string_view field = "id") {
    RETURN_IF_ERROR(ValidateId(text, field));
    return Id(std::string(text));
  }
  static absl::StatusOr<Id> ParseName(absl::string_view name, absl::string_view field = "name") {
    ASSIGN_OR_RETURN(std::string value, ParseResourceName(name, Tag::kCollection, field));
    return Id(std::move(value));
  }

  const std::string& value() const { return value_; }
  bool empty() const { return value_.empty(); }
  std::string name() const { return absl::StrCat(Tag::kCollection, "/", value_); }

  friend auto operator<=>(const Id&, const Id&) = default;
  friend bool operator==(const Id&, const Id&) = default;
  template <typename H>
  friend H AbslHashValue(H h, const Id& id) {
    return H::combine(std::move(h), id.value_);
  }
  friend std::ostream& operator<<(std::ostream& out, const Id& id) { return out << id.name(); }

 private:
  std::string value_;
};

struct PartnerTag {
  static constexpr absl::string_view kCollection = "partners";
};
struct SiteTag {
  static constexpr absl::string_view kCollection = "sites";
};
struct LinkTag {
  static constexpr absl::string_view kCollection = "links";
};
struct ClusterTag {
  static constexpr absl::string_view kCollection = "clusters";
};
struct ApplianceTag {
  static constexpr absl::string_view kCollection = "appliances";
};
struct BgpSessionTag {
  static constexpr absl::string_view kCollection = "bgpSessions";
};
struct CellTag {
  static constexpr absl::string_view kCollection = "cells";
};
struct PolicyTag {
  static constexpr absl::string_view kCollection = "policies";
};
struct SigningKeyTag {
  static constexpr absl::string_view kCollection = "signingKeys";
};
struct TitleTag {
  static constexpr absl::string_view kCollection = "titles";
};

using PartnerId = Id<PartnerTag>;
using SiteId = Id<SiteTag>;
using LinkId = Id<LinkTag>;
using ClusterId = Id<ClusterTag>;
using ApplianceId = Id<ApplianceTag>;
using BgpSessionId = Id<BgpSessionTag>;
using CellId = Id<CellTag>;
using PolicyId = Id<PolicyTag>;
using SigningKeyId = Id<SigningKeyTag>;
using TitleId = Id<TitleTag>;

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_BASE_IDS_H_
