// The three kinds of source that a steerd follows, as real feeds on real ports, with a small world of our own in them. For tests.
//
//   FakeSources sources;                // Feeds of `registry`, `catalog` and cells c1 and c2.
//   sources.SetUpWorld();               // Two sites with four boxes that hold titles/movie.
//   sources.PutConfig(…); sources.RemoveFleet(0, "holdings/oca-1");
//   sources.Stop();                     // All dead.
#ifndef FAIRLEAD_SERVICES_STEERING_FAKE_SOURCES_H_
#define FAIRLEAD_SERVICES_STEERING_FAKE_SOURCES_H_

#include <memory>
#include <string>
#include <vector>

#include "fairlead/content/v1/catalog_service.grpc.pb.h"
#include "fairlead/ingest/v1/fleet_service.grpc.pb.h"
#include "fairlead/registry/v1/config_service.grpc.pb.h"
#include "google/protobuf/text_format.h"
#include "libs/feed/feed_publisher.h"
#include "libs/rpc/server.h"

namespace fairlead {

// A message from its text form; an empty one, and a line on standard error, if the text is wrong.
template <typename Message>
Message FromText(const std::string& text) {
  Message message;
  if (!google::protobuf::TextFormat::ParseFromString(text, &message)) fprintf(stderr, "bad text of a message:\n%s\n", text.c_str());
  return message;
}

class FakeSources {
 public:
  static constexpr size_t kCells = 2;

  // `epoch` of all feeds: higher in a second life.
  explicit FakeSources(uint64_t epoch = 1);
  ~FakeSources() { Stop(); }
  FakeSources(const FakeSources&) = delete;
  FakeSources& operator=(const FakeSources&) = delete;

  std::string registry_target() const { return registry_server_->target(); }
  std::string fill_target() const { return fill_server_->target(); }
  std::string cell_target(size_t cell) const { return cells_[cell].server->target(); }

  // Entries in text form: `key: "sites/x" site { … }`.
  void PutConfig(const std::string& entry);
  void PutCatalog(const std::string& entry);
  void PutFleet(size_t cell, const std::string& entry);
  void RemoveConfig(const std::string& key);
  void RemoveCatalog(const std::string& key);
  void RemoveFleet(size_t cell, const std::string& key);

  // The same of many entries in one change.
  void PutConfig(const std::vector<registry::v1::ConfigEntry>& entries);
  void PutCatalog(const std::vector<content::v1::CatalogEntry>& entries);
  void PutFleet(size_t cell, const std::vector<ingest::v1::FleetEntry>& entries);

  // Shorthands.
  void PutAppliance(const std::string& id, const std::string& site, const std::string& admin_state = "ADMIN_STATE_LIVE",
                    const std::string& host = "192.0.2.1");
  void PutState(size_t cell, const std::string& id, uint64_t incarnation, uint64_t sequence, const std::string& health = "HEALTH_STATE_OK",
                int64_t throughput_bps = 1'000'000'000);
  // What a cell says of boxes that it hasn't heard for 10 s since those reports; in one change.
  void PutSilences(size_t cell, const std::vector<std::string>& ids, uint64_t incarnation, uint64_t sequence);
  void PutHoldings(size_t cell, const std::string& id, uint64_t incarnation, uint64_t sequence, const std::vector<uint32_t>& files);
  void PutRoute(size_t cell, const std::string& session, const std::string& appliance, const std::string& prefix);
  void PutSession(size_t cell, const std::string& session, const std::string& appliance, bool established = true);

  // Embedded site sites/emb of partners/isp with oca-1 and oca-2, hearing 198.51.100.0/24 and 2001:db8:100::/40; IX site sites/ix with
  // oca-3 and oca-4, open to unrouted clients. titles/movie (v1) has files 1 (video-720p), 2 (video-480p) and 3 (audio-en), all held by
  // all boxes, which report to cell 0. The signing key in state ACTIVE is `key_id`.
  void SetUpWorld(const std::string& key_id);

  void Stop();

 private:
  template <typename Entry>
  static void Put(FeedPublisher& publisher, const Entry& entry);
  template <typename Entry>
  static void PutAll(FeedPublisher& publisher, const std::vector<Entry>& entries);
  struct Cell {
    std::unique_ptr<FeedPublisher> publisher;
    std::unique_ptr<grpc::Service> service;
    std::unique_ptr<RpcServer> server;
  };

  std::unique_ptr<FeedPublisher> config_;
  std::unique_ptr<grpc::Service> config_service_;
  std::unique_ptr<RpcServer> registry_server_;
  std::unique_ptr<FeedPublisher> catalog_;
  std::unique_ptr<grpc::Service> catalog_service_;
  std::unique_ptr<RpcServer> fill_server_;
  std::vector<Cell> cells_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_SERVICES_STEERING_FAKE_SOURCES_H_
