// `fairlead`: the operators' command line.
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "services/cli/app.h"

int main(int argc, char** argv) {
  // gRPC writes its own complaints about connections to standard error; ours say the same in words. Not if someone asks for them.
  setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
  const fairlead::cli::Terminal terminal{
      .in = std::cin,
      .out = std::cout,
      .err = std::cerr,
      .getenv =
          [](const std::string& name) {
            const char* value = std::getenv(name.c_str());
            return std::string(value == nullptr ? "" : value);
          },
      .interactive = isatty(STDERR_FILENO) == 1,
  };
  const int code = fairlead::cli::RunCli(std::vector<std::string>(argv + 1, argv + argc), terminal);
  std::cout.flush();
  // A full disk or a closed pipe must not look like success.
  return code == 0 && !std::cout ? 1 : code;
}
