// What no two resources of one kind may share.
#ifndef FAIRLEAD_LIBS_REGISTRY_UNIQUE_KEY_H_
#define FAIRLEAD_LIBS_REGISTRY_UNIQUE_KEY_H_

#include <string>

namespace fairlead::registry {

// Compared by field and value together.
struct UniqueKey {
  std::string field;
  std::string value;
};

}  // namespace fairlead::registry

#endif  // FAIRLEAD_LIBS_REGISTRY_UNIQUE_KEY_H_
