// One JSON object a line on standard error, so that people and programs read the same log.
//
//   InitLog("steerd");
//   LogInfo("table published", {{"version", table.version()}, {"prefixes", table.prefix_count()}});
//   // {"time":"2026-01-31T12:00:00.123Z","level":"info","program":"steerd","message":"table published","version":7,"prefixes":42}
//
// Never log a secret: tokens, credentials and private keys stay out, signed URLs are logged without their token.
#ifndef FAIRLEAD_LIBS_LOG_LOG_H_
#define FAIRLEAD_LIBS_LOG_LOG_H_

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace fairlead {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// A named value of a log line.
struct LogField {
  template <std::integral T>
  LogField(absl::string_view key_in, T number) : key(key_in), value(static_cast<int64_t>(number)) {}
  LogField(absl::string_view key_in, bool flag) : key(key_in), value(flag) {}
  LogField(absl::string_view key_in, double number) : key(key_in), value(number) {}
  LogField(absl::string_view key_in, absl::string_view text) : key(key_in), value(std::string(text)) {}
  LogField(absl::string_view key_in, const std::string& text) : key(key_in), value(text) {}
  LogField(absl::string_view key_in, const char* text) : key(key_in), value(std::string(text)) {}
  LogField(absl::string_view key_in, absl::Duration duration) : key(key_in), value(absl::FormatDuration(duration)) {}
  LogField(absl::string_view key_in, const absl::Status& status) : key(key_in), value(status.ToString()) {}

  absl::string_view key;
  std::variant<int64_t, bool, double, std::string> value;
};

// Call once at start, before other threads log. Lines below `least` are dropped. Without it the program is "unnamed".
void InitLog(absl::string_view program, LogLevel least = LogLevel::kInfo);

// Thread-safe; each line is written whole. Invalid UTF-8 is replaced.
void Log(LogLevel level, absl::string_view message, std::initializer_list<LogField> fields = {});

inline void LogDebug(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kDebug, message, fields);
}
inline void LogInfo(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kInfo, message, fields);
}
inline void LogWarning(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kWarning, message, fields);
}
inline void LogError(absl::string_view message, std::initializer_list<LogField> fields = {}) {
  Log(LogLevel::kError, message, fields);
}

// The line that Log would write, without the line feed.
std::string FormatLogLine(absl::Time time, LogLevel level, absl::string_view program, absl::string_view message,
                          std::initializer_list<LogField> fields);

}  // namespace fairlead

#endif  // FAIRLEAD_LIBS_LOG_LOG_H_
