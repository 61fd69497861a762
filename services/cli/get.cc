#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/exit_code.h"
#include "services/cli/kinds.h"

namespace fairlead::cli {
namespace {

absl::StatusOr<ListOptions> OptionsFor(const Kind& kind, const GetArguments& arguments) {
  ListOptions options;
  options.limit = arguments.limit < 0 ? kind.default_limit : arguments.limit;
  options.dropped = arguments.dropped;
  if (!arguments.site.empty()) {
    if (kind.filter != Filter::kSite) return UsageError(absl::StrCat("--site: ", kind.plural, " can't be listed by site"));
    ASSIGN_OR_RETURN(options.site, FullName(arguments.site, "sites"));
  }
  if (!arguments.appliance.empty()) {
    if (kind.filter != Filter::kAppliance) return UsageError(absl::StrCat("--appliance: ", kind.plural, " can't be listed by appliance"));
    ASSIGN_OR_RETURN(options.appliance, FullName(arguments.appliance, "appliances"));
  }
  if (arguments.dropped && kind.plural != "routes") return UsageError("--dropped is for routes");
  return options;
}

absl::Status PrintList(Context& context, const Kind& kind, const google::protobuf::Message& list) {
  if (context.json()) {
    context.PrintJson(list);
    return absl::OkStatus();
  }
  const std::vector<const google::protobuf::Message*> items = ItemsOf(list);
  if (items.empty()) {
    context.out() << "no " << kind.plural << "\n";
    return absl::OkStatus();
  }
  context.out() << TableOf(kind, items).Render();
  const google::protobuf::FieldDescriptor* token = list.GetDescriptor()->FindFieldByName("next_page_token");
  if (token != nullptr && !list.GetReflection()->GetString(list, token).empty()) {
    context.Note(absl::StrCat("these are the first ", items.size(), "; --limit N for more, --limit 0 for all"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status Get(Context& context, const GetArguments& arguments) {
  const Kind* kind = FindKind(arguments.kind);
  if (kind == nullptr) return UsageError(absl::StrCat("KIND ", Quoted(arguments.kind), ": want one of ", KindWords()));
  ASSIGN_OR_RETURN(ListOptions options, OptionsFor(*kind, arguments));
  if (!arguments.name.empty() && kind->get != nullptr) {
    ASSIGN_OR_RETURN(const std::string name, FullName(arguments.name, kind->collection));
    ASSIGN_OR_RETURN(const MessagePtr resource, kind->get(context, name));
    context.PrintJson(*resource);
    if (!context.json()) context.out() << TableOf(*kind, {resource.get()}).Render();
    return absl::OkStatus();
  }
  // Of routes and audit records the name says whose.
  if (!arguments.name.empty() && kind->plural == "audit") options.resource = arguments.name;
  if (!arguments.name.empty() && kind->plural == "routes") {
    ASSIGN_OR_RETURN(options.appliance, FullName(arguments.name, "appliances"));
  }
  ASSIGN_OR_RETURN(const MessagePtr list, kind->list(context, options));
  return PrintList(context, *kind, *list);
}

}  // namespace fairlead::cli
