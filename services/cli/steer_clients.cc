#include "services/cli/steer_clients.h"

#include <algorithm>
#include <deque>
#include <fstream>
#include <memory>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "fairlead/steering/v1/steering_service.grpc.pb.h"
#include "libs/base/status_macros.h"
#include "services/cli/exit_code.h"
#include "services/cli/steer_request.h"

namespace fairlead::cli {
namespace {

using steering::v1::SteeringService;
using steering::v1::SteerRequest;
using steering::v1::SteerResponse;
using steering::v1::SteerStreamRequest;
using steering::v1::SteerStreamResponse;

constexpr size_t kBatch = 256;   // What steerd takes in a message.
constexpr size_t kUnderWay = 8;  // Batches that are sent and not answered.
constexpr int kMostNotes = 20;   // Bad lines told on standard error.
constexpr int kMostRetries = 5;  // Of a request that was refused for there being too many.
constexpr absl::Duration kProgressEvery = absl::Milliseconds(200);

using Batch = std::vector<ClientLine>;

// What the thread that asks and the one that prints share.
class Pipeline {
 public:
  // Waits for room. False if there is none for so long that the server must be taken for stuck, or if it is all over.
  bool Push(std::shared_ptr<const Batch> batch, absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    if (!AwaitProgress(kUnderWay - 1, patience)) return false;
    under_way_.push_back(std::move(batch));
    return true;
  }
  // Waits until all is answered.
  bool AwaitAll(absl::Duration patience) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return AwaitProgress(0, patience);
  }
  // The batch that the next answer belongs to; null if none is awaited.
  std::shared_ptr<const Batch> Front() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return under_way_.empty() ? nullptr : under_way_.front();
  }
  void Pop() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    under_way_.pop_front();
    ++answered_;
  }
  void Stop() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    stopped_ = true;
  }
  void SetBadLine(std::string what) ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    bad_line_ = std::move(what);
  }
  std::string bad_line() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return bad_line_;
  }
  void SetStuck() ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    stuck_ = true;
  }
  bool stuck() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return stuck_;
  }
  bool stopped() const ABSL_LOCKS_EXCLUDED(mu_) {
    absl::MutexLock lock(&mu_);
    return stopped_;
  }

 private:
  // Until at most `left` are under way; the patience is for one answer, not for all of them.
  bool AwaitProgress(size_t left, absl::Duration patience) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    while (!stopped_ && under_way_.size() > left) {
      const uint64_t before = answered_;
      const auto moved = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return stopped_ || answered_ != before; };
      if (!mu_.AwaitWithTimeout(absl::Condition(&moved), patience)) return false;
    }
    return !stopped_;
  }

  mutable absl::Mutex mu_;
  std::deque<std::shared_ptr<const Batch>> under_way_ ABSL_GUARDED_BY(mu_);
  uint64_t answered_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  bool stuck_ ABSL_GUARDED_BY(mu_) = false;
  std::string bad_line_ ABSL_GUARDED_BY(mu_);  // Of strict mode: where reading stopped, and why.
};

class ClientsRun {
 public:
  ClientsRun(Context& context, const SteerArguments& arguments, SteerRequest like, std::istream& in)
      : context_(context), arguments_(arguments), like_(std::move(like)), lines_(in) {}

  absl::Status Run() {
    context_.PrepareStream(call_);
    const auto stub = context_.StubOf<SteeringService>(context_.steering());
    stream_ = stub->SteerStream(&call_);
    std::thread asking([this] { Ask(); });
    const absl::Status printed = PrintAnswers();
    pipeline_.Stop();
    if (!printed.ok() || closed_) call_.TryCancel();
    asking.join();
    SteerStreamResponse rest;
    while (stream_->Read(&rest)) {
    }
    const grpc::Status ended = stream_->Finish();
    ShowProgress(/*last=*/true);
    if (closed_) return absl::OkStatus();  // Whoever read us has had enough.
    if (pipeline_.stuck()) {
      return context_.Told(context_.steering(), grpc::Status(grpc::StatusCode::DEADLINE_EXCEEDED, "no answer on the stream"));
    }
    RETURN_IF_ERROR(printed);
    RETURN_IF_ERROR(context_.Told(context_.steering(), ended));
    if (const std::string bad = pipeline_.bad_line(); !bad.empty()) return UsageError(bad);
    return absl::OkStatus();
  }

 private:
  // --- The thread that reads the file and asks. ---
  void Ask() {
    const absl::Duration patience = context_.settings().timeout;
    bool more = true;
    while (more) {
      auto batch = std::make_shared<Batch>();
      more = ReadBatch(*batch);
      if (batch->empty()) break;
      SteerStreamRequest request = RequestOf(*batch);
      if (!pipeline_.Push(std::move(batch), patience)) return GiveUp();
      if (!stream_->Write(request)) return;  // The stream is over; its status says why.
    }
    stream_->WritesDone();
    if (!pipeline_.AwaitAll(patience)) GiveUp();
  }
  void GiveUp() {
    if (pipeline_.stopped()) return;
    pipeline_.SetStuck();
    call_.TryCancel();
  }
  // False if these are the last.
  bool ReadBatch(Batch& batch) {
    ClientLine line;
    while (batch.size() < kBatch) {
      if (!lines_.Next(line)) return false;
      if (arguments_.strict && !line.parsed.ok()) {
        pipeline_.SetBadLine(absl::StrCat(arguments_.clients, ":", line.number, ": ", line.parsed.message()));
        return false;
      }
      batch.push_back(line);
    }
    return true;
  }
  SteerStreamRequest RequestOf(const Batch& batch) {
    SteerStreamRequest request;
    request.set_id(static_cast<uint64_t>(batch.front().number));
    for (const ClientLine& line : batch) {
      if (line.parsed.ok()) *request.add_requests() = RequestFor(line);
    }
    return request;
  }
  SteerRequest RequestFor(const ClientLine& line) const {
    SteerRequest request = like_;
    request.set_client_address(line.text);
    return request;
  }

