// Create, Get, List, Update and Delete (aip.dev/130-135), once for all kinds.
//
// Reads are as new as the store was when they were called, so a client reads what it wrote, whichever replica it asks; while the store
// can't be reached they are UNAVAILABLE (the config feed goes on). Thread-safe; blocks on the store.
#ifndef FAIRLEAD_SERVICES_REGISTRY_STANDARD_METHODS_H_
#define FAIRLEAD_SERVICES_REGISTRY_STANDARD_METHODS_H_

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/empty.pb.h"
#include "libs/base/status_macros.h"
#include "libs/registry/plan.h"
#include "services/registry/codec.h"
#include "services/registry/fleet_state.h"
#include "services/registry/page.h"
#include "services/registry/writer.h"

namespace fairlead::registry {

class StandardMethods {
 public:
  // Both must outlive this.
  StandardMethods(FleetState& state, Writer& writer) : state_(state), writer_(writer) {}

  // `wish` and `id` are those of the request, whose accessors are named after the kind.
  template <typename T, typename Request>
  absl::Status Create(const std::string& principal, const Request& request, const ProtoOf<T>& wish, const std::string& id,
                      ProtoOf<T>& response) {
    ASSIGN_OR_RETURN(typename T::IdType parsed, T::IdType::Parse(id, absl::StrCat(T::kKind, "_id")));
    ASSIGN_OR_RETURN(const T value, FromProto<T>(wish, std::move(parsed)));
    return WriteOne<T>(principal, "Create", request, request.validate_only() ? Mode::kValidate : Mode::kWrite, response,
                       [&](const Fleet& fleet, const Rules& rules) { return PlanCreate<T>(fleet, value, rules); });
  }

  template <typename T, typename Request>
  absl::Status Get(const Request& request, ProtoOf<T>& response) {
    ASSIGN_OR_RETURN(const typename T::IdType id, T::IdType::ParseName(request.name()));
    ASSIGN_OR_RETURN(const std::shared_ptr<const Fleet> fleet, state_.Refresh());
    ASSIGN_OR_RETURN(const RecordPtr<T> record, Require<T>(*fleet, id));
    response = ToProto(*record);
    return absl::OkStatus();
  }

  template <typename T, typename Request, typename Response>
  absl::Status List(const Request& request, Response& response) {
    ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
    std::string query = absl::StrCat("List ", T::kKind);
    // Filters, of those kinds that have one.
    SiteId site;
    ApplianceId appliance;
    if constexpr (requires { request.site(); }) {
      if (!request.site().empty()) {
        ASSIGN_OR_RETURN(site, SiteId::ParseName(request.site(), "site"));
      }
      absl::StrAppend(&query, " site ", request.site());
    }
    if constexpr (requires { request.appliance(); }) {
      if (!request.appliance().empty()) {
        ASSIGN_OR_RETURN(appliance, ApplianceId::ParseName(request.appliance(), "appliance"));
      }
      absl::StrAppend(&query, " appliance ", request.appliance());
    }
    ASSIGN_OR_RETURN(const std::string last, ParsePageToken(query, request.page_token()));
    ASSIGN_OR_RETURN(const std::shared_ptr<const Fleet> fleet, state_.Refresh());
    const Records<T>& records = fleet->All<T>();
    int count = 0;
    std::string end;
    for (auto at = records.upper_bound(typename T::IdType(last)); at != records.end(); ++at) {
      const T& value = at->second->value;
      if constexpr (requires { request.site(); }) {
        if (!site.empty() && value.site != site) continue;
      }
      if constexpr (requires { request.appliance(); }) {
        if (!appliance.empty() && value.appliance != appliance) continue;
      }
      if (count == page_size) {
        response.set_next_page_token(MakePageToken(query, end));
        break;
      }
      AddTo(response, ToProto(*at->second));
      end = at->first.value();
      ++count;
    }
    return absl::OkStatus();
  }

  template <typename T, typename Request>
  absl::Status Update(const std::string& principal, const Request& request, const ProtoOf<T>& wish, ProtoOf<T>& response) {
    ASSIGN_OR_RETURN(const typename T::IdType id, T::IdType::ParseName(wish.name(), absl::StrCat(T::kKind, ".name")));
    return WriteOne<T>(principal, "Update", request, request.validate_only() ? Mode::kValidate : Mode::kWrite, response,
                       [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<Write<T>> {
                         ASSIGN_OR_RETURN(const RecordPtr<T> current, Require<T>(fleet, id, absl::StrCat(T::kKind, ".name")));
                         ASSIGN_OR_RETURN(const ProtoOf<T> merged, Merge(*current, wish, request.update_mask()));
                         ASSIGN_OR_RETURN(T value, FromProto<T>(merged, id));
                         return PlanUpdate<T>(fleet, std::move(value), wish.etag(), rules);
                       });
  }

  template <typename T, typename Request>
  absl::Status Delete(const std::string& principal, const Request& request, google::protobuf::Empty& response) {
    ASSIGN_OR_RETURN(const typename T::IdType id, T::IdType::ParseName(request.name()));
    return WriteOne<T>(principal, "Delete", request, Mode::kWrite, response,
                       [&](const Fleet& fleet, const Rules&) { return PlanDelete<T>(fleet, id, request.etag()); });
  }

 private:
  enum class Mode { kWrite, kValidate };

  // Lists have one repeated field, their first.
  template <typename Response, typename Item>
  static void AddTo(Response& response, Item item) {
    auto* added = static_cast<Item*>(response.GetReflection()->AddMessage(&response, response.GetDescriptor()->field(0)));
    *added = std::move(item);
  }

  template <typename T, typename Request, typename Response, typename Plan>
  absl::Status WriteOne(const std::string& principal, absl::string_view verb, const Request& request, Mode mode, Response& response,
                        Plan plan) {
    const WriteCall call{.principal = principal,
                         .method = absl::StrCat(verb, ProtoOf<T>::descriptor()->name()),
                         .request_id = request.request_id(),
                         .request = request};
    RecordPtr<T> result;
    return writer_.Write(
        call, response,
        [&](const Fleet& fleet, const Rules& rules) -> absl::StatusOr<WritePlan> {
          ASSIGN_OR_RETURN(const Write<T> write, plan(fleet, rules));
          result = write.after;
          WritePlan planned;
          planned.trial = mode == Mode::kValidate;
          if (!planned.trial && write.before != write.after) planned.writes.push_back(write);
          return planned;
        },
        [&](const WritePlan& planned) {
          if (!planned.writes.empty()) result = std::get<Write<T>>(planned.writes[0]).after;
          if constexpr (std::is_same_v<Response, ProtoOf<T>>) response = ToProto(*result);
        });
  }

  FleetState& state_;
  Writer& writer_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_STANDARD_METHODS_H_
