// The catalogue in memory, kept equal to the store, and told to subscribers.
//
// Refresh reads what is new in the store, publishes the next view, then the feeds: so whoever hears of a change finds it in the view.
// It is called by a loop and after each write of our own. Reads go on from memory while the store can't be reached. Thread-safe.
#ifndef FAIRLEAD_SERVICES_FILL_CATALOGUE_H_
#define FAIRLEAD_SERVICES_FILL_CATALOGUE_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "fairlead/content/v1/catalog_service.pb.h"
#include "libs/base/published.h"
#include "libs/feed/feed_publisher.h"
#include "services/fill/catalogue_view.h"
#include "services/fill/metrics.h"
#include "services/fill/store.h"

namespace fairlead::fill {

class Catalogue {
 public:
  // All must outlive it.
  Catalogue(Store& store, FillMetrics& metrics);

  // Blocks on the store. After an error the view stays as it was. FAILED_PRECONDITION if the store went back to an older position: after a
  // restore its epoch must be raised.
  absl::Status Refresh() ABSL_LOCKS_EXCLUDED(refresh_mu_);

  // Never null; not loaded() before the first Refresh that succeeded.
  std::shared_ptr<const CatalogueView> View() const { return view_.Get(); }

  FeedPublisher& steering_feed() { return steering_; }
  FeedPublisher& cell_feed() { return cell_; }
  void ShutdownFeeds();

 private:
  void PublishFeeds(const StoreChanges& changes, const CatalogueView& view) ABSL_EXCLUSIVE_LOCKS_REQUIRED(refresh_mu_);

  // What the feeds can tell; an entry that is too large must not hold back the others.
  std::vector<EncodedEntry> Encode(const std::vector<content::v1::CatalogEntry>& entries);

  Store& store_;
  FillMetrics& metrics_;
  Published<CatalogueView> view_;
  absl::Mutex refresh_mu_;
  bool store_was_up_ ABSL_GUARDED_BY(refresh_mu_) = true;
  FeedPublisher steering_;  // Titles.
  FeedPublisher cell_;      // Manifest generations.
};

}  // namespace fairlead::fill

#endif  // FAIRLEAD_SERVICES_FILL_CATALOGUE_H_
