#include "libs/log/log.h"

#include <memory>
#include <utility>

#include "absl/time/clock.h"
#include "nlohmann/json.hpp"
#include "spdlog/sinks/stdout_sinks.h"
#include "spdlog/spdlog.h"

namespace fairlead {
namespace {

struct LogState {
  std::string program = "unnamed";
  std::shared_ptr<spdlog::logger> logger;
};

// Never destroyed: threads may still log while the process exits.
LogState& State() {
  static LogState* const state = [] {
    auto* made = new LogState;
    made->logger = std::make_shared<spdlog::logger>("fairlead", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    made->logger->set_pattern("%v");
    made->logger->flush_on(spdlog::level::trace);
    return made;
  }();
  return *state;
}

spdlog::level::level_enum SpdlogLevel(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

const char* LevelName(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

}  // namespace

void InitLog(absl::string_view program, LogLevel least) {
  State().program = std::string(program);
  State().logger->set_level(SpdlogLevel(least));
}

std::string FormatLogLine(absl::Time time, LogLevel level, absl::string_view program, absl::string_view message,
                          std::initializer_list<LogField> fields) {
  nlohmann::ordered_json line;
  line["time"] = absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
  line["level"] = LevelName(level);
  line["program"] = std::string(program);
  line["message"] = std::string(message);
  for (const LogField& field : fields) {
    std::visit([&](const auto& value) { line[std::string(field.key)] = value; }, field.value);
  }
  return line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields) {
  LogState& state = State();
  if (!state.logger->should_log(SpdlogLevel(level))) return;
  state.logger->log(SpdlogLevel(level), FormatLogLine(absl::Now(), level, state.program, message, fields));
}

}  // namespace fairlead
