#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "libs/net/ip_address.h"
#include "nlohmann/json.hpp"
#include "services/cli/steer_clients.h"

namespace fairlead::cli {
namespace {

using steering::v1::RankedUrl;
using steering::v1::SteerResponse;

// A JSON string. What isn't UTF-8 is replaced: files hold anything.
std::string JsonString(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

absl::string_view WithoutPrefix(absl::string_view word, absl::string_view prefix) {
  return absl::StartsWith(word, prefix) ? word.substr(prefix.size()) : word;
}

std::string Head(const ClientLine& line) {
  return absl::StrCat(R"({"line":)", line.number, R"(,"client":)", JsonString(line.text));
}

// The boxes in the order of their positions, each address of one once, over all files.
std::vector<const RankedUrl*> RankedBoxes(const SteerResponse& response) {
  std::vector<const RankedUrl*> boxes;
  for (const steering::v1::FileAnswer& file : response.files()) {
    for (const RankedUrl& url : file.urls()) {
      const bool known = std::any_of(boxes.begin(), boxes.end(), [&](const RankedUrl* other) {
        return other->appliance() == url.appliance() && other->family() == url.family();
      });
      if (!known) boxes.push_back(&url);
    }
  }
  std::stable_sort(boxes.begin(), boxes.end(), [](const RankedUrl* a, const RankedUrl* b) { return a->position() < b->position(); });
  return boxes;
}

}  // namespace

bool ClientLines::ReadLine(std::string& text) {
  text.clear();
  std::streambuf& buffer = *in_.rdbuf();
  int c = buffer.sbumpc();
  if (c == std::char_traits<char>::eof()) return false;
  for (; c != '\n' && c != std::char_traits<char>::eof(); c = buffer.sbumpc()) {
    if (text.size() < kMaxLine) text.push_back(static_cast<char>(c));
  }
  ++number_;
  return true;
}

bool ClientLines::Next(ClientLine& line) {
  while (ReadLine(line.text)) {
    line.text.resize(std::min(line.text.size(), line.text.find('#')));
    absl::StripAsciiWhitespace(&line.text);
    if (line.text.empty()) continue;
    line.number = number_;
    line.parsed = IpAddress::Parse(line.text, "client").status();
    return true;
  }
  return false;
}

std::string AnswerLine(const ClientLine& line, const SteerResponse& response) {
  std::string text = Head(line);
  absl::StrAppend(&text, R"(,"verdict":")", WithoutPrefix(SteerResponse::Verdict_Name(response.verdict()), "VERDICT_"), "\"");
  if (!response.reason().empty()) absl::StrAppend(&text, R"(,"reason":)", JsonString(response.reason()));
  absl::StrAppend(&text, R"(,"matchedPrefix":)", JsonString(response.matched_prefix()), R"(,"appliances":[)");
  const char* separator = "";
  for (const RankedUrl* url : RankedBoxes(response)) {
    absl::StrAppend(&text, separator, R"({"site":)", JsonString(url->site()), R"(,"appliance":)", JsonString(url->appliance()),
                    R"(,"family":")", WithoutPrefix(common::v1::AddressFamily_Name(url->family()), "ADDRESS_FAMILY_"), R"(","rank":)",
                    url->rank(), R"(,"cause":")", WithoutPrefix(common::v1::MissCause_Name(url->cause()), "MISS_CAUSE_"), "\"}");
    separator = ",";
  }
  absl::StrAppend(&text, "]}\n");
  return text;
}

std::string ErrorLine(const ClientLine& line, const absl::Status& error) {
  return absl::StrCat(Head(line), R"(,"error":{"code":")", absl::StatusCodeToString(error.code()), R"(","message":)",
                      JsonString(std::string(error.message())), "}}\n");
}

}  // namespace fairlead::cli
