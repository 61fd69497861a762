// A plan as tables: what each box gets, and the files that did not fit.
#ifndef FAIRLEAD_SERVICES_CLI_FILL_TEXT_H_
#define FAIRLEAD_SERVICES_CLI_FILL_TEXT_H_

#include <string>

#include "fairlead/fill/v1/fill_service.pb.h"

namespace fairlead::cli {

std::string PlanText(const fill::v1::Plan& plan);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_FILL_TEXT_H_
