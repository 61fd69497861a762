#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "libs/base/errors.h"
#include "libs/base/status_macros.h"
#include "libs/log/log.h"
#include "libs/rpc/status.h"
#include "libs/rpc/unary.h"
#include "libs/signing/digest.h"
#include "services/fill/access.h"
#include "services/fill/codec.h"
#include "services/fill/services.h"

namespace fairlead::fill {
namespace {

absl::Status RequireLoaded(const CatalogueView& view) {
  return view.loaded() ? absl::OkStatus() : absl::UnavailableError("the catalogue hasn't been read from the database yet");
}

absl::StatusOr<RequestKey> RequestKeyOf(const content::v1::ImportTitleVersionRequest& request) {
  if (request.request_id().size() > Store::kMaxRequestId) {
    return InvalidField("request_id", request.request_id(), absl::StrCat("at most ", Store::kMaxRequestId, " bytes"));
  }
  content::v1::ImportTitleVersionRequest body = request;
  body.clear_request_id();
  return RequestKey{request.request_id(), Sha256Hex(body.SerializeAsString())};
}

}  // namespace

grpc::ServerUnaryReactor* CatalogServiceImpl::ImportTitleVersion(grpc::CallbackServerContext* context,
                                                                 const content::v1::ImportTitleVersionRequest* request,
                                                                 content::v1::ImportTitleVersionResponse* response) {
  return RunUnary(*context, parts_.pool, [=, this](const Principal& caller) {
    absl::Status status = DoImport(caller, *request, *response);
    if (!status.ok()) parts_.metrics.imports_refused.Increment();
    return status;
  });
}

absl::Status CatalogServiceImpl::DoImport(const Principal& caller, const content::v1::ImportTitleVersionRequest& request,
                                          content::v1::ImportTitleVersionResponse& response) {
  RETURN_IF_ERROR(RequireTrusted(caller));
  ASSIGN_OR_RETURN(const TitleImport import, ImportFromProto(request));
  ASSIGN_OR_RETURN(const RequestKey key, RequestKeyOf(request));
  if (request.validate_only()) {
    const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
    RETURN_IF_ERROR(RequireLoaded(*view));
    const auto known = view->titles().find(import.title);
    const std::optional<Title> existing = known == view->titles().end() ? std::nullopt : std::optional<Title>(*known->second);
    ASSIGN_OR_RETURN(ImportOutcome outcome, ApplyImport(existing, import, /*next_number=*/1, parts_.clock.Now()));
    response.set_created(!outcome.new_numbers.empty());
    // Numbers that were not given are not shown.
    for (TitleVersion& version : outcome.title.versions) {
      for (Rendition& rendition : version.renditions) {
        const CatalogueView::FileRef ref = view->FindFile(rendition.file.number);
        if (ref.rendition == nullptr || ref.rendition->file.path != rendition.file.path) rendition.file.number = 0;
      }
    }
    *response.mutable_title() = TitleToProto(outcome.title);
    return absl::OkStatus();
  }
  ASSIGN_OR_RETURN(const ImportResult result, parts_.store.Import(import, key, parts_.clock.Now()));
  // Stored is stored: if reading it back fails, the loop will.
  const absl::Status refreshed = parts_.catalogue.Refresh();
  if (!refreshed.ok()) LogWarning("an import isn't published yet", {{"title", result.title.id.value()}, {"why", refreshed}});
  (result.created ? parts_.metrics.imports_new : parts_.metrics.imports_known).Increment();
  *response.mutable_title() = TitleToProto(result.title);
  response.set_created(result.created);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CatalogServiceImpl::GetTitle(grpc::CallbackServerContext* context, const content::v1::GetTitleRequest* request,
                                                       content::v1::Title* response) {
  return RunUnaryInline(*context, [=, this](const Principal&) { return DoGetTitle(*request, *response); });
}

absl::Status CatalogServiceImpl::DoGetTitle(const content::v1::GetTitleRequest& request, content::v1::Title& response) const {
  ASSIGN_OR_RETURN(const TitleId id, TitleId::ParseName(request.name(), "name"));
  const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
  RETURN_IF_ERROR(RequireLoaded(*view));
  const auto at = view->titles().find(id);
  if (at == view->titles().end()) return FieldError(absl::StatusCode::kNotFound, "name", request.name(), "no such title");
  response = TitleToProto(*at->second);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* CatalogServiceImpl::ListTitles(grpc::CallbackServerContext* context,
                                                         const content::v1::ListTitlesRequest* request,
                                                         content::v1::ListTitlesResponse* response) {
  return RunUnaryInline(*context, [=, this](const Principal&) { return DoListTitles(*request, *response); });
}

absl::Status CatalogServiceImpl::DoListTitles(const content::v1::ListTitlesRequest& request,
                                              content::v1::ListTitlesResponse& response) const {
  ASSIGN_OR_RETURN(const int page_size, PageSize(request.page_size()));
  const std::shared_ptr<const CatalogueView> view = parts_.catalogue.View();
  RETURN_IF_ERROR(RequireLoaded(*view));
  // A page ends early when it gets large: a title can have thousands of renditions.
  constexpr size_t kMaxPageBytes = 3 << 20;
  auto at = view->titles().begin();
  if (!request.page_token().empty()) {
    ASSIGN_OR_RETURN(const TitleId after, TitleId::Parse(request.page_token(), "page_token"));
    at = view->titles().upper_bound(after);
  }
  size_t bytes = 0;
  for (; at != view->titles().end() && response.titles_size() < page_size && bytes < kMaxPageBytes; ++at) {
    *response.add_titles() = TitleToProto(*at->second);
    bytes += response.titles(response.titles_size() - 1).ByteSizeLong();
    response.set_next_page_token(at->first.value());
  }
  if (at == view->titles().end()) response.clear_next_page_token();
  return absl::OkStatus();
}

grpc::ServerWriteReactor<grpc::ByteBuffer>* CatalogFeedServiceImpl::WatchCatalog(grpc::CallbackServerContext* context,
                                                                                 const grpc::ByteBuffer* raw) {
  const absl::StatusOr<content::v1::WatchCatalogRequest> request = ParseFeedRequest<content::v1::WatchCatalogRequest>(*raw);
  absl::Status status = request.status();
  if (status.ok()) status = RequireTrusted(PrincipalOf(*context));
  if (!status.ok()) return RefuseFeed(ToGrpcStatus(status));
  const FeedPosition held = FeedPositionFromProto(request->held());
  switch (request->scope()) {
    case content::v1::CATALOG_SCOPE_STEERING:
      return catalogue_.steering_feed().Subscribe(context, held, request->subscriber());
    case content::v1::CATALOG_SCOPE_CELL:
      return catalogue_.cell_feed().Subscribe(context, held, request->subscriber());
    default:
      return RefuseFeed(ToGrpcStatus(InvalidField("scope", absl::StrCat(request->scope()), "must be STEERING or CELL")));
  }
}

}  // namespace fairlead::fill
