// What a command needs to run: where the servers are, how to print, and one way to call a server.
//
//   ASSIGN_OR_RETURN(const Site site, context.Call<RegistryService>(context.registry(), &RegistryService::StubInterface::GetSite,
//   request));
//
// A failed call names the server and its address; if it can't be reached, also the flag and the variable that point elsewhere. Used from
// one thread.
#ifndef FAIRLEAD_SERVICES_CLI_CONTEXT_H_
#define FAIRLEAD_SERVICES_CLI_CONTEXT_H_

#include <cstdint>
#include <functional>
#include <istream>
#include <map>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "libs/base/status_macros.h"

namespace fairlead::cli {

enum class Output { kTable, kJson };

// Where a command reads and writes. `getenv` returns "" for a variable that isn't set.
struct Terminal {
  std::istream& in;
  std::ostream& out;
  std::ostream& err;
  std::function<std::string(const std::string&)> getenv;
  // A person watches `err`: progress may be shown on one line that is written over.
  bool interactive = false;
  // How a command that waits for something sleeps between two looks.
  void (*sleep)(absl::Duration) = &absl::SleepFor;
};

struct Settings {
  std::string registry = "127.0.0.1:7001";
  // One ingestd a cell: "a:7002,b:7002".
  std::string ingest = "127.0.0.1:7002";
  std::string fill = "127.0.0.1:7003";
  std::string steering = "127.0.0.1:7004";
  absl::Duration timeout = absl::Seconds(30);
  Output output = Output::kTable;
  // "operator/jane"
  std::string principal = "operator/unknown";
};

struct Server {
  std::string program;
  std::string target;
  std::string flag;
  std::string variable;
};

// A list is read to its end, in pages of the largest size, but never more pages than this.
inline constexpr int kPageSize = 1'000;
inline constexpr int kMaxPages = 100'000;

// The items of a list response: the messages of its first repeated field, which by aip.dev/132 is the one with the resources.
std::vector<const google::protobuf::Message*> ItemsOf(const google::protobuf::Message& response);

// Drops the items after the first `limit`; true if there are that many. A limit of 0 is none.
bool KeepFirst(google::protobuf::Message& response, int64_t limit);

class Context {
 public:
  Context(Settings settings, Terminal terminal);

  const Settings& settings() const { return settings_; }
  std::ostream& out() { return terminal_.out; }
  std::ostream& err() { return terminal_.err; }
  std::istream& in() { return terminal_.in; }
  void Sleep(absl::Duration time) { terminal_.sleep(time); }
  bool interactive() const { return terminal_.interactive; }
  bool json() const { return settings_.output == Output::kJson; }

  const Server& registry() const { return registry_; }
  const Server& fill() const { return fill_; }
  const Server& steering() const { return steering_; }
  // At least one.
  const std::vector<Server>& ingest() const { return ingest_; }

  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> Call(const Server& server,
                                grpc::Status (Service::StubInterface::*method)(grpc::ClientContext*, const Request&, Response*),
                                const Request& request) {
    grpc::ClientContext call;
    Prepare(call);
    Response response;
    const std::unique_ptr<typename Service::StubInterface> stub = Service::NewStub(ChannelTo(server));
    RETURN_IF_ERROR(Told(server, (stub.get()->*method)(&call, request, &response)));
    return response;
  }

  // All pages as one response, whose repeated field holds the items of all of them. With `limit` > 0 reading stops at that many items, and
  // what is beyond is dropped; next_page_token then still tells that there is more.
  template <typename Service, typename Request, typename Response>
  absl::StatusOr<Response> ListAll(const Server& server,
                                   grpc::Status (Service::StubInterface::*method)(grpc::ClientContext*, const Request&, Response*),
                                   Request request, int64_t limit = 0) {
    Response all;
    for (int page = 0; page < kMaxPages; ++page) {
      request.set_page_size(limit > 0 && limit < kPageSize ? static_cast<int>(limit) : kPageSize);
      ASSIGN_OR_RETURN(const Response response, (Call<Service, Request, Response>(server, method, request)));
      const std::string token = response.next_page_token();
      all.MergeFrom(response);
      all.set_next_page_token(token);
      if (KeepFirst(all, limit) || token.empty()) return all;
      if (token == request.page_token()) break;
      request.set_page_token(token);
    }
    return absl::InternalError(absl::StrCat(server.program, " at ", server.target, ": its list does not end"));
  }

  // For a stream, which Call can't make: a stub, who we are (and no deadline), and words for how it ended.
  template <typename Service>
  std::unique_ptr<typename Service::StubInterface> StubOf(const Server& server) {
    return Service::NewStub(ChannelTo(server));
  }
  void PrepareStream(grpc::ClientContext& call) const;
  absl::Status Told(const Server& server, const grpc::Status& status) const;

  // Prints as JSON; nothing in table mode.
  void PrintJson(const google::protobuf::Message& message);
  // A line on standard error that is not an error: "note: …".
  void Note(absl::string_view text);

 private:
  void Prepare(grpc::ClientContext& call) const;
  std::shared_ptr<grpc::Channel> ChannelTo(const Server& server);

  const Settings settings_;
  Terminal terminal_;
  const Server registry_;
  const Server fill_;
  const Server steering_;
  std::vector<Server> ingest_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_;  // By target.
};

// A new request_id, so that a call that is sent again is done once.
std::string NewRequestId();

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_CONTEXT_H_
