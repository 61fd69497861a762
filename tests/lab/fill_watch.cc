#include "tests/lab/fill_watch.h"

#include "absl/time/time.h"

namespace fairlead {

FillWatch::FillWatch(ControlPlane& plane)
    : plane_(plane), thread_([this] {
        do {
          Look();
        } while (!stop_.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
      }) {}

FillWatch::~FillWatch() {
  stop_.Notify();
  thread_.join();
}

void FillWatch::Look() {
  const auto states = plane_.ListApplianceStates();
  if (!states.ok()) return;
  absl::MutexLock lock(&mu_);
  for (const ingest::v1::ApplianceState& state : *states) {
    for (const ingest::v1::FileFill& file : state.fills()) {
      if (file.state() == ingest::v1::FileFill::STATE_DONE) done_[state.appliance()][file.file_number()] = file;
    }
  }
}

int FillWatch::FilesDone(const std::string& appliance) const {
  absl::MutexLock lock(&mu_);
  const auto box = done_.find(appliance);
  return box == done_.end() ? 0 : static_cast<int>(box->second.size());
}

int64_t FillWatch::BytesFrom(const std::string& appliance, const std::string& source_class) const {
  absl::MutexLock lock(&mu_);
  const auto box = done_.find(appliance);
  int64_t bytes = 0;
  if (box == done_.end()) return bytes;
  for (const auto& [number, file] : box->second) bytes += file.source_class() == source_class ? file.bytes_done() : 0;
  return bytes;
}

}  // namespace fairlead
