#include "tests/lab/invariants.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "tests/lab/text_file.h"

namespace fairlead {
namespace {

namespace fs = std::filesystem;

// Many times what a service of this small fleet needs; a queue without a bound passes it in one outage.
constexpr int64_t kMostResidentBytes = int64_t{512} << 20;

// The guard's window and limit, and what it believed within the limit.
constexpr absl::Duration kGuardWindow = absl::Minutes(1);
constexpr char kGuardLimit[] = "fairlead_steering_guard_limit_boxes";
constexpr char kSilences[] = "fairlead_steering_guard_believed_silences_total{why=\"limit\"}";
constexpr int kSteerd = 3;  // Its metrics page.

// The value of the series that begins so; 0 if there is none.
double Value(const std::string& page, absl::string_view series) {
  for (const absl::string_view line : absl::StrSplit(page, '\n')) {
    double value = 0;
    if (absl::StartsWith(line, series) && absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &value)) return value;
  }
  return 0;
}

// Counters of bounds that this fleet never comes near.
constexpr const char* kBounds[] = {"fairlead_ingest_refused_streams_total", "fairlead_ingest_refused_appliances_total"};

std::string ShortName(const std::string& name) {
  return name.substr(name.find('/') + 1);
}

int64_t ResidentBytes(pid_t pid) {
  std::istringstream words(ReadText(absl::StrCat("/proc/", pid, "/statm")));
  int64_t size = 0, resident = 0;
  words >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

// The sites that may serve a viewer: the exchange, which is open to all, and those inside networks that announce it to their boxes.
std::set<std::string> MayServe(const Installation& installation, const LabViewer& viewer) {
  std::set<std::string> sites = {"ix-1"};
  const std::vector<LabPartner>& partners = installation.layout().partners;
  for (size_t i = 0; i < partners.size(); ++i) {
    const std::vector<PlannedRoute>& routes = installation.plan().partners[i].routes;
    const bool heard = std::any_of(routes.begin(), routes.end(), [&](const PlannedRoute& route) {
      return route.admissible && !route.peering_only && route.prefix.Contains(viewer.address);
    });
    if (heard && !partners[i].embedded_site.empty()) sites.insert(partners[i].embedded_site);
  }
  return sites;
}

}  // namespace

Invariants::Invariants(Installation& installation, const Players& players, const Prober& prober, RegistryWriter& writer)
    : installation_(installation), players_(players), prober_(prober), writer_(writer) {}

std::vector<std::string> Invariants::Check() {
  std::vector<std::string> broken;
  CheckAnswers(broken);
  const ProbeTotals asked = prober_.Totals();
  if (asked.went_back > 0) broken.push_back(absl::StrCat("I3: ", asked.last_problem));
  if (const std::string writes = writer_.Verify(); !writes.empty()) broken.push_back(absl::StrCat("I4: ", writes));
  if (const int64_t wrong = players_.Totals().wrong_segments; wrong > 0) broken.push_back(absl::StrCat("I6: ", wrong, " wrong segments"));
  CheckGuard(broken);
  CheckBounds(broken);
  CheckSecrets(broken);
  return broken;
}

// Every viewer, and one title each time, so that a check takes a second.
void Invariants::CheckAnswers(std::vector<std::string>& broken) {
  const auto boxes = installation_.plane().ListAppliances();
  const auto titles = installation_.plane().ListTitles();
  if (!boxes.ok() || !titles.ok() || titles->empty()) return broken.push_back("I1: registry or catalogue doesn't answer");
  for (const registry::v1::Appliance& box : *boxes) admin_[box.name()] = box.admin_state();
  ++round_;
  const std::vector<LabViewer>& viewers = installation_.plan().viewers;
  for (size_t i = 0; i < viewers.size(); ++i) {
    steering::v1::SteerRequest request;
    request.set_client_address(viewers[i].address.ToString());
    request.set_title((*titles)[(round_ + i) % titles->size()].name());
    const auto answer = installation_.plane().Steer(request);
    if (!answer.ok()) {
      broken.push_back(absl::StrCat("I1: ", viewers[i].label, ": ", std::string(answer.status().message())));
    } else {
      CheckAnswer(viewers[i], *answer, broken);
    }
  }
}

void Invariants::CheckAnswer(const LabViewer& viewer, const steering::v1::SteerResponse& answer, std::vector<std::string>& broken) {
  if (answer.files().empty()) broken.push_back(absl::StrCat("I1: ", viewer.label, ": ", answer.reason(), ", ", answer.reason_detail()));
  const std::set<std::string> may_serve = MayServe(installation_, viewer);
  for (const steering::v1::FileAnswer& file : answer.files()) {
    std::set<std::string> sites;
    for (const steering::v1::RankedUrl& url : file.urls()) {
      sites.insert(ShortName(url.site()));
      if (!may_serve.contains(ShortName(url.site()))) broken.push_back(absl::StrCat("I5: ", viewer.label, " is sent to ", url.site()));
      if (admin_[url.appliance()] != common::v1::ADMIN_STATE_LIVE)
        broken.push_back(absl::StrCat("I2: ", url.appliance(), " is ", common::v1::AdminState_Name(admin_[url.appliance()])));
      const auto reply = http_.Get(url.url(), {"Range: bytes=0-0"});
      if (!reply.ok() || reply->status != 206) {
        broken.push_back(absl::StrCat("I2: ", url.appliance(), " doesn't serve ", file.path(), ": ",
                                      reply.ok() ? absl::StrCat("status ", reply->status) : std::string(reply.status().message())));
      }
    }
    if (sites.size() < may_serve.size())
      broken.push_back(absl::StrCat("I1: ", viewer.label, ", ", file.path(), ": ", sites.size(), " of ", may_serve.size(), " sites"));
  }
}

std::string Invariants::MetricsPage(int service) {
  const auto page = http_.Get(absl::StrCat("http://", installation_.layout().Metrics(service), "/metrics"));
  return page.ok() ? page->body : "";
}

// A sliding window of a minute lets at most so many through in any stretch of time.
void Invariants::CheckGuard(std::vector<std::string>& broken) {
  const std::string page = MetricsPage(kSteerd);
  if (page.empty()) return;
  const absl::Time now = absl::Now();
  const double silences = Value(page, kSilences), limit = Value(page, kGuardLimit);
  const double since = silences < silences_ ? silences : silences - silences_;  // A restarted steerd counts anew.
  const double may = limit * (1 + static_cast<double>(std::max<int64_t>(0, (now - guard_checked_) / kGuardWindow)));
  if (limit < 1) broken.push_back("I7: the guard tells no limit");
  if (guard_checked_ < now && since > may) {
    broken.push_back(
        absl::StrCat("I7: silence took ", since, " boxes in ", absl::FormatDuration(now - guard_checked_), ", not at most ", may));
  }
  guard_checked_ = now;
  silences_ = silences;
}

void Invariants::CheckBounds(std::vector<std::string>& broken) {
  for (const ProcessStatus& process : installation_.supervisor().List()) {
    const int64_t resident = process.pid == 0 ? 0 : ResidentBytes(process.pid);
    if (resident > kMostResidentBytes) broken.push_back(absl::StrCat("I8: ", process.name, " takes ", resident, " bytes of memory"));
  }
  for (int service = 0; service < 4; ++service) {
    const std::string page = MetricsPage(service);
    for (const absl::string_view line : absl::StrSplit(page, '\n')) {
      for (const char* bound : kBounds) {
        double count = 0;
        if (absl::StartsWith(line, bound) && absl::SimpleAtod(line.substr(line.rfind(' ') + 1), &count) && count > 0)
          broken.push_back(absl::StrCat("I8: ", line));
      }
    }
  }
}

std::vector<std::string> Invariants::Secrets() const {
  // Any token's header, any path with a token, any private key.
  std::vector<std::string> secrets = {"eyJhbGciOi", "URISigningPackage=ey", "PRIVATE KEY"};
  for (const LabBox& box : installation_.layout().boxes) {
    for (const char* file : {"state/credential", "enrollment-token"}) {
      const std::string text = ReadText(installation_.layout().Run(absl::StrCat("boxes/", box.id, "/", file)));
      const std::string secret(absl::StripAsciiWhitespace(text));
      if (secret.size() >= 16) secrets.push_back(secret);
    }
  }
  return secrets;
}

std::string Invariants::NewText(const std::string& path) {
  std::string text = ReadText(path, read_[path]);
  read_[path] += text.size();
  return text;
}

void Invariants::CheckSecrets(std::vector<std::string>& broken) {
  const std::vector<std::string> secrets = Secrets();
  const auto check = [&](const std::string& where, const std::string& text) {
    for (const std::string& secret : secrets) {
      const size_t at = text.find(secret);
      if (at != std::string::npos) broken.push_back(absl::StrCat("I9: ", where, " holds a secret at byte ", at));
    }
  };
  for (const std::string& path : FilesBelow(installation_.layout().folders.run_dir)) {
    // The command line's own output is an operator's answer, URLs and all, not a log.
    const std::string name = fs::path(path).filename();
    if (absl::EndsWith(name, ".log") && !absl::StartsWith(name, "fairlead-")) check(name, NewText(path));
  }
  for (int service = 0; service < 4; ++service) {
    check(absl::StrCat("metrics page ", service), MetricsPage(service));
  }
}

}  // namespace fairlead
