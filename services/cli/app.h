// The command line as a library: parses, runs one command, prints errors, returns the exit code. main.cc calls it with the real streams,
// tests with their own.
#ifndef FAIRLEAD_SERVICES_CLI_APP_H_
#define FAIRLEAD_SERVICES_CLI_APP_H_

#include <string>
#include <vector>

#include "services/cli/context.h"

namespace fairlead::cli {

// `arguments` without the program's name.
int RunCli(const std::vector<std::string>& arguments, const Terminal& terminal);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_APP_H_
