// The main() of a fuzz target under ./run test: every seed of its corpus, then a fixed number of seeded mutants of them. Without coverage
// to guide it it finds little that is new; it keeps what was found from coming back. ./run fuzz links libFuzzer's main() in its place.
//
//   address_fuzz --mutants=20000 [--seed=1] CORPUS_FOLDER...
//
// As one of several shards (Bazel's TEST_SHARD_INDEX) it counts the seed up by its index, so that no shard repeats another.
//
// If an input fails, its bytes are printed in hexadecimal: `xxd -r -p` makes a file of them, which belongs into the corpus.
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "libs/checkpoint/file.h"
#include "tests/generator/routes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace fairlead {
namespace {

// Larger than any buffer or bound of a target that is worth meeting; libFuzzer goes beyond where it is told to.
constexpr size_t kMostBytes = 96 << 10;

const std::string* current = nullptr;

void ShowInput(int signal_number) {
  constexpr char kIntro[] = "\nfailing input: ";
  constexpr char kDigits[] = "0123456789abcdef";
  ssize_t ignored = write(STDERR_FILENO, kIntro, sizeof(kIntro) - 1);
  for (size_t i = 0; current != nullptr && i < std::min<size_t>(current->size(), 4096); ++i) {
    const auto byte = static_cast<unsigned char>((*current)[i]);
    const char hex[2] = {kDigits[byte >> 4], kDigits[byte & 15]};
    ignored = write(STDERR_FILENO, hex, 2);
  }
  ignored = write(STDERR_FILENO, "\n", 1);
  static_cast<void>(ignored);
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

void Run(const std::string& input) {
  current = &input;
  // A copy of exactly this size, so that a sanitizer sees a read beyond it.
  const std::vector<uint8_t> bytes(input.begin(), input.end());
  LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
}

class Mutator {
 public:
  Mutator(const std::vector<std::string>& seeds, uint64_t seed) : seeds_(seeds), random_(seed) {}

  std::string Next() {
    std::string bytes = Seed();
    for (uint64_t steps = 1 + random_.Below(4); steps > 0; --steps) Mutate(bytes);
    if (bytes.size() > kMostBytes) bytes.resize(kMostBytes);
    return bytes;
  }

 private:
  const std::string& Seed() { return seeds_[random_.Below(seeds_.size())]; }
  size_t Place(const std::string& bytes) { return random_.Below(bytes.size() + 1); }
  char Byte() {
    constexpr absl::string_view kTelling("\0\x01\x7f\x80\xff\xfe 09azAZ.,:;/\\\"'%[]{}-+\n\t", 35);
    return random_.OneIn(2) ? kTelling[random_.Below(kTelling.size())] : static_cast<char>(random_.Next());
  }

  void Mutate(std::string& bytes) {
    const size_t at = Place(bytes);
    const size_t some = std::min<size_t>(random_.Below(random_.OneIn(4) ? 256 : 16) + 1, bytes.size() - at);
    switch (random_.Below(10)) {
      case 0:  // A flipped bit.
        if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_.Below(8)));
        return;
      case 1:
        if (at < bytes.size()) bytes[at] = Byte();
        return;
      case 2:  // Cut off, to nothing at times.
        return bytes.resize(random_.OneIn(20) ? 0 : at);
      case 3:
        bytes.erase(at, some);
        return;
      case 4:
        bytes.insert(at, bytes.substr(Place(bytes), some));
        return;
      case 5:
        bytes.insert(at, std::string(1 + random_.Below(random_.OneIn(10) ? 20'000 : 6), Byte()));
        return;
      case 6: {  // Another seed from here on.
        const std::string& other = Seed();
        bytes = bytes.substr(0, at) + other.substr(Place(other));
        return;
      }
      case 7:  // A number of four bytes.
        for (size_t i = 0; i < 4 && at + i < bytes.size(); ++i) bytes[at + i] = random_.OneIn(2) ? '\xff' : '\0';
        return;
      case 8: {  // A number of digits.
        const size_t digit = bytes.find_first_of("0123456789", at);
        if (digit != std::string::npos) bytes.replace(digit, 1, std::to_string(random_.OneIn(2) ? random_.Below(10) : random_.Next()));
        return;
      }
      default:  // Twice as long.
        if (random_.OneIn(4)) bytes += bytes;
        return;
    }
  }

  const std::vector<std::string>& seeds_;
  SeededRandom random_;
};

constexpr size_t kMostSeedBytes = size_t{1} << 20;

std::vector<std::string> ReadSeeds(const std::vector<std::string>& folders) {
  std::vector<std::filesystem::path> paths;
  for (const std::string& folder : folders) {
    std::error_code error;
    for (std::filesystem::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      paths.push_back(entry->path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<std::string> seeds;
  for (const std::filesystem::path& path : paths) {
    absl::StatusOr<std::string> seed = ReadFile(path, kMostSeedBytes);
    if (seed.ok()) seeds.push_back(*std::move(seed));
  }
  return seeds;
}

// Of Bazel's shards, from 0; says, too, that shards are known here.
uint64_t ShardIndex() {
  if (const char* file = std::getenv("TEST_SHARD_STATUS_FILE"); file != nullptr) std::ofstream(file).flush();
  const char* text = std::getenv("TEST_SHARD_INDEX");
  uint64_t index = 0;
  return text != nullptr && absl::SimpleAtoi(text, &index) ? index : 0;
}

int Main(const std::vector<absl::string_view>& arguments) {
  uint64_t mutants = 0;
  uint64_t seed = 1;
  std::vector<std::string> folders;
  for (absl::string_view argument : arguments) {
    if (absl::ConsumePrefix(&argument, "--mutants=")) {
      if (!absl::SimpleAtoi(argument, &mutants)) return 2;
    } else if (absl::ConsumePrefix(&argument, "--seed=")) {
      if (!absl::SimpleAtoi(argument, &seed)) return 2;
    } else {
      folders.emplace_back(argument);
    }
  }
  const std::vector<std::string> seeds = ReadSeeds(folders);
  if (seeds.empty()) {
    std::fprintf(stderr, "no seeds: a fuzz target has a corpus\n");
    return 2;
  }
  for (const int fatal : {SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGILL}) signal(fatal, ShowInput);
  for (const std::string& one : seeds) Run(one);
  seed += ShardIndex();
  Mutator mutator(seeds, seed);
  for (uint64_t i = 0; i < mutants; ++i) Run(mutator.Next());
  std::printf("%zu seeds and %llu mutants of them (by seed %llu) held\n", seeds.size(), static_cast<unsigned long long>(mutants),
              static_cast<unsigned long long>(seed));
  return 0;
}

}  // namespace
}  // namespace fairlead

int main(int argc, char** argv) {
  return fairlead::Main({argv + 1, argv + argc});
}
