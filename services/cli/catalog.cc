// `fairlead catalog import`: hash and check a folder of media, place its files at the origin, register each title's version.
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "libs/importdir/copy_to_origin.h"
#include "libs/importdir/import_directory.h"
#include "services/cli/catalog_codec.h"
#include "services/cli/commands.h"
#include "services/cli/describe_text.h"
#include "services/cli/exit_code.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using content::v1::CatalogService;
using content::v1::ImportTitleVersionRequest;
using content::v1::ImportTitleVersionResponse;

// One line that is written over, where a person watches.
void ShowProgress(Context& context, const ImportProgress& progress) {
  context.err() << "\r\033[K" << HumanBytes(progress.bytes_done) << " of " << HumanBytes(progress.bytes_total) << "  "
                << Printable(progress.file) << std::flush;
}

absl::StatusOr<std::vector<ImportedTitle>> ReadTitles(Context& context, const std::string& directory) {
  ImportDirectoryOptions options;
  if (context.interactive()) options.progress = [&](const ImportProgress& progress) { ShowProgress(context, progress); };
  absl::StatusOr<std::vector<ImportedTitle>> titles = ReadImportDirectory(directory, options);
  if (context.interactive()) context.err() << "\r\033[K" << std::flush;
  if (!titles.ok()) return UsageError(titles.status().message());
  for (const ImportedTitle& title : *titles) {
    for (const std::string& note : title.notes) context.Note(note);
  }
  return titles;
}

absl::StatusOr<ImportTitleVersionResponse> Register(Context& context, const ImportedTitle& title, bool validate_only) {
  ImportTitleVersionRequest request = ImportRequest(title.import);
  request.set_validate_only(validate_only);
  if (!validate_only) request.set_request_id(NewRequestId());
  return context.Call<CatalogService>(context.fill(), &CatalogService::StubInterface::ImportTitleVersion, request);
}

std::string CopiedText(const CopyReport& report) {
  return absl::StrCat(report.files_copied, " (", HumanBytes(report.bytes_copied), "), ", report.files_already_there, " there already");
}

int64_t SizeOf(const ImportedTitle& title) {
  int64_t bytes = 0;
  for (const SourceFile& file : title.files) bytes += file.size_bytes;
  return bytes;
}

}  // namespace

absl::Status ImportCatalog(Context& context, const ImportArguments& arguments) {
  ASSIGN_OR_RETURN(const std::vector<ImportedTitle> titles, ReadTitles(context, arguments.directory));
  // Ask about all of them before the first byte is copied, so that one bad title doesn't leave half of the folder imported.
  std::vector<ImportTitleVersionResponse> responses;
  for (const ImportedTitle& title : titles) {
    ASSIGN_OR_RETURN(ImportTitleVersionResponse response, Register(context, title, /*validate_only=*/true));
    responses.push_back(std::move(response));
  }
  Table table({{"TITLE"}, {"VERSION"}, {"FILES", Align::kRight}, {"SIZE", Align::kRight}, {"RESULT"}, {"COPIED"}});
  for (size_t i = 0; i < titles.size(); ++i) {
    const ImportedTitle& title = titles[i];
    std::string copied;
    if (!arguments.dry_run && !arguments.origin_root.empty()) {
      const absl::StatusOr<CopyReport> report = CopyToOrigin(title, arguments.origin_root);
      if (!report.ok()) return UsageError(absl::StrCat("--origin-root: ", report.status().message()));
      copied = CopiedText(*report);
    }
    if (!arguments.dry_run) {
      ASSIGN_OR_RETURN(responses[i], Register(context, title, /*validate_only=*/false));
    }
    const char* result = !responses[i].created() ? "known already" : arguments.dry_run ? "would be imported" : "imported";
    table.Add({title.import.title.value(), title.import.version.version, absl::StrCat(title.files.size()), HumanBytes(SizeOf(title)),
               result, copied});
  }
  if (context.json()) {
    context.out() << "{\"imports\": ["
                  << absl::StrJoin(responses, ",", [](std::string* out, const auto& response) { out->append(JsonText(response)); })
                  << "]}\n";
  } else {
    context.out() << table.Render();
  }
  if (arguments.origin_root.empty() && !arguments.dry_run) context.Note("no --origin-root: the files must already be at the origin");
  return absl::OkStatus();
}

}  // namespace fairlead::cli
