// Reads the fleet file (format: README.md) into declared resources, and tells where in the file a problem stands.
#ifndef FAIRLEAD_SERVICES_REGISTRY_FLEET_FILE_H_
#define FAIRLEAD_SERVICES_REGISTRY_FLEET_FILE_H_

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "libs/config/yaml.h"
#include "libs/registry/fleet_plan.h"

namespace fairlead::registry {

class FleetFile {
 public:
  // INVALID_ARGUMENT listing everything that is wrong with the form (at most 20 problems), with line and column.
  static absl::StatusOr<FleetFile> Parse(const std::string& text);

  const DeclaredFleet& declared() const { return declared_; }

  // Problems of the content as one error with lines and columns; a problem of what the file doesn't have comes without.
  // The code is that of the problems if they have one in common, else INVALID_ARGUMENT.
  absl::Status Explain(const std::vector<Problem>& problems) const;

 private:
  FleetFile() = default;
  YamlMark MarkOf(const Problem& problem) const;

  std::unique_ptr<YamlNode> root_;
  DeclaredFleet declared_;
  // Where each resource, "sites/lhr001", is declared.
  std::map<std::string, const YamlNode*> places_;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_SERVICES_REGISTRY_FLEET_FILE_H_
