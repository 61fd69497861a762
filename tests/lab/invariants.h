// One checker of what must hold after every fault, whichever it was (I1 … I10), on the running lab through its front
// doors:
//
//   I1  each viewer gets URLs for each file of each title, of two sites where two may serve it
//   I2  no URL names a box that isn't LIVE, or that hasn't the file (its first byte is fetched)
//   I3  no source of an answer went back in its version
//   I4  each acknowledged write stands in the audit once, in order
//   I5  no viewer is sent to a box that stands for another partner
//   I6  every byte that was played is the imported one
//   I7  silence took no more boxes than the guard's limit allows in the time since the last check
//   I8  no service's memory is beyond its bound, and no named bound was met
//   I9  no token, key or credential in a log or on a metrics page
//
// I10 (silence takes nobody's last box) shows while a fault lasts, as new plays that fail: Prober counts them. The invariants are told in
// RELIABILITY.md.
// Not thread-safe.
//
//   Invariants invariants(installation, players, prober, writer);
//   for (const std::string& broken : invariants.Check()) …   // "I4: write 17 was acknowledged, the last that stands is 16"
#ifndef FAIRLEAD_TESTS_LAB_INVARIANTS_H_
#define FAIRLEAD_TESTS_LAB_INVARIANTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/lab/http_client.h"
#include "tests/lab/installation.h"
#include "tests/lab/players.h"
#include "tests/lab/prober.h"
#include "tests/lab/registry_writer.h"

namespace fairlead {

class Invariants {
 public:
  // All must outlive it.
  Invariants(Installation& installation, const Players& players, const Prober& prober, RegistryWriter& writer);

  // What is broken; empty if all hold. To be called when the lab is as before.
  std::vector<std::string> Check();

 private:
  void CheckAnswers(std::vector<std::string>& broken);
  void CheckAnswer(const LabViewer& viewer, const steering::v1::SteerResponse& answer, std::vector<std::string>& broken);
  void CheckGuard(std::vector<std::string>& broken);
  void CheckBounds(std::vector<std::string>& broken);
  // The metrics page of a service; empty if it doesn't answer, which another check tells.
  std::string MetricsPage(int service);
  void CheckSecrets(std::vector<std::string>& broken);
  // What must never be read in a log: known after every box has enrolled.
  std::vector<std::string> Secrets() const;
  // What a log gained since it was last looked at.
  std::string NewText(const std::string& path);

  Installation& installation_;
  const Players& players_;
  const Prober& prober_;
  RegistryWriter& writer_;
  HttpClient http_;
  size_t round_ = 0;
  absl::Time guard_checked_ = absl::InfiniteFuture();
  double silences_ = 0;  // Believed by the limit, when it was checked last.
  std::map<std::string, common::v1::AdminState> admin_;
  std::map<std::string, size_t> read_;
};

}  // namespace fairlead

#endif  // FAIRLEAD_TESTS_LAB_INVARIANTS_H_
