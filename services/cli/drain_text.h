// A drain as text: what it is, and a table of how far it is with each box.
#ifndef FAIRLEAD_SERVICES_CLI_DRAIN_TEXT_H_
#define FAIRLEAD_SERVICES_CLI_DRAIN_TEXT_H_

#include <string>

#include "fairlead/registry/v1/resources.pb.h"

namespace fairlead::cli {

// Each line after `indent` spaces.
std::string DrainBoxesText(const registry::v1::Drain& drain, int indent);
std::string DrainText(const registry::v1::Drain& drain);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_DRAIN_TEXT_H_
