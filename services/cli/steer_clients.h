// `steer --clients FILE`: where each client of a file would be sent, as JSON lines in the order of the file.
//
// Asked through SteerStream in batches, several of which are under way at a time; memory is bounded by those. A line is an address; blank
// lines and what follows a '#' don't count, nor does a carriage return at the end. A line that is no address is answered by a line with an
// error (or ends it all, with `strict`), and so is one that the server refuses.
#ifndef FAIRLEAD_SERVICES_CLI_STEER_CLIENTS_H_
#define FAIRLEAD_SERVICES_CLI_STEER_CLIENTS_H_

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "fairlead/steering/v1/steering_service.pb.h"
#include "services/cli/commands.h"

namespace fairlead::cli {

struct ClientLine {
  int64_t number = 0;   // From 1.
  std::string text;     // Without comment and blanks; cut if it is too long to be an address.
  absl::Status parsed;  // Whether it is an address.
};

// Reads lines without ever holding more than kMaxLine bytes of one.
class ClientLines {
 public:
  static constexpr size_t kMaxLine = 256;

  explicit ClientLines(std::istream& in) : in_(in) {}
  // False at the end. Lines without an address are passed over.
  bool Next(ClientLine& line);

 private:
  bool ReadLine(std::string& text);

  std::istream& in_;
  int64_t number_ = 0;
};

// {"line":1,"client":"198.51.100.7","verdict":"OK","matchedPrefix":"198.51.0.0/16","appliances":[{"site":"sites/x","appliance":…}]}
std::string AnswerLine(const ClientLine& line, const steering::v1::SteerResponse& response);
// {"line":3,"client":"nonsense","error":{"code":"INVALID_ARGUMENT","message":"…"}}
std::string ErrorLine(const ClientLine& line, const absl::Status& error);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_STEER_CLIENTS_H_
