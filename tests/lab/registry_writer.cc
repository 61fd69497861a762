#include "tests/lab/registry_writer.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

namespace fairlead {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(100);
constexpr char kMark[] = "port of West Mobile, write ";

// The number in the display name of an audit record's JSON; 0 if it is another write.
int64_t NumberIn(const std::string& json) {
  const size_t at = json.find(kMark);
  if (at == std::string::npos) return 0;
  const size_t begin = at + sizeof kMark - 1;
  int64_t number = 0;
  return absl::SimpleAtoi(json.substr(begin, json.find_first_not_of("0123456789", begin) - begin), &number) ? number : 0;
}

}  // namespace

RegistryWriter::RegistryWriter(ControlPlane& plane, std::string link) : plane_(plane), link_(std::move(link)), thread_([this] { Run(); }) {}

RegistryWriter::~RegistryWriter() {
  stop_.Notify();
  thread_.join();
}

int64_t RegistryWriter::acknowledged() const {
  absl::MutexLock lock(&mu_);
  return acknowledged_;
}

void RegistryWriter::Run() {
  while (!stop_.WaitForNotificationWithTimeout(kPause)) {
    const int64_t number = acknowledged() + 1;
    const absl::Status written = plane_.SetDisplayName(link_, absl::StrCat(kMark, number), absl::StrCat("write-", number));
    if (!written.ok()) continue;
    absl::MutexLock lock(&mu_);
    acknowledged_ = number;
  }
}

std::string RegistryWriter::Verify() {
  const int64_t acknowledged_before = acknowledged();
  const absl::StatusOr<std::vector<registry::v1::AuditRecord>> audit = plane_.ListAuditRecords(link_);
  if (!audit.ok()) return absl::StrCat("no audit: ", std::string(audit.status().message()));
  // Newest first. The write under way may stand there already, acknowledged or not.
  int64_t last = 0;
  for (auto record = audit->rbegin(); record != audit->rend(); ++record) {
    const int64_t number = NumberIn(record->after_json());
    if (number == 0) continue;
    if (number != last + 1) return absl::StrCat("write ", number, " stands behind write ", last);
    last = number;
  }
  if (last < acknowledged_before) return absl::StrCat("write ", acknowledged_before, " was acknowledged, the last that stands is ", last);
  return "";
}

}  // namespace fairlead
