// `fairlead explain`: a steering decision as a story that can be read from top to bottom without knowing the code: what was asked and
// answered, which prefixes cover the client, the ladder of sites made from them, and for each file how every box fared.
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "services/cli/commands.h"
#include "services/cli/describe_text.h"
#include "services/cli/names.h"
#include "services/cli/steer_request.h"
#include "services/cli/table.h"
#include "services/cli/units.h"

namespace fairlead::cli {
namespace {

using steering::v1::CandidateVerdicts;
using steering::v1::ClientPlace;
using steering::v1::CoveringPrefix;
using steering::v1::ExplainedRoute;
using steering::v1::ExplainRequest;
using steering::v1::ExplainResponse;
using steering::v1::FileExplanation;
using steering::v1::LayerVerdict;
using steering::v1::Rung;
using steering::v1::SteeringService;

constexpr Align kRight = Align::kRight;
// Boxes of one site in one cell.
constexpr int kMaxBoxes = 4;

std::string ClassText(common::v1::TransportClass transport_class, bool demoted) {
  return absl::StrCat(Word(transport_class), demoted ? " (demoted)" : "");
}

template <typename Names>
std::string Ids(const Names& names) {
  std::vector<std::string> ids;
  for (const std::string& name : names) ids.push_back(ShortName(name));
  const int size = static_cast<int>(ids.size());
  if (size > kMaxBoxes) {
    ids.resize(kMaxBoxes);
    ids.push_back(absl::StrCat("+", size - kMaxBoxes));
  }
  return absl::StrJoin(ids, ",");
}

void PrintPlace(Context& context, const ClientPlace& place) {
  context.out() << "Place of the client: ";
  if (place.source().empty() || place.source() == "NONE") {
    context.out() << "unknown, so distance decides nothing\n";
  } else {
    context.out() << absl::StrFormat("%.2f, %.2f", place.latitude(), place.longitude()) << " (from " << Printable(place.source()) << ")\n";
  }
}

void PrintPrefixes(Context& context, const ExplainResponse& response) {
  context.out() << "\n1. Prefixes that cover the client, shortest first\n";
  if (response.covering_prefixes().empty()) context.out() << "   none: no admitted route leads to the client\n";
  for (const CoveringPrefix& prefix : response.covering_prefixes()) {
    context.out() << "   " << Printable(prefix.prefix()) << "\n";
    Table table({{"CLASS"}, {"SITE"}, {"HEARD BY"}, {"SESSION"}, {"AS PATH", kRight}, {"NEIGHBOUR"}, {"MED", kRight}, {"LINK"}});
    for (const ExplainedRoute& route : prefix.routes()) {
      table.Add({ClassText(route.transport_class(), route.demoted()), ShortName(route.site()), ShortName(route.appliance()),
                 ShortName(route.session()), absl::StrCat(route.as_path_length()), absl::StrCat("AS", route.neighbour_as()),
                 route.has_med() ? absl::StrCat(route.med()) : "", ShortName(route.link())});
    }
    context.out() << table.Render(5);
  }
}

void PrintLadder(Context& context, const ExplainResponse& response) {
  context.out() << "\n2. Ladder: the sites in order of proximity (equal rank = equally near)\n";
  if (response.ladder().empty()) {
    context.out() << "   empty: no site may serve this client\n";
    return;
  }
  Table table({{"RANK", kRight},
               {"SITE"},
               {"BECAUSE OF"},
               {"CLASS"},
               {"AS PATH", kRight},
               {"NEIGHBOUR"},
               {"MED", kRight},
               {"DISTANCE", kRight},
               {"BOXES"},
               {"LINKS"}});
  for (const Rung& rung : response.ladder()) {
    const bool routed = !rung.prefix().empty();
    table.Add({absl::StrCat(rung.rank()), ShortName(rung.site()), routed ? rung.prefix() : "open to all",
               routed ? ClassText(rung.transport_class(), rung.demoted()) : "", routed ? absl::StrCat(rung.as_path_length()) : "",
               routed ? absl::StrCat("AS", rung.neighbour_as()) : "", rung.has_med() ? absl::StrCat(rung.med()) : "",
               absl::StrCat(rung.distance_km(), " km"), Ids(rung.appliances()), Ids(rung.links())});
  }
  context.out() << table.Render(3);
}

std::string OutcomeText(const CandidateVerdicts& candidate) {
  if (candidate.position() == 0) return "CHOSEN, first URL";
  if (candidate.position() > 0) return absl::StrCat("listed, URL ", candidate.position() + 1);
  for (const LayerVerdict& layer : candidate.layers()) {
    if (!layer.passed()) return absl::StrCat("out: ", layer.layer());
  }
  return "fit, but not among the URLs wanted";
}

void PrintCandidates(Context& context, const FileExplanation& file) {
  if (file.candidates().empty()) context.out() << "     no box was considered\n";
  for (const CandidateVerdicts& candidate : file.candidates()) {
    context.out() << "     " << ShortName(candidate.appliance()) << " at " << ShortName(candidate.site()) << ", rank " << candidate.rank()
                  << " – " << Printable(OutcomeText(candidate)) << "\n";
    Table table({{""}, {""}, {""}});
    for (const LayerVerdict& layer : candidate.layers()) table.Add({layer.layer(), layer.passed() ? "pass" : "FAIL", layer.detail()});
    const std::string text = table.Render(7);
    // No titles: they would be repeated for each box, and the words speak for themselves.
    context.out() << text.substr(text.find('\n') + 1);
  }
  if (!file.winner().empty()) context.out() << "     winner:    " << Printable(file.winner()) << "\n";
  if (!file.runner_up().empty()) context.out() << "     runner-up: " << Printable(file.runner_up()) << "\n";
}

// Files whose story is the same are told once: usually that is a whole playable set.
void PrintFiles(Context& context, const ExplainResponse& response) {
  context.out() << "\n3. Boxes, layer by layer\n";
  std::vector<std::pair<std::string, std::vector<const FileExplanation*>>> stories;
  std::map<std::string, size_t> index;
  for (const FileExplanation& file : response.files()) {
    FileExplanation story = file;
    story.clear_file_number();
    story.clear_path();
    const std::string key = story.SerializeAsString();
    const auto [at, is_new] = index.try_emplace(key, stories.size());
    if (is_new) stories.push_back({key, {}});
    stories[at->second].second.push_back(&file);
  }
  for (const auto& [key, files] : stories) {
    for (const FileExplanation* file : files) context.out() << "   " << Printable(file->path()) << "\n";
    PrintCandidates(context, *files.front());
  }
  if (stories.empty()) context.out() << "   no file was looked at\n";
}

}  // namespace

absl::Status Explain(Context& context, const SteerArguments& arguments) {
  ExplainRequest request;
  ASSIGN_OR_RETURN(*request.mutable_request(), MakeSteerRequest(arguments));
  ASSIGN_OR_RETURN(const ExplainResponse response,
                   context.Call<SteeringService>(context.steering(), &SteeringService::StubInterface::Explain, request));
  context.PrintJson(response);
  if (context.json()) return absl::OkStatus();
  const std::string client = response.client_address().empty() ? arguments.client : response.client_address();
  context.out() << "Client " << Printable(client) << ", " << request.request().title() << "\n"
                << "Answer: " << VerdictText(response.answer()) << "\n";
  PrintPlace(context, response.place());
  PrintPrefixes(context, response);
  PrintLadder(context, response);
  PrintFiles(context, response);
  if (!response.sources().empty()) context.out() << "\nRests on: " << Printable(AgesText(response.sources())) << "\n";
  return absl::OkStatus();
}

}  // namespace fairlead::cli
