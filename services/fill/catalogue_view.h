// The catalogue and the plan in force as one immutable value, and the step from one such value to the next. Readers hold it as long as
// they like; nothing in it changes. Any thread.
#ifndef FAIRLEAD_SERVICES_FILL_CATALOGUE_VIEW_H_
#define FAIRLEAD_SERVICES_FILL_CATALOGUE_VIEW_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "libs/base/ids.h"
#include "libs/content/catalogue_values.h"
#include "libs/feed/position.h"
#include "libs/fill/plan.h"
#include "services/fill/store.h"

namespace fairlead::fill {

// A plan with its manifests by box.
class PlanIndex {
 public:
  struct Box {
    const BoxManifest* manifest;
    const ClusterFillPlan* cluster;
    std::vector<uint32_t> numbers;  // Ascending.
    bool Wants(uint32_t number) const;
  };

  explicit PlanIndex(FillPlan plan);
  PlanIndex(const PlanIndex&) = delete;
  PlanIndex& operator=(const PlanIndex&) = delete;

  const FillPlan& plan() const { return plan_; }
  // Null if the plan has no manifest for it.
  const Box* Find(const ApplianceId& appliance) const;

 private:
  const FillPlan plan_;
  absl::flat_hash_map<ApplianceId, Box> boxes_;
};

class CatalogueView {
 public:
  using Titles = absl::btree_map<TitleId, std::shared_ptr<const Title>>;
  struct FileRef {
    const Title* title = nullptr;  // Null: no such file.
    const TitleVersion* version = nullptr;
    const Rendition* rendition = nullptr;
  };

  // Before the store was read for the first time.
  CatalogueView() = default;
  // What `before` becomes.
  static std::shared_ptr<const CatalogueView> Next(const CatalogueView& before, StoreChanges changes);

  bool loaded() const { return !position_.nothing(); }
  FeedPosition position() const { return position_; }
  // Goes up whenever a title changed.
  uint64_t title_changes() const { return title_changes_; }
  const Titles& titles() const { return titles_; }
  size_t file_count() const { return file_count_; }
  FileRef FindFile(uint32_t number) const { return number < files_.size() ? files_[number] : FileRef(); }
  // Null before the first plan.
  const PlanIndex* plan() const { return plan_.get(); }

 private:
  void Put(Title title);

  FeedPosition position_;
  uint64_t title_changes_ = 0;
  Titles titles_;
  std::vector<FileRef> files_;  // By number, into titles_.
  size_t file_count_ = 0;
  std::shared_ptr<const PlanIndex> plan_;
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_CATALOGUE_VIEW_H_
