// Reads whole files that others write, move or take away meanwhile: logs, run folders, /proc.
//
// Not by a stream buffer: std::filebuf throws where the system can't read on (ESRCH from /proc of a process that ended just then), past
// every check of the stream's state. Stateless; any thread.
#ifndef FAIRLEAD_TESTS_LAB_TEXT_FILE_H_
#define FAIRLEAD_TESTS_LAB_TEXT_FILE_H_

#include <cstddef>
#include <string>
#include <vector>

namespace fairlead {

// All of it from byte `from` on; empty if it can't be read to its end, or holds more than kMostTextBytes.
inline constexpr size_t kMostTextBytes = size_t{1} << 30;
std::string ReadText(const std::string& path, size_t from = 0);

// The paths of the regular files in a folder and in those below it, sorted; what goes away meanwhile may be missing.
std::vector<std::string> FilesBelow(const std::string& folder);

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_TEXT_FILE_H_
