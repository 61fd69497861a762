// An imported title as the request that registers it.
#ifndef FAIRLEAD_SERVICES_CLI_CATALOG_CODEC_H_
#define FAIRLEAD_SERVICES_CLI_CATALOG_CODEC_H_

#include "fairlead/content/v1/catalog_service.pb.h"
#include "libs/content/catalogue_values.h"

namespace fairlead::cli {

// Without request_id and validate_only, which are the caller's.
content::v1::ImportTitleVersionRequest ImportRequest(const TitleImport& import);

}  // namespace fairlead::cli

#endif  // FAIRLEAD_SERVICES_CLI_CATALOG_CODEC_H_