  // --- The thread that prints. ---
  absl::Status PrintAnswers() {
    SteerStreamResponse response;
    while (!closed_ && stream_->Read(&response)) {
      const std::shared_ptr<const Batch> batch = pipeline_.Front();
      if (batch == nullptr || response.id() != static_cast<uint64_t>(batch->front().number)) {
        return absl::InternalError(absl::StrCat("steerd answered message ", response.id(), ", which isn't the next"));
      }
      RETURN_IF_ERROR(PrintBatch(*batch, response));
      pipeline_.Pop();
      context_.out().flush();
      closed_ = !context_.out().good();
      ShowProgress(/*last=*/false);
    }
    return absl::OkStatus();
  }
  absl::Status PrintBatch(const Batch& batch, const SteerStreamResponse& response) {
    int next = 0;
    for (const ClientLine& line : batch) {
      if (!line.parsed.ok()) {
        NoteBadLine(line);
        Print(ErrorLine(line, line.parsed), /*error=*/true);
        continue;
      }
      if (next == response.results_size()) return absl::InternalError("steerd answered fewer requests than it was asked");
      const steering::v1::SteerResult& result = response.results(next++);
      if (result.has_response()) {
        Print(AnswerLine(line, result.response()), /*error=*/false);
      } else {
        PrintRefused(line, absl::Status(static_cast<absl::StatusCode>(result.error().code()), result.error().message()));
      }
    }
    return absl::OkStatus();
  }
  // One that came when there were too many, or whose message was full, is asked for again by itself.
  void PrintRefused(const ClientLine& line, absl::Status why) {
    for (int i = 0; absl::IsResourceExhausted(why) && i < kMostRetries; ++i) {
      if (i > 0) context_.Sleep(absl::Milliseconds(250) * (1 << i));
      const absl::StatusOr<SteerResponse> again =
          context_.Call<SteeringService>(context_.steering(), &SteeringService::StubInterface::Steer, RequestFor(line));
      if (again.ok()) return Print(AnswerLine(line, *again), /*error=*/false);
      why = again.status();
    }
    Print(ErrorLine(line, why), /*error=*/true);
  }
  void Print(const std::string& line, bool error) {
    context_.out() << line;
    ++printed_;
    errors_ += error ? 1 : 0;
  }
  void NoteBadLine(const ClientLine& line) {
    if (++bad_lines_ > kMostNotes) return;
    context_.Note(absl::StrCat(arguments_.clients, ":", line.number, ": ", line.parsed.message()));
    if (bad_lines_ == kMostNotes) context_.Note("further bad lines are not told here; each has its line among the answers");
  }
  void ShowProgress(bool last) {
    if (!context_.interactive()) return;
    const absl::Time now = absl::Now();
    if (!last && now - shown_ < kProgressEvery) return;
    shown_ = now;
    context_.err() << absl::StrFormat("\r%d answered, %d of them errors, %.0f/s ", printed_, errors_,
                                      static_cast<double>(printed_) / std::max(1e-3, absl::ToDoubleSeconds(now - start_)));
    if (last) context_.err() << "\n";
    context_.err().flush();
  }

  Context& context_;
  const SteerArguments& arguments_;
  const SteerRequest like_;
  ClientLines lines_;
  grpc::ClientContext call_;
  std::unique_ptr<grpc::ClientReaderWriterInterface<SteerStreamRequest, SteerStreamResponse>> stream_;
  Pipeline pipeline_;
  bool closed_ = false;  // What we print to.
  int64_t printed_ = 0;
  int64_t errors_ = 0;
  int bad_lines_ = 0;
  const absl::Time start_ = absl::Now();
  absl::Time shown_ = absl::InfinitePast();
};

}  // namespace

absl::Status SteerClients(Context& context, const SteerArguments& arguments) {
  ASSIGN_OR_RETURN(SteerRequest like, MakeRequestLike(arguments));
  // Nobody waits for these as a viewer does.
  like.set_request_class(steering::v1::REQUEST_CLASS_BACKGROUND);
  if (arguments.clients == "-") return ClientsRun(context, arguments, std::move(like), context.in()).Run();
  std::ifstream file(arguments.clients, std::ios::binary);
  // A folder opens, and fails when it is read.
  if (!file.good() || (file.peek() == std::char_traits<char>::eof() && file.bad())) {
    return UsageError(absl::StrCat("--clients ", arguments.clients, ": can't be read"));
  }
  file.clear();
  return ClientsRun(context, arguments, std::move(like), file).Run();
}

}  // namespace fairlead::cli
