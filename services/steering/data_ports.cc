#include "services/steering/data_ports.h"

#include "absl/container/flat_hash_set.h"
#include "libs/http/ask_many.h"

namespace fairlead {
namespace {

DataPort Read(const Asked& endpoint) {
  constexpr int kServerErrors = 500;
  if (endpoint.presence == Asked::Presence::kNothing) return DataPort::kUnknown;
  const bool serves = endpoint.presence == Asked::Presence::kAnswered && endpoint.status < kServerErrors;
  return serves ? DataPort::kAnswers : DataPort::kRefuses;
}

// Of a box with several endpoints: one that answers is enough, and else one that refuses.
DataPort Join(DataPort a, DataPort b) {
  for (const DataPort said : {DataPort::kAnswers, DataPort::kRefuses}) {
    if (a == said || b == said) return said;
  }
  return DataPort::kUnknown;
}

std::vector<std::pair<ApplianceId, DataPort>> Ask(const std::vector<DataPorts::Watched>& boxes, absl::Duration patience) {
  std::vector<std::string> urls;
  for (const DataPorts::Watched& box : boxes) {
    for (const std::string& url : box.urls) urls.push_back(url + "/");
  }
  const std::vector<Asked> said = AskMany(urls, DataPorts::kMostAtOnce, patience);
  std::vector<std::pair<ApplianceId, DataPort>> found;
  auto endpoint = said.begin();
  for (const DataPorts::Watched& box : boxes) {
    found.emplace_back(box.id, DataPort::kUnknown);
    for (size_t i = 0; i < box.urls.size(); ++i) found.back().second = Join(found.back().second, Read(*endpoint++));
  }
  return found;
}

}  // namespace

DataPorts::DataPorts(const DataPortsOptions& options, SteeringMetrics& metrics) : options_(options), metrics_(metrics) {
  thread_ = std::thread([this] { Run(); });
}

DataPorts::~DataPorts() {
  {
    absl::MutexLock lock(&mu_);
    stopping_ = true;
  }
  thread_.join();
}

void DataPorts::Watch(std::vector<Watched> boxes) {
  absl::flat_hash_set<ApplianceId> ids;
  for (const Watched& box : boxes) ids.insert(box.id);
  absl::MutexLock lock(&mu_);
  absl::erase_if(found_, [&](const auto& found) { return !ids.contains(found.first); });
  watched_ = std::move(boxes);
}

absl::flat_hash_map<ApplianceId, DataPort> DataPorts::Found() const {
  absl::MutexLock lock(&mu_);
  return found_;
}

std::vector<DataPorts::Watched> DataPorts::Next() {
  absl::MutexLock lock(&mu_);
  const auto any = [this]() ABSL_SHARED_LOCKS_REQUIRED(mu_) { return stopping_ || !watched_.empty(); };
  mu_.Await(absl::Condition(&any));
  return stopping_ ? std::vector<Watched>() : watched_;
}

void DataPorts::Keep(const std::vector<std::pair<ApplianceId, DataPort>>& round) {
  absl::MutexLock lock(&mu_);
  absl::flat_hash_set<ApplianceId> watched;
  for (const Watched& box : watched_) watched.insert(box.id);
  for (const auto& [id, said] : round) {
    metrics_.data_ports_asked[static_cast<size_t>(said)]->Increment();
    if (said == DataPort::kUnknown || !watched.contains(id)) {
      found_.erase(id);
    } else {
      found_[id] = said;
    }
  }
}

void DataPorts::Run() {
  for (;;) {
    const std::vector<Watched> boxes = Next();
    if (boxes.empty()) return;
    Keep(Ask(boxes, options_.patience));
    absl::MutexLock lock(&mu_);
    if (mu_.AwaitWithTimeout(absl::Condition(&stopping_), options_.every)) return;
  }
}

}  // namespace fairlead
